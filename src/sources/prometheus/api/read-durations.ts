import type { RefusedThreshold } from '../../../domain/metrics/metrics-source.ts';
import { bucketLabel, latencyMsOf, leOf } from '../query/bucket-boundaries.ts';
import { type Labels, labelOf } from '../query/label-matchers.ts';
import type { PlannedDurations } from '../query/query-plan.ts';
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
 * The query for all boundaries of the last 15 minutes, where there are histograms and none of them has a bucket that ends at some
 * threshold; undefined where each threshold is a boundary of some.
 */
export function boundariesQuery(durations: ReadDurations): string | undefined {
  const { plan, histograms } = durations;
  if (histograms.length === 0 || unboundedOf(durations).length === 0) return undefined;
  return `count by (${bucketLabel}) (last_over_time(${plan.everyBucket}[15m]))`;
}

function unboundedOf({ plan, histograms }: ReadDurations) {
  return plan.thresholds.filter((_, i) => histograms.every(({ thresholds }) => thresholds[i] === undefined));
}

/**
 * The thresholds that are no boundary: slow requests are counted, and not estimated. `vector` is the answer to {@link boundariesQuery}.
 */
export function refusedThresholds(
  durations: ReadDurations,
  vector: readonly { readonly labels: Labels }[],
): RefusedThreshold[] {
  const { metric, unit, services } = durations.plan;
  const known = vector
    .map(({ labels }) => leOf(labelOf(labels, bucketLabel)))
    .filter((one) => Number.isFinite(one))
    .sort((a, b) => a - b);
  const inUnit = (boundary: number) => `${boundary} ${unit === 'seconds' ? 's' : 'ms'}`;
  return unboundedOf(durations).flatMap(({ latencyMs, boundary }) => {
    const nearest = [
      known.filter((one) => one < boundary).at(-1),
      known.find((one) => one > boundary),
    ].filter((one) => one !== undefined);
    const found =
      nearest.length === 0
        ? 'It has no other bucket of the last minutes'
        : `The nearest end at ${nearest.map(inUnit).join(' and at ')}`;
    const instead =
      nearest.length === 0
        ? 'Add it'
        : `Set latencyMs to ${nearest.map((one) => latencyMsOf(one, unit)).join(' or ')}, or add it`;
    return [...services.values()].map((service) => ({
      service,
      latencyMs,
      message: `${metric} of ${service} has no bucket that ends at ${inUnit(boundary)} (latencyMs: ${latencyMs}). ${found}.`,
      hint: `${instead} to the buckets of the histogram: slow requests are counted by buckets, and never estimated.`,
    }));
  });
}
