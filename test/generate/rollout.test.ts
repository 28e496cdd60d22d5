import { describe, expect, it } from 'vitest';
import { analysisTemplates } from '../../src/generate/argo/analysis-templates.ts';
import type { ValueSource } from '../../src/generate/argo/canary-args.ts';
import { type RolloutOptions, rollouts } from '../../src/generate/argo/rollout.ts';
import type { SizedSteps } from '../../src/generate/argo/sized-steps.ts';
import { virtualServices } from '../../src/generate/argo/virtual-service.ts';
import { lintRollouts } from '../../src/lint/lint-rollouts.ts';
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
const defaults: RolloutOptions = { ...options(), analysis: 'cujs' };

function rolloutOf(changes: Partial<RolloutOptions> = {}, service = 'member-api'): Loose {
  const [rollout] = documentsOf(
    textOf(rollouts(example, { ...defaults, ...changes }), `rollouts/${service}.yaml`),
  );
  return rollout;
}

const sources: readonly [string, ValueSource][] = [
  ['the pod template hash', { kind: 'pod-template-hash', of: 'Latest' }],
  ['a label of the pods', { kind: 'label', key: 'version' }],
  ['a label whose key Argo cannot reach', { kind: 'label', key: 'tags.datadoghq.com/version' }],
  ['a field', { kind: 'field', path: 'spec.template.metadata.labels.release' }],
];

describe('a sample Rollout', () => {
  it('goes 25%, five minutes, gate, a bake, all of it, with the CUJs watched from the first traffic on', () => {
    const { canary } = rolloutOf().spec.strategy;
    expect(canary.steps).toEqual([
      { setWeight: 25 },
      { pause: { duration: '5m' } },
      { analysis: expect.objectContaining({ templates: expect.any(Array) }) },
      { setWeight: 95 },
      { pause: { duration: '10m' } },
      { setWeight: 100 },
    ]);
    expect(canary.analysis.startingStep).toBe(1);
    expect(canary.analysis.templates.map((each: Loose) => each.templateName)).toEqual([
      'cuj-identity-check-watch',
      'cuj-login-watch',
      'cuj-profile-edit-watch',
      'cuj-signup-watch',
      'cuj-subscribe-watch',
    ]);
  });

  it('watches an observed CUJ and does not gate by it', () => {
    const { canary } = rolloutOf({}, 'matching-api').spec.strategy;
    expect(JSON.stringify(canary.analysis)).toContain('cuj-report-watch');
    expect(JSON.stringify(canary.steps)).not.toContain('cuj-report');
  });

  it('can ask one question for the whole service', () => {
    const { canary } = rolloutOf({ analysis: 'service' }).spec.strategy;
    expect(canary.analysis.templates).toEqual([{ templateName: 'service-member-api-watch' }]);
    expect(canary.steps[2].analysis.templates).toEqual([{ templateName: 'service-member-api-gate' }]);
    expect(canary.analysis.args.map((arg: Loose) => arg.name)).toEqual(['version', 'stable-version']);
  });

  it('refers to cluster templates as such', () => {
    const { canary } = rolloutOf({ kind: 'ClusterAnalysisTemplate' }).spec.strategy;
    for (const template of canary.analysis.templates) expect(template.clusterScope).toBe(true);
  });

  it('has no gate step where no CUJ of the service is enforced, and bakes all the same', () => {
    const registry = smallRegistry([{ name: 'a', mode: 'observe' }]);
    const [rollout] = documentsOf(textOf(rollouts(registry, defaults), 'rollouts/shop.yaml'));
    expect(rollout.spec.strategy.canary.steps).toEqual([
      { setWeight: 25 },
      { pause: { duration: '5m' } },
      { setWeight: 95 },
      { pause: { duration: '10m' } },
      { setWeight: 100 },
    ]);
  });

  it('returns to running pods while it bakes: traffic is routed, and the stable pods are not scaled down', () => {
    const { canary } = rolloutOf().spec.strategy;
    expect(canary.trafficRouting).toHaveProperty('istio');
    expect(canary).not.toHaveProperty('dynamicStableScale');
  });

  it.each(sources)('tells the canary by %s: what Argo passes is what the pods report', (_, versionFrom) => {
    const rollout = rolloutOf({ versionFrom });
    const version = rollout.spec.template.spec.containers[0].env.find(
      (env: Loose) => env.name === 'DD_VERSION',
    );
    const label = /labels\['(.+)'\]/.exec(version.valueFrom.fieldRef.fieldPath)?.[1] as string;
    const [arg] = rollout.spec.strategy.canary.analysis.args;
    if (versionFrom.kind === 'pod-template-hash') {
      expect(label).toBe('rollouts-pod-template-hash');
      expect(arg.valueFrom).toEqual({ podTemplateHashValue: 'Latest' });
      return;
    }
    const { fieldPath } = arg.valueFrom.fieldRef;
    const own = /^metadata\.labels\['(.+)'\]$/.exec(fieldPath)?.[1];
    const handed =
      own === undefined
        ? fieldPath.split('.').reduce((at: Loose, step: string) => at[step], rollout)
        : rollout.metadata.labels[own];
    expect(handed).toBe('v1.0.0');
    expect(rollout.spec.template.metadata.labels[label]).toBe(handed);
  });

  it.each(
    sources.flatMap(([name, versionFrom]) =>
      (['cujs', 'service'] as const).map((analysis) => [name, analysis, versionFrom] as const),
    ),
  )(
    'finds nothing to complain about in itself, by %s, with a template for each of %s',
    (_, analysis, versionFrom) => {
      const made = { ...defaults, versionFrom, analysis };
      const inputs = [...rollouts(example, made), ...analysisTemplates(example, made)].map(
        ({ path, text }) => ({ file: path, text }),
      );
      const limits = { objective: 99.95, ruleOutBurn: 14.4, lagSeconds: 90, maxWindowSeconds: 7200 };
      const { rollouts: names, findings } = lintRollouts(inputs, {
        ...limits,
        registry: example,
        requestsPerMinute: 2000,
      });
      expect(names).toEqual(['matching-api', 'member-api', 'payment-api']);
      expect(findings).toEqual([]);
    },
  );
});

