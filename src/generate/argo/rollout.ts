import { type Cuj, isJudgedInReleaseOf, type Registry, type Service } from '../../domain/registry/model.ts';
import { type GeneratedFile, sortedBy } from '../output/generated-file.ts';
import { wrapped, type YamlNote, yamlText } from '../output/yaml-text.ts';
import type { AnalysisOptions } from './analysis-options.ts';
import { type TemplateUse, templateName, usesOf } from './analysis-templates.ts';
import {
  argsOf,
  type CanaryArg,
  cujQuestions,
  judgedServices,
  onRolloutItself,
  type Question,
  rolloutArg,
  serviceQuestion,
  type ValueSource,
} from './canary-args.ts';
import { isLabelValue, linkNotes, pageAnnotations, serviceObjectName } from './kubernetes-metadata.ts';
import { countFor, sampleSteps } from './sized-steps.ts';
import { canaryService, route, stableService, virtualServiceName } from './virtual-service.ts';

export interface RolloutOptions extends AnalysisOptions {
  /** The templates that the sample uses: one for each CUJ, or the service's, which covers all CUJs in one request. */
  readonly analysis: 'cujs' | 'service';
}

/**
 * Nearly all traffic, while the background analysis continues: evidence grows fastest, and an abort still returns to stable pods. Not 100%, so
 * that an outside fault, which stable has as well, can be told from the release's.
 */
const bakeWeight = 95;

/** The version of the sample's pods; users replace it. */
const sampleVersion = 'v1.0.0';

/**
 * A Rollout for each service, in `rollouts/`: 25% of the traffic for five minutes with a background analysis (or as its
 * traffic needs), then an inline analysis step, then a bake at 95%, then all traffic. A sample to copy into the service's repository, which owns image, ports and replicas.
 */
export function rollouts(registry: Registry, options: RolloutOptions, only?: string): GeneratedFile[] {
  return judgedServices(registry, only).map((service) => ({
    path: `rollouts/${serviceObjectName(service.name)}.yaml`,
    text: rolloutText(registry, service, options),
  }));
}

interface Asked {
  readonly question: Question;
  readonly uses: readonly TemplateUse[];
}

function asked(registry: Registry, service: Service, options: RolloutOptions): readonly Asked[] {
  if (options.analysis === 'service') {
    const question = serviceQuestion(registry, service, options);
    return question === undefined ? [] : [{ question, uses: ['watch', 'gate'] }];
  }
  const isWatchedOnly = ({ name }: Cuj) => options.steps.get(service.name)?.watchedOnly.has(name) ?? false;
  const cujs = sortedBy(
    [...registry.cujs.values()].filter((cuj) => isJudgedInReleaseOf(cuj, service.name)),
    ({ name }) => name,
  );
  return cujs.flatMap((cuj: Cuj) =>
    cujQuestions(registry, cuj, options)
      .filter((question) => question.services.includes(service.name))
      .map((question) => ({ question, uses: isWatchedOnly(cuj) ? (['watch'] as const) : usesOf(cuj) })),
  );
}

