import { describe, expect, it } from 'vitest';
import { resolveRequest } from '../../../src/domain/metrics/evaluation-request.ts';
import { measurementOf } from '../../../src/domain/metrics/measurement.ts';
import { bucketMs, type ServiceCounts, type SideCounts } from '../../../src/domain/metrics/metrics-source.ts';
import type { Cuj } from '../../../src/domain/registry/model.ts';
import { failureOf } from '../../../src/domain/sli/failure.ts';
import { registryOf } from '../judge/journey.ts';

const registry = registryOf(`
  { "apiVersion": "cuj-gate/v1",
    "defaults": { "slo": { "availability": 99.95 }, "gate": { "maxWindow": "3m" } },
    "services": {
      "shop": { "env": "prod", "operation": "http.request", "canary": "version:{version}" },
      "auth": { "env": "prod", "operation": "http.request", "canary": "version:{version}" } },
    "cujs": [ { "name": "login", "owner": "t", "service": "shop",
                "endpoints": ["GET /a", { "service": "auth", "method": "GET", "path": "/me" }] } ] }`);
const cuj = registry.cujs.get('login') as Cuj;
const toMs = Date.parse('2026-01-31T10:00:00Z');
const span = { toMs, incompleteMs: 0 };
const fromMs = toMs - 3 * bucketMs;

function side(total: readonly number[]): SideCounts {
  const whole = { total: Float64Array.from(total), bad: new Float64Array(total.length) };
  return { whole, requests: new Map(), latency: new Map() };
}

function counts(canary: number[], stable: number[], allTraffic?: number[]): ServiceCounts {
  return {
    canary: side(canary),
    stable: side(stable),
    ...(allTraffic === undefined ? {} : { allTraffic: Float64Array.from(allTraffic) }),
  };
}

function wholeOf(shop: ServiceCounts, auth: ServiceCounts) {
  const request = resolveRequest(registry, cuj, { cuj: 'login', params: new Map([['version', 'v2']]) });
  const snapshot = {
    fromMs,
    toMs,
    stepMs: bucketMs,
    services: new Map([
      ['shop', shop],
      ['auth', auth],
    ]),
    queries: [],
  };
  const { whole } = measurementOf(
    request,
    new Map([
      ['shop', { recent: snapshot }],
      ['auth', { recent: snapshot }],
    ]),
    span,
  );
  return whole;
}

it.each<[string, ServiceCounts, ServiceCounts, number[] | undefined]>([
  [
    'is what both sides of all services leave over',
    counts([1, 1, 1], [5, 5, 5], [6, 8, 6]),
    counts([0, 0, 0], [2, 2, 2], [2, 2, 5]),
    [0, 2, 3],
  ],
  [
    'is nothing where the sides overlap or floats do not add up',
    counts([4, 0, 0], [4, 0.1 + 0.2, 1], [5, 0.3, 1 + 1e-9]),
    counts([0, 0, 0], [0, 0, 0], [0, 0, 0]),
    [0, 0, 0],
  ],
  [
    'is not known where it is not known of every service',
    counts([1, 1, 1], [5, 5, 5], [9, 9, 9]),
    counts([0, 0, 0], [2, 2, 2]),
    undefined,
  ],
])('traffic of neither side %s', (_, shop, auth, expected) => {
  expect(wholeOf(shop, auth).unmatched).toEqual(expected);
});

it('requests that both selectors match are what the two sides have beyond all traffic', () => {
  const shop = counts([4, 5, 5], [4, 2, 5], [5, 7, 9]);
  const auth = counts([0, 0, 0], [0, 0, 0], [0, 0, 0]);
  expect(wholeOf(shop, auth).overlapping).toEqual([3, 0, 1]);
});

it.each([
  ['wider than the span', -2, 6, [3, 4, 5]],
  ['shorter than the span at its begin', 1, 2, [0, 1, 2]],
  ['shorter than the span at its end', 0, 2, [1, 2, 0]],
])('cuts out of a snapshot that is %s what lies in it, and nothing else', (_, offset, buckets, expected) => {
  const total = Float64Array.from({ length: buckets }, (_, i) => i + 1);
  const all = { total, bad: total.map((count) => count / 10) };
  const none = { whole: undefined, requests: new Map(), latency: new Map() };
  const canary = { ...none, whole: all, requests: new Map([['get_/a', all]]) };
  const snapshot = {
    fromMs: fromMs + offset * bucketMs,
    toMs: fromMs + (offset + buckets) * bucketMs,
    stepMs: bucketMs,
    services: new Map([
      ['shop', { canary, stable: none }],
      ['auth', { canary: none, stable: none }],
    ]),
    queries: [],
  };
  const request = resolveRequest(registry, cuj, { cuj: 'login', params: new Map([['version', 'v2']]) });
  const services = new Map([
    ['shop', { recent: snapshot }],
    ['auth', { recent: snapshot }],
  ]);
  const { availability, whole } = measurementOf(request, services, span);
  expect([...(availability?.[0]?.canary.total ?? [])]).toEqual(expected);
  expect([...(availability?.[0]?.canary.bad ?? [])]).toEqual(expected.map((count) => count / 10));
  expect([...(availability?.[1]?.canary.total ?? [])]).toEqual([0, 0, 0]);
  expect(whole.canary).toEqual(expected);
});

