import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { QueryBatch } from '../../../../src/domain/registry/model.ts';
import type { Selector } from '../../../../src/domain/registry/selector.ts';
import { type FailureDocument, failureOf } from '../../../../src/domain/sli/failure.ts';
import { describeQueries, planQueries } from '../../../../src/sources/datadog/query/query-plan.ts';
import { maxResourceListLength } from '../../../../src/sources/datadog/query/query-plan-types.ts';
import {
  secondsText,
  templateCountTexts,
  traceCountTexts,
} from '../../../../src/sources/datadog/query/query-text.ts';
import {
  parseSourceTemplate,
  type SourceTemplate,
  templateOf,
} from '../../../../src/sources/datadog/query/source-template.ts';
import { batch, scoped, selector, template } from '../synthetic.ts';

function texts(
  of: QueryBatch,
  canary: Selector | string = 'version:v2',
  stable?: string,
): Record<string, string> {
  const plan = planQueries(
    of,
    typeof canary === 'string' ? selector(canary) : canary,
    stable === undefined ? undefined : selector(stable),
  );
  return Object.fromEntries(plan.queries.map(({ name, query }) => [name, query]));
}

function source(total: string, bad: string, groupBy?: string): SourceTemplate {
  const parsed = parseSourceTemplate('istio', { total, bad, ...(groupBy === undefined ? {} : { groupBy }) });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return templateOf(parsed.source);
}

const failing = (document: FailureDocument, ...resources: string[]) =>
  batch([{ ...scoped('api', []), failures: [{ failure: failureOf(document), resources }] }]);

describe('what other definitions of failure ask', () => {
  const scope = 'env:production AND service:api AND version:v2';
  const endpoints = `${scope} AND resource_name:post_/login`;
  const canaryOf = (of: QueryBatch) =>
    Object.entries(texts(of))
      .filter(([name]) => name.startsWith('c_'))
      .map(([name, text]) => [
        name,
        text.replaceAll('sum:trace.http.request.', '').replace(/( by \{.*\})?\.as_count\(\)$/, ''),
      ]);

  it('is a list of statuses, what else has a status, and what has none', () => {
    expect(canaryOf(failing(['5xx', 429, 401], 'post_/login'))).toEqual([
      ['c_5xx_401_429_hits_0', `hits{${endpoints}}`],
      [
        'c_5xx_401_429_bad_0',
        `hits{${endpoints} AND (http.status_code:5* OR http.status_code IN (401,429))}`,
      ],
      [
        'c_5xx_401_429_other_status_0',
        `hits{${endpoints} AND (http.status_code:1* OR http.status_code:2* OR http.status_code:3* OR http.status_code:4*) AND http.status_code NOT IN (401,429)}`,
      ],
      [
        'c_5xx_401_429_no_status_0',
        `hits{${endpoints} AND NOT http.status_code:1* AND NOT http.status_code:2* AND NOT http.status_code:3* AND NOT http.status_code:4* AND NOT http.status_code:5*}`,
      ],
      ['c_5xx_401_429_all_hits_0', `hits{${scope}}`],
      [
        'c_5xx_401_429_all_bad_0',
        `hits{${scope} AND (http.status_code:5* OR http.status_code IN (401,429))}`,
      ],
      [
        'c_5xx_401_429_all_not_bad_0',
        `hits{${scope} AND NOT http.status_code:5* AND http.status_code NOT IN (401,429)}`,
      ],
      ['c_5xx_401_429_check_hits_0', `hits{${endpoints}}`],
      [
        'c_5xx_401_429_check_bad_0',
        `hits{${endpoints} AND (http.status_code:5* OR http.status_code IN (401,429))}`,
      ],
    ]);
  });

  it('is statuses of gRPC, all others of its, and what has none', () => {
    const asked = Object.fromEntries(canaryOf(failing({ grpc: ['UNAVAILABLE'] }, '*')));
    expect(asked).toEqual({
      c_grpc_unavailable_all_hits_0: `hits{${scope}}`,
      c_grpc_unavailable_all_bad_0: `hits{${scope} AND rpc.grpc.status_code:14}`,
      c_grpc_unavailable_all_other_status_0: `hits{${scope} AND rpc.grpc.status_code IN (0,1,2,3,4,5,6,7,8,9,10,11,12,13,15,16)}`,
      c_grpc_unavailable_all_no_status_0: `hits{${scope} AND rpc.grpc.status_code NOT IN (0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16)}`,
    });
  });

  it('is errors and hits, both asked twice', () => {
    expect(canaryOf(failing('errors', 'post_/login', '*')).map(([, text]) => text)).toEqual([
      `hits{${endpoints}}`,
      `errors{${endpoints}}`,
      `hits{${endpoints} AND http.status_code:5*}`,
      `hits{${endpoints} AND NOT http.status_code:5*}`,
      `errors{${endpoints} AND http.status_code:5*}`,
      `errors{${endpoints} AND NOT http.status_code:5*}`,
      `hits{${scope}}`,
      `errors{${scope}}`,
      `hits{${scope} AND http.status_code:5*}`,
      `hits{${scope} AND NOT http.status_code:5*}`,
      `errors{${scope} AND http.status_code:5*}`,
      `errors{${scope} AND NOT http.status_code:5*}`,
      `hits{${endpoints}}`,
      `errors{${endpoints}}`,
    ]);
  });

  it('has a name of its own for every query, beside those for 5XX', () => {
    const of = batch([
      {
        ...scoped('api', ['post_/login', '*']),
        failures: ['errors', 'grpc', ['5xx', 429] as const].map((document) => ({
          failure: failureOf(document as FailureDocument),
          resources: ['*', 'get_/me'],
        })),
      },
    ]);
    const { queries } = planQueries(of, selector('version:v2'), undefined);
    expect(new Set(queries.map(({ name }) => name)).size).toBe(queries.length);
    for (const { name } of queries) expect(name).toMatch(/^[a-z][a-z0-9_]*$/);
    expect(describeQueries(of).map(({ name }) => name)).toEqual(queries.map(({ name }) => name));
  });
});

