import { afterAll, afterEach, describe, expect, it } from 'vitest';
import type { SourceError } from '../../../src/domain/errors.ts';
import { PrometheusConnection } from '../../../src/sources/prometheus/api/connection.ts';
import { createPrometheusSource } from '../../../src/sources/prometheus/api/source.ts';
import { type Mimir, startMimir } from './mimir.ts';
import { testedBackends } from './real-backends.ts';
import { document, podsInAllLives, queryOf, randomOf, registryOf, storedSeries } from './traffic.ts';

/** What only Mimir does: it has tenants, and limits of each. */

const minuteMs = 60_000;
const fromMs = Math.floor(Date.now() / (5 * minuteMs)) * 5 * minuteMs - 40 * minuteMs;
const toMs = fromMs + 10 * minuteMs;
const never = new AbortController().signal;
const orders = registryOf({ ...document, cujs: (document.cujs ?? []).slice(0, 1) });
const random = randomOf(43);
const series = storedSeries(
  podsInAllLives({ fromMs, toMs, random }).flatMap((pod) =>
    [...Array(300)].map((_, i) => ({
      ...{ pod, method: 'POST', route: '/Orders/{id}', code: i % 10 === 0 ? '503' : '200' },
      atMs: Math.floor(pod.bornMs + random() * (Math.min(toMs, pod.diedMs) - pod.bornMs)),
    })),
  ),
  toMs + 2 * minuteMs,
);

describe.runIf(testedBackends.includes('mimir'))('a real Mimir', () => {
  const connections: PrometheusConnection[] = [];
  let mimir: Mimir | undefined;

  afterEach(() => mimir?.close());
  afterAll(() => Promise.all(connections.map((connection) => connection.close())));

  async function start(limits: object): Promise<Mimir> {
    mimir = await startMimir({ series, limits });
    return mimir;
  }

  function measured(options: { readonly url: string; readonly tenant?: string }) {
    const connection = new PrometheusConnection(options);
    connections.push(connection);
    const asked = createPrometheusSource(connection).measure(
      queryOf({ fromMs, toMs, stepMs: 10_000 }, orders),
      never,
    );
    return asked.catch((error: SourceError) => error);
  }

  it('wants the right tenant and path', async () => {
    const { url, tenant } = await start({});
    expect(await measured({ url, tenant })).toMatchObject({ stepMs: 5_000 });
    expect(await measured({ url })).toMatchObject({
      code: 'source_rejected',
      message: expect.stringContaining('no org id'),
      hint: expect.stringContaining('CUJ_GATE_PROMETHEUS_TENANT'),
    });
    const other = await measured({ url, tenant: 'another' });
    expect(other).toMatchObject({ services: new Map([['orders', { canary: { whole: undefined } }]]) });
    expect(await measured({ url: new URL(url).origin, tenant })).toMatchObject({
      code: 'source_rejected',
      hint: expect.stringContaining('below /prometheus'),
    });
  });

  it.each([
    ['max_fetched_series_per_query', 3],
    ['max_fetched_chunk_bytes_per_query', 500],
    ['max_total_query_length', '10m'],
    ['max_partial_query_length', '10m'],
    ['max_estimated_memory_consumption_per_query', 1_000],
  ])('judges nothing where %s is less than a question needs', async (limit, value) => {
    const found = await measured(await start({ [limit]: value }));
    expect(found).toMatchObject({
      code: 'source_rejected',
      hint: expect.stringContaining('limit'),
    });
  });
});
