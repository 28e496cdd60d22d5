import { sliOf } from './slo.ts';

/** Counts of one side as they are shown. */
export interface SideFacts {
  readonly good: number;
  readonly bad: number;
  readonly total: number;
  /** The SLI, a ratio, or null without events. */
  readonly value: number | null;
}

/** Counts without what binary fractions add to their sums; never `-0`. */
export function tidy(count: number): number {
  return Math.round(count * 1e6) / 1e6 + 0;
}

/** Counts of one side as they are shown. */
export function sideFacts(total: number, bad: number): SideFacts {
  return { good: tidy(total - bad), bad: tidy(bad), total: tidy(total), value: sliOf(total, bad) };
}

const powersOfTen = Array.from({ length: 23 }, (_, places) => 10 ** places);

/** Six significant digits: what evidence and bounds can honestly claim. */
export function digits(value: number): number {
  if (value === 0) return 0;
  const places = 5 - Math.floor(Math.log10(value));
  // A quotient of whole numbers by a power of ten up to 10^22 is the nearest double to the decimal number.
  const power = powersOfTen[places];
  if (power !== undefined) return Math.round(value * power) / power;
  return Number(value.toPrecision(6));
}