const one = batch([scoped('api', ['post_/login'])]);

describe('what a service with trace metrics is asked', () => {
  it('is hits and 5XX of one metric, for its endpoints, the same without groups, and the whole service; and what is left of each total', () => {
    const scope = 'env:production AND service:api AND version:v2';
    const endpoints = `${scope} AND resource_name:post_/login`;
    expect(Object.entries(texts(one)).filter(([name]) => name.startsWith('c_'))).toEqual([
      ['c_hits_0', `sum:trace.http.request.hits{${endpoints}} by {service,resource_name}.as_count()`],
      [
        'c_bad_0',
        `sum:trace.http.request.hits{${endpoints} AND http.status_code:5*} by {service,resource_name}.as_count()`,
      ],
      [
        'c_other_status_0',
        `sum:trace.http.request.hits{${endpoints} AND (http.status_code:1* OR http.status_code:2* OR http.status_code:3* OR http.status_code:4*)} by {service,resource_name}.as_count()`,
      ],
      [
        'c_no_status_0',
        `sum:trace.http.request.hits{${endpoints} AND NOT http.status_code:1* AND NOT http.status_code:2* AND NOT http.status_code:3* AND NOT http.status_code:4* AND NOT http.status_code:5*} by {service,resource_name}.as_count()`,
      ],
      ['c_all_hits_0', `sum:trace.http.request.hits{${scope}} by {service}.as_count()`],
      [
        'c_all_bad_0',
        `sum:trace.http.request.hits{${scope} AND http.status_code:5*} by {service}.as_count()`,
      ],
      [
        'c_all_not_bad_0',
        `sum:trace.http.request.hits{${scope} AND NOT http.status_code:5*} by {service}.as_count()`,
      ],
      ['c_check_hits_0', `sum:trace.http.request.hits{${endpoints}} by {service}.as_count()`],
      [
        'c_check_bad_0',
        `sum:trace.http.request.hits{${endpoints} AND http.status_code:5*} by {service}.as_count()`,
      ],
    ]);
  });

  it('asks services of one operation together and each operation by its own metric', () => {
    const asked = texts(
      batch([
        scoped('api', ['post_/login']),
        scoped('web', ['get_/'], [], { operation: 'express.request' }),
        scoped('auth', ['get_/me']),
      ]),
    );
    expect(asked.c_hits_0).toContain(
      'sum:trace.http.request.hits{env:production AND service IN (api,auth) AND version:v2 AND resource_name IN (get_/me,post_/login)}',
    );
    expect(asked.c_hits_1).toContain('sum:trace.express.request.hits{env:production AND service:web AND');
    expect(Object.keys(asked)).not.toContain('c_hits_2');
  });

  it('asks the whole service alone where no CUJ names an endpoint', () => {
    expect(Object.keys(texts(batch([scoped('api', [])])))).toEqual([
      'c_all_hits_0',
      'c_all_bad_0',
      'c_all_not_bad_0',
      's_all_hits_0',
      's_all_bad_0',
      's_all_not_bad_0',
    ]);
    const whole = Object.keys(texts(batch([scoped('api', ['*'])])));
    expect(whole.filter((name) => name.includes('status'))).toEqual([
      'c_all_other_status_0',
      'c_all_no_status_0',
      's_all_other_status_0',
      's_all_no_status_0',
    ]);
  });

  it('leaves a list of endpoints out of the filter that would be too long, and checks against the whole', () => {
    const resources = Array.from({ length: 100 }, (_, i) => `get_/${'a'.repeat(40)}${i}`);
    const [set] = planQueries(batch([scoped('api', resources)]), selector('version:v2'), undefined).sets;
    expect(resources.join(',').length).toBeGreaterThan(maxResourceListLength);
    expect(set?.whole).toMatchObject(set?.check as object);
    expect(texts(batch([scoped('api', resources)])).c_hits_0).toBe(
      'sum:trace.http.request.hits{env:production AND service:api AND version:v2} by {service,resource_name}.as_count()',
    );
  });

  it('is the same for the same registry, and no text is sent twice', () => {
    const many = batch([
      scoped('api', ['b', 'a'], [{ latencyMs: 300, resources: ['a', '*'] }]),
      scoped(
        'web',
        ['c'],
        [
          { latencyMs: 300, resources: ['c'] },
          { latencyMs: 50, resources: ['c'] },
        ],
      ),
    ]);
    const plan = planQueries(many, selector('version:v2'), undefined);
    expect(planQueries(many, selector('version:v2'), undefined)).toEqual(plan);
    for (const member of ['name', 'query'] as const) {
      expect(new Set(plan.queries.map((asked) => asked[member])).size).toBe(plan.queries.length);
    }
  });
});

