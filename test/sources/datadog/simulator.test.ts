import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Fault } from '../../../src/demo/datadog/faults.ts';
import { type Simulator, startDatadogSimulator } from '../../../src/demo/datadog/simulator.ts';
import type { MetricsSource, Series } from '../../../src/domain/metrics/metrics-source.ts';
import { DatadogConnection } from '../../../src/sources/datadog/api/connection.ts';
import { createDatadogSource } from '../../../src/sources/datadog/api/source.ts';
import {
  parseSourceTemplate,
  type SourceTemplate,
} from '../../../src/sources/datadog/query/source-template.ts';
import { resourceNameOf } from '../../../src/sources/datadog/query/tag-normalization.ts';
import { batch, from, query, scoped, selector, to } from './synthetic.ts';

/** The whole way against a Datadog that evaluates the queries, over traffic that has what mistakes trip over. */

const never = new AbortController().signal;
const me = resourceNameOf('GET', '/api/v1/me');
const photo = resourceNameOf('DELETE', '/api/v1/photos/:photo_id');
const now = to + 60_000;
let datadog: Simulator;
let connection: DatadogConnection;
let source: MetricsSource;

beforeAll(async () => {
  datadog = await startDatadogSimulator({ now: () => now, apiKey: 'k', applicationKey: 'a' });
  const at = { env: 'production', service: 'api', operation: 'http.request', host: 'node-1' };
  for (let minute = -2; minute < 5; minute += 1) {
    const then = from + minute * 60_000 + 30_000;
    const sides = [
      { version: 'v1', count: 100, slow: 1, primaryTags: { role: 'stable' } },
      { version: 'v2', count: 10, slow: 4, primaryTags: { role: 'canary' } },
    ];
    for (const { version, count, slow, primaryTags } of sides) {
      const durations = [[0.1, count - slow] as const, [0.9, slow] as const];
      const request = { ...at, version, primaryTags, at: then };
      // Errors that are flagged but no 5XX, and a 404: neither is bad.
      datadog.store.recordRequests({
        ...request,
        resource: 'GET /api/v1/me',
        statusCode: 200,
        count,
        errors: 5,
        durations,
      });
      datadog.store.recordRequests({ ...request, resource: 'GET /api/v1/me', statusCode: 404, count: 3 });
      datadog.store.recordRequests({ ...request, resource: 'GET /other', statusCode: 200, count: 7 });
      datadog.store.recordRequests({
        ...request,
        env: 'staging',
        resource: 'GET /api/v1/me',
        statusCode: 500,
        count: 9,
      });
    }
    // Four buckets of 5XX, of the canary only.
    datadog.store.recordRequests({
      ...at,
      version: 'v2',
      primaryTags: { role: 'canary' },
      at: then,
      resource: 'GET /api/v1/me',
      statusCode: 503,
      count: 2,
    });
    datadog.store.recordRequests({
      ...at,
      service: 'rpc',
      version: 'v2',
      at: then,
      resource: 'grpc.auth/login',
      count: 6,
      errors: 6,
    });
    datadog.store.addCount('istio.hits', then, 20, { app: 'api', code: '200', role: 'canary' });
    datadog.store.addCount('istio.hits', then, 5, { app: 'api', code: '502', role: 'canary' });
    datadog.store.addCount('istio.hits', then, 50, { app: 'api', code: '200', role: 'stable' });
  }
  connection = new DatadogConnection({
    apiKey: 'k',
    appKey: 'a',
    url: datadog.url,
    epochNow: () => now,
    deadlineMs: 5_000,
    clock: { sleep: async () => {}, random: () => 0 },
  });
  source = await createDatadogSource(connection);
});
afterAll(async () => {
  await connection.close();
  await datadog.stop();
});
beforeEach(() => {
  datadog.calls.length = 0;
  datadog.setFault(undefined);
});

