import { describe, expect, it } from 'vitest';
import { analysisTemplates } from '../../src/generate/analysis-templates.ts';
import { lintRollouts } from '../../src/generate/lint/lint-rollouts.ts';
import { seconds } from '../../src/generate/lint/rollout-parts.ts';
import type { TimingOptions } from '../../src/generate/lint/timing-checks.ts';
import { type RolloutOptions, rollouts } from '../../src/generate/rollout.ts';
import { options, smallRegistry } from './example.ts';

const registry = smallRegistry([{ name: 'signup' }]);
const made: RolloutOptions = { ...options(), analysis: 'cujs' };
const byLabel: RolloutOptions = { ...made, versionFrom: { kind: 'label', key: 'version' } };
const sample = (of: RolloutOptions) =>
  [...rollouts(registry, of), ...analysisTemplates(registry, of)].map(({ text }) => text).join('---\n');
const good = sample(made);
const goodByLabel = sample(byLabel);

const defaults: TimingOptions = {
  registry: undefined,
  requestsPerMinute: undefined,
  objective: 99.95,
  ruleOutBurn: 14.4,
  lagSeconds: 90,
  maxWindowSeconds: 7200,
};

function lint(text: string, changes: Partial<TimingOptions> = {}) {
  return lintRollouts([{ file: 'rollout.yaml', text }], { ...defaults, ...changes }).findings;
}

/** The text with one piece replaced, which must be there. */
function spoil(text: string, piece: string | RegExp, by: string): string {
  const spoilt = text.replace(piece, () => by);
  if (spoilt === text) throw new Error(`nothing to spoil: ${piece}`);
  return spoilt;
}

/** Without the lines from the first that matches `from` up to, but not with, the next that matches `to`. */
function without(text: string, from: RegExp, to: RegExp): string {
  const lines = text.split('\n');
  const first = lines.findIndex((line) => from.test(line));
  const end = lines.findIndex((line, i) => i > first && to.test(line));
  if (first < 0 || end < 0) throw new Error(`nothing to remove: ${from}`);
  return [...lines.slice(0, first), ...lines.slice(end)].join('\n');
}

const gateMetric = (text: string, piece: string, by: string) => {
  const at = text.indexOf('name: cuj-signup-gate\n');
  return text.slice(0, at) + spoil(text.slice(at), piece, by);
};

it('has nothing to say against the samples', () => {
  expect(lint(good)).toEqual([]);
  expect(lint(goodByLabel)).toEqual([]);
});

