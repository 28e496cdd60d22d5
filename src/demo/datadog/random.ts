/** Random draws that depend on the seed alone. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** A number of events with the expected value `mean`. */
  poisson(mean: number): number;
  /** The number of successes in `n` trials, each with `probability`. */
  binomial(n: number, probability: number): number;
}

/** Uses mulberry32, which is fast; its 32 bits of state are enough for traffic. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());

  const poisson = (mean: number): number => {
    if (mean <= 0) return 0;
    // Exact for small counts. For larger ones, a rounded normal distribution is nearly the same.
    if (mean > 40) return Math.max(0, Math.round(mean + Math.sqrt(mean) * normal()));
    const limit = Math.exp(-mean);
    let count = 0;
    for (let product = next(); product > limit; product *= next()) count++;
    return count;
  };

  const binomial = (n: number, probability: number): number => {
    if (n <= 0 || probability <= 0) return 0;
    if (probability >= 1) return n;
    if (probability > 0.5) return n - binomial(n, 1 - probability);
    const mean = n * probability;
    if (mean > 40) {
      const drawn = Math.round(mean + Math.sqrt(mean * (1 - probability)) * normal());
      return Math.min(n, Math.max(0, drawn));
    }
    // Jumps from one success to the next: the number of draws is that of successes, not of trials.
    const logMiss = Math.log1p(-probability);
    let count = 0;
    for (let at = 0; ; count++) {
      at += Math.floor(Math.log(1 - next()) / logMiss) + 1;
      if (at > n) return count;
    }
  };

  return { next, poisson, binomial };
}
