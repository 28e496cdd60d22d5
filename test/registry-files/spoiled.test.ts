import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Problem } from '../../src/domain/registry/model.ts';
import { loadRegistry } from '../../src/registry-files/load.ts';
import { scratchFile } from './scratch.ts';

const good = readFileSync(new URL('../testdata/registry/good.yaml', import.meta.url), 'utf8');

async function problemsOf(text: string): Promise<readonly Problem[]> {
  const result = await loadRegistry(scratchFile(text));
  return result.ok ? [] : result.problems.map((problem) => ({ ...problem, file: basename(problem.file) }));
}

/** Replaces the only place where `from` stands. */
function spoil(text: string, from: string, to: string): string {
  expect(text.split(from), `the good example has ${JSON.stringify(from)} once`).toHaveLength(2);
  return text.replace(from, () => to);
}

/** Line and column of the only place where a snippet stands, or of the character behind its `¦`. */
function placeOf(text: string, snippet: string): { line: number; column: number } {
  const [before, after] = snippet.includes('¦') ? (snippet.split('¦') as [string, string]) : ['', snippet];
  expect(text.split(before + after), `${JSON.stringify(before + after)} stands there once`).toHaveLength(2);
  const lines = text.slice(0, text.indexOf(before + after) + before.length).split('\n');
  return { line: lines.length, column: (lines.at(-1) as string).length + 1 };
}

interface Spoiled {
  /** What is replaced in the good example, and by what. */
  readonly from: string;
  readonly to: string;
  readonly rule: string;
  readonly path: string;
  /** Where the problem stands in the spoiled text: a snippet, `¦` before the character that is meant. */
  readonly at: string;
  /** What was found; left out where nothing was. */
  readonly value?: unknown;
  readonly message?: RegExp;
  readonly fix?: RegExp;
}

const login = 'cujs[0]';

