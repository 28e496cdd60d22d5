import { readdirSync, readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { defaultAnalysisOptions } from '../../src/generate/argo/analysis-options.ts';
import { logLevels, readSettings, requiredToServe, settingsTable } from '../../src/settings/settings.ts';
import { datadogSites } from '../../src/sources/datadog/query/sites.ts';
import { backendNames } from '../../src/sources/dialects/dialects.ts';
import { manifestsOf } from './manifests.ts';

const chart = new URL('../../helm/cuj-gate/', import.meta.url);
const read = (file: string) => readFileSync(new URL(file, chart), 'utf8');
const schema = JSON.parse(read('values.schema.json'));
const defaults = parse(read('values.yaml')) as Record<string, unknown>;
const validate = new Ajv({ allErrors: true, strict: true, allowUnionTypes: true }).compile(schema);

interface Manifest {
  readonly kind: string;
  readonly spec: {
    readonly template: {
      readonly spec: {
        readonly containers: readonly {
          readonly env?: readonly { readonly name: string; readonly value?: string }[];
        }[];
      };
    };
  };
}

/** The defaults with one value, at a path of keys, replaced. */
function withValue(path: string, value: unknown): unknown {
  const values = structuredClone(defaults);
  const keys = path.split('.');
  const last = keys.pop() as string;
  let at = values;
  for (const key of keys) at = at[key] as Record<string, unknown>;
  at[last] = value;
  return values;
}

describe('values.schema.json', () => {
  it('accepts values.yaml', () => {
    expect(validate(defaults), JSON.stringify(validate.errors)).toBe(true);
  });

  it('describes every value that values.yaml has, and no other', () => {
    const described: string[] = [];
    const given: string[] = [];
    const walk = (properties: Record<string, { properties?: never }>, prefix: string) => {
      for (const [name, { properties: inner }] of Object.entries(properties)) {
        // What a parent chart hands down, and what resources may hold, are Kubernetes' and Helm's own.
        if (inner && name !== 'resources') walk(inner, `${prefix}${name}.`);
        else if (name !== 'global') described.push(prefix + name);
      }
    };
    walk(schema.properties, '');
    const open = new Set(described);
    const collect = (value: unknown, path: string) => {
      if (typeof value === 'object' && value !== null && !Array.isArray(value) && !open.has(path)) {
        for (const [key, inner] of Object.entries(value))
          collect(inner, path === '' ? key : `${path}.${key}`);
      } else given.push(path);
    };
    collect(defaults, '');
    expect(given.sort()).toEqual(described.sort());
  });

  it.each<[string, string, unknown, RegExp]>([
    ['a value that does not exist', 'replicas', 3, /additional properties/],
    ['a misspelt value in a section', 'settings.cacheTTL', '60s', /additional properties/],
    ['no replicas', 'replicaCount', 0, />= 1/],
    ['a duration without a unit', 'settings.deadline', '8', /pattern/],
    ['a duration as a number', 'settings.deadline', 8, /string/],
    ["a site that is not Datadog's", 'datadog.site', 'datadog.com', /allowed values/],
    ['a repository with a tag', 'image.repository', 'registry.example.com:5000/cuj-gate:1.2', /pattern/],
    ['a repository with a space', 'image.repository', 'registry.example.com/ cuj-gate', /pattern/],
    ['a digest that is cut short', 'image.digest', 'sha256:abc', /pattern/],
    ['a registry file of another kind', 'registry.files', { 'cujs.txt': 'x' }, /property name/],
    ['an issuer in plain HTTP', 'auth.oidc.issuer', 'http://login.example.com', /pattern/],
    ["people's issuer in plain HTTP", 'auth.browserOidc.issuer', 'http://login.example.com', /pattern/],
    ['a public URL without a scheme', 'settings.publicUrl', 'gate.example.com', /pattern/],
    ['a public URL with a query', 'settings.publicUrl', 'https://gate.example.com/?x=1', /pattern/],
    ['a base path that is a URL', 'settings.basePath', 'https://gate.example.com', /pattern/],
    ['a Gateway without a name', 'httpRoute.parentRefs', [{ namespace: 'gateways' }], /name/],
    ['a port in the name of a Service', 'ingress.service.name', 'oauth2-proxy:80', /pattern/],
    ['a browser that is not a peer', 'networkPolicy.browserFrom', [{}], /fewer than 1/],
    ['a claim without a value', 'auth.oidc.claim', 'groups', /pattern/],
    ['a Secret of tokens in place of its name', 'auth.tokens.existingSecret', 'argo: Zm9v', /pattern/],
    ['a port that is none', 'adminPort', 65536, /<= 65535/],
    ['an empty registry file', 'registry.files', { 'cujs.yaml': '' }, /fewer than 1/],
    ['a wait that is longer than the gate waits', 'drainSeconds', 16, /<= 15/],
    ['a budget of no pods', 'podDisruptionBudget.maxUnavailable', 0, />= 1/],
    ['a peer that is not one', 'networkPolicy.from', [{ namespace: 'argo' }], /additional properties/],
    ['a peer that admits everybody', 'networkPolicy.from', [{}], /fewer than 1/],
    ['a collector without a scheme', 'tracing.endpoint', 'otel-collector:4318', /pattern/],
    ['the URL of a Redis in place of its Secret', 'redis.existingSecret', 'redis://cache:6379', /pattern/],
    ['a collector with a password', 'tracing.endpoint', 'http://me:secret@otel:4318', /pattern/],
    ['a proxy with a password', 'datadog.url', 'http://me:secret@proxy:3128', /pattern/],
    ['an intake of events with a password', 'datadog.events.url', 'http://me:secret@proxy:3128', /pattern/],
    ['docs at a path', 'prometheusRule.docsUrl', '/docs', /pattern/],
    ['a proxy with a query', 'datadog.url', 'http://proxy:3128/api?x=1', /pattern/],
    ['an interval of nothing', 'serviceMonitor.interval', '0s', /pattern/],
    ['egress that says nothing', 'networkPolicy.extraEgress', [{}], /fewer than 1/],
    ['a mesh that is none', 'networkPolicy.istio', 'yes', /allowed values/],
    ['a network that is none', 'networkPolicy.egressCidrs', ['10.0.0.1'], /pattern/],
    ['a port that is none', 'service.port', 70_000, /<= 65535/],
  ])('refuses %s', (_, path, value, message) => {
    expect(validate(withValue(path, value))).toBe(false);
    expect(JSON.stringify(validate.errors)).toMatch(message);
  });

  it.each<[string, unknown]>([
    ['image.repository', 'registry.example.com:5000/platform/cuj-gate'],
    ['image.digest', `sha256:${'0'.repeat(64)}`],
    [
      'registry.files',
      { 'cujs.yaml': 'apiVersion: cuj-gate/v1', 'more.json': { apiVersion: 'cuj-gate/v1' } },
    ],
    ['podDisruptionBudget.maxUnavailable', '50%'],
    ['settings.host', '::'],
    ['networkPolicy.egressCidrs', ['10.0.0.0/8', '2001:db8::/32']],
    ['networkPolicy.istio', 'sidecar'],
    ['auth.oidc.issuer', 'https://login.example.com/realms/platform'],
    ['auth.oidc.claim', 'https://example.com/team=release=blue'],
    ['settings.publicUrl', 'https://gate.example.com:8443/releases/cuj-gate/'],
    ['settings.basePath', '/cuj-gate'],
    ['httpRoute.parentRefs', [{ name: 'public', namespace: 'gateways', sectionName: 'https' }]],
    ['adminPort', 9090],
    ['prometheusRule.docsUrl', 'https://git.example.com/platform/cuj-gate/-/blob/main/docs/'],
    ['trustedCa.existingConfigMap', 'company-ca'],
    ['tracing.endpoint', 'http://otel-collector.monitoring.svc:4318'],
    ['tracing.endpoint', 'https://otel.example.com/otlp'],
    ['extraEnv', [{ name: 'NODE_OPTIONS', value: '--max-old-space-size=192' }]],
  ])('accepts another %s', (path, value) => {
    expect(validate(withValue(path, value)), JSON.stringify(validate.errors)).toBe(true);
  });
});

describe("the chart's settings", () => {
  const deployment = read('templates/deployment.yaml');
  const set = [...deployment.matchAll(/- name: ([A-Z][A-Z0-9_]*)\n/g)].map(([, name]) => name as string);
  const values = defaults as {
    settings: Record<string, string | number>;
    datadog: { site: string };
    auth: { oidc: { clockSkew: string }; metrics: boolean };
  };

  const backendsInChart = /settings\.backend \(concat \(list ([^)]*)\)/.exec(
    read('templates/_helpers.tpl'),
  )?.[1];
  const inChart = JSON.parse(`[${backendsInChart?.replaceAll(' ', ', ')}]`) as string[];

  const goldens = new URL('testdata/', import.meta.url);
  const written = readdirSync(goldens).filter((name) => name.endsWith('.golden.yaml'));
  const gateOf = (name: string) =>
    manifestsOf<Manifest>(readFileSync(new URL(name, goldens), 'utf8')).find(
      ({ kind }) => kind === 'Deployment',
    )?.spec.template.spec.containers[0];

  it('are each set once, and each of them in one of the manifests here', () => {
    expect(new Set(set).size).toBe(set.length);
    const shown = new Set(written.flatMap((name) => gateOf(name)?.env?.map((one) => one.name) ?? []));
    expect(set.filter((name) => !shown.has(name))).toEqual([]);
  });

  it.each(written)('let the gate start, as the chart writes them in %s', (name) => {
    const env = Object.fromEntries(
      (gateOf(name)?.env ?? []).map((one) => [one.name, String(one.value ?? 'from a Secret')]),
    );
    const readFile = (path: string) =>
      path.includes('redis') ? 'rediss://:secret@redis:6380/0' : 'a-key-of-a-Secret';
    expect(() => readSettings(env, { required: requiredToServe, readFile })).not.toThrow();
  });

  it('cannot be set a second time by extraEnv: each is refused, and the value named that sets it', () => {
    const owners = /"cuj-gate\.owners" -}}([\s\S]*?){{- end -}}/.exec(read('templates/_helpers.tpl'))?.[1];
    const setBy = parse(owners ?? '') as Record<string, string>;
    const all = [...set, ...settingsTable().map(({ name }) => name)];
    const isExtra = new Set(
      settingsTable()
        .filter(({ backend }) => backend !== undefined && !inChart.includes(backend))
        .map(({ name }) => name as string),
    );
    expect(all.filter((name) => setBy[name] === undefined && !isExtra.has(name))).toEqual([]);
    const leads = (path: string) =>
      path
        .split('.')
        .reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], defaults);
    expect(Object.values(setBy).filter((path) => leads(path) === undefined)).toEqual([]);
  });

  it('are what the gate would take by itself where values.yaml is left alone', () => {
    const defaultsOfChart = {
      CUJ_GATE_DEADLINE: values.settings.deadline,
      CUJ_GATE_CACHE_TTL: values.settings.cacheTtl,
      CUJ_GATE_CACHE_SIZE: values.settings.cacheSize,
      CUJ_GATE_MAX_INFLIGHT: values.settings.maxInflight,
      CUJ_GATE_RATE_LIMIT: values.settings.rateLimit,
      CUJ_GATE_AUTH_OIDC_CLOCK_SKEW: values.auth.oidc.clockSkew,
      CUJ_GATE_AUTH_METRICS: values.auth.metrics,
      CUJ_GATE_DRAIN_DELAY: `${defaults.drainSeconds}s`,
      CUJ_GATE_BACKEND: values.settings.backend,
      LOG_LEVEL: values.settings.logLevel,
      HOST: values.settings.host,
      DD_SITE: values.datadog.site,
    };
    const own = Object.fromEntries(settingsTable().map((row) => [row.name, row.default]));
    for (const [name, value] of Object.entries(defaultsOfChart))
      expect(`${name}=${value}`).toBe(`${name}=${own[name]}`);
  });

  it('of a backend that the chart has no values for can stand in extraEnv', () => {
    for (const { name, backend } of settingsTable()) {
      if (backend === undefined || inChart.includes(backend) || !name.startsWith('CUJ_GATE_')) continue;
      expect(name).toContain(`CUJ_GATE_${backend.toUpperCase().replaceAll('-', '_')}_`);
    }
  });

  it('offer the backends, sites and log levels that the gate knows', () => {
    expect(backendNames).toEqual(expect.arrayContaining(inChart));
    const { pattern } = schema.properties.settings.properties.backend;
    expect(backendNames.filter((name) => !new RegExp(pattern).test(name))).toEqual([]);
    expect(schema.properties.datadog.properties.site.enum).toEqual(datadogSites);
    expect(schema.properties.settings.properties.logLevel.enum).toEqual(logLevels);
  });

  it.each<[string, (value: string) => Record<string, string>]>([
    ['settings.host', (HOST) => ({ HOST })],
    ['settings.cacheSize', (CUJ_GATE_CACHE_SIZE) => ({ CUJ_GATE_CACHE_SIZE })],
    ['settings.maxInflight', (CUJ_GATE_MAX_INFLIGHT) => ({ CUJ_GATE_MAX_INFLIGHT })],
    ['settings.rateLimit', (CUJ_GATE_RATE_LIMIT) => ({ CUJ_GATE_RATE_LIMIT })],
    ['adminPort', (CUJ_GATE_ADMIN_PORT) => ({ CUJ_GATE_ADMIN_PORT })],
    ['drainSeconds', (seconds) => ({ CUJ_GATE_DRAIN_DELAY: `${seconds}s` })],
  ])('have the bounds of the gate: %s', (path, env) => {
    const keys = path.split('.');
    let rule = schema;
    for (const key of keys) rule = rule.properties[key];
    const ends = rule.maximum === undefined ? ['0.0.0.0', '::'] : [rule.minimum, rule.maximum];
    for (const end of ends) expect(() => readSettings(env(String(end)))).not.toThrow();
    if (rule.maximum !== undefined) expect(() => readSettings(env(String(rule.maximum + 1)))).toThrow();
  });
});

