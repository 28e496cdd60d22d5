import { afterEach, describe, expect, it } from 'vitest';
import type { AgentLateness } from '../../../src/demo/datadog/agents.ts';
import { evaluate } from '../../../src/demo/datadog/evaluate.ts';
import { parseMetricQuery } from '../../../src/demo/datadog/query-language.ts';
import { EventStore } from '../../../src/demo/datadog/store.ts';
import { ask, MINUTE, NOON, post, signup, simulatorAt, stopAll, storeAt } from './fixture.ts';

afterEach(stopAll);

const SLOT = 10_000;
const hits = 'sum:trace.http.request.hits{*}.as_count()';
const failed = 'sum:trace.http.request.hits{http.status_code:5*}.as_count()';
const classed = 'sum:trace.http.request.hits.by_http_status{http.status_class:5xx}.as_count()';
const flagged = 'sum:trace.http.request.errors{*}.as_count()';
const timed = 'count:trace.http.request{*}.as_count()';

/** Agents whose payloads are never slow, so that the latest arrival is known. */
const steady = { seed: 1, slowShare: 0 } as const satisfies AgentLateness;

/** The points of a query over 20 minutes, by the seconds of their start after noon. */
function points(store: EventStore, text: string): Record<number, number> {
  const frame = {
    fromMs: NOON - 10 * MINUTE,
    toMs: NOON + 10 * MINUTE,
    intervalMs: SLOT,
    firstBucket: 'left out',
  } as const;
  const [group] = [...evaluate(parseMetricQuery(text), store, frame).groups.values()];
  return Object.fromEntries([...(group?.points ?? [])].map(([at, value]) => [(at - NOON) / 1000, value]));
}

/** A store with so many requests (and bad ones among them) in every slot of the five minutes from noon on. */
function busyStore(lateness: AgentLateness, { count = 90, bad = 0, hosts = ['node'] } = {}) {
  const { store, clock } = storeAt(NOON, { lateness });
  for (const host of hosts) {
    for (let at = NOON; at < NOON + 5 * MINUTE; at += SLOT) {
      store.recordRequests({ ...signup, host, at, count: count - bad });
      if (bad > 0) store.recordRequests({ ...signup, host, at, count: bad, statusCode: 500 });
    }
  }
  return { store, clock };
}

