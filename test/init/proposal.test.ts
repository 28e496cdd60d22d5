import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { resolveRegistry } from '../../src/domain/registry/resolve.ts';
import type { RegistryDocument } from '../../src/domain/registry/schema.ts';
import { groupRoutes } from '../../src/init/group.ts';
import { readOpenApi } from '../../src/init/openapi.ts';
import { type ProposalInput, proposeRegistry } from '../../src/init/proposal.ts';
import { type FoundRoute, routeOfResource, sortOut } from '../../src/init/routes.ts';
import { datadogDialect } from '../../src/sources/datadog/query/dialect.ts';

const written = (label: string, tag?: string): FoundRoute => {
  const [method, path] = label.split(' ') as [string, string];
  const found = routeOfResource(`${method.toLowerCase()}_${path}`, 0.1);
  return { ...found, tag, share: undefined };
};
const input = (routes: readonly FoundRoute[], more: Partial<ProposalInput> = {}): ProposalInput => ({
  service: 'member-api',
  env: 'production',
  operation: 'http.request',
  operationNote: 'found',
  canaryNote: 'found',
  routes,
  leftOut: [],
  from: 'a test',
  top: 60,
  ...more,
});
const resolve = (text: string) =>
  resolveRegistry([{ file: 'cujs.yaml', document: parse(text) as RegistryDocument }], 'sha256:0', {
    dialect: datadogDialect,
  });
const groups = (...labels: string[]) => groupRoutes(labels.map((label) => written(label)));

describe('a resource name of Datadog', () => {
  it.each([
    ['is a route again', 'get_/api/v1/users/:user_id', 'GET /api/v1/users/:user_id'],
    ['keeps its stored placeholders', 'delete_/boxes/_name', 'DELETE /boxes/_name'],
    ['stays what it is without a method', '/api/v1/me', '/api/v1/me'],
    ['stays what it is with a method that HTTP does not have', 'consume_/orders', 'consume_/orders'],
    ['stays what it is where it is no route', 'grpc.auth/login', 'grpc.auth/login'],
  ])('%s', (_, resource, label) => {
    const found = routeOfResource(resource, 0.5);
    expect(found.label).toBe(label);
    expect(found.resource).toBe(resource);
    expect(found.route === undefined).toBe(label === resource);
  });
});

describe('a resource name of Next.js', () => {
  it.each([
    ['get_/products/_id', 'GET /products/[id]'],
    ['get_/products/_product_id_/reviews', 'GET /products/[product_id]/reviews'],
    ['get_/docs/_...slug', 'GET /docs/[...slug]'],
    ['get_/products', 'GET /products'],
  ])('%s is %s, and is stored as it was', (resource, label) => {
    const found = routeOfResource(resource, 0.5, 'next.request');
    expect(found).toMatchObject({ label, resource });
    const [method, path] = label.split(' ') as [string, string];
    expect(datadogDialect.endpointKey(method, path)).toBe(resource);
  });
});

describe('a proposal for requests without a status of HTTP', () => {
  it.each([
    ['grpc.server', 'grpc', 'ledger.v1.ledger/post'],
    ['graphql.execute', 'errors', 'query_search'],
    ['next.request', undefined, 'get_/products/_id'],
  ])('under %s counts failures by %s', (operation, failure, resource) => {
    const text = proposeRegistry(input([routeOfResource(resource, 1, operation)], { operation })) ?? '';
    const resolved = resolve(text);
    expect(resolved).toMatchObject({ ok: true, warnings: [] });
    if (!resolved.ok) return;
    expect(resolved.registry.services.get('member-api')?.failure?.text).toBe(failure);
    expect([...resolved.registry.cujs.values()][0]?.endpoints[0]?.resource).toBe(resource);
  });
});

describe('what is left out', () => {
  it.each([
    ['GET /healthz', /health check/],
    ['GET /actuator/health', /health check/],
    ['OPTIONS /api/v1/me', /browsers/],
  ])('%s', (label, why) => {
    expect(sortOut([written(label)], datadogDialect)).toEqual({
      routes: [],
      leftOut: [{ label, share: undefined, why: expect.stringMatching(why) }],
    });
  });

  it('is the second of two routes that Datadog stores under one name', () => {
    const one = written('GET /users/_id');
    const two = { ...one, label: 'GET /users/{id}' };
    expect(sortOut([one, two], datadogDialect)).toMatchObject({
      routes: [{ label: 'GET /users/_id' }],
      leftOut: [{ label: 'GET /users/{id}', why: expect.stringContaining('GET /users/_id') }],
    });
  });

  it('is not a route that only sounds like monitoring', () => {
    expect(
      sortOut([written('GET /api/v1/living-rooms'), written('GET /api/v1/readings')], datadogDialect).leftOut,
    ).toEqual([]);
  });
});

