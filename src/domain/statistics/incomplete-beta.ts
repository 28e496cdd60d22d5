/**
 * The regularised incomplete beta function I_x(a, b), which the Clopper-Pearson bounds are made of, and its inverse.
 * Good to some 1e-12 for a and b from 1e-3 to 1e9; parameters need not be whole numbers.
 */

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

/** The continued fraction by Lentz's method; some O(√max(a,b)) steps. (DLMF 8.17.22.) */
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

/** A lesser parameter gives the same as this one does, and its reciprocal is no number of a double. */
const minParameter = 1e-200;

/** I_x(a, b) of fixed a > 0 and b > 0, with the part that does not depend on x worked out once. */
class IncompleteBeta {
  readonly #a: number;
  readonly #b: number;
  readonly #logScale: number;

  constructor(alpha: number, beta: number) {
    const a = Math.max(alpha, minParameter);
    const b = Math.max(beta, minParameter);
    this.#a = a;
    this.#b = b;
    this.#logScale =
      0.5 * Math.log((a / (a + b)) * (b / (2 * Math.PI))) +
      stirlingError(a + b) -
      stirlingError(a) -
      stirlingError(b);
  }

  /** x^a (1-x)^b / B(a, b), in the form that does not cancel for large a and b. */
  kernel(x: number): number {
    const a = this.#a;
    const b = this.#b;
    const s = a + b;
    return Math.exp(a * Math.log1p((x * s - a) / a) + b * Math.log1p(((1 - x) * s - b) / b) + this.#logScale);
  }

  at(x: number, kernel = this.kernel(x)): number {
    if (x <= 0) return 0;
    if (x >= 1) return 1;
    const a = this.#a;
    const b = this.#b;
    return x < (a + 1) / (a + b + 2)
      ? Math.min(1, (kernel * betaFraction(x, a, b)) / a)
      : Math.max(0, 1 - (kernel * betaFraction(1 - x, b, a)) / b);
  }
}

/** The regularised incomplete beta function I_x(a, b), for a > 0, b > 0. */
export function regularizedBeta(x: number, a: number, b: number): number {
  return new IncompleteBeta(a, b).at(x);
}

/** The x at which I_x(a, b) is `probability`: Newton's method on ln x inside a bracket that only shrinks. */
export function betaQuantile(probability: number, a: number, b: number): number {
  const beta = new IncompleteBeta(a, b);
  let low = -60;
  let high = 0;
  let u = Math.log(a / (a + b));
  for (let i = 0; i < 200 && high - low > 1e-15 * Math.abs(u); i += 1) {
    const x = Math.exp(u);
    const kernel = beta.kernel(x);
    const off = beta.at(x, kernel) - probability;
    if (off < 0) low = u;
    else high = u;
    // dI/d(ln x) is the kernel over 1-x.
    const next = u - (off * (1 - x)) / kernel;
    const inside = next > low && next < high;
    const step = inside ? next : (low + high) / 2;
    if (Math.abs(step - u) <= 1e-14 * Math.abs(u)) return Math.exp(step);
    u = step;
  }
  return Math.exp(u);
}