const schemaTable: readonly (readonly [string, Spoiled])[] = [
  [
    'an unknown key, with the nearest known one',
    {
      from: 'owner: team-web',
      to: 'onwer: team-web',
      rule: 'unknown-key',
      path: 'cujs[2].onwer',
      at: 'onwer: team-web',
      value: 'onwer',
      fix: /^Did you mean owner\?/,
    },
  ],
  [
    'an unknown key at the top',
    {
      from: 'sources:',
      to: 'surces: 1\nsources:',
      rule: 'unknown-key',
      path: 'surces',
      at: 'surces',
      value: 'surces',
      message: /^a registry has no key/,
      fix: /^Did you mean sources\?/,
    },
  ],
  [
    'a key that resembles nothing, with all that are known',
    {
      from: 'tier: 1',
      to: 'zzzzzzz: 1',
      rule: 'unknown-key',
      path: `${login}.zzzzzzz`,
      at: 'zzzzzzz',
      value: 'zzzzzzz',
      fix: /^Known here: name, title/,
    },
  ],
  [
    'another apiVersion',
    {
      from: 'cuj-gate/v1',
      to: 'cuj-gate/v2',
      rule: 'one-of',
      path: 'apiVersion',
      at: 'cuj-gate/v2',
      value: 'cuj-gate/v2',
      fix: /cuj-gate\/v1/,
    },
  ],
  [
    'no apiVersion',
    {
      from: 'apiVersion: cuj-gate/v1\n',
      to: '',
      rule: 'missing-key',
      path: '',
      at: '¦defaults:',
      fix: /^Add apiVersion: cuj-gate\/v1\.$/,
    },
  ],
  [
    'no owner',
    {
      from: '    owner: team-web\n',
      to: '',
      rule: 'missing-key',
      path: 'cujs[2]',
      at: '¦name: first-view',
      fix: /^Add owner: the team that owns/,
    },
  ],
  [
    'an owner without a value',
    {
      from: 'owner: team-web',
      to: 'owner:',
      rule: 'type',
      path: 'cujs[2].owner',
      at: '  owner:¦\n    mode',
      value: null,
      message: /a text, not nothing/,
    },
  ],
  [
    'a number as a text',
    {
      from: 'sampleRate: 0.5',
      to: 'sampleRate: "0.5"',
      rule: 'type',
      path: 'services.auth.sampleRate',
      at: '¦"0.5"',
      value: '0.5',
      message: /must be a number, not the text "0.5"/,
      fix: /^Write 0\.5 without quotes\./,
    },
  ],
  [
    'an objective in quotes, of which no other number is proposed than its own',
    {
      from: 'slo: { availability: 99.95, latency: 99 }',
      to: 'slo: { availability: "99.9", latency: 99 }',
      rule: 'type',
      path: 'cujs[0].slo.availability',
      at: '¦"99.9"',
      value: '99.9',
      fix: /^Write 99\.9 without quotes\./,
    },
  ],
  [
    'an objective with a unit',
    {
      from: 'slo: { availability: 99.95, latency: 99 }',
      to: 'slo: { availability: 42x, latency: 99 }',
      rule: 'type',
      path: 'cujs[0].slo.availability',
      at: '¦42x',
      value: '42x',
      fix: /^Write a plain number, without quotes or a unit, such as 99\.95\./,
    },
  ],
  [
    'a text as a number',
    {
      from: 'owner: team-web',
      to: 'owner: 12',
      rule: 'type',
      path: 'cujs[2].owner',
      at: 'owner: ¦12',
      value: 12,
      message: /must be a text, not 12/,
      fix: /quotes/,
    },
  ],
  [
    'a list for a mapping',
    {
      from: 'slo: { availability: 99.95, latency: 99 }',
      to: 'slo: [99]',
      rule: 'type',
      path: `${login}.slo`,
      at: '[99]',
      value: [99],
      message: /a mapping, not a list/,
    },
  ],
  [
    'cujs as a mapping',
    {
      from: '  - name: everything',
      to: '  - 5\n  - name: everything',
      rule: 'type',
      path: 'cujs[1]',
      at: '- ¦5',
      value: 5,
    },
  ],
  [
    'a percentage of 100',
    {
      from: 'availability: 99.95',
      to: 'availability: 100',
      rule: 'range',
      path: `${login}.slo.availability`,
      at: 'availability: ¦100',
      value: 100,
      message: /less than 100/,
    },
  ],
  [
    'a percentage of 0',
    {
      from: 'availability: 99.95',
      to: 'availability: 0',
      rule: 'range',
      path: `${login}.slo.availability`,
      at: 'availability: ¦0,',
      value: 0,
      message: /more than 0/,
    },
  ],
  [
    'a tier that does not exist',
    {
      from: 'tier: 1',
      to: 'tier: 4',
      rule: 'range',
      path: `${login}.tier`,
      at: 'tier: ¦4',
      value: 4,
      fix: /3 or less/,
    },
  ],
  [
    'a mode that does not exist',
    {
      from: 'mode: observe',
      to: 'mode: observ',
      rule: 'one-of',
      path: 'cujs[2].mode',
      at: '¦observ\n',
      value: 'observ',
      fix: /^Did you mean observe\?/,
    },
  ],
  [
    'a rule that does not exist',
    {
      from: 'gate: { minRequests: 50,',
      to: 'gate: { rule: strikt,',
      rule: 'one-of',
      path: `${login}.gate.rule`,
      at: 'strikt',
      value: 'strikt',
      fix: /^Did you mean strict\?/,
    },
  ],
  [
    'an SLO window that Datadog does not have',
    {
      from: 'window: 30d',
      to: 'window: 28d',
      rule: 'one-of',
      path: 'defaults.slo.window',
      at: '28d',
      value: '28d',
      message: /7d, 30d, 90d/,
    },
  ],
  [
    'a limited pass that is switched off in another word',
    {
      from: 'window: rollout',
      to: 'passAfter: "off"',
      rule: 'pattern',
      path: 'defaults.gate.passAfter',
      at: '¦"off"',
      value: 'off',
      fix: /8m.*never/,
    },
  ],
  [
    'a limited pass that rules out nothing',
    {
      from: 'window: rollout',
      to: 'rulesOutRate: 0',
      rule: 'range',
      path: 'defaults.gate.rulesOutRate',
      at: 'rulesOutRate: ¦0',
      value: 0,
      message: /more than 0/,
    },
  ],
  [
    'a limited pass that rules out less than half of all requests',
    {
      from: 'window: rollout',
      to: 'rulesOutRate: 51',
      rule: 'range',
      path: 'defaults.gate.rulesOutRate',
      at: 'rulesOutRate: ¦51',
      value: 51,
      fix: /50 or less/,
    },
  ],
  [
    'a duration without a unit',
    {
      from: 'lag: 90s',
      to: 'lag: "90"',
      rule: 'pattern',
      path: 'defaults.gate.lag',
      at: '"90"',
      value: '90',
      fix: /^Write the unit as well: 90s, 90m, 90h or 90d\.$/,
    },
  ],
  [
    'a CUJ name in upper case',
    {
      from: 'name: everything',
      to: 'name: Everything',
      rule: 'pattern',
      path: 'cujs[1].name',
      at: 'Everything',
      value: 'Everything',
      fix: /profile-edit/,
    },
  ],
  [
    'a runbook that is no URL',
    {
      from: 'https://wiki.example.com/runbooks/login',
      to: 'wiki/login',
      rule: 'pattern',
      path: `${login}.runbook`,
      at: 'wiki/login',
      value: 'wiki/login',
      fix: /https:/,
    },
  ],
  [
    'a percentage without its sign',
    {
      from: 'below: 50%',
      to: 'below: "50"',
      rule: 'pattern',
      path: `${login}.errorBudgetPolicy[1].below`,
      at: '"50"',
      value: '50',
      fix: /50%/,
    },
  ],
  [
    'a percentage as a number, which quotes would not help',
    {
      from: 'below: 50%',
      to: 'below: 50',
      rule: 'type',
      path: `${login}.errorBudgetPolicy[1].below`,
      at: 'below: ¦50',
      value: 50,
      fix: /^Write a percentage, such as 50%\.$/,
    },
  ],
  [
    'an endpoint with a method in lower case',
    {
      from: 'GET /api/v1/me/{id}',
      to: 'get /api/v1/me/{id}',
      rule: 'pattern',
      path: `${login}.endpoints[1]`,
      at: '- ¦get /api',
      value: 'get /api/v1/me/{id}',
      fix: /POST \/api\/v1\/login/,
    },
  ],
  [
    'a misspelt method in a mapping',
    {
      from: 'method: POST',
      to: 'method: PSOT',
      rule: 'one-of',
      path: `${login}.endpoints[0].method`,
      at: 'PSOT',
      value: 'PSOT',
      fix: /^Did you mean POST\?/,
    },
  ],
  [
    'a misspelt key in an endpoint, once',
    {
      from: 'method: POST',
      to: 'methd: POST',
      rule: 'unknown-key',
      path: `${login}.endpoints[0].methd`,
      at: 'methd',
      value: 'methd',
      fix: /^Did you mean method\?/,
    },
  ],
  [
    'an endpoint that is a number',
    {
      from: '- GET /api/v1/me/{id}',
      to: '- 7',
      rule: 'type',
      path: `${login}.endpoints[1]`,
      at: '- ¦7\n',
      value: 7,
      message: /a text or a mapping, not 7/,
    },
  ],
  [
    'endpoints that are no list',
    {
      from: 'endpoints: "*"',
      to: 'endpoints: GET /',
      rule: 'type',
      path: 'cujs[1].endpoints',
      at: '¦GET /\n',
      value: 'GET /',
      message: /"\*" or a list/,
      fix: /whole service/,
    },
  ],
  [
    'an empty list of endpoints',
    {
      from: 'endpoints: "*"',
      to: 'endpoints: []',
      rule: 'range',
      path: 'cujs[1].endpoints',
      at: '[]',
      value: [],
      message: /must not be empty/,
    },
  ],
  [
    'an env that Datadog does not store so',
    {
      from: '    env: production\n    operation: http.request',
      to: '    env: Production\n    operation: http.request',
      rule: 'pattern',
      path: 'services.pairs-api.env',
      at: 'Production',
      value: 'Production',
      fix: /lower case/,
    },
  ],
];