describe('when a bucket of 10 s can be seen', () => {
  it('no part of it earlier than 25 s after its start, and all of it 45 s after its start', () => {
    const firsts: number[] = [];
    const lasts: number[] = [];
    for (let seed = 0; seed < 40; seed += 1) {
      const { store, clock } = busyStore({ ...steady, seed });
      const seen = (sinceNoonMs: number) => {
        clock.now = NOON + sinceNoonMs;
        return points(store, hits)[0] ?? 0;
      };
      expect([24_999, 45_000].map(seen)).toEqual([0, 90]);
      let ms = 25_000;
      while (seen(ms) === 0) ms += 100;
      firsts.push(ms);
      while (seen(ms) < 90) ms += 100;
      lasts.push(ms);
    }
    // The bounds are reached, not only kept.
    expect(Math.min(...firsts)).toBeLessThan(27_000);
    expect(Math.max(...lasts)).toBeGreaterThan(43_500);
  });

  it('with one agent and a fixed intake, the same time after every start: its own tick', () => {
    const { store, clock } = busyStore({ ...steady, agentsPerHost: 1, intakeMs: [5_000, 5_000] });
    const delays = [0, 1, 2, 7].map((slot) => {
      let ms = slot * SLOT + 24_000;
      do {
        ms += 10;
        clock.now = NOON + ms;
      } while (points(store, hits)[slot * 10] === undefined);
      return ms - slot * SLOT;
    });
    expect(new Set(delays).size).toBe(1);
  });

  it('in parts, as one agent after another sends its own, each host on ticks of its own', () => {
    const { store, clock } = busyStore(steady);
    const seen = new Set<number>();
    for (let ms = 20_000; ms <= 50_000; ms += 100) {
      clock.now = NOON + ms;
      seen.add(points(store, hits)[0] ?? 0);
    }
    expect([...seen]).toEqual([0, 30, 60, 90]);
    const arrival = (host: string) => {
      const one = busyStore({ ...steady, agentsPerHost: 1 }, { hosts: [host] });
      let ms = 25_000;
      do {
        ms += 100;
        one.clock.now = NOON + ms;
      } while (points(one.store, hits)[0] === undefined);
      return ms;
    };
    expect(new Set(['a', 'b', 'c', 'd'].map(arrival)).size).toBe(4);
  });

  it('by the seed alone: the same seed repeats it, another one does not', () => {
    const at = (seed: number) => {
      const { store, clock } = busyStore({ ...steady, seed });
      return Array.from({ length: 60 }, (_, i) => {
        clock.now = NOON + 30_000 + i * 500;
        return JSON.stringify(points(store, hits));
      }).join();
    };
    expect(at(7)).toBe(at(7));
    expect(at(7)).not.toBe(at(8));
  });

  it('minutes later for the share of payloads whose intake is slow', () => {
    const { store, clock } = storeAt(NOON, { lateness: { seed: 3, slowShare: 0.1, agentsPerHost: 1 } });
    const slots = 2_000;
    for (let slot = 0; slot < slots; slot += 1)
      store.recordRequests({ ...signup, host: 'node', at: NOON + slot * SLOT });
    // What of the slots at least so old is still missing.
    const missing = (ageMs: number) => {
      let gone = 0;
      for (let slot = 0; slot < slots; slot += 1) {
        clock.now = NOON + slot * SLOT + ageMs;
        const series = store.metric('trace.http.request.hits')?.series[0];
        if (series === undefined) throw new Error('no series');
        let found = 0;
        const first = NOON / SLOT + slot;
        store.forEachVisible(series, first, first + 1, (_, amount) => {
          found += amount;
        });
        gone += 1 - found;
      }
      return gone / slots;
    };
    expect(missing(45_000)).toBeCloseTo(0.1, 1);
    expect(missing(3.5 * MINUTE)).toBeGreaterThan(0.02);
    expect(missing(30_000 + 5 * MINUTE)).toBe(0);
  });

  it('not at all while ingestion is stopped', () => {
    const { store, clock } = busyStore(steady);
    store.delayIngestion({ fromMs: NOON + 20_000, untilMs: NOON + 4 * MINUTE });
    clock.now = NOON + 3 * MINUTE;
    expect(points(store, hits)).toEqual({});
    expect(store.activeMetrics(NOON - MINUTE)).toEqual([]);
    clock.now = NOON + 4 * MINUTE;
    expect(points(store, hits)[0]).toBe(90);
    expect(store.activeMetrics(NOON - MINUTE)).toContain('trace.http.request.hits');
  });
});

