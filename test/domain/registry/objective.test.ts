import { describe, expect, it } from 'vitest';
import {
  burnRateOf,
  hasAtMostThreeDecimals,
  minViolation,
  objectiveOf,
  sliOf,
  violates,
} from '../../../src/domain/registry/objective.ts';

describe('an objective', () => {
  it.each([
    [99.95, 50],
    [99.999, 1],
    [99.9, 100],
    [98.765, 1235],
    [0.001, 99_999],
  ])('of %f%% allows %i bad events in 100,000', (percent, allowed) => {
    expect(objectiveOf(percent)).toMatchObject({ budgetPer100k: allowed, budget: allowed / 100_000 });
  });

  it('is broken by exactly one event more than it allows, at every traffic', () => {
    const objective = objectiveOf(99.95);
    for (const total of [1, 1999, 2000, 2001, 3999, 4000, 1e6, 1e9]) {
      const least = minViolation(objective, total);
      if (least === undefined) expect(violates(objective, total, total)).toBe(false);
      else {
        expect(violates(objective, total, least)).toBe(true);
        expect(violates(objective, total, least - 1)).toBe(false);
      }
    }
  });

  it.each([
    [99.95, true],
    [99.9995, false],
    [99.999, true],
    [0.1 + 0.2, true],
    [50.1234, false],
  ])('of %f has at most three decimals: %s', (percent, short) => {
    expect(hasAtMostThreeDecimals(percent)).toBe(short);
  });
});

describe('an SLI', () => {
  it('is a ratio, and nothing without events', () => {
    expect(sliOf(2000, 1)).toBe(0.9995);
    expect(sliOf(0, 0)).toBeNull();
    expect(burnRateOf(objectiveOf(99.95), 0, 0)).toBeNull();
    expect(burnRateOf(objectiveOf(99.95), 1000, 5)).toBeCloseTo(10, 12);
  });
});