it('the traffic of each call is that of all its services, over the last hour at least and no more than that', () => {
  const request = resolveRequest(registry, cuj, { cuj: 'login', params: new Map([['version', 'v2']]) });
  const minutes = (count: number) => new Array<number>(90).fill(count);
  const call = (services: readonly [string, ServiceCounts][], clockSkewMs: number) => ({
    fromMs: toMs - 88 * bucketMs,
    toMs: toMs + 2 * bucketMs,
    stepMs: bucketMs,
    services: new Map(services),
    queries: [],
    clockSkewMs,
  });
  const stable = counts(minutes(1), minutes(2));
  // Its CUJ has the least lag: the snapshot goes on for two minutes.
  const beside = counts(minutes(1), minutes(2), minutes(5));
  const shop = call(
    [
      ['shop', stable],
      ['nobody asked about', beside],
    ],
    -300,
  );
  const auth = call([['auth', counts(minutes(0), minutes(0))]], 200);
  const { sourceTraffic, clockSkewMs } = measurementOf(
    request,
    new Map([
      ['shop', { recent: shop }],
      ['auth', { recent: auth }],
    ]),
    span,
  );
  expect(sourceTraffic).toEqual([
    { services: ['shop'], hits: new Array(60).fill(8) },
    { services: ['auth'], hits: new Array(60).fill(0) },
  ]);
  expect(clockSkewMs).toBe(-300);
});

describe('stable of the services of a question', () => {
  const series = (total: readonly number[], bad: readonly number[]) => ({
    total: Float64Array.from(total),
    bad: Float64Array.from(bad),
  });
  const none: SideCounts = { whole: undefined, requests: new Map(), latency: new Map() };
  const snapshot = (minutes: number, beginMs: number) => ({
    fromMs: beginMs,
    toMs: beginMs + minutes * bucketMs,
    stepMs: bucketMs,
    queries: [],
    services: new Map<string, ServiceCounts>([
      [
        'shop',
        {
          canary: none,
          stable: {
            ...none,
            requests: new Map([
              // Of another CUJ.
              ['get_/z', series(new Array(minutes).fill(7), [...new Array(minutes - 1).fill(0), 2])],
              ['get_/a', series(new Array(minutes).fill(5), [1, ...new Array(minutes - 1).fill(0)])],
              ['get_/b', series(new Array(minutes).fill(1), new Array(minutes).fill(0))],
            ]),
          },
        },
      ],
      ['auth', { canary: none, stable: none }],
    ]),
  });
  const measured = (of: Cuj, past: { fromMs: number } & ReturnType<typeof snapshot>, service?: string) =>
    measurementOf(
      resolveRequest(registry, of, {
        cuj: 'login',
        params: new Map([['version', 'v2']]),
        ...(service === undefined ? {} : { service }),
      }),
      new Map([
        ['shop', { recent: past }],
        ['auth', { recent: past }],
      ]),
      span,
    );

  it('is counted over all endpoints that were asked for, and by endpoint where something failed', () => {
    expect(measured(cuj, snapshot(3, fromMs)).stableOfServices).toEqual([
      {
        service: 'shop',
        total: [13, 13, 13],
        bad: [
          [1, 0, 0],
          [0, 0, 2],
        ],
      },
      { service: 'auth', total: [0, 0, 0], bad: [] },
    ]);
    expect(measured(cuj, snapshot(3, fromMs), 'auth').stableOfServices).toHaveLength(1);
  });

  it('does not depend on how far back other CUJs ask', () => {
    // What failed before the CUJ's span is no part of it.
    expect(measured(cuj, snapshot(5, fromMs - 2 * bucketMs)).stableOfServices?.[0]).toEqual({
      service: 'shop',
      total: [13, 13, 13],
      bad: [[0, 0, 2]],
    });
  });

  it('is one object for all CUJs that are judged by the same snapshot', () => {
    const past = snapshot(3, fromMs);
    const [one] = measured(cuj, past).stableOfServices ?? [];
    expect(measured({ ...cuj, name: 'other' }, past).stableOfServices?.[0]).toBe(one);
    expect(measured(cuj, snapshot(3, fromMs)).stableOfServices?.[0]).not.toBe(one);
  });

  it.each([
    ['failures of the server', [503], [[40, 40, 40]], 50],
    ['what callers can cause, too', ['5xx', 401], [], 0],
  ])(
    'leaves out endpoints whose failures the CUJ defines otherwise, and counts by its own definition: %s',
    (_, document, bad, requests) => {
      const past = snapshot(3, fromMs);
      const shop = past.services.get('shop') as ServiceCounts;
      const storm = { total: Float64Array.from([50, 50, 50]), bad: Float64Array.from([40, 40, 40]) };
      const failure = failureOf(document);
      const failures = new Map([
        [
          failure.text,
          new Map([
            ['post_/login', storm],
            ['*', storm],
          ]),
        ],
      ]);
      const services = new Map([
        ...past.services,
        ['shop', { ...shop, stable: { ...shop.stable, failures } }],
      ]);
      const stormy = { ...past, services };
      const usual = measured(cuj, past).stableOfServices?.[0];
      expect(measured(cuj, stormy).stableOfServices?.[0]).toEqual(usual);
      const endpoints = cuj.endpoints.map((one) => ({ ...one, failure }));
      expect(measured({ ...cuj, endpoints }, stormy).stableOfServices?.[0]).toEqual({
        service: 'shop',
        total: [requests, requests, requests],
        bad,
      });
    },
  );

  it('is not there for a CUJ without an objective for availability', () => {
    const { availability: _, ...objectives } = cuj.objectives;
    expect(measured({ ...cuj, objectives }, snapshot(3, fromMs))).not.toHaveProperty('stableOfServices');
  });
});
