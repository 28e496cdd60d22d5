import { sliOf } from '../registry/objective.ts';

/** Counts of one side as they are shown. */
export interface SideFacts {
  readonly good: number;
  readonly bad: number;
  readonly total: number;
  /** The SLI, a ratio, or null without events. */
  readonly value: number | null;
}

/** Counts without what binary fractions add to their sums; never `-0`. */
export function roundCount(count: number): number {
  return Math.round(count * 1e6) / 1e6 + 0;
}

/** Counts of one side as they are shown. */
export function sideFacts(total: number, bad: number): SideFacts {
  return {
    good: roundCount(total - bad),
    bad: roundCount(bad),
    total: roundCount(total),
    value: sliOf(total, bad),
  };
}

/** Powers of ten that a double holds exactly. */
const powersOfTen = Array.from({ length: 23 }, (_, places) => 10 ** places);

/** Six significant digits: what evidence and bounds can honestly claim. */
export function toSignificant(value: number): number {
  if (value === 0) return 0;
  // A quotient of whole numbers by such a power is the nearest double to the decimal number.
  if (value < 1e6 && value >= 1e-16) {
    let places = 0;
    while (value * (powersOfTen[places] as number) < 1e5) places += 1;
    const power = powersOfTen[places] as number;
    return Math.round(value * power) / power;
  }
  return Number(value.toPrecision(6));
}