const crossTable: readonly (readonly [string, Spoiled])[] = [
  [
    'a service that nobody defined',
    {
      from: 'service: pairs-api',
      to: 'service: pair-api',
      rule: 'unknown-service',
      path: `${login}.service`,
      at: 'service: ¦pair-api',
      value: 'pair-api',
      fix: /^Did you mean pairs-api\?/,
    },
  ],
  [
    "an endpoint's service that nobody defined",
    {
      from: 'service: auth,',
      to: 'service: oauth,',
      rule: 'unknown-service',
      path: `${login}.endpoints[2].service`,
      at: 'oauth',
      value: 'oauth',
      fix: /^Did you mean auth\?/,
    },
  ],
  [
    'a source that nobody defined',
    {
      from: 'source: rum',
      to: 'source: ram',
      rule: 'unknown-source',
      path: 'services.web.source',
      at: 'ram\n',
      value: 'ram',
      fix: /^Did you mean rum\?/,
    },
  ],
  [
    'a source called trace',
    {
      from: '  rum:\n',
      to: '  trace: {total: "sum:m{{selector}}.as_count()", bad: "sum:n{{selector}}.as_count()"}\n  rum:\n',
      rule: 'reserved-source',
      path: 'sources.trace',
      at: '¦trace: {',
      value: 'trace',
    },
  ],
  [
    'a source name that cannot be used',
    {
      from: '  rum:\n',
      to: '  Rum: {total: "sum:m{{selector}}.as_count()", bad: "sum:n{{selector}}.as_count()"}\n  rum:\n',
      rule: 'name',
      path: 'sources.Rum',
      at: 'Rum',
      value: 'Rum',
    },
  ],
  [
    'a service name that is not stored so',
    {
      from: '  web:\n',
      to: '  Web:\n    {env: a, operation: b, canary: "c:{d}"}\n  web:\n',
      rule: 'name',
      path: 'services.Web',
      at: 'Web',
      value: 'Web',
      fix: /lower case/,
    },
  ],
  [
    'a source template without its selector',
    {
      from: 'AND {selector}}.as_count()"\n    bad',
      to: '}.as_count()"\n    bad',
      rule: 'source-template',
      path: 'sources.rum.total',
      at: '¦"sum:rum.views{',
      value: 'sum:rum.views{application:{service} AND env:{env} }.as_count()',
      message: /no \{selector\}/,
    },
  ],
  [
    'a traced service without an operation',
    {
      from: '    operation: grpc.server\n',
      to: '',
      rule: 'operation-missing',
      path: 'services.auth',
      at: '  auth:\n    ¦env',
      fix: /express\.request/,
    },
  ],
  [
    'an operation beside a source template',
    {
      from: '    source: rum\n',
      to: '    source: rum\n    operation: http.request.web\n',
      rule: 'operation-with-template',
      path: 'services.web.operation',
      at: '¦operation: http.request.web',
      value: 'http.request.web',
    },
  ],
  [
    'a selector that is no pair',
    {
      from: 'canary: "destination_version:{version}"',
      to: 'canary: "{version}"',
      rule: 'selector',
      path: 'services.gateway.canary',
      at: 'canary: ¦"{version}"',
      value: '{version}',
      message: /not key:value/,
    },
  ],
  [
    "a selector with one of the gate's own placeholders",
    {
      from: 'canary: "destination_version:{version}"',
      to: 'canary: "v:{window}"',
      rule: 'selector',
      path: 'services.gateway.canary',
      at: '"v:{window}"',
      value: 'v:{window}',
      message: /own parameters/,
    },
  ],
  [
    'a stable that is the canary',
    {
      from: '"version:{stable_version}"',
      to: '"version:{version} "',
      rule: 'stable-is-canary',
      path: 'services.pairs-api.stable',
      at: '¦"version:{version} "',
      value: 'version:{version} ',
    },
  ],
  [
    'a percentage with four decimals',
    {
      from: 'availability: 99.95',
      to: 'availability: 99.9501',
      rule: 'percent-decimals',
      path: `${login}.slo.availability`,
      at: '99.9501',
      value: 99.9501,
    },
  ],
  [
    'a default percentage with four decimals',
    {
      from: 'availability: 99.9 }',
      to: 'availability: 99.9001 }',
      rule: 'percent-decimals',
      path: 'defaults.slo.availability',
      at: '99.9001',
      value: 99.9001,
    },
  ],
  [
    'an objective written as a ratio',
    {
      from: 'availability: 99.9 }',
      to: 'availability: 0.999 }',
      rule: 'percent-not-ratio',
      path: 'defaults.slo.availability',
      at: '0.999',
      value: 0.999,
      fix: /99\.9/,
    },
  ],
  [
    'a window of 90 seconds',
    {
      from: 'window: 5m',
      to: 'window: 90s',
      rule: 'whole-minutes',
      path: `${login}.gate.window`,
      at: 'window: ¦90s',
      value: '90s',
    },
  ],
  [
    'a window of one minute, in which nothing could fail',
    {
      from: 'window: 5m',
      to: 'window: 1m',
      rule: 'window-too-short',
      path: `${login}.gate.window`,
      at: 'window: ¦1m',
      value: '1m',
    },
  ],
  [
    'a gap of 90 seconds',
    {
      from: 'window: rollout',
      to: 'restartGap: 90s',
      rule: 'whole-minutes',
      path: 'defaults.gate.restartGap',
      at: 'restartGap: ¦90s',
      value: '90s',
    },
  ],
  [
    'a longest window of 25 hours',
    {
      from: 'maxWindow: 2h',
      to: 'maxWindow: 25h',
      rule: 'max-window-limit',
      path: 'defaults.gate.maxWindow',
      at: '25h',
      value: '25h',
    },
  ],
  [
    'a window above the longest',
    {
      from: 'window: 5m',
      to: 'window: 3h',
      rule: 'window-over-max-window',
      path: `${login}.gate.window`,
      at: 'window: ¦3h',
      value: '3h',
      message: /3h.*2h/,
    },
  ],
  [
    'a longest window below the default window',
    {
      from: 'window: 5m',
      to: 'window: 5m, maxWindow: 4m',
      rule: 'window-over-max-window',
      path: `${login}.gate.window`,
      at: '5m',
      value: '5m',
    },
  ],
  [
    'a limited pass after 90 seconds',
    {
      from: 'window: rollout',
      to: 'passAfter: 90s',
      rule: 'whole-minutes',
      path: 'defaults.gate.passAfter',
      at: 'passAfter: ¦90s',
      value: '90s',
    },
  ],
  [
    'a limited pass after the longest window',
    {
      from: 'window: rollout',
      to: 'window: rollout, passAfter: 121m',
      rule: 'pass-after-over-max-window',
      path: 'defaults.gate.passAfter',
      at: '121m',
      value: '121m',
      message: /121m.*2h/,
      fix: /passAfter: never/,
    },
  ],
  [
    'a longest window below the passAfter beside it',
    {
      from: 'window: 5m',
      to: 'window: rollout, passAfter: 10m, maxWindow: 9m',
      rule: 'pass-after-over-max-window',
      path: `${login}.gate.passAfter`,
      at: '10m',
      value: '10m',
    },
  ],
  [
    'a lag of 19 seconds',
    {
      from: 'lag: 90s',
      to: 'lag: 19s',
      rule: 'lag-range',
      path: 'defaults.gate.lag',
      at: '19s',
      value: '19s',
      message: /20 s/,
    },
  ],
  [
    'a minFaultDuration of 9 seconds',
    {
      from: 'window: 5m',
      to: 'minFaultDuration: 9s',
      rule: 'min-fault-duration-range',
      path: `${login}.gate.minFaultDuration`,
      at: 'minFaultDuration: ¦9s',
      value: '9s',
      message: /10 s/,
    },
  ],
  [
    'a minFaultDuration of 11 minutes',
    {
      from: 'window: 5m',
      to: 'minFaultDuration: 11m',
      rule: 'min-fault-duration-range',
      path: `${login}.gate.minFaultDuration`,
      at: 'minFaultDuration: ¦11m',
      value: '11m',
      message: /10 minutes/,
    },
  ],
  [
    'a lag of a day',
    { from: 'lag: 90s', to: 'lag: 1d', rule: 'lag-range', path: 'defaults.gate.lag', at: '1d', value: '1d' },
  ],
  [
    'a latency objective without thresholds',
    {
      from: 'endpoints: "*"',
      to: 'endpoints: "*"\n\n  - { name: slow, owner: t, service: auth, slo: { latency: 98 }, endpoints: [GET /s] }',
      rule: 'latency-without-threshold',
      path: 'cujs[2].slo.latency',
      at: 'latency: ¦98',
      value: 98,
    },
  ],
  [
    'a threshold without a latency objective',
    {
      from: 'endpoints: "*"',
      to: 'endpoints: "*"\n\n  - { name: slow, owner: t, service: auth, endpoints: [{ method: GET, path: /s, latencyMs: 7 }] }',
      rule: 'threshold-without-objective',
      path: 'cujs[2].endpoints[0].latencyMs',
      at: '¦latencyMs: 7',
      value: 7,
    },
  ],
  [
    "a CUJ's threshold without a latency objective",
    {
      from: 'endpoints: "*"',
      to: 'endpoints: "*"\n\n  - { name: slow, owner: t, service: auth, latencyMs: 7, endpoints: [GET /s] }',
      rule: 'threshold-without-objective',
      path: 'cujs[2].latencyMs',
      at: '¦latencyMs: 7',
      value: 7,
    },
  ],
  [
    'latency on a source that has none',
    {
      from: 'resource: /home }',
      to: 'resource: /home, latencyMs: 7 }',
      rule: 'latency-on-template',
      path: 'cujs[2].endpoints[0].latencyMs',
      at: 'latencyMs: 7',
      value: 7,
    },
  ],
  [
    'a latency objective on a source that has none',
    {
      from: 'mode: observe',
      to: 'slo: { latency: 98 }',
      rule: 'latency-on-template',
      path: 'cujs[2].slo.latency',
      at: '¦latency: 98',
      value: 98,
    },
  ],
  [
    'no objective at all',
    {
      from: ', availability: 99.9 }',
      to: ', latency: 99 }',
      rule: 'no-objective',
      path: 'cujs[1]',
      at: '¦name: everything',
    },
  ],
  [
    'an SLO id without its objective',
    {
      from: 'mode: observe',
      to: 'sloId: { latency: 0123456789abcdef0123456789abcde0 }',
      rule: 'slo-id-without-objective',
      path: 'cujs[2].sloId.latency',
      at: '¦latency: 0123',
      value: '0123456789abcdef0123456789abcde0',
    },
  ],
  [
    'endpoints of a source that does not tell them apart',
    {
      from: 'endpoints: "*"',
      to: 'endpoints: [GET /a, GET /b]',
      rule: 'endpoints-without-group-by',
      path: 'cujs[1].endpoints[0]',
      at: '[¦GET /a',
      value: 'GET /a',
    },
  ],
  [
    'a CUJ of no service',
    {
      from: '    service: gateway\n',
      to: '',
      rule: 'service-missing',
      path: 'cujs[1]',
      at: '¦name: everything',
    },
  ],
  [
    'an endpoint of no service',
    {
      from: '      - { service: web, resource: /home }',
      to: '      - { service: web, resource: /home }\n      - GET /away',
      rule: 'service-missing',
      path: 'cujs[2].endpoints[1]',
      at: '¦GET /away',
    },
  ],
  [
    'a CUJ name used twice (the second place)',
    {
      from: 'name: everything',
      to: 'name: login',
      rule: 'duplicate-cuj',
      path: 'cujs[1].name',
      at: 'name: ¦login\n    owner: team-platform',
      value: 'login',
      message: /cujs\[0\]/,
    },
  ],
  [
    'an endpoint twice in one CUJ',
    {
      from: '- GET /api/v1/me/{id}',
      to: '- POST /api/v1/login',
      rule: 'duplicate-endpoint',
      path: `${login}.endpoints[1]`,
      at: '- ¦POST /api/v1/login',
      value: 'POST /api/v1/login',
    },
  ],
  [
    'a route and its raw name in one CUJ',
    {
      from: '- GET /api/v1/me/{id}',
      to: '- { resource: post_/api/v1/login }',
      rule: 'duplicate-endpoint',
      path: `${login}.endpoints[1]`,
      at: '- ¦{ resource: post_',
      value: 'post_/api/v1/login',
    },
  ],
  [
    'two routes that are stored as one',
    {
      from: '- GET /api/v1/me/{id}',
      to: '- POST /API/v1/login',
      rule: 'same-resource-name',
      path: `${login}.endpoints[1]`,
      at: 'POST /API',
      value: 'POST /API/v1/login',
      message: /post_\/api\/v1\/login/,
    },
  ],
  [
    '{id} and :id in one service',
    {
      from: '- GET /api/v1/me/{id}',
      to: '- GET /api/v1/me/{id}\n      - GET /api/v1/you/:id',
      rule: 'mixed-route-parameters',
      path: `${login}.endpoints[2]`,
      at: 'GET /api/v1/you/:id',
      value: 'GET /api/v1/you/:id',
      message: /GET \/api\/v1\/me\/\{id\}/,
    },
  ],
  [
    'a route with a query',
    {
      from: '- GET /api/v1/me/{id}',
      to: '- GET /api/v1/me/{id}?fields=all',
      rule: 'route-with-query',
      path: `${login}.endpoints[1]`,
      at: 'GET /api/v1/me/{id}?fields=all',
      value: 'GET /api/v1/me/{id}?fields=all',
      fix: /^Write the route alone: GET \/api\/v1\/me\/\{id\}\.$/,
    },
  ],
  [
    'a resource that is not as it is stored',
    {
      from: 'resource: grpc.auth/login',
      to: 'resource: grpc.Auth/Login',
      rule: 'resource-not-stored',
      path: `${login}.endpoints[2].resource`,
      at: 'grpc.Auth/Login',
      value: 'grpc.Auth/Login',
      fix: /"grpc\.auth\/login"/,
    },
  ],
  [
    'a resource that is the whole service',
    {
      from: 'resource: grpc.auth/login',
      to: 'resource: "*"',
      rule: 'resource-not-stored',
      path: `${login}.endpoints[2].resource`,
      at: 'resource: ¦"*"',
      value: '*',
      fix: /endpoints: "\*"/,
    },
  ],
  [
    'a route in letters that may not enter a query',
    {
      from: '- GET /api/v1/me/{id}',
      to: '- GET /会員',
      rule: 'resource-unsafe',
      path: `${login}.endpoints[1]`,
      at: 'GET /会員',
      value: 'GET /会員',
    },
  ],
  [
    'a limit twice in an error budget policy',
    {
      from: 'below: 50%',
      to: 'below: 0.0%',
      rule: 'duplicate-policy',
      path: `${login}.errorBudgetPolicy[1].below`,
      at: '0.0%',
      value: '0.0%',
    },
  ],
  [
    'a limit above all of the error budget',
    {
      from: 'below: 50%',
      to: 'below: 500%',
      rule: 'policy-over-100',
      path: `${login}.errorBudgetPolicy[1].below`,
      at: '500%',
      value: '500%',
    },
  ],
];

