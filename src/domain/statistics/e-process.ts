/**
 * The mathematics of verdicts: an e-process for counts, which allows any number of interim analyses, the
 * Clopper-Pearson bounds, and the share test between canary and stable. Counts may be fractional (a sample rate or a
 * dispersion scales them). docs/verdicts-reference.md has all of it.
 */

import { betaQuantile, regularizedBeta } from './incomplete-beta.ts';

/** How many times the allowed odds the mixture considers: 2, 4, 8 … 1024. */
const oddsMultiples = Array.from({ length: 10 }, (_, j) => 2 ** (j + 1));
const logMultiples = oddsMultiples.map((k) => Math.log(k));

/** How many times stable's odds the share test considers: 2, 4 … 128. */
const shareMultiples = Array.from({ length: 7 }, (_, j) => 2 ** (j + 1));
const logShareMultiples = shareMultiples.map((r) => Math.log(r));

/** The greatest evidence that is reported. A greater number would tell people nothing more, and need an exponent. */
export const evidenceCap = 1e12;
const logEvidenceCap = Math.log(evidenceCap);

/** e^-45 of the greatest term is beyond a double's digits, however many terms a CUJ has. */
const minVisible = -45;

/**
 * Natural log of a mean of exponentials, without overflow; infinite where one of them is. What is no number is refused: left
 * out, it would be taken for no evidence at all.
 */
function logMeanExp(logs: ArrayLike<number>): number {
  const { length } = logs;
  let max = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < length; i += 1) if ((logs[i] as number) > max) max = logs[i] as number;
  // The difference of two infinities is no number.
  if (Math.abs(max) === Number.POSITIVE_INFINITY) return max;
  let sum = 0;
  for (let i = 0; i < length; i += 1) {
    const below = (logs[i] as number) - max;
    if (!(below <= minVisible)) sum += Math.exp(below);
  }
  if (Number.isNaN(sum)) throw new RangeError('Evidence is not a number: this is a bug of the gate.');
  return max + Math.log(sum / length);
}

/** Evidence as a number for people: exp of the log, capped. */
export function evidenceOf(logEvidence: number): number {
  return logEvidence >= logEvidenceCap ? evidenceCap : Math.exp(logEvidence);
}

/** ln(1+(k-1)p) for every multiple k: what one event costs the evidence. */
function costsOf(rate: number): readonly number[] {
  return oddsMultiples.map((k) => Math.log1p((k - 1) * rate));
}

/** Up to here 2^(10·bad) is far from overflow, so the sum can be taken as it stands. */
const maxInPlain = 90;
const powersOfTwo = Float64Array.from({ length: maxInPlain }, (_, bad) => 2 ** bad);
/** exp() of less than this, negated, is 0. */
const minExponent = 746;
/** Below this, terms that underflowed could be missing from the plain sum; above it they are beyond a double's digits. */
const minInPlain = 1e-6;

/**
 * One endpoint's or pool's e-process, with the part that depends on `total` alone worked out once, so that a search
 * over `bad` costs ten multiplications a step.
 *
 * With o = p/(1-p) and p_k = k·o/(1+k·o), p_k/p over (1-p_k)/(1-p) is exactly k and (1-p_k)/(1-p) is 1/(1+(k-1)p), so
 * E(n, e; p) = mean over k of k^e / (1+(k-1)p)^n, a polynomial in 2^e. (Wald's likelihood ratio, mixed over k; Ville's
 * inequality.)
 */
export class EvidenceProcess {
  readonly #total: number;
  readonly #costs: readonly number[];
  readonly #factors: readonly number[];