describe('latency', () => {
  const timed = batch([
    scoped(
      'api',
      ['get_/me', 'post_/login'],
      [
        { latencyMs: 300, resources: ['get_/me'] },
        { latencyMs: 500, resources: ['*', 'post_/login'] },
      ],
    ),
  ]);

  it('counts by the distribution, in seconds, each threshold for its own endpoints, with one total for all', () => {
    const asked = texts(timed);
    const scope = 'env:production AND service:api AND version:v2';
    expect(asked.c_timed_0).toBe(
      `count:trace.http.request{${scope} AND resource_name IN (get_/me,post_/login)} by {service,resource_name}.as_count()`,
    );
    expect(asked.c_good300_0).toBe(
      `count(v: v<=0.3):trace.http.request{${scope} AND resource_name:get_/me} by {service,resource_name}.as_count()`,
    );
    expect(asked.c_good500_0).toBe(
      `count(v: v<=0.5):trace.http.request{${scope} AND resource_name:post_/login} by {service,resource_name}.as_count()`,
    );
    expect(asked.c_all_good500_0).toBe(
      `count(v: v<=0.5):trace.http.request{${scope}} by {service}.as_count()`,
    );
    expect(asked.c_all_good300_0).toBeUndefined();
    expect(Object.values(asked).filter((text) => text.startsWith('count:'))).toHaveLength(6);
  });

  it('is not asked where nothing has a threshold', () => {
    expect(Object.values(texts(one)).filter((text) => text.startsWith('count'))).toEqual([]);
  });

  it.each([
    [300, '0.3'],
    [1, '0.001'],
    [0.5, '0.0005'],
    [0.0001, '0.0000001'],
    [1_100, '1.1'],
    [59_999.9, '59.9999'],
    [2_000, '2'],
    [600_000, '600'],
  ])('writes %d ms as %s s', (ms, text) => {
    expect(secondsText(ms)).toBe(text);
  });

  it('writes seconds without exponent that read back as what was meant', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6_000_000 }), (tenths) => {
        const text = secondsText(tenths / 10);
        expect(text).toMatch(/^\d+(\.\d*[1-9])?$/);
        expect(Number(text)).toBeCloseTo(tenths / 10_000, 9);
      }),
    );
  });
});

