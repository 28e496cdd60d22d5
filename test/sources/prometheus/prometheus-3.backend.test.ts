import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { PrometheusConnection } from '../../../src/sources/prometheus/api/connection.ts';
import { createPrometheusSource } from '../../../src/sources/prometheus/api/source.ts';
import { startBackend, testedBackends } from './real-backends.ts';
import { queryOf, registryOf, timedDocument } from './traffic.ts';

/** What is different in Prometheus 3. */

const never = new AbortController().signal;

describe.runIf(testedBackends.includes('prometheus-3'))('a real Prometheus 3', () => {
  it('writes the boundaries of buckets in its own way, and has the same ones', async () => {
    let scrapes = 0;
    const exporter = createServer((_, response) => {
      scrapes += 1;
      const count = (share: number) => Math.min(scrapes, 6) * share;
      const labels = 'job_name="orders",version="V2"';
      const bucket = (le: string, share: number) =>
        `slow_seconds_bucket{${labels},le="${le}"} ${count(share)}\n`;
      response.setHeader('content-type', 'text/plain; version=0.0.4');
      response.end(
        `# TYPE done_total counter\ndone_total{${labels},code="200"} ${count(10)}\n# TYPE slow_seconds histogram\n${bucket('1', 7)}${bucket('2.50', 9)}${bucket('+Inf', 10)}slow_seconds_sum{${labels}} 1\nslow_seconds_count{${labels}} ${count(10)}\n`,
      );
    });
    exporter.listen(0, '127.0.0.1');
    await once(exporter, 'listening');
    const { port } = exporter.address() as AddressInfo;
    const own = await startBackend('prometheus-3', { series: [], target: `127.0.0.1:${port}` });
    const connection = new PrometheusConnection(own);
    try {
      while (scrapes < 8) await delay(100);
      const query = 'count by (le) (slow_seconds_bucket)';
      const { json } = await connection.instant(query, Date.now(), never);
      expect(JSON.stringify(json)).toContain('"le":"1.0"');
      const toMs = Math.ceil(Date.now() / 10_000) * 10_000;
      const registry = registryOf({
        ...timedDocument,
        sources: {
          app: {
            total: 'done_total{job_name="{service}"}',
            bad: 'done_total{job_name="{service}",code=~"5.."}',
            duration: 'slow_seconds_bucket{job_name="{service}"}',
          },
        },
        cujs: [1_000, 2_500].map((latencyMs) => ({
          ...{ name: `within-${latencyMs}`, owner: 'team', service: 'orders', endpoints: '*', latencyMs },
        })),
      } as typeof timedDocument);
      const asked = queryOf({ fromMs: toMs - 600_000, toMs, stepMs: 10_000 }, registry);
      const snapshot = await createPrometheusSource(connection).measure(asked, never);
      const slow = (latencyMs: number) => {
        const found = snapshot.services.get('orders')?.canary.latency.get(latencyMs)?.get('*');
        return [found?.total, found?.bad].map((counts) => [...(counts ?? [])].reduce((a, b) => a + b, 0));
      };
      // Counting begins at the first scrape.
      expect([slow(1_000), slow(2_500)]).toEqual([
        [50, 15],
        [50, 5],
      ]);
    } finally {
      await connection.close();
      await own.close();
      exporter.closeAllConnections();
      exporter.close();
    }
  });
});
