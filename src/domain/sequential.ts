/**
 * The mathematics of verdicts, nothing else: an e-process for counts that may be looked at as often as one likes, the
 * Clopper-Pearson bounds, and the share test between canary and stable. Counts may be fractional (a sample rate or a
 * dispersion scales them). docs/verdicts.md derives all of it.
 */

/** How many times the allowed odds the mixture considers: 2, 4, 8 … 1024. */
const oddsMultiples = Array.from({ length: 10 }, (_, j) => 2 ** (j + 1));
const logMultiples = oddsMultiples.map((k) => Math.log(k));

/** How many times stable's odds the share test considers: 2, 4 … 128. */
const shareMultiples = Array.from({ length: 7 }, (_, j) => 2 ** (j + 1));

/** Evidence is reported up to this; beyond it the number says nothing more and would need an exponent to print. */
export const evidenceCap = 1e12;
const logEvidenceCap = Math.log(evidenceCap);

/** Natural log of a mean of exponentials, without overflow. */
function logMeanExp(logs: readonly number[]): number {
  let max = Number.NEGATIVE_INFINITY;
  for (const value of logs) if (value > max) max = value;
  if (max === Number.NEGATIVE_INFINITY) return max;
  let sum = 0;
  for (const value of logs) sum += Math.exp(value - max);
  return max + Math.log(sum / logs.length);
}

/** Evidence as a number for people: exp of the log, capped. */
export function evidenceOf(logEvidence: number): number {
  return logEvidence >= logEvidenceCap ? evidenceCap : Math.exp(logEvidence);
}

/**
 * One endpoint's or pool's e-process, with the part that depends on `total` alone worked out once, so that a search
 * over `bad` costs ten exponentials a step.
 *
 * With o = p/(1-p) and p_k = k·o/(1+k·o), p_k/p over (1-p_k)/(1-p) is exactly k and (1-p_k)/(1-p) is 1/(1+(k-1)p), so
 * E(n, e; p) = mean over k of k^e / (1+(k-1)p)^n. (Wald's likelihood ratio, mixed over k; Ville's inequality.)
 */
export class EvidenceProcess {
  readonly #offsets: readonly number[];

  /** `total` events of which each may be bad with probability `rate` (0 < rate ≤ 1). */
  constructor(total: number, rate: number) {
    this.#offsets = oddsMultiples.map((k) => -total * Math.log1p((k - 1) * rate));
  }

  /** Natural log of the evidence that `bad` events give. */
  log(bad: number): number {
    let max = Number.NEGATIVE_INFINITY;
    const offsets = this.#offsets;
    for (let j = 0; j < 10; j += 1) {
      const value = bad * (logMultiples[j] as number) + (offsets[j] as number);
      if (value > max) max = value;
    }
    let sum = 0;
    for (let j = 0; j < 10; j += 1)
      sum += Math.exp(bad * (logMultiples[j] as number) + (offsets[j] as number) - max);
    return max + Math.log(sum / 10);
  }
}

/** Natural log of E(n, e; p). Zero events are no evidence: 0. */
export function logEvidence(total: number, bad: number, rate: number): number {
  return total > 0 ? new EvidenceProcess(total, rate).log(bad) : 0;
}

/** Natural log of ½·pooled + ½·mean over endpoints, from the logs of its parts. No endpoints: the pooled part alone. */
export function logMixture(pooled: number, endpoints: readonly number[]): number {
  return endpoints.length === 0 ? pooled : logMeanExp([pooled, logMeanExp(endpoints)]);
}

/** Counts of both sides in one bucket. */
export interface ShareBucket {
  readonly canaryTotal: number;
  readonly canaryBad: number;
  readonly stableTotal: number;
  readonly stableBad: number;
}

/**
 * Natural log of E_share: how strongly the bad events single out the canary, given its share w of each bucket's
 * traffic. Buckets in which either side has no traffic say nothing. Steps of the weight do no harm.
 */
