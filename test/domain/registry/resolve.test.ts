import { describe, expect, it } from 'vitest';
import { pathText, type RegistryInput } from '../../../src/domain/registry/findings.ts';
import type { Cuj } from '../../../src/domain/registry/model.ts';
import { resolveRegistry } from '../../../src/domain/registry/resolve.ts';
import type { CujDocument, GateDocument, RegistryDocument } from '../../../src/domain/registry/schema.ts';
import { datadogDialect } from '../../../src/sources/datadog/query/dialect.ts';

const services = {
  api: { env: 'production', operation: 'http.request', canary: 'version:{version}' },
  auth: { env: 'production', operation: 'grpc.server', canary: 'version:{version}' },
};

const base = {
  name: 'login',
  owner: 'team',
  service: 'api',
  endpoints: ['POST /login'],
} satisfies CujDocument;

function input(document: Omit<RegistryDocument, 'apiVersion'>, file = 'r.yaml'): RegistryInput {
  return { file, document: { apiVersion: 'cuj-gate/v1', ...document } };
}

function resolveOne(cuj: Partial<CujDocument>, defaults: RegistryDocument['defaults'] = {}): Cuj {
  const resolution = resolveRegistry(
    [input({ defaults, services, cujs: [{ ...base, ...cuj }] })],
    'sha256:0',
    { dialect: datadogDialect },
  );
  if (!resolution.ok) throw new Error(JSON.stringify(resolution.findings));
  return resolution.registry.cujs.get('login') as Cuj;
}

const rules = (inputs: readonly RegistryInput[], incomplete = false) => {
  const resolution = resolveRegistry(inputs, 'sha256:0', { dialect: datadogDialect, incomplete });
  return resolution.ok
    ? []
    : resolution.findings.map(({ file, path, rule }) => `${file} ${pathText(path)} ${rule}`);
};

const availability = { slo: { availability: 99.9 } };

describe('a CUJ with everything left out', () => {
  it('has the documented defaults', () => {
    expect(resolveOne({}, availability)).toEqual({
      name: 'login',
      title: undefined,
      description: undefined,
      owner: 'team',
      runbook: undefined,
      tier: 2,
      mode: 'enforce',
      endpoints: [{ service: 'api', resource: 'post_/login', label: 'POST /login', latencyMs: undefined }],
      services: ['api'],
      sloWindow: '30d',
      objectives: { availability: { percent: 99.9, ratio: 0.999, budget: 0.001, budgetPer100k: 100 } },
      sloIds: {},
      gate: {
        rule: 'confidence',
        falseAbort: 0.05,
        ruleOutBurn: 14.4,
        passAfterMs: 360_000,
        rulesOutRate: 0.25,
        minRequests: 10,
        onLowTraffic: 'inconclusive',
        onUnreached: 'inconclusive',
        window: 'rollout',
        maxWindowMs: 7_200_000,
        restartGapMs: 300_000,
        minFaultMs: 30_000,
        lagMs: 45_000,
      },
      errorBudgetPolicy: [],
    });
  });

  it('takes the defaults of the registry, and its own values before them', () => {
    const cuj = resolveOne(
      { gate: { minRequests: 7, window: '10m' }, slo: { availability: 99 } },
      { slo: { window: '7d', availability: 99.9 }, gate: { minRequests: 5, lag: '2m' } },
    );
    expect(cuj.gate).toMatchObject({
      minRequests: 7,
      window: 600_000,
      lagMs: 120_000,
      maxWindowMs: 7_200_000,
    });
    expect(cuj.sloWindow).toBe('7d');
    expect(cuj.objectives.availability?.percent).toBe(99);
  });
});