it('the good example is good', async () => {
  expect(await problemsOf(good)).toEqual([]);
});

describe.each([
  ['the schema refuses', schemaTable],
  ['the gate refuses', crossTable],
])('%s', (_, table) => {
  it.each(table)('%s', async (_name, { from, to, at, message, fix, ...expected }) => {
    const text = spoil(good, from, to);
    const place = placeOf(text, at);
    const problems = await problemsOf(text);
    const here = problems.filter((problem) => problem.line === place.line && problem.column === place.column);
    expect(here, JSON.stringify(problems, null, 2)).toHaveLength(1);
    const [problem] = here as [Problem];
    expect(problem).toEqual({
      file: 'cujs.yaml',
      ...place,
      ...expected,
      message: message ? expect.stringMatching(message) : expect.any(String),
      fix: fix ? expect.stringMatching(fix) : expect.any(String),
    });
    expect(problem.fix).toMatch(/\.$/);
    // One mistake is one kind of problem: nothing else is said to be wrong because of it.
    expect(new Set(problems.map(({ rule }) => rule))).toEqual(new Set([problem.rule]));
  });
});

it('tells everything at once, in the order of the text', async () => {
  const spoiled = [...schemaTable.slice(0, 1), ...crossTable.slice(0, 3)].reduce(
    (text, [, { from, to }]) => spoil(text, from, to),
    good,
  );
  expect((await problemsOf(spoiled)).map(({ rule, path }) => `${path} ${rule}`)).toEqual([
    'services.web.source unknown-source',
    'cujs[0].service unknown-service',
    'cujs[0].endpoints[2].service unknown-service',
    'cujs[2].onwer unknown-key',
  ]);
});

