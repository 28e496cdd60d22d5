import { describe, expect, test } from 'vitest';
import { EventStore } from '../../src/demo/datadog/store.ts';
import { Oracle } from './oracle.ts';
import { variant } from './registries.ts';
import { Truth } from './truth.ts';
import { journeys, plantTraffic, type Route, routes } from './world.ts';

const minuteMs = 60_000;
const startMs = Date.UTC(2026, 10, 26, 9);
const version = 'v1.2.0';
const store = new EventStore({ now: () => startMs });
const world = plantTraffic(store, startMs, 60);
const registry = variant(1);
const truth = new Truth(store);
const toMs = startMs - 2 * minuteMs;

interface Flaws {
  /** Bad requests of stable that it lacks on its first route. */
  readonly lacking?: number;
  /** Where its data ends, of whose newest minute it has but half. */
  readonly halvedEndMs?: number;
}

/** A true answer about `signup`, but for its flaws. */
function answer({ lacking = 0, halvedEndMs }: Flaws) {
  const own = routes.filter(({ route }) => journeys.signup?.routes.includes(route));
  const of = (route: Route, others: boolean) => {
    const side = others ? ({ version, others: true } as const) : { version };
    const fromMs = others ? toMs - 120 * minuteMs : world.canaryBeganMs;
    const whole = truth.count(route, side, fromMs, halvedEndMs ?? toMs);
    if (halvedEndMs === undefined) return whole;
    const newest = truth.count(route, side, Math.floor(halvedEndMs / minuteMs) * minuteMs, halvedEndMs);
    const half = (what: 'total' | 'bad') => whole[what] - Math.ceil(newest[what] / 2);
    return { total: half('total'), bad: half('bad') };
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
    window: { from: new Date(world.canaryBeganMs).toISOString(), to: new Date(toMs).toISOString() },
    ...(halvedEndMs === undefined ? {} : { staleData: {} }),
    slis: [{ sli: 'availability', objective: registry.availability, verdict: 'fail', total, bad, endpoints }],
  };
}

interface Faults {
  readonly lost?: boolean;
  readonly halved?: boolean;
  readonly endMs?: number;
}

function wrongWith(flaws: Flaws, { lost = false, halved = false, endMs }: Faults = {}): string[] {
  const oracle = new Oracle({
    store,
    world,
    variantOf: () => registry,
    halvedNear: () => halved,
    lostNear: (about) => lost && about === version,
    endsNear: () => (endMs === undefined ? [] : [endMs]),
  });
  const asked = { kind: 'cuj', name: 'signup', version, startedMs: startMs, endedMs: startMs } as const;
  return oracle.judge(asked, answer(flaws));
}

describe('the oracle', () => {
  const contradiction = expect.stringContaining('which the store contradicts');

  test('agrees with the store', () => {
    expect(wrongWith({})).toEqual([]);
  });

  test('contradicts a single bad request that the answer lacks', () => {
    expect(wrongWith({ lacking: 1 })).toEqual([contradiction]);
  });

  test('allows for three lost ones, only while Datadog lost points of a series', () => {
    expect(wrongWith({ lacking: 3 }, { lost: true })).toEqual([]);
    expect(wrongWith({ lacking: 4 }, { lost: true })).toEqual([contradiction]);
  });

  test('never allows for more than there are', () => {
    expect(wrongWith({ lacking: -1 }, { lost: true })).toEqual([contradiction]);
  });

  test('allows for half of the newest minute of data that has ended early, where both may be', () => {
    const endMs = toMs - 5 * minuteMs + 20_000;
    expect(wrongWith({ halvedEndMs: endMs }, { halved: true, endMs })).toEqual([]);
    expect(wrongWith({ halvedEndMs: endMs }, { halved: true })).not.toEqual([]);
    expect(wrongWith({ halvedEndMs: endMs }, { endMs })).not.toEqual([]);
  });
});