describe('a Rollout that is sized to its traffic', () => {
  const sized = (changes: Partial<SizedSteps>, more: Partial<RolloutOptions> = {}) => {
    const steps = {
      weight: 50,
      pauseMinutes: 23,
      waitMinutes: new Map([['signup', 46]]),
      watchedOnly: new Set<string>(),
      sizedFor: ['Sized for 2 requests a minute on signup.'],
      warnings: [],
      ...changes,
    };
    return { ...defaults, steps: new Map([['member-api', steps]]), ...more };
  };
  const gateOf = (name: string, made: RolloutOptions): Loose =>
    analysisTemplates(example, made)
      .flatMap(({ text }) => documentsOf(text))
      .find(({ metadata }) => metadata.name === name).spec.metrics[0];

  it('has its weight and its pause, and says what they are for', () => {
    const made = sized({});
    const { canary } = rolloutOf(made).spec.strategy;
    expect(canary.steps.slice(0, 2)).toEqual([{ setWeight: 50 }, { pause: { duration: '23m' } }]);
    const text = textOf(rollouts(example, made), 'rollouts/member-api.yaml');
    expect(text).toContain('# Sized for 2 requests a minute on signup.\n');
    expect(text).toContain('# Generate the templates with the same options');
    expect(rolloutOf(made, 'payment-api')).toEqual(rolloutOf({}, 'payment-api'));
  });

  it('gets gates that measure until a pass can come, with all passes in a row', () => {
    const made = sized({});
    // 23 minutes of 20 s, and the four passes.
    const count = 23 * 3 + 4;
    expect(gateOf('cuj-signup-gate', made)).toMatchObject({ count, inconclusiveLimit: count });
    expect(gateOf('service-member-api-gate', made)).toMatchObject({ count, inconclusiveLimit: count });
    expect(gateOf('cuj-login-gate', made)).toMatchObject({ count: 45 });
    expect(gateOf('service-payment-api-gate', made)).toMatchObject({ count: 45 });
    expect(gateOf('cuj-signup-gate', { ...made, interval: '60s', count: 15, passes: 2 }).count).toBe(25);
    // Never fewer than are asked for.
    expect(gateOf('cuj-signup-gate', { ...made, count: 100 }).count).toBe(100);
  });

  it('does not speak of templates that are as they always are', () => {
    const made = sized({ waitMinutes: new Map([['signup', 36]]) });
    expect(gateOf('cuj-signup-gate', made).count).toBe(45);
    expect(textOf(rollouts(example, made), 'rollouts/member-api.yaml')).not.toContain('same options');
  });

  it('lets the longest of several services decide about a CUJ that spans them', () => {
    const of = (wait: number) =>
      [...sized({ waitMinutes: new Map([['subscribe', wait]]) }).steps.values()][0]!;
    const steps = new Map([
      ['member-api', of(46)],
      ['payment-api', of(50)],
    ]);
    expect(gateOf('cuj-subscribe-gate', { ...defaults, steps }).count).toBe(27 * 3 + 4);
  });

  it('only watches what cannot pass in time, unless one template asks for all CUJs', () => {
    const watchedOnly = new Set(['signup']);
    const { canary } = rolloutOf(sized({ watchedOnly })).spec.strategy;
    expect(JSON.stringify(canary.analysis)).toContain('cuj-signup-watch');
    expect(JSON.stringify(canary.steps)).not.toContain('cuj-signup');
    expect(JSON.stringify(canary.steps)).toContain('cuj-login-gate');
    const one = sized({ watchedOnly }, { analysis: 'service' });
    expect(JSON.stringify(rolloutOf(one).spec.strategy.canary.steps)).toContain('service-member-api-gate');
  });

  it('has no gate at all where nothing can pass in time', () => {
    const registry = smallRegistry([{ name: 'a' }]);
    const steps = new Map([['shop', { ...[...sized({}).steps.values()][0]!, watchedOnly: new Set(['a']) }]]);
    const [rollout] = documentsOf(textOf(rollouts(registry, { ...defaults, steps }), 'rollouts/shop.yaml'));
    expect(rollout.spec.strategy.canary.steps.map((step: Loose) => Object.keys(step)[0])).toEqual([
      'setWeight',
      'pause',
      'setWeight',
      'pause',
      'setWeight',
    ]);
  });
});

