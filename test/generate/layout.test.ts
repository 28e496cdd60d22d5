import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { analysisTemplates } from '../../src/generate/argo/analysis-templates.ts';
import { rollouts } from '../../src/generate/argo/rollout.ts';
import { virtualServices } from '../../src/generate/argo/virtual-service.ts';
import { openslo } from '../../src/generate/openslo/openslo.ts';
import { filesOfLayout, isKubernetes, layouts, placed } from '../../src/generate/output/layout.ts';
import { grafanaDashboard } from '../../src/generate/prometheus/grafana-dashboard.ts';
import { prometheusRules } from '../../src/generate/prometheus/prometheus-rules.ts';
import { documentsOf, exampleDocument, type Loose, options, registryOf, textOf } from './example.ts';

const registry = registryOf(exampleDocument());
const auth = { kind: 'token', secret: 'cuj-gate', key: 'token' } as const;
const kubernetes = [
  ...analysisTemplates(registry, options({ auth })),
  ...analysisTemplates(registry, options({ kind: 'ClusterAnalysisTemplate' })),
  ...rollouts(registry, { ...options(), analysis: 'cujs' }),
  ...virtualServices(registry, { namespace: 'shop' }),
];
const others = [...openslo(registry), ...grafanaDashboard({}), ...prometheusRules(registry, {})];

/** The names below a path of Kustomize, which goes through lists. */
function at(value: Loose, path: readonly string[]): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => at(item, path));
  if (path.length === 0) return typeof value === 'string' ? [value] : [];
  return value?.[path[0] as string] === undefined ? [] : at(value[path[0] as string], path.slice(1));
}

describe('a layout', () => {
  it('knows Kubernetes objects by their text, whoever generated them', () => {
    expect(kubernetes.filter((file) => !isKubernetes(file))).toEqual([]);
    expect(others.filter(isKubernetes)).toEqual([]);
    const object = (apiVersion: string) => ({
      path: 'a/b.yaml',
      text: `# A\napiVersion: ${apiVersion}\nkind: X\nmetadata:\n  name: a\n`,
    });
    expect(['v1', 'batch/v1', 'example.com/v1beta1'].map(object).every(isKubernetes)).toBe(true);
    expect(isKubernetes(object('openslo/v1'))).toBe(false);
    const both = `${object('v1').text}---\n${object('openslo/v1').text}`;
    expect(isKubernetes({ path: 'a/b.yaml', text: both }), 'one of two documents').toBe(false);
  });

  it('moves only Kubernetes objects, and from any layout to any other', () => {
    for (const file of others) for (const layout of layouts) expect(placed(file, layout)).toBe(file);
    for (const file of kubernetes) {
      const helm = placed(file, 'helm');
      expect(helm).toEqual({ ...file, path: `files/cuj-gate/${file.path}` });
      expect(placed(helm, 'helm')).toEqual(helm);
      expect(placed(helm, 'kustomize')).toEqual(file);
      expect(placed(helm, 'plain')).toEqual(file);
    }
  });

  it('adds nothing where there are no Kubernetes objects, and nothing in plain', () => {
    for (const layout of layouts) expect(filesOfLayout(layout, others)).toEqual([]);
    expect(filesOfLayout('plain', kubernetes)).toEqual([]);
  });

  it('adds files that are no objects themselves', () => {
    for (const layout of layouts)
      for (const file of filesOfLayout(layout, kubernetes)) {
        expect(isKubernetes(file), file.path).toBe(false);
        expect(file.text.endsWith('\n')).toBe(true);
      }
  });

  it('names every object in the kustomization, in one order', () => {
    const files = [...kubernetes, ...others];
    const [kustomization] = filesOfLayout('kustomize', files);
    const names = parse(kustomization?.text ?? '').resources;
    expect(new Set(names)).toEqual(new Set(kubernetes.map(({ path }) => path)));
    expect(names).toEqual([...names].sort());
    expect(filesOfLayout('kustomize', [...files].reverse())).toEqual(filesOfLayout('kustomize', files));
  });

  it('includes every file in the Helm template, and nothing for Helm to evaluate but that', () => {
    const files = kubernetes.map((file) => placed(file, 'helm'));
    const [template] = filesOfLayout('helm', files);
    const text = template?.text ?? '';
    for (const { path } of files) expect(text).toContain(`\n  "${path}"\n`);
    expect(text.replace(/\{\{-? ?\/\*[\s\S]*?\*\/ ?-?\}\}/, '')).not.toContain('args');
  });
});

describe('the name references', () => {
  const references: Loose[] = parse(textOf(filesOfLayout('kustomize', kubernetes), 'name-reference.yaml'));
  const list: Loose[] = (references as Loose).nameReference;
  /** Every name that an object refers to by a path of the configuration, as `kind name`. */
  const refersTo = (object: Loose) =>
    list.flatMap(({ kind, fieldSpecs }: Loose) =>
      fieldSpecs
        .filter((field: Loose) => field.kind === object.kind)
        .flatMap(({ path }: Loose) => at(object, path.split('/')).map((name) => `${kind} ${name}`)),
    );

  it('reach all names by which generated objects refer to one another', () => {
    const objects = kubernetes.flatMap(({ text }) => documentsOf(text));
    const rollout = objects.find(
      ({ kind, metadata }) => kind === 'Rollout' && metadata.name === 'payment-api',
    );
    expect(new Set(refersTo(rollout))).toEqual(
      new Set([
        ...['watch', 'gate'].flatMap((use) =>
          ['AnalysisTemplate', 'ClusterAnalysisTemplate'].map((kind) => `${kind} cuj-subscribe-${use}`),
        ),
        'Service payment-api-canary',
        'Service payment-api-stable',
        'VirtualService payment-api',
      ]),
    );
    const route = objects.find(({ kind }) => kind === 'VirtualService');
    expect(refersTo(route)).toEqual(['', '-stable', '-canary'].map((end) => `Service matching-api${end}`));
    const template = objects.find(({ kind }) => kind === 'AnalysisTemplate');
    expect(refersTo(template)).toEqual(['Secret cuj-gate']);
  });

  it.each(['prePromotionAnalysis', 'postPromotionAnalysis'])('reach the templates of %s', (analysis) => {
    const templates = [{ templateName: 'a' }, { templateName: 'b' }];
    const rollout = { kind: 'Rollout', spec: { strategy: { blueGreen: { [analysis]: { templates } } } } };
    expect(refersTo(rollout)).toEqual([
      'AnalysisTemplate a',
      'AnalysisTemplate b',
      'ClusterAnalysisTemplate a',
      'ClusterAnalysisTemplate b',
    ]);
  });
});
