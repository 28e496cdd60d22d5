/**
 * An SLO's arithmetic. Objectives have at most three decimals of a percent, so the error budget is a whole number of
 * bad events in 100,000 and comparisons on counts are exact.
 */

/** An objective: the ratio that an SLI must reach, kept exactly. */
export interface Objective {
  /** As people write it: 99.95. */
  readonly percent: number;
  /** The ratio, 0.9995. */
  readonly ratio: number;
  /** The error budget as a ratio, 0.0005: p0 of docs/verdicts.md. */
  readonly budget: number;
  /** The error budget in bad events per 100,000: 50. */
  readonly budgetPer100k: number;
}

/** Decimals beyond the third cannot be kept by the backends' SLOs either, so they are refused. */
export function hasAtMostThreeDecimals(percent: number): boolean {
  return Math.abs(percent * 1000 - Math.round(percent * 1000)) < 1e-6;
}

/** An objective from percent. The caller has checked that it lies in (0, 100) with at most three decimals. */
export function objectiveOf(percent: number): Objective {
  const goodPer100k = Math.round(percent * 1000);
  const budgetPer100k = 100_000 - goodPer100k;
  return { percent, ratio: goodPer100k / 100_000, budget: budgetPer100k / 100_000, budgetPer100k };
}

/** Whether `bad` of `total` events break the objective: a comparison of counts, without a division. */
export function violates(objective: Objective, total: number, bad: number): boolean {
  return bad * 100_000 > objective.budgetPer100k * total;
}

/** The least whole number of bad events that breaks the objective at `total` events; undefined where none can. */
export function minViolation(objective: Objective, total: number): number | undefined {
  const min = Math.floor((objective.budgetPer100k * total) / 100_000) + 1;
  return min <= total ? min : undefined;
}

/** Good events over total events, or null without events. */
export function sliOf(total: number, bad: number): number | null {
  return total > 0 ? (total - bad) / total : null;
}

/** How many times the allowed rate: 1 is exactly on the SLO. Null without events. */
export function burnRateOf(objective: Objective, total: number, bad: number): number | null {
  return total > 0 ? bad / total / objective.budget : null;
}
