import { describe, expect, it } from 'vitest';
import { gateLimits } from '../../src/generate/argo/analysis-options.ts';
import { analysisTemplates } from '../../src/generate/argo/analysis-templates.ts';
import { parseValueSource, type ValueSource } from '../../src/generate/argo/canary-args.ts';
import {
  documentsOf,
  exampleDocument,
  type Loose,
  options,
  registryOf,
  smallRegistry,
  textOf,
} from './example.ts';

const example = registryOf(exampleDocument());
const all = analysisTemplates(example, options()).flatMap(({ text }) => documentsOf(text));
const named = (name: string): Loose => all.find(({ metadata }) => metadata.name === name);

describe('every generated template', () => {
  it.each(all.map((template) => [template.metadata.name as string, template] as const))(
    '%s judges the summary by both conditions, with literal limits',
    (name, template) => {
      expect(template.spec.metrics).toHaveLength(1);
      const [metric] = template.spec.metrics;
      expect(metric).toMatchObject({
        name: name.replace(/-(watch|gate)$/, ''),
        interval: '20s',
        failureLimit: 0,
        successCondition: 'result startsWith "PASS"',
        failureCondition: 'result startsWith "FAIL"',
        provider: { web: { jsonPath: '{$.summary}', timeoutSeconds: 10 } },
      });
      for (const limit of ['inconclusiveLimit', 'consecutiveErrorLimit'])
        expect(metric[limit]).toBeTypeOf('number');
    },
  );

  it.each(all.map((template) => [template.metadata.name as string, template] as const))(
    '%s keeps the rules of the controller, and proves a pass only as a gate',
    (name, { spec: { metrics } }) => {
      const [{ count, consecutiveSuccessLimit, failureLimit, inconclusiveLimit, consecutiveErrorLimit }] =
        metrics;
      if (name.endsWith('-watch')) {
        expect(count).toBeUndefined();
        expect(consecutiveSuccessLimit).toBeUndefined();
        // A week of it pauses nothing.
        expect(inconclusiveLimit * 20).toBeGreaterThan(6.9 * 24 * 3600);
        expect(consecutiveErrorLimit).toBeGreaterThanOrEqual(100);
        return;
      }
      expect(count).toBeGreaterThan(1);
      expect(consecutiveSuccessLimit).toBeGreaterThan(0);
      // utils/analysis/factory.go, ValidateMetric.
      expect(count).toBeGreaterThanOrEqual(failureLimit + consecutiveSuccessLimit);
      expect(count).toBeGreaterThanOrEqual(inconclusiveLimit);
    },
  );

  it.each(all.map((template) => [template.metadata.name as string, template] as const))(
    '%s declares every argument that it uses, without a default, and carries them in headers',
    (_, { spec }) => {
      const used = [...JSON.stringify(spec.metrics).matchAll(/\{\{args\.([^}]+)\}\}/g)].map(
        (match) => match[1],
      );
      expect(spec.args.map((arg: Loose) => arg.name).sort()).toEqual([...new Set(used)].sort());
      for (const arg of spec.args) expect(Object.keys(arg)).toEqual(['name']);
      expect(spec.metrics[0].provider.web.url).not.toContain('args.version');
    },
  );

  it.each(all.map((template) => [template.metadata.name as string, template] as const))(
    '%s asks for JSON first of all, so that it gets no page even without a header of the canary',
    (_, { spec }) => {
      const [first, ...others] = spec.metrics[0].provider.web.headers;
      expect(first).toEqual({ key: 'Accept', value: 'application/json' });
      expect(others.map(({ key }: Loose) => key.toLowerCase())).not.toContain('accept');
    },
  );

  it('has a name of its own, so that the templates of several CUJs fit into one analysis', () => {
    const watches = all.filter(({ metadata }) => metadata.name.endsWith('-watch'));
    expect(new Set(watches.map(({ spec }) => spec.metrics[0].name)).size).toBe(watches.length);
    expect(new Set(all.map(({ metadata }) => metadata.name)).size).toBe(all.length);
  });
});

