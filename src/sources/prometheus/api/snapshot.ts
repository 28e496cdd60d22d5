import { SourceError } from '../../../domain/errors.ts';
import {
  type BatchQuery,
  bucketMs,
  type Series,
  type ServiceCounts,
  type SideCounts,
  type Snapshot,
} from '../../../domain/metrics/metrics-source.ts';
import type { QueryPlan } from '../query/query-plan.ts';
import {
  addIncrements,
  type CountedSpan,
  honestStepOf,
  scrapeIntervalOf,
  TwoCountersInOne,
} from './counter-increments.ts';
import { malformed } from './error-mapping.ts';
import { type CounterSamples, show } from './matrix-response.ts';
import { rolesOf, type SeriesRole } from './series-roles.ts';
import { findTargets } from './target-restarts.ts';

/** What came back for a plan. */
export interface Answers {
  readonly total: readonly CounterSamples[];
  /** Undefined where the plan has no query for them. */
  readonly bad: readonly CounterSamples[] | undefined;
}

/** A counter of the total, with what it counts. */
export interface CountedSeries {
  readonly samples: CounterSamples;
  readonly role: SeriesRole;
}

/** All counters, before they are cut into buckets. */
export interface ReadSeries {
  readonly total: readonly CountedSeries[];
  readonly bad: readonly CountedSeries[] | undefined;
  /** The usual time between two scrapes, in ms. A minute where it is not known. */
  readonly intervalMs: number;
  /** Epoch ms; undefined where there is no sample. */
  readonly earliestMs: number | undefined;
}

/** Scrapes are a little late. */
const maxIntervalMs = 66_000;

/** Of different intervals between scrapes, one of the longest counts. The very longest may be that of a pod that is seldom reached. */
const usualShare = 0.9;

/** Throws SourceError: source_rejected where scrapes are too far apart, source_malformed where nothing counts failures. */
export function readSeries(plan: QueryPlan, query: BatchQuery, answers: Answers): ReadSeries {
  const { batch, canary, stable } = query;
  const counted = (planned: QueryPlan['total'], all: readonly CounterSamples[]) => {
    const roleOf = rolesOf(planned, batch, canary, stable);
    return all.map((samples): CountedSeries => ({ samples, role: roleOf(samples.labels) }));
  };
  const intervals = answers.total.flatMap(({ times }) => scrapeIntervalOf(times) ?? []);
  intervals.sort((a, b) => a - b);
  const intervalMs = intervals[Math.floor(intervals.length * usualShare)] ?? bucketMs;
  if (intervalMs > maxIntervalMs) {
    throw new SourceError(
      'source_rejected',
      `${plan.total.metric} has a sample every ${Math.round(intervalMs / 1000)} s.`,
      'Verdicts are made of minutes: scrape it at least once a minute, better every 15 s.',
    );
  }
  const total = counted(plan.total, answers.total);
  const bad = plan.bad && counted(plan.bad, answers.bad ?? []);
  if (plan.bad !== undefined && bad !== undefined) refuseUncounted(plan.bad.metric, total, bad);
  return {
    total,
    bad,
    intervalMs,
    earliestMs: [...answers.total, ...(answers.bad ?? [])].reduce<number | undefined>(
      (least, { times }) => Math.min(least ?? Number.POSITIVE_INFINITY, times[0] as number),
      undefined,
    ),
  };
}

/** Without a counter of failures, no failure would ever be seen: a misspelt name must not look like a sound service. */
function refuseUncounted(
  metric: string,
  total: readonly CountedSeries[],
  bad: readonly CountedSeries[],
): void {
  const counted = new Set(bad.map(({ role }) => role.service));
  const without = total.find(({ role }) => !counted.has(role.service));
  if (without === undefined) return;
  throw malformed(
    `${without.role.service} has requests, and no series of ${metric} that would count its failures`,
    'Check the name and the matchers of bad. If the counter is there from the first failure on only, let the application begin it at 0.',
  );
}

/** Longer than this after the first sample of all, a counter that begins is new. Before, counting itself begins. */
export function beginningMs(intervalMs: number): number {
  return Math.max(90_000, 2.5 * intervalMs);
}

