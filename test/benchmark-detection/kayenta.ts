/**
 * Kayenta's default judge, NetflixACAJudge, for one metric that may only increase. Written from its documentation
 * (spinnaker.io/docs/guides/user/canary/judge) and from reading spinnaker/kayenta; the test is compared with R's wilcox.test, which
 * Kayenta's is a port of. A metric that is High scores 0 of 100, below every threshold that a canary configuration can have
 * (`marginal` 75, `pass` 95): the canary fails.
 */

/**
 * Kayenta's solver, as R's, stops within this of the root. The unit of the metric therefore matters: of failure rates, most minutes
 * are 0, the limits of the interval are next to 0, and where they are beyond it depends on this.
 */
const tolerance = 1e-4;

/** The interval must be beyond this part of the estimate. */
const neglected = 0.25;

/** Two-sided confidence levels, and the standard normal quantile of each. Kayenta's is the last one. */
export const confidenceLevels = [
  [0.1, 0.12566134685507416],
  [0.3, 0.38532046640756773],
  [0.5, 0.6744897501960817],
  [0.8, 1.2815515655446008],
  [0.9, 1.6448536269514715],
  [0.95, 1.9599639845400536],
  [0.98, 2.3263478740408408],
] as const;

const sorted = (values: ArrayLike<number>) => Float64Array.from(values).sort();
const first = (values: Float64Array) => values[0] as number;
const last = (values: Float64Array) => values[values.length - 1] as number;

/** Two samples in ascending order. */
interface Pair {
  readonly x: Float64Array;
  readonly y: Float64Array;
}

/**
 * The rank sum of `x - shift` against `y`, standardised: about normal where both have the same distribution. Ties get the mean of
 * their ranks, and lower the variance. Not a number where all values are equal.
 */
function standardized({ x, y }: Pair, shift: number, isCorrected: boolean): number {
  const [m, n] = [x.length, y.length];
  let [i, j] = [0, 0];
  let ranks = 0;
  let ties = 0;
  while (i < m || j < n) {
    const left = i < m ? (x[i] as number) - shift : Number.POSITIVE_INFINITY;
    const right = j < n ? (y[j] as number) : Number.POSITIVE_INFINITY;
    const value = Math.min(left, right);
    const before = i + j;
    const from = i;
    while (i < m && (x[i] as number) - shift === value) i += 1;
    while (j < n && y[j] === value) j += 1;
    const count = i + j - before;
    ranks += (i - from) * (before + (count + 1) / 2);
    ties += count ** 3 - count;
  }
  const beyond = ranks - (m * (m + 1)) / 2 - (m * n) / 2;
  const correction = isCorrected ? Math.sign(beyond) * 0.5 : 0;
  const variance = ((m * n) / 12) * (m + n + 1 - ties / ((m + n) * (m + n - 1)));
  return (beyond - correction) / Math.sqrt(variance);
}

/**
 * Brent's method (Algorithms for Minimization without Derivatives, 1973, chapter 4), with the steps of the widespread `zeroin`, so
 * that it stops where R and Kayenta stop.
 */
function zeroin(of: (at: number) => number, from: number, to: number): number {
  let [a, b] = [from, to];
  let [fa, fb] = [of(a), of(b)];
  if (fa === 0) return a;
  if (fb === 0) return b;
  let [c, fc] = [a, fa];
  for (let steps = 0; steps <= 1000; steps += 1) {
    const previous = b - a;
    if (Math.abs(fc) < Math.abs(fb)) {
      [a, b, c] = [b, c, b];
      [fa, fb, fc] = [fb, fc, fb];
    }
    const precision = 2 * Number.EPSILON * Math.abs(b) + tolerance / 2;
    let step = (c - b) / 2;
    if (Math.abs(step) <= precision || fb === 0) return b;
    if (Math.abs(previous) >= precision && Math.abs(fa) > Math.abs(fb)) {
      const span = c - b;
      let p: number;
      let q: number;
      if (a === c) {
        const t = fb / fa;
        p = span * t;
        q = 1 - t;
      } else {
        const [r, t, u] = [fa / fc, fb / fc, fb / fa];
        p = u * (span * r * (r - t) - (b - a) * (t - 1));
        q = (r - 1) * (t - 1) * (u - 1);
      }
      if (p > 0) q = -q;
      else p = -p;
      if (p < 0.75 * span * q - Math.abs(precision * q) / 2 && p < Math.abs((previous * q) / 2)) step = p / q;
    }
    if (Math.abs(step) < precision) step = step > 0 ? precision : -precision;
    [a, fa] = [b, fb];
    b += step;
    fb = of(b);
    if ((fb > 0 && fc > 0) || (fb < 0 && fc < 0)) [c, fc] = [a, fa];
  }
  return b;
}

