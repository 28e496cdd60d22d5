/**
 * Evidence that can start again in any minute, so that a clean past does not hide a fault that begins late. It is a mixture of
 * e-processes, one for each minute in which the fault may begin; one that has not begun is worth 1. docs/verdicts-reference.md has
 * the formulas ("Evidence that can start again").
 */

import { costsOf, logMultiples } from './e-process.ts';

/**
 * The greatest likelihood ratio of one minute. It keeps a burst of errors from being taken for a fault: one minute raises the
 * evidence to at most 100 times what it was.
 */
export const maxMinuteRatio = 100;

const logMaxRatio = Math.log(maxMinuteRatio);
/** Far above all evidence that is reported; a product of two of them is finite. */
const maxTerm = 1e100;
/** Clean minutes with so few requests are frequent, and have the same ratios again and again. */
const keptRatios = 64;

/** The part of a mixture that evidence from the start of the window has. Evidence that can start again has the rest. */
export const fromStartShare = 0.9;

/** Natural log of the mixture, from the log of the evidence from the start and the evidence that can start again. */
export function logWithRestarts(logFromStart: number, restartable: number): number {
  const log = Math.log(restartable);
  const max = Math.max(logFromStart, log);
  // The difference of two infinities is NaN.
  if (Math.abs(max) === Number.POSITIVE_INFINITY) return max;
  return (
    max + Math.log(fromStartShare * Math.exp(logFromStart - max) + (1 - fromStartShare) * Math.exp(log - max))
  );
}

/** Counts by minute, and what one counted event weighs. */
export interface CountsByMinute {
  readonly total: ArrayLike<number>;
  readonly bad: ArrayLike<number>;
  readonly scale: number;
}

/** Bad events of one minute, counted. */
export interface BadEvents {
  readonly minute: number;
  readonly bad: number;
}

/**
 * The weight of each minute of a window: uniform, and the same as the window grows to `maxMinutes` and a newest minute that has
 * begun. The newest minute has all of it from its begin on: a weight that grew while the minute fills would begin with what the
 * minute has shown already.
 */
export function minuteWeight(maxMinutes: number, windowMinutes: number): number {
  return 1 / Math.max(maxMinutes + 1, windowMinutes);
}

/** The evidence of one endpoint or pool over the minutes [first, end), and what it would be without some of the bad events. */
export class RestartableEvidence {
  /** 1 without requests. Without bad events a lower bound that costs nothing: the weight of what has not begun. */
  readonly value: number;
  readonly #counts: CountsByMinute;
  readonly #first: number;
  readonly #end: number;
  readonly #weight: number;
  readonly #costs: readonly number[];
  #tables: Tables | undefined;

  /**
   * `rate`: the probability with which a request may be bad (0 < rate ≤ 1). `weight`: of each minute, at most 1 / (end − first).
   * The last minute may be a part of one.
   */
  constructor(counts: CountsByMinute, first: number, end: number, rate: number, weight: number) {
    this.#counts = counts;
    this.#first = first;
    this.#end = end;
    this.#weight = weight;
    this.#costs = costsOf(rate);
    const { total, bad } = counts;
    let hasRequests = false;
    let hasBad = false;
    for (let i = first; i < end; i += 1) {
      if (!((total[i] ?? 0) > 0)) continue;
      hasRequests = true;
      if ((bad[i] ?? 0) > 0) hasBad = true;
    }
    if (hasBad) {
      const kept = new Float64Array(keptRatios);
      this.value = this.#mean((j) => this.#begun(j, kept));
    } else this.value = hasRequests ? this.#waiting : 1;
  }