describe('the two sides', () => {
  it.each([
    ['one term', 'version:v2', 'version:v2', 'version NOT IN (v2)'],
    [
      'two terms',
      'version:v2,role:canary',
      'version:v2 AND role:canary',
      '(version NOT IN (v2) OR role NOT IN (canary))',
    ],
  ])('stable without a selector is all that the canary’s does not match: %s', (_, canary, own, rest) => {
    const asked = texts(one, canary);
    expect(asked.c_all_hits_0).toContain(`{env:production AND service:api AND ${own}}`);
    expect(asked.s_all_hits_0).toContain(`{env:production AND service:api AND ${rest}}`);
  });

  it('stable with a selector is that', () => {
    expect(texts(one, 'version:v2', 'version:v1').s_all_hits_0).toContain('AND version:v1}');
  });

  it.each([
    ['a service name of its own', 'service:api-canary', 'service:api-canary}', 'service:api}'],
    ['and more', 'service:api-canary,version:v2', 'service:api-canary AND version:v2}', 'service:api}'],
    ['an env of its own', 'env:canary', '{env:canary AND service:api}', '{env:production AND service:api}'],
    [
      'the env that it has anyway',
      'env:production,version:v2',
      '{env:production AND service:api AND version:v2}',
      '{env:production AND service:api AND version NOT IN (v2)}',
    ],
    [
      'the name that it has anyway',
      'service:api,version:v2',
      '{env:production AND service:api AND version:v2}',
      '{env:production AND service:api AND version NOT IN (v2)}',
    ],
    [
      'all of the service, so that no rest is left',
      'service:api',
      '{env:production AND service:api}',
      '{env:production AND service:api AND service NOT IN (api)}',
    ],
  ])('a selector’s service and env replace the service’s own: %s', (_, canary, own, rest) => {
    const asked = texts(one, canary);
    expect(asked.c_all_hits_0).toContain(own);
    expect(asked.s_all_hits_0).toContain(rest);
  });

  it('excludes a canary that has the name of another service of the batch', () => {
    const two = batch([scoped('api', []), scoped('web', [])]);
    expect(texts(two, 'service:web,version:v2').s_all_hits_0).toContain(
      '{env:production AND service IN (api,web) AND (service NOT IN (web) OR version NOT IN (v2))}',
    );
  });

  it('stable may have a service name of its own as well', () => {
    const asked = texts(one, 'service:api-canary', 'service:api-stable');
    expect(asked.s_all_hits_0).toContain('{env:production AND service:api-stable}');
    const plan = planQueries(one, selector('service:api-canary'), selector('service:api-stable'));
    expect(plan.sets.map(({ services }) => services[0])).toMatchObject([
      { name: 'api', group: 'api-canary' },
      { name: 'api', group: 'api-stable' },
    ]);
  });
});

describe('all requests of a service, of any version', () => {
  const mesh = source(
    'sum:istio.mesh.request.count{destination_service_name:{service},{selector}}.as_count()',
    'sum:istio.mesh.request.count{destination_service_name:{service},{selector},response_code:5*}.as_count()',
  );
  const meshed = batch([scoped('api', [], [], { source: 'istio', operation: undefined })], {
    source: 'istio',
    template: mesh,
  });

  it('are asked for once where stable has a selector of its own, for then something can be neither', () => {
    expect(texts(one, 'version:v2', 'version:v1').s_all_traffic_0).toBe(
      'sum:trace.http.request.hits{env:production AND service:api} by {service}.as_count()',
    );
    expect(texts(meshed, 'version:v2', 'version:v1').s_all_traffic_0).toBe(
      'sum:istio.mesh.request.count{destination_service_name:api}.as_count()',
    );
  });

  it.each<[string, string, string | undefined]>([
    ['stable is the rest: both sides are all', 'version:v2', undefined],
    [
      'the canary has a service name of its own, whose traffic is not the service’s',
      'service:api-canary',
      'version:v1',
    ],
    ['stable runs in an env of its own', 'version:v2', 'env:blue,version:v1'],
  ])('are not asked for where %s', (_, canary, stable) => {
    expect(Object.keys(texts(one, canary, stable)).filter((name) => name.includes('all_traffic'))).toEqual(
      [],
    );
  });
});

