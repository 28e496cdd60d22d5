import { describe, expect, it } from 'vitest';
import { pathText } from '../../../src/domain/registry/findings.ts';
import { maxBatchFailures } from '../../../src/domain/registry/query-batches.ts';
import { resolveRegistry } from '../../../src/domain/registry/resolve.ts';
import type { RegistryDocument } from '../../../src/domain/registry/schema.ts';
import { datadogDialect } from '../../../src/sources/datadog/query/dialect.ts';
import { queryKey } from '../../../src/sources/decorators/query-key.ts';

const traced = (operation: string, more: object = {}) => ({
  env: 'production',
  operation,
  canary: 'version:{version}',
  ...more,
});
const mesh = {
  total: 'sum:mesh.hits{app:{service},{selector}}.as_count()',
  bad: 'sum:mesh.hits{app:{service},{selector},code:5*}.as_count()',
  groupBy: 'route',
};
const template = { env: 'production', source: 'mesh', canary: 'version:{version}' };

function resolve(services: object, cujs: readonly object[]) {
  const document = {
    apiVersion: 'cuj-gate/v1',
    defaults: { slo: { availability: 99.9 } },
    sources: { mesh },
    services,
    cujs: cujs.map((cuj, i) => ({ name: `cuj-${i}`, owner: 'team', service: 'api', ...cuj })),
  } as unknown as RegistryDocument;
  return resolveRegistry([{ file: 'r.yaml', document }], 'sha256:0', { dialect: datadogDialect });
}

function registryOf(services: object, cujs: readonly object[]) {
  const resolved = resolve(services, cujs);
  if (!resolved.ok) throw new Error(JSON.stringify(resolved.findings));
  return resolved.registry;
}

const failures = (services: object, ...cujs: readonly object[]) =>
  [...registryOf(services, cujs).cujs.values()].map(({ endpoints }) =>
    endpoints.map(({ failure }) => failure?.text),
  );
const found = (services: object, ...cujs: readonly object[]) => {
  const resolved = resolve(services, cujs);
  const findings = resolved.ok ? resolved.warnings : resolved.findings;
  return findings.map(({ rule, path }) => `${rule} ${pathText(path)}`);
};

