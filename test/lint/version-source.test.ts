import { describe, expect, it } from 'vitest';
import { versionsOfRollouts } from '../../src/lint/version-source.ts';

const tag = 'tags.datadoghq.com/version';
const hash = 'rollouts-pod-template-hash';

interface Given {
  readonly own?: Record<string, string>;
  readonly pods?: Record<string, string>;
  readonly env?: readonly object[];
}

/** JSON is YAML. */
const rollout = ({ own = {}, pods = {}, env = [] }: Given, name = 'shop') =>
  `${JSON.stringify({
    kind: 'Rollout',
    metadata: { name, labels: own },
    spec: { template: { metadata: { labels: pods }, spec: { containers: [{ name: 'app', env }] } } },
  })}\n`;
const fromLabel = (key: string) => ({
  name: 'DD_VERSION',
  valueFrom: { fieldRef: { fieldPath: `metadata.labels['${key}']` } },
});
const literal = (value: string) => ({ name: 'DD_VERSION', value });
const of = (text: string) => versionsOfRollouts([{ file: 'a.yaml', text }]);
const sourceOf = (given: Given) => of(rollout(given)).versions[0]?.source;

describe('the version of a Rollout', () => {
  it.each<[string, Given, string]>([
    ["Datadog's label, of the Rollout and its pods", { own: { [tag]: '1.4' }, pods: { [tag]: '1.4' } }, tag],
    [
      'the same, with DD_VERSION from it',
      { own: { [tag]: '1.4' }, pods: { [tag]: '1.4' }, env: [fromLabel(tag)] },
      tag,
    ],
    [
      'a label with a dot that is filled in later',
      {
        own: { 'app.kubernetes.io/version': '{{ .Values.tag }}' },
        pods: { 'app.kubernetes.io/version': '{{ .Values.tag }}' },
        env: [fromLabel('app.kubernetes.io/version')],
      },
      'app.kubernetes.io/version',
    ],
    ['a label of the pods', { pods: { version: 'v7' }, env: [fromLabel('version')] }, 'version'],
    [
      'a label that says the same as DD_VERSION',
      { pods: { version: 'v7' }, env: [literal('v7')] },
      'version',
    ],
    [
      'one of the Rollout that says the same',
      { own: { 'app.kubernetes.io/version': 'v7' }, pods: { version: 'other' }, env: [literal('V7')] },
      'app.kubernetes.io/version',
    ],
  ])('is a readable label: %s', (_, given, key) => {
    expect(sourceOf(given)).toEqual({ of: 'label', key });
  });

  it.each<[string, Given]>([
    ['DD_VERSION is the hash', { pods: { version: 'v7' }, env: [fromLabel(hash)] }],
    ['there is no DD_VERSION, and no label of Datadog', { own: { version: 'v7' }, pods: { version: 'v7' } }],
  ])('is the pod template hash where %s', (_, given) => {
    expect(sourceOf(given)).toEqual({ of: 'hash' });
  });

  it.each<[string, Given, string]>([
    [
      'a label with a dot that the Rollout itself does not have',
      { pods: { [tag]: '1.4' } },
      'Argo Rollouts cannot read a label of the pods with a dot in its key',
    ],
    [
      'a label of the Rollout that was not changed with that of the pods',
      { own: { [tag]: '1.3' }, pods: { [tag]: '1.4' } },
      `the label ${tag} of the Rollout is "1.3", and that of its pods "1.4"`,
    ],
    ['a label that the pods do not have', { env: [fromLabel('version')] }, 'which the pods do not have'],
    ['written out alone', { env: [literal('v7')] }, 'DD_VERSION is "v7", and no label has this value'],
    ['empty, as a label is', { pods: { version: '' }, env: [literal('')] }, 'DD_VERSION is "", and no label'],
    [
      'from elsewhere',
      { env: [{ name: 'DD_VERSION', valueFrom: { configMapKeyRef: { name: 'a', key: 'b' } } }] },
      'these files do not say what DD_VERSION is',
    ],
  ])('cannot be passed where it is %s', (_, given, reason) => {
    const [version] = of(rollout(given)).versions;
    expect(version?.source).toBeUndefined();
    expect(version?.reason).toContain(reason);
    expect(version?.fix).toMatch(/^(Add|Give|Let) .*\.$/);
  });

  it('is that of a Deployment that the Rollout refers to', () => {
    const deployment = JSON.parse(rollout({ pods: { version: 'v7' }, env: [fromLabel('version')] }));
    const text = [
      { ...deployment, kind: 'Deployment' },
      { kind: 'Rollout', metadata: { name: 'a' }, spec: { workloadRef: { name: 'shop' } } },
    ]
      .map((each) => JSON.stringify(each))
      .join('\n---\n');
    expect(of(text).versions).toMatchObject([{ rollout: 'a', source: { of: 'label', key: 'version' } }]);
  });
});

describe('the service of a Rollout', () => {
  it('is what Datadog knows it by, before its own name', () => {
    const service = 'tags.datadoghq.com/service';
    const given = {
      own: { [service]: 'b' },
      pods: { [service]: 'a' },
      env: [{ name: 'DD_SERVICE', value: 'first' }],
    };
    expect(of(rollout(given)).versions[0]?.services).toEqual(['first', 'a', 'b', 'shop']);
    expect(of(rollout({})).versions[0]?.services).toEqual(['shop']);
  });
});

it('names what cannot be read, and reads the rest', () => {
  const text = `kind: Rollout\nspec: {{ .Values.spec }}\n---\n${rollout({ pods: { [tag]: '1' }, own: { [tag]: '1' } })}`;
  const { versions, unreadable } = of(text);
  expect(versions).toHaveLength(1);
  expect(unreadable).toEqual([expect.stringMatching(/^a\.yaml:2: .*\{\{/)]);
});