describe('source templates', () => {
  const istio = (groupBy?: string) =>
    source(
      'sum:istio.mesh.request.count{destination_service_name:{service},env:{env},{selector}}.as_count()',
      'sum:istio.mesh.request.count{destination_service_name:{service},env:{env},{selector},response_code:5*}.as_count()',
      groupBy,
    );
  const meshed = (resources: string[], groupBy?: string, names = ['api']) =>
    batch(
      names.map((name) => scoped(name, resources, [], { source: 'istio', operation: undefined })),
      { source: 'istio', template: istio(groupBy) },
    );

  it('ask each service for itself, in boolean form', () => {
    expect(texts(meshed([], undefined, ['api', 'web']))).toEqual({
      c_all_hits_0:
        'sum:istio.mesh.request.count{destination_service_name:api AND env:production AND version:v2}.as_count()',
      c_all_not_bad_0:
        'sum:istio.mesh.request.count{destination_service_name:api AND env:production AND version:v2 AND NOT response_code:5*}.as_count()',
      c_all_bad_0:
        'sum:istio.mesh.request.count{destination_service_name:api AND env:production AND version:v2 AND response_code:5*}.as_count()',
      s_all_hits_0:
        'sum:istio.mesh.request.count{destination_service_name:api AND env:production AND version NOT IN (v2)}.as_count()',
      s_all_not_bad_0:
        'sum:istio.mesh.request.count{destination_service_name:api AND env:production AND version NOT IN (v2) AND NOT response_code:5*}.as_count()',
      s_all_bad_0:
        'sum:istio.mesh.request.count{destination_service_name:api AND env:production AND version NOT IN (v2) AND response_code:5*}.as_count()',
      c_all_hits_1:
        'sum:istio.mesh.request.count{destination_service_name:web AND env:production AND version:v2}.as_count()',
      c_all_not_bad_1:
        'sum:istio.mesh.request.count{destination_service_name:web AND env:production AND version:v2 AND NOT response_code:5*}.as_count()',
      c_all_bad_1:
        'sum:istio.mesh.request.count{destination_service_name:web AND env:production AND version:v2 AND response_code:5*}.as_count()',
      s_all_hits_1:
        'sum:istio.mesh.request.count{destination_service_name:web AND env:production AND version NOT IN (v2)}.as_count()',
      s_all_not_bad_1:
        'sum:istio.mesh.request.count{destination_service_name:web AND env:production AND version NOT IN (v2) AND NOT response_code:5*}.as_count()',
      s_all_bad_1:
        'sum:istio.mesh.request.count{destination_service_name:web AND env:production AND version NOT IN (v2) AND response_code:5*}.as_count()',
    });
  });

  it('group by their own tag where they have one', () => {
    expect(texts(meshed(['get_/me'], 'route')).c_bad_0).toBe(
      'sum:istio.mesh.request.count{destination_service_name:api AND env:production AND version:v2 AND response_code:5* AND route:get_/me} by {route}.as_count()',
    );
  });

  it('take a service of the selector into the place of the service, where they name it', () => {
    const asked = texts(meshed([]), 'service:api-canary');
    expect(asked.c_all_hits_0).toContain('{destination_service_name:api-canary AND env:production}');
    expect(asked.s_all_hits_0).toContain('{destination_service_name:api AND env:production}');
  });

  it('keep a service of the selector as a condition where they do not name it: it must not get lost', () => {
    const fixed = batch([scoped('api', [], [], { source: 'istio' })], {
      source: 'istio',
      template: source('sum:rum.hits{{selector}}.as_count()', 'sum:rum.errors{{selector}}.as_count()'),
    });
    expect(texts(fixed, 'service:api-canary').c_all_hits_0).toBe(
      'sum:rum.hits{service:api-canary}.as_count()',
    );
    expect(texts(fixed, 'service:api-canary').s_all_hits_0).toBe(
      'sum:rum.hits{service NOT IN (api-canary)}.as_count()',
    );
  });

  it('write negations and lists in documented operators', () => {
    const odd = source(
      'count:a.b{NOT kind:probe AND NOT path:internal* AND zone IN (a, b) AND kind NOT IN (x) AND {selector}}.as_count()',
      'count:a.bad{{selector}}.as_count()',
    );
    const scope = { env: 'production', services: ['api'], condition: 'version:v2' };
    expect(templateCountTexts(odd, scope).total).toBe(
      'count:a.b{kind NOT IN (probe) AND NOT path:internal* AND zone IN (a,b) AND kind NOT IN (x) AND version:v2}.as_count()',
    );
  });

  it.each([
    ['endpoints without a tag to tell them apart', meshed(['get_/me'])],
    [
      'durations',
      batch([scoped('api', [], [{ latencyMs: 1, resources: ['*'] }])], {
        source: 'istio',
        template: istio(),
      }),
    ],
    ['a template that is not there', batch([scoped('api', [])], { source: 'istio' })],
    ['a trace service without operation', batch([scoped('api', [], [], { operation: undefined })])],
  ])('refuse, as a mistake of the program, %s', (_, wrong) => {
    expect(() => planQueries(wrong, selector('version:v2'), undefined)).toThrow(TypeError);
  });
});

