/** A count, or any number, without an exponent: at most one decimal below 100 and two below 1. */
export function plain(value: number): string {
  if (Number.isInteger(value)) return String(value);
  if (value >= 100) return String(Math.round(value));
  return String(value >= 1 ? Math.round(value * 10) / 10 : Math.round(value * 100) / 100);
}

/** A number as it was written, without an exponent. */
export function decimal(value: number): string {
  return value.toFixed(9).replace(/\.?0+$/, '');
}

/** Evidence beyond this, and beyond the threshold, is not shown in full: it would tell a reader nothing more. */
const maxRollouts = 1e6;

/**
 * N in "fewer than 1 of N rollouts": by Ville's inequality, evidence of E is ever reached by fewer than 1 of E rollouts.
 * Rounded down to three significant digits, so that the sentence stays true.
 */
export function rolloutsOf(evidence: number, threshold = 0): number {
  const rollouts = Math.floor(Math.min(evidence, Math.max(maxRollouts, threshold)));
  const step = 10 ** Math.max(0, String(rollouts).length - 3);
  return Math.floor(rollouts / step) * step;
}

/** A ratio as percent with three decimals, rounded down: a ratio below an objective is never shown as the objective. */
export function percent(ratio: number): string {
  const thousandths = Math.floor(ratio * 100_000 + 1e-6);
  return `${String(thousandths / 1000)}%`;
}

/** An upper bound as a percentage with two significant digits. Rounded up: what it excludes must be excluded. */
export function boundText(rate: number): string {
  const value = rate * 100;
  if (!(value > 0)) return '0%';
  const scale = 10 ** (1 - Math.floor(Math.log10(value)));
  return `${decimal(Math.ceil(value * scale - 1e-9) / scale)}%`;
}