export function logShareEvidence(buckets: Iterable<ShareBucket>): number {
  const logs = shareMultiples.map(() => 0);
  for (const { canaryTotal, canaryBad, stableTotal, stableBad } of buckets) {
    if (canaryTotal <= 0 || stableTotal <= 0 || (canaryBad <= 0 && stableBad <= 0)) continue;
    const w = canaryTotal / (canaryTotal + stableTotal);
    for (let j = 0; j < shareMultiples.length; j += 1) {
      const r = shareMultiples[j] as number;
      // q/w = r/(1+(r-1)w) and (1-q)/(1-w) = 1/(1+(r-1)w).
      const log = Math.log1p((r - 1) * w);
      logs[j] = (logs[j] as number) + canaryBad * (Math.log(r) - log) - stableBad * log;
    }
  }
  return logMeanExp(logs);
}

/** Stirling's error of ln Γ: ln Γ(z) = (z-½)ln z - z + ½ln 2π + δ(z). (Abramowitz & Stegun 6.1.41.) */
function stirlingError(z: number): number {
  let shift = 0;
  let x = z;
  while (x < 12) {
    shift += (x + 0.5) * Math.log1p(1 / x) - 1;
    x += 1;
  }
  const s = 1 / (x * x);
  return shift + (1 / 12 - s * (1 / 360 - s * (1 / 1260 - s * (1 / 1680 - s / 1188)))) / x;
}

/** ln of x^a (1-x)^b / B(a, b), in the form that does not cancel for large a and b. */
function logBetaKernel(x: number, a: number, b: number): number {
  const s = a + b;
  const left = a * Math.log1p((x * s - a) / a);
  const right = b * Math.log1p(((1 - x) * s - b) / b);
  return (
    left +
    right +
    0.5 * Math.log((a / s) * (b / (2 * Math.PI))) +
    stirlingError(s) -
    stirlingError(a) -
    stirlingError(b)
  );
}

/** The continued fraction of the incomplete beta function by Lentz's method; some O(√max(a,b)) steps. (DLMF 8.17.22.) */
function betaFraction(x: number, a: number, b: number): number {
  const tiny = 1e-300;
  let c = 1;
  let d = 1 - ((a + b) * x) / (a + 1);
  d = 1 / (Math.abs(d) < tiny ? tiny : d);
  let h = d;
  for (let m = 1; m <= 200_000; m += 1) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 + even * d;
    d = 1 / (Math.abs(d) < tiny ? tiny : d);
    c = 1 + even / c;
    if (Math.abs(c) < tiny) c = tiny;
    h *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 + odd * d;
    d = 1 / (Math.abs(d) < tiny ? tiny : d);
    c = 1 + odd / c;
    if (Math.abs(c) < tiny) c = tiny;
    const step = d * c;
    h *= step;
    if (Math.abs(step - 1) < 1e-15) break;
  }
  return h;
}

/** The regularised incomplete beta function I_x(a, b), for a > 0, b > 0. */
export function regularizedBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const kernel = Math.exp(logBetaKernel(x, a, b));
  return x < (a + 1) / (a + b + 2)
    ? (kernel * betaFraction(x, a, b)) / a
    : 1 - (kernel * betaFraction(1 - x, b, a)) / b;
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
  return regularizedBeta(rate, bad, total - bad + 1) < 1 - boundConfidence;
}

/** Solves a rising function of a rate for a value, by bisection on the log of the rate: good to 1e-12 relative. */
function solveRate(target: number, rising: (rate: number) => number): number {
  let low = -50;
  let high = 0;
  for (let i = 0; i < 60; i += 1) {
    const middle = (low + high) / 2;
    if (rising(Math.exp(middle)) < target) low = middle;
    else high = middle;
  }
  return Math.exp((low + high) / 2);
}

/** The one-sided 95% Clopper-Pearson upper bound of a rate; 1 without events. */
export function upperBound(total: number, bad: number): number {
  if (total <= 0 || bad >= total) return 1;
  if (bad === 0) return -Math.expm1(Math.log(1 - boundConfidence) / total);
  return solveRate(boundConfidence, (rate) => regularizedBeta(rate, bad + 1, total - bad));
}

/** The one-sided 95% Clopper-Pearson lower bound of a rate; 0 without bad events. */
export function lowerBound(total: number, bad: number): number {
  if (total <= 0 || bad <= 0) return 0;
  return solveRate(1 - boundConfidence, (rate) => regularizedBeta(rate, bad, total - bad + 1));
}
