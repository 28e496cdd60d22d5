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
 * such as where it is not scraped or has other labels. So are as many fast ones as the histogram has more than the requests:
 * they may be others, such as probes. `requests` are those of all endpoints as they are counted for availability; the two are counted
 * up to `apartBuckets` apart.
 */
export function latencyOf(
  { thresholds }: Pick<PlannedDurations, 'thresholds'>,
  { thresholds: asked }: Pick<BatchService, 'thresholds'>,
  histograms: readonly CountedHistogram[],
  requests: RequestsByEndpoint,
  apartBuckets: number,
): ReadonlyMap<number, ReadonlyMap<string, Series>> {
  return new Map(
    asked.map(({ latencyMs, resources }) => {
      const index = thresholds.findIndex((one) => one.latencyMs === latencyMs);
      const found = resources.flatMap((resource) => {
        const series =
          resource === '*'
            ? wholeOf(histograms, index, requests, apartBuckets)
            : endpointOf(histograms, index, requests, apartBuckets, resource);
        return series === undefined ? [] : [[resource, series] as const];
      });
      return [latencyMs, new Map(found)] as const;
    }),
  );
}

/** Requests by endpoint; of undefined those that belong to none. */
export type RequestsByEndpoint = ReadonlyMap<string | undefined, Float64Array>;

function endpointOf(
  histograms: readonly CountedHistogram[],
  index: number,
  requests: RequestsByEndpoint,
  apartBuckets: number,
  endpoint: string | undefined,
): Series | undefined {
  const own = histograms.filter(({ scope }) => scope.endpoint === endpoint);
  return seriesOf(
    own.map(({ counts }) => counts[index] as DurationCounts),
    requests.get(endpoint),
    apartBuckets,
  );
}

/**
 * Of all endpoints together, each compared by itself: what the histogram has of one, such as probes, is no substitute for what it lacks
 * of another. Where no histogram tells endpoints, only the sums can be compared.
 */
function wholeOf(
  histograms: readonly CountedHistogram[],
  index: number,
  requests: RequestsByEndpoint,
  apartBuckets: number,
): Series | undefined {
  if (histograms.every(({ scope }) => scope.endpoint === undefined)) {
    const all = [...requests.values()];
    return seriesOf(
      histograms.map(({ counts }) => counts[index] as DurationCounts),
      all.length === 0 ? undefined : sumOf(all),
      apartBuckets,
    );
  }
  const endpoints = new Set([...requests.keys(), ...histograms.map(({ scope }) => scope.endpoint)]);
  const parts = [...endpoints].flatMap(
    (endpoint) => endpointOf(histograms, index, requests, apartBuckets, endpoint) ?? [],
  );
  const unclassified = parts.flatMap((part) => part.unclassified ?? []);
  return {
    total: sumOf(parts.map(({ total }) => total)),
    bad: sumOf(parts.map(({ bad }) => bad)),
    ...(unclassified.length === 0 ? {} : { unclassified: sumOf(unclassified) }),
  };
}

/** Precondition: at least one list. */
function sumOf(lists: readonly Float64Array[]): Float64Array {
  const sums = new Float64Array((lists[0] as Float64Array).length);
  for (const list of lists) addTo(sums, list);
  return sums;
}

function seriesOf(
  counts: readonly DurationCounts[],
  requests: Float64Array | undefined,
  apartBuckets: number,
): Series | undefined {
  const length = requests?.length ?? counts[0]?.within.length;
  if (length === undefined) return undefined;
  const sum = (part: keyof DurationCounts) => {
    const total = new Float64Array(length);
    for (const one of counts) addTo(total, one[part]);
    return total;
  };
  const [within, bad, unclassified] = [sum('within'), sum('above'), sum('unknown')];
  const total = within.slice();
  addTo(total, bad);
  addTo(total, unclassified);
  const { missing, surplus } = differenceOf(total, requests ?? new Float64Array(length), apartBuckets);
  addTo(total, missing);
  addTo(unclassified, missing);
  addTo(
    unclassified,
    surplus.map((events, i) => Math.min(events, within[i] as number)),
  );
  return { total, bad, ...(unclassified.some((events) => events > 0) ? { unclassified } : {}) };
}

function addTo(sums: Float64Array, events: Float64Array): void {
  for (let i = 0; i < sums.length; i += 1) sums[i] = (sums[i] as number) + (events[i] as number);
}

/**
 * Events by bucket that only one of two counts of the same events has: `missing` are those that `timed` has not, `surplus` those that
 * `requests` has not. The two are not counted at the very same moment: what `timed` has up to `apartBuckets` later, or as much earlier
 * such as by the first byte of an answer, is neither. What it has at another time is no substitute: other requests may be timed as well.
 */
export function differenceOf(
  timed: Float64Array,
  requests: Float64Array,
  apartBuckets: number,
): { readonly missing: Float64Array; readonly surplus: Float64Array } {
  const missing = requests.map((events, i) => Math.max(0, events - (timed[i] as number)));
  const surplus = requests.map((events, i) => Math.max(0, (timed[i] as number) - events));
  for (let apart = 1; apart <= apartBuckets; apart += 1) {
    for (let i = apart; i < requests.length; i += 1) {
      settle(missing, i - apart, surplus, i);
      settle(surplus, i - apart, missing, i);
    }
  }
  return { missing, surplus };
}

/** Takes off what one side has in one bucket and the other one in another bucket. */
function settle(one: Float64Array, i: number, other: Float64Array, j: number): void {
  const same = Math.min(one[i] as number, other[j] as number);
  one[i] = (one[i] as number) - same;
  other[j] = (other[j] as number) - same;
}
