import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BatchQuery, Snapshot } from '../../../src/domain/metrics/metrics-source.ts';
import type { Service } from '../../../src/domain/registry/model.ts';
import type { RegistryDocument } from '../../../src/domain/registry/schema.ts';
import { PrometheusConnection } from '../../../src/sources/prometheus/api/connection.ts';
import { readHistogram } from '../../../src/sources/prometheus/api/histogram-survey.ts';
import { hourlyTraffic } from '../../../src/sources/prometheus/api/hourly-increases.ts';
import { createPrometheusSource } from '../../../src/sources/prometheus/api/source.ts';
import { Asking } from '../../../src/sources/prometheus/api/survey-questions.ts';
import { counterText, nativeHistogram, protobufType } from './protobuf-exposition.ts';
import { isInstalled, type RealBackend, startBackend, testedBackends } from './real-backends.ts';
import {
  podsInAllLives,
  queryOf,
  type Request,
  randomOf,
  registryOf,
  storedBuckets,
  storedSeries,
  timedDocument,
  truthOf,
} from './traffic.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
/** A whole time of the last hours: Prometheus makes blocks of two hours. */
const fromMs = Math.floor(Date.now() / (5 * minuteMs)) * 5 * minuteMs - 40 * minuteMs;
const toMs = fromMs + 10 * minuteMs;
const past = { fromMs, toMs, stepMs: minuteMs };
const recent = { fromMs, toMs, stepMs: 10_000 };
const never = new AbortController().signal;
const routes = ['POST /Orders/{id}', 'GET /Orders/{id}/Items'];
const connections: PrometheusConnection[] = [];

afterAll(() => Promise.all(connections.map((connection) => connection.close())));

function measured(
  { url, tenant }: RealBackend,
  query: Partial<BatchQuery>,
  of: RegistryDocument,
): Promise<Snapshot> {
  const connection = new PrometheusConnection({ url, tenant });
  connections.push(connection);
  return createPrometheusSource(connection).measure(queryOf({ ...past, ...query }, registryOf(of)), never);
}

function seriesIn(snapshot: Snapshot, side: 'canary' | 'stable', latencyMs: number, resource: string) {
  const found = snapshot.services.get('orders')?.[side].latency.get(latencyMs)?.get(resource);
  const { total, bad, unclassified } = found ?? { total: [], bad: [] };
  return { total: [...total], bad: [...bad], ...(unclassified && { unclassified: [...unclassified] }) };
}

const podsOf = (random: () => number) => podsInAllLives({ fromMs, toMs, random });

describe.each(testedBackends)('classic histograms in a real %s', (program) => {
  const isThere = isInstalled(program);
  const random = randomOf(31);
  const requests = podsOf(random).flatMap((pod) =>
    [...Array(900)].flatMap((): Request[] => {
      const atMs = Math.floor(pod.bornMs + random() * (toMs + 2 * minuteMs - pod.bornMs));
      if (atMs >= pod.diedMs) return [];
      const [method, route] = (routes[Math.floor(random() * 2)] as string).split(' ') as [string, string];
      const tookMs = Math.ceil(random() * (pod.version === 'V2' ? 2_000 : 400));
      return [{ pod, atMs, method, route, code: random() < 0.1 ? '503' : '200', tookMs }];
    }),
  );
  let backend: RealBackend;

  beforeAll(async () => {
    const untilMs = toMs + 2 * minuteMs;
    // Notations of different clients.
    const les = ['0.1', '0.300', '1.0', '2.5', '+Inf'];
    if (isThere)
      backend = await startBackend(program, {
        series: [...storedSeries(requests, untilMs), ...storedBuckets(requests, untilMs, les)],
      });
  });
  afterAll(() => backend?.close());

  it.runIf(isThere)('have as many slow requests as an independent count', async () => {
    for (const asked of [past, recent]) {
      const snapshot = await measured(backend, asked, timedDocument);
      for (const side of ['canary', 'stable'] as const) {
        for (const [latencyMs, resource] of [
          [300, routes[0] as string],
          [1_000, routes[1] as string],
          [300, '*'],
        ] as const) {
          const own = requests.filter(
            ({ pod, method, route }) =>
              (pod.version === 'V2') === (side === 'canary') &&
              (resource === '*' || resource === `${method} ${route}`),
          );
          const truth = (some: readonly Request[]) => truthOf(some, snapshot, snapshot.stepMs);
          const expected = {
            total: truth(own),
            bad: truth(own.filter(({ tookMs = 0 }) => tookMs > latencyMs)),
          };
          expect(expected.total.reduce((a, b) => a + b)).toBeGreaterThan(100);
          if (side === 'canary') expect(expected.bad.reduce((a, b) => a + b)).toBeGreaterThan(50);
          expect(seriesIn(snapshot, side, latencyMs, resource)).toEqual(expected);
        }
      }
    }
  });

  it.runIf(isThere)('name their boundaries where the threshold is none', async () => {
    const cujs = [
      { name: 'order', owner: 'team', service: 'orders', endpoints: '*' as const, latencyMs: 250 },
    ];
    await expect(measured(backend, recent, { ...timedDocument, cujs })).resolves.toMatchObject({
      refusedThresholds: [
        {
          message: expect.stringContaining('The nearest end at 0.1 s and at 0.3 s.'),
          hint: expect.stringContaining('Set latencyMs to 100 or 300'),
        },
      ],
    });
  });
});