describe('one mistake in a good Rollout', () => {
  const cases: readonly [
    what: string,
    text: string,
    severity: 'error' | 'warning',
    rule: string,
    line: string,
  ][] = [
    [
      'no analysis at all',
      without(without(good, /^ {6}analysis:/, /^ {6}#/), /^ {8}- analysis:/, /^ {8}- setWeight: 100/),
      'error',
      'no-analysis',
      'strategy:',
    ],
    [
      'no gate behind the watch',
      without(good, /^ {8}- analysis:/, /^ {8}- setWeight: 100/),
      'warning',
      'no-gate',
      'analysis:',
    ],
    ['no watch before the gate', without(good, /^ {6}analysis:/, /^ {6}#/), 'warning', 'no-watch', 'steps:'],
    [
      'neither condition',
      without(good, /successCondition/, /provider:/),
      'error',
      'no-conditions',
      '- name: cuj-signup',
    ],
    [
      'no failure condition',
      spoil(good, / *failureCondition: .*\n/, ''),
      'error',
      'one-condition',
      'successCondition',
    ],
    [
      'no success condition',
      spoil(good, / *successCondition: .*\n/, ''),
      'error',
      'one-condition',
      'failureCondition',
    ],
    [
      'a condition for another form of the answer',
      spoil(good, 'failureCondition: result startsWith "FAIL"', 'failureCondition: result == "fail"'),
      'error',
      'condition-never-holds',
      'failureCondition',
    ],
    ['ok selected', spoil(good, '{$.summary}', '{$.ok}'), 'error', 'ok-is-two-valued', 'jsonPath'],
    [
      'something else selected',
      spoil(good, '{$.summary}', '{$.slis[0].value}'),
      'warning',
      'unusual-selection',
      'jsonPath',
    ],
    [
      'failureLimit a little high',
      spoil(good, 'failureLimit: 0', 'failureLimit: 1'),
      'warning',
      'failure-limit',
      'failureLimit',
    ],
    [
      'failureLimit high',
      spoil(good, 'failureLimit: 0', 'failureLimit: 3'),
      'error',
      'failure-limit',
      'failureLimit',
    ],
    [
      'failureLimit off',
      spoil(good, 'failureLimit: 0', 'failureLimit: -1'),
      'error',
      'failure-limit',
      'failureLimit',
    ],
    [
      'failureLimit as high as count',
      gateMetric(good, 'failureLimit: 0', 'failureLimit: 10'),
      'error',
      'failure-limit',
      'failureLimit',
    ],
    [
      'inconclusiveLimit 0',
      spoil(good, 'inconclusiveLimit: 10000', 'inconclusiveLimit: 0'),
      'error',
      'inconclusive-limit',
      'inconclusiveLimit',
    ],
    [
      'inconclusiveLimit left out',
      spoil(good, / *inconclusiveLimit: 10000\n/, ''),
      'error',
      'inconclusive-limit',
      '- name: cuj-signup',
    ],
    [
      'inconclusiveLimit low in a watch',
      spoil(good, 'inconclusiveLimit: 10000', 'inconclusiveLimit: 3'),
      'warning',
      'inconclusive-limit',
      'inconclusiveLimit',
    ],
    [
      'a gate that can end without a pass',
      spoil(good, / *consecutiveSuccessLimit: 2\n/, ''),
      'error',
      'pass-without-proof',
      'inconclusiveLimit',
    ],
    [
      'consecutiveErrorLimit left out',
      spoil(good, / *consecutiveErrorLimit: 360\n/, ''),
      'error',
      'error-limit',
      '- name: cuj-signup',
    ],
    [
      'consecutiveErrorLimit small',
      spoil(good, 'consecutiveErrorLimit: 360', 'consecutiveErrorLimit: 10'),
      'warning',
      'error-limit',
      'consecutiveErrorLimit',
    ],
    ['a step without count', spoil(good, / *count: 10\n/, ''), 'error', 'no-count', '- name: cuj-signup'],
    ['a step that asks once', spoil(good, 'count: 10\n', 'count: 1\n'), 'warning', 'asks-once', 'count'],
    [
      'a watch that asks once',
      spoil(good, / *interval: 60s\n/, ''),
      'error',
      'asks-once',
      '- name: cuj-signup',
    ],
    [
      'a watch that ends',
      spoil(good, 'interval: 60s', 'interval: 60s\n      count: 3'),
      'warning',
      'watch-ends',
      'count',
    ],
    [
      'an interval below the lag',
      spoil(good, 'interval: 60s', 'interval: 10s'),
      'warning',
      'interval-below-lag',
      'interval',
    ],
    [
      "a timeout below the gate's",
      spoil(good, 'timeoutSeconds: 10', 'timeoutSeconds: 3'),
      'warning',
      'timeout',
      'timeoutSeconds',
    ],
    [
      'nothing that tells the canary',
      without(good, /headers:/, /timeoutSeconds|# Leave both: the gate/),
      'error',
      'canary-not-told',
      'url:',
    ],
    [
      'a version in the URL',
      spoil(good, '/cujs/signup/status', '/cujs/signup/status?version={{args.version}}'),
      'warning',
      'arg-in-url',
      'url:',
    ],
    [
      'a version that never changes',
      spoil(good, 'value: "{{args.version}}"', 'value: v1.0.0'),
      'error',
      'fixed-version',
      'X-Canary-Version',
    ],
    [
      'a version that never changes, in the Rollout',
      spoil(good, /valueFrom:\n *podTemplateHashValue: Latest/, 'value: v1'),
      'error',
      'fixed-version',
      'value: v1',
    ],
    [
      'the hash of the stable pods',
      spoil(good, 'podTemplateHashValue: Latest', 'podTemplateHashValue: Stable'),
      'error',
      'judges-stable',
      'podTemplateHashValue',
    ],
    [
      'an argument that is not passed',
      spoil(
        good,
        /- name: version\n *valueFrom:\n *podTemplateHashValue: Latest\n *- name: service/,
        '- name: service',
      ),
      'error',
      'missing-arg',
      'analysis:',
    ],
    [
      'no version on the pods',
      without(good, /- name: DD_VERSION/, /^ {2}strategy:/),
      'error',
      'no-version',
      'containers:',
    ],
    [
      'another version on the pods',
      spoil(
        good,
        /valueFrom:\n *fieldRef:\n *fieldPath: metadata.labels\['rollouts-pod-template-hash'\]/,
        'value: v1.0.0',
      ),
      'error',
      'version-mismatch',
      'DD_VERSION',
    ],
    [
      'a label that the pods do not have',
      spoil(
        goodByLabel,
        'fieldPath: spec.template.metadata.labels.version',
        'fieldPath: spec.template.metadata.labels.release',
      ),
      'error',
      'empty-arg',
      'fieldPath',
    ],
    [
      'a label that Argo cannot reach',
      spoil(
        goodByLabel,
        'fieldPath: spec.template.metadata.labels.version',
        'fieldPath: spec.template.metadata.labels.tags.datadoghq.com/version',
      ),
      'error',
      'empty-arg',
      'fieldPath',
    ],
    [
      'a label that the Rollout does not have',
      spoil(
        goodByLabel,
        'fieldPath: spec.template.metadata.labels.version',
        "fieldPath: metadata.labels['version']",
      ),
      'error',
      'empty-arg',
      'fieldPath',
    ],
    [
      'a gate before any traffic',
      spoil(good, 'setWeight: 25', 'setWeight: 0'),
      'error',
      'no-canary-traffic',
      'analysis:',
    ],
    [
      'hardly any weight',
      spoil(good, 'setWeight: 25', 'setWeight: 1'),
      'warning',
      'weight-too-low',
      'setWeight',
    ],
    [
      'a template that is not there',
      spoil(good, 'templateName: cuj-signup-gate', 'templateName: cuj-sign-up-gate'),
      'warning',
      'template-not-given',
      'cuj-sign-up-gate',
    ],
    [
      'templates that ask somebody else',
      good.replaceAll('/cujs/signup/status', '/health'),
      'warning',
      'gate-not-asked',
      'analysis:',
    ],
    ['a document that is no YAML', `${good}---\nkind: [\n`, 'error', 'yaml', ''],
  ];

  it.each(cases)('is found: %s', (_, text, severity, rule, line) => {
    const findings = lint(text);
    const found = findings.find((finding) => finding.rule === rule);
    expect(found, JSON.stringify(findings.map((finding) => finding.rule))).toMatchObject({
      severity,
      file: 'rollout.yaml',
    });
    expect(text.split('\n')[(found?.line ?? 0) - 1]).toContain(line);
    for (const said of [found?.message, found?.meaning, found?.fix]) expect(said).toMatch(/[.)}'"]$/);
    // Nothing else is made up: what comes along follows from the same mistake.
    expect(findings.filter((finding) => finding.severity === 'error' && finding.rule !== rule)).toEqual([]);
  });
});

describe('time and traffic', () => {
  const short = spoil(good, 'duration: 5m', 'duration: 10s').replace('count: 10\n', 'count: 1\n');

  it('finds a pause that is over before there is data', () => {
    expect(lint(short).map(({ rule }) => rule)).toContain('pause-too-short');
  });

  it.each([
    // 415 clean requests rule out a burn of 14.4 at 99.95%; the gate has 5 + 9 minutes less 90 s of lag at 25%.
    [133, [], 'just enough'],
    [132, ['pause-too-short'], 'one short of it'],
    [10, ['weight-too-low'], 'so few that the longest window ends first'],
  ])('works out that %d requests a minute give %j: %s', (requestsPerMinute, rules) => {
    expect(lint(good, { requestsPerMinute }).map(({ rule }) => rule)).toEqual(rules);
  });

  it("takes each CUJ's own objective and rule from the registry", () => {
    const lenient = smallRegistry([{ name: 'signup', slo: { availability: 99 } }]);
    expect(lint(good, { requestsPerMinute: 20, registry: lenient })).toEqual([]);
    expect(lint(good, { requestsPerMinute: 20, registry })).toHaveLength(1);
    const observed = smallRegistry([{ name: 'signup', mode: 'observe' }]);
    expect(lint(good, { requestsPerMinute: 1, registry: observed })).toEqual([]);
  });

  it('finds a CUJ that the registry does not have', () => {
    const other = smallRegistry([{ name: 'login' }]);
    expect(lint(good, { registry: other }).map(({ rule }) => rule)).toEqual(['unknown-cuj', 'unknown-cuj']);
  });

  it('lets a pause without an end be long enough', () => {
    expect(lint(spoil(good, /pause:\n *duration: 5m/, 'pause: {}'), { requestsPerMinute: 1 })).toEqual([]);
  });

  it('finds a watch that begins when the steps are over, where there is no gate', () => {
    const alone = without(good, /^ {8}- analysis:/, /^ {8}- setWeight: 100/);
    const rules = lint(spoil(alone, 'initialDelay: 150s', 'initialDelay: 1h')).map(({ rule }) => rule);
    expect(rules).toContain('delay-too-long');
  });

  it.each([
    ['90s', 90],
    ['5m', 300],
    ['1h30m', 5400],
    ['300', 300],
    ['1.5h', 5400],
    ['soon', undefined],
    ['5 m', undefined],
  ])('reads the duration %s', (text, value) => {
    expect(seconds(text)).toBe(value);
  });
});

describe('other shapes', () => {
  it('takes pods from the Deployment that a Rollout refers to', () => {
    const rollout = good.replace(
      / {2}template:\n([\s\S]*?) {2}strategy:/,
      '  workloadRef:\n    apiVersion: apps/v1\n    kind: Deployment\n    name: shop\n  strategy:',
    );
    const deployment = (version: string) =>
      `---\nkind: Deployment\nmetadata:\n  name: shop\nspec:\n  template:\n    spec:\n      containers:\n        - name: app\n          env:\n            - name: DD_VERSION\n              ${version}\n`;
    expect(lint(rollout)).toEqual([]);
    expect(
      lint(
        rollout +
          deployment(
            'valueFrom: { fieldRef: { fieldPath: "metadata.labels[\'rollouts-pod-template-hash\']" } }',
          ),
      ),
    ).toEqual([]);
    expect(lint(rollout + deployment('value: v1')).map(({ rule }) => rule)).toEqual(['version-mismatch']);
  });

  it('knows that before a blue-green promotion there is no traffic to judge', () => {
    const blueGreen = `kind: Rollout\nmetadata: { name: shop }\nspec:\n  strategy:\n    blueGreen:\n      KINDAnalysis:\n        templates: [{ templateName: cuj-signup-gate }]\n        args: [{ name: version, valueFrom: { podTemplateHashValue: Latest } }]\n---\n${analysisTemplates(registry, made)[0]?.text}`;
    expect(lint(blueGreen.replace('KIND', 'prePromotion')).map(({ rule }) => rule)).toEqual([
      'no-canary-traffic',
    ]);
    expect(lint(blueGreen.replace('KIND', 'postPromotion'))).toEqual([]);
  });

  it('reads lists, quoted numbers and several files', () => {
    const [rollout, ...templates] = good.split('---\n');
    const list = `kind: List\nitems:\n${[rollout, ...templates]
      .map(
        (text) =>
          `- ${(text ?? '')
            .replace(/^#.*\n|^ *#.*\n/gm, '')
            .trim()
            .split('\n')
            .join('\n  ')}`,
      )
      .join('\n')}\n`;
    expect(lint(list)).toEqual([]);
    expect(lint(good.replaceAll('failureLimit: 0', 'failureLimit: "0"'))).toEqual([]);
    const files = [rollout, ...templates].map((text, i) => ({ file: `${i}.yaml`, text: text ?? '' }));
    expect(lintRollouts(files, defaults)).toEqual({ rollouts: ['shop'], findings: [] });
  });

  it('reports the mistake of a template once, however many analyses use it', () => {
    const spoilt = spoil(good, 'templateName: cuj-signup-gate', 'templateName: cuj-signup-watch').replaceAll(
      / *failureCondition: .*\n/g,
      '',
    );
    expect(lint(spoilt).filter(({ rule }) => rule === 'one-condition')).toHaveLength(1);
  });
});
