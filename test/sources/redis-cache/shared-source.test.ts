import { describe, expect, it } from 'vitest';
import type { BatchQuery, MetricsSource, Snapshot } from '../../../src/domain/metrics/metrics-source.ts';
import { describeQueries } from '../../../src/sources/datadog/query/query-plan.ts';
import { createSharedApi } from '../../../src/sources/redis-cache/shared-api.ts';
import { SharedAnswers } from '../../../src/sources/redis-cache/shared-cache.ts';
import { createSharedSource } from '../../../src/sources/redis-cache/shared-source.ts';
import { createSeal } from '../../../src/sources/redis-cache/signed-envelope.ts';
import { batch, query, scoped, selector } from '../datadog/synthetic.ts';
import { FakeStore } from './fake-store.ts';

const never = new AbortController().signal;
const login = query([scoped('api', ['post_/login'])]);

function world({
  clockSkewMs,
  ttlMs = 60_000,
  emptyMinutes = 0,
}: {
  clockSkewMs?: number;
  ttlMs?: number;
  emptyMinutes?: number;
} = {}) {
  const clock = { now: login.toMs + 90_000 };
  const store = new FakeStore(() => clock.now);
  const calls: BatchQuery[] = [];
  const skew = clockSkewMs === undefined ? {} : { clockSkewMs };
  const inner: MetricsSource = {
    async measure(asked) {
      calls.push(asked);
      const buckets = (asked.toMs - asked.fromMs) / asked.stepMs;
      const total = new Float64Array(buckets).fill(calls.length);
      total.fill(0, buckets - emptyMinutes);
      const series = { total, bad: new Float64Array(buckets) };
      const side = { whole: series, requests: new Map(), latency: new Map() };
      const services = new Map(
        asked.batch.services.map(({ service }) => [service.name, { canary: side, stable: side }]),
      );
      return {
        fromMs: asked.fromMs,
        toMs: asked.toMs,
        stepMs: asked.stepMs,
        services,
        queries: [],
        ...skew,
      } satisfies Snapshot;
    },
  };
  const answers = (clockOffMs = 0) =>
    new SharedAnswers({
      backend: 'Datadog',
      store,
      seal: createSeal('an application key', 'https://api.datadoghq.com'),
      maxWaitMs: 1_000,
      now: () => clock.now + clockOffMs,
    });
  /** Its clock may be off by so much. */
  const replica = (clockOffMs = 0) => {
    const own = answers(clockOffMs);
    const source = createSharedSource(inner, own, {
      ttlMs,
      describe: describeQueries,
      now: () => clock.now + clockOffMs,
    });
    return async (asked: BatchQuery) => {
      const snapshot = await source.measure(asked, never);
      await own.settled();
      return snapshot;
    };
  };
  return { clock, calls, answers, replica };
}

it('what one replica has measured is what the other answers with', async () => {
  const { calls, replica } = world();
  const [first, second] = [replica(), replica()];
  const measured = await first(login);
  expect(await second(login)).toEqual(measured);
  // Another registry that asks the same: its batch is another object.
  expect(await second(query([scoped('api', ['post_/login'], [], { sampleRate: 0.5 })]))).toEqual(measured);
  expect(calls).toHaveLength(1);
});

it.each<[string, Partial<BatchQuery>]>([
  ['another canary', { canary: selector('version:v3') }],
  ['another stable', { stable: selector('version:v1') }],
  ['the minute after', { fromMs: login.fromMs + 60_000, toMs: login.toMs + 60_000 }],
  ['another endpoint', { batch: batch([scoped('api', ['get_/me'])]) }],
  [
    'another threshold',
    { batch: batch([scoped('api', ['post_/login'], [{ latencyMs: 1, resources: ['*'] }])]) },
  ],
  ['another env', { batch: batch([scoped('api', ['post_/login'])], { env: 'staging' }) }],
  ['other buckets', { stepMs: 10_000 }],
  ['another operation', { batch: batch([scoped('api', ['post_/login'], [], { operation: 'grpc.server' })]) }],
])('is not what answers %s', async (_, difference) => {
  const { calls, replica } = world();
  await replica()(login);
  await replica()({ ...login, ...difference });
  expect(calls).toHaveLength(2);
});

