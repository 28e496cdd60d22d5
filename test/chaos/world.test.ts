import { describe, expect, test } from 'vitest';
import { SLOT_MS } from '../../src/demo/datadog/points.ts';
import { EventStore } from '../../src/demo/datadog/store.ts';
import { Truth } from './datadog/truth.ts';
import { journeys, plantTraffic, type Route, routes } from './world.ts';

const minuteMs = 60_000;
/** `restartGap`: a longer silence ends a window that goes by the canary's first hit. */
const restartGapMs = 5 * minuteMs;
const small = { version: 'v1.4.0' };
const startMs = Date.UTC(2026, 10, 26, 9);

describe.each([10, 60, 600, 3600, 5000])('the small canary of a run of %i s', (seconds) => {
  // Slots are numbered from 1970 on: where a run starts must not matter.
  test.each([0, 10_000, 47_123, 130_000])('begins in the first minute, from a start at +%i ms', (laterMs) => {
    const { truth, canaryBeganMs } = planted(seconds, startMs + laterMs);
    for (const route of routes)
      expect(truth.count(route, small, canaryBeganMs, canaryBeganMs + minuteMs).total).toBeGreaterThan(0);
  });

  test('is never silent for as long as a restart, and too small for an objective until the end', () => {
    const { truth, canaryBeganMs } = planted(seconds, startMs);
    const endMs = startMs + seconds * 1000;
    const [route] = routes as readonly [Route];
    const hits: number[] = [];
    for (let ms = canaryBeganMs; ms < endMs; ms += SLOT_MS)
      if (truth.count(route, small, ms, ms + SLOT_MS).total > 0) hits.push(ms);
    const gaps = hits.slice(1).map((ms, i) => ms - (hits[i] as number));
    expect(Math.max(...gaps)).toBeLessThan(restartGapMs);
    // 1 - 0.05 ** (1 / n) is at most 14.4 * 0.001 from 207 clean requests on.
    const most = Math.max(...Object.values(journeys).map(({ routes: of }) => of.length));
    expect(hits.length * most).toBeLessThan(207);
  });
});

function planted(seconds: number, fromMs: number): { truth: Truth; canaryBeganMs: number } {
  const store = new EventStore({ now: () => fromMs });
  const { canaryBeganMs } = plantTraffic(
    store,
    { startMs: fromMs, seconds, historyMs: 180 * minuteMs },
    ({ resource }) => resource,
  );
  return { truth: new Truth(store), canaryBeganMs };
}
