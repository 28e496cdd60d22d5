import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { APP_ROUTES } from '../../../src/demo/datadog/app-routes.ts';
import { evaluate, reduce } from '../../../src/demo/datadog/evaluate.ts';
import { simulateJourneys, type TrafficOptions } from '../../../src/demo/datadog/journeys.ts';
import { parseMetricQuery } from '../../../src/demo/datadog/query-language.ts';
import { seededRandom } from '../../../src/demo/datadog/random.ts';
import type { EventStore } from '../../../src/demo/datadog/store.ts';
import { MINUTE, NOON, storeAt } from './fixture.ts';

const HOUR = 60 * MINUTE;
const OPERATIONS = ['http.request', 'express.request', 'servlet.request'];

/** Two hours of stable, then an hour with a canary, all of it visible. */
function simulated(options: Partial<TrafficOptions> = {}, hours = 3) {
  const { store, clock } = storeAt(NOON + 5 * MINUTE);
  const start = NOON - hours * HOUR;
  const traffic = simulateJourneys({ store, seed: 7, start, canaryStart: NOON - HOUR, ...options });
  traffic.advanceTo(NOON);
  return { store, clock, traffic };
}

/** Group (or '') → events. */
function count(store: EventStore, text: string, fromMs = NOON - HOUR, toMs = NOON): Map<string, number> {
  const frame = { fromMs, toMs, intervalMs: MINUTE, firstBucket: 'clipped' } as const;
  const set = reduce(evaluate(parseMetricQuery(text), store, frame), 'sum');
  return new Map([...set.groups.values()].map((group) => [group.tags.join(), group.points.get(0)!]));
}

/** Requests of all three frameworks that match a filter. */
const hits = (store: EventStore, filter: string, fromMs?: number, toMs?: number): number =>
  OPERATIONS.reduce((sum, operation) => {
    return (
      sum + (count(store, `sum:trace.${operation}.hits{${filter}}.as_count()`, fromMs, toMs).get('') ?? 0)
    );
  }, 0);

