import { describe, expect, it } from 'vitest';
import { resolveRegistry } from '../../../../src/domain/registry/resolve.ts';
import type { RegistryDocument, SourceDocument } from '../../../../src/domain/registry/schema.ts';
import { datadogDialect } from '../../../../src/sources/datadog/query/dialect.ts';
import {
  boundaryMatcher,
  boundaryOf,
  bucketMatcher,
  latencyMsOf,
  leOf,
} from '../../../../src/sources/prometheus/query/bucket-boundaries.ts';
import { prometheusDialect } from '../../../../src/sources/prometheus/query/dialect.ts';
import { describeQueries } from '../../../../src/sources/prometheus/query/query-plan.ts';
import { batchOf, digest, document, registryOf, timedDocument } from '../traffic.ts';

const total = 'http_requests_total{job="{service}"}';
const bad = 'http_requests_total{job="{service}",code=~"5.."}';

function parse(over: Partial<SourceDocument>) {
  return prometheusDialect.parseSource('app', { total, bad, ...over });
}

function problems(over: Partial<SourceDocument>) {
  const parsed = parse(over);
  if (parsed.ok) throw new Error('it has no problem');
  return parsed.problems;
}

describe('a source with durations', () => {
  it.each([
    ['http_request_duration_seconds_bucket', 'classic', 'seconds'],
    ['http_request_duration_seconds', 'native', 'seconds'],
    ['app:latency_milliseconds_bucket', 'classic', 'milliseconds'],
    ['response_latency_ms', 'native', 'milliseconds'],
  ])('knows of %s what it is, and in what unit', (metric, kind, unit) => {
    const parsed = parse({ duration: `${metric}{job="{service}"}` });
    expect(parsed).toMatchObject({
      ok: true,
      source: { hasDurations: true, durations: { selector: { metric }, kind, unit } },
    });
    expect(parsed).toEqual(JSON.parse(JSON.stringify(parsed)));
  });

  it('may state a unit that the name does not say, or says as well', () => {
    for (const metric of ['latency', 'latency_bucket', 'latency_ms_bucket'])
      expect(parse({ duration: `${metric}{job="{service}"}`, durationUnit: 'milliseconds' })).toMatchObject({
        source: { durations: { unit: 'milliseconds' } },
      });
  });

  it.each([
    ['istio', 'istio_request_duration_milliseconds_bucket', 'milliseconds'],
    ['linkerd', 'response_latency_ms_bucket', 'milliseconds'],
    ['opentelemetry', 'http_server_request_duration_seconds_bucket', 'seconds'],
  ])('may be the preset %s', (name, metric, unit) => {
    const preset = `preset:${name}`;
    expect(parse({ total: preset, bad: preset, duration: preset })).toMatchObject({
      source: { durations: { selector: { metric }, kind: 'classic', unit } },
    });
  });

  it.each<[Partial<SourceDocument>, string, string]>([
    [{ duration: 'latency_bucket{job="{service}"}' }, 'duration', 'does not say in what unit'],
    [{ duration: 'latency_toString{job="{service}"}' }, 'duration', 'does not say in what unit'],
    [
      { duration: 'latency_minutes_bucket{job="{service}"}', durationUnit: 'seconds' },
      'duration',
      'says that durations are in minutes',
    ],
    [
      { duration: 'latency_microseconds_bucket{job="{service}"}' },
      'duration',
      'says that durations are in microseconds',
    ],
    [
      { duration: 'latency_seconds_bucket{job="{service}"}', durationUnit: 'milliseconds' },
      'durationUnit',
      'durationUnit says milliseconds, and the name latency_seconds_bucket says seconds',
    ],
    [{ durationUnit: 'seconds' }, 'durationUnit', 'the source has no duration'],
    [{ duration: 'preset:envoy' }, 'duration', 'there is no preset:envoy'],
    [{ duration: 'latency_seconds_sum{job="{service}"}' }, 'duration', 'latency_seconds_sum has no buckets'],
    [{ duration: 'latency_seconds_count{job="{service}"}' }, 'duration', 'has no buckets'],
    [{ duration: 'a_seconds_bucket{job="{service}",le="0.3"}' }, 'duration', 'a matcher of le'],
    [{ duration: 'a_seconds{job="{service}",quantile="0.99"}' }, 'duration', 'a matcher of quantile'],
    [{ duration: 'a_seconds_bucket' }, 'duration', 'does not name {service}'],
    [{ duration: 'a_seconds_bucket{job=~"{service}"}' }, 'duration', 'in a matcher with =~'],
    [
      { duration: 'rate(a_seconds_bucket{job="{service}"}[5m])' },
      'duration',
      'this is not a selector of a histogram',
    ],
    [{ duration: 'a_seconds_bucket{job="{service}"} or up' }, 'duration', 'stands behind'],
  ])('is refused: %j', (over, field, message) => {
    const found = problems(over);
    expect(found).toMatchObject([{ field, message: expect.stringContaining(message) }]);
    expect(found[0]?.fix).toMatch(/./);
    expect(found[0]?.fix).not.toContain('http_requests_total');
  });

  it('is shown with the query of its boundaries, all of one service alike', () => {
    const tagged = {
      ...timedDocument,
      services: {
        orders: { env: 'production', source: 'app', canary: 'version:{version}', tags: { cluster: 'eu-1' } },
      },
    };
    expect(describeQueries(batchOf(registryOf(tagged)))).toEqual([
      { name: 'requests', query: 'http_requests_total{job="orders",cluster="eu-1"}' },
      {
        name: 'durations',
        query:
          'http_request_duration_seconds_bucket{job="orders",cluster="eu-1",le=~"\\\\+?0*\\\\.30*|\\\\+?0*1(\\\\.0*)?|.*[eE].*|\\\\+?[Ii][Nn][Ff].*"}',
      },
    ]);
  });
});

