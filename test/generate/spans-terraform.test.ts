import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { parseRumSearch } from '../../src/demo/datadog/rum-search.ts';
import { resolveRegistry } from '../../src/domain/registry/resolve.ts';
import { terraform } from '../../src/generate/datadog/terraform.ts';
import { datadogDialect } from '../../src/sources/datadog/query/dialect.ts';
import { prometheusDialect } from '../../src/sources/prometheus/query/dialect.ts';
import { type Loose, registryOf, textOf } from './example.ts';
import { complaints, resources } from './provider-schema.ts';

const document = (): Loose => parse(readFileSync('test/testdata/spans-registry.yaml', 'utf8'));
const filesOf = (of: Loose) => terraform(registryOf(of), { notify: [] });
const metricsOf = (service: string, of: Loose = document()): Loose[] =>
  Object.values(
    JSON.parse(textOf(filesOf(of), `terraform/spans-${service}.tf.json`)).resource.datadog_spans_metric,
  );
const part = (metrics: readonly Loose[], name: string) =>
  metrics.find((metric) => metric.name.startsWith(`cuj_gate.spans.${name}`)) as Loose;

describe('the metrics of the spans of a service', () => {
  it('are what the provider takes', () => {
    for (const service of ['flags', 'ledger', 'search'])
      for (const metric of metricsOf(service)) {
        expect(complaints(resources.datadog_spans_metric as Loose, metric, metric.name)).toEqual([]);
        expect(metric.name).toMatch(/^[a-z][a-z0-9_.]{0,199}$/);
        expect(metric.compute).toEqual({ aggregation_type: 'count' });
      }
  });

  it('count one service in one env by operation, with the tags of selectors as attributes of the span', () => {
    const { filter, group_by } = part(metricsOf('flags'), 'flags.production.express_request.hits');
    expect(filter.query).toBe('env:"production" service:"flags" operation_name:"express.request"');
    expect(group_by).toEqual([
      { path: 'env', tag_name: 'env' },
      { path: 'resource_name', tag_name: 'resource_name' },
      { path: 'service', tag_name: 'service' },
      { path: '@track', tag_name: 'track' },
    ]);
    // Tags of where a pod runs are no attributes, and endpoints may have a tag of their own.
    const of = document();
    of.services.search.tags = { kube_cluster_name: 'eu-1' };
    expect(part(metricsOf('search', of), 'search.production.graphql_execute.hits').group_by).toEqual([
      { path: 'env', tag_name: 'env' },
      { path: '@feature', tag_name: 'feature' },
      { path: 'kube_cluster_name', tag_name: 'kube_cluster_name' },
      { path: 'service', tag_name: 'service' },
      { path: '@track', tag_name: 'track' },
    ]);
  });

  it('have other names with another operation: what counts the old one is not taken for it', () => {
    const of = document();
    const before = metricsOf('flags', of).map(({ name }) => name);
    of.services.flags.operation = 'fastify.request';
    const after = metricsOf('flags', of).map(({ name }) => name);
    expect(after.filter((name) => before.includes(name))).toEqual([]);
  });

  it('have resources and names of their own whatever services, envs and definitions are called', () => {
    const of = document();
    const flags = of.services.flags;
    of.services = {
      checkout: { ...flags, env: 'eu-prod' },
      'checkout-eu': { ...flags, env: 'prod' },
      [`${'long-'.repeat(19)}name`]: { ...flags, env: `production-of-${'a-region-'.repeat(5)}1` },
    };
    const failures = ['NOT_FOUND', 'ALREADY_EXISTS'].map((last) => ({
      grpc: ['INVALID_ARGUMENT', 'DEADLINE_EXCEEDED', 'RESOURCE_EXHAUSTED', 'FAILED_PRECONDITION', last],
    }));
    of.cujs = Object.keys(of.services).flatMap((service, i) =>
      failures.map((failure, j) => ({
        ...{ name: `cuj-${i}-${j}`, owner: 'team', service, failure },
        endpoints: [`GET /${j}`],
      })),
    );
    const found = filesOf(of).flatMap(({ path, text }) =>
      path.includes('/spans-') ? Object.entries(JSON.parse(text).resource.datadog_spans_metric) : [],
    ) as [string, Loose][];
    expect(found).toHaveLength(3 * 5);
    expect(new Set(found.map(([resource]) => resource)).size).toBe(found.length);
    expect(new Set(found.map(([, { name }]) => name)).size).toBe(found.length);
    for (const [, { name }] of found) expect(name.length).toBeLessThanOrEqual(200);
  });

  it.each([
    ['flags', '5xx', undefined, 'http.status_code', [200, 404, 429, 499, 500, 503, undefined], [500, 503]],
    [
      'flags',
      [`5xx`, 429],
      '5xx_429',
      'http.status_code',
      [200, 404, 429, 500, 503, undefined],
      [429, 500, 503],
    ],
    ['ledger', 'grpc', 'grpc', 'rpc.grpc.status_code', [0, 5, 14, 13, 16], [14, 13]],
    [
      'ledger',
      'grpc',
      'grpc',
      'grpc.code',
      ['OK', 'NotFound', 'Unavailable', 'DeadlineExceeded'],
      ['Unavailable', 'DeadlineExceeded'],
    ],
    [
      'ledger',
      'grpc',
      'grpc',
      'grpc.status.code',
      ['StatusCode.OK', 'StatusCode.INTERNAL', 'UNAVAILABLE'],
      ['StatusCode.INTERNAL', 'UNAVAILABLE'],
    ],
    ['search', 'errors', 'errors', 'status', ['ok', 'error'], ['error']],
  ])(
    'of %s put every request into one part by %j',
    (service, failure, label = '5xx', attribute, values, bad) => {
      const of = document();
      of.services[service].failure = failure;
      const metrics = metricsOf(service, of);
      const matches = (name: string) => {
        const where = `${service}.production.${of.services[service].operation.replace('.', '_')}`;
        const metric = part(metrics, `${where}.${name}`);
        return metric === undefined ? () => false : parseRumSearch(metric.filter.query);
      };
      const { operation } = of.services[service];
      for (const value of values) {
        const span = {
          env: 'production',
          service,
          operation_name: operation,
          ...(value === undefined ? {} : { [attribute]: value }),
        };
        const counted = ['hits', `failed.${label}`, `good.${label}`, 'no_status'].map((name) =>
          matches(name)(span),
        );
        const isBad = (bad as readonly unknown[]).includes(value);
        expect([value, ...counted]).toEqual([
          value,
          true,
          isBad,
          value !== undefined && !isBad,
          value === undefined,
        ]);
        expect(matches('hits')({ ...span, operation_name: 'http.request' })).toBe(false);
      }
    },
  );

  it('never count a status of gRPC that no tracer writes as good', () => {
    const good = parseRumSearch(
      part(metricsOf('ledger'), 'ledger.production.grpc_server.good.grpc').filter.query,
    );
    const span = { env: 'production', service: 'ledger', operation_name: 'grpc.server' };
    for (const code of [17, 'unavailable', 'Ok', ''])
      expect(good({ ...span, 'grpc.code': code })).toBe(false);
  });

  it('have names of their own in each environment, and are made where Prometheus is the own backend', () => {
    const of = document();
    of.cujs = [of.cujs[0]];
    of.services = { flags: of.services.flags };
    const resolution = resolveRegistry([{ file: 'cujs.yaml', document: of }], 'd', {
      dialect: prometheusDialect,
      dialects: { prometheus: prometheusDialect, datadog: datadogDialect },
      environment: 'prod-eu',
    });
    if (!resolution.ok) throw new Error(JSON.stringify(resolution.findings));
    const text = textOf(terraform(resolution.registry, { notify: [] }), 'terraform/spans-flags.tf.json');
    expect(text).toContain('"name": "cuj_gate.spans.flags.prod_eu.express_request.hits"');
  });
});

