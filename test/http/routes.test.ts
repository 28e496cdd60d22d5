import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { bench, broken, digest, document, healthy, nowMs, registryOf, snapshotOf } from './fixture.ts';

describe('the registry for people', () => {
  it('lists the CUJs with what a question must give', async () => {
    const { app } = await bench();
    const list = (await app.inject('/cujs')).json();
    expect(list).toMatchObject({ summary: '4 CUJs over 2 services', registry: digest });
    expect(list.cujs).toHaveLength(4);
    expect(list.cujs[0]).toMatchObject({
      name: 'login',
      title: 'ログイン',
      services: ['member-api'],
      objectives: { availability: 0.9995, latency: 0.99 },
      params: { required: ['version'], optional: ['stable_version'] },
      url: '/cujs/login',
    });
  });

  it('shows a CUJ as the gate understands it, with the queries that it would send', async () => {
    const { app } = await bench();
    const cuj = (await app.inject('/cujs/login')).json();
    expect(cuj).toMatchObject({
      name: 'login',
      gate: { rule: 'confidence', window: 'rollout', maxWindow: '30m', lag: '45s' },
      services: [{ name: 'member-api', canary: 'version:{version}', stable: 'version:{stable_version}' }],
      endpoints: [
        { endpoint: 'POST /api/v1/login', resource: 'post_/api/v1/login', latencyMs: 500 },
        { endpoint: 'GET /api/v1/me', resource: 'get_/api/v1/me', latencyMs: 300 },
      ],
      url: '/cujs/login/status?version={version}',
    });
    const texts = cuj.queries.map(({ query }: { query: string }) => query).join('\n');
    expect(texts).toContain(
      'sum:trace.http.request.hits{env:production AND service:member-api AND version:{version}',
    );
    expect(texts).toContain('version:{stable_version}');
    expect(texts).toContain('count(v: v<=0.3):trace.http.request');
  });

  it.each([
    ['the defaults', {}, { passAfter: '6m', rulesOutRate: 0.25, minRequests: 10 }],
    [
      'settings of its own',
      { passAfter: '90m', maxWindow: '2h', rulesOutRate: 1 },
      { passAfter: '90m', rulesOutRate: 0.01 },
    ],
    ['no limited pass', { passAfter: 'never' }, { passAfter: 'never' }],
  ])('shows what a limited pass takes: %s', async (_, gate, shown) => {
    const { app, world } = await bench();
    const cujs = document.cujs?.map((cuj) => (cuj.name === 'login' ? { ...cuj, gate } : cuj)) ?? [];
    world.registry = world.registry && { ...world.registry, registry: registryOf({ ...document, cujs }) };
    expect((await app.inject('/cujs/login')).json().gate).toMatchObject(shown);
  });

  it('says which registry is the current one, and why a change was rejected', async () => {
    const { app, world } = await bench();
    expect((await app.inject('/registry')).json()).toEqual({
      summary: '4 CUJs from 1 file',
      digest,
      files: ['cujs.yaml'],
      loadedAt: '2026-01-31T08:58:50.000Z',
      cujs: 4,
      services: 2,
      reloadErrors: 0,
    });
    const problem = {
      file: 'cujs.yaml',
      line: 7,
      column: 3,
      path: 'cujs[0].slo',
      rule: 'unknown-key',
      message: 'unknown key "availabilty"',
      fix: 'Write availability.',
    };
    world.registry = world.registry && {
      ...world.registry,
      reloadErrors: 1,
      failure: { atMs: nowMs, problems: [problem] },
    };
    const lastFailure = { at: '2026-01-31T08:59:50.000Z', problems: [problem] };
    expect((await app.inject('/registry')).json()).toMatchObject({ reloadErrors: 1, digest, lastFailure });
    // The registry from before goes on, so the replica is ready; anyone may ask this, so it shows no more than a number.
    const ready = await app.inject('/readyz');
    expect(ready.statusCode).toBe(200);
    expect(ready.json()).toEqual({
      summary:
        'ready; last registry reload failed (1 problem); keeping previous version; GET /registry lists it',
      ok: true,
      registry: digest,
      problems: 1,
    });
  });

  it('refuses parameters that it does not have', async () => {
    const { app } = await bench();
    expect((await app.inject('/cujs?prety')).json()).toMatchObject({
      status: 400,
      hint: 'Did you mean "pretty"? It takes: limit, after, pretty.',
    });
    expect((await app.inject('/cujs/nothing')).json()).toMatchObject({ status: 404, code: 'cuj_not_found' });
  });
});