// VictoriaMetrics has none.
const nativeBackends = testedBackends.filter((program) => program !== 'victoria-metrics');

describe.each(nativeBackends)('native histograms in a real %s', (program) => {
  const isThere = isInstalled(program);

  it.runIf(isThere)('are counted from scrapes, over a restart as well', { timeout: 180_000 }, async () => {
    const labels = { service: 'orders', version: 'V2', code: '200' };
    let durations: number[] = [];
    let scrapes = 0;
    let failure: string | undefined;
    const perScrape = [0.08, 0.08, 0.08, 0.08, 0.08, 0.31, 0.31, 2];
    const exporter = createServer((request, response) => {
      if (!(request.headers.accept ?? '').includes('application/vnd.google.protobuf'))
        failure = `Prometheus asks for ${request.headers.accept}`;
      scrapes += 1;
      if (scrapes === 5) durations = [];
      if (scrapes <= 8) durations.push(...perScrape);
      response.setHeader('content-type', protobufType);
      response.end(
        Buffer.concat([
          counterText('requests_total', labels, durations.length),
          nativeHistogram('request_duration_seconds', labels, durations),
        ]),
      );
    });
    exporter.listen(0, '127.0.0.1');
    await once(exporter, 'listening');
    const { port } = exporter.address() as AddressInfo;
    const own = await startBackend(program, {
      ...{ series: [], target: `127.0.0.1:${port}` },
      isNative: true,
    });
    try {
      // All counts stand still then.
      while (scrapes < 10) {
        if (failure !== undefined) throw new Error(failure);
        await delay(100);
      }
      const endMs = Math.ceil(Date.now() / 10_000) * 10_000;
      const app = {
        total: 'requests_total{service="{service}"}',
        bad: 'requests_total{service="{service}",code=~"5.."}',
        duration: 'request_duration_seconds{service="{service}"}',
      };
      const cujOf = (latencyMs: number) => ({
        name: `within-${latencyMs}`,
        owner: 'team',
        service: 'orders',
        endpoints: '*' as const,
        latencyMs,
      });
      const native = { ...timedDocument, sources: { app }, cujs: [cujOf(300), cujOf(500)] };
      const sums = async () => {
        const snapshot = await measured(
          own,
          { fromMs: endMs - 10 * minuteMs, toMs: endMs, stepMs: 10_000 },
          native,
        );
        return [300, 500].map((latencyMs) => {
          const { total, bad, unclassified = [] } = seriesIn(snapshot, 'canary', latencyMs, '*');
          return [total, bad, unclassified].map((counts) => counts.reduce((a, b) => a + b, 0));
        });
      };
      // The first scrape is where counting begins: 7 of the 8 add 8 each. 310 ms are in the bucket from 297 to 324 ms. What is
      // remotely written arrives later.
      await expect.poll(sums).toEqual([
        [56, 7, 14],
        [56, 7, 0],
      ]);
      const connection = new PrometheusConnection({ url: own.url, tenant: own.tenant });
      connections.push(connection);
      const registry = registryOf(native);
      const wholeHourMs = Math.ceil(endMs / hourMs) * hourMs;
      const facts = await readHistogram(
        new Asking(connection, () => endMs),
        queryOf(past, registry).batch,
        registry.services.get('orders') as Service,
        wholeHourMs - 2 * hourMs,
        wholeHourMs,
      );
      expect(facts).toMatchObject({ isClassic: false, histograms: 1, boundaries: new Map() });
      // 310 ms of two of eight requests. Of 500 ms nothing is across.
      expect([...(facts?.across ?? [])]).toEqual([
        [300, { endMs: expect.closeTo(324.21, 2), share: expect.closeTo(1 / 4, 9) }],
      ]);
      expect(facts?.labels.get('version')).toEqual(new Map([['V2', 1]]));
      expect([...(facts?.timed.values() ?? [])].reduce((a, b) => a + b, 0)).toBeGreaterThan(40);
      const hourly = await hourlyTraffic(
        connection,
        queryOf(past, registry).batch,
        wholeHourMs - 2 * hourMs,
        wholeHourMs,
        never,
      );
      const { whole, latency } = hourly.get('orders') ?? {};
      const sumsOf = (latencyMs: number) => {
        const { total, bad, unclassified } = latency?.get(latencyMs)?.get('*') ?? {};
        return [total, bad, unclassified].map((counts) => [...(counts ?? [])].reduce((a, b) => a + b, 0));
      };
      const requests = (whole?.total ?? new Float64Array()).reduce((a, b) => a + b, 0);
      // Estimates, of which one in eight is above 500 ms. Where 300 ms lie in a bucket, none is known.
      expect(requests).toBeGreaterThan(40);
      expect(sumsOf(500)[0]).toBe(requests);
      expect(Math.abs((sumsOf(500)[1] as number) - requests / 8)).toBeLessThan(1);
      expect(sumsOf(500)[2]).toBe(0);
      expect(sumsOf(300)).toEqual([requests, 0, requests]);
    } finally {
      await own.close();
      exporter.closeAllConnections();
      exporter.close();
    }
  });
});
