import { describe, expect, it } from 'vitest';
import type { GateDocument } from '../../src/domain/registry/schema.ts';
import { watchInconclusiveLimit } from '../../src/generate/argo/analysis-options.ts';
import { analysisTemplates } from '../../src/generate/argo/analysis-templates.ts';
import { type RolloutOptions, rollouts } from '../../src/generate/argo/rollout.ts';
import { lintRollouts } from '../../src/lint/lint-rollouts.ts';
import { seconds } from '../../src/lint/rollout-parts.ts';
import type { TimingOptions } from '../../src/lint/timing-checks.ts';
import { limitedPass, provenOnly } from '../doctor/clinic.ts';
import { options, smallRegistry } from '../generate/example.ts';

/** The registry of one CUJ, with gate settings. */
const gated = (gate: GateDocument, services = {}) =>
  smallRegistry([{ name: 'signup', gate: { lag: '90s', ...gate } }], services);
const registry = gated({});
const made: RolloutOptions = { ...options(), analysis: 'cujs' };
const byLabel: RolloutOptions = { ...made, versionFrom: { kind: 'label', key: 'version' } };
const sample = (of: RolloutOptions, from = registry) =>
  [...rollouts(from, of), ...analysisTemplates(from, of)].map(({ text }) => text).join('---\n');
const good = sample(made);
const goodByLabel = sample(byLabel);
const versionTag = 'tags.datadoghq.com/version';
const goodByOwnLabel = sample({ ...made, versionFrom: { kind: 'label', key: versionTag } });

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
  expect(lint(goodByOwnLabel)).toEqual([]);
});