  /**
   * The evidence if some requests had not failed: those of one interval. `leftOut` has each of its minutes at most once, in rising
   * order.
   */
  without(leftOut: readonly BadEvents[]): number {
    const [oldest] = leftOut;
    const newest = leftOut.at(-1);
    if (oldest === undefined || newest === undefined) return this.value;
    this.#tables ??= this.#tabulate();
    const { before, after, later } = this.#tables;
    const { total, bad } = this.#counts;
    return this.#mean((j) => {
      let sum = before[this.#at(oldest.minute, j)] as number;
      let next = 0;
      for (let i = oldest.minute; i <= newest.minute; i += 1) {
        const requests = total[i] ?? 0;
        let failed = Math.min(bad[i] ?? 0, requests);
        const one = leftOut[next];
        if (one?.minute === i) {
          failed = Math.max(0, failed - one.bad);
          next += 1;
        }
        sum = Math.min((sum + this.#weight) * this.#ratio(j, requests, failed), maxTerm);
      }
      const at = this.#at(newest.minute, j);
      return sum * (after[at] as number) + (later[at] as number);
    });
  }

  /** The weight of what has not begun. */
  get #waiting(): number {
    return Math.max(0, 1 - this.#weight * (this.#end - this.#first));
  }

  #at(minute: number, j: number): number {
    return (minute - this.#first) * logMultiples.length + j;
  }

  /** Of what has begun by multiple of the odds, and of what has not. */
  #mean(begun: (j: number) => number): number {
    let sum = 0;
    for (let j = 0; j < logMultiples.length; j += 1) sum += begun(j);
    return sum / logMultiples.length + this.#waiting;
  }

  /** The likelihood ratio of a minute. Bad events that came before their requests do not count yet. */
  #ratio(j: number, total: number, bad: number): number {
    if (!(total > 0)) return 1;
    const { scale } = this.#counts;
    const failed = Math.min(bad, total);
    const log = scale * (failed * (logMultiples[j] as number) - total * (this.#costs[j] as number));
    return log >= logMaxRatio ? maxMinuteRatio : Math.exp(log);
  }

  /** What has begun, for one multiple of the odds. */
  #begun(j: number, kept: Float64Array): number {
    const { total, bad } = this.#counts;
    const weight = this.#weight;
    const end = this.#end;
    kept.fill(0);
    let sum = 0;
    for (let i = this.#first; i < end; i += 1) {
      const requests = total[i] ?? 0;
      const failed = bad[i] ?? 0;
      let ratio: number | undefined;
      if (failed > 0 || !(requests < keptRatios)) ratio = this.#ratio(j, requests, failed);
      else {
        // A number that is not whole finds nothing, and is not kept.
        ratio = kept[requests];
        if (ratio === undefined || ratio === 0) {
          ratio = this.#ratio(j, requests, 0);
          kept[requests] = ratio;
        }
      }
      sum = Math.min((sum + weight) * ratio, maxTerm);
    }
    return sum;
  }

  #tabulate(): Tables {
    const { total, bad } = this.#counts;
    const size = (this.#end - this.#first) * logMultiples.length;
    const before = new Float64Array(size);
    const after = new Float64Array(size);
    const later = new Float64Array(size);
    for (let j = 0; j < logMultiples.length; j += 1) {
      let sum = 0;
      for (let i = this.#first; i < this.#end; i += 1) {
        const at = this.#at(i, j);
        before[at] = sum;
        // For now the ratio of the minute itself.
        after[at] = this.#ratio(j, total[i] ?? 0, bad[i] ?? 0);
        sum = Math.min((sum + this.#weight) * (after[at] as number), maxTerm);
      }
      let product = 1;
      let begun = 0;
      for (let i = this.#end - 1; i >= this.#first; i -= 1) {
        const at = this.#at(i, j);
        const ratio = after[at] as number;
        after[at] = product;
        later[at] = begun;
        product = Math.min(product * ratio, maxTerm);
        begun = Math.min(begun + this.#weight * product, maxTerm);
      }
    }
    return { before, after, later };
  }
}

/** By minute and multiple: the sum before the minute, and what becomes of one after it: sum · after + later. */
interface Tables {
  readonly before: Float64Array;
  readonly after: Float64Array;
  readonly later: Float64Array;
}
