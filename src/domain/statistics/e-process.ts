/**
 * The evidence of verdicts: an e-process for counts, which allows any number of interim analyses. Counts may be
 * fractional (a sample rate or a dispersion scales them). docs/verdicts-reference.md has the formulas ("Evidence").
 */

import { logMeanExp } from './log-mean-exp.ts';

/** How many times the allowed odds the mixture considers: 2, 4, 8 … 1024. */
const oddsMultiples = Array.from({ length: 10 }, (_, j) => 2 ** (j + 1));
export const logMultiples = oddsMultiples.map((k) => Math.log(k));

/** The greatest evidence that is reported. A greater number would tell people nothing more, and need an exponent. */
export const evidenceCap = 1e12;
export const logEvidenceCap = Math.log(evidenceCap);

/** Evidence as a number for people: exp of the log, capped. */
export function evidenceOf(logEvidence: number): number {
  return logEvidence >= logEvidenceCap ? evidenceCap : Math.exp(logEvidence);
}

/** ln(1+(k-1)p) for every multiple k: what one event costs the evidence. */
export function costsOf(rate: number): readonly number[] {
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

/**
 * Natural log of E(n, e; p), for one analysis. For several, use an EvidenceProcess, which accounts for them. Zero events are
 * no evidence: 0.
 */
export function logEvidence(total: number, bad: number, rate: number): number {
  return total > 0 ? logEvidenceAt(total, bad, costsOf(rate)) : 0;
}

/** Counts of which each may be bad with probability `rate`. */
export interface CountsAtRate {
  readonly total: number;
  readonly bad: number;
  readonly rate: number;
}

/** Natural log of the evidence of several counts together, each with a rate of its own. Without any it is 0. */
export function logEvidenceAtRates(counts: readonly CountsAtRate[]): number {
  const some = counts.filter(({ total }) => total > 0).map((one) => ({ ...one, costs: costsOf(one.rate) }));
  return logMeanExp(
    logMultiples.map((logMultiple, j) =>
      some.reduce((log, { total, bad, costs }) => log + bad * logMultiple - total * (costs[j] as number), 0),
    ),
  );
}

/** Natural log of ½·pooled + ½·mean over endpoints, from the logs of its parts. No endpoints: the pooled part alone. */
export function logMixture(pooled: number, endpoints: ArrayLike<number>): number {
  return endpoints.length === 0 ? pooled : logMeanExp([pooled, logMeanExp(endpoints)]);
}
