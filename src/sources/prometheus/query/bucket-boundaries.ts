import type { DurationUnit } from '../../../domain/registry/schema.ts';
import type { LabelMatcher } from './label-matchers.ts';

/** Boundaries of a histogram's buckets: how a threshold of the registry is found among them. */

export const bucketLabel = 'le';

/** A latency threshold in the unit of a histogram. Exact: that of 300 ms is the number that "0.3" is read as. */
export function boundaryOf(latencyMs: number, unit: DurationUnit): number {
  if (unit === 'milliseconds') return latencyMs;
  const [digits, exponent = '0'] = String(latencyMs).split('e');
  return Number(`${digits}e${Number(exponent) - 3}`);
}

/** The threshold in ms that is a boundary in the unit of a histogram. */
export function latencyMsOf(boundary: number, unit: DurationUnit): number {
  if (unit === 'milliseconds') return boundary;
  const [digits, exponent = '0'] = String(boundary).split('e');
  return Number(`${digits}e${Number(exponent) + 3}`);
}

/** The value of a label `le`; NaN where it is no number. */
export function leOf(text: string): number {
  if (/^\+?inf(inity)?$/i.test(text)) return Number.POSITIVE_INFINITY;
  return /^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/.test(text) ? Number(text) : Number.NaN;
}

/**
 * A matcher of the buckets that end at these boundaries, and of those that hold all events. Clients write one number as 1, 1.0 or
 * +1.00, so that every notation without an exponent is matched. Of those with one, all are: they are rare.
 */
export function bucketMatcher(boundaries: readonly number[]): LabelMatcher {
  const exact = boundaries.map((boundary) => {
    const [whole = '', fraction = ''] = decimalOf(boundary).split('.');
    const integer = whole === '0' ? '' : whole;
    if (fraction === '') return `\\+?0*${whole}(\\.0*)?`;
    return `\\+?0*${integer}\\.${fraction}0*`;
  });
  return {
    label: bucketLabel,
    operator: '=~',
    value: [...exact, '.*[eE].*', '\\+?[Ii][Nn][Ff].*'].join('|'),
  };
}

/** A number up to 600,000 without an exponent: `0.0000001`. */
function decimalOf(value: number): string {
  const [digits = '', exponent] = String(value).split('e');
  if (exponent === undefined) return digits;
  // Only numbers below 0.000001 have one.
  const [whole = '', fraction = ''] = digits.split('.');
  return `0.${'0'.repeat(-Number(exponent) - whole.length)}${whole}${fraction}`;
}