describe('a boundary', () => {
  it('is the very number that clients write, whatever the unit', () => {
    for (const [latencyMs, text] of [
      [300, '0.3'],
      [0.1, '0.0001'],
      [1, '0.001'],
      [4_700, '4.7'],
      [0.0001, '1e-7'],
      [123.456, '0.123456'],
      [600_000, '600'],
    ] as const) {
      expect(boundaryOf(latencyMs, 'seconds')).toBe(Number(text));
      expect(latencyMsOf(Number(text), 'seconds')).toBe(latencyMs);
      expect(boundaryOf(latencyMs, 'milliseconds')).toBe(latencyMs);
    }
  });

  it('is matched in each notation of it, and in no notation of another number without an exponent', () => {
    const matches = (boundary: number, le: string) =>
      new RegExp(`^(?:${bucketMatcher([boundary]).value})$`).test(le);
    const matchesAlone = (boundary: number, le: string) =>
      new RegExp(`^(?:${boundaryMatcher(boundary).value})$`).test(le);
    for (const [boundary, notations] of [
      [0.3, ['0.3', '0.30', '.3', '+0.3', '00.300', '3e-1']],
      [1, ['1', '1.0', '1.', '+1.00', '01', '1E+00']],
      [1_000, ['1000', '1000.0', '1e+03']],
      [2.5, ['2.5', '2.50', '02.5']],
      [0.0000001, ['0.0000001', '1e-07']],
    ] as const) {
      for (const le of [...notations, '+Inf', 'Inf', '+inf', 'Infinity']) {
        expect([boundary, le, matches(boundary, le)]).toEqual([boundary, le, true]);
        if (!/inf/i.test(le)) expect(leOf(le)).toBe(boundary);
        expect([boundary, le, matchesAlone(boundary, le)]).toEqual([boundary, le, !/inf/i.test(le)]);
      }
    }
    for (const [boundary, other] of [
      [0.3, '0.31'],
      [0.3, '0.03'],
      [0.3, '10.3'],
      [1, '10'],
      [1, '11'],
      [1, '1.01'],
      [1_000, '100'],
      [2.5, '2.55'],
      [2.5, '25'],
    ] as const)
      for (const test of [matches, matchesAlone])
        expect([boundary, other, test(boundary, other)]).toEqual([boundary, other, false]);
    // Where labels cannot be compared afterwards, another exponent is another number.
    for (const other of ['3e-2', '3e1', '3.1e-1', '3e-11', '13e-1', '3e-10'])
      expect([other, matchesAlone(0.3, other)]).toEqual([other, false]);
  });

  it('is a number, or there is none', () => {
    expect(leOf('+Inf')).toBe(Number.POSITIVE_INFINITY);
    for (const text of ['', ' ', 'e', '0x10', '1_000', 'NaN', '1e', '1 ', '--1'])
      expect(leOf(text)).toBeNaN();
  });
});

describe('a registry with latency', () => {
  const resolve = (of: RegistryDocument, dialect = prometheusDialect) =>
    resolveRegistry([{ file: 'cujs.yaml', document: of }], digest, { dialect });
  const findings = (of: RegistryDocument, dialect = prometheusDialect) => {
    const resolution = resolve(of, dialect);
    return resolution.ok ? [] : resolution.findings;
  };

  it('has thresholds where the source has durations', () => {
    const registry = registryOf(timedDocument);
    expect(registry.cujs.get('order')?.objectives.latency?.percent).toBe(95);
    expect(registry.batches[0]?.services[0]?.thresholds).toEqual([
      { latencyMs: 300, resources: ['*', 'POST /Orders/{id}'] },
      { latencyMs: 1_000, resources: ['GET /Orders/{id}/Items'] },
    ]);
  });

  it('is refused where the source has none, and says what to write', () => {
    const found = findings({
      ...timedDocument,
      sources: document.sources as NonNullable<typeof document.sources>,
    });
    expect(found.map(({ rule, path }) => [rule, path.join('.')])).toEqual([
      ['latency-on-template', 'cujs.0.endpoints.0.latencyMs'],
      ['latency-on-template', 'cujs.0.endpoints.1.latencyMs'],
      ['latency-on-template', 'cujs.1.latencyMs'],
    ]);
    for (const { message, fix } of found) {
      expect(message).toContain('durations');
      expect(fix).toContain('duration: http_request_duration_seconds_bucket{job="{service}"}');
    }
  });

  it('is said once to be wrong where the source itself is', () => {
    const app = { total, bad, duration: 'rate(x)' };
    expect(findings({ ...timedDocument, sources: { app } })).toMatchObject([
      { path: ['sources', 'app', 'duration'], rule: 'source-template' },
    ]);
  });

  it('has durations with Prometheus only', () => {
    const istio = {
      total: 'sum:istio.count{service:{service},{selector}}.as_count()',
      bad: 'sum:istio.count{service:{service},{selector},code:5*}.as_count()',
      duration: 'preset:istio',
    };
    const of: RegistryDocument = {
      apiVersion: 'cuj-gate/v1',
      defaults: { slo: { availability: 99, latency: 99 } },
      sources: { istio },
      services: { shop: { env: 'production', source: 'istio', canary: 'version:{version}' } },
      cujs: [{ name: 'buy', owner: 'team', service: 'shop', endpoints: '*', latencyMs: 300 }],
    };
    expect(findings(of, datadogDialect)).toMatchObject([
      { path: ['sources', 'istio', 'duration'], fix: expect.stringContaining('trace metrics only') },
    ]);
  });
});
