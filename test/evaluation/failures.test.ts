import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Simulator, startDatadogSimulator } from '../../src/demo/datadog/simulator.ts';
import { sloHistory, storeSlo } from '../../src/demo/datadog/slo.ts';
import type { Verdict } from '../../src/domain/judge/judge.ts';
import type { MetricsSource, SideCounts } from '../../src/domain/metrics/metrics-source.ts';
import type { Cuj, Endpoint, QueryBatch, Registry } from '../../src/domain/registry/model.ts';
import { resolveRegistry } from '../../src/domain/registry/resolve.ts';
import type { RegistryDocument } from '../../src/domain/registry/schema.ts';
import { availability } from '../../src/domain/sli/availability.ts';
import { createEvaluator } from '../../src/evaluation/evaluator.ts';
import { terraform } from '../../src/generate/datadog/terraform.ts';
import { createDatadogApi, DatadogConnection } from '../../src/sources/datadog/api/connection.ts';
import { hourlyTraffic } from '../../src/sources/datadog/api/hourly-traffic.ts';
import { createDatadogSource } from '../../src/sources/datadog/api/source.ts';
import { datadogDialect } from '../../src/sources/datadog/query/dialect.ts';
import { type SloEvents, sloEvents } from '../../src/sources/datadog/query/slo-queries.ts';

/**
 * What counts as a failure, the whole way: a registry, its queries, a Datadog that evaluates them, and verdicts. What is true is counted
 * here, from the requests that were made.
 */

const minute = 60_000;
const now = Date.UTC(2026, 0, 31, 12, 0, 0);
/** The canary has traffic for so long, stable for 50 minutes. */
const canaryMinutes = 20;

interface Request {
  readonly service: string;
  readonly operation: string;
  readonly resource: string;
  readonly statusCode?: number;
  readonly grpcCode?: number;
  readonly isError?: boolean;
  /** Requests a minute. */
  readonly canary?: number;
  readonly stable?: number;
}

const rpc = { service: 'ledger', operation: 'grpc.server', resource: '/ledger.v1.Ledger/Post' };
const search = { service: 'graph', operation: 'graphql.execute', resource: 'query Search' };
const signUp = { service: 'graph', operation: 'graphql.execute', resource: 'mutation SignUp' };
const login = { service: 'web', operation: 'express.request', resource: 'POST /login' };
const pay = { service: 'web', operation: 'express.request', resource: 'POST /pay' };

const requests: readonly Request[] = [
  { ...rpc, grpcCode: 0, canary: 90, stable: 400 },
  // The callers' own mistakes: every third call of both sides, and more of the canary's.
  { ...rpc, grpcCode: 5, isError: true, canary: 40, stable: 100 },
  { ...rpc, resource: '/ledger.v1.Ledger/Read', grpcCode: 0, canary: 90, stable: 400 },
  { ...rpc, resource: '/ledger.v1.Ledger/Read', grpcCode: 14, isError: true, canary: 3 },
  { ...rpc, resource: '/ledger.v1.Ledger/Read', grpcCode: 13, isError: true, canary: 2 },
  { ...search, canary: 95, stable: 400 },
  { ...search, isError: true, canary: 5 },
  { ...signUp, canary: 100, stable: 400 },
  { ...login, statusCode: 200, canary: 60, stable: 396 },
  // Some passwords are always wrong.
  { ...login, statusCode: 401, canary: 40, stable: 4 },
  { ...pay, statusCode: 200, canary: 97, stable: 400 },
  { ...pay, statusCode: 503, isError: true, canary: 3 },
  { ...pay, statusCode: 401, canary: 5, stable: 20 },
];

const traced = (operation: string, more: object = {}) => ({
  env: 'production',
  operation,
  canary: 'version:{version}',
  ...more,
});
const cuj = (name: string, service: string, endpoints: unknown, more: object = {}) => ({
  name,
  owner: 'team',
  service,
  endpoints,
  ...more,
});
const resource = ({ resource: raw }: { readonly resource: string }, more: object = {}) => ({
  resource: datadogDialect.storedTagValue(raw),
  ...more,
});
const read = { ...rpc, resource: '/ledger.v1.Ledger/Read' };