describe('the limited pass', () => {
  it('is off with passAfter: never, in the defaults and in a CUJ', () => {
    const never = { gate: { passAfter: 'never' } };
    expect(resolveOne({}, { ...availability, ...never }).gate).not.toHaveProperty('passAfterMs');
    expect(resolveOne(never, { ...availability, gate: { passAfter: '6m' } }).gate).not.toHaveProperty(
      'passAfterMs',
    );
    const again = resolveOne({ gate: { passAfter: '6m' } }, { ...availability, ...never });
    expect(again.gate.passAfterMs).toBe(360_000);
  });

  it('has its rate in percent', () => {
    const cuj = resolveOne({ gate: { rulesOutRate: 2.5 } }, { ...availability, gate: { rulesOutRate: 1 } });
    expect(cuj.gate.rulesOutRate).toBe(0.025);
  });

  const findings = (cuj: GateDocument, defaults: GateDocument = {}) =>
    rules([
      input({ defaults: { ...availability, gate: defaults }, services, cujs: [{ ...base, gate: cuj }] }),
    ]);

  it('may come at the end of the longest window', () => {
    expect(findings({ passAfter: '30m', maxWindow: '30m' })).toEqual([]);
  });

  it.each([
    [{ window: '3m', minFaultDuration: '2m' }, {}, 'window'],
    [{ window: '3m' }, { minFaultDuration: '2m' }, 'window'],
    [{ minFaultDuration: '2m' }, { window: '3m' }, 'minFaultDuration'],
    [{ rule: 'baseline' }, { rule: 'strict', window: '1m' }, 'rule'],
    [{ maxWindow: '3m', passAfter: 'never' }, { minFaultDuration: '2m' }, 'maxWindow'],
  ] satisfies [GateDocument, GateDocument, string][])(
    'may not be too long for a fail in the window: %j over the defaults %j',
    (cuj, defaults, key) => {
      expect(findings(cuj, defaults)).toEqual([`r.yaml cujs[0].gate.${key} window-too-short`]);
    },
  );

  it('is judged in a window that it just fits, and by a rule that does not need it', () => {
    expect(findings({ minFaultDuration: '2m' }, { window: '4m' })).toEqual([]);
    expect(findings({ minFaultDuration: '10m' }, { rule: 'strict', window: '1m' })).toEqual([]);
    expect(findings({ minFaultDuration: '30s' }, { window: '2m' })).toEqual([]);
  });

  it.each([
    [{ passAfter: '10m' }, { maxWindow: '9m' }, 'passAfter'],
    [{ maxWindow: '9m' }, { passAfter: '10m' }, 'maxWindow'],
    [{ window: 'rollout' }, { window: '5m', passAfter: '10m', maxWindow: '9m' }, 'window'],
  ])('may not come after it: %j over the defaults %j', (cuj, defaults, key) => {
    expect(findings(cuj, defaults)).toEqual([`r.yaml cujs[0].gate.${key} pass-after-over-max-window`]);
  });

  it.each([
    ['it is off', { passAfter: 'never', maxWindow: '5m' }, { passAfter: '8m' }],
    ['the window is fixed', { window: '5m', maxWindow: '5m' }, { passAfter: '8m' }],
    ['only the built-in default is longer', { maxWindow: '5m' }, {}],
  ])('may be longer where %s', (_, cuj, defaults) => {
    expect(findings(cuj, defaults)).toEqual([]);
  });
});

describe('latency', () => {
  it('has a default objective only where a threshold says what is slow', () => {
    const defaults = { slo: { availability: 99.9, latency: 99 } };
    expect(resolveOne({}, defaults).objectives).not.toHaveProperty('latency');
    expect(resolveOne({ latencyMs: 300 }, defaults).objectives.latency?.percent).toBe(99);
  });

  it("uses the CUJ's threshold where an endpoint has none, and for the whole service", () => {
    const slo = { latency: 99 };
    const mixed = resolveOne({
      slo,
      latencyMs: 300,
      endpoints: ['GET /a', { method: 'GET', path: '/b', latencyMs: 900 }],
    });
    expect(mixed.endpoints.map(({ latencyMs }) => latencyMs)).toEqual([300, 900]);
    expect(resolveOne({ slo, latencyMs: 300, endpoints: '*' }).endpoints).toEqual([
      { service: 'api', resource: '*', label: '*', latencyMs: 300 },
    ]);
  });

  it('leaves endpoints without a threshold out where others have one', () => {
    const cuj = resolveOne({
      slo: { latency: 99 },
      endpoints: ['GET /a', { method: 'GET', path: '/b', latencyMs: 9 }],
    });
    expect(cuj.endpoints.map(({ latencyMs }) => latencyMs)).toEqual([undefined, 9]);
  });
});