describe('counts of one bucket', () => {
  it('arrive together: hits, status codes, classes, flagged spans and durations', () => {
    const { store, clock } = busyStore(steady, { count: 90, bad: 45 });
    const steps = new Set<string>();
    for (let ms = 20_000; ms <= 50_000; ms += 100) {
      clock.now = NOON + ms;
      const of = (text: string) => points(store, text)[0] ?? 0;
      steps.add([hits, failed, classed, flagged, timed].map(of).join());
    }
    expect([...steps]).toEqual(['0,0,0,0,0', '30,15,15,15,30', '60,30,30,30,60', '90,45,45,45,90']);
  });

  it.each([1, 2, 4, 7, 100])('never show more flagged spans than hits, with %d hits', (count) => {
    const { store, clock } = storeAt(NOON, { lateness: steady });
    for (let slot = 0; slot < 30; slot += 1) {
      const errors = slot % (count + 1);
      store.recordRequests({ ...signup, at: NOON + slot * SLOT, statusCode: 404, count, errors });
    }
    for (let ms = 20_000; ms <= 400_000; ms += 700) {
      clock.now = NOON + ms;
      const all = points(store, hits);
      for (const [at, errors] of Object.entries(points(store, flagged)))
        expect(errors).toBeLessThanOrEqual(all[Number(at)] ?? 0);
    }
    expect(Object.values(points(store, hits)).reduce((sum, one) => sum + one, 0)).toBe(30 * count);
  });

  it('are complete however they divide, fractions included', () => {
    const { store, clock } = storeAt(NOON, { lateness: { ...steady, agentsPerHost: 4 } });
    store.recordRequests({ ...signup, at: NOON, count: 10.5 });
    const seen: number[] = [];
    for (let ms = 20_000; ms <= 50_000; ms += 50) {
      clock.now = NOON + ms;
      const now = points(store, hits)[0] ?? 0;
      if (now !== seen.at(-1)) seen.push(now);
    }
    expect(seen).toHaveLength(5);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(seen.at(-1)).toBe(10.5);
  });
});

describe('the time by which requests are counted', () => {
  it('is when they end, not when they began', () => {
    const store = new EventStore({ now: () => NOON + 10 * MINUTE, lateness: 0 });
    const durations = [
      [0.2, 5],
      [12, 3],
      [31, 2],
    ] as const;
    store.recordRequests({ ...signup, startedAt: NOON + 9_000, durations });
    expect(points(store, hits)).toEqual({ 0: 5, 20: 3, 40: 2 });
    expect(points(store, timed)).toEqual({ 0: 5, 20: 3, 40: 2 });
  });

  it('is the same for hits and errors: requests that time out fail half a minute after they began', () => {
    const store = new EventStore({ now: () => NOON + 10 * MINUTE, lateness: 0 });
    store.recordRequests({ ...signup, statusCode: 504, count: 4, startedAt: NOON, durations: [[30, 4]] });
    for (const text of [hits, failed, classed, flagged, timed])
      expect(points(store, text)).toEqual({ 30: 4 });
  });

  it('leaves flagged spans within the hits of their slot', () => {
    const store = new EventStore({ now: () => NOON + 10 * MINUTE, lateness: 0 });
    const durations = [
      [1, 3],
      [15, 3],
    ] as const;
    store.recordRequests({ ...signup, statusCode: 404, errors: 4, startedAt: NOON, count: 6, durations });
    expect(points(store, flagged)).toEqual({ 0: 3, 10: 1 });
  });
});

describe('the interval of an answer', () => {
  const answer = async (minIntervalMs: number | undefined, interval: number) => {
    const { simulator } = await simulatorAt(NOON + 10 * MINUTE, {
      ...(minIntervalMs === undefined ? {} : { minIntervalMs }),
    });
    for (let at = NOON; at < NOON + 2 * MINUTE; at += SLOT)
      simulator.store.recordRequests({ ...signup, at, count: 5 });
    const { attributes } = await post(
      simulator,
      'timeseries',
      ask(hits, NOON, NOON + 2 * MINUTE, { interval }),
    );
    const times: number[] = attributes.times;
    return { stepMs: (times[1] as number) - (times[0] as number), values: attributes.values[0] };
  };

  it.each([
    ['10 s where nothing is enforced', undefined, SLOT, { stepMs: SLOT, values: Array(12).fill(5) }],
    ['20 s where Datadog enforces it', 20_000, SLOT, { stepMs: 20_000, values: Array(6).fill(10) }],
    ['60 s where Datadog enforces it', MINUTE, SLOT, { stepMs: MINUTE, values: [30, 30] }],
    ['the requested one where it is wider', 20_000, MINUTE, { stepMs: MINUTE, values: [30, 30] }],
  ])('is %s', async (_, enforced, requested, expected) => {
    expect(await answer(enforced, requested)).toEqual(expected);
  });
});