const document = {
  apiVersion: 'cuj-gate/v1',
  defaults: { slo: { availability: 98 }, gate: { maxWindow: '45m', minRequests: 20 } },
  services: {
    ledger: traced('grpc.server', { failure: 'grpc' }),
    graph: traced('graphql.execute', { failure: 'errors' }),
    web: traced('express.request'),
  },
  cujs: [
    cuj('post', 'ledger', [resource(rpc)]),
    cuj('read', 'ledger', [resource(read)]),
    cuj('read-internal', 'ledger', [resource(read)], { failure: { grpc: ['INTERNAL'] } }),
    cuj('read-by-http', 'ledger', [resource(read)], { failure: '5xx' }),
    cuj('ledger', 'ledger', '*'),
    cuj('search', 'graph', [resource(search)]),
    cuj('sign-up', 'graph', [resource(signUp)]),
    cuj('graph', 'graph', '*'),
    cuj('login', 'web', ['POST /login']),
    cuj('login-storm', 'web', ['POST /login'], { failure: ['5xx', 401] }),
    cuj('web', 'web', '*'),
    cuj('pay', 'web', ['POST /pay']),
    // Endpoints of one CUJ that fail in different ways, in three services.
    cuj(
      'mixed',
      'web',
      [
        'POST /pay',
        { method: 'POST', path: '/login', failure: ['5xx', 401] },
        { service: 'graph', ...resource(search, { failure: 'errors' }) },
        { service: 'ledger', ...resource(read, { failure: { grpc: ['UNAVAILABLE'] } }) },
      ],
      { failure: ['5xx', 401] },
    ),
  ],
} as unknown as RegistryDocument;

/** The truth: what is bad by a definition, among the canary's requests of some resources. */
function counted(isBad: (request: Request) => boolean, ...of: readonly { readonly resource: string }[]) {
  const names = of.map((one) => one.resource);
  const own = requests.filter((request) => names.includes(request.resource));
  const sum = (some: readonly Request[]) =>
    some.reduce((all, { canary = 0 }) => all + canary * canaryMinutes, 0);
  return { total: sum(own), bad: sum(own.filter(isBad)) };
}

let datadog: Simulator;
let connection: DatadogConnection;
const verdicts = new Map<string, Verdict>();
let registry: Registry;
/** Of all questions: two spans of every scope that a CUJ has services in. */
let spans = 0;
let source: MetricsSource;