/** Counts of each service from the increments of its counters. Throws SourceError source_malformed. */
export function snapshotOf(plan: QueryPlan, query: BatchQuery, series: ReadSeries): Snapshot {
  const { fromMs, toMs, batch, stable } = query;
  const stepMs = query.stepMs >= bucketMs ? bucketMs : honestStepOf(series.intervalMs);
  const span: CountedSpan = { fromMs, toMs, stepMs };
  const buckets = Math.ceil((toMs - fromMs) / stepMs);
  const isBirth = (firstMs: number) =>
    firstMs > (series.earliestMs ?? firstMs) + beginningMs(series.intervalMs);
  const targetOf = findTargets([...series.total, ...(series.bad ?? [])].map(({ samples }) => samples));
  const eventsOf = ({ samples }: CountedSeries): Float64Array | undefined => {
    const { times, labels } = samples;
    if ((times.at(-1) as number) <= fromMs) return undefined;
    const counts = new Float64Array(buckets);
    try {
      addIncrements(samples, span, isBirth, counts, targetOf(samples));
    } catch (error) {
      if (!(error instanceof TwoCountersInOne)) throw error;
      throw malformed(
        `${show(labels)} is no single counter: ${error.message}`,
        'Most likely two processes or two replicas of Prometheus write the same series. Give them labels that tell them apart, or let the backend remove duplicates.',
      );
    }
    return counts;
  };
  const services = new Map(
    batch.services.map(({ service: { name }, resources }) => {
      const of = (all: readonly CountedSeries[]) => all.filter(({ role }) => role.service === name);
      const [total, bad] = [of(series.total), series.bad && of(series.bad)];
      const counts = [
        ...total.map((one) => ({ role: one.role, events: eventsOf(one), isBadCounter: false })),
        ...(bad ?? []).map((one) => ({ role: one.role, events: eventsOf(one), isBadCounter: true })),
      ];
      const asked = new Set(resources);
      const sideOf = (belongs: (role: SeriesRole) => boolean): SideCounts => {
        const whole = new Sums(buckets, bad !== undefined);
        const requests = new Map<string, Sums>();
        for (const { role, events, isBadCounter } of counts) {
          if (events === undefined || !belongs(role)) continue;
          whole.add(events, role, isBadCounter);
          if (role.endpoint === undefined || !asked.has(role.endpoint)) continue;
          const own = requests.get(role.endpoint) ?? new Sums(buckets, bad !== undefined);
          requests.set(role.endpoint, own);
          own.add(events, role, isBadCounter);
        }
        return {
          whole: whole.series(name),
          requests: new Map(
            [...requests].flatMap(([key, sums]) => {
              const found = sums.series(`${name} ${key}`);
              return found === undefined ? [] : [[key, found] as const];
            }),
          ),
          latency: new Map(),
        };
      };
      const ofService: ServiceCounts = {
        canary: sideOf(({ isCanary }) => isCanary),
        stable: sideOf(({ isStable }) => isStable),
        ...(stable === undefined
          ? {}
          : { allTraffic: sideOf(() => true).whole?.total ?? new Float64Array(buckets) }),
      };
      return [name, ofService] as const;
    }),
  );
  return {
    fromMs,
    toMs,
    stepMs,
    services,
    queries: [plan.total, ...(plan.bad === undefined ? [] : [plan.bad])].map(({ name, query: text }) => ({
      name,
      query: text,
    })),
  };
}

/** Small differences are normal: a process counts a request at its begin, and its failure at its end. */
const toleratedShare = 1.05;
const toleratedEvents = 3;

/** The sums of some counters. */
class Sums {
  readonly #total: Float64Array;
  readonly #bad: Float64Array;
  readonly #withStatus: Float64Array;
  readonly #hasBadCounters: boolean;
  #isThere = false;
  #knowsStatus = false;

  constructor(buckets: number, hasBadCounters: boolean) {
    this.#total = new Float64Array(buckets);
    this.#bad = new Float64Array(buckets);
    this.#withStatus = new Float64Array(buckets);
    this.#hasBadCounters = hasBadCounters;
  }

  add(events: Float64Array, { isBad, hasStatus }: SeriesRole, isBadCounter: boolean): void {
    const into = (sums: Float64Array) => {
      for (let i = 0; i < sums.length; i += 1) sums[i] = (sums[i] as number) + (events[i] as number);
    };
    if (isBadCounter) {
      into(this.#bad);
      return;
    }
    this.#isThere = true;
    into(this.#total);
    if (isBad) into(this.#bad);
    if (hasStatus === undefined) return;
    this.#knowsStatus = true;
    if (hasStatus) into(this.#withStatus);
  }

  /** Undefined without a counter of the total. Throws SourceError source_malformed. */
  series(what: string): Series | undefined {
    const [total, bad] = [this.#total, this.#bad];
    if (this.#hasBadCounters) {
      const [all, failed] = [sumOf(total), sumOf(bad)];
      if (failed > all * toleratedShare + toleratedEvents)
        throw malformed(`${what} has ${failed} bad events among ${all}`);
    }
    if (!this.#isThere) return undefined;
    return {
      total: this.#hasBadCounters ? total.map((all, i) => Math.max(all, bad[i] as number)) : total,
      bad,
      ...(this.#knowsStatus ? { withStatus: this.#withStatus } : {}),
    };
  }
}

function sumOf(counts: Float64Array): number {
  return counts.reduce((sum, count) => sum + count, 0);
}