/** The shift at which the standardised rank sum is `quantile`; the end of all possible shifts where it never is. */
function shiftAt(pair: Pair, quantile: number, isCorrected = true): number {
  const { x, y } = pair;
  const [min, max] = [first(x) - last(y), last(x) - first(y)];
  const of = (shift: number) => standardized(pair, shift, isCorrected) - quantile;
  if (of(min) <= 0) return min;
  if (of(max) >= 0) return max;
  return zeroin(of, min, max);
}

export interface RankSumTest {
  /** Standardised, at no shift. */
  readonly z: number;
  /** How far x is shifted against y: estimate and confidence interval. */
  readonly estimate: number;
  readonly lower: number;
  readonly upper: number;
}

/** The two-sided Mann-Whitney test by normal approximation. `quantile` is that of the confidence level. */
export function rankSumTest(
  experiment: ArrayLike<number>,
  control: ArrayLike<number>,
  quantile: number,
  { correctsEstimate = true } = {},
): RankSumTest {
  const pair = { x: sorted(experiment), y: sorted(control) };
  return {
    z: standardized(pair, 0, true),
    estimate: shiftAt(pair, 0, correctsEstimate),
    lower: shiftAt(pair, quantile),
    upper: shiftAt(pair, -quantile),
  };
}

const mean = (values: ArrayLike<number>) =>
  Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;
const isOneValue = (values: Float64Array) => first(values) === last(values);

export interface Comparison {
  /** At how many of the confidence levels, from the lowest on, the canary is High. */
  readonly levels: number;
  /**
   * The canary's mean over the baseline's: High needs at least `effectSize.allowedIncrease`, by default 1. Undefined where either is
   * 0: then it is not asked for.
   */
  readonly increase: number | undefined;
}

const alike: Comparison = { levels: 0, increase: 1 };

/**
 * Compares values by minute. The canary is High where its interval begins above a quarter of the estimate, and its mean is not below
 * the baseline's. `normal` draws the noise that is added where both sides have one value each.
 */
export function compare(
  canary: ArrayLike<number>,
  baseline: ArrayLike<number>,
  normal: () => number,
): Comparison {
  if (canary.length === 0 || baseline.length === 0) return alike;
  let [x, y] = [sorted(canary), sorted(baseline)];
  if (x.length === y.length && x.every((value, i) => value === y[i])) return alike;
  if (isOneValue(x) && isOneValue(y)) {
    if (first(x) === first(y)) return alike;
    const noisy = (values: Float64Array) => values.map((value) => value + 1e-5 * value * normal()).sort();
    [x, y] = [noisy(x), noisy(y)];
  }
  const [experiment, control] = [mean(x), mean(y)];
  const increase = experiment === 0 || control === 0 ? undefined : experiment / control;
  if (increase !== undefined && increase < 1) return { levels: 0, increase };
  const pair = { x, y };
  const bound = neglected * Math.abs(shiftAt(pair, 0));
  let levels = 0;
  for (const [, quantile] of confidenceLevels) {
    if (!(shiftAt(pair, quantile) > bound)) break;
    levels += 1;
  }
  return { levels, increase };
}
