import betaCdf from '@stdlib/stats-base-dists-beta-cdf';
import { describe, expect, it } from 'vitest';
import { regularizedBeta } from '../../../src/domain/statistics/incomplete-beta.ts';

describe('the incomplete beta function', () => {
  it('agrees with another library, whole parameters or not', () => {
    for (const a of [0.01, 0.5, 1, 3.7, 40, 2000])
      for (const b of [0.3, 1, 17, 900, 50_000])
        for (const x of [1e-6, 0.003, 0.2, 0.5, 0.97])
          expect(regularizedBeta(x, a, b)).toBeCloseTo(betaCdf(x, a, b), 8);
  });
});