describe('the simulated app', () => {
  const { store } = simulated();
  const verify = 'resource_name:post_/api/v1/signup/phone/verify';

  it('serves every endpoint of the example registry', () => {
    interface Registry {
      cujs: Array<{
        service: string;
        endpoints: Array<string | { service?: string; method: string; path: string }>;
      }>;
    }
    const file = new URL('../../../config/cujs.yaml', import.meta.url);
    const registry = parse(readFileSync(file, 'utf8')) as Registry;
    const wanted = registry.cujs.flatMap((cuj) =>
      cuj.endpoints.map((endpoint) =>
        typeof endpoint === 'string'
          ? `${cuj.service} ${endpoint}`
          : `${endpoint.service ?? cuj.service} ${endpoint.method} ${endpoint.path}`,
      ),
    );
    const served = APP_ROUTES.map(({ service, route }) => `${service} ${route}`);
    expect(wanted.filter((endpoint) => !served.includes(endpoint))).toEqual([]);
    expect(served.length).toBeGreaterThan(wanted.length);
  });

  it('has some 1% of its traffic in sign-up', () => {
    const share = hits(store, 'resource_name:post_/api/v1/signup*') / hits(store, '*');
    expect(share).toBeGreaterThan(0.008);
    expect(share).toBeLessThan(0.012);
  });

  it('has no canary before it starts and a quarter of the traffic on it from then on', () => {
    expect(hits(store, 'version:v1.42.0', NOON - 3 * HOUR, NOON - HOUR)).toBe(0);
    const share = hits(store, 'version:v1.42.0') / hits(store, '*');
    expect(share).toBeCloseTo(0.25, 2);
  });

  it('breaks one endpoint on the canary while the total looks fine', () => {
    const broken = `version:v1.42.0 AND ${verify}`;
    const failing = hits(store, `${broken} AND http.status_code:5*`) / hits(store, broken);
    expect(failing).toBeGreaterThan(0.17);
    expect(failing).toBeLessThan(0.23);
    for (const scope of ['version:v1.42.0', 'version:v1.42.0 AND service:member-api']) {
      const rate = hits(store, `${scope} AND http.status_code:5*`) / hits(store, scope);
      expect(rate).toBeGreaterThan(0);
      expect(rate).toBeLessThan(0.0005);
    }
  });

  it('leaves stable at some 0.01% of errors, in the broken endpoint too', () => {
    const stable = 'version:v1.41.0';
    const rate = hits(store, `${stable} AND http.status_code:5*`) / hits(store, stable);
    expect(rate).toBeGreaterThan(0.00007);
    expect(rate).toBeLessThan(0.00013);
    const broken = hits(store, `${stable} AND ${verify} AND http.status_code:5*`);
    expect(broken / hits(store, `${stable} AND ${verify}`)).toBeLessThan(0.001);
  });

  it('flags spans as errors that are not 5XX', () => {
    const flagged = count(store, 'sum:trace.http.request.errors{*}.as_count()').get('')!;
    expect(flagged).toBeGreaterThan(
      count(store, 'sum:trace.http.request.hits{http.status_code:5*}.as_count()').get('')!,
    );
  });

  it('has a duration for every request, and few slow ones', () => {
    const login = '{resource_name:post_/api/v1/login}.as_count()';
    const total = count(store, `sum:trace.http.request.hits${login}`).get('')!;
    expect(count(store, `count:trace.http.request${login}`).get('')).toBe(total);
    const fast = count(store, `count(v: v<=0.5):trace.http.request${login}`).get('')!;
    expect(fast / total).toBeGreaterThan(0.99);
    expect(fast).toBeLessThan(total);
  });

  it('counts the same requests in the mesh', () => {
    const mesh = count(
      store,
      'sum:istio.mesh.request.count{*} by {destination_version,response_code}.as_count()',
    );
    expect(mesh.get('destination_version:v1.42.0,response_code:500')).toBe(
      hits(store, 'version:v1.42.0 AND http.status_code:500'),
    );
  });
});