describe('grouping', () => {
  it('goes by the first segment that means something', () => {
    const names = groups(
      'POST /api/v1/signup',
      'POST /api/v1/signup/phone',
      'GET /api/v2/users/:id',
      'GET /',
    );
    expect(names.map(({ name, routes }) => [name, routes.length])).toEqual([
      ['signup', 2],
      ['users', 1],
      ['home', 1],
    ]);
  });

  it("goes by the authors' tags where there are any", () => {
    const routes = [written('GET /a', 'Account Settings'), written('POST /b', 'accountSettings')];
    expect(groupRoutes(routes).map(({ name }) => name)).toEqual(['account-settings']);
  });

  it('splits a large group into what reads and what writes', () => {
    const reads = ['a', 'b', 'c', 'd', 'e'].map((name) => `GET /users/${name}`);
    const names = groups(...reads, 'POST /users/a', 'PUT /users/b');
    expect(names.map(({ name, routes }) => [name, routes.length])).toEqual([
      ['users-read', 5],
      ['users-write', 2],
    ]);
  });

  it('puts the busiest first', () => {
    const routes = [routeOfResource('get_/rare', 0.01), routeOfResource('get_/busy', 0.9)];
    expect(groupRoutes(routes).map(({ name, share }) => [name, share])).toEqual([
      ['busy', 0.9],
      ['rare', 0.01],
    ]);
  });
});

describe('a proposal', () => {
  it('says that it is one, and names the share of every route', () => {
    const text = proposeRegistry(
      input([routeOfResource('get_/api/v1/me', 0.1234), routeOfResource('get_/healthz', 0.5)]),
    ) as string;
    expect(text).toContain('# A PROPOSAL, made by cuj-gate init from a test.');
    expect(text).toContain('      - GET /api/v1/me # 12.3%\n');
    expect(text).toContain('#   GET /healthz (50%): a health check or the like\n');
    expect(text).toContain('owner: CHANGE-ME');
  });

  it('takes the busiest routes only, and says what it left out', () => {
    const routes = [routeOfResource('get_/a', 0.9), routeOfResource('get_/b', 0.1)];
    const text = proposeRegistry(input(routes, { top: 1 })) as string;
    expect(text).not.toMatch(/^ +- GET \/b/m);
    expect(text).toContain('#   GET /b (10%): less busy than --top');
  });

  it('is undefined where there is nothing to propose', () => {
    expect(proposeRegistry(input([written('GET /healthz')]))).toBeUndefined();
  });

  it('is a registry that validates, whatever Datadog has for resource names', () => {
    const segment = fc.oneof(
      fc.constantFrom(
        'api',
        'v1',
        'users',
        ':id',
        '_id',
        'true',
        'on',
        '1e3',
        "it's",
        'a:',
        '#x',
        'ログイン',
        '-',
      ),
      fc.string({ minLength: 1, maxLength: 12, unit: 'grapheme' }),
    );
    const name = fc
      .tuple(fc.constantFrom('get_', 'post_', 'GET ', 'consume_', ''), fc.array(segment, { maxLength: 5 }))
      .map(([method, segments]) => `${method}/${segments.join('/')}`);
    fc.assert(
      fc.property(fc.array(name, { minLength: 1, maxLength: 30 }), (names) => {
        const text = proposeRegistry(input([...new Set(names)].map((one) => routeOfResource(one, 0.01))));
        if (text === undefined) return;
        const resolved = resolve(text);
        expect(resolved.ok, resolved.ok ? '' : JSON.stringify(resolved.findings)).toBe(true);
      }),
    );
  });
});