function rolloutText(registry: Registry, service: Service, options: RolloutOptions): string {
  const name = serviceObjectName(service.name);
  const questions = asked(registry, service, options);
  const args = argsOf(service, options);
  const source = args.find(({ param }) => service.canary.params.includes(param))?.source;
  const analysis = (use: TemplateUse) => analysisOf(questions, use, service, args, options);
  const watch = analysis('watch');
  const gate = analysis('gate');
  const { weight, pauseMinutes } = options.steps.get(service.name) ?? sampleSteps;
  const canary = {
    canaryService: canaryService(name),
    stableService: stableService(name),
    canaryMetadata: { labels: { role: 'canary' } },
    stableMetadata: { labels: { role: 'stable' } },
    trafficRouting: { istio: { virtualService: { name: virtualServiceName(name), routes: [route] } } },
    ...(watch === undefined ? {} : { analysis: { startingStep: 1, ...watch } }),
    steps: [
      { setWeight: weight },
      { pause: { duration: `${pauseMinutes}m` } },
      ...(gate === undefined ? [] : [{ analysis: gate }]),
      ...(watch === undefined ? [] : [{ setWeight: bakeWeight }, { pause: { duration: '10m' } }]),
      { setWeight: 100 },
    ],
  };
  const ownLabels =
    source !== undefined && source.kind === 'label' && onRolloutItself(source)
      ? { [source.key]: sampleVersion }
      : {};
  const annotations = pageAnnotations(options.publicUrl, registry.environment, []);
  const value = {
    apiVersion: 'argoproj.io/v1alpha1',
    kind: 'Rollout',
    metadata: {
      name,
      ...(options.namespace === undefined ? {} : { namespace: options.namespace }),
      labels: { app: name, ...ownLabels },
      ...(options.publicUrl === undefined ? {} : { annotations }),
    },
    spec: {
      replicas: 4,
      selector: { matchLabels: { app: name } },
      template: podTemplate(service, name, source),
      strategy: { canary },
    },
  };
  return yamlText([
    {
      head: [
        `A sample by \`cuj-gate generate rollout\`: releases ${service.name} by its Critical User Journeys.`,
        '',
        'Copy it into the repository of the service and adapt it: image, ports, resources, replicas, setWeight and pause. Keep',
        'the fields whose comment says so; `cuj-gate lint rollout FILE` checks the result.',
        'The templates come from `generate analysis-templates`, the Services and routes from `generate virtual-service`.',
      ],
      value,
      notes: notesOf(service, source, watch !== undefined, gate !== undefined, options),
    },
  ]);
}

function analysisOf(
  questions: readonly Asked[],
  use: TemplateUse,
  service: Service,
  args: readonly CanaryArg[],
  options: RolloutOptions,
) {
  const used = questions.filter(({ uses }) => uses.includes(use)).map(({ question }) => question);
  if (used.length === 0) return undefined;
  const clusterScope = options.kind === 'ClusterAnalysisTemplate' ? { clusterScope: true } : {};
  const all = [
    ...args.map(rolloutArg),
    // Always passed: templates ignore additional arguments, and need this one when a CUJ gains a second service.
    ...(options.analysis === 'cujs' ? [{ name: 'service', value: service.name }] : []),
  ];
  const annotations = pageAnnotations(
    options.publicUrl,
    used[0]?.environment,
    used.map(({ cuj }) => cuj),
  );
  return {
    templates: used.map((question) => ({ templateName: templateName(question, use), ...clusterScope })),
    ...(all.length === 0 ? {} : { args: all }),
    ...(options.publicUrl === undefined ? {} : { analysisRunMetadata: { annotations } }),
  };
}

const tags = 'tags.datadoghq.com';
const hashLabel = 'rollouts-pod-template-hash';

/** The pods' label for DD_VERSION: Argo must pass to the gate the version that Datadog stores. */
function versionLabel(source: ValueSource | undefined): string {
  if (source?.kind === 'pod-template-hash') return hashLabel;
  if (source?.kind === 'label') return source.key;
  const podLabel =
    source?.kind === 'field' ? /^spec\.template\.metadata\.labels\.([^.]+)$/.exec(source.path) : null;
  return podLabel?.[1] ?? `${tags}/version`;
}

function podTemplate(service: Service, name: string, source: ValueSource | undefined) {
  const version = versionLabel(source);
  const labels: Record<string, string> = { app: name };
  if (isLabelValue(service.env)) labels[`${tags}/env`] = service.env;
  if (isLabelValue(service.name)) labels[`${tags}/service`] = service.name;
  if (version !== hashLabel) {
    labels[version] = sampleVersion;
    labels[`${tags}/version`] = sampleVersion;
  }
  return {
    metadata: { labels },
    spec: {
      containers: [
        {
          name: 'app',
          image: `registry.example.com/${name}:${sampleVersion}`,
          ports: [{ name: 'http', containerPort: 8080 }],
          env: [
            { name: 'DD_ENV', value: service.env },
            { name: 'DD_SERVICE', value: service.name },
            { name: 'DD_VERSION', valueFrom: { fieldRef: { fieldPath: `metadata.labels['${version}']` } } },
          ],
        },
      ],
    },
  };
}

