import betaQuantile from '@stdlib/stats-base-dists-beta-quantile';
import { describe, expect, it } from 'vitest';
import {
  lowerBound,
  lowerBoundIsAbove,
  upperBound,
  upperBoundIsAtMost,
} from '../../../src/domain/statistics/clopper-pearson.ts';

const p0 = 0.0005;

describe('Clopper-Pearson bounds', () => {
  it("are those of the NIST handbook's example: 4 of 20, 90% two-sided", () => {
    expect(lowerBound(20, 4)).toBeCloseTo(0.071354, 6);
    expect(upperBound(20, 4)).toBeCloseTo(0.401029, 5);
  });

  it.each([
    [0, 0.2589],
    [1, 0.3942],
    [2, 0.5069],
    [3, 0.6066],
    [4, 0.6965],
    [5, 0.7776],
  ])('have the tabled upper limit for %i of 10: %f', (bad, limit) => {
    expect(upperBound(10, bad)).toBeCloseTo(limit, 4);
  });

  it.each([
    [1, 0],
    [3, 2],
    [50, 1],
    [200, 0],
    [2000, 3],
    [20_000, 40],
    [1_000_000, 1],
    [1_000_000, 512],
    [12.25, 0.5],
    [70.7, 3.3],
  ])("agree with another library's beta quantile for n = %f, e = %f", (n, e) => {
    expect(upperBound(n, e) / betaQuantile(0.95, e + 1, n - e)).toBeCloseTo(1, 7);
    if (e > 0) expect(lowerBound(n, e) / betaQuantile(0.05, e, n - e + 1)).toBeCloseTo(1, 7);
  });

  it('are 0 and 1 where nothing is known, and where everything is bad the upper one is 1', () => {
    expect([lowerBound(0, 0), upperBound(0, 0), lowerBound(9, 0), upperBound(9, 9)]).toEqual([0, 1, 0, 1]);
    expect(lowerBound(9, 9)).toBeCloseTo(0.05 ** (1 / 9), 12);
  });

  it('never give a number that is none, even where late data counts more bad events than requests', () => {
    for (const [n, e] of [
      [3, 5],
      [0.5, 2],
      [1e9, 1e9],
      [1e9, 1],
      [1e9, 5e8],
    ] as const) {
      expect(lowerBound(n, e)).toBeGreaterThanOrEqual(0);
      expect(upperBound(n, e)).toBeLessThanOrEqual(1);
      expect(typeof lowerBoundIsAbove(n, e, p0)).toBe('boolean');
    }
  });

  it.each([
    [200, 0, 0.0072],
    [413, 0, 0.0072],
    [414, 0, 0.0072],
    [415, 0, 0.0072],
    [2000, 8, 0.0072],
    [2000, 7, 0.0072],
  ])(
    'answer "is the upper bound at most" as the bound itself does, for n = %i, e = %i, rate %f',
    (n, e, rate) => {
      expect(upperBoundIsAtMost(n, e, rate)).toBe(upperBound(n, e) <= rate);
    },
  );

  it.each([
    [2000, 3, p0],
    [2000, 4, p0],
    [2000, 5, p0],
    [5, 1, p0],
    [100, 1, p0],
    [102, 1, p0],
    [104, 1, p0],
  ])(
    'answer "is the lower bound above" as the bound itself does, for n = %i, e = %i, rate %f',
    (n, e, rate) => {
      expect(lowerBoundIsAbove(n, e, rate)).toBe(lowerBound(n, e) > rate);
    },
  );
});
