import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { checkSpanMetrics, checkSpanTraffic } from '../../src/doctor/check-spans.ts';
import type { BackendFacts, ServiceFacts } from '../../src/domain/ports/backend-facts.ts';
import type { Service } from '../../src/domain/registry/model.ts';
import { spanMetricsOf } from '../../src/sources/datadog/query/span-metrics.ts';
import { registryOf } from '../generate/example.ts';

const registry = registryOf(parse(readFileSync('test/testdata/spans-registry.yaml', 'utf8')));
const flags = registry.services.get('flags') as Service;
const metrics = spanMetricsOf(registry, flags);
const base = 'cuj_gate.spans.flags.production.express_request';

const found = (missing: readonly string[], tags: BackendFacts['tags'] = new Map()) =>
  checkSpanMetrics(
    registry,
    {
      fromMs: 0,
      toMs: 1,
      calls: 1,
      failures: [],
      activeMetrics: new Set(metrics.map(({ name }) => name).filter((name) => !missing.includes(name))),
      tags,
      services: new Map(),
      slos: undefined,
    },
    flags,
  ).map(({ check, verdict }) => [check, verdict]);

describe("doctor and the metrics of a service's spans", () => {
  it('finds nothing where all are there, or nothing failed and every span has a status', () => {
    expect(found([])).toEqual([]);
    expect(found([`${base}.failed.5xx`, `${base}.no_status`])).toEqual([]);
  });

  it('tells metrics that nobody made', () => {
    expect(found(metrics.map(({ name }) => name))).toEqual([
      ['spans-metric-missing', expect.stringContaining('no_data')],
    ]);
    expect(found([`${base}.good.5xx`])).toEqual([
      ['spans-metric-missing', expect.stringContaining('source_malformed')],
    ]);
  });

  it('tells a tag that they lack', () => {
    const tags = new Map([[`${base}.hits`, new Map([['env', new Set(['production'])]])]]);
    expect(found([], tags)).toEqual([['spans-tag-missing', expect.stringContaining('no_data')]]);
  });

  it.each<[string, Partial<ServiceFacts>, NonNullable<ServiceFacts['spans']>, string[]]>([
    ['all', { total: 9_990, bad: 10 }, { tracedRequests: 10_000, tracedErrors: 10 }, []],
    ['1%', { total: 100, bad: 0 }, { tracedRequests: 10_000, tracedErrors: 10 }, ['spans-sampled']],
    [
      '1%, and every failure',
      { total: 110, bad: 10 },
      { tracedRequests: 10_000, tracedErrors: 10 },
      ['spans-sampled', 'spans-biased'],
    ],
    [
      'most without a status',
      { total: 900, bad: 0 },
      { tracedRequests: 900, tracedErrors: 0, withoutStatus: 800 },
      ['status-code-missing'],
    ],
  ])('compares the spans with all requests: %s', (_, counts, spans, checks) => {
    const facts = { total: 0, bad: 0, spans, ...counts } as ServiceFacts;
    expect(checkSpanTraffic(registry, flags, facts).map(({ check }) => check)).toEqual(checks);
  });
});