function notesOf(
  service: Service,
  source: ValueSource | undefined,
  watched: boolean,
  gated: boolean,
  options: RolloutOptions,
): YamlNote[] {
  const canary = (...path: (string | number)[]) => ['spec', 'strategy', 'canary', ...path];
  const runLinks = (...analysis: YamlNote['at']) =>
    linkNotes(options.publicUrl, ...canary(...analysis), 'analysisRunMetadata');
  const notes: YamlNote[] = [
    ...linkNotes(options.publicUrl, 'metadata'),
    ...(watched ? runLinks('analysis') : []),
    ...(gated ? runLinks('steps', 2, 'analysis') : []),
    {
      at: ['spec', 'template', 'spec', 'containers', 0, 'env', 2],
      lines: versionLines(source),
    },
    {
      at: canary('canaryMetadata'),
      lines: [
        'For people and for additional primary tags; the selector in the registry distinguishes canary and stable.',
      ],
    },
    {
      at: canary('steps'),
      lines: [
        'May be changed. More traffic and time before the inline analysis step mean an earlier verdict:',
        '`cuj-gate lint rollout FILE --requests-per-minute N` checks whether a pause is long enough.',
        ...sizeLines(service, options),
      ],
    },
  ];
  if (watched) {
    notes.push({
      at: canary('analysis'),
      lines: [
        'Background analysis, from the first canary traffic on. The first FAIL aborts, and all traffic returns to stable.',
        ...(options.analysis === 'cujs'
          ? [
              'One template for each CUJ: the abort names the CUJ. With --analysis service one request covers all CUJs, shares the',
              'chance of a false abort among them, and new CUJs in the registry are judged without a change here.',
            ]
          : [
              'One request for all enforced CUJs of the service: new CUJs in the registry are judged without a change here.',
            ]),
      ],
    });
    if (source?.kind === 'label' && onRolloutItself(source)) {
      notes.push({
        at: canary('analysis', 'args', 0),
        lines: [
          "The label on the Rollout itself, which must be the same as on its pods: Argo cannot reach a pod's label with a dot in",
          'its key. Change both with every release. The gate refuses a missing version; it never ignores it.',
        ],
      });
    }
  }
  if (gated) {
    notes.push({
      at: canary('steps', 2),
      lines: ['Inline analysis step: only this can hold a release back. Keep it before the last weight.'],
    });
  }
  if (watched) {
    notes.push({
      at: canary('steps', gated ? 3 : 2),
      lines: [
        'The bake: the background analysis sees most of the traffic, and an abort takes seconds: the stable pods are still there.',
        'It needs traffic routing and no dynamicStableScale. At 100%, nothing could show that stable has a fault as well.',
      ],
    });
  }
  return notes;
}

/** What the steps are sized for, and what does not pass even so. */
function sizeLines({ name }: Service, options: RolloutOptions): string[] {
  const sized = options.steps.get(name);
  if (sized === undefined) return [];
  const { sizedFor, waitMinutes, watchedOnly, warnings } = sized;
  const isCountSized = countFor([...waitMinutes.keys()], [name], options) > options.count;
  return [
    ...sizedFor,
    ...(isCountSized ? ['Generate the templates with the same options: their count is raised for it.'] : []),
    ...(watchedOnly.size === 0 || options.analysis === 'service'
      ? []
      : [`Watched only, by the background analysis: ${[...watchedOnly].sort().join(', ')}.`]),
    ...warnings,
  ].flatMap(wrapped);
}

function versionLines(source: ValueSource | undefined): string[] {
  if (source?.kind === 'pod-template-hash') {
    return [
      'Keep this: Datadog tags all trace metrics with DD_VERSION, which distinguishes canary and stable. The pod template',
      'hash changes even if only configuration changes. Do not set tags.datadoghq.com/version as well.',
    ];
  }
  return [
    'Keep this: Datadog tags all trace metrics with DD_VERSION, which distinguishes canary and stable. Change the label',
    'with every release, configuration included: two releases of one version look the same to the gate.',
  ];
}
