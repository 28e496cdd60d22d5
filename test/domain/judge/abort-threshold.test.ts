import { describe, expect, it } from 'vitest';
import { spread } from '../../../src/domain/judge/abort-threshold.ts';
import { seededRandom } from './journey.ts';

describe('the spread of bad events over endpoints', () => {
  it.each<[number[], number, number[]]>([
    [[100], 7, [7]],
    [[300, 100], 4, [3, 1]],
    [[1, 1, 1], 2, [1, 1, 0]],
    [[1000, 10], 1, [1, 0]],
    [[1000, 10], 1010, [1000, 10]],
    // More than the traffic cannot be spread.
    [[3, 2], 9, [3, 2]],
    [[2.5, 0.4], 2, [2, 0]],
  ])('of %j for %i is %j', (totals, bad, expected) => {
    expect(spread(totals, bad)).toEqual(expected);
  });

  it('is Webster’s: nobody could give an event away and be nearer to the share', () => {
    const random = seededRandom(7);
    for (let round = 0; round < 200; round += 1) {
      const totals = Array.from(
        { length: 1 + Math.floor(random() * 8) },
        () => 1 + Math.floor(random() ** 3 * 5000),
      );
      const sum = totals.reduce((a, b) => a + b, 0);
      const bad = Math.floor(random() * Math.min(sum, 300));
      const given = spread(totals, bad);
      expect(given.reduce((a, b) => a + b, 0)).toBe(bad);
      const last = Math.min(...given.map((g, i) => (g > 0 ? (totals[i] as number) / (2 * g - 1) : Infinity)));
      const next = Math.max(
        ...given.map((g, i) => (g < (totals[i] as number) ? (totals[i] as number) / (2 * g + 1) : 0)),
      );
      expect(next).toBeLessThanOrEqual(last);
    }
  });

  it('takes nothing away from anyone when one event more is spread', () => {
    const random = seededRandom(11);
    for (let round = 0; round < 60; round += 1) {
      const totals = Array.from(
        { length: 2 + Math.floor(random() * 6) },
        () => 1 + Math.floor(random() * 90),
      );
      let before = spread(totals, 0);
      for (let bad = 1; bad < 100; bad += 1) {
        const now = spread(totals, bad);
        now.forEach((count, i) => {
          expect(count).toBeGreaterThanOrEqual(before[i] as number);
        });
        before = now;
      }
    }
  });
});