const asked = query([scoped('api', [photo, me].sort(), [{ latencyMs: 300, resources: [me] }])]);

function sums(series: Series | undefined) {
  const sum = (values: Float64Array) => values.reduce((all, value) => all + value, 0);
  return series && { total: sum(series.total), bad: sum(series.bad) };
}

describe('a scope', () => {
  it('has the same counts in buckets of 10 s, each at its time, until an end inside a minute', async () => {
    const minutes = (await source.measure(asked, never)).services.get('api')!;
    const fine = { ...asked, stepMs: 10_000 };
    const { stepMs, services } = await source.measure({ ...fine, toMs: to - 20_000 }, never);
    // All traffic is 30 s after a full minute.
    expect(stepMs).toBe(30_000);
    const { canary, stable } = services.get('api')!;
    expect([...(canary.requests.get(me)?.bad ?? [])]).toEqual([0, 2, 0, 2, 0, 2, 0, 2]);
    expect(sums(canary.whole)).toEqual(sums(minutes.canary.whole));
    expect(sums(stable.latency.get(300)?.get(me))).toEqual(sums(minutes.stable.latency.get(300)?.get(me)));
    const earlier = await source.measure({ ...fine, toMs: to - 40_000 }, never);
    expect(sums(earlier.services.get('api')?.canary.requests.get(me))).toEqual({ total: 45, bad: 6 });
  });

  it('is counted in one call: 5XX alone are bad, the other env and endpoints stay out, both sides are there', async () => {
    const { canary, stable } = (await source.measure(asked, never)).services.get('api')!;
    expect(datadog.calls.map(({ status }) => status)).toEqual([200]);
    expect([...(canary.requests.get(me)?.total ?? [])]).toEqual([15, 15, 15, 15]);
    expect([...(canary.requests.get(me)?.bad ?? [])]).toEqual([2, 2, 2, 2]);
    expect(sums(canary.whole)).toEqual({ total: 4 * 22, bad: 8 });
    expect(sums(stable.requests.get(me))).toEqual({ total: 4 * 103, bad: 0 });
    expect(sums(stable.whole)).toEqual({ total: 4 * 110, bad: 0 });
    expect(canary.requests.has(photo)).toBe(false);
  });

  it('has the requests slower than the threshold as bad events of latency', async () => {
    const { canary, stable } = (await source.measure(asked, never)).services.get('api')!;
    expect(sums(canary.latency.get(300)?.get(me))).toEqual({ total: 4 * 15, bad: 16 });
    expect(sums(stable.latency.get(300)?.get(me))).toEqual({ total: 4 * 103, bad: 4 });
  });

  it.each([
    ['a primary tag', 'role:canary', 22],
    ['two terms', 'version:v2,role:canary', 22],
    ['a span tag, which trace metrics do not have', 'canary:true', undefined],
    ['a version that does not run', 'version:v3', undefined],
  ])('is divided by %s, and what is not the canary is stable', async (_, canary, each) => {
    const { services } = await source.measure({ ...asked, canary: selector(canary) }, never);
    const { canary: own, stable } = services.get('api')!;
    expect(own.whole && [...own.whole.total]).toEqual(each && [each, each, each, each]);
    expect(sums(stable.whole)?.total).toBe(4 * (each === undefined ? 132 : 110));
  });

  it('of another source is counted by its template', async () => {
    const { source: template } = parseSourceTemplate('istio', {
      total: 'sum:istio.hits{app:{service},{selector}}.as_count()',
      bad: 'sum:istio.hits{app:{service},{selector},code:5*}.as_count()',
    }) as unknown as { source: SourceTemplate };
    const istio = batch([scoped('api', [], [], { source: 'istio' })], { source: 'istio', template });
    const { services } = await source.measure(
      { ...asked, batch: istio, canary: selector('role:canary') },
      never,
    );
    expect(sums(services.get('api')?.canary.whole)).toEqual({ total: 100, bad: 20 });
    expect(sums(services.get('api')?.stable.whole)).toEqual({ total: 200, bad: 0 });
  });
});

