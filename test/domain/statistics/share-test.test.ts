import { describe, expect, it } from 'vitest';
import { logShareEvidence } from '../../../src/domain/statistics/share-test.ts';

describe('the share test', () => {
  type Bucket = [canaryTotal: number, canaryBad: number, stableTotal: number, stableBad: number];
  const logOf = (...buckets: Bucket[]) => {
    const column = (at: number) => buckets.map((bucket) => bucket[at] as number);
    const sides = {
      canaryTotal: column(0),
      canaryBad: column(1),
      stableTotal: column(2),
      stableBad: column(3),
    };
    return logShareEvidence([sides], 0, buckets.length);
  };

  it('follows its definition: 10% of the traffic and 60% of the errors single the canary out', () => {
    const w = 0.1;
    let expected = 0;
    for (let r = 2; r <= 128; r *= 2) {
      const q = (r * w) / (r * w + 1 - w);
      expected += ((q / w) ** 6 * ((1 - q) / (1 - w)) ** 4) / 7;
    }
    const evidence = Math.exp(logOf([100, 6, 900, 4]));
    expect(evidence).toBeCloseTo(expected, 9);
    expect(evidence).toBeGreaterThan(20);
  });

  it('says nothing where errors are shared as the traffic is', () => {
    expect(Math.exp(logOf([100, 1, 900, 9]))).toBeLessThan(1);
  });

  it('survives steps of the weight: minute by minute equal rates are no evidence, though the totals look odd', () => {
    // The canary's share rises just as an outside fault begins: 30 of its 1,000 requests fail, 30 of stable's 10,000.
    expect(Math.exp(logOf([50, 0, 9000, 0], [950, 30, 1000, 30]))).toBeLessThan(1);
    expect(Math.exp(logOf([1000, 30, 10_000, 30]))).toBeGreaterThan(1e6);
  });

  it('goes by each service alone: what is lopsided by their weights only is no evidence', () => {
    const of = (...[canaryTotal, canaryBad, stableTotal, stableBad]: Bucket) => ({
      canaryTotal: [canaryTotal],
      canaryBad: [canaryBad],
      stableTotal: [stableTotal],
      stableBad: [stableBad],
    });
    const released: Bucket = [500, 25, 1_500, 75];
    expect(Math.exp(logShareEvidence([of(...released), of(1, 0, 20_000, 0)], 0, 1))).toBeLessThan(1);
    expect(Math.exp(logShareEvidence([of(501, 25, 21_500, 75)], 0, 1))).toBeGreaterThan(1e6);
  });

  it('ignores minutes in which either side has no traffic, and is 1 without any bad event', () => {
    expect(logOf([10, 9, 0, 0], [0, 0, 10, 9], [5, 0, 5, 0])).toBeCloseTo(0, 12);
  });
});
