import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Random, seededRandom } from '../../../src/demo/datadog/random.ts';
import { estimateDispersion, maxDispersion } from '../../../src/domain/statistics/dispersion.ts';

const seeded = (numRuns: number) => ({ seed: 20260131, numRuns });
const minutes = 120;

/** Two hours of a service, with bad events of a minute by `badOf`. */
function hours(badOf: (random: Random, minute: number) => number, seed: number, requests = 1e6) {
  const random = seededRandom(seed);
  const bad = Array.from({ length: minutes }, (_, i) => badOf(random, i));
  return { total: bad.map(() => requests), bad };
}

/** The estimates of many services. */
function estimates(badOf: (random: Random, minute: number) => number, services = 400): number[] {
  return Array.from({ length: services }, (_, i) => estimateDispersion(hours(badOf, 1 + i), i % 10)).sort(
    (a, b) => a - b,
  );
}

const at = (sorted: readonly number[], share: number) => sorted[Math.floor(share * sorted.length)] as number;
const above1 = (all: readonly number[]) => all.filter((one) => one > 1).length / all.length;

/** Bursts of geometric size, in which a minute's errors come. Their dispersion is 2 · size − 1. */
const bursts = (perMinute: number, size: number) => (random: Random) => {
  let bad = 0;
  for (let left = random.poisson(perMinute / size); left > 0; left -= 1)
    bad += 1 + Math.floor(Math.log(1 - random.next()) / Math.log(1 - 1 / size));
  return bad;
};

describe('the dispersion of independent errors', () => {
  it.each([0.02, 0.1, 0.3, 1, 5, 20, 200])('is 1 nearly always, at %f errors a minute', (mean) => {
    expect(above1(estimates((random) => random.poisson(mean)))).toBeLessThanOrEqual(0.02);
  });

  it('is 1 where the rate drifts', () => {
    const drift = (random: Random, i: number) => random.poisson(50 * (1 + 0.5 * Math.sin(i / 19)));
    expect(above1(estimates(drift))).toBeLessThanOrEqual(0.02);
  });

  it('is 1 where traffic comes and goes', () => {
    const random = seededRandom(3);
    const total = Array.from({ length: minutes }, (_, i) => (i % 7 === 0 ? 0 : 1000 + 900 * Math.sin(i)));
    const bad = total.map((requests) => random.poisson(requests * 0.01));
    expect(estimateDispersion({ total, bad }, 0)).toBe(1);
  });
});

describe('an incident', () => {
  it.each<[string, number, number]>([
    ['of a quiet service', 0.02, 180],
    ['of a usual service', 0.3, 180],
    ['of a busy service', 2, 180],
    ['that is small', 2, 20],
  ])('of five minutes an hour ago leaves it at 1: %s', (_, mean, more) => {
    const incident = (random: Random, i: number) =>
      random.poisson(mean) + (i >= 60 && i < 65 ? random.poisson(more) : 0);
    expect(above1(estimates(incident))).toBeLessThanOrEqual(0.03);
  });

  it('of half an hour, or two of three minutes, leave it at 1 as well', () => {
    const long = (random: Random, i: number) =>
      random.poisson(0.3) + (i >= 60 && i < 90 ? random.poisson(50) : 0);
    const two = (random: Random, i: number) =>
      random.poisson(0.3) + ((i >= 13 && i < 16) || (i >= 70 && i < 73) ? random.poisson(100) : 0);
    expect(above1(estimates(long))).toBeLessThanOrEqual(0.04);
    expect(above1(estimates(two))).toBeLessThanOrEqual(0.04);
  });
});

describe('errors in bursts', () => {
  it('have most of their dispersion, or as much as it may be', () => {
    // 2 · 3 − 1 = 5, and the median of blocks is below the mean.
    const some = estimates(bursts(5, 3));
    expect(at(some, 0.1)).toBeGreaterThan(2.5);
    expect(at(some, 0.5)).toBeGreaterThan(3.5);
    expect(at(some, 0.9)).toBeLessThan(6);
    expect(at(estimates(bursts(5.4, 10)), 0.1)).toBeGreaterThan(8);
    expect(at(estimates(bursts(5.4, 100)), 0.9)).toBe(maxDispersion);
  });

  it('of a service with a few of them an hour do not show always', () => {
    expect(above1(estimates(bursts(0.6, 10)))).toBeGreaterThan(0.8);
    expect(above1(estimates(bursts(0.1, 10)))).toBeLessThan(0.1);
  });
});

describe('the estimate', () => {
  it('is 1 where fewer than four blocks have a bad event', () => {
    const bad = new Array<number>(minutes).fill(0);
    for (const i of [5, 25, 45]) bad[i] = 30;
    const total = bad.map(() => 1000);
    expect(estimateDispersion({ total, bad }, 0)).toBe(1);
    bad[65] = 30;
    expect(estimateDispersion({ total, bad }, 0)).toBe(maxDispersion);
  });

  it('goes by blocks on the clock: minutes without traffic before the first one change nothing', () => {
    const { total, bad } = hours(bursts(5, 3), 7);
    const known = estimateDispersion({ total, bad }, 1_003);
    expect(known).toBeGreaterThan(1);
    for (let more = 1; more < 12; more += 1) {
      const none = new Array<number>(more).fill(0);
      expect(estimateDispersion({ total: [...none, ...total], bad: [...none, ...bad] }, 1_003 - more)).toBe(
        known,
      );
    }
  });

  it('is between 1 and its greatest value, whatever the counts are', () => {
    const count = fc.oneof(
      fc.constantFrom(0, -0, 1e-12, 5e-324, 0.3, 1, 1e12),
      fc.integer({ min: 0, max: 1000 }),
    );
    fc.assert(
      fc.property(
        fc.array(fc.tuple(count, count), { maxLength: 60 }),
        fc.nat({ max: 40_000_000 }),
        (rows, firstMinute) => {
          const seen = { total: rows.map(([total]) => total), bad: rows.map(([, bad]) => bad) };
          const estimate = estimateDispersion(seen, firstMinute);
          expect(estimate >= 1 && estimate <= maxDispersion, String(estimate)).toBe(true);
        },
      ),
      seeded(1_000),
    );
  });
});
