import { describe, expect, it } from 'vitest';
import {
  EvidenceProcess,
  evidenceCap,
  evidenceOf,
  logEvidence,
  logMixture,
} from '../../../src/domain/statistics/e-process.ts';

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