describe('the life of a replica', () => {
  it.each([
    ['serving', '/healthz', 200],
    ['serving', '/readyz', 200],
    ['draining', '/healthz', 200],
    ['draining', '/readyz', 503],
    ['draining', '/cujs/login/status?version=v2', 200],
    ['closing', '/healthz', 200],
    ['closing', '/readyz', 503],
    ['closing', '/metrics', 200],
    ['closing', '/cujs/login/status?version=v2', 503],
    ['closing', '/services/member-api/status?version=v2', 503],
    ['closing', '/cujs', 503],
  ] as const)('%s: %s answers %d', async (phase, url, status) => {
    const { app, world } = await bench();
    world.phase = phase;
    const answer = await app.inject(url);
    expect(answer.statusCode).toBe(status);
    expect(answer.headers.connection).toBe(phase === 'serving' ? 'keep-alive' : 'close');
    if (status === 503) {
      expect(answer.json()).toMatchObject({ code: 'draining', status: 503 });
      expect(answer.headers['retry-after']).toBe('1');
    }
  });

  it('is not ready, and judges nothing, without a registry', async () => {
    const { app, world } = await bench();
    world.registry = undefined;
    for (const url of ['/readyz', '/cujs', '/registry', '/cujs/login/status?version=v2']) {
      const answer = await app.inject(url);
      expect(answer.statusCode).toBe(503);
      expect(answer.json()).toMatchObject({ code: 'not_ready' });
    }
    expect((await app.inject('/healthz')).statusCode).toBe(200);
    expect((await app.inject('/openapi.json')).statusCode).toBe(200);
    expect((await app.inject('/metrics')).statusCode).toBe(200);
  });
});

describe('a path that no route has', () => {
  it.each([
    ['/', ['/cujs']],
    ['/cuj/login/status?version=v2', ['/cujs/login/status']],
    ['/cujs/login/state', ['/cujs/login/status']],
    ['/cujs/login/status/', ['/cujs/login/status']],
    ['/service/member-api/status', ['/services/member-api/status']],
    ['/health', ['/healthz']],
    ['/ready', ['/readyz']],
    ['/openapi', ['/openapi.json']],
    ['/metric', ['/metrics']],
    ['/wp-login.php', []],
  ])('%s is 404 with the nearest routes', async (url, nearest) => {
    const { app } = await bench();
    const answer = await app.inject(url);
    expect(answer.statusCode).toBe(404);
    expect(answer.json()).toMatchObject({ code: 'not_found' });
    if (nearest.length === 0) expect(answer.json().hint).toContain('/openapi.json');
    expect(answer.json().nearest[0]).toBe(nearest[0]);
  });

  it('is shown as it came where parameters stand behind a semicolon, and how to ask instead', async () => {
    const { app } = await bench();
    expect((await app.inject('/cujs/login/status;version=v2')).json()).toMatchObject({
      status: 404,
      detail: 'Nothing is at /cujs/login/status;version=v2.',
      hint: 'Parameters come after a question mark, not after a semicolon: /cujs/login/status?version=v2',
    });
  });

  it.each(['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const)('%s is 405 with Allow', async (method) => {
    const { app } = await bench();
    const answer = await app.inject({ method, url: '/cujs/login/status', payload: { a: 1 } });
    expect(answer.statusCode).toBe(405);
    expect(answer.headers.allow).toBe('GET, HEAD');
    expect(answer.json()).toMatchObject({ code: 'method_not_allowed', allow: ['GET', 'HEAD'] });
  });
});

describe('HEAD', () => {
  it.each([
    '/cujs/login/status?version=v2',
    '/services/member-api/status?version=v2',
    '/cujs',
    '/cujs/login',
    '/registry',
    '/healthz',
    '/readyz',
    '/openapi.json',
    '/nothing',
  ])('%s has the status and headers of its GET, and no body', async (url) => {
    const { app } = await bench();
    const get = await app.inject(url);
    const head = await app.inject({ method: 'HEAD', url });
    expect(head.body).toBe('');
    expect(head.statusCode).toBe(get.statusCode);
    expect(head.headers['content-type']).toBe(get.headers['content-type']);
    expect(head.headers['content-length']).toBe(String(Buffer.byteLength(get.body)));
  });
});

interface Described {
  readonly openapi: string;
  readonly components: { readonly schemas: Record<string, object> };
  readonly paths: Record<
    string,
    {
      readonly get: {
        readonly parameters?: { readonly name: string; readonly in: string; readonly required?: boolean }[];
        readonly responses: Record<
          string,
          { readonly content?: Record<string, { readonly schema: object }> }
        >;
      };
    }
  >;
}

