import type { EndpointMeasurement } from '../metrics/metrics-source.ts';
import type { Objective } from '../registry/objective.ts';
import {
  logEvidence,
  logMixture,
  lowerBoundIsAbove,
  upperBound,
  upperBoundIsAtMost,
} from '../statistics/e-process.ts';
import { leastBadEvents, reaches } from './abort-threshold.ts';
import { type JudgedWindow, leastStableShare } from './analysis-window.ts';
import type { CanaryCounts, EndpointSums, SliSums } from './sli-counts.ts';

/** The newest minutes that are looked at by themselves: 1, 2, 4 … 64. */
const newest = Array.from({ length: 7 }, (_, j) => 2 ** j);

type Measured = Pick<EndpointMeasurement, 'canary' | 'stable' | 'sampleRate' | 'dispersion'>;

interface Counts {
  readonly total: number;
  readonly bad: number;
}

function sum(total: ArrayLike<number>, bad: ArrayLike<number>, first: number, end: number): Counts {
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
function isOver(all: Counts, here: Counts): boolean {
  // No traffic says nothing about how it fails.
  if (here.total <= 0 || here.bad >= here.total) return false;
  return upperBoundIsAtMost(here.total, here.bad, Math.min(1, all.bad / all.total));
}

/** Whether stable's rate is demonstrably above the error budget: by its lower bound, and by more than one event. */
function isFailing({ total, bad }: Counts, dispersion: number, budget: number): boolean {
  return reaches(bad * dispersion, leastBadEvents) && lowerBoundIsAbove(total, bad, budget);
}

/** Below this, that all requests of an endpoint fell on the canary is no chance. */
const leastChance = 0.001;

/**
 * Whether stable is no longer asked for an endpoint: by the canary's share of the service's traffic, minute by minute, its
 * requests there would not all have been the canary's. Then stable's past there was another version: an aborted release.
 */
function isGone({ canary, sampleRate, dispersion }: Measured, { first, end, hits }: JudgedWindow): boolean {
  let log = 0;
  for (let i = first; i < end; i += 1) {
    const requests = canary.total[i] ?? 0;
    const own = hits.canary[i] ?? 0;
    if (requests > 0 && own > 0) log += requests * Math.log(own / (own + (hits.stable[i] ?? 0)));
  }
  return (log * sampleRate) / dispersion <= Math.log(leastChance);
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
  if (here.total <= 0 && isGone(measured, window)) return budget;
  if (isOver(counts, here)) {
    if (!isFailing(here, measured.dispersion, budget)) return budget;
    counts = here;
  }
  return Math.max(budget, upperBound(counts.total, counts.bad));
}

/**
 * Natural log of stable's own evidence against the objective: half over all that was queried, pooled and by endpoint as
 * the canary's is, which sees what has been wrong for long; half the mean over its newest 1, 2, 4 … 64 minutes, so that
 * clean hours before do not hide a fault that began just now. A mean of e-values, so at any one look at most alpha of
 * stables on their SLO show 1/alpha. Where what it shows is over, it is the same over the canary's window alone.
 */
export function logStableEvidence(
  sums: SliSums,
  { first, end }: JudgedWindow,
  { budget }: Objective,
  logOne: number,
): number {
  const log = logEvidenceFrom(sums, 0, budget);
  if (log < logOne) return log;
  const over = (from: number) => added(sums.endpoints.map((endpoint) => weighedFrom(endpoint, from, end)));
  return isOver(over(0), over(first)) ? logEvidenceFrom(sums, first, budget) : log;
}

/** Stable's weighed counts on one endpoint from a minute on. Late data can bring an error a moment before its request. */
function weighedFrom(endpoint: EndpointSums, from: number, end: number): Counts {
  const { measured, scale, stableTotal, stableBad } = endpoint;
  const { stable } = measured;
  const { total, bad } =
    from === 0 ? { total: stableTotal, bad: stableBad } : sum(stable.total, stable.bad, from, end);
  return { total: total * scale, bad: Math.min(bad, total) * scale };
}

function added(counts: readonly Counts[]): Counts {
  return {
    total: counts.reduce((all, { total }) => all + total, 0),
    bad: counts.reduce((all, { bad }) => all + bad, 0),
  };
}

function logEvidenceFrom(sums: SliSums, from: number, budget: number): number {
  const counts = sums.endpoints
    .filter(({ stableTotal }) => stableTotal > 0)
    .map((endpoint) => weighedFrom(endpoint, from, sums.minutes.stableTotal.length));
  const pooled = added(counts);
  if (pooled.total <= 0) return 0;
  const queried = logMixture(
    logEvidence(pooled.total, pooled.bad, budget),
    counts.map((one) => logEvidence(one.total, one.bad, budget)),
  );
  const { stableTotal: total, stableBad: bad } = sums.minutes;
  let recentTotal = 0;
  let recentBad = 0;
  let at = total.length;
  const recent = newest.map((minutes) => {
    for (; at > from && at > total.length - minutes; at -= 1) {
      recentTotal += total[at - 1] as number;
      recentBad += bad[at - 1] as number;
    }
    return logEvidence(recentTotal, recentBad, budget);
  });
  // The pair of means is the mixture that a CUJ's own evidence is.
  return logMixture(queried, recent);
}

/** Whether stable had traffic where and when the canary failed: without any, nothing can be shared. */
export function isStableBeside({ byService }: SliSums, { first, end }: JudgedWindow): boolean {
  let canary = 0;
  let stable = 0;
  for (const minutes of byService) {
    for (let i = first; i < end; i += 1) {
      if (!((minutes.canaryBad[i] as number) > 0)) continue;
      canary += minutes.canaryTotal[i] as number;
      stable += minutes.stableTotal[i] as number;
    }
  }
  return stable > leastStableShare * canary;
}

/** What `baseline` compares: the canary's counts beside stable, and the rate of stable beside them; 0 without any. */
export interface Beside extends CanaryCounts {
  readonly stableRate: number;
}

/**
 * The canary's counts in the minutes of the window in which stable of the same service had traffic too, and stable's rate
 * in them.
 */
export function besideStable({ endpoints, byService }: SliSums, { first, end }: JudgedWindow): Beside {
  const counts = { total: 0, n: 0, e: 0, totalSeen: 0, badSeen: 0 };
  const badMinutes = new Set<number>();
  let stableTotal = 0;
  let stableBad = 0;
  for (const minutes of byService) {
    const compared: number[] = [];
    for (let i = first; i < end; i += 1) {
      const own = minutes.canaryTotal[i] as number;
      const other = minutes.stableTotal[i] as number;
      if (!(own > 0 && other > leastStableShare * own)) continue;
      compared.push(i);
      stableTotal += other;
      stableBad += minutes.stableBad[i] as number;
      if ((minutes.canaryBad[i] as number) > 0) badMinutes.add(i);
    }
    for (const { measured, scale, ofService } of endpoints) {
      if (ofService !== minutes) continue;
      const { canary, sampleRate } = measured;
      let total = 0;
      let bad = 0;
      for (const i of compared) {
        total += canary.total[i] ?? 0;
        bad += canary.bad[i] ?? 0;
      }
      // Late data can bring an error a moment before its request.
      bad = Math.min(bad, total);
      counts.total += total;
      counts.n += total * scale;
      counts.e += bad * scale;
      counts.totalSeen += total * sampleRate;
      counts.badSeen += bad * sampleRate;
    }
  }
  return {
    ...counts,
    badMinutes: badMinutes.size,
    stableRate: stableTotal > 0 ? Math.min(1, stableBad / stableTotal) : 0,
  };
}
