import { describe, expect, it } from 'vitest';
import { simulatedSources } from '../../src/commands/support/demo-sources.ts';
import type { SourceDocument } from '../../src/domain/registry/schema.ts';
import { labelOf, matcherTest } from '../../src/sources/prometheus/query/label-matchers.ts';
import { planDurations, planQuery } from '../../src/sources/prometheus/query/query-plan.ts';
import { badMatchers, counterSourceOf } from '../../src/sources/prometheus/query/source-template.ts';
import { document, registryOf } from '../sources/prometheus/traffic.ts';

const registryWith = (app: SourceDocument, latencyMs?: number) =>
  registryOf({
    ...document,
    sources: { app },
    services: { orders: document.services?.orders as never },
    cujs: [
      {
        name: 'order',
        owner: 'team-orders',
        service: 'orders',
        slo: { availability: 99.9, ...(latencyMs === undefined ? {} : { latency: 99 }) },
        endpoints:
          app.groupBy === undefined && !app.total.includes('opentelemetry') ? '*' : ['POST /Orders/{id}'],
        ...(latencyMs === undefined ? {} : { latencyMs }),
      },
    ],
  });

const request = (statusCode: number) => ({
  operation: '',
  env: 'production',
  service: 'orders',
  version: 'v2',
  resource: 'POST /Orders/{id}',
  statusCode,
  primaryTags: { version: 'V2' },
});

describe('the series of simulated pods', () => {
  it.each<[string, SourceDocument]>([
    ['a preset with routes', { total: 'preset:opentelemetry', bad: 'preset:opentelemetry' }],
    ['a preset without', { total: 'preset:istio', bad: 'preset:istio' }],
    ['one that tells failures by a word', { total: 'preset:linkerd', bad: 'preset:linkerd' }],
    [
      'matchers of all kinds',
      {
        total: 'c_total{job="shop/{service}",zone=~"eu-[12]|us",route!="/healthz",le!~"a.*",env="{env}"}',
        bad: 'c_total{job="shop/{service}",zone=~"eu-[12]|us",route!="/healthz",le!~"a.*",env="{env}",grpc!="OK",code=~"(5..|429)"}',
        groupBy: 'method/route',
      },
    ],
    [
      'failures that are told by what they are not',
      {
        total: 'c_total{job="{service}"}',
        bad: 'c_total{job="{service}",outcome!~"success|ok"}',
        groupBy: 'handler',
      },
    ],
  ])('are selected by %s, and only failures by bad', (_, app) => {
    const registry = registryWith(app);
    const { exports, notSimulated } = simulatedSources(registry);
    expect([...notSimulated]).toEqual([]);
    const [batch] = registry.batches;
    if (batch === undefined) throw new Error('no batch');
    const { metric, matchers, serviceLabel, services } = planQuery(batch);
    const source = counterSourceOf(batch.template as never);
    for (const status of [200, 500]) {
      const [series] = exports(request(status));
      const labels = series?.labels ?? {};
      expect(series?.metric).toBe(metric);
      expect(services.get(labelOf(labels, serviceLabel))).toBe('orders');
      expect(matchers.filter((one) => !matcherTest(one)(labels))).toEqual([]);
      expect(badMatchers(source).every((one) => matcherTest(one)(labels))).toBe(status === 500);
      expect(labels).toMatchObject({ version: 'V2' });
      const endpoint = source.endpointLabels.map((label) => labelOf(labels, label)).join(' ');
      expect(['', 'POST /Orders/{id}']).toContain(endpoint);
    }
  });

  it('fail by the definition that the endpoint has', () => {
    const [order] = document.cujs ?? [];
    const registry = registryOf({
      ...document,
      cujs: [{ ...order, failure: [401] }] as NonNullable<typeof document.cujs>,
    });
    const { exports } = simulatedSources(registry);
    for (const statusCode of [401, 500])
      expect(exports(request(statusCode)).map(({ labels }) => labels.code)).toEqual(['401']);
    expect(exports(request(200)).map(({ labels }) => labels.code)).toEqual(['200']);
  });

  it('fail by all definitions of an endpoint, where one status can', () => {
    const [order] = document.cujs ?? [];
    const cujs = [
      { ...order, failure: [401, 503] },
      { ...order, name: 'other', failure: ['5xx'] },
      { ...order, name: 'all', endpoints: '*' },
    ] as NonNullable<typeof document.cujs>;
    const { exports } = simulatedSources(registryOf({ ...document, cujs }));
    expect(exports(request(500)).map(({ labels }) => labels.code)).toEqual(['503']);
  });

  it('succeed by a status of gRPC, where that tells failures', () => {
    const app = {
      total: 'c_total{job="{service}"}',
      bad: 'c_total{job="{service}",grpc_code=~"Internal|Unavailable"}',
      groupBy: 'method/route',
    };
    const [order] = document.cujs ?? [];
    const cujs = [{ ...order, failure: 'grpc' }] as NonNullable<typeof document.cujs>;
    const { exports } = simulatedSources(registryOf({ ...document, sources: { app }, cujs }));
    expect(exports(request(200)).map(({ labels }) => labels.grpc_code)).toEqual(['ok']);
    expect(exports(request(500)).map(({ labels }) => labels.grpc_code)).toEqual(['Internal']);
  });

  it('have buckets that end at the thresholds of the registry', () => {
    const registry = registryWith(
      {
        total: 'c_total{job="{service}"}',
        bad: 'c_total{job="{service}",code="500"}',
        duration: 'd_seconds_bucket{app="{service}"}',
        groupBy: 'method/route',
      },
      250,
    );
    const [batch] = registry.batches;
    const planned = planDurations(batch as never);
    const [, ...buckets] = simulatedSources(registry).exports(request(500));
    expect(buckets.map(({ labels }) => labels.le)).toEqual(['0.25', '+Inf']);
    for (const { metric, labels } of buckets) {
      expect(metric).toBe(planned?.metric);
      expect(planned?.matchers.every((one) => matcherTest(one)(labels))).toBe(true);
      expect(labels).toMatchObject({ version: 'V2', method: 'POST', route: '/Orders/{id}' });
    }
  });

  it('are not there where no value of a label is known, or where histograms are native', () => {
    const total = 'c_total{job="{service}"}';
    const odd = registryWith({ total, bad: `${total.slice(0, -1)},code=~"[^0-9a-zA-Z]x"}` });
    expect([...simulatedSources(odd).notSimulated]).toEqual([
      ['orders', expect.stringContaining('no value is known that code=~"[^0-9a-zA-Z]x" selects')],
    ]);
    const document = {
      total,
      bad: `${total.slice(0, -1)},code="500"}`,
      duration: 'd_seconds{job="{service}"}',
    };
    const native = simulatedSources(registryWith({ ...document, groupBy: 'method/route' }, 250));
    expect([...native.withoutDurations]).toEqual([['orders', expect.stringContaining('native histogram')]]);
    expect(native.exports(request(200))).toHaveLength(1);
  });
});