describe('GET /openapi.json', () => {
  it('describes every route, and the parameters that the registry asks for', async () => {
    const { app, world } = await bench();
    const api: Described = (await app.inject('/openapi.json')).json();
    expect(api.openapi).toBe('3.1.0');
    expect(Object.keys(api.paths).sort()).toEqual([
      '/cujs',
      '/cujs/{name}',
      '/cujs/{name}/status',
      '/healthz',
      '/metrics',
      '/openapi.json',
      '/readyz',
      '/registry',
      '/services/{service}/status',
    ]);
    const names = (of: Described) =>
      of.paths['/cujs/{name}/status']?.get.parameters
        ?.filter((parameter) => parameter.in === 'query')
        .map(({ name }) => name);
    expect(names(api)).toEqual([
      'service',
      'window',
      'since',
      'at',
      'explain',
      'pretty',
      'version',
      'role',
      'stable_version',
    ]);
    world.registry = world.registry && {
      ...world.registry,
      registry: registryOf({
        ...document,
        services: {
          ...document.services,
          'payment-api': { ...document.services!['payment-api']!, canary: 'track:{track}' },
        },
      }),
    };
    expect(names((await app.inject('/openapi.json')).json())).toContain('track');
  });

  it('is true: every answer of every route is what it says', async () => {
    const gate = await bench();
    const { app, world } = gate;
    const api: Described = (await app.inject('/openapi.json')).json();
    // A document of OpenAPI is no schema by itself. Code that runs a few times is compiled as it is: that takes a fifth of the time.
    const ajv = new Ajv2020({
      strict: false,
      validateFormats: false,
      validateSchema: false,
      inlineRefs: false,
      code: { optimize: false },
    });
    ajv.addSchema(api, 'openapi');
    const validators = new Map<string, ValidateFunction>();
    const conforms = async (url: string, template: string) => {
      const answer = await app.inject(url);
      const described = api.paths[template]?.get.responses[String(answer.statusCode)]?.content;
      const type = String(answer.headers['content-type']).split(';')[0] as string;
      expect(Object.keys(described ?? {}), `${url} ${answer.statusCode}`).toEqual([type]);
      const pointer = `openapi#/paths/${template.replaceAll('/', '~1').replaceAll('{', '%7B').replaceAll('}', '%7D')}/get/responses/${answer.statusCode}/content/${type.replaceAll('/', '~1')}/schema`;
      const validate = validators.get(pointer) ?? ajv.compile({ $ref: pointer });
      validators.set(pointer, validate);
      expect(validate(answer.json()) ? [] : validate.errors, url).toEqual([]);
    };
    const status = '/cujs/{name}/status';
    const service = '/services/{service}/status';
    const every = async () => {
      for (const [url, template] of [
        ['/cujs/login/status?version=v2', status],
        ['/cujs/login/status?version=v2&explain=1&window=5m', status],
        ['/cujs/browse/status?version=v2', status],
        ['/cujs/login/status', status],
        ['/cujs/nothing/status', status],
        ['/services/member-api/status?version=v2', service],
        ['/services/member-api/status?version=v2&explain=1', service],
        ['/services/nothing/status', service],
        ['/cujs', '/cujs'],
        ['/cujs?limit=1', '/cujs'],
        ['/cujs?limit=x', '/cujs'],
        ['/cujs/login', '/cujs/{name}'],
        ['/cujs/nothing', '/cujs/{name}'],
        ['/registry', '/registry'],
        ['/registry?x', '/registry'],
        ['/healthz', '/healthz'],
        ['/readyz', '/readyz'],
        ['/openapi.json', '/openapi.json'],
      ] as const) {
        await conforms(url, template);
      }
    };
    await every();
    for (const measure of [
      async (query) => snapshotOf(query, broken, healthy),
      async (query) => snapshotOf(query, broken, broken),
      async (query) => snapshotOf(query, { perMinute: 0, badPerMinute: 0 }, healthy),
      // With limited evidence, and what is missing for it.
      async (query) => snapshotOf(query, { perMinute: 3, badPerMinute: 0 }, healthy),
      async (query) => snapshotOf(query, { perMinute: 0.5, badPerMinute: 0 }, healthy),
      async () => {
        throw new TypeError('a bug');
      },
    ] satisfies (typeof world.measure)[]) {
      world.measure = measure;
      world.nowMs += 60_000;
      await every();
    }
    world.phase = 'closing';
    for (const url of ['/cujs/login/status', '/cujs', '/registry', '/readyz'] as const) {
      await conforms(url, url.replace('login', '{name}'));
    }
    world.phase = 'serving';
    world.registry = world.registry && {
      ...world.registry,
      failure: {
        atMs: nowMs,
        problems: [
          { file: 'a', line: 1, column: 1, path: '', rule: 'r', value: [1], message: 'm', fix: 'f' },
        ],
      },
    };
    await conforms('/readyz', '/readyz');
    await conforms('/registry', '/registry');
  });
});