describe('what the caller decides', () => {
  const small = { requestsPerSecond: 50 };

  it('draws the same traffic from the same seed however often the clock is moved', () => {
    const text = 'sum:trace.http.request.hits{*} by {resource_name,version,http.status_code}.as_count()';
    const atOnce = simulated(small);
    const { store } = storeAt(NOON + 5 * MINUTE);
    const stepwise = simulateJourneys({
      store,
      seed: 7,
      start: NOON - 3 * HOUR,
      canaryStart: NOON - HOUR,
      ...small,
    });
    for (let at = NOON - 3 * HOUR; at <= NOON; at += 7_000) stepwise.advanceTo(at);
    stepwise.advanceTo(NOON);
    expect(count(store, text)).toEqual(count(atOnce.store, text));
    expect(count(simulated({ ...small, seed: 8 }).store, text)).not.toEqual(count(atOnce.store, text));
  });

  it('has a good canary with no breakages', () => {
    const { store } = simulated({ ...small, breakages: [] });
    const canary = 'version:v1.42.0 AND resource_name:post_/api/v1/signup*';
    expect(hits(store, canary)).toBeGreaterThan(100);
    expect(hits(store, `${canary} AND http.status_code:5*`)).toBeLessThan(3);
  });

  it('breaks only between the times of a breakage, by errors or by slowness', () => {
    const route = 'POST /api/v1/login';
    const window = { from: NOON - 40 * MINUTE, to: NOON - 20 * MINUTE };
    const breakages = [{ route, ...window, errorRate: 0.5, slowdown: 10 }];
    const { store } = simulated({ breakages });
    const login = 'version:v1.42.0 AND resource_name:post_/api/v1/login';
    const failures = (from: number, to: number) => {
      return hits(store, `${login} AND http.status_code:5*`, from, to) / hits(store, login, from, to);
    };
    expect(failures(NOON - HOUR, window.from)).toBeLessThan(0.01);
    expect(failures(window.from, window.to)).toBeCloseTo(0.5, 1);
    expect(failures(window.to, NOON)).toBeLessThan(0.01);
    const slow = (from: number, to: number) => {
      return count(store, `count(v: v>0.5):trace.http.request{${login}}.as_count()`, from, to).get('')!;
    };
    expect(slow(window.from, window.to)).toBeGreaterThan(100 * slow(window.to, NOON));
  });

  it('counts requests that have become slow when they end', () => {
    const route = 'POST /api/v1/login';
    const from = NOON - 30 * MINUTE;
    const { store } = simulated({ breakages: [{ route, from, slowdown: 500 }] }, 2);
    const login = (fromS: number, toS: number) =>
      hits(
        store,
        'version:v1.42.0 AND resource_name:post_/api/v1/login',
        from + fromS * 1000,
        from + toS * 1000,
      );
    const usual = login(-60, 0);
    expect(login(0, 20)).toBeLessThan(usual / 10);
    expect(login(120, 180)).toBeGreaterThan(usual / 2);
  });

  it('follows the weight over time and can roll one service only', () => {
    const canaryWeight = (at: number) => (at < NOON - 30 * MINUTE ? 0.1 : 0.5);
    const { store } = simulated({ ...small, canaryWeight, canaryServices: ['member-api'] });
    const share = (from: number, to: number) =>
      hits(store, 'service:member-api,version:v1.42.0', from, to) /
      hits(store, 'service:member-api', from, to);
    expect(share(NOON - HOUR, NOON - 30 * MINUTE)).toBeCloseTo(0.1, 1);
    expect(share(NOON - 30 * MINUTE, NOON)).toBeCloseTo(0.5, 1);
    expect(hits(store, '!service:member-api,version:v1.42.0')).toBe(0);
  });

  it('is busier in the evening than at night', () => {
    const { store } = simulated({ requestsPerSecond: 5 }, 24);
    const night = hits(store, '*', NOON - 13 * HOUR, NOON - 11 * HOUR);
    expect(hits(store, '*', NOON - 2 * HOUR, NOON) / night).toBeGreaterThan(2.5);
  });

  it('names a route that does not exist', () => {
    const breakages = [{ route: 'POST /nowhere', from: NOON }];
    expect(() => simulated({ breakages })).toThrow('breakage of "POST /nowhere": the app has no such route');
  });
});

describe('the draws', () => {
  it.each([
    ['poisson of a small mean', 3, 3, (random: ReturnType<typeof seededRandom>) => random.poisson(3)],
    ['poisson of a large mean', 400, 400, (random: ReturnType<typeof seededRandom>) => random.poisson(400)],
    [
      'binomial of rare events',
      2,
      1.998,
      (random: ReturnType<typeof seededRandom>) => random.binomial(2_000, 0.001),
    ],
    [
      'binomial of many events',
      300,
      210,
      (random: ReturnType<typeof seededRandom>) => random.binomial(1_000, 0.3),
    ],
    [
      'binomial of likely events',
      9,
      0.9,
      (random: ReturnType<typeof seededRandom>) => random.binomial(10, 0.9),
    ],
  ])('have the mean and the variance of a %s', (_, mean, variance, draw) => {
    const random = seededRandom(1);
    const drawn = Array.from({ length: 20_000 }, () => draw(random));
    const average = drawn.reduce((sum, value) => sum + value, 0) / drawn.length;
    const spread = drawn.reduce((sum, value) => sum + (value - average) ** 2, 0) / drawn.length;
    expect(Math.abs(average - mean)).toBeLessThan(5 * Math.sqrt(variance / drawn.length));
    expect(spread / variance).toBeGreaterThan(0.93);
    expect(spread / variance).toBeLessThan(1.07);
  });
});
