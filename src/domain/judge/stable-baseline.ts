import type { Objective } from '../registry/objective.ts';
import { logEvidence, logMixture } from '../statistics/e-process.ts';
import { type Counts, hasRecovered, sum } from './allowed-rate.ts';
import { type JudgedWindow, minStableShare } from './analysis-window.ts';
import type { CanaryCounts, EndpointSums, SliSums } from './sli-counts.ts';

/** The newest minutes that are looked at by themselves: 1, 2, 4 … 64. */
const newest = Array.from({ length: 7 }, (_, j) => 2 ** j);

/**
 * Natural log of stable's own evidence against the objective: half over all that was queried, pooled and by endpoint as
 * the canary's is, which sees what has been wrong for long; half the mean over its newest 1, 2, 4 … 64 minutes, so that
 * clean hours before do not hide a fault that began just now. A mean of e-values, so at any one analysis at most alpha of
 * stables on their SLO show 1/alpha. Where what it shows is over, it is the same over the canary's window alone.
 */
export function logStableEvidence(
  sums: SliSums,
  { first, end, unusual }: JudgedWindow,
  { budget }: Objective,
  logOne: number,
): number {
  const log = logEvidenceFrom(sums, 0, budget, unusual);
  if (log < logOne) return log;
  return hasRecovered(stableCounts(sums, 0, end), stableCounts(sums, first, end))
    ? logEvidenceFrom(sums, first, budget)
    : log;
}

/** Stable's weighed counts on one endpoint from a minute on, without what is unusual before the window. Late data can bring an error a moment before its request. */
function weighedFrom(endpoint: EndpointSums, from: number, end: number): Counts {
  const { measured, scale, usualTotal, usualBad } = endpoint;
  const { stable } = measured;
  const { total, bad } =
    from === 0 ? { total: usualTotal, bad: usualBad } : sum(stable.total, stable.bad, from, end);
  return { total: total * scale, bad: Math.min(bad, total) * scale };
}

/** Stable's weighed counts from a minute on, all endpoints together; from 0 on over all that was queried, without what is unusual. */
export function stableCounts({ endpoints }: SliSums, from: number, end: number): Counts {
  return added(endpoints.map((endpoint) => weighedFrom(endpoint, from, end)));
}

function added(counts: readonly Counts[]): Counts {
  return {
    total: counts.reduce((all, { total }) => all + total, 0),
    bad: counts.reduce((all, { bad }) => all + bad, 0),
  };
}

function logEvidenceFrom(sums: SliSums, from: number, budget: number, unusual?: ReadonlySet<number>): number {
  const counts = sums.endpoints
    .filter(({ usualTotal }) => usualTotal > 0)
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
      if (unusual?.has(at - 1)) continue;
      recentTotal += total[at - 1] as number;
      recentBad += bad[at - 1] as number;
    }
    return logEvidence(recentTotal, recentBad, budget);
  });
  // The pair of means is the mixture that a CUJ's own evidence is.
  return logMixture(queried, recent);
}

/** Whether stable of the CUJ demonstrably fails as well, and the failures do not single out the canary. */
export function isSharedByStable(
  sums: SliSums,
  {
    logStable,
    logShare,
    logOne,
  }: { readonly logStable: number; readonly logShare: number; readonly logOne: number },
  window: JudgedWindow,
): boolean {
  return logStable >= logOne && logShare < logOne && hasConcurrentStable(sums, window);
}

/** Whether stable had traffic where and when the canary failed: without any, nothing can be shared. */
function hasConcurrentStable({ byService }: SliSums, { first, end }: JudgedWindow): boolean {
  let canary = 0;
  let stable = 0;
  for (const minutes of byService) {
    for (let i = first; i < end; i += 1) {
      if (!((minutes.canaryBad[i] as number) > 0)) continue;
      canary += minutes.canaryTotal[i] as number;
      stable += minutes.stableTotal[i] as number;
    }
  }
  return stable > minStableShare * canary;
}

/** What a rule that compares goes by: the canary's counts beside stable, and the rate of stable beside them; 0 without any. */
export interface ComparedCounts extends CanaryCounts {
  readonly stableRate: number;
}

/**
 * The canary's counts in the minutes of the window in which stable of the same service had traffic too, and stable's rate
 * in them.
 */
export function comparedCounts(
  { endpoints, byService }: SliSums,
  { first, end }: JudgedWindow,
): ComparedCounts {
  const counts = { total: 0, n: 0, e: 0, totalSeen: 0, badSeen: 0 };
  let stableTotal = 0;
  let stableBad = 0;
  for (const minutes of byService) {
    const compared: number[] = [];
    for (let i = first; i < end; i += 1) {
      const own = minutes.canaryTotal[i] as number;
      const other = minutes.stableTotal[i] as number;
      if (!(own > 0 && other > minStableShare * own)) continue;
      compared.push(i);
      stableTotal += other;
      stableBad += minutes.stableBad[i] as number;
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
    stableRate: stableTotal > 0 ? Math.min(1, stableBad / stableTotal) : 0,
  };
}
