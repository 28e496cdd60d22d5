import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { SourceError } from '../../../src/domain/errors.ts';
import type { Snapshot } from '../../../src/domain/metrics/metrics-source.ts';
import { createSourceMetrics } from '../../../src/sources/decorators/request-metrics.ts';
import { from, query, scoped, to } from '../datadog/synthetic.ts';

const asked = query([scoped('api', [])]);
const snapshot: Snapshot = { fromMs: from, toMs: to, stepMs: 60_000, services: new Map(), queries: [] };
const never = new AbortController().signal;

async function sampleOf(registry: Registry, name: string, labels: Record<string, string> = {}) {
  const metrics = await registry.getMetricsAsJSON();
  const values = metrics.flatMap(
    (metric) => metric.values as { metricName?: string; labels: object; value: number }[],
  );
  const named = metrics.find((metric) => metric.name === name)?.values ?? [];
  return [...values.filter((value) => value.metricName === name), ...named].find(
    (value) => JSON.stringify(value.labels) === JSON.stringify(labels),
  )?.value;
}

it('times each call in seconds, by its outcome', async () => {
  const registry = new Registry();
  let now = 0;
  const metrics = createSourceMetrics(registry, () => now).of('datadog');
  const failing = new SourceError('source_rate_limited', 'slow down', '');
  const calls = [
    async () => {
      now += 250;
      return snapshot;
    },
    async () => {
      now += 1_500;
      throw failing;
    },
  ];
  const source = metrics.measured({ measure: () => (calls.shift() as () => Promise<Snapshot>)() });
  expect(await source.measure(asked, never)).toBe(snapshot);
  await expect(source.measure(asked, never)).rejects.toBe(failing);
  const name = 'cuj_gate_source_request_duration_seconds';
  expect(await sampleOf(registry, `${name}_sum`, { backend: 'datadog', outcome: 'ok' })).toBeCloseTo(0.25);
  expect(
    await sampleOf(registry, `${name}_sum`, { backend: 'datadog', outcome: 'source_rate_limited' }),
  ).toBeCloseTo(1.5);
  expect(await sampleOf(registry, `${name}_count`, { backend: 'datadog', outcome: 'ok' })).toBe(1);
});

it('counts what became of each question', async () => {
  const registry = new Registry();
  const { cacheObserver } = createSourceMetrics(registry);
  cacheObserver.miss();
  cacheObserver.coalesced();
  cacheObserver.coalesced();
  cacheObserver.hit();
  expect(await sampleOf(registry, 'cuj_gate_cache_misses_total')).toBe(1);
  expect(await sampleOf(registry, 'cuj_gate_cache_coalesced_total')).toBe(2);
  expect(await sampleOf(registry, 'cuj_gate_cache_hits_total')).toBe(1);
});

it('says nothing of a rate limit before its backend did', async () => {
  const registry = new Registry();
  const metrics = createSourceMetrics(registry);
  expect(await registry.metrics()).not.toContain('rate_limit_remaining');
  metrics.of('datadog').rateLimitRemaining(41);
  metrics.of('prometheus').rateLimitRemaining(7);
  metrics.of('datadog').rateLimitRemaining(40);
  const name = 'cuj_gate_source_rate_limit_remaining';
  expect(await sampleOf(registry, name, { backend: 'datadog' })).toBe(40);
  expect(await sampleOf(registry, name, { backend: 'prometheus' })).toBe(7);
});

it('shows how far the clock is ahead of each backend’s, once that is known', async () => {
  const registry = new Registry();
  const metrics = createSourceMetrics(registry);
  expect(await registry.metrics()).not.toContain('clock_skew');
  metrics.of('datadog').clockSkew(-61_500);
  metrics.of('prometheus').clockSkew(500);
  const name = 'cuj_gate_source_clock_skew_seconds';
  expect(await sampleOf(registry, name, { backend: 'datadog' })).toBe(-61.5);
  expect(await sampleOf(registry, name, { backend: 'prometheus' })).toBe(0.5);
});
