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

/** A true answer about `signup`, but for the bad requests of stable that it lacks on its first route. */
function answer(lacking: number) {
  const own = routes.filter(({ route }) => journeys.signup?.routes.includes(route));
  const of = (route: Route, others: boolean) =>
    truth.count(
      route,
      others ? { version, others: true } : { version },
      others ? toMs - 120 * minuteMs : world.canaryBeganMs,
      toMs,
    );
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
    slis: [{ sli: 'availability', objective: registry.availability, verdict: 'fail', total, bad, endpoints }],
  };
}

function wrongWith(answered: ReturnType<typeof answer>, lost: boolean): string[] {
  const oracle = new Oracle({
    store,
    world,
    variantOf: () => registry,
    halvedNear: () => false,
    lostNear: (about) => lost && about === version,
    endsNear: () => [],
  });
  const asked = { kind: 'cuj', name: 'signup', version, startedMs: startMs, endedMs: startMs } as const;
  return oracle.judge(asked, answered);
}

describe('the oracle', () => {
  test('agrees with the store', () => {
    expect(wrongWith(answer(0), false)).toEqual([]);
  });

  test('contradicts a single bad request that the answer lacks', () => {
    expect(wrongWith(answer(1), false)).toEqual([expect.stringContaining('which the store contradicts')]);
  });

  test('allows for three that no gate can miss, only while Datadog lost points of a series', () => {
    expect(wrongWith(answer(3), true)).toEqual([]);
    expect(wrongWith(answer(4), true)).toEqual([expect.stringContaining('which the store contradicts')]);
  });

  test('never allows for more than there are', () => {
    expect(wrongWith(answer(-1), true)).toEqual([expect.stringContaining('which the store contradicts')]);
  });
});