describe('endpoints', () => {
  it('are asked for by resource_name, shown as written, and name each service once', () => {
    const cuj = resolveOne(
      {
        endpoints: [
          'PUT /Product/{id}/wish-list',
          { service: 'auth', resource: 'grpc.auth/login' },
          { method: 'GET', path: '/me' },
        ],
      },
      availability,
    );
    expect(cuj.endpoints.map(({ service, resource, label }) => [service, resource, label])).toEqual([
      ['api', 'put_/product/_id_/wish-list', 'PUT /Product/{id}/wish-list'],
      ['auth', 'grpc.auth/login', 'grpc.auth/login'],
      ['api', 'get_/me', 'GET /me'],
    ]);
    expect(cuj.services).toEqual(['api', 'auth']);
  });
});

describe('an error budget policy', () => {
  it('is in the order in which the budget runs out', () => {
    const cuj = resolveOne(
      {
        errorBudgetPolicy: [
          { below: '0%', action: 'freeze', gate: 'strict' },
          { below: '50.5%', action: 'talk' },
          { below: '-10%', action: 'postmortem' },
        ],
      },
      availability,
    );
    expect(cuj.errorBudgetPolicy).toEqual([
      { below: 0.505, action: 'talk', gate: undefined },
      { below: 0, action: 'freeze', gate: 'strict' },
      { below: -0.1, action: 'postmortem', gate: undefined },
    ]);
  });
});

describe('a registry of several files', () => {
  it('is one registry: a CUJ finds the services of another file', () => {
    const resolution = resolveRegistry(
      [input({ cujs: [base] }, 'a.yaml'), input({ defaults: availability, services }, 'b.yaml')],
      'sha256:0',
      { dialect: datadogDialect },
    );
    expect(resolution.ok && [...resolution.registry.cujs.keys()]).toEqual(['login']);
  });

  it('has each name once; the second use is told at both places', () => {
    const sources = { m: { total: 'sum:m{{selector}}.as_count()', bad: 'sum:n{{selector}}.as_count()' } };
    const half = { services: { api: services.api }, sources, cujs: [base] };
    expect(rules([input({ defaults: availability, ...half }, 'a.yaml'), input(half, 'b.yaml')])).toEqual([
      'a.yaml sources.m duplicate-source',
      'b.yaml sources.m duplicate-source',
      'a.yaml services.api duplicate-service',
      'b.yaml services.api duplicate-service',
      'a.yaml cujs[0].name duplicate-cuj',
      'b.yaml cujs[0].name duplicate-cuj',
    ]);
  });

  it('has each default once', () => {
    expect(
      rules([
        input(
          { defaults: { slo: { availability: 99 }, gate: { lag: '2m' } }, services, cujs: [base] },
          'a.yaml',
        ),
        input({ defaults: { gate: { lag: '2m', window: '5m' } } }, 'b.yaml'),
      ]),
    ).toEqual(['a.yaml defaults.gate.lag duplicate-default', 'b.yaml defaults.gate.lag duplicate-default']);
  });

  it('compares routes across CUJs and files', () => {
    const other = { ...base, name: 'other', endpoints: ['POST /Login'] };
    expect(
      rules([
        input({ defaults: availability, services, cujs: [base] }, 'a.yaml'),
        input({ cujs: [other] }, 'b.yaml'),
      ]),
    ).toEqual(['b.yaml cujs[0].endpoints[0] same-resource-name']);
  });

  it('lets two CUJs share an endpoint that both write alike, or by its raw name', () => {
    const alike = { ...base, name: 'alike' };
    const raw = { ...base, name: 'raw', endpoints: [{ resource: 'post_/login' }] };
    expect(rules([input({ defaults: availability, services, cujs: [base, alike, raw] })])).toEqual([]);
  });

  it('calls no name unknown and no registry empty while a file could not be read', () => {
    const readable = [
      input({ services: { api: { ...services.api, operation: undefined as never, source: 'm' } } }),
    ];
    expect(rules(readable, true)).toEqual([]);
    expect(rules(readable)).toEqual(['r.yaml services.api.source unknown-source', 'r.yaml  no-cujs']);
  });
});