describe('a sample VirtualService', () => {
  it('has the route and the Services that the Rollout moves', () => {
    const { canary } = rolloutOf().spec.strategy;
    const [virtualService, ...services] = documentsOf(
      textOf(virtualServices(example, {}), 'virtual-services/member-api.yaml'),
    );
    const { name, routes } = canary.trafficRouting.istio.virtualService;
    expect(virtualService).toMatchObject({ kind: 'VirtualService', metadata: { name } });
    expect(virtualService.spec.http.map((http: Loose) => http.name)).toEqual(routes);
    expect(
      virtualService.spec.http[0].route.map(({ destination, weight }: Loose) => [destination.host, weight]),
    ).toEqual([
      [canary.stableService, 100],
      [canary.canaryService, 0],
    ]);
    expect(services.map(({ kind, metadata }) => [kind, metadata.name])).toEqual([
      ['Service', 'member-api'],
      ['Service', 'member-api-stable'],
      ['Service', 'member-api-canary'],
    ]);
  });

  it('marks requests to the canary, and lets nobody else do it', () => {
    const [{ spec }] = documentsOf(textOf(virtualServices(example, {}), 'virtual-services/member-api.yaml'));
    const [stable, canary] = spec.http[0].route;
    expect(canary.headers.request.set).toEqual({ 'x-canary': 'true' });
    expect(stable.headers.request.remove).toEqual(['x-canary']);
  });

  it('gives a service whose name Kubernetes does not take a name that it does', () => {
    const registry = smallRegistry([{ name: 'a', service: 'web_app.v2' }], {
      'web_app.v2': { env: 'prod', operation: 'http.request', canary: 'version:{version}' },
    });
    const [file] = virtualServices(registry, { namespace: 'shop' });
    for (const { metadata } of documentsOf(file?.text ?? '')) {
      expect(metadata.name).toMatch(/^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/);
      expect(metadata.namespace).toBe('shop');
    }
  });
});