  /** `total` events of which each may be bad with probability `rate` (0 < rate ≤ 1). */
  constructor(total: number, rate: number) {
    this.#total = total;
    this.#costs = costsOf(rate);
    let terms = 0;
    while (terms < this.#costs.length && total * (this.#costs[terms] as number) <= minExponent) terms += 1;
    const factors = new Array<number>(terms);
    for (let j = 0; j < terms; j += 1) factors[j] = Math.exp(-total * (this.#costs[j] as number));
    this.#factors = factors;
  }

  /** The evidence that `bad` events give; Infinity where a double cannot hold it, 0 where it is next to none. */
  of(bad: number): number {
    return bad < maxInPlain
      ? this.#sum(bad) / oddsMultiples.length
      : Math.exp(logEvidenceAt(this.#total, bad, this.#costs));
  }

  /** Natural log of the evidence that `bad` events give. */
  log(bad: number): number {
    const sum = bad < maxInPlain ? this.#sum(bad) : 0;
    return sum > minInPlain
      ? Math.log(sum / oddsMultiples.length)
      : logEvidenceAt(this.#total, bad, this.#costs);
  }

  #sum(bad: number): number {
    const factors = this.#factors;
    const x = powersOfTwo[bad] ?? 2 ** bad;
    let sum = 0;
    for (let j = factors.length - 1; j >= 0; j -= 1) sum = (sum + (factors[j] as number)) * x;
    return sum;
  }
}

/** As EvidenceProcess.log, term by term in logs, for any number of events. */
function logEvidenceAt(total: number, bad: number, logs: readonly number[]): number {
  return logMeanExp(logMultiples.map((logMultiple, j) => bad * logMultiple - total * (logs[j] as number)));
}

/** Natural log of E(n, e; p), for one look: an EvidenceProcess pays where more follow. Zero events are no evidence: 0. */
export function logEvidence(total: number, bad: number, rate: number): number {
  return total > 0 ? logEvidenceAt(total, bad, costsOf(rate)) : 0;
}

/** Natural log of ½·pooled + ½·mean over endpoints, from the logs of its parts. No endpoints: the pooled part alone. */
export function logMixture(pooled: number, endpoints: ArrayLike<number>): number {
  return endpoints.length === 0 ? pooled : logMeanExp([pooled, logMeanExp(endpoints)]);
}

/** Counts of both sides, bucket by bucket. */
export interface BothSides {
  readonly canaryTotal: ArrayLike<number>;
  readonly canaryBad: ArrayLike<number>;
  readonly stableTotal: ArrayLike<number>;
  readonly stableBad: ArrayLike<number>;
}

/**
 * Natural log of E_share over the buckets [first, end): how strongly the bad events single out the canary, given its
 * share w of each bucket's traffic, of each service by itself. Buckets in which either side has no traffic are
 * left out, and so are those in which stable has no more than `minStable` times the canary's. Steps of the weight, and
 * services with different weights, do not change what it means.
 */
export function logShareEvidence(
  services: readonly BothSides[],
  first: number,
  end: number,
  minStable = 0,
): number {
  const shareLogs = new Float64Array(shareMultiples.length);
  for (const sides of services) addShareLogs(shareLogs, sides, first, end, minStable);
  return logMeanExp(shareLogs);
}

/** Adds one service's log evidence for every multiple to `shareLogs`. */
function addShareLogs(
  shareLogs: Float64Array,
  sides: BothSides,
  first: number,
  end: number,
  minStable: number,
): void {
  for (let i = first; i < end; i += 1) {
    const canaryBad = sides.canaryBad[i] as number;
    const stableBad = sides.stableBad[i] as number;
    const canaryTotal = sides.canaryTotal[i] as number;
    const stableTotal = sides.stableTotal[i] as number;
    if (!(canaryBad > 0 || stableBad > 0)) continue;
    if (!(canaryTotal > 0 && stableTotal > minStable * canaryTotal)) continue;
    const w = canaryTotal / (canaryTotal + stableTotal);
    for (let j = 0; j < shareLogs.length; j += 1) {
      // q/w = r/(1+(r-1)w) and (1-q)/(1-w) = 1/(1+(r-1)w).
      const log = Math.log1p(((shareMultiples[j] as number) - 1) * w);
      (shareLogs[j] as number) += canaryBad * ((logShareMultiples[j] as number) - log) - stableBad * log;
    }
  }
}

/** Confidence of every one-sided bound that the gate uses. */
export const boundConfidence = 0.95;

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
