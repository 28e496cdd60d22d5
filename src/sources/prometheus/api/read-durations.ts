import { SourceError } from '../../../domain/errors.ts';
import { bucketLabel, latencyMsOf, leOf } from '../query/bucket-boundaries.ts';
import { type Labels, labelOf } from '../query/label-matchers.ts';
import type { PlannedDurations } from '../query/query-plan.ts';
import { malformed } from './error-mapping.ts';
import { readHistograms } from './histogram-samples.ts';
import type { ReadDurations } from './latency-counts.ts';
import { scrapeTimesOf } from './read-series.ts';

/** What an answer to the query for durations holds, and what is asked where it lacks a threshold. */

/** Throws SourceError as readHistograms does, and source_rejected where scrapes are too far apart. */
export function readDurations(
  json: unknown,
  plan: PlannedDurations,
  fromMs: number,
  toMs: number,
): ReadDurations {
  const histograms = readHistograms(json, plan, fromMs, toMs);
  return { plan, histograms, ...scrapeTimesOf(plan, histograms) };
}

/**
 * The query for all boundaries of the last 15 minutes, where there are histograms and none of them has a bucket that ends at some threshold; undefined where
 * each threshold is a boundary of some.
 */
export function boundariesQuery({
  plan,
  histograms,
}: Pick<ReadDurations, 'plan' | 'histograms'>): string | undefined {
  if (histograms.length === 0 || unboundedOf({ plan, histograms }).length === 0) return undefined;
  return `count by (${bucketLabel}) (last_over_time(${plan.everyBucket}[15m]))`;
}

function unboundedOf({ plan, histograms }: Pick<ReadDurations, 'plan' | 'histograms'>) {
  return plan.thresholds.filter((_, i) => histograms.every(({ thresholds }) => thresholds[i] === undefined));
}

/**
 * The error that a threshold is no boundary: slow requests are counted, and not estimated. Precondition: {@link boundariesQuery} had a
 * query, and `vector` is the answer to it.
 */
export function noSuchBoundary(
  durations: Pick<ReadDurations, 'plan' | 'histograms'>,
  vector: readonly { readonly labels: Labels }[],
): SourceError {
  const { metric, unit, services } = durations.plan;
  const [first] = unboundedOf(durations) as [{ readonly latencyMs: number; readonly boundary: number }];
  const known = vector
    .map(({ labels }) => leOf(labelOf(labels, bucketLabel)))
    .filter((one) => Number.isFinite(one))
    .sort((a, b) => a - b);
  // Since the first query, a pod with other buckets may have come.
  if (known.includes(first.boundary))
    return malformed(`it has no bucket of ${metric} that another answer has`);
  const nearest = [
    known.filter((one) => one < first.boundary).at(-1),
    known.find((one) => one > first.boundary),
  ].filter((one) => one !== undefined);
  const inUnit = (boundary: number) => `${boundary} ${unit === 'seconds' ? 's' : 'ms'}`;
  const found =
    nearest.length === 0
      ? 'It has no other bucket of the last minutes'
      : `The nearest end at ${nearest.map(inUnit).join(' and at ')}`;
  const instead =
    nearest.length === 0
      ? 'Add it'
      : `Set latencyMs to ${nearest.map((one) => latencyMsOf(one, unit)).join(' or ')}, or add it`;
  return new SourceError(
    'source_rejected',
    `${metric} of ${[...services.values()].join(', ')} has no bucket that ends at ${inUnit(first.boundary)} (latencyMs: ${first.latencyMs}). ${found}.`,
    `${instead} to the buckets of the histogram: slow requests are counted by buckets, and never estimated.`,
    { lasting: true },
  );
}
