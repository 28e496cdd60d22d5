import type { Objective } from '../registry/objective.ts';
import { upperBound } from '../statistics/clopper-pearson.ts';
import { logEvidence } from '../statistics/e-process.ts';
import { noiseEvidence } from './abort-threshold.ts';
import type { SliSums } from './sli-counts.ts';
import type { Evidence, SliQuestion } from './sli-evidence.ts';
import { stableCounts } from './stable-baseline.ts';

/**
 * A pass in time: most services never have the traffic that rules out `ruleOutBurn` within a rollout. After `passAfter`, a
 * canary without evidence against it passes with the proof that there is, and the answer says how much that is.
 */

/** What is still missing for a limited pass. */
export interface LimitedPassAhead {
  /** Clean requests, as the source counts them. */
  readonly requests: number;
  /** Until `passAfter` is over. */
  readonly seconds: number;
}

/**
 * Natural log of the evidence that prevents a limited pass. A rule that compares can show next to nothing where the canary has
 * nearly all traffic: there the canary's own counts must be in line with stable's as well, over all that was queried.
 */
export function logAgainstLimitedPass(
  logAgainst: number | undefined,
  { counts, stableRate }: Evidence,
  sums: SliSums,
  { budget }: Objective,
): number | undefined {
  if (logAgainst === undefined || stableRate === undefined) return logAgainst;
  const { total, bad } = stableCounts(sums, 0, sums.minutes.stableTotal.length);
  const rate = total > 0 ? Math.max(budget, upperBound(total, bad)) : budget;
  return Math.max(logAgainst, logEvidence(counts.n, counts.e, rate));
}

/**
 * Seconds until time alone no longer prevents a limited pass, 0 from then on. Undefined where time does not lead there: a
 * fixed window is asked for to see more proof, or evidence is above {@link noiseEvidence}, which the tables of docs/rollout-simulation.md chose.
 * `logAgainst` is of {@link logAgainstLimitedPass}.
 */
export function secondsToLimitedPass(
  { policy: { passAfterMs }, window }: SliQuestion,
  logAgainst: number | undefined,
): number | undefined {
  if (passAfterMs === undefined || !window.isWholeRollout || logAgainst === undefined) return undefined;
  if (logAgainst > Math.log(noiseEvidence)) return undefined;
  return Math.max(0, passAfterMs - window.watchedMs) / 1000;
}
