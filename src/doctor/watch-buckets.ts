import { SourceError } from '../domain/errors.ts';
import { recentStepMs } from '../domain/metrics/metrics-source.ts';
import type { BackendFacts } from '../domain/ports/backend-facts.ts';
import type { CountsByValue, ReadRecentCounts, RecentUnit } from '../domain/ports/recent-counts.ts';
import type { QueryBatch, Registry } from '../domain/registry/model.ts';

/** From one question to the next, in ms. */
const pollMs = 5_000;
/** How long after its end a bucket is watched at least, in ms. */
export const settleMs = 120_000;
/** How long doctor may watch, in ms. The longest takes 361 calls. */
export const watchRangeMs = { min: 240_000, max: 1_800_000 } as const;
/** After so many failed questions in a row the watch ends. */
const maxFailuresInARow = 3;

/** Samples are read again for so long, in ms: one that is later is never seen. Each question reads all series of the service. */
const reReadMs = 600_000;

/** The requests whose newest buckets, or samples, are watched. */
export interface WatchTarget {
  readonly service: string;
  /** The service's own part of its batch. */
  readonly batch: QueryBatch;
  /** The tag that tells canary and stable apart; undefined where no tag does. */
  readonly key: string | undefined;
}

/**
 * One bucket of one value of the tag, or the samples of one time, which is where both their begin and their end are. Ages are counted from
 * the end, in ms.
 */
export interface WatchedBucket {
  readonly startMs: number;
  /** Of samples: their number. */
  readonly requests: number;
  /** The last age at which it was known to be incomplete. */
  readonly incompleteMs: number;
  /** The age at which its final count was first seen. */
  readonly completeMs: number;
}

export interface BucketWatch {
  readonly target: WatchTarget;
  readonly unit: RecentUnit;
  readonly calls: number;
  /** The width of the buckets that came back, in ms; it may be wider than what was asked for. 0 of samples. */
  readonly bucketMs: number;
  /** Buckets that were watched long enough, by the value of the tag, busiest first. */
  readonly byValue: ReadonlyMap<string, readonly WatchedBucket[]>;
  /** Why the watch ended early. */
  readonly failure: SourceError | undefined;
}

export interface WatchPorts {
  readonly unit: RecentUnit;
  readonly read: ReadRecentCounts;
  /** Epoch ms. */
  readonly now: () => number;
  /** How far `now` is ahead of the source's clock, in ms. */
  readonly clockSkewMs: () => number;
  readonly sleep: (ms: number) => Promise<void>;
}

/**
 * The busiest service that a CUJ has, or where none had traffic in the last day, the one with the most counters: they are scraped all the
 * same. Undefined where there is neither.
 */
export function watchTarget(registry: Registry, facts: BackendFacts): WatchTarget | undefined {
  const names = [...new Set([...registry.cujs.values()].flatMap(({ services }) => services))];
  const name =
    maxBy(names, (one) => facts.services.get(one)?.total ?? 0) ??
    maxBy(names, (one) => facts.counters?.get(one)?.series ?? 0);
  if (name === undefined) return undefined;
  const batch = registry.batches.find(({ services }) =>
    services.some(({ service }) => service.name === name),
  );
  if (batch === undefined) return undefined;
  const services = batch.services.filter(({ service }) => service.name === name);
  // Values that a selector replaces (service, env) are not tags of this service's own traffic.
  const [key] = facts.services.get(name)?.selectorValues.keys() ?? [];
  return { service: name, batch: { ...batch, services }, key };
}

/** The name with the greatest number above 0. */
function maxBy(names: readonly string[], numberOf: (name: string) => number): string | undefined {
  let most: { name: string; number: number } | undefined;
  for (const name of names) {
    const number = numberOf(name);
    if (number > (most?.number ?? 0)) most = { name, number };
  }
  return most?.name;
}

/** The questions that a watch of this length takes. */
export function callsOf(watchMs: number): number {
  return Math.floor(watchMs / pollMs) + 1;
}

/**
 * Asks for the newest buckets again and again, and notes when each took its final count. Never throws SourceError: the
 * watch ends early instead.
 */