describe('what counts as a failure', () => {
  it('is what the endpoint says, else the CUJ, else the service, else 5XX', () => {
    const endpoints = ['GET /a', { method: 'GET', path: '/b', failure: 'errors' }];
    const own = { api: traced('http.request', { failure: [503, '5xx', 429] }) };
    expect(failures({ api: traced('http.request') }, { endpoints })).toEqual([[undefined, 'errors']]);
    expect(
      failures(own, { endpoints }, { endpoints, failure: ['4xx', '5xx'] }, { endpoints, failure: '5xx' }),
    ).toEqual([
      ['5xx, 429', 'errors'],
      ['5xx, 4xx', 'errors'],
      [undefined, 'errors'],
    ]);
    expect(failures(own, { endpoints: '*' })).toEqual([['5xx, 429']]);
  });

  it('is nothing where no objective counts failures', () => {
    const cuj = { endpoints: ['GET /a'], failure: 'errors', slo: { latency: 99 }, latencyMs: 100 };
    const document = { name: 'one', owner: 'team', service: 'api', ...cuj };
    const resolved = resolveRegistry(
      [
        {
          file: 'r.yaml',
          document: {
            apiVersion: 'cuj-gate/v1',
            services: { api: traced('http.request') },
            cujs: [document],
          } as unknown as RegistryDocument,
        },
      ],
      'sha256:0',
      { dialect: datadogDialect },
    );
    if (!resolved.ok) throw new Error(JSON.stringify(resolved.findings));
    expect(resolved.registry.cujs.get('one')?.endpoints).toEqual([
      { service: 'api', resource: 'get_/a', label: 'GET /a', latencyMs: 100 },
    ]);
  });

  it('applies to the endpoints with trace metrics of a CUJ that has others as well', () => {
    const services = { api: traced('http.request'), mesh: template };
    const endpoints = ['GET /a', { service: 'mesh', resource: 'x' }];
    expect(failures(services, { endpoints, failure: 'errors' })).toEqual([['errors', undefined]]);
  });

  it('asks the same, under the same key, where it is 5XX in so many words', () => {
    const keyOf = (failure?: unknown) => {
      const more = failure === undefined ? {} : { failure };
      const { batches } = registryOf({ api: traced('http.request', more) }, [
        { endpoints: ['GET /a'] },
        { endpoints: '*', ...more },
      ]);
      const [batch] = batches;
      if (batch === undefined) throw new Error('no batch');
      const canary = { terms: [{ key: 'version', value: 'v2' }] };
      return queryKey({ batch, canary, stable: undefined, fromMs: 0, toMs: 60_000, stepMs: 60_000 });
    };
    expect(keyOf('5xx')).toBe(keyOf());
    expect(keyOf(['5xx'])).toBe(keyOf());
    expect(keyOf('errors')).not.toBe(keyOf());
    expect(keyOf(['5xx', 401])).not.toBe(keyOf(['5xx', 429]));
  });

  it('keeps the endpoints of each definition apart in a batch, and bounds their number', () => {
    const endpoints = (failure: unknown) => [
      { method: 'GET', path: '/b', failure },
      { method: 'GET', path: '/a', failure },
    ];
    const services = Object.fromEntries(
      [401, 402, 403, 404, 405, 406].map((status) => [`api-${status}`, traced('http.request')]),
    );
    const cujs = Object.keys(services).map((service) => ({
      service,
      endpoints: endpoints(['5xx', Number(service.slice(4))]),
    }));
    const { batches } = registryOf(services, cujs);
    expect(batches.map((batch) => batch.services.length)).toEqual([
      maxBatchFailures,
      cujs.length - maxBatchFailures,
    ]);
    expect(batches[0]?.services[0]?.resources).toEqual([]);
    expect(batches[0]?.services[0]?.failures?.map(({ resources }) => resources)).toEqual([
      ['get_/a', 'get_/b'],
    ]);
  });
});

describe('operations of GraphQL and routes of Next.js as endpoints', () => {
  it.each([
    ['query Search', 'query_search'],
    ['mutation SignUp', 'mutation_signup'],
    ['subscription on_Message', 'subscription_on_message'],
    ['GET /products/[id]', 'get_/products/_id'],
    ['GET /products/[id]/reviews', 'get_/products/_id_/reviews'],
    ['GET /docs/[[...slug]]', 'get_/docs/_...slug'],
  ])('%s is stored as %s', (label, resource) => {
    const { cujs } = registryOf({ api: traced('acme.handle') }, [{ endpoints: [label] }]);
    expect([...cujs.values()][0]?.endpoints).toEqual([
      { service: 'api', resource, label, latencyMs: undefined },
    ]);
  });

  it('an operation is in a CUJ once, however it is written', () => {
    const endpoints = ['query Search', 'query search'];
    expect(found({ api: traced('graphql.execute', { failure: 'errors' }) }, { endpoints })).toEqual([
      'duplicate-endpoint cujs[0].endpoints[1]',
    ]);
  });

  it.each([
    ['next.request', 'GET /products/:id', ['routes-of-other-framework cujs[0].endpoints[0]']],
    ['next.request', 'GET /products/{id}', ['routes-of-other-framework cujs[0].endpoints[0]']],
    ['next.request', 'GET /products/[id]', []],
    ['express.request', 'GET /products/[id]', ['routes-of-other-framework cujs[0].endpoints[0]']],
    ['http.request', 'GET /products/[id]', []],
  ])('the parameters of a route are those of the framework: %s, %s', (operation, route, warnings) => {
    expect(found({ api: traced(operation) }, { endpoints: [route] })).toEqual(warnings);
  });
});