describe('the SLO of a service that is measured by its spans', () => {
  it('counts good requests, so that a metric which is missing is no success', () => {
    const { resource } = JSON.parse(textOf(filesOf(document()), 'terraform/cuj-toggle.tf.json'));
    const [{ count }] = resource.datadog_service_level_objective.cuj_toggle_availability.sli_specification;
    const [{ good_events_formula: good, bad_events_formula: bad, queries }] = count;
    expect([good, bad]).toEqual(['good', 'total - good']);
    expect(queries.map(({ metric_query: [{ query }] }: Loose) => query)).toEqual([
      // How Datadog stores the end of a route is not documented.
      'sum:cuj_gate.spans.flags.production.express_request.hits{env:production AND resource_name IN (get_/flags/_id,get_/flags/_id_,post_/toggle,post_/toggle_)}.as_count()',
      'sum:cuj_gate.spans.flags.production.express_request.good.5xx{env:production AND resource_name IN (get_/flags/_id,get_/flags/_id_,post_/toggle,post_/toggle_)}.as_count()',
    ]);
  });

  it('adds up with a service that trace metrics measure', () => {
    const of = document();
    of.services.web = { env: 'production', operation: 'express.request', canary: 'version:{version}' };
    of.cujs[0].endpoints.push({ service: 'web', method: 'GET', path: '/' });
    const { resource } = JSON.parse(textOf(filesOf(of), 'terraform/cuj-toggle.tf.json'));
    const [{ count }] = resource.datadog_service_level_objective.cuj_toggle_availability.sli_specification;
    expect(count[0]).toMatchObject({
      good_events_formula: 'total_1 + total_2 - (total_1 - good_1) - bad_2',
      bad_events_formula: '(total_1 - good_1) + bad_2',
    });
  });
});
