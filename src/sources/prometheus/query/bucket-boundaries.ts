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
  if (unit === 'milliseconds' || !Number.isFinite(boundary)) return boundary;
  const [digits, exponent = '0'] = String(boundary).split('e');
  return Number(`${digits}e${Number(exponent) + 3}`);
}

/** The value of a label `le`; NaN where it is no number. */
export function leOf(text: string): number {
  if (/^\+?inf(inity)?$/i.test(text)) return Number.POSITIVE_INFINITY;
  return /^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/.test(text) ? Number(text) : Number.NaN;
}

/** A matcher of the bucket that holds all events. */
export const everyBucketMatcher: LabelMatcher = { label: bucketLabel, operator: '=', value: '+Inf' };

/**
 * A matcher of the buckets that end at exactly this boundary, where an answer's labels cannot be compared as numbers: every notation
 * without an exponent, and those with one that have a single digit before the point, as programs write them.
 */
export function boundaryMatcher(boundary: number): LabelMatcher {
  const [digits = '', exponent = ''] = boundary.toExponential().split('e');
  const [whole, fraction] = digits.split('.');
  const mantissa = fraction === undefined ? `${whole}(\\.0*)?` : `${whole}\\.${fraction}0*`;
  const power = Number(exponent);
  const sign = power === 0 ? '[+-]?' : power < 0 ? '-' : '\\+?';
  const scientific = `\\+?0*${mantissa}[eE]${sign}0*${Math.abs(power)}`;
  return { label: bucketLabel, operator: '=~', value: [plainNotations(boundary), scientific].join('|') };
}

/**
 * A matcher of the buckets that end at these boundaries, and of those that hold all events. Clients write one number as 1, 1.0 or
 * +1.00, so that every notation without an exponent is matched. Of those with one, all are: they are rare.
 */
export function bucketMatcher(boundaries: readonly number[]): LabelMatcher {
  return {
    label: bucketLabel,
    operator: '=~',
    value: [...boundaries.map(plainNotations), '.*[eE].*', '\\+?[Ii][Nn][Ff].*'].join('|'),
  };
}

/** A regular expression of every notation of a number that has no exponent. */
function plainNotations(boundary: number): string {
  const [whole = '', fraction = ''] = decimalOf(boundary).split('.');
  const integer = whole === '0' ? '' : whole;
  if (fraction === '') return `\\+?0*${whole}(\\.0*)?`;
  return `\\+?0*${integer}\\.${fraction}0*`;
}

/** A number up to 600,000 without an exponent: `0.0000001`. */
function decimalOf(value: number): string {
  const [digits = '', exponent] = String(value).split('e');
  if (exponent === undefined) return digits;
  // Only numbers below 0.000001 have one.
  const [whole = '', fraction = ''] = digits.split('.');
  return `0.${'0'.repeat(-Number(exponent) - whole.length)}${whole}${fraction}`;
}