beforeAll(async () => {
  datadog = await startDatadogSimulator({ now: () => now, apiKey: 'k', applicationKey: 'a' });
  for (const { canary = 0, stable = 0, isError = false, ...request } of requests) {
    for (const [version, count, minutes] of [
      ['v2', canary, canaryMinutes],
      ['v1', stable, 50],
    ] as const) {
      for (let ago = 3; ago < 3 + minutes; ago += 1) {
        const at = now - ago * minute + 20_000;
        const errors = isError ? count : 0;
        datadog.store.recordRequests({ env: 'production', version, at, count, errors, ...request });
      }
    }
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
  const resolved = resolveRegistry([{ file: 'cujs.yaml', document }], `sha256:${'0'.repeat(64)}`, {
    dialect: datadogDialect,
  });
  if (!resolved.ok) throw new Error(JSON.stringify(resolved.findings));
  registry = resolved.registry;
  const evaluator = createEvaluator({ registry: () => registry, now: () => now, source });
  for (const name of registry.cujs.keys()) {
    const { verdict } = await evaluator.cuj(
      { cuj: name, params: new Map([['version', 'v2']]) },
      new AbortController().signal,
    );
    verdicts.set(name, verdict);
    spans += 2 * new Set(verdict.services.map((of) => registry.batchOfService.get(of))).size;
  }
});
afterAll(async () => {
  await connection.close();
  await datadog.stop();
});

const sli = (name: string) => verdicts.get(name)?.slis[0];
const counts = (name: string) => ({ total: sli(name)?.total, bad: sli(name)?.bad });
const outcome = (name: string) => `${verdicts.get(name)?.verdict} ${verdicts.get(name)?.reason}`;

const is5xx = ({ statusCode = 0 }: Request) => statusCode >= 500;

describe('a gRPC service', () => {
  const serverFault = ({ grpcCode = 0 }: Request) => [2, 4, 12, 13, 14, 15].includes(grpcCode);

  it('fails by UNAVAILABLE and INTERNAL', () => {
    expect(outcome('read')).toBe('fail slo_violated');
    expect(counts('read')).toEqual(counted(serverFault, read));
    expect(counts('read').bad).toBe(100);
  });

  it('does not fail by NOT_FOUND, which the tracer marks as an error', () => {
    expect(outcome('post')).toMatch(/^pass /);
    expect(counts('post')).toEqual(counted(serverFault, rpc));
    expect(counts('post').bad).toBe(0);
  });

  it('fails by the listed statuses only', () => {
    expect(counts('read-internal')).toEqual(counted(({ grpcCode }) => grpcCode === 13, read));
    expect(counts('read-internal').bad).toBe(40);
  });

  it('is inconclusive by statuses of HTTP, which its requests do not have', () => {
    expect(outcome('read-by-http')).toBe('inconclusive status_missing');
  });

  it('is judged as a whole in the same way', () => {
    expect(counts('ledger')).toEqual(counted(serverFault, rpc, read));
  });
});

describe('a GraphQL service', () => {
  const isError = ({ isError: flagged = false }: Request) => flagged;

  it('fails by errors in answers with status 200', () => {
    expect(outcome('search')).toBe('fail slo_violated');
    expect(counts('search')).toEqual(counted(isError, search));
    expect(counts('search').bad).toBe(100);
  });

  it('passes on an operation without errors, of which there is no series', () => {
    expect(outcome('sign-up')).toMatch(/^pass /);
    expect(counts('sign-up')).toEqual({ total: 2000, bad: 0 });
  });

  it('is judged as a whole in the same way', () => {
    expect(counts('graph')).toEqual(counted(isError, search, signUp));
  });
});

describe('a storm of 401 at login', () => {
  it('fails where 401 is a failure', () => {
    expect(outcome('login-storm')).toBe('fail slo_violated');
    expect(counts('login-storm')).toEqual(
      counted((request) => is5xx(request) || request.statusCode === 401, login),
    );
  });

  it('passes by default', () => {
    expect(outcome('login')).toMatch(/^pass /);
    expect(counts('login')).toEqual({ total: 2000, bad: 0 });
    expect(counts('web')).toEqual(counted(is5xx, login, pay));
  });
});

describe('what the verdict says of it', () => {
  it('is nothing where failures are 5XX', () => {
    expect(JSON.stringify(verdicts.get('pay'))).not.toContain('"failure"');
    expect(verdicts.get('pay')?.summary).toContain('60 of 2100 requests failed (97.142%, objective 98%');
  });

  it('is in the line and with each endpoint where something else counts', () => {
    expect(verdicts.get('login-storm')?.summary).toContain(
      '800 of 2000 requests failed by 5xx, 401 (60%, objective 98%',
    );
    expect(sli('search')?.failure).toBe('errors');
    expect(sli('mixed')?.failure?.split('; ').sort()).toEqual(['5xx, 401', 'errors', 'grpc UNAVAILABLE']);
    const endpoints = sli('mixed')?.endpoints.map(({ endpoint, failure }) => [endpoint, failure]);
    expect(new Map(endpoints as [string, string][]).get('query_search')).toBe('errors');
  });

  it('names the status that is missing', () => {
    const { summary, hint } = verdicts.get('read-by-http') as Verdict;
    expect(summary).toContain('carry no status');
    expect(hint).toContain('failure: grpc');
  });
});

describe('a CUJ whose endpoints fail in different ways', () => {
  it('sums what each of them counts, by the most specific definition', () => {
    const parts = [
      counted((request) => is5xx(request) || request.statusCode === 401, pay, login),
      counted(({ isError = false }) => isError, search),
      counted(({ grpcCode }) => grpcCode === 14, read),
    ];
    expect(counts('mixed')).toEqual({
      total: parts.reduce((sum, { total }) => sum + total, 0),
      bad: parts.reduce((sum, { bad }) => sum + bad, 0),
    });
    expect(counts('pay')).toEqual(counted(is5xx, pay));
  });
});

describe('the SLOs and dashboards of the same CUJs', () => {
  /** Canary and stable together, which is what an SLO counts. */
  const ratio = (isBad: (request: Request) => boolean, ...of: readonly { readonly resource: string }[]) => {
    const names = of.map((one) => one.resource);
    const all = (some: readonly Request[]) =>
      some.reduce((sum, { canary = 0, stable = 0 }) => sum + canary * canaryMinutes + stable * 50, 0);
    const own = requests.filter((request) => names.includes(request.resource));
    return { total: all(own), bad: all(own.filter(isBad)) };
  };
  const events = (name: string) => sloEvents(registry, registry.cujs.get(name) as Cuj, 'availability');
  const measured = (name: string) => {
    const { good, bad, queries } = events(name) as SloEvents;
    const slo = storeSlo(
      {
        name,
        thresholds: [{ timeframe: '30d', target: 98 }],
        sli_specification: {
          count: {
            good_events_formula: { formula: good },
            bad_events_formula: { formula: bad },
            queries: queries.map((one) => ({ data_source: 'metrics', ...one })),
          },
        },
      },
      now,
    );
    const to = now / 1000;
    const history = sloHistory(slo, to - 4 * 3600, to, datadog.store) as {
      readonly series: { readonly numerator: { sum: number }; readonly denominator: { sum: number } };
    };
    const [goodSum, total] = [history.series.numerator.sum, history.series.denominator.sum];
    return { total, bad: total - goodSum };
  };

  it('count what the verdicts count', () => {
    expect(measured('read')).toEqual(ratio(({ grpcCode = 0 }) => [13, 14].includes(grpcCode), read));
    expect(measured('search')).toEqual(ratio(({ isError = false }) => isError, search));
    expect(measured('login-storm')).toEqual(ratio(({ statusCode }) => statusCode === 401, login));
    expect(measured('login')).toEqual(ratio(is5xx, login));
    const mixed = [
      ratio((request) => is5xx(request) || request.statusCode === 401, pay, login),
      ratio(({ isError = false }) => isError, search),
      ratio(({ grpcCode }) => grpcCode === 14, read),
    ];
    expect(measured('mixed')).toEqual({
      total: mixed.reduce((sum, { total }) => sum + total, 0),
      bad: mixed.reduce((sum, { bad }) => sum + bad, 0),
    });
  });

  it('say what counts', () => {
    const files = terraform(registry, { notify: [] });
    const text = (name: string) => files.find(({ path }) => path.endsWith(name))?.text ?? '';
    expect(text('cuj-login-storm.tf.json')).toContain('Good events: requests that do not fail (5xx, 401).');
    expect(text('cuj-login.tf.json')).toContain('Good events: requests that do not end in 5XX.');
    expect(text('dashboard.json.tftpl')).toContain('"alias": "errors, %"');
    expect(text('dashboard.json.tftpl')).toContain('"alias": "5XX, %"');
  });
});

it('needs one call for each scope and span, however many definitions it has', () => {
  expect(datadog.calls.filter(({ path }) => path === '/api/v2/query/timeseries')).toHaveLength(spans);
});

it('the traffic that plan reads is that of every definition', async () => {
  const api = createDatadogApi(connection);
  const hour = 60 * minute;
  for (const name of ['search', 'read', 'login-storm', 'graph'] as const) {
    const endpoint = registry.cujs.get(name)?.endpoints[0] as Endpoint;
    const batch = registry.batchOfService.get(endpoint.service) as QueryBatch;
    const counts = (await hourlyTraffic(api, batch, now - 2 * hour, now)).get(endpoint.service) as SideCounts;
    const total = sum(availability.seriesOf(counts, endpoint)?.total);
    const names = endpoint.resource === '*' ? [search.resource, signUp.resource] : undefined;
    const own = requests.filter((request) =>
      names === undefined
        ? datadogDialect.storedTagValue(request.resource) === endpoint.resource
        : names.includes(request.resource),
    );
    const made = own.reduce(
      (all, { canary = 0, stable = 0 }) => all + canary * canaryMinutes + stable * 50,
      0,
    );
    expect([name, total]).toEqual([name, made]);
  }
});

function sum(values: Float64Array | undefined): number {
  return (values ?? new Float64Array(0)).reduce((all, value) => all + value, 0);
}
