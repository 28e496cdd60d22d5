import { describe, expect, it } from 'vitest';
import type { Registry } from '../../src/domain/registry/model.ts';
import { resolveSet } from '../../src/domain/registry/resolve-set.ts';
import type { RegistryDocument } from '../../src/domain/registry/schema.ts';
import { analysisTemplates } from '../../src/generate/argo/analysis-templates.ts';
import { rollouts } from '../../src/generate/argo/rollout.ts';
import { gateTerraform } from '../../src/generate/datadog/gate-terraform.ts';
import { terraform } from '../../src/generate/datadog/terraform.ts';
import { openslo } from '../../src/generate/openslo/openslo.ts';
import { grafanaDashboard } from '../../src/generate/prometheus/grafana-dashboard.ts';
import { prometheusRules } from '../../src/generate/prometheus/prometheus-rules.ts';
import { lintRollouts } from '../../src/lint/lint-rollouts.ts';
import { datadogDialect } from '../../src/sources/datadog/query/dialect.ts';
import { options } from './example.ts';

const publicUrl = 'https://ops.example.com/gate';
const document: RegistryDocument = {
  apiVersion: 'cuj-gate/v1',
  environments: {
    eu: { env: 'prod', tags: { cluster_name: 'eu-1' } },
    us: { env: 'prod', tags: { cluster_name: 'us-1' } },
  },
  services: {
    api: { operation: 'http.request', canary: 'version:{version}' },
    auth: { operation: 'http.request', canary: 'version:{version}' },
  },
  cujs: [
    {
      name: 'login',
      owner: 'team-identity',
      service: 'api',
      slo: { availability: 99.9 },
      endpoints: ['POST /login', { service: 'auth', method: 'POST', path: '/token' }],
      environments: { us: { slo: { availability: 99.5 } } },
    },
  ],
};

function registryOf(environment: string): Registry {
  const resolution = resolveSet([{ file: 'cujs.yaml', document }], `sha256:${'0'.repeat(64)}`, {
    dialect: datadogDialect,
  });
  if (!resolution.ok) throw new Error(JSON.stringify(resolution.findings));
  return resolution.registries.byEnvironment.get(environment) as Registry;
}

const made = options({ publicUrl });
const templatesOf = (environment: string) => analysisTemplates(registryOf(environment), made);
const textOf = (files: readonly { readonly text: string }[]) => files.map(({ text }) => text).join('---\n');

describe('analysis templates of an environment', () => {
  it('name it in every request, beside the service that the Rollout names', () => {
    const urls = [...textOf(templatesOf('eu')).matchAll(/url: (\S+)/g)].map((match) => match[1]);
    expect(new Set(urls)).toEqual(
      new Set([
        `${made.gateUrl}/cujs/login/status?environment=eu&service={{args.service}}`,
        `${made.gateUrl}/services/api/status?environment=eu`,
        `${made.gateUrl}/services/auth/status?environment=eu`,
      ]),
    );
  });

  it('have the same names in all environments, so that one Rollout goes through all of them', () => {
    const names = (environment: string) =>
      [...textOf(templatesOf(environment)).matchAll(/^ {2}name: (\S+)/gm)].map((match) => match[1]);
    expect(names('eu')).toEqual(names('us'));
    expect(textOf(templatesOf('eu'))).toContain('cuj-gate/environment: eu');
  });

  it('are what lint rollout expects for this environment, and for no other', () => {
    const input = [
      {
        file: 'r.yaml',
        text: textOf([...templatesOf('eu'), ...rollouts(registryOf('eu'), { ...made, analysis: 'cujs' })]),
      },
    ];
    const lint = (registry: Registry | undefined, text = input[0]?.text as string) =>
      lintRollouts([{ file: 'r.yaml', text }], {
        registry,
        requestsPerMinute: undefined,
        objective: 99.9,
        ruleOutBurn: 14.4,
        lagSeconds: 45,
        maxWindowSeconds: 7200,
      }).findings.map(({ severity, rule }) => `${severity} ${rule}`);
    expect(lint(registryOf('eu'))).toEqual([]);
    expect(lint(undefined)).toEqual([]);
    expect(new Set(lint(registryOf('us')))).toEqual(new Set(['error other-environment']));
    const unnamed = input[0]?.text.replaceAll('environment=eu&', '').replaceAll('?environment=eu', '');
    expect(new Set(lint(registryOf('eu'), unnamed))).toEqual(new Set(['warning environment-not-named']));
  });
});