describe('what a template is found by', () => {
  it('has owner, tier and service as labels and the rest as annotations', () => {
    expect(named('cuj-login-gate').metadata).toMatchObject({
      labels: {
        'cuj-gate/owner': 'team-identity',
        'cuj-gate/tier': '1',
        'cuj-gate/service': 'member-api',
        'cuj-gate/use': 'gate',
      },
      annotations: {
        'cuj-gate/title': 'Login',
        'cuj-gate/runbook': 'https://wiki.example.com/runbooks/login',
        'cuj-gate/entry-digest': expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
      },
    });
  });

  it('is in an earlier sync wave of Argo CD than Rollouts, which have none and so wave 0', () => {
    for (const { metadata } of all) {
      expect(Number(metadata.annotations['argocd.argoproj.io/sync-wave'])).toBeLessThan(0);
    }
  });

  it('puts an owner that is no label into an annotation', () => {
    const [template] = documentsOf(
      textOf(
        analysisTemplates(smallRegistry([{ name: 'a', owner: 'チーム 本人確認' }]), options()),
        'analysis-templates/cuj-a.yaml',
      ),
    );
    expect(template.metadata.labels).not.toHaveProperty('cuj-gate/owner');
    expect(template.metadata.annotations['cuj-gate/owner']).toBe('チーム 本人確認');
  });

  it('has a digest that changes with the CUJ, or with its service, and with nothing else', () => {
    const digests = (document: Loose, digest?: string) =>
      Object.fromEntries(
        analysisTemplates(registryOf(document, digest), options())
          .flatMap(({ text }) => documentsOf(text))
          .map(({ metadata }) => [metadata.name, metadata.annotations?.['cuj-gate/entry-digest']]),
      );
    const before = digests(exampleDocument());
    expect(digests(exampleDocument(), `sha256:${'1'.repeat(64)}`)).toEqual(before);
    const changed = exampleDocument();
    changed.cujs.find((cuj: Loose) => cuj.name === 'search').gate = { minRequests: 100 };
    const after = digests(changed);
    expect(Object.keys(after).filter((name) => after[name] !== before[name])).toEqual([
      'cuj-search-watch',
      'cuj-search-gate',
    ]);
  });

  it('has the digest of the whole registry where that is asked for', () => {
    const files = analysisTemplates(example, options({ registryDigest: true }));
    for (const { metadata } of files.flatMap(({ text }) => documentsOf(text))) {
      expect(metadata.annotations['cuj-gate/registry-digest']).toBe(example.digest);
    }
  });
});