describe('parts that did not pass the schema', () => {
  const broken = {
    defaults: false,
    sources: new Set<string>(),
    services: new Set<string>(),
    cujs: new Set<number>(),
  };

  it('hide no problem of the other CUJs, and their names still count', () => {
    const document = input({
      defaults: availability,
      services,
      cujs: [base, base, { ...base, service: 'nobody' }],
    });
    expect(rules([{ ...document, broken: { ...broken, cujs: new Set([0]) } }])).toEqual([
      'r.yaml cujs[0].name duplicate-cuj',
      'r.yaml cujs[1].name duplicate-cuj',
      'r.yaml cujs[2].name duplicate-cuj',
      'r.yaml cujs[2].service unknown-service',
    ]);
  });

  it('make no CUJ wrong that depends on broken defaults or on a broken service', () => {
    const document = input({
      services,
      cujs: [{ ...base, latencyMs: 300, sloId: { latency: '0'.repeat(32) } }],
    });
    expect(
      rules([{ ...document, broken: { ...broken, defaults: true, services: new Set(['api']) } }]),
    ).toEqual([]);
  });
});

it('keeps a thousand findings and counts the rest', () => {
  const cujs = Array.from({ length: 1500 }, (_, i) => ({ ...base, name: `c${i}`, service: 'nobody' }));
  const resolution = resolveRegistry([input({ defaults: availability, services, cujs })], 'sha256:0', {
    dialect: datadogDialect,
  });
  expect(resolution.ok).toBe(false);
  expect(!resolution.ok && [resolution.findings.length, resolution.omitted]).toEqual([1000, 500]);
});

describe('a warm-up', () => {
  const twoMinutes = 120_000;
  const ofLogin = (cuj: Partial<CujDocument>, service: object = {}, defaults: GateDocument = {}) => {
    const resolution = resolveRegistry(
      [
        input({
          defaults: { ...availability, gate: defaults },
          services: { ...services, auth: { ...services.auth, ...service } },
          cujs: [{ ...base, ...cuj }],
        }),
      ],
      'sha256:0',
      { dialect: datadogDialect },
    );
    if (!resolution.ok) return resolution.findings.map(({ rule, path }) => `${pathText(path)} ${rule}`);
    return resolution.registry.cujs.get('login')?.gate.warmUpMs;
  };
  const both: Partial<CujDocument> = { endpoints: ['POST /login', { service: 'auth', resource: 'check' }] };

  it('is none where nothing is said', () => expect(ofLogin({})).toBeUndefined());

  it('is for all SLIs or for some', () => {
    expect(ofLogin({ gate: { warmUp: '2m' } })).toEqual({
      availability: twoMinutes,
      latency: twoMinutes,
      client: twoMinutes,
    });
    expect(ofLogin({ gate: { warmUp: { latency: '2m' } } })).toEqual({ latency: twoMinutes });
  });

  it('is first that of the CUJ, then the longest of its services, then the default', () => {
    const service = { warmUp: { latency: '2m' } };
    expect(ofLogin(both, service, { warmUp: '5m' })).toEqual({ latency: twoMinutes });
    expect(ofLogin({}, service, { warmUp: '5m' })).toMatchObject({ availability: 300_000 });
    expect(ofLogin({ ...both, gate: { warmUp: 'none' } }, service)).toBeUndefined();
    expect(ofLogin(both, { warmUp: 'none' }, { warmUp: '5m' })).toEqual({});
  });

  it.each(['90s', '11m', '1h'])('of %s is refused, wherever it is written', (warmUp) => {
    expect(ofLogin({ gate: { warmUp } })).toEqual(['cujs[0].gate.warmUp warm-up-range']);
    expect(ofLogin({}, { warmUp: { latency: warmUp } })).toEqual([
      'services.auth.warmUp.latency warm-up-range',
    ]);
  });
});
