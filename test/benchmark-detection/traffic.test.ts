import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/demo/datadog/random.ts';
import { budget, faultRate, type Shape } from './scenarios.ts';
import {
  arrivalMs,
  arrivedBy,
  cellMs,
  countsOf,
  drawRollout,
  failedBetween,
  positionOf,
  type RolloutOptions,
} from './traffic.ts';

const historyMs = 30 * 60_000;
const draw = (seed: number, more: Partial<RolloutOptions> = {}) =>
  drawRollout({ requestsPerMinute: 2000, random: seededRandom(seed), historyMs, ...more });

/** Standard deviations between a count and what is expected of it. */
const off = (count: number, mean: number) => Math.abs(count - mean) / Math.sqrt(mean);

describe('a simulated rollout', () => {
  it('gives the canary a quarter of the traffic, and nothing before it begins', () => {
    const data = draw(1);
    const [start, end] = [positionOf(data, data.startMs), positionOf(data, data.endMs)];
    expect(countsOf(data.cuj.canary, 0, start).total).toBe(0);
    const canary = countsOf(data.cuj.canary, start, end).total;
    const stable = countsOf(data.cuj.stable, start, end).total;
    expect(off(canary, 60 * 2000)).toBeLessThan(5);
    expect(off(stable, 3 * 60 * 2000)).toBeLessThan(5);
    expect(off(countsOf(data.baseline, start, end).total, 60 * 2000)).toBeLessThan(5);
    expect(off(countsOf(data.service.canary, start, end).total, 5 * 60 * 2000)).toBeLessThan(5);
    expect(off(countsOf(data.cuj.stable, 0, 60).total, 4 * 10 * 2000)).toBeLessThan(5);
  });

  it('fails at the wanted rates', () => {
    const data = draw(2, { multiple: 10 });
    const [start, end] = [positionOf(data, data.startMs), positionOf(data, data.endMs)];
    expect(off(countsOf(data.cuj.canary, start, end).bad, 60 * 2000 * 10 * budget)).toBeLessThan(4);
    expect(off(countsOf(data.cuj.stable, start, end).bad, 3 * 60 * 2000 * 0.2 * budget)).toBeLessThan(4);
  });

  it('is the same for the same seed', () => {
    expect(draw(3)).toEqual(draw(3));
    expect(draw(3)).not.toEqual(draw(4));
  });

  it('has its first failed request after the fault began', () => {
    for (let seed = 0; seed < 20; seed += 1) {
      const data = draw(seed, { fault: { size: 'endpoint', shape: 'step', onsetMinutes: 10 } });
      const sinceMs = (data.firstFailureMs as number) - data.startMs - 10 * 60_000;
      expect(sinceMs).toBeGreaterThanOrEqual(0);
      // 200 requests a minute fail.
      expect(sinceMs).toBeLessThan(5000);
    }
    expect(draw(1).firstFailureMs).toBeUndefined();
  });

  it('lets only the last endpoint fail where one endpoint fails', () => {
    const data = draw(5, { fault: { size: 'endpoint', shape: 'step', onsetMinutes: 0 } });
    const from = positionOf(data, data.startMs) + 1;
    const rates = data.endpoints.map(({ canary }) => {
      const { total, bad } = countsOf(canary, from, from + 60);
      return bad / total;
    });
    expect(rates.slice(0, -1).every((rate) => rate < 0.01)).toBe(true);
    expect(rates.at(-1)).toBe(1);
  });

  it('lets both sides fail where a dependency does', () => {
    const data = draw(6, { dependencyFails: true });
    const start = positionOf(data, data.startMs);
    const cells = Array.from({ length: 355 }, (_, i) => start + 1 + i);
    const failing = cells.filter((cell) => countsOf(data.cuj.canary, cell, cell + 1).bad > 20);
    expect(failing.length * cellMs).toBeGreaterThan(4.5 * 60_000);
    expect(failing.length * cellMs).toBeLessThan(5.5 * 60_000);
    const { total, bad } = countsOf(data.cuj.stable, (failing[0] as number) + 1, failing.at(-1) as number);
    expect(bad / total).toBeCloseTo(0.2, 1);
  });

  it('has as many failures in bursts as without, and they come together', () => {
    const counted = (burst: number) => {
      let [sum, squares] = [0, 0];
      for (let seed = 0; seed < 12; seed += 1) {
        const data = draw(seed, { multiple: 1, burst });
        const start = positionOf(data, data.startMs) + 1;
        for (let minute = 0; minute < 59; minute += 1) {
          const { bad } = countsOf(data.cuj.canary, start + 6 * minute, start + 6 * (minute + 1));
          sum += bad;
          squares += bad * bad;
        }
      }
      const mean = sum / (12 * 59);
      return { mean, dispersion: (squares / (12 * 59) - mean * mean) / mean };
    };
    const [single, bursts] = [counted(1), counted(10)];
    expect(single.mean).toBeCloseTo(1, 0);
    expect(bursts.mean).toBeCloseTo(1, 0);
    expect(single.dispersion).toBeLessThan(1.5);
    // Geometric bursts of 10: 2 · 10 - 1.
    expect(bursts.dispersion).toBeGreaterThan(13);
    expect(bursts.dispersion).toBeLessThan(27);
  });
});

describe('counts', () => {
  const data = draw(7);

  it('arrive when their bucket was sent', () => {
    const position = arrivedBy(data, data.startMs + 600_000);
    expect(data.originMs + position * cellMs).toBeLessThanOrEqual(data.startMs + 600_000 - arrivalMs);
    expect(data.originMs + (position + 1) * cellMs).toBeGreaterThan(data.startMs + 600_000 - arrivalMs);
  });

  it('of a part of a bucket are counted by its length', () => {
    const fault = { size: 'endpoint', shape: 'step', onsetMinutes: 0 } as const;
    const broken = draw(8, { fault });
    const from = broken.originMs + (positionOf(broken, broken.startMs) + 10) * cellMs;
    const whole = failedBetween(broken, from, from + cellMs);
    expect(whole).toBeGreaterThan(10);
    expect(failedBetween(broken, from, from + cellMs / 2)).toBeCloseTo(whole / 2, 6);
  });
});

describe('a fault', () => {
  const mean = (shape: Shape, minutes: number) => {
    const seconds = Array.from({ length: minutes * 60 }, (_, i) => i);
    const sum = seconds.reduce((all, at) => all + faultRate({ size: '5x', shape }, 0, at * 1000), 0);
    return sum / seconds.length / budget;
  };

  it('has the same mean in bursts as in a step, and half of it while it ramps up', () => {
    expect(mean('step', 10)).toBeCloseTo(5, 6);
    expect(mean('burst', 10)).toBeCloseTo(5, 6);
    expect(mean('ramp', 10)).toBeCloseTo(2.5, 1);
  });

  it('does not fail before it begins, nor beyond everything', () => {
    expect(faultRate({ size: '20x', shape: 'step' }, 0, -1)).toBe(0);
    expect(faultRate({ size: 'endpoint', shape: 'burst' }, 3, 0)).toBe(1);
    expect(faultRate({ size: 'endpoint', shape: 'step' }, 0, 0)).toBe(0);
  });
});
