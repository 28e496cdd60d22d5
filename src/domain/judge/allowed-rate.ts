import type { EndpointMeasurement } from '../metrics/metrics-source.ts';
import type { Objective } from '../registry/objective.ts';
import { lowerBoundIsAbove, upperBound, upperBoundIsAtMost } from '../statistics/clopper-pearson.ts';
import { minBadEvents, reaches } from './abort-threshold.ts';
import type { JudgedWindow } from './analysis-window.ts';

type Measured = Pick<EndpointMeasurement, 'canary' | 'stable' | 'sampleRate' | 'dispersion'>;

export interface Counts {
  readonly total: number;
  readonly bad: number;
}

/** Sums of both over the buckets [first, end). */
export function sum(total: ArrayLike<number>, bad: ArrayLike<number>, first: number, end: number): Counts {
  const counts = { total: 0, bad: 0 };
  for (let i = first; i < end; i += 1) {
    counts.total += total[i] ?? 0;
    counts.bad += bad[i] ?? 0;
  }
  return counts;
}

/**
 * Whether what stable did over all that was queried is over: its upper bound in the canary's window is below its rate over
 * all. Stable is often the rest of the service, and that holds every release that was aborted before.
 */
export function hasRecovered(all: Counts, here: Counts): boolean {
  // Without traffic nothing is known of its failures.
  if (here.total <= 0 || here.bad >= here.total) return false;
  return upperBoundIsAtMost(here.total, here.bad, Math.min(1, all.bad / all.total));
}

/** Whether stable's rate is demonstrably above the error budget: by its lower bound, and by more than one event. */
function isFailing({ total, bad }: Counts, dispersion: number, budget: number): boolean {
  return reaches(bad * dispersion, minBadEvents) && lowerBoundIsAbove(total, bad, budget);
}

/** With a lower probability than this, it is no chance that all requests of an endpoint were the canary's. */
const minChance = 0.001;

/**
 * Whether stable is no longer asked for an endpoint: by the canary's share of the service's traffic, minute by minute, its
 * requests there would not all have been the canary's. Then stable's past there was another version: an aborted release.
 */
function isStableGone(
  { canary, sampleRate, dispersion }: Measured,
  { first, end, hits }: JudgedWindow,
): boolean {
  let log = 0;
  for (let i = first; i < end; i += 1) {
    const requests = canary.total[i] ?? 0;
    const own = hits.canary[i] ?? 0;
    if (requests > 0 && own > 0) log += requests * Math.log(own / (own + (hits.stable[i] ?? 0)));
  }
  return (log * sampleRate) / dispersion <= Math.log(minChance);
}

/**
 * p_i of one endpoint: the error budget, or stable's own upper bound where stable demonstrably fails the endpoint, over
 * all that was queried or, where that is over, in the canary's window.
 */
export function allowedRateOf(
  measured: Measured,
  all: Counts,
  window: JudgedWindow,
  { budget }: Objective,
): number {
  const scale = measured.sampleRate / measured.dispersion;
  const weighed = ({ total, bad }: Counts) => ({ total: total * scale, bad: Math.min(total, bad) * scale });
  let counts = weighed(all);
  if (!isFailing(counts, measured.dispersion, budget)) return budget;
  const { first, end } = window;
  const here = weighed(sum(measured.stable.total, measured.stable.bad, first, end));
  if (here.total <= 0 && isStableGone(measured, window)) return budget;
  if (hasRecovered(counts, here)) {
    if (!isFailing(here, measured.dispersion, budget)) return budget;
    counts = here;
  }
  return Math.max(budget, upperBound(counts.total, counts.bad));
}