describe('the bounds of durations in the templates', () => {
  const helpers = read('templates/_helpers.tpl');
  it.each([
    ['settings.deadline', 'CUJ_GATE_DEADLINE'],
    ['settings.cacheTtl', 'CUJ_GATE_CACHE_TTL'],
    ['auth.oidc.clockSkew', 'CUJ_GATE_AUTH_OIDC_CLOCK_SKEW'],
  ])('are those of the gate: %s', (path, name) => {
    const bounds = new RegExp(`"${path}" \\.Values\\.${path} (\\d+) (\\d+)\\)`).exec(helpers);
    const [least, most] = (bounds?.slice(1) ?? []).map(Number) as [number, number];
    const oidc = { CUJ_GATE_AUTH_OIDC_ISSUER: 'https://a.example', CUJ_GATE_AUTH_OIDC_AUDIENCE: 'gate' };
    const withMs = (ms: number) => () => readSettings({ ...oidc, [name]: `${ms}ms` });
    for (const ms of [least, most]) expect(withMs(ms)).not.toThrow();
    expect(withMs(most + 1)).toThrow(name);
    if (least > 0) expect(withMs(least - 1)).toThrow(name);
  });
});

describe('the Service', () => {
  it('is where the generated AnalysisTemplates ask, installed as cuj-gate in the namespace cuj-gate', () => {
    const { port } = defaults.service as { port: number };
    expect(defaultAnalysisOptions.gateUrl).toBe(`http://cuj-gate.cuj-gate.svc:${port}`);
  });
});

describe('the templates', () => {
  it('read only values that values.yaml has', () => {
    const folder = new URL('templates/', chart);
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) =>
      /\.(yaml|tpl|txt)$/.test(file),
    );
    const unknown = files.flatMap((file) =>
      [...read(`templates/${file}`).matchAll(/\.Values\.([A-Za-z.]+)/g)]
        .map(([, path]) => path as string)
        .filter((path) => {
          let at: unknown = defaults;
          for (const key of path.split('.')) at = (at as Record<string, unknown> | undefined)?.[key];
          return at === undefined;
        })
        .map((path) => `${file}: ${path}`),
    );
    expect(unknown).toEqual([]);
  });
});