describe('what is made for Datadog', () => {
  const filesOf = (environment: string) => terraform(registryOf(environment), { notify: [], publicUrl });
  const valuesOf = (environment: string, pattern: RegExp) =>
    [...textOf(filesOf(environment)).matchAll(pattern)].map((match) => match[1] as string);

  it('has no name in two environments, so that both can be applied to one account', () => {
    const names = (environment: string) => [
      ...valuesOf(environment, /"name": "(\[cuj-gate\][^"]*)"/g),
      ...valuesOf(environment, /"title": "(\[cuj-gate\][^"]*)"/g),
    ];
    expect(names('eu')).toContain('[cuj-gate] login availability (eu)');
    expect(names('eu')).toContain('[cuj-gate] Critical User Journeys (eu)');
    expect(names('eu').length).toBeGreaterThan(4);
    expect(names('eu').filter((name) => names('us').includes(name))).toEqual([]);
  });

  it('counts the traffic of the environment alone, with its objective and its tags', () => {
    for (const environment of ['eu', 'us']) {
      const queries = valuesOf(environment, /"query": "(sum:[^"]*)"/g);
      expect(queries.length).toBeGreaterThan(1);
      for (const query of queries) expect(query).toContain(`AND cluster_name:${environment}-1 AND `);
      expect(textOf(filesOf(environment))).toContain(`"cluster_name:${environment}-1"`);
      expect(textOf(filesOf(environment))).toContain(`"cuj-environment:${environment}"`);
    }
    expect(valuesOf('us', /"target": ([\d.]+)/g)).toEqual(['99.5']);
  });
});

it('alerts and dashboards of an environment show its verdicts alone', () => {
  const [rules] = prometheusRules(registryOf('eu'), { publicUrl });
  expect(rules?.text).toContain('cuj_gate_verdicts_total{environment="eu",cuj="login"');
  expect(rules?.text).toContain('environment: eu');
  const [dashboard] = grafanaDashboard({ environment: 'eu', publicUrl });
  const { uid, panels } = JSON.parse(dashboard?.text as string);
  expect(uid).toBe('cuj-gate-eu');
  const exprs = panels.flatMap(({ targets = [] }: { targets?: { expr: string }[] }) =>
    targets.map(({ expr }) => expr),
  );
  const ofVerdicts = exprs.filter((expr: string) =>
    /cuj_gate_(verdicts_total|sli_ratio|events|evidence|source_stale_seconds)/.test(expr),
  );
  expect(ofVerdicts.length).toBeGreaterThan(6);
  for (const expr of ofVerdicts) expect(expr).toContain('environment="eu"');
});

it('the monitor of a CUJ that cannot stop a release looks at the verdicts of the environment alone', () => {
  const files = gateTerraform(registryOf('eu'), { notify: [], publicUrl });
  const { text = '' } = files.find(({ path }) => path.endsWith('gate-monitors.tf.json')) ?? {};
  const monitor = JSON.parse(text).resource.datadog_monitor.cuj_gate_canary_never_seen_login;
  expect(monitor.name).toContain('no data of the canary in eu');
  expect(monitor.query.match(/\{[^}]*cuj:login[^}]*\}/g)).toEqual([
    '{environment:eu AND cuj:login AND reason IN (no_data,canary_indistinguishable,status_missing)}',
    '{environment:eu AND cuj:login}',
  ]);
  expect(monitor.tags).toContain('cuj-environment:eu');
  expect(monitor.message).toContain(`${publicUrl}/cujs/login?environment=eu`);
});

it('every link to a page of the gate names the environment', () => {
  const registry = registryOf('eu');
  const all = textOf([
    ...templatesOf('eu'),
    ...rollouts(registry, { ...made, analysis: 'cujs' }),
    ...terraform(registry, { notify: [], publicUrl }),
    ...openslo(registry),
    ...grafanaDashboard({ environment: 'eu', publicUrl }),
    ...prometheusRules(registry, { publicUrl }),
  ]);
  const links = [...all.matchAll(/https:\/\/ops\.example\.com\/gate([^\s")\\]*)/g)].map((match) => match[1]);
  expect(links.length).toBeGreaterThan(6);
  for (const link of links) expect(link).toMatch(/\?environment=eu$/);
});