describe('what failed the schema', () => {
  const registry = (cujs: string, services = '') => `apiVersion: cuj-gate/v1
services:
  api: { env: production, operation: http.request, canary: "version:{version}" }
${services}cujs:
  - { name: pay, owner: team, service: api, slo: { availability: 99 }, endpoints: [POST /pay] }
${cujs}`;
  const cuj = (more: string) =>
    `  - { name: buy, owner: team, service: api, slo: { availability: 99 }, ${more} }\n`;

  const web = (more: string) =>
    registry('', `  web: { env: production, canary: "version:{version}", ${more} }\n`);
  const gate = (more: string) => registry(cuj(`endpoints: [GET /x], gate: { ${more} }`));
  const failure = (value: string) => registry(cuj(`endpoints: [GET /x], failure: ${value}`));
  const fails = (value: string) =>
    registry(cuj(`endpoints: [GET /x], client: { service: web, views: [/], fails: [error, ${value}] }`));
  const allUnits = /^Write the unit as well: 9s, 9m, 9h or 9d\.$/;

  it.each([
    ['gate.lag', gate('lag: 9'), allUnits],
    ['gate.minFaultDuration', gate('minFaultDuration: 9'), allUnits],
    ['gate.minFaultDuration', gate('minFaultDuration: 0'), /^Write a whole number and a unit, s, m, h or d/],
    ['gate.window', gate('window: 9'), allUnits],
    ['gate.passAfter', gate('passAfter: "9"'), allUnits],
    ['gate.warmUp', gate('warmUp: 9'), allUnits],
    ['gate.warmUp', gate('warmUp: "9"'), allUnits],
    ['gate.warmUp', gate('warmUp: true'), /^Write none, or a whole number and a unit, such as 2m\.$/],
    ['gate.warmUp.availability', gate('warmUp: { availability: 9 }'), allUnits],
    ['client.fails[1].slow', fails('{ slow: 4 }'), /^Write the unit as well: 4ms or 4s\.$/],
    ['client.fails[1].slow', fails('{ slow: "4" }'), /^Write the unit as well: 4ms or 4s\.$/],
    [
      'client.fails[1].slow',
      fails('{ slow: 4.5 }'),
      /^Write a whole number and a unit, such as 4s or 900ms\.$/,
    ],
    ['client.fails[1]', fails('slow'), /^Write \{ slow: 4s \}/],
    ['client.fails[1]', fails('slow 4s'), /^Write \{ slow: 4s \}/],
    ['client.fails[1]', fails('4'), /^Write error, frustration or \{ slow: 4s \}/],
    ['client.fails[1]', fails('eror'), /^Did you mean error\? Write error, frustration or \{ slow: 4s \}/],
    ['failure[0]', failure('[grpc]'), /^Write failure: grpc, without a list/],
    ['failure[1]', failure('[5xx, UNAVAILABLE]'), /^Write failure: \{ grpc: \[UNAVAILABLE\] \}/],
    ['failure[1]', failure('[5xx, "429"]'), /^Write 429 without quotes\.$/],
    ['failure[0]', failure('[5XX]'), /^Write 5xx\.$/],
    ['failure', failure('unavailable'), /^Write failure: \{ grpc: \[UNAVAILABLE\] \}/],
    ['failure', failure('429'), /^Write failure: \[5xx, 429\]\./],
    ['failure.grpc[0]', failure('{ grpc: [14] }'), /^Did you mean UNAVAILABLE\?/],
    ['failure.grpc[0]', failure('{ grpc: [Unavailable] }'), /^Did you mean UNAVAILABLE\?/],
    ['failure.errors', failure('{ grpc: [INTERNAL], errors: true }'), /^One definition holds/],
    ['failure.errors', failure('{ errors: true }'), /^Write failure: errors\.$/],
    [
      'grpc',
      registry(cuj('endpoints: [GET /x], grpc: [INTERNAL]')),
      /^Write failure: \{ grpc: \[INTERNAL\] \}\.$/,
    ],
    [
      'services.web.grpc',
      web('operation: grpc.server, grpc: true'),
      /^Write failure: grpc, or failure: \{ grpc: \[/,
    ],
    [
      'services.web.application',
      web('application: Shop Web'),
      /^Write the applicationId of datadogRum\.init/,
    ],
  ])('is one problem, and its fix can be copied: %s', async (path, text, fix) => {
    const problems = (await problemsOf(text)).filter(({ rule }) => rule !== 'unknown-service');
    expect(problems.map((problem) => [problem.path, problem.fix])).toEqual([
      [path.startsWith('services') ? path : `cujs[1].${path}`, expect.stringMatching(fix)],
    ]);
    const [{ message, fix: said }] = problems as [Problem];
    expect(`${message} ${said}`.split('ALREADY_EXISTS').length, 'a long list is there once').toBeLessThan(3);
  });

  it.each([
    ['a failure in capitals', registry(cuj('endpoints: [GET /x], failure: 5XX'))],
    ['a failure that is a number', registry(cuj('endpoints: [GET /x], failure: 401'))],
    ['a failure that is null', registry(cuj('endpoints: [GET /x], failure: null'))],
    ['a list in quotes', registry(cuj('endpoints: [GET /x], failure: "[5xx, 401]"'))],
    ['the failure of an endpoint', registry(cuj('endpoints: [{ method: GET, path: /x, failure: 500 }]'))],
    ['an endpoint that is null', registry(cuj('endpoints: [GET /x, null]'))],
    ['an empty CUJ', registry('  - \n')],
    ['an empty service', registry('', '  web:\n')],
    [
      'the failure of a service',
      registry('', '  web: { env: production, operation: http.request, failure: 5XX }\n'),
    ],
  ])('is a problem, and no later check crashes on it: %s', async (_, text) => {
    expect(await problemsOf(text)).not.toEqual([]);
  });
});

describe('one mistake is one problem, with what to write', () => {
  const api = 'api: { env: p, operation: http.request, canary: "v:{v}" }';
  const registry = (cuj: string, service = api) =>
    `apiVersion: cuj-gate/v1\nservices: { ${service} }\ncujs: [{ name: a, owner: t, service: api, slo: { availability: 99 }, ${cuj} }]\n`;
  const http = (endpoint: string) => registry(`endpoints: [${endpoint}]`);
  const grpc = (endpoint: string) =>
    registry(`endpoints: [${endpoint}]`, api.replace('http.request', 'grpc.server'));
  const locate = '/parcels.v2.Tracking/Locate';
  const asResource = /^Write \{ resource: \/parcels\.v2\.tracking\/locate \}\.$/;
  const spaced = /^Write a space after the colon: /;
  const endpoint = 'cujs[0].endpoints[0]';

  it('is a method of gRPC with the name that labels have, where a source counts', async () => {
    const text = registry(
      `failure: grpc, endpoints: [${locate}]`,
      api.replace('operation: http.request', 'source: mesh'),
    );
    const fixes = (await problemsOf(text)).map(({ fix }) => fix);
    expect(fixes).toContain('Write { resource: /parcels.v2.Tracking/Locate }.');
  });

  it.each([
    // Endpoints
    ['a method of gRPC as a text', grpc(locate), endpoint, asResource],
    [
      'the same without a slash',
      grpc(locate.slice(1)),
      endpoint,
      /^Write \{ resource: parcels\.v2\.tracking\/locate \}/,
    ],
    [
      'by failure of the service',
      registry(`endpoints: [${locate}]`, api.replace('http.request', 'own, failure: grpc')),
      endpoint,
      asResource,
    ],
    [
      'by failure of the CUJ',
      registry(`failure: { grpc: [INTERNAL] }, endpoints: [${locate}]`, api.replace('http.request', 'own')),
      endpoint,
      asResource,
    ],
    ['a method of gRPC as a method', grpc(`{ method: ${locate} }`), `${endpoint}.method`, asResource],
    ['a route as a text', http('/x'), endpoint, /^Write METHOD \/path .*\{ resource: NAME \}/],
    [
      'a route as a method',
      http('{ method: /x }'),
      `${endpoint}.method`,
      /resource: \/x \}.*method: POST, path: \/x \}/,
    ],
    [
      'a resource beside a route',
      http('{ method: GET, path: /x, resource: get_/x }'),
      `${endpoint}.resource`,
      /^Write either method and path, or resource\.$/,
    ],
    ['a misspelt resource', http('{ resorce: get_/x }'), `${endpoint}.resorce`, /^Did you mean resource\?/],
    [
      'a key of no endpoint',
      http('{ zzzzzzzzz: /x }'),
      `${endpoint}.zzzzzzzzz`,
      /^Known here: service, method, path, latencyMs, failure, resource\.$/,
    ],
    // Spaces
    [
      'a resource without a space',
      http('{ resource:/x }'),
      `${endpoint}["resource:/x"]`,
      /^Write a space after the colon: resource: \/x\.$/,
    ],
    ['the same in a list', http('resource:/x'), endpoint, /^Write a space after the colon: resource: \/x\.$/],
    [
      'an env without a space',
      registry('endpoints: "*"', api.replace('env: p', 'env:p')),
      'services.api["env:p"]',
      spaced,
    ],
    [
      'an objective without a space',
      http('GET /').replace('{ availability: 99 }', 'availability:99'),
      'cujs[0].slo',
      spaced,
    ],
    ['a service without a space', registry('endpoints: "*"', 'api: env:p'), 'services.api', spaced],
    ['an owner without a space', http('GET /').replace('owner: t', 'owner:t'), 'cujs[0]["owner:t"]', spaced],
    // Places
    [
      'failure at the top',
      `${http('GET /')}failure: grpc\n`,
      'failure',
      /^failure belongs in a service, a CUJ or an endpoint\. Known here: apiVersion, /,
    ],
    [
      'failure among services',
      registry('endpoints: "*"', `${api}, failure: grpc`),
      'services.failure',
      /^Indent it under the name of the service\.$/,
    ],
    [
      'a mapping among services',
      registry('endpoints: "*"', `${api}, failure: { grpc: [INTERNAL] }`),
      'services.failure',
      /^Indent it under the name of the service\.$/,
    ],
    [
      'CUJs among services',
      registry('endpoints: "*"', `${api}, cujs: []`),
      'services.cujs',
      /^cujs belongs at the top of the registry\.$/,
    ],
    [
      'a client in a service',
      registry('endpoints: "*"', api.replace('env: p', 'env: p, client: { views: [/] }')),
      'services.api.client',
      /^client belongs in a CUJ\. Known here: env, /,
    ],
    [
      'endpoints in a client',
      registry(
        'endpoints: [GET /], client: { service: web, endpoints: [GET /] }',
        `${api}, web: { env: p, application: 3c5d1c9e-7a52-4d1f-9b7e-0f6a5f0c2e11, canary: "v:{v}" }`,
      ),
      'cujs[0].client.endpoints',
      /^endpoints belongs in a CUJ\. Known here: service, views, actions, fails\.$/,
    ],
    [
      'a window in a CUJ',
      http('GET /').replace('owner: t', 'owner: t, window: 5m'),
      'cujs[0].window',
      /^window belongs in slo or gate\. /,
    ],
    [
      'service in place of services',
      `${http('GET /')}service: {}\n`,
      'service',
      /^Did you mean services\? service belongs in /,
    ],
  ])('%s', async (_, text, path, fix) => {
    const problems = await problemsOf(text);
    expect(problems.map((problem) => [problem.path, problem.fix])).toEqual([
      [path, expect.stringMatching(fix)],
    ]);
  });
});
