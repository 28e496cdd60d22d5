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
  const metrics = createSourceMetrics(registry, () => now);
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
  expect(await sampleOf(registry, `${name}_sum`, { outcome: 'ok' })).toBeCloseTo(0.25);
  expect(await sampleOf(registry, `${name}_sum`, { outcome: 'source_rate_limited' })).toBeCloseTo(1.5);
  expect(await sampleOf(registry, `${name}_count`, { outcome: 'ok' })).toBe(1);
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

it('says nothing of the rate limit before Datadog did', async () => {
  const registry = new Registry();
  const metrics = createSourceMetrics(registry);
  expect(await registry.metrics()).not.toContain('rate_limit_remaining');
  metrics.rateLimitRemaining(41);
  metrics.rateLimitRemaining(40);
  expect(await sampleOf(registry, 'cuj_gate_source_rate_limit_remaining')).toBe(40);
});

it('shows how far the clock is ahead of Datadog’s, once that is known', async () => {
  const registry = new Registry();
  const metrics = createSourceMetrics(registry);
  expect(await registry.metrics()).not.toContain('clock_skew');
  metrics.clockSkew(-61_500);
  expect(await sampleOf(registry, 'cuj_gate_source_clock_skew_seconds')).toBe(-61.5);
});
