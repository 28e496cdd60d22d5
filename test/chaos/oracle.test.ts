import { describe, expect, test } from 'vitest';
import { EventStore } from '../../src/demo/datadog/store.ts';
import { DatadogEvidence, type SimulatedFacts } from './datadog/evidence.ts';
import { Truth } from './datadog/truth.ts';
import { Oracle } from './oracle.ts';
import { type RegistryDialect, variant } from './registries.ts';

import { journeys, plantTraffic, type Route, routes } from './world.ts';

const minuteMs = 60_000;
/** With a lag of 45 s, the data ends at 08:59:30 on the grid of 30 s, and at 08:59:20 on that of 20 s. */
const startMs = Date.UTC(2026, 10, 26, 9, 0, 22);
const callMs = Date.UTC(2026, 10, 26, 8, 59, 30);
/** The end of the call about the past. */
const pastMs = Date.UTC(2026, 10, 26, 8, 45);
const version = 'v1.2.0';
const historyMs = 180 * minuteMs;
const dialect: RegistryDialect = {
  ...{ sources: '', gate: '', service: () => 'operation: http.request' },
  endpointOf: ({ resource }) => resource,
};
const store = new EventStore({ now: () => startMs });
const world = plantTraffic(store, { startMs, seconds: 60, historyMs }, dialect.endpointOf);
const registry = variant(1, dialect);
const truth = new Truth(store);

interface Flaws {
  /** Bad requests of stable that it lacks on its first route. */
  readonly lacking?: number;
  /** Where its window begins and ends. */
  readonly fromMs?: number;
  readonly toMs?: number;
  /** Where the newest data ends that it reports as old. */
  readonly endMs?: number;
  /** Where the data of its past ends, before the past does. */
  readonly holeMs?: number;
  /** The span of which it has but half. */
  readonly half?: readonly [fromMs: number, toMs: number];
}

/** A true answer about `signup`, but for its flaws. */
function answer({ lacking = 0, fromMs = world.canaryBeganMs, toMs = callMs, endMs = toMs, ...flaws }: Flaws) {
  const own = routes.filter(({ route }) => journeys.signup?.routes.includes(route));
  const of = (route: Route, others: boolean) => {
    const side = others ? ({ version, others: true } as const) : { version };
    const since = others ? Math.floor(toMs / minuteMs) * minuteMs - 120 * minuteMs : fromMs;
    const { holeMs = pastMs, half } = flaws;
    const past = truth.count(route, side, since, Math.max(since, holeMs));
    const recent = truth.count(route, side, Math.max(since, pastMs), endMs);
    const halved = half && truth.count(route, side, ...half);
    const sum = (what: 'total' | 'bad') =>
      past[what] + recent[what] - (halved === undefined ? 0 : Math.ceil(halved[what] / 2));
    return { total: sum('total'), bad: sum('bad') };
  };
  const endpoints = own.map((route, at) => {
    const [canary, stable] = [of(route, false), of(route, true)];
    const shown = { total: stable.total, bad: stable.bad - (at === 0 ? lacking : 0) };
    return { service: route.service, resource: route.resource, ...canary, stable: shown };
  });
  const total = endpoints.reduce((sum, one) => sum + one.total, 0);
  const bad = endpoints.reduce((sum, one) => sum + one.bad, 0);
  return {
    ...{ verdict: 'fail', reason: 'slo_violated', ok: false, summary: 'FAIL' },
    ...{ cuj: 'signup', owner: registry.owner, registry: 'sha256:test', mode: 'enforce' },
    window: { from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString() },
    ...(endMs === toMs ? {} : { staleData: {} }),
    slis: [{ sli: 'availability', objective: registry.availability, verdict: 'fail', total, bad, endpoints }],
  };
}

interface Faults {
  readonly lost?: readonly number[];
  readonly halved?: readonly number[];
  readonly ends?: readonly number[];
  readonly pastEnds?: readonly number[];
  readonly isCoarse?: boolean;
}

function oracleOf(facts: SimulatedFacts): Oracle {
  const evidence = new DatadogEvidence(facts);
  return new Oracle({ evidence, variantOf: () => registry, endpointOf: dialect.endpointOf });
}

function wrongWith(flaws: Flaws, faults: Faults = {}): string[] {
  const { lost = [], halved = [], ends = [], pastEnds = [], isCoarse = false } = faults;
  const oracle = oracleOf({
    store,
    canaryBeganMs: world.canaryBeganMs,
    halvedNear: () => halved,
    coarseNear: () => isCoarse,
    lostNear: (about) => (about === version ? lost : []),
    endsNear: () => ends,
    pastEndsNear: () => pastEnds,
  });
  const asked = { kind: 'cuj', name: 'signup', version, startedMs: startMs, endedMs: startMs } as const;
  return oracle.judge(asked, answer(flaws));
}