describe("a version of the Rollout's own label", () => {
  const label = `${versionTag}: v1.0.0`;
  const [ownLine, podLine] = goodByOwnLabel
    .split('\n')
    .flatMap((line, i) => (line.includes(label) ? [i + 1] : []));
  const variable = /valueFrom:\n *fieldRef:\n *fieldPath: metadata.labels\['tags.datadoghq.com\/version'\]/;
  /** With other values on the Rollout and on its pods. */
  const labelled = (own: string, pods: string, text = goodByOwnLabel) => {
    let nth = 0;
    return text.replaceAll(label, () => `${versionTag}: ${[own, pods][nth++]}`);
  };
  const podLabelRemoved = (text: string) => {
    const at = text.lastIndexOf(label);
    return text.slice(0, at) + text.slice(at + label.length);
  };
  const variableLine = goodByOwnLabel.split('\n').findIndex((line) => line.includes('name: DD_VERSION')) + 1;

  it.each([
    [
      "the pods' label",
      labelled('v1.0.0', 'v2.0.0'),
      `is "v1.0.0" (line ${ownLine}), but its pods report "v2.0.0" (DD_VERSION from their label ${versionTag}, line ${variableLine}).`,
    ],
    [
      "the Rollout's label",
      labelled('v2.0.0', 'v1.0.0'),
      `is "v2.0.0" (line ${ownLine}), but its pods report "v1.0.0" (DD_VERSION`,
    ],
    [
      'a literal DD_VERSION',
      spoil(goodByOwnLabel, variable, 'value: v0.9.0'),
      `is "v1.0.0" (line ${ownLine}), but its pods report "v0.9.0" (DD_VERSION, line ${variableLine}).`,
    ],
    [
      "the pods' label alone, which DD_VERSION does not use",
      labelled('v1.0.0', 'v2.0.0', spoil(goodByOwnLabel, variable, 'value: v1.0.0')),
      `is "v1.0.0" (line ${ownLine}), but the same label of its pods is "v2.0.0" (line ${podLine}).`,
    ],
    [
      'DD_VERSION, which is the template hash',
      spoil(
        goodByOwnLabel,
        variable,
        `valueFrom: { fieldRef: { fieldPath: "metadata.labels['rollouts-pod-template-hash']" } }`,
      ),
      `but its pods report their template hash (DD_VERSION, line ${variableLine}).`,
    ],
    [
      'a label that the pods lack',
      podLabelRemoved(goodByOwnLabel),
      `but its pods report no version: DD_VERSION (line ${variableLine}) is taken from their label ${versionTag}, which they do not have.`,
    ],
    [
      'the label of pods without DD_VERSION',
      without(labelled('v1.0.0', 'v2.0.0'), /- name: DD_VERSION/, /^ {2}strategy:/),
      `but its pods report "v2.0.0" (the label ${versionTag}, line ${podLine}).`,
    ],
  ])('is an error where %s differs, with both values and their lines', (_, text, message) => {
    expect(lint(text)).toEqual([
      expect.objectContaining({
        severity: 'error',
        rule: 'version-mismatch',
        message: expect.stringContaining(message),
        fix: expect.stringMatching(
          /^Give both the version of this release, in one commit: metadata\.labels and /,
        ),
      }),
    ]);
  });

  it.each([
    ['in another case, which Datadog stores alike', labelled('V1.0.0', 'v1.0.0')],
    ['that is filled later', labelled('$(VERSION)', '$(RELEASE)')],
    ['whose copy is filled later', spoil(goodByOwnLabel, variable, 'value: $(VERSION)')],
    [
      'beside one of a ConfigMap',
      spoil(goodByOwnLabel, variable, 'valueFrom: { configMapKeyRef: { name: a, key: b } }'),
    ],
    [
      'beside a sidecar with a version of its own',
      spoil(
        goodByOwnLabel,
        'containers:\n',
        'containers:\n        - { name: proxy, env: [{ name: DD_VERSION, value: v9 }] }\n',
      ),
    ],
  ])('is not reported %s', (_, text) => {
    expect(lint(text)).toEqual([]);
  });

  it('is compared whatever the parameter is called', () => {
    const text = labelled('v1.0.0', 'v2.0.0').replaceAll('X-Canary-Version', 'X-Canary-Release');
    expect(lint(text).map(({ rule }) => rule)).toEqual(['version-mismatch']);
  });

  it('that is missing on the Rollout is an error with the value of its pods', () => {
    const [finding] = lint(goodByOwnLabel.replace(label, ''));
    expect(finding).toMatchObject({
      rule: 'empty-arg',
      fix: expect.stringContaining(`the value that its pods have ("v1.0.0", line ${podLine})`),
    });
  });

  it('names the file of a pod template that is in another one', () => {
    const rollout = without(goodByOwnLabel, /^ {2}template:/, /^ {2}strategy:/).replace(
      '  strategy:',
      '  workloadRef: { apiVersion: apps/v1, kind: Deployment, name: shop }\n  strategy:',
    );
    const deployment = `kind: Deployment\nmetadata: { name: shop }\nspec:\n  template:\n    metadata:\n      labels:\n        ${versionTag}: v3\n    spec: { containers: [{ name: app }] }\n`;
    const { findings } = lintRollouts(
      [
        { file: 'rollout.yaml', text: rollout },
        { file: 'deployment.yaml', text: deployment },
      ],
      defaults,
    );
    expect(findings.map(({ message }) => message)).toContainEqual(
      expect.stringContaining(`"v3" (the label ${versionTag}, deployment.yaml:7)`),
    );
  });
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
      'analyses of no templates, which are none',
      good.replaceAll(/( {2,})templates:\n(?: +- templateName: .*\n)+/g, '$1templates: []\n'),
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
      gateMetric(good, 'failureLimit: 0', 'failureLimit: 45'),
      'error',
      'failure-limit',
      'failureLimit',
    ],
    [
      'inconclusiveLimit 0',
      spoil(good, 'inconclusiveLimit: 30000', 'inconclusiveLimit: 0'),
      'error',
      'inconclusive-limit',
      'inconclusiveLimit',
    ],
    [
      'inconclusiveLimit left out',
      spoil(good, / *inconclusiveLimit: 30000\n/, ''),
      'error',
      'inconclusive-limit',
      '- name: cuj-signup',
    ],
    [
      'inconclusiveLimit low in a watch',
      spoil(good, 'inconclusiveLimit: 30000', 'inconclusiveLimit: 3'),
      'warning',
      'inconclusive-limit',
      'inconclusiveLimit',
    ],
    [
      'a gate that can end without a pass',
      spoil(good, / *consecutiveSuccessLimit: 4\n/, ''),
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
    ['a step without count', spoil(good, / *count: 45\n/, ''), 'error', 'no-count', '- name: cuj-signup'],
    ['a step that asks once', spoil(good, 'count: 45\n', 'count: 1\n'), 'warning', 'asks-once', 'count'],
    [
      'a watch that asks once',
      spoil(good, / *interval: 20s\n/, ''),
      'error',
      'asks-once',
      '- name: cuj-signup',
    ],
    [
      'a watch that ends',
      spoil(good, 'interval: 20s', 'interval: 20s\n      count: 3'),
      'warning',
      'watch-ends',
      'count',
    ],
    [
      'an interval with no new data',
      spoil(good, 'interval: 20s', 'interval: 10s'),
      'warning',
      'interval-too-short',
      'interval',
    ],
    [
      'passes that rest on the same data',
      spoil(good, 'consecutiveSuccessLimit: 4', 'consecutiveSuccessLimit: 3'),
      'warning',
      'passes-too-close',
      'consecutiveSuccessLimit',
    ],
    [
      'one pass that is enough',
      spoil(good, 'consecutiveSuccessLimit: 4', 'consecutiveSuccessLimit: 1'),
      'warning',
      'passes-too-close',
      'consecutiveSuccessLimit',
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
      without(good, /headers:/, /timeoutSeconds|# Keep both: the gate/),
      'error',
      'canary-not-told',
      'url:',
    ],
    [
      'a moment in the past',
      spoil(good, '/cujs/signup/status', '/cujs/signup/status?at=2026-01-31T09:00:00Z'),
      'error',
      'asks-the-past',
      'url:',
    ],
    [
      'a page, which only another header prevents',
      spoil(good, 'value: application/json', 'value: text/html'),
      'warning',
      'asks-for-page',
      '- key: Accept',
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
      spoil(good, 'templateName: cuj-signup-gate', 'templateName: cuj-payment-gate'),
      'warning',
      'template-not-given',
      'cuj-payment-gate',
    ],
    [
      'a template whose name is mistyped',
      spoil(good, 'templateName: cuj-signup-gate', 'templateName: cuj-sign-up-gate'),
      'warning',
      'template-not-given',
      'cuj-sign-up-gate',
    ],
    [
      'a template of the other scope',
      good.replaceAll('kind: AnalysisTemplate', 'kind: ClusterAnalysisTemplate'),
      'error',
      'other-scope',
      'templateName',
    ],
    [
      "a scope that is not the template's",
      good.replaceAll(/( *)- (templateName: .*)\n/g, '$1- $2\n$1  clusterScope: true\n'),
      'error',
      'other-scope',
      'templateName',
    ],
    [
      'templates that ask somebody else',
      good.replaceAll('/cujs/signup/status', '/health'),
      'warning',
      'gate-not-asked',
      'analysis:',
    ],
    ['a document that is no YAML', `${good}---\nkind: [\n`, 'error', 'yaml', ''],
    [
      'a chart that Helm has not rendered',
      spoil(good, 'failureLimit: 0', 'failureLimit: {{ .Values.failureLimit }}'),
      'error',
      'yaml',
      'failureLimit',
    ],
    [
      'a step whose count is 0, which is none',
      spoil(good, 'count: 45\n', 'count: 0\n'),
      'error',
      'no-count',
      'count',
    ],
    [
      'a CUJ that is asked only for show',
      spoil(
        good,
        '        startingStep: 1\n',
        '        startingStep: 1\n        dryRun: [{ metricName: cuj-.* }]\n',
      ),
      'error',
      'dry-run',
      'dryRun',
    ],
    [
      'a pattern that would take for ever, which is taken by its letters, and one that fits',
      spoil(
        good,
        '        startingStep: 1\n',
        '        startingStep: 1\n        dryRun: [{ metricName: "((((.+)+)+)+)+!" }, { metricName: cuj-.* }]\n',
      ),
      'error',
      'dry-run',
      'cuj-.*',
    ],
    [
      'a template that is only for show',
      spoil(good, '  metrics:\n', '  dryRun: [{ metricName: cuj-signup }]\n  metrics:\n'),
      'error',
      'dry-run',
      'dryRun',
    ],
    [
      'watch and gate in one analysis',
      spoil(
        good,
        '- templateName: cuj-signup-watch\n',
        '- templateName: cuj-signup-watch\n          - templateName: cuj-signup-gate\n',
      ),
      'error',
      'metric-twice',
      'analysis:',
    ],
    [
      'a label of the Rollout that is written as one of the pods',
      spoil(
        goodByLabel,
        'fieldPath: spec.template.metadata.labels.version',
        'fieldPath: metadata.labels.version',
      ),
      'error',
      'empty-arg',
      'fieldPath',
    ],
    [
      'an annotation that the Rollout does not have',
      spoil(
        goodByLabel,
        'fieldPath: spec.template.metadata.labels.version',
        "fieldPath: metadata.annotations['release']",
      ),
      'error',
      'empty-arg',
      'fieldPath',
    ],
    [
      'a path that ends in more than a value',
      spoil(
        goodByLabel,
        'fieldPath: spec.template.metadata.labels.version',
        'fieldPath: spec.template.metadata.labels',
      ),
      'error',
      'empty-arg',
      'fieldPath',
    ],
    [
      'a label that is empty',
      goodByLabel.replaceAll(' version: v1.0.0', ' version: ""'),
      'error',
      'empty-arg',
      'fieldPath',
    ],
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

describe('limits and intervals', () => {
  const rules = (text: string) => lint(text).map(({ rule }) => rule);

  it.each([
    ['20s', 89, ['inconclusive-limit']],
    ['20s', 90, []],
    ['60s', 29, ['inconclusive-limit']],
    ['60s', 30, []],
  ])(
    'wants a watch that measures every %s and may be inconclusive %d times for half an hour: %j',
    (interval, limit, wanted) => {
      const text = sample({ ...made, interval }).replaceAll(
        'inconclusiveLimit: 30000',
        `inconclusiveLimit: ${limit}`,
      );
      expect(rules(text).filter((rule) => rule === 'inconclusive-limit')).toEqual(wanted);
    },
  );

  it.each([
    ['20s', 4, 3],
    ['30s', 3, 2],
    ['60s', 2, 1],
  ])('wants passes every %s to span a minute: %d do, %d do not', (interval, enough, few) => {
    const passing = (passes: number) => rules(sample({ ...made, interval, passes }));
    expect(passing(enough)).toEqual([]);
    expect(passing(few)).toEqual(['passes-too-close']);
  });

  it('recommends what generate writes', () => {
    const { interval, count, passes } = options();
    const fixOf = (text: string, of: string) => lint(text).find(({ rule }) => rule === of)?.fix;
    expect(fixOf(spoil(good, 'count: 45\n', 'count: 1\n'), 'asks-once')).toBe(
      `Add interval: ${interval}, count: ${count} and consecutiveSuccessLimit: ${passes}.`,
    );
    expect(fixOf(spoil(good, 'inconclusiveLimit: 30000', 'inconclusiveLimit: 0'), 'inconclusive-limit')).toBe(
      `Set inconclusiveLimit: ${watchInconclusiveLimit}.`,
    );
  });
});

describe('what a metric accepts', () => {
  const withoutParams = gated(
    {},
    { shop: { env: 'prod', operation: 'http.request', canary: 'role:canary' } },
  );
  const marked = sample(made, withoutParams);
  // As somebody writes it who does not know the marker of generated templates.
  const fixed = spoil(marked, '            - key: X-Canary\n              value: analysis\n', '');
  const json = '- key: Accept\n              value: application/json\n';
  const found = (text: string) =>
    lint(text, { registry: withoutParams }).map(({ severity, rule, meaning, fix }) => [
      severity,
      rule,
      meaning,
      fix,
    ]);
  const passing = [
    'error',
    'asks-for-page',
    'The gate responds with a page, and Argo calls a response that is not JSON Successful: every release passes.',
    'Set Accept: application/json.',
  ];

  it.each([
    ['text/html', 'text/html'],
    ['what a browser does', '"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"'],
    ['in other letters', 'Text/HTML'],
  ])('is wrong where nothing else keeps it from a page: %s', (_, value) => {
    expect(found(spoil(fixed, 'value: application/json', `value: ${value}`))).toEqual([passing]);
  });

  it('is a warning where the marker of generated templates keeps it from a page', () => {
    const [[severity, rule] = []] = found(spoil(marked, 'value: application/json', 'value: text/html'));
    expect([severity, rule]).toEqual(['warning', 'asks-for-page']);
  });

  it.each([
    ["nothing, as Argo's client sends none of its own", ''],
    ['anything', `- key: Accept\n              value: "*/*"\n`],
    ['a longer name', `- key: Accept\n              value: text/html-template\n`],
    ['what is not in these files', `- key: Accept\n              value: "{{args.accept}}"\n`],
  ])('may be %s', (_, header) => {
    const rules = found(spoil(fixed, json, header)).map(([, rule]) => rule);
    expect(rules).not.toContain('asks-for-page');
  });

  it('is what Argo sends: the last header of the name, whatever its letters', () => {
    const other = '- key: accept\n              value: text/html\n';
    const both = (first: string, second: string) => spoil(fixed, json, `${first}            ${second}`);
    expect(found(both(json, other))).toEqual([passing]);
    expect(found(both(other, json))).toEqual([]);
  });

  it('is what an argument says', () => {
    const text = spoil(
      spoil(fixed, 'value: application/json', 'value: "{{ args.accept }}"'),
      '  metrics:\n',
      '  args:\n    - name: accept\n      value: text/html\n  metrics:\n',
    );
    expect(found(text)).toEqual([passing]);
  });
});

describe('the address of the gate', () => {
  const url = 'http://cuj-gate.cuj-gate.svc:8080';
  const at = (other: string, from = good) => from.replaceAll(url, other);
  const found = (text: string) => lint(text).map(({ severity, rule }) => [severity, rule]);
  const twice = (rule: string) => [
    ['warning', rule],
    ['warning', rule],
  ];

  it.each([
    'http://cuj-gate:8080',
    'http://cuj-gate.gates:8080',
    'http://cuj-gate.gates.svc.cluster.local:8080/base',
    'http://10.2.3.4:8080',
    'http://[fd00::1]:8080',
    'https://cuj-gate.example.com',
    // What it is cannot be seen in these files.
    'http://{{args.gate}}:8080',
  ])('may be %s', (address) => {
    expect(found(at(address))).toEqual([]);
  });

  it.each(['http://cuj-gate.example.com', 'http://203.0.113.7:8080', 'HTTP://gate.eu.example.com:8080/base'])(
    'is answered by whatever is on the way: %s',
    (address) => {
      expect(found(at(address))).toEqual(twice('gate-over-http'));
    },
  );

  it('is taken from an argument with a fixed value', () => {
    const text = at('http://{{ args.gate }}').replaceAll(
      '\n  args:\n    - name: version\n',
      '\n  args:\n    - name: gate\n      value: gate.eu.example.com\n    - name: version\n',
    );
    expect(found(text)).toEqual(twice('gate-over-http'));
  });

  it('proves nothing with any certificate', () => {
    const text = at('https://gate.eu.example.com').replaceAll(
      '      web:\n',
      '      web:\n          insecure: true\n',
    );
    expect(found(text)).toEqual(twice('certificate-not-verified'));
  });

  it('is not that of browsers, where a proxy may respond with its login page', () => {
    const linked = sample({ ...made, publicUrl: 'https://gate.eu.example.com/base' });
    expect(found(linked)).toEqual([]);
    expect(found(at('https://Gate.eu.example.com/base', linked))).toEqual(twice('asks-address-of-browsers'));
    expect(found(at('https://other.eu.example.com', linked))).toEqual([]);
  });
});

describe('retries of a mesh', () => {
  const routes = (retries: string, name = 'primary') => `---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: shop
spec:
  http:
    - name: ${name}
      retries: ${retries}
      route: []
`;
  const found = (retries: string, name?: string) =>
    lint(`${good}${routes(retries, name)}`).map(({ rule, message }) => [rule, message]);

  it.each([
    ['{attempts: 2, retryOn: "5xx"}', '5xx', '2 times'],
    ['{attempts: 1, retryOn: "connect-failure, gateway-error,503"}', 'gateway-error, 503', '1 time'],
    ['{attempts: 3, retryOn: "retriable-status-codes,reset"}', 'retriable-status-codes', '3 times'],
  ])('count every attempt that was served: %s', (retries, on, times) => {
    expect(found(retries)).toEqual([
      [
        'retries-count',
        `Route "primary" of VirtualService "shop" repeats requests that were answered with an error (${on}), up to ${times}.`,
      ],
    ]);
  });

  it.each([
    ['none', '{attempts: 0, retryOn: "5xx"}'],
    [
      'those of requests that were not served',
      '{attempts: 3, retryOn: "connect-failure,refused-stream,cancelled"}',
    ],
    ['the default ones', '{attempts: 3}'],
  ])('may be %s', (_, retries) => {
    expect(found(retries)).toEqual([]);
  });

  it('are looked at in the routes that the Rollout uses', () => {
    expect(found('{attempts: 2, retryOn: "5xx"}', 'other')).toEqual([]);
  });
});

describe('time and traffic', () => {
  const short = spoil(spoil(good, 'duration: 5m', 'duration: 10s'), 'count: 45\n', 'count: 1\n');

  it('names the template that was most likely meant', () => {
    const [found] = lint(spoil(good, 'templateName: cuj-signup-gate', 'templateName: cuj-sign-up-gate'));
    expect(found?.fix).toBe('Did you mean "cuj-signup-gate"? Otherwise include its file.');
  });

  it('finds a pause that is over before there is data', () => {
    expect(lint(short).map(({ rule }) => rule)).toContain('pause-too-short');
  });

  it.each([
    // 415 clean requests rule out a burn of 14.4 at 99.95%. The gate has 300 + 820 s until the fourth to last of its 45
    // measurements, less 90 s of lag, at 25%: 4.29 minutes of all traffic.
    [97, [], 'just enough'],
    [96, ['pause-too-short'], 'one short of it'],
    [10, ['weight-too-low'], 'so few that the longest window ends first'],
  ])('works out that %d requests a minute give %j: %s', (requestsPerMinute, rules) => {
    const proven = gated(provenOnly);
    expect(lint(good, { requestsPerMinute, registry: proven }).map(({ rule }) => rule)).toEqual(rules);
  });

  it("takes each CUJ's own objective and rule from the registry", () => {
    const lenient = smallRegistry([{ name: 'signup', slo: { availability: 99 }, gate: provenOnly }]);
    expect(lint(good, { requestsPerMinute: 20, registry: lenient })).toEqual([]);
    expect(lint(good, { requestsPerMinute: 20, registry: gated(provenOnly) })).toHaveLength(1);
    const observed = smallRegistry([{ name: 'signup', mode: 'observe' }]);
    expect(lint(good, { requestsPerMinute: 1, registry: observed })).toEqual([]);
  });

  it.each([
    // 4,146 and 830 requests in 4.29 minutes.
    [{ sampleRate: 0.1 }, 966, 967],
    [{ dispersion: 2 }, 193, 194],
  ])('asks for more requests of a service with %j', (counted, few, enough) => {
    const service = { env: 'prod', operation: 'http.request', canary: 'version:{version}', ...counted };
    const thinned = gated(provenOnly, { shop: service });
    expect(lint(good, { requestsPerMinute: enough, registry: thinned })).toEqual([]);
    expect(lint(good, { requestsPerMinute: few, registry: thinned })).toHaveLength(1);
  });

  it('warns of questions by an alias', () => {
    const renamed = smallRegistry([{ name: 'join', aliases: ['signup'], gate: { lag: '90s' } }]);
    const found = lint(good, { registry: renamed });
    expect(found.map(({ severity, rule }) => `${severity} ${rule}`)).toEqual([
      'warning asks-by-alias',
      'warning asks-by-alias',
    ]);
    expect(found[0]?.message).toBe('The CUJ "signup" is called "join" now.');
  });

  it('warns of questions about a retired CUJ, and asks nothing more of them', () => {
    const retired = smallRegistry([{ name: 'login' }, { name: 'signup', retired: 'merged into login' }]);
    const found = lint(good, { registry: retired, requestsPerMinute: 1 });
    expect(found.map(({ severity, rule }) => `${severity} ${rule}`)).toEqual([
      'warning retired-cuj',
      'warning retired-cuj',
    ]);
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
    const rules = lint(spoil(alone, 'initialDelay: 2m', 'initialDelay: 1h')).map(({ rule }) => rule);
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

describe('time and traffic of a limited pass', () => {
  const minutely = sample({ ...made, interval: '60s', count: 3, passes: 2 });
  /** A gate with the second to last of three measurements, two of which must pass, so many seconds after the first request. */
  const endingAt = (duration: number) => spoil(minutely, 'duration: 5m', `duration: ${duration - 60}s`);
  const needing60 = gated(limitedPass);
  const rulesOf = (text: string, changes: Partial<TimingOptions>) =>
    lint(text, changes).map(({ rule }) => rule);

  it.each([
    // passAfter is 6 minutes, and data is complete 90 s late. 415 requests at 25% of 60 a minute take 28 minutes.
    [450, []],
    [449, ['pause-too-short']],
  ])('is there for a gate that ends after %d s, or is not: %j', (duration, rules) => {
    for (const from of [registry, undefined]) {
      expect(rulesOf(endingAt(duration), { requestsPerMinute: 60, registry: from })).toEqual(rules);
    }
  });

  it('is what the fix asks to wait for', () => {
    expect(lint(endingAt(300), { requestsPerMinute: 60, registry: needing60 })).toMatchObject([
      {
        message:
          'A pass of metric "cuj-signup" with limited evidence takes 10 min (passAfter, and the lag of the data); it has 5 min before the last 2 measurements, which must pass.',
        fix: 'Pause for 9 min or more, or raise the weight.',
      },
    ]);
  });

  it.each([
    // 60 clean requests in 4.29 minutes of all traffic, as a proven one above.
    [14, [], 'just enough'],
    [13, ['pause-too-short'], 'one short of it'],
    [1, ['weight-too-low'], 'so few that the longest window ends first'],
  ])('takes traffic as well: %d requests a minute give %j: %s', (requestsPerMinute, rules) => {
    expect(rulesOf(good, { requestsPerMinute, registry: needing60 })).toEqual(rules);
  });

  it.each([
    // The first pass is possible after 450 s: at the last of the three measurements, or already at the first of them.
    ['consecutiveSuccessLimit: 1', 390, 389],
    ['consecutiveSuccessLimit: 3', 510, 509],
  ])('needs time for all passes of a row: %s', (limit, enough, short) => {
    const needing = (duration: number) => gateMetric(endingAt(duration), 'consecutiveSuccessLimit: 2', limit);
    const timing = (duration: number) =>
      rulesOf(needing(duration), { requestsPerMinute: 60, registry }).filter(
        (rule) => rule !== 'passes-too-close',
      );
    expect(timing(enough)).toEqual([]);
    expect(timing(short)).toEqual(['pause-too-short']);
  });

  it('takes a number of passes that is not in these files for one', () => {
    const unknown = gateMetric(
      endingAt(390),
      'consecutiveSuccessLimit: 2',
      'consecutiveSuccessLimit: "{{ args.passes }}"',
    );
    expect(rulesOf(unknown, { requestsPerMinute: 60, registry })).toEqual([]);
  });

  it('does not delay a proven pass', () => {
    // 3.5 minutes at 25% of 480 a minute are 420 requests, and 415 are a proof.
    expect(rulesOf(endingAt(300), { requestsPerMinute: 480, registry })).toEqual([]);
  });

  it.each([
    ['passAfter: never', { passAfter: 'never' }],
    ['a fixed window', { window: '1h' }],
    ['a maxWindow below the default of passAfter', { maxWindow: '5m' }],
  ] satisfies [string, GateDocument][])('is not counted on with %s', (_, gate) => {
    const found = lint(good, { requestsPerMinute: 60, registry: gated(gate) });
    expect(found.map(({ message }) => message)).toEqual([
      expect.stringMatching(/^415 clean requests of metric "cuj-signup" take 30 min at 25% of 60 a minute/),
    ]);
  });

  it('is not counted on where the longest window is shorter than passAfter and no registry is given', () => {
    expect(rulesOf(good, { requestsPerMinute: 60, maxWindowSeconds: 300 })).toEqual(['weight-too-low']);
  });

  it('is not named where traffic for the minimum is what is missing', () => {
    const [found, ...others] = lint(endingAt(180), {
      requestsPerMinute: 60,
      registry: gated({ ...limitedPass, onLowTraffic: 'pass' }),
    });
    expect(others).toEqual([]);
    expect(found?.message).toContain('60 clean requests of metric "cuj-signup" take 6 min');
  });

  it('may take the whole of the longest window', () => {
    expect(
      rulesOf(endingAt(300), {
        requestsPerMinute: 60,
        registry: gated({ passAfter: '8m', maxWindow: '8m' }),
      }),
    ).toEqual(['pause-too-short']);
  });

  it('waits for the latest of the CUJs that need one', () => {
    const both = (objective: number, other: GateDocument) =>
      smallRegistry([
        { name: 'signup', gate: { lag: '90s' } },
        {
          name: 'search',
          endpoints: ['GET /b'],
          slo: { availability: objective },
          gate: { lag: '90s', ...other },
        },
      ]);
    const text = endingAt(570).replaceAll('/cujs/signup/status', '/services/shop/status');
    const findings = (objective: number, other: GateDocument) =>
      rulesOf(text, { requestsPerMinute: 60, registry: both(objective, other) });
    // 29 requests rule out 10%, and 120 are there: no limited pass is needed, whenever it would come.
    const strictly = { ruleOutBurn: 1, minRequests: 0, rulesOutRate: 50 };
    expect(findings(90, { ...strictly, passAfter: '20m' })).toEqual([]);
    // 299 rule out 1%.
    expect(findings(99, { ...strictly, passAfter: '9m' })).toEqual(['pause-too-short']);
  });

  it('says what helps where not even all traffic is enough', () => {
    const [found] = lint(good, { requestsPerMinute: 0.4, registry: needing60 });
    expect(found?.fix).toContain('lower minRequests and raise rulesOutRate');
  });
});

describe('a bake', () => {
  const unrouted = without(good, /^ {6}trafficRouting:/, /^ {6}# Background/);
  const dynamic = spoil(
    good,
    '      trafficRouting:',
    '      dynamicStableScale: true\n      trafficRouting:',
  );
  const found = (text: string) =>
    lint(text).map(({ severity, rule, line }) => [severity, rule, text.split('\n')[line - 1]?.trim()]);

  it('cannot return to stable pods that dynamicStableScale has removed', () => {
    expect(found(dynamic)).toEqual([['warning', 'bake-cannot-return', 'dynamicStableScale: true']]);
    expect(lint(spoil(dynamic, 'Scale: true', 'Scale: false'))).toEqual([]);
  });

  it('cannot return to stable pods that were replaced by those of the canary', () => {
    expect(found(unrouted)).toEqual([['warning', 'bake-cannot-return', '- setWeight: 95']]);
    expect(lint(unrouted)[0]?.message).toContain('pauses at 95% after its gate, without traffic routing');
    expect(found(spoil(good, /trafficRouting:\n(?: {8}.*\n)+/, 'trafficRouting: {}\n'))).toEqual(
      found(unrouted),
    );
  });

  it.each([
    ['at 90%', 'setWeight: 95', 'setWeight: 90', 1],
    ['at less', 'setWeight: 95', 'setWeight: 89', 0],
    ['that lasts until a person ends it', 'pause:\n            duration: 10m', 'pause: {}', 1],
    ['that is not there', '        - pause:\n            duration: 10m\n', '', 0],
    ['of no length', 'duration: 10m', 'duration: 0s', 0],
  ])('%s', (_, piece, by, findings) => {
    for (const text of [dynamic, unrouted]) expect(lint(spoil(text, piece, by))).toHaveLength(findings);
  });

  it('comes after a gate: a long last pause before one is for the gate', () => {
    const late = spoil(
      spoil(unrouted, 'setWeight: 25', 'setWeight: 95'),
      / *- setWeight: 95\n *- pause:\n *duration: 10m\n/,
      '',
    );
    expect(lint(late)).toEqual([]);
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

  it('knows that Argo does not look into the workload that a Rollout refers to', () => {
    const byRef = goodByLabel.replace(
      / {2}template:\n([\s\S]*?) {2}strategy:/,
      '  workloadRef: { apiVersion: apps/v1, kind: Deployment, name: shop }\n  strategy:',
    );
    const [found, ...others] = lint(byRef);
    expect(found).toMatchObject({ rule: 'empty-arg', severity: 'error' });
    expect(found?.message).toContain('workloadRef');
    expect(others.every(({ rule }) => rule === 'empty-arg')).toBe(true);
  });

  it('does not call it missing where a version may come from a ConfigMap or from OpenTelemetry', () => {
    const bare = without(good, /- name: DD_VERSION/, /^ {2}strategy:/);
    expect(lint(bare).map(({ rule }) => rule)).toContain('no-version');
    const env = (text: string) => spoil(bare, /\n( *)env:\n/, `\n          ${text}\n          env:\n`);
    expect(lint(env('envFrom: [{ configMapRef: { name: release } }]'))).toEqual([]);
    const otel = '- { name: OTEL_RESOURCE_ATTRIBUTES, value: "service.version=$(HASH)" }';
    expect(lint(spoil(bare, /env:\n/, `env:\n            ${otel}\n`))).toEqual([]);
  });

  it('takes the traffic of a header or a mirror for traffic', () => {
    const zero = spoil(good, 'setWeight: 25', 'setWeight: 0');
    expect(lint(zero).map(({ rule }) => rule)).toEqual(['no-canary-traffic']);
    const routed = spoil(
      zero,
      '- setWeight: 0',
      '- setHeaderRoute: { name: testers }\n        - setWeight: 0',
    );
    expect(lint(routed, { requestsPerMinute: 1000 })).toEqual([]);
  });

  it('knows of analyses in experiments only that they are there', () => {
    const none = without(
      without(good, /^ {6}analysis:/, /^ {6}#/),
      /^ {8}- analysis:/,
      /^ {8}- setWeight: 100/,
    );
    const experiment = '- experiment: { analyses: [{ name: a, templateName: t }] }\n        - setWeight: 25';
    expect(lint(spoil(none, '- setWeight: 25', experiment)).map(({ rule }) => rule)).toEqual([
      'only-experiments',
    ]);
  });

  it('follows the templates that a template is made of', () => {
    const part = (use: string) =>
      `---\nkind: AnalysisTemplate\nmetadata: { name: all-${use} }\nspec:\n  templates: [{ templateName: cuj-signup-${use} }]\n`;
    const of = ['watch', 'gate'].reduce(
      (text, use) => spoil(text, `templateName: cuj-signup-${use}`, `templateName: all-${use}`) + part(use),
      good,
    );
    expect(lint(of)).toEqual([]);
    expect(lint(spoil(of, 'failureLimit: 0', 'failureLimit: 5')).map(({ rule }) => rule)).toEqual([
      'failure-limit',
    ]);
  });

  it('reads anchors and merges as kubectl does', () => {
    const anchored = `kind: Rollout
metadata: { name: shop }
spec:
  strategy:
    canary:
      steps:
        - setWeight: 25
        - pause: { duration: 5m }
        - analysis:
            templates: [{ templateName: gate }]
            args: &args [{ name: version, valueFrom: { podTemplateHashValue: Latest } }]
        - setWeight: 100
      analysis: { startingStep: 1, templates: [{ templateName: watch }], args: *args }
---
kind: List
items:
  - kind: AnalysisTemplate
    metadata: { name: watch }
    spec:
      args: &takes [{ name: version }]
      metrics:
        - &metric
          name: cuj-signup
          interval: 60s
          failureLimit: 0
          inconclusiveLimit: 30000
          consecutiveErrorLimit: 360
          successCondition: result startsWith "PASS"
          failureCondition: result startsWith "FAIL"
          provider:
            web:
              url: http://gate/cujs/signup/status
              headers: [{ key: X-Canary-Version, value: "{{args.version}}" }]
              jsonPath: "{$.summary}"
  - kind: AnalysisTemplate
    metadata: { name: gate }
    spec:
      args: *takes
      metrics:
        - { <<: *metric, count: 10, inconclusiveLimit: 10, consecutiveSuccessLimit: 2 }
`;
    expect(lint(anchored)).toEqual([]);
    expect(lint(spoil(anchored, 'consecutiveSuccessLimit: 2', '')).map(({ rule }) => rule)).toEqual([
      'pass-without-proof',
    ]);
    expect(lint(spoil(anchored, 'failureLimit: 0', 'failureLimit: 5')).map(({ rule }) => rule)).toEqual([
      'failure-limit',
    ]);
  });

  it('takes limits from arguments, and says nothing of those that it cannot know', () => {
    const by = (arg: string) =>
      gateMetric(good, '  args:\n', `  args:\n    - ${arg}\n`)
        .replace('count: 45\n', 'count: "{{args.looks}}"\n')
        .replace('inconclusiveLimit: 45\n', 'inconclusiveLimit: "{{ args.looks }}"\n');
    expect(lint(by('{ name: looks, value: "40" }'), { requestsPerMinute: 133 })).toEqual([]);
    expect(lint(by('{ name: looks, value: "0" }')).map(({ rule }) => rule)).toEqual([
      'no-count',
      'inconclusive-limit',
    ]);
    expect(
      lint(by('{ name: looks, valueFrom: { fieldRef: { fieldPath: metadata.name } } }'), {
        requestsPerMinute: 1,
      }),
    ).toEqual([]);
    expect(lint(good.replaceAll('failureLimit: 0', 'failureLimit: "{{ .Values.limit }}"'))).toEqual([]);
  });

  it('checks a metric of another provider only for general mistakes', () => {
    const other = (metric: string) =>
      `${spoil(good, '- templateName: cuj-signup-gate\n', '- templateName: cuj-signup-gate\n              - templateName: other\n')}---\nkind: AnalysisTemplate\nmetadata: { name: other }\nspec:\n  metrics: [{ name: other, ${metric} }]\n`;
    const prometheus = 'provider: { prometheus: { query: up } }';
    expect(
      lint(other(`interval: 20s, count: 5, failureLimit: 3, successCondition: result > 0.9, ${prometheus}`)),
    ).toEqual([]);
    expect(lint(other('provider: { job: { spec: {} } }'))).toEqual([]);
    const rules = (metric: string) => lint(other(`${metric}, ${prometheus}`)).map(({ rule }) => rule);
    expect(rules('interval: 20s, count: 5')).toEqual(['no-conditions']);
    expect(rules('interval: 20s, successCondition: result > 0.9')).toEqual(['no-count']);
    expect(rules('interval: 20s, count: 5, failureLimit: 5, successCondition: result > 0.9')).toEqual([
      'failure-limit',
    ]);
  });

  it('takes the template of the namespace that the Rollout is in', () => {
    const inside = (text: string, namespace: string) =>
      text.replace(/^metadata:\n/gm, `metadata:\n  namespace: ${namespace}\n`);
    const bad = spoil(good, 'failureLimit: 0', 'failureLimit: 5');
    const both = (shop: string, staging: string) =>
      lint(`${inside(shop, 'shop')}---\n${inside(staging, 'staging')}`).map(({ line }) => line);
    const [line] = both(bad, good);
    expect(both(bad, good)).toHaveLength(1);
    expect(both(good, bad)).toHaveLength(1);
    expect(both(good, bad)[0]).toBeGreaterThan(line as number);
  });

  it('knows from the registry which parameters a selector takes', () => {
    const selecting = (canary: string) =>
      smallRegistry([{ name: 'signup' }], { shop: { env: 'prod', operation: 'http.request', canary } });
    const fixed = selecting('role:canary');
    const silent = sample(made, fixed);
    expect(lint(silent).map(({ rule }) => rule)).toEqual(['canary-not-told', 'canary-not-told']);
    expect(lint(silent, { registry: fixed })).toEqual([]);
    const zoned = selecting('version:{version},zone:{zone}');
    const [found] = lint(good, { registry: zoned });
    expect(found).toMatchObject({ rule: 'canary-not-told', severity: 'error' });
    expect(found?.message).toContain('zone is missing');
    expect(found?.fix).toContain('X-Canary-Zone');
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