describe('which templates there are', () => {
  it('has no gate for a CUJ that only observes: it could prove nothing', () => {
    expect(named('cuj-report-watch')).toBeDefined();
    expect(named('cuj-report-gate')).toBeUndefined();
  });

  it('has no template for a service without an enforced CUJ: it could never pass', () => {
    const files = analysisTemplates(smallRegistry([{ name: 'a', mode: 'observe' }]), options());
    expect(files.map(({ path }) => path)).toEqual(['analysis-templates/cuj-a.yaml']);
  });

  it('asks for the service that is released where a CUJ spans several, by one template', () => {
    const template = named('cuj-subscribe-watch');
    expect(template.spec.args.map((arg: Loose) => arg.name)).toEqual([
      'version',
      'stable-version',
      'service',
    ]);
    expect(template.spec.metrics[0].provider.web.url).toMatch(
      /\/cujs\/subscribe\/status\?service=\{\{args\.service\}\}$/,
    );
    expect(named('cuj-login-watch').spec.metrics[0].provider.web.url).toMatch(/\/cujs\/login\/status$/);
  });

  it('has one template for each service where their selectors take different parameters', () => {
    const registry = smallRegistry(
      [{ name: 'buy', endpoints: ['GET /a', { service: 'pay.api', method: 'POST', path: '/b' }] }],
      { 'pay.api': { env: 'prod', operation: 'http.request', canary: 'role:{role}' } },
    );
    const params = new Map<string, ValueSource>([['role', { kind: 'value', value: 'canary' }]]);
    const templates = documentsOf(
      textOf(analysisTemplates(registry, options({ params })), 'analysis-templates/cuj-buy.yaml'),
    );
    expect(templates.map(({ metadata }) => metadata.name)).toEqual([
      'cuj-buy.shop-watch',
      'cuj-buy.shop-gate',
      expect.stringMatching(/^cuj-buy\.pay-api-[0-9a-f]{8}-watch$/),
      expect.stringMatching(/^cuj-buy\.pay-api-[0-9a-f]{8}-gate$/),
    ]);
    expect(templates[2].spec.metrics[0].provider.web).toMatchObject({
      url: expect.stringMatching(/\?service=pay\.api$/),
      headers: [
        { key: 'Accept', value: 'application/json' },
        { key: 'X-Canary-Role', value: '{{args.role}}' },
      ],
    });
  });

  it('takes no argument where the selector takes no parameter', () => {
    const registry = smallRegistry([{ name: 'a' }], {
      shop: { env: 'prod', operation: 'http.request', canary: 'role:canary' },
    });
    const [template] = documentsOf(
      textOf(analysisTemplates(registry, options()), 'analysis-templates/cuj-a.yaml'),
    );
    expect(template.spec).not.toHaveProperty('args');
    expect(template.spec.metrics[0].provider.web.headers).toEqual([
      { key: 'Accept', value: 'application/json' },
      { key: 'X-Canary', value: 'analysis' },
    ]);
  });

  it('asks for the source of each parameter where a selector takes several', () => {
    const registry = smallRegistry([{ name: 'a' }], {
      shop: { env: 'prod', operation: 'http.request', canary: 'version:{version},cell:{cell}' },
    });
    expect(() => analysisTemplates(registry, options())).toThrow('the source of version is unknown');
  });

  it('refuses a gate that cannot pass as often as it must', () => {
    expect(() => analysisTemplates(example, options({ count: 2, passes: 3 }))).toThrow(
      'cannot pass 3 times in a row',
    );
  });
});

describe('the limits of an inline analysis step', () => {
  it.each([
    // A quarter of an hour of measurements, and passes that span a minute; two at least.
    ['20s', 45, 4],
    ['60s', 15, 2],
    ['30s', 30, 3],
    ['45s', 20, 3],
    ['10s', 90, 7],
    ['5m', 3, 2],
    ['1h', 2, 2],
  ])('follow the interval %s', (interval, count, passes) => {
    expect(gateLimits(interval)).toEqual({ count, passes });
  });

  it('begins to watch when data can show a fault: half a minute of it, as late as it is', () => {
    const delay = (lag: string) =>
      documentsOf(
        textOf(
          analysisTemplates(smallRegistry([{ name: 'a', gate: { lag } }]), options()),
          'analysis-templates/cuj-a.yaml',
        ),
      )[0].spec.metrics[0].initialDelay;
    expect(delay('65s')).toBe('95s');
    expect(delay('90s')).toBe('2m');
  });
});

