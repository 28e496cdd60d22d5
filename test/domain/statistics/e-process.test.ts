import betaCdf from '@stdlib/stats-base-dists-beta-cdf';
import betaQuantile from '@stdlib/stats-base-dists-beta-quantile';
import { describe, expect, it } from 'vitest';
import {
  EvidenceProcess,
  evidenceCap,
  evidenceOf,
  logEvidence,
  logMixture,
  logShareEvidence,
  lowerBound,
  lowerBoundIsAbove,
  upperBound,
  upperBoundIsAtMost,
} from '../../../src/domain/statistics/e-process.ts';
import { regularizedBeta } from '../../../src/domain/statistics/incomplete-beta.ts';

const p0 = 0.0005;

/** The definition, in probabilities and without any of the product's rearrangements. */
function evidenceByDefinition(n: number, e: number, p: number): number {
  const o = p / (1 - p);
  let sum = 0;
  for (let k = 2; k <= 1024; k *= 2) {
    const pk = (k * o) / (1 + k * o);
    sum += Math.exp(e * Math.log(pk / p) + (n - e) * Math.log((1 - pk) / (1 - p)));
  }
  return sum / 10;
}

/** The mean of E(n, e; p) over e binomial with a rate of its own, summed exactly. */
function meanEvidence(n: number, p: number, rate: number): number {
  let mean = 0;
  let logChance = n * Math.log1p(-rate);
  for (let e = 0; e <= n; e += 1) {
    mean += Math.exp(logChance + logEvidence(n, e, p));
    logChance += Math.log(((n - e) / (e + 1)) * (rate / (1 - rate)));
  }
  return mean;
}

describe('evidence of a pair of counts', () => {
  it.each([
    [50, 1, 5.83],
    [200, 1, 1.39],
    [2000, 2, 0.233],
    [20_000, 10, 0.00466],
    [20_000, 30, 15_920],
  ])(
    'of %i requests and %i bad is %f at an objective of 0.9995, as docs/verdicts-reference.md says',
    (n, e, expected) => {
      expect(Math.exp(logEvidence(n, e, p0)) / expected).toBeCloseTo(1, 2);
      expect(evidenceByDefinition(n, e, p0) / expected).toBeCloseTo(1, 2);
    },
  );

  it.each([
    [10, 2],
    [50, 2],
    [100, 2],
    [200, 3],
    [500, 3],
    [1000, 4],
    [2000, 6],
    [5000, 10],
    [10_000, 15],
    [20_000, 23],
    [50_000, 44],
  ])('reaches 20 at n = %i with %i bad events and not with one fewer, one bad event aside', (n, line) => {
    const process = new EvidenceProcess(n, p0);
    let least = 2;
    while (process.log(least) < Math.log(20)) least += 1;
    expect(least).toBe(line);
  });

  it.each([
    [1, 0, 0.0005],
    [1, 1, 0.0005],
    [7, 3, 0.3],
    [40, 89, 0.5],
    [3000, 8, 0.0001],
    [3000, 95, 0.01],
    [100_000, 40, 0.0005],
    [12.5, 0.25, 0.0005],
  ])('follows its definition for n = %f, e = %f, p = %f', (n, e, p) => {
    const expected = evidenceByDefinition(n, e, p);
    expect(Math.exp(logEvidence(n, e, p)) / expected).toBeCloseTo(1, 9);
    expect(new EvidenceProcess(n, p).of(e) / expected).toBeCloseTo(1, 9);
  });

  it('is one value whether taken plainly or by logarithms, where both are possible', () => {
    for (const n of [30, 3000, 300_000]) {
      const process = new EvidenceProcess(n, p0);
      for (const e of [0, 1, 5, 50, 89, 90, 91, 300]) {
        const of = process.of(e);
        if (of > 1e-6 && of < 1e300) expect(Math.log(of)).toBeCloseTo(process.log(e), 9);
      }
    }
  });

  it('averages to 1 over all outcomes of a service exactly on its objective, which is what Ville needs', () => {
    for (const [n, p] of [
      [40, 0.1],
      [200, 0.0005],
      [1000, 0.01],
    ] as const) {
      expect(meanEvidence(n, p, p)).toBeCloseTo(1, 9);
    }
  });

  it('averages to less than 1 where the service is better than its objective', () => {
    expect(meanEvidence(1000, p0, p0 / 2)).toBeLessThan(1);
  });

  it('is none without events, capped where it says nothing more, and finite up to a billion requests', () => {
    expect(logEvidence(0, 0, p0)).toBe(0);
    expect(evidenceOf(1e9)).toBe(evidenceCap);
    for (const e of [0, 1, 5e5, 1e9]) expect(Number.isFinite(logEvidence(1e9, e, p0))).toBe(true);
    expect(Number.isFinite(logEvidence(1e9, 1e9, 1))).toBe(true);
  });
});

describe('evidence of a CUJ', () => {
  it('is half the pool and half the mean of its endpoints', () => {
    expect(Math.exp(logMixture(Math.log(8), [Math.log(2), Math.log(4)]))).toBeCloseTo(5.5, 12);
  });

  it('is the pool alone where no endpoint is known, and survives numbers that no double holds', () => {
    expect(logMixture(3, [])).toBe(3);
    expect(logMixture(5000, [-9000, 4000])).toBeCloseTo(5000 + Math.log(0.5), 9);
  });
});

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

  it('rest on an incomplete beta function that agrees with another library, whole parameters or not', () => {
    for (const a of [0.01, 0.5, 1, 3.7, 40, 2000])
      for (const b of [0.3, 1, 17, 900, 50_000])
        for (const x of [1e-6, 0.003, 0.2, 0.5, 0.97])
          expect(regularizedBeta(x, a, b)).toBeCloseTo(betaCdf(x, a, b), 8);
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
