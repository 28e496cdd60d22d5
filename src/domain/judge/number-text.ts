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

/** Evidence for people. A greater number than a million would tell them nothing more. */
export function evidence(value: number): string {
  return value > 1e6 ? 'over 1000000' : plain(value);
}

/** A ratio as percent with three decimals, rounded down: a ratio below an objective is never shown as the objective. */
export function percent(ratio: number): string {
  const thousandths = Math.floor(ratio * 100_000 + 1e-6);
  return `${String(thousandths / 1000)}%`;
}