describe('options', () => {
  const one = (changes: Parameters<typeof options>[0]) =>
    documentsOf(
      textOf(analysisTemplates(example, options(changes)), 'analysis-templates/cuj-login.yaml'),
    ) as [Loose, Loose];

  it('can make cluster templates, which have no namespace', () => {
    const [watch] = one({ kind: 'ClusterAnalysisTemplate', namespace: 'shop' });
    expect(watch.kind).toBe('ClusterAnalysisTemplate');
    expect(watch.metadata).not.toHaveProperty('namespace');
    expect(one({ namespace: 'shop' })[0].metadata.namespace).toBe('shop');
  });

  it('sends a token from a Secret', () => {
    const [watch] = one({ auth: { kind: 'token', secret: 'cuj-gate', key: 'token' } });
    expect(watch.spec.args).toContainEqual({
      name: 'cuj-gate-token',
      valueFrom: { secretKeyRef: { name: 'cuj-gate', key: 'token' } },
    });
    expect(watch.spec.metrics[0].provider.web.headers).toContainEqual({
      key: 'Authorization',
      value: 'Bearer {{args.cuj-gate-token}}',
    });
  });

  it('fetches a token by OAuth2 client credentials', () => {
    const auth = {
      kind: 'oauth2',
      tokenUrl: 'https://id.example.com/token',
      secret: 'cuj-gate',
      scopes: ['gate'],
    } as const;
    const [watch] = one({ auth });
    expect(watch.spec.metrics[0].provider.web.authentication).toEqual({
      oauth2: {
        tokenUrl: 'https://id.example.com/token',
        clientId: '{{args.cuj-gate-client-id}}',
        clientSecret: '{{args.cuj-gate-client-secret}}',
        scopes: ['gate'],
      },
    });
    expect(
      watch.spec.args
        .filter((arg: Loose) => arg.valueFrom)
        .map((arg: Loose) => arg.valueFrom.secretKeyRef.key),
    ).toEqual(['client-id', 'client-secret']);
  });

  it('sets rhythm and limits', () => {
    const [watch, gate] = one({
      interval: '5s',
      initialDelay: '0s',
      count: 3,
      passes: 1,
      watchErrors: 7,
      gateErrors: 8,
    });
    expect(watch.spec.metrics[0]).toMatchObject({ interval: '5s', consecutiveErrorLimit: 7 });
    expect(watch.spec.metrics[0]).not.toHaveProperty('initialDelay');
    expect(gate.spec.metrics[0]).toMatchObject({
      count: 3,
      consecutiveSuccessLimit: 1,
      inconclusiveLimit: 3,
      consecutiveErrorLimit: 8,
    });
  });

  it('passes no stable version where Argo does not know it', () => {
    const [watch] = one({ versionFrom: { kind: 'label', key: 'version' } });
    expect(watch.spec.args.map((arg: Loose) => arg.name)).toEqual(['version']);
  });

  it.each([
    ['pod-template-hash', { kind: 'pod-template-hash', of: 'Latest' }],
    ['pod-template-hash:Stable', { kind: 'pod-template-hash', of: 'Stable' }],
    ['label:tags.datadoghq.com/version', { kind: 'label', key: 'tags.datadoghq.com/version' }],
    [
      'field:spec.template.metadata.labels.version',
      { kind: 'field', path: 'spec.template.metadata.labels.version' },
    ],
    ['value:canary', { kind: 'value', value: 'canary' }],
    ['label:', { error: '"" is not the key of a label' }],
    ['label:a b', { error: '"a b" is not the key of a label' }],
    ['pod-template-hash:Old', { error: '"Old" is neither Latest nor Stable' }],
    ['version', { error: expect.stringContaining('"version" is not one of') }],
  ])('reads the source %s', (text, source) => {
    expect(parseValueSource(text)).toEqual(source);
  });
});

it('keeps what people wrote from becoming YAML', () => {
  const hostile = 'x\n---\nkind: Pod # "{{args.version}}" \u0007 on';
  const registry = smallRegistry([{ name: 'on', title: hostile, description: hostile, owner: 'yes' }]);
  const text = textOf(analysisTemplates(registry, options()), 'analysis-templates/cuj-on.yaml');
  const templates = documentsOf(text);
  expect(templates).toHaveLength(2);
  expect(templates[0].metadata.annotations['cuj-gate/title']).toBe('x --- kind: Pod # "{{args.version}}" on');
  // Kubernetes reads YAML 1.1, where a bare yes or on is a boolean.
  expect(templates[0].metadata.labels).toMatchObject({ 'cuj-gate/owner': 'yes', 'cuj-gate/cuj': 'on' });
  expect(text).not.toContain('\u0007');
});