describe('requests with a status', () => {
  it('are counted beside all of an endpoint, and are none where the spans have none', async () => {
    const login = 'grpc.auth/login';
    const both = query([scoped('api', [me]), scoped('rpc', [login, '*'])]);
    const { services } = await source.measure(both, never);
    const [api, rpc] = [services.get('api')!, services.get('rpc')!];
    // The same array, and not an equal one: a window of two hours over many endpoints is mostly these.
    for (const side of [api.canary, api.stable])
      expect(side.requests.get(me)?.withStatus).toBe(side.requests.get(me)?.total);
    for (const series of [rpc.canary.requests.get(login), rpc.canary.whole]) {
      expect(sums(series)).toEqual({ total: 24, bad: 0 });
      expect([...(series?.withStatus ?? [])]).toEqual([0, 0, 0, 0]);
    }
  });
});

describe('a Datadog that misbehaves', () => {
  it('may send its series in any order', async () => {
    const straight = await source.measure(asked, never);
    datadog.setFault(() => ({ kind: 'reordered' }));
    expect(await source.measure(asked, never)).toEqual(straight);
  });

  it.each<[Fault, string, number]>([
    [{ kind: 'html' }, 'source_malformed', 3],
    [{ kind: 'cut_off' }, 'source_malformed', 3],
    [{ kind: 'empty_body' }, 'source_malformed', 3],
    [{ kind: 'nan_strings' }, 'source_malformed', 1],
    [{ kind: 'reset_mid_body' }, 'source_unavailable', 3],
    [{ kind: 'status', status: 503 }, 'source_unavailable', 3],
    [{ kind: 'status', status: 401 }, 'source_rejected', 1],
    [{ kind: 'infinite_values' }, 'source_malformed', 1],
    [{ kind: 'negative_counts' }, 'source_malformed', 1],
    [{ kind: 'more_bad_than_total' }, 'source_malformed', 1],
    [{ kind: 'misaligned_times' }, 'source_malformed', 1],
    [{ kind: 'duplicated_groups' }, 'source_malformed', 1],
    [{ kind: 'unknown_groups' }, 'source_malformed', 1],
  ])('is not believed: %j is %s after %d calls', async (fault, code, calls) => {
    datadog.setFault(() => fault);
    await expect(source.measure(asked, never)).rejects.toMatchObject({ name: 'SourceError', code });
    expect(datadog.calls).toHaveLength(calls);
  });

  it('is caught where it cuts groups off', async () => {
    const two = query([scoped('api', [me, resourceNameOf('GET', '/other')])]);
    expect((await source.measure(two, never)).services.get('api')?.canary.requests.size).toBe(2);
    datadog.setFault(() => ({ kind: 'groups_cut_off', keep: 1 }));
    await expect(source.measure(two, never)).rejects.toMatchObject({
      code: 'source_malformed',
      message: expect.stringContaining('groups were cut off: 1 of api came back for c_hits_0'),
    });
  });

  it('is left alone after a 429', async () => {
    let time = 0;
    const own = new DatadogConnection({
      apiKey: 'k',
      appKey: 'a',
      url: datadog.url,
      clock: { now: () => time },
    });
    const limited = await createDatadogSource(own);
    datadog.setFault(() => ({ kind: 'rate_limited', limits: { resetSeconds: 30 } }));
    for (const seconds of [0, 29]) {
      time = seconds * 1000;
      await expect(limited.measure(asked, never)).rejects.toMatchObject({
        code: 'source_rate_limited',
        retryAfterSeconds: 30 - seconds,
      });
    }
    expect(datadog.calls).toHaveLength(1);
    datadog.setFault(undefined);
    time = 30_000;
    await limited.measure(asked, never);
    expect(datadog.calls).toHaveLength(2);
    await own.close();
  });
});
