import { logEvidence, logMixture } from './sequential.ts';
import type { SliSums } from './sli-sums.ts';
import type { Objective } from './slo.ts';

/** The newest minutes that are looked at by themselves: 1, 2, 4 … 64. */
const newest = Array.from({ length: 7 }, (_, j) => 2 ** j);

/**
 * Natural log of stable's own evidence against the objective: half over all that was queried, pooled and by endpoint as
 * the canary's is, which sees what has been wrong for long; half the mean over its newest 1, 2, 4 … 64 minutes, so that
 * clean hours before do not hide a fault that began just now. A mean of e-values, so at any one look at most alpha of
 * stables on their SLO show 1/alpha.
 */
export function logStableEvidence(sums: SliSums, { budget }: Objective): number {
  const logs: number[] = [];
  let n = 0;
  let e = 0;
  for (const { scale, stableTotal, stableBad } of sums.endpoints) {
    if (stableTotal <= 0) continue;
    n += stableTotal * scale;
    e += stableBad * scale;
    logs.push(logEvidence(stableTotal * scale, stableBad * scale, budget));
  }
  if (n <= 0) return 0;
  const queried = logMixture(logEvidence(n, e, budget), logs);
  const { stableTotal: total, stableBad: bad } = sums.minutes;
  let recentTotal = 0;
  let recentBad = 0;
  let at = total.length;
  const recent = newest.map((minutes) => {
    for (; at > 0 && at > total.length - minutes; at -= 1) {
      recentTotal += total[at - 1] as number;
      recentBad += bad[at - 1] as number;
    }
    return logEvidence(recentTotal, recentBad, budget);
  });
  // The pair of means is the mixture that a CUJ's own evidence is.
  return logMixture(queried, recent);
}