it('other questions than measurements are shared too, by path, query and body', async () => {
  const { answers } = world();
  const asked: string[] = [];
  const inner = {
    getJson: async (path: string, parameters?: object) => {
      asked.push(path);
      return { path, parameters, nothing: null };
    },
    postJson: async (path: string, body: unknown) => {
      asked.push(path);
      return [body];
    },
  };
  const replica = () => {
    const own = answers();
    const api = createSharedApi(inner, own, { ttlMs: 300_000 });
    const settled = async <T>(answer: Promise<T>) => {
      await answer;
      await own.settled();
      return answer;
    };
    return {
      get: (path: string, parameters?: Record<string, string>) => settled(api.getJson(path, parameters)),
      post: (path: string, body: unknown) => settled(api.postJson(path, body)),
    };
  };
  const history = await replica().get('/api/v1/slo/1/history', { to_ts: '600' });
  expect(await replica().get('/api/v1/slo/1/history', { to_ts: '600' })).toEqual(history);
  expect(asked).toHaveLength(1);
  await replica().get('/api/v1/slo/1/history', { to_ts: '900' });
  await replica().get('/api/v1/slo/2/history', { to_ts: '600' });
  expect(asked).toHaveLength(3);
  expect(await replica().post('/search', { q: 1 })).toEqual([{ q: 1 }]);
  expect(await replica().post('/search', { q: 1 })).toEqual([{ q: 1 }]);
  await replica().post('/search', { q: 2 });
  expect(asked).toHaveLength(5);
});

it.each<[string, number, Partial<BatchQuery>, number, number]>([
  ['for the TTL where it may still change', 90_000, {}, 0, 30_000],
  ['for 6 minutes where it is settled', 600_000, {}, 0, 360_000],
  ['for the TTL in buckets of 10 s', 600_000, { stepMs: 10_000 }, 0, 30_000],
  ['for the TTL where its data has stopped', 600_000, {}, 4, 30_000],
  ['for 6 minutes where chance explains its end', 600_000, {}, 3, 360_000],
])('is shared %s', async (_, agoMs, difference, emptyMinutes, livesMs) => {
  const { clock, calls, replica } = world({ ttlMs: 30_000, clockSkewMs: 0, emptyMinutes });
  const asked = { ...login, fromMs: login.toMs - 20 * 60_000, ...difference };
  clock.now = asked.toMs + agoMs;
  const measured = await replica()(asked);
  clock.now += livesMs - 1;
  // By the answer's age nobody's clock is wrong.
  expect(await replica()(asked)).toEqual(measured);
  expect(calls).toHaveLength(1);
  clock.now += 2;
  await replica()(asked);
  expect(calls).toHaveLength(2);
});

describe('the clock of a replica', () => {
  it('is compared with Datadog’s also where another replica asked', async () => {
    const { calls, replica } = world({ clockSkewMs: -500, ttlMs: 15_000 });
    await replica()(login);
    expect((await replica()(login)).clockSkewMs).toBe(-500);
    // The answer may be as old as its life is long.
    expect((await replica(70_000)(login)).clockSkewMs).toBe(70_000 - 15_000 - 500);
    expect((await replica(-70_000)(login)).clockSkewMs).toBe(-70_500);
    expect(calls).toHaveLength(1);
  });

  it('is not taken for wrong where the answer is old', async () => {
    const { clock, calls, replica } = world({ clockSkewMs: 0 });
    await replica()(login);
    clock.now += 59_000;
    expect((await replica()(login)).clockSkewMs).toBe(0);
    expect(calls).toHaveLength(1);
  });

  it('that was wrong when it asked makes its answer nobody else’s', async () => {
    const { calls, replica } = world({ clockSkewMs: 61_000 });
    await replica()(login);
    await replica()(login);
    expect(calls).toHaveLength(2);
  });
});
