import { describe, expect, it } from 'vitest';
import { judge } from '../../src/domain/judge/judge.ts';
import { cujOf, endpointOf, measurementOf, over } from '../domain/judge/journey.ts';
import {
  binomial,
  confidenceLine,
  everAborts,
  everAbortsOfTwo,
  everAbortsWithRestarts,
  strictLine,
} from './exact.ts';

const p0 = 0.0005;

describe('a canary exactly on its SLO, by exact calculation', () => {
  it.each([
    [0.0005, 120, 4],
    [0.0005, 120, 50],
    [0.0005, 120, 170],
    [0.0005, 120, 1000],
    [0.01, 120, 20],
    [0.00001, 120, 1000],
    [0.1, 120, 10],
  ])(
    'of a budget of %f is aborted in at most 1 of 20 rollouts over %i looks of %i requests',
    (budget, looks, requestsPerLook) => {
      const chance = everAborts({ looks, requestsPerLook, rate: budget }, confidenceLine(budget));
      expect(chance).toBeGreaterThan(0);
      expect(chance).toBeLessThanOrEqual(0.05);
    },
  );

  it.each([
    [0.0005, 20_000],
    [0.01, 3000],
    [0.1, 600],
  ])(
    'of a budget of %f is aborted in at most 1 of 20 even where every one of %i requests is looked at',
    (budget, looks) => {
      const chance = everAborts({ looks, requestsPerLook: 1, rate: budget }, confidenceLine(budget));
      expect(chance).toBeLessThanOrEqual(0.05);
    },
  );

  it.each([0.01, 0.2, 0.5])('keeps to a falseAbort of %f', (alpha) => {
    const chance = everAborts({ looks: 300, requestsPerLook: 10, rate: 0.01 }, confidenceLine(0.01, alpha));
    expect(chance).toBeLessThanOrEqual(alpha);
  });

  it.each<[readonly [number, number]]>([[[50, 50]], [[95, 5]], [[199, 1]]])(
    'with two endpoints of %j requests a minute is aborted in at most 1 of 20 over 20 minutes',
    (requests) => {
      expect(everAbortsOfTwo(20, requests, [p0, p0], p0)).toBeLessThanOrEqual(0.05);
    },
  );

  it.each([
    [0.5, 0.05],
    [0.2, 0.05],
    [0.2, 0.2],
    [0.05, 0.05],
    [0.0005, 0.05],
  ])(
    'of a budget of %f reaches 1/alpha with a chance of at most alpha = %f, with restarts, wherever in a minute one looks',
    (budget, alpha) => {
      for (const minutes of [
        [
          [1, 1],
          [1, 1],
          [1, 1],
          [1, 1],
          [1, 1],
        ],
        [
          [3, 1],
          [0, 2],
          [3, 1],
        ],
      ] as const)
        expect(everAbortsWithRestarts(minutes, budget, alpha)).toBeLessThanOrEqual(alpha);
    },
  );

  it('is aborted in 87 of 100 rollouts by the strict rule over 120 looks', () => {
    expect(everAborts({ looks: 120, requestsPerLook: 167, rate: p0 }, strictLine(50))).toBeCloseTo(0.87, 1);
  });
});

describe('the calculation itself', () => {
  it('has chances that sum to one', () => {
    expect(binomial(300, 0.02, 300).reduce((a, b) => a + b, 0)).toBeCloseTo(1, 12);
  });

  it('is a binomial tail where there is one look', () => {
    const tail = 1 - binomial(2000, 0.0025, 5).reduce((a, b) => a + b, 0);
    const one = everAborts({ looks: 1, requestsPerLook: 2000, rate: 0.0025 }, confidenceLine(p0));
    expect(one).toBeCloseTo(tail, 12);
  });

  it("draws its line where the product's own verdict does", () => {
    const lineAt = confidenceLine(p0);
    for (const n of [40, 200, 830, 2000, 7100, 20_000]) {
      const measurement = measurementOf({
        availability: [endpointOf('GET /a', over(4, n, 0), over(4, 9000, 0))],
      });
      expect(judge(cujOf(), measurement, { registryDigest: 'd' }).slis[0]?.failAtBadEvents).toBe(lineAt(n));
    }
  });
});