describe('an OpenAPI description', () => {
  const description = {
    openapi: '3.1.0',
    info: { title: 'Members', version: '1' },
    servers: [{ url: 'https://{host}/{base}/v1/', variables: { base: { default: 'api' } } }],
    paths: {
      '/me': { parameters: [], get: { tags: ['Account'] }, delete: { deprecated: true } },
      '/users/{id}/likes': { post: { tags: ['Likes'] } },
      '/elsewhere': { $ref: './other.yaml' },
    },
  };

  it('gives its routes below the first server, with tags, without what is deprecated or described elsewhere', () => {
    const { routes, leftOut, basePath } = readOpenApi(description, datadogDialect);
    expect(basePath).toBe('/api/v1');
    expect(routes.map(({ label, tag, resource }) => [label, tag, resource])).toEqual([
      ['GET /api/v1/me', 'Account', 'get_/api/v1/me'],
      ['POST /api/v1/users/{id}/likes', 'Likes', 'post_/api/v1/users/_id_/likes'],
    ]);
    expect(leftOut.map(({ label, why }) => [label, why])).toEqual([
      ['DELETE /api/v1/me', 'deprecated'],
      ['/elsewhere', 'it is described elsewhere (./other.yaml)'],
    ]);
  });

  it('becomes a proposal that validates', () => {
    const { routes, leftOut } = readOpenApi(description, datadogDialect);
    const text = proposeRegistry(input(routes, { leftOut })) as string;
    const resolved = resolve(text);
    expect(resolved.ok && [...resolved.registry.cujs.keys()]).toEqual(['account', 'likes']);
    expect(text).toContain('      - "POST /api/v1/users/{id}/likes"\n');
  });

  it('keeps to one way of writing parameters, and to paths that are paths', () => {
    const paths = ['/a/{id}', '/b/{id}/{x}', '/c/:id', '/d/{id}/:x', '/e/{id}:cancel', 'f'];
    const document = {
      openapi: '3.1.0',
      servers: [{ url: '/v2' }],
      paths: Object.fromEntries(paths.map((path) => [path, { get: {} }])),
    };
    const { routes, leftOut } = readOpenApi(document, datadogDialect);
    expect(leftOut).toEqual([{ label: 'GET /v2f', share: undefined, why: 'its path is invalid' }]);
    const sorted = sortOut(routes, datadogDialect);
    expect(sorted.routes.map(({ label }) => label)).toEqual([
      'GET /v2/a/{id}',
      'GET /v2/b/{id}/{x}',
      'GET /v2/e/{id}:cancel',
    ]);
    expect(sorted.leftOut).toEqual([
      { label: 'GET /v2/c/:id', share: undefined, why: 'it writes parameters as :id, most others as {id}' },
      {
        label: 'GET /v2/d/{id}/:x',
        share: undefined,
        why: 'it writes parameters as :id, most others as {id}',
      },
    ]);
  });

  it('becomes a registry that validates, whatever its paths are', () => {
    const segment = fc.oneof(
      fc.constantFrom(
        'v1',
        'users',
        '{id}',
        '{user-id}',
        ':id',
        '{a}-{b}',
        '{id}:cancel',
        '{?q}',
        '*',
        '~me',
        '',
      ),
      fc.constantFrom(
        '商品',
        'a b',
        '{x}*',
        'A',
        '.',
        '..',
        '%20',
        ';m={x}',
        '$ref',
        '#',
        'x?a=b',
        "it's",
        '{',
        '{}',
        ':',
      ),
      fc.string({ minLength: 1, maxLength: 8, unit: 'grapheme' }),
    );
    const path = fc.array(segment, { maxLength: 4 }).map((segments) => `/${segments.join('/')}`);
    const item = fc.record({
      get: fc.record({ tags: fc.array(fc.string({ maxLength: 5 }), { maxLength: 2 }) }),
      put: fc.constantFrom({}, null, { deprecated: true }),
    });
    fc.assert(
      fc.property(fc.dictionary(path, item, { maxKeys: 15 }), (paths) => {
        const document = { openapi: '3.1.0', servers: [{ url: '/v1' }], paths };
        const { routes, leftOut } = readOpenApi(document, datadogDialect);
        const text = proposeRegistry(input(routes, { leftOut }));
        if (text === undefined) return;
        const resolved = resolve(text);
        expect(resolved.ok, resolved.ok ? '' : JSON.stringify(resolved.findings)).toBe(true);
      }),
    );
  });

  it.each([
    [{ swagger: '2.0', paths: {} }, /Swagger 2\.0/],
    [{ openapi: '4.0.0' }, /not OpenAPI 3/],
    ['openapi', /not a mapping/],
  ])('is refused where it is %j', (value, message) => {
    expect(() => readOpenApi(value, datadogDialect)).toThrow(message);
  });
});