describe('what may enter a query', () => {
  it.each(['', 'V2', 'v2}', 'v2,env:x', 'a b', 'v*', 'ü', '{version}', 'x'.repeat(201)])(
    'never a value that Datadog does not store: %j',
    (value) => {
      const unsafe = { terms: [{ key: 'version', value }] };
      expect(() => planQueries(one, unsafe, undefined)).toThrow(TypeError);
      expect(() => planQueries(one, selector('version:v2'), unsafe)).toThrow(TypeError);
      expect(() => planQueries(batch([scoped('api', [value])]), selector('version:v2'), undefined)).toThrow(
        TypeError,
      );
      expect(() => traceCountTexts('http.request', { env: value, services: ['api'] })).toThrow(TypeError);
      expect(() => traceCountTexts('http.request', { env: 'x', services: [value] })).toThrow(TypeError);
    },
  );

  it.each([
    ['a selector without terms', () => texts(one, { terms: [] })],
    ['a key that is no tag key', () => texts(one, { terms: [{ key: 'a} OR {b', value: 'x' }] })],
    ['no service at all', () => traceCountTexts('http.request', { env: 'x', services: [] })],
    [
      'no resource where some were meant',
      () => traceCountTexts('http.request', { env: 'x', services: ['a'], resources: [] }),
    ],
    ['an operation that is no metric', () => traceCountTexts('a{*}', { env: 'x', services: ['a'] })],
  ])('never %s', (_, write) => {
    expect(write).toThrow(TypeError);
  });

  it('keeps every filter in boolean form, whatever the registry and the caller bring', () => {
    const value = fc.stringMatching(/^[a-z0-9_:./-]{1,30}$/);
    const key = fc.stringMatching(/^[a-z][a-z0-9_./-]{0,9}$/);
    const anySelector = fc
      .uniqueArray(fc.record({ key, value }), { minLength: 1, maxLength: 3, selector: (term) => term.key })
      .map((terms) => ({ terms }));
    fc.assert(
      fc.property(
        fc.uniqueArray(value, { minLength: 1, maxLength: 4 }),
        fc.uniqueArray(value, { maxLength: 5 }),
        anySelector,
        fc.option(anySelector, { nil: undefined }),
        (services, resources, canary, stable) => {
          const of = batch(services.map((name) => scoped(name, resources)));
          for (const { query } of planQueries(of, canary, stable).queries) {
            const [, filter, by] =
              /^[^{}]+\{([^{}]*)\}(?: by \{([^{}]*)\})?\.as_count\(\)$/.exec(query) ?? [];
            expect(filter?.replace(/\([^()]*\)/g, '')).not.toMatch(/[,!]/);
            expect(filter).toMatch(/^env:\S+ AND service(:| IN )/);
            expect(by).toMatch(/^service(,resource_name)?$/);
          }
        },
      ),
    );
  });
});

describe('describeQueries', () => {
  it('shows the exact texts of a question', () => {
    const canary = selector('version:v2');
    expect(describeQueries(one, canary)).toEqual(
      planQueries(one, canary, undefined).queries.map(({ name, query }) => ({ name, query })),
    );
  });

  it('shows the registry’s own placeholders where no selector is given, stable’s too', () => {
    const shown = describeQueries(
      batch([
        scoped('api', [], [], {
          canary: template('version:{version},role:canary'),
          stable: template('version:{stable_version}'),
        }),
      ]),
    );
    expect(shown.map(({ query }) => query)).toEqual([
      expect.stringContaining('{env:production AND service:api AND version:{version} AND role:canary}'),
      expect.stringContaining('version:{version} AND role:canary AND http.status_code:5*}'),
      expect.stringContaining('version:{version} AND role:canary AND NOT http.status_code:5*}'),
      expect.stringContaining('{env:production AND service:api AND version:{stable_version}}'),
      expect.stringContaining('version:{stable_version} AND http.status_code:5*}'),
      expect.stringContaining('version:{stable_version} AND NOT http.status_code:5*}'),
      expect.stringContaining('{env:production AND service:api} by {service}'),
    ]);
  });
});
