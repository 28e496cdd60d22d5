import { bucketMs } from '../metrics/metrics-source.ts';
import type { SliQuestion } from './sli-evidence.ts';

/**
 * A pass in time: most services never have the traffic that rules out `ruleOutBurn` within a rollout. After `passAfter`, a
 * canary without evidence against it passes with the proof that there is, and the answer says how much that is.
 */

/** With more evidence than this against the canary, there is no limited pass. The tables of docs/rollout-simulation.md chose it. */
export const maxEvidence = 2;

/** What is still missing for a limited pass. */
export interface LimitedPassAhead {
  /** Clean requests, as the source counts them. */
  readonly requests: number;
  /** Until `passAfter` is over. */
  readonly seconds: number;
}

/**
 * Seconds until time alone no longer prevents a limited pass, 0 from then on. Undefined where time does not lead there: a
 * fixed window is asked for to see more proof, or evidence is above {@link maxEvidence}.
 * `logAgainst` is the log of the evidence that the rule decides by.
 */
export function secondsToLimitedPass(
  { policy: { passAfterMs }, window }: SliQuestion,
  logAgainst: number | undefined,
): number | undefined {
  if (passAfterMs === undefined || !window.isRollout || logAgainst === undefined) return undefined;
  if (logAgainst > Math.log(maxEvidence)) return undefined;
  return Math.max(0, passAfterMs - window.minutesSinceFirstHit * bucketMs) / 1000;
}
