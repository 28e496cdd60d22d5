import type { BatchQuery, Series } from '../../../domain/metrics/metrics-source.ts';
import type { BatchService } from '../../../domain/registry/model.ts';
import type { PlannedDurations } from '../query/query-plan.ts';
import type { CountedSpan } from './counter-increments.ts';
import { type DurationCounts, durationCountsOf, type HistogramSamples } from './histogram-increments.ts';
import { asOneCounter, birthTest, type ReadSeries, type ScrapeTimes } from './read-series.ts';
import { type SeriesScope, scopesOf } from './series-roles.ts';
import { findTargets } from './target-restarts.ts';

/** Slow requests of one side of a service, from its histograms and its requests. */

/** The histograms of a batch, before they are cut into buckets. */
export interface ReadDurations extends ScrapeTimes {
  readonly plan: PlannedDurations;
  readonly histograms: readonly HistogramSamples[];
}

/** A histogram, with whose requests it counts, for each threshold of the plan. */
export interface CountedHistogram {
  readonly scope: SeriesScope;
  readonly counts: readonly DurationCounts[];
}

/** A restart that the counters of requests show is one of the histograms of the same process. */
export function countHistograms(
  { plan, histograms, intervalMs, earliestMs }: ReadDurations,
  query: BatchQuery,
  span: CountedSpan,
  series: ReadSeries,
  versionLabels: readonly string[],
): CountedHistogram[] {
  const scopeOf = scopesOf(plan, query);
  const targetOf = findTargets([...series.all.map(({ samples }) => samples), ...histograms], versionLabels);
  const isBirth = birthTest({
    intervalMs: Math.max(intervalMs, series.intervalMs),
    earliestMs: Math.min(
      earliestMs ?? Number.POSITIVE_INFINITY,
      series.earliestMs ?? Number.POSITIVE_INFINITY,
    ),
  });
  return histograms
    .filter(({ times }) => (times.at(-1) as number) > query.fromMs)
    .map((samples) => ({
      scope: scopeOf(samples.labels),
      counts: asOneCounter(samples, () => durationCountsOf(samples, span, isBirth, targetOf(samples))),
    }));
}

/**
 * Series by threshold and endpoint: all requests, and those above the threshold. Requests that a histogram does not tell are
 * unclassified: those in a bucket that lies across the threshold or in a histogram without one, and those that are in no histogram,
 * such as where it is not scraped or has other labels. `requestsOf` are the requests of an endpoint (`*`: of all) as they are counted
 * for availability.
 */
export function latencyOf(
  { thresholds }: Pick<PlannedDurations, 'thresholds'>,
  { thresholds: asked }: Pick<BatchService, 'thresholds'>,
  histograms: readonly CountedHistogram[],
  requestsOf: (resource: string) => Float64Array | undefined,
): ReadonlyMap<number, ReadonlyMap<string, Series>> {
  return new Map(
    asked.map(({ latencyMs, resources }) => {
      const index = thresholds.findIndex((one) => one.latencyMs === latencyMs);
      const found = resources.flatMap((resource) => {
        const own = histograms
          .filter(({ scope }) => resource === '*' || scope.endpoint === resource)
          .map(({ counts }) => counts[index] as DurationCounts);
        const series = seriesOf(own, requestsOf(resource));
        return series === undefined ? [] : [[resource, series] as const];
      });
      return [latencyMs, new Map(found)] as const;
    }),
  );
}

function seriesOf(counts: readonly DurationCounts[], requests: Float64Array | undefined): Series | undefined {
  const length = requests?.length ?? counts[0]?.within.length;
  if (length === undefined) return undefined;
  const sum = (part: keyof DurationCounts) => {
    const total = new Float64Array(length);
    for (const one of counts) addTo(total, one[part]);
    return total;
  };
  const [bad, unclassified] = [sum('above'), sum('unknown')];
  const total = sum('within');
  addTo(total, bad);
  addTo(total, unclassified);
  const missing = requests === undefined ? new Float64Array(length) : missingFrom(total, requests);
  addTo(total, missing);
  addTo(unclassified, missing);
  return { total, bad, ...(unclassified.some((events) => events > 0) ? { unclassified } : {}) };
}

function addTo(sums: Float64Array, events: Float64Array): void {
  for (let i = 0; i < sums.length; i += 1) sums[i] = (sums[i] as number) + (events[i] as number);
}

/**
 * Events by bucket that `all` has and `found` has not. What is found a little later was not missing: the two are not counted at the
 * very same moment. What is found before is no substitute for what is missing later.
 */
export function missingFrom(found: Float64Array, all: Float64Array): Float64Array {
  const missing = new Float64Array(all.length);
  let behind = 0;
  all.forEach((events, i) => {
    behind = Math.max(0, behind + events - (found[i] as number));
    missing[i] = behind;
  });
  for (let i = missing.length - 2; i >= 0; i -= 1)
    missing[i] = Math.min(missing[i] as number, missing[i + 1] as number);
  for (let i = missing.length - 1; i > 0; i -= 1)
    missing[i] = (missing[i] as number) - (missing[i - 1] as number);
  return missing;
}
