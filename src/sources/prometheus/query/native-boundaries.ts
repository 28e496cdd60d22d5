import { boundaryOf, latencyMsOf } from './bucket-boundaries.ts';
import type { DurationSource } from './duration-source.ts';

/**
 * The thresholds in ms, at or around one, that rules can count slow requests by without knowing the buckets: of a classic histogram any,
 * which it may or may not have, and of a native one those that all have.
 */
export function recordedThresholds(
  latencyMs: number,
  { kind, unit }: Pick<DurationSource, 'kind' | 'unit'>,
): readonly number[] {
  if (kind === 'classic') return [latencyMs];
  const powers = powersOfTwoAround(boundaryOf(latencyMs, unit));
  return [...new Set(powers.map((power) => latencyMsOf(power, unit)))];
}

/** The boundaries, at or around a number above 0, that every native histogram of schema 0 or finer has: powers of two. */
function powersOfTwoAround(boundary: number): readonly [atOrBelow: number, atOrAbove: number] {
  // Not by rounding a logarithm, which need not be exact: doubling and halving are.
  let power = 1;
  while (power < boundary) power *= 2;
  while (power > boundary) power /= 2;
  return [power, power === boundary ? power : power * 2];
}