describe('the oracle', () => {
  const contradiction = expect.stringContaining('which the traffic contradicts');
  const otherWindow = expect.stringContaining('is not what was asked for');

  test('agrees with the store, on both grids of the end', () => {
    expect(wrongWith({})).toEqual([]);
    expect(wrongWith({ toMs: callMs - 10_000 })).toEqual([]);
  });

  test.each([-90_000, -30_000, -20_000, 10_000])('contradicts an end that is %i ms from it', (ms) => {
    expect(wrongWith({ toMs: callMs + ms })).toEqual([otherWindow]);
  });

  test('allows for an end in coarser buckets, and before missing counts, only where Datadog had such', () => {
    const minute = Math.floor(callMs / minuteMs) * minuteMs;
    expect(wrongWith({ toMs: minute }, { isCoarse: true })).toEqual([]);
    expect(wrongWith({ toMs: callMs - 50_000 }, { lost: [callMs] })).toEqual([]);
    expect(wrongWith({ toMs: callMs - 80_000 }, { lost: [callMs], isCoarse: true })).toEqual([otherWindow]);
  });

  test('contradicts a single bad request that the answer lacks', () => {
    expect(wrongWith({ lacking: 1 })).toEqual([contradiction]);
  });

  test('allows for three lost ones, only while one of its calls lost points of a series', () => {
    for (const lost of [callMs, pastMs]) {
      expect(wrongWith({ lacking: 3 }, { lost: [lost] })).toEqual([]);
      expect(wrongWith({ lacking: 4 }, { lost: [lost] })).toEqual([contradiction]);
    }
    expect(wrongWith({ lacking: 3 }, { lost: [pastMs - 5 * minuteMs] })).toEqual([contradiction]);
  });

  test('never allows for more than there are', () => {
    expect(wrongWith({ lacking: -1 }, { lost: [callMs] })).toEqual([contradiction]);
  });

  test('allows for half of the newest minute of data that has ended early, where both may be', () => {
    const endMs = callMs - 5 * minuteMs - 10_000;
    const flaws = { endMs, half: [endMs - minuteMs, endMs] } as const;
    expect(wrongWith(flaws, { halved: [callMs], ends: [endMs] })).toEqual([]);
    expect(wrongWith(flaws, { halved: [callMs] })).not.toEqual([]);
    expect(wrongWith(flaws, { halved: [callMs - 30_000], ends: [endMs] })).not.toEqual([]);
    expect(wrongWith(flaws, { ends: [endMs] })).not.toEqual([]);
  });

  test('allows for half of the last minute of the past', () => {
    const half = [pastMs - minuteMs, pastMs] as const;
    expect(wrongWith({ half }, { halved: [pastMs] })).toEqual([]);
    expect(wrongWith({ half }, { halved: [callMs] })).not.toEqual([]);
  });

  test('takes the end of the past for that of the data, where that ended before it', () => {
    expect(wrongWith({ endMs: pastMs }, { ends: [pastMs - 20 * minuteMs] })).toEqual([]);
    expect(wrongWith({ endMs: pastMs }, { ends: [pastMs + minuteMs] })).not.toEqual([]);
  });

  test('allows for a hole at the end of the past, a long one only while Datadog made it', () => {
    const short = pastMs - 3 * minuteMs - 10_000;
    const long = pastMs - 8 * minuteMs;
    expect(wrongWith({ holeMs: short }, { pastEnds: [short] })).toEqual([]);
    expect(wrongWith({ holeMs: short })).not.toEqual([]);
    expect(wrongWith({ holeMs: long }, { pastEnds: [long] })).not.toEqual([]);
    expect(wrongWith({ holeMs: long }, { ends: [long] })).toEqual([]);
    // As if the canary had come back behind it.
    expect(wrongWith({ holeMs: long, fromMs: pastMs }, { ends: [long] })).toEqual([]);
    expect(wrongWith({ holeMs: short, fromMs: pastMs }, { pastEnds: [short] })).not.toEqual([]);
  });

  test('takes the first request behind a hole for the begin, where a canary has few', () => {
    const rareStore = new EventStore({ now: () => startMs });
    const rareWorld = plantTraffic(rareStore, { startMs, seconds: 3_600, historyMs }, dialect.endpointOf);
    const oracle = oracleOf({
      store: rareStore,
      canaryBeganMs: rareWorld.canaryBeganMs,
      halvedNear: () => [],
      coarseNear: () => false,
      lostNear: () => [],
      endsNear: () => [pastMs - 8 * minuteMs],
      pastEndsNear: () => [],
    });
    const small = {
      kind: 'cuj',
      name: 'signup',
      version: 'v1.4.0',
      startedMs: startMs,
      endedMs: startMs,
    } as const;
    // It has a request every 130 s: none in the first minute behind the past.
    expect(oracle.judge(small, answer({ fromMs: pastMs }))).toContainEqual(otherWindow);
    expect(oracle.judge(small, answer({ fromMs: pastMs + minuteMs }))).not.toContainEqual(otherWindow);
  });
});