export async function watchBuckets(
  target: WatchTarget,
  watchMs: number,
  { unit, read, now, clockSkewMs, sleep }: WatchPorts,
): Promise<BucketWatch> {
  const startedMs = now();
  // A bucket that holds the first question's time is seen from its begin, whatever width the source answers with.
  const bucketsFromMs = Math.floor(startedMs / 60_000) * 60_000;
  const history = new History(unit);
  let calls = 0;
  let failures = 0;
  let failure: SourceError | undefined;
  for (let i = 0; i < callsOf(watchMs) && failures < maxFailuresInARow; i += 1) {
    if (i > 0) await sleep(Math.max(0, startedMs + i * pollMs - now()));
    const askedMs = now();
    calls += 1;
    try {
      // Samples until now by the clock of who has them: those after the end of a range would seem late.
      const toMs = unit === 'samples' ? Math.round(askedMs - clockSkewMs()) : askedMs;
      const fromMs =
        unit === 'samples'
          ? toMs - Math.min(reReadMs, Math.round(askedMs - startedMs) + 60_000)
          : bucketsFromMs;
      const counts = await read(target.batch, target.key, fromMs, toMs, recentStepMs);
      const skewMs = clockSkewMs();
      history.add(counts.get(target.service) ?? new Map(), askedMs - skewMs, now() - skewMs);
      failures = 0;
      failure = undefined;
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      failures += 1;
      failure = error;
    }
  }
  return {
    target,
    unit,
    calls,
    ...history.settled(),
    failure: failures === maxFailuresInARow ? failure : undefined,
  };
}

interface Growth {
  requests: number;
  incompleteAtMs: number;
  completeAtMs: number;
}

/** When each count changed last. */
class History {
  readonly #buckets = new Map<string, Map<number, Growth>>();
  readonly #unit: RecentUnit;
  #firstAskedMs: number | undefined;
  #lastAskedMs = 0;

  constructor(unit: RecentUnit) {
    this.#unit = unit;
  }

  /** One answer: what it counts was asked for at `askedMs` and could be seen by `answeredMs`, in the source's time. */
  add(counts: CountsByValue, askedMs: number, answeredMs: number): void {
    const before = this.#firstAskedMs === undefined ? askedMs : this.#lastAskedMs;
    for (const [value, buckets] of counts) {
      const known = this.#buckets.get(value) ?? new Map<number, Growth>();
      this.#buckets.set(value, known);
      for (const [startMs, requests] of buckets) {
        if (requests === (known.get(startMs)?.requests ?? 0)) continue;
        known.set(startMs, { requests, incompleteAtMs: before, completeAtMs: answeredMs });
      }
    }
    this.#firstAskedMs ??= askedMs;
    this.#lastAskedMs = askedMs;
  }

  /** The buckets that ended after the first question and `settleMs` before the last one. */
  settled(): Pick<BucketWatch, 'bucketMs' | 'byValue'> {
    const starts = [...this.#buckets.values()].flatMap((buckets) => [...buckets.keys()]);
    const bucketMs =
      this.#unit === 'samples' ? 0 : starts.length < 2 ? recentStepMs : starts.reduce(greatestCommonDivisor);
    const firstMs = this.#firstAskedMs ?? 0;
    const byValue = [...this.#buckets].map(([value, buckets]) => {
      const watched = [...buckets].flatMap(([startMs, growth]): WatchedBucket[] => {
        const endMs = startMs + bucketMs;
        if (endMs < firstMs || endMs > this.#lastAskedMs - settleMs) return [];
        return [
          {
            startMs,
            requests: growth.requests,
            incompleteMs: Math.max(0, growth.incompleteAtMs - endMs),
            completeMs: Math.max(0, growth.completeAtMs - endMs),
          },
        ];
      });
      return [value, watched.sort((a, b) => a.startMs - b.startMs)] as const;
    });
    const requestsOf = (watched: readonly WatchedBucket[]) =>
      watched.reduce((sum, one) => sum + one.requests, 0);
    const busiestFirst = byValue.sort(([, a], [, b]) => requestsOf(b) - requestsOf(a));
    return { bucketMs, byValue: new Map(busiestFirst.filter(([, watched]) => watched.length > 0)) };
  }
}

/** Points of a wider interval than was asked for are all on its grid, and of a busy service every one is there. */
function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
