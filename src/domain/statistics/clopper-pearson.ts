/**
 * One-sided Clopper-Pearson bounds of a rate, for counts that may be fractional. docs/verdicts-reference.md has the
 * formulas ("Bounds").
 */

import { betaQuantile, regularizedBeta } from './incomplete-beta.ts';

/** Confidence of every one-sided bound that the gate uses. */
const boundConfidence = 0.95;

/** Whether the one-sided 95% Clopper-Pearson upper bound of the rate is at most `rate`: one evaluation, no search. */
export function upperBoundIsAtMost(total: number, bad: number, rate: number): boolean {
  if (rate >= 1) return true;
  if (total <= 0 || bad >= total) return false;
  return regularizedBeta(rate, bad + 1, total - bad) >= boundConfidence;
}

/** Whether the one-sided 95% Clopper-Pearson lower bound of the rate is above `rate`. */
export function lowerBoundIsAbove(total: number, bad: number, rate: number): boolean {
  if (total <= 0 || bad <= 0 || bad / total <= rate) return false;
  return regularizedBeta(rate, bad, Math.max(0, total - bad) + 1) < 1 - boundConfidence;
}

/** The one-sided 95% Clopper-Pearson upper bound of a rate; 1 without events. */
export function upperBound(total: number, bad: number): number {
  if (total <= 0 || bad >= total) return 1;
  if (bad === 0) return -Math.expm1(Math.log(1 - boundConfidence) / total);
  return betaQuantile(boundConfidence, bad + 1, total - bad);
}

/** The one-sided 95% Clopper-Pearson lower bound of a rate; 0 without bad events. */
export function lowerBound(total: number, bad: number): number {
  if (total <= 0 || bad <= 0) return 0;
  return betaQuantile(1 - boundConfidence, bad, Math.max(0, total - bad) + 1);
}
