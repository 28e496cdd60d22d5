import {
  bucketMs,
  type EndpointMeasurement,
  type RecentBuckets,
  type Series,
} from '../metrics/metrics-source.ts';
import type { Objective } from '../registry/objective.ts';
import { logEvidence } from '../statistics/e-process.ts';
import { minBadEvents, reaches, rounding } from './abort-threshold.ts';
import type { JudgedWindow } from './analysis-window.ts';
import type { SliSums } from './sli-counts.ts';

/** An incident shows in its newest 1, 2 or 4 minutes. A longer span would count quiet minutes after it as well. */
const spans = [1, 2, 4] as const;

/** A measurement without an incident that is over. */
export interface WithoutIncident {
  readonly endpoints: readonly EndpointMeasurement[];
  /** How many minutes of the window belong to the incident. */
  readonly minutes: number;
}

/**
 * The endpoints without what the canary did in minutes in which stable was demonstrably failing, on endpoints on which stable
 * failed in them. An incident minute has a bad event of stable, and the 1, 2 or 4 minutes that end with it have at least two
 * that were seen, and evidence of at least 1/alpha. `ofServices` are minutes of an incident of the services, which are left out on
 * every endpoint. Undefined where the window has no minute of either kind, or ends with one.
 */
export function withoutIncident(
  sums: SliSums,
  window: JudgedWindow,
  { budget }: Objective,
  logOne: number,
  recent: RecentBuckets | undefined,
  ofServices: ReadonlySet<number>,
): WithoutIncident | undefined {
  const { endpoints } = sums;
  const { stableTotal, stableBad } = sums.minutes;
  const isFailing = (last: number) => {
    let total = 0;
    let bad = 0;
    let seen = 0;
    let from = last + 1;
    return spans.some((span) => {
      for (; from > 0 && from > last + 1 - span; from -= 1) {
        total += stableTotal[from - 1] as number;
        bad += stableBad[from - 1] as number;
        seen += badSeenIn(endpoints, from - 1);
      }
      return reaches(seen, minBadEvents) && logEvidence(total, Math.min(bad, total), budget) >= logOne;
    });
  };
  const minutes = new Set<number>();
  for (let i = window.first; i < window.end; i += 1)
    if ((stableBad[i] as number) > 0 && isFailing(i)) minutes.add(i);
  // A complete minute without one must follow: a minute that has just begun shows little.
  const all = new Set([...minutes, ...ofServices]);
  if (all.size === 0 || all.has(window.end - 1) || all.has(window.completeEnd - 1)) return undefined;
  return {
    minutes: all.size,
    endpoints: endpoints.map(({ measured }) => {
      const failed = [...minutes].some((i) => (measured.stable.bad[i] ?? 0) > rounding);
      return canaryWithout(measured, failed ? all : ofServices, recent);
    }),
  };
}

/** An endpoint as if the canary had no request in some minutes. */
export function canaryWithout(
  measured: EndpointMeasurement,
  minutes: ReadonlySet<number>,
  recent: RecentBuckets | undefined,
): EndpointMeasurement {
  if (minutes.size === 0) return measured;
  return {
    ...measured,
    canary: withoutMinutes(measured.canary, minutes),
    ...recentWithoutMinutes(measured, recent, minutes),
  };
}

/** Bad events of stable that were seen in a minute. */
function badSeenIn(endpoints: SliSums['endpoints'], minute: number): number {
  let seen = 0;
  for (const { measured } of endpoints) {
    const bad = measured.stable.bad[minute] ?? 0;
    if (bad > rounding) seen += bad * measured.sampleRate;
  }
  return seen;
}

function withoutMinutes(series: Series, minutes: ReadonlySet<number>): Series {
  const rest = (counts: Float64Array) => counts.map((count, i) => (minutes.has(i) ? 0 : count));
  return {
    total: rest(series.total),
    bad: rest(series.bad),
    ...(series.withStatus === undefined ? {} : { withStatus: rest(series.withStatus) }),
    ...(series.unclassified === undefined ? {} : { unclassified: rest(series.unclassified) }),
  };
}

function recentWithoutMinutes(
  { recentBad, recentStepMs }: EndpointMeasurement,
  recent: RecentBuckets | undefined,
  minutes: ReadonlySet<number>,
): Pick<EndpointMeasurement, 'recentBad'> {
  if (recentBad === undefined || recent === undefined) return {};
  const { firstMinute, stepMs: shortestMs } = recent;
  const stepMs = recentStepMs ?? shortestMs;
  const isLeftOut = (bucket: number) => minutes.has(firstMinute + Math.floor((bucket * stepMs) / bucketMs));
  return { recentBad: recentBad.map((bad, i) => (isLeftOut(i) ? 0 : bad)) };
}
