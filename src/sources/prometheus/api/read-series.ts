import { SourceError } from '../../../domain/errors.ts';
import { type BatchQuery, bucketMs } from '../../../domain/metrics/metrics-source.ts';
import type { PlannedQuery } from '../query/query-plan.ts';
import { scrapeIntervalOf, TwoCountersInOne } from './counter-increments.ts';
import { malformed } from './error-mapping.ts';
import { type CounterSamples, show } from './matrix-response.ts';
import { rolesOf, type SeriesRole } from './series-roles.ts';

/** A counter, with what it counts. */
export interface CountedSeries {
  readonly samples: CounterSamples;
  readonly role: SeriesRole;
}

/** When series have samples. */
export interface ScrapeTimes {
  /** The usual time between two scrapes, in ms. A minute where it is not known. */
  readonly intervalMs: number;
  /** Epoch ms; undefined where there is no sample. */
  readonly earliestMs: number | undefined;
}

/** All counters, before they are cut into buckets. */
export interface ReadSeries extends ScrapeTimes {
  readonly all: readonly CountedSeries[];
}

/** Scrapes are a little late. */
const maxIntervalMs = 66_000;

/** Of different intervals between scrapes, one of the longest counts. The very longest may be that of a pod that is seldom reached. */
const usualShare = 0.9;

/** Throws SourceError source_rejected where scrapes are too far apart. */
export function readSeries(
  plan: PlannedQuery,
  owners: BatchQuery,
  counters: readonly CounterSamples[],
): ReadSeries {
  const roleOf = rolesOf(plan, owners);
  return {
    all: counters.map((samples) => ({ samples, role: roleOf(samples.labels) })),
    ...scrapeTimesOf(plan, counters),
  };
}

/** Throws SourceError source_rejected where scrapes are too far apart. */
export function scrapeTimesOf(
  { metric }: PlannedQuery,
  counters: readonly Pick<CounterSamples, 'times'>[],
): ScrapeTimes {
  const intervalMs = usualIntervalOf(counters) ?? bucketMs;
  if (intervalMs > maxIntervalMs) {
    throw new SourceError(
      'source_rejected',
      `${metric} has a sample every ${Math.round(intervalMs / 1000)} s.`,
      'Verdicts are made of minutes: scrape it at least once a minute, better every 15 s.',
    );
  }
  return {
    intervalMs,
    earliestMs: counters.reduce<number | undefined>(
      (least, { times }) => Math.min(least ?? Number.POSITIVE_INFINITY, times[0] as number),
      undefined,
    ),
  };
}

/** The usual time between two scrapes, in ms; undefined where no counter tells. */
function usualIntervalOf(counters: readonly Pick<CounterSamples, 'times'>[]): number | undefined {
  const intervals = counters.flatMap(({ times }) => scrapeIntervalOf(times) ?? []);
  intervals.sort((a, b) => a - b);
  return intervals[Math.floor(intervals.length * usualShare)];
}

/** The same of what the verdict is about: the canary's pods may be scraped less often than those of stable, which are many more. */
export function slowestIntervalOf({ all, intervalMs }: ReadSeries): number {
  const canary = all.filter(({ role }) => role.isCanary).map(({ samples }) => samples);
  return Math.max(intervalMs, Math.min(usualIntervalOf(canary) ?? 0, maxIntervalMs));
}

/** Longer than this after the first sample of all, a counter that begins is new. Before, counting itself begins. */
export function beginningMs(intervalMs: number): number {
  return Math.max(90_000, 2.5 * intervalMs);
}

/** Whether a counter whose first sample is of a time, epoch ms, is a new one. */
export function birthTest({ earliestMs, intervalMs }: ScrapeTimes): (firstMs: number) => boolean {
  return (firstMs) => firstMs > (earliestMs ?? firstMs) + beginningMs(intervalMs);
}

/** Throws SourceError source_malformed in place of TwoCountersInOne. */
export function asOneCounter<T>({ labels }: CounterSamples, count: () => T): T {
  try {
    return count();
  } catch (error) {
    if (!(error instanceof TwoCountersInOne)) throw error;
    throw malformed(
      `${show(labels)} is no single counter: ${error.message}`,
      'Most likely two processes or two replicas of Prometheus write the same series. Give them labels that tell them apart, or let the backend remove duplicates. A pod that restarts at every other scrape looks the same: check its restarts.',
    );
  }
}