describe('a definition that cannot be meant', () => {
  const endpoints = ['GET /a'];

  it.each([
    [{ api: { ...template, failure: 'errors' } }, { endpoints: [{ resource: 'x' }] }, 'services.api.failure'],
    [{ api: template }, { endpoints: '*', failure: 'errors' }, 'cujs[0].failure'],
    [
      { api: template },
      { endpoints: [{ resource: 'x', failure: 'errors' }] },
      'cujs[0].endpoints[0].failure',
    ],
  ])('is refused beside a source: %j, %j', (services, cuj, path) => {
    expect(found(services, cuj)).toContain(`failure-on-template ${path}`);
  });

  it.each([
    ['http.request', ['1xx', '2xx', '3xx', '4xx', '5xx']],
    ['grpc.server', { grpc: ['OK', 'INTERNAL'] }],
  ])('is refused where nothing would ever be good: %s with %j', (operation, failure) => {
    expect(found({ api: traced(operation) }, { endpoints, failure })).toEqual([
      'failure-everything cujs[0].failure',
    ]);
  });

  it.each([
    ['grpc.server', 'POST /Ledger/Transfer', 'grpc', true],
    // However failures are told, gRPC has no such names.
    ['grpc.server', 'POST /Ledger/Transfer', 'errors', true],
    ['acme.handle', { method: 'POST', path: '/transfer' }, { grpc: ['INTERNAL'] }, true],
    ['acme.handle', 'POST /transfer', 'errors', false],
    ['acme.handle', { resource: 'x' }, 'grpc', false],
  ])('is warned of on a route of HTTP: %s, %j with %j', (operation, endpoint, failure, isWarned) => {
    const services = { api: traced(operation, { failure }) };
    expect(found(services, { endpoints: [{ resource: 'y' }, endpoint] })).toEqual(
      isWarned ? ['route-of-grpc-service cujs[0].endpoints[1]'] : [],
    );
  });

  it('is not warned of on a route that is a tag of the application', () => {
    const services = {
      api: traced('grpc.server', {
        failure: 'grpc',
        source: 'spans',
        endpointTag: 'page',
        canary: 'track:canary',
      }),
    };
    expect(found(services, { endpoints: ['POST /transfer'] })).toEqual([]);
  });

  it.each([
    ['grpc.server', undefined, ['no-http-status services.api.operation']],
    ['grpc.server', ['5xx', 429], ['no-http-status services.api.operation']],
    ['grpc.server', 'grpc', []],
    ['grpc.server', 'errors', []],
    ['graphql.execute', undefined, ['no-http-status services.api.operation']],
    ['graphql.execute', 'grpc', ['failure-of-other-protocol cujs[0].failure']],
    ['graphql.execute', 'errors', []],
    ['next.request', 'grpc', ['failure-of-other-protocol cujs[0].failure']],
    ['web.request', 'grpc', ['failure-of-other-protocol cujs[0].failure']],
    ['acme.handle', 'grpc', []],
    ['postgres.query', 'errors', ['operation-of-outgoing-calls services.api.operation']],
    ['http.request', [429], ['failure-without-5xx cujs[0].failure']],
    ['http.request', ['5xx', 200, '3xx'], ['failure-of-success cujs[0].failure']],
    ['http.request', ['5xx', 401], []],
    ['grpc.server', { grpc: ['UNAVAILABLE', 'RESOURCE_EXHAUSTED'] }, []],
    ['grpc.server', { grpc: ['NOT_FOUND'] }, ['failure-without-server-faults cujs[0].failure']],
  ])('is warned of: %s with %j', (operation, failure, warnings) => {
    const cuj = { endpoints: [{ resource: 'x' }], ...(failure === undefined ? {} : { failure }) };
    expect(found({ api: traced(operation) }, cuj)).toEqual(warnings);
  });

  it('is warned of where it is written', () => {
    const services = { api: traced('http.request', { failure: 'grpc' }), rpc: traced('grpc.server') };
    const own = { method: 'GET', path: '/a', failure: [429] };
    expect(found(services, { endpoints: [own] })).toEqual([
      'failure-of-other-protocol services.api.failure',
      'failure-without-5xx cujs[0].endpoints[0].failure',
    ]);
    // The definition of the CUJ is for the endpoint that has none of its own.
    const rpc = { service: 'rpc', resource: 'x' };
    expect(
      found({ ...services, api: traced('http.request') }, { endpoints: [rpc], failure: 'grpc' }),
    ).toEqual([]);
  });
});
