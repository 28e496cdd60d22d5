import { durationText } from '../../domain/duration.ts';
import { oneLine } from '../../domain/outside-text.ts';
import {
  type Cuj,
  defaultMinFaultMs,
  isJudgedInReleaseOf,
  type Registry,
} from '../../domain/registry/model.ts';
import { type GeneratedFile, GenerateError, sortedBy } from '../output/generated-file.ts';
import { wrapped, type YamlDocument, type YamlNote, yamlText } from '../output/yaml-text.ts';
import { type AnalysisOptions, watchInconclusiveLimit } from './analysis-options.ts';
import { cujQuestions, judgedServices, type Question, serviceQuestion } from './canary-args.ts';
import {
  beforeRollouts,
  entryDigest,
  linkNotes,
  pageAnnotations,
  prefix,
  searchable,
} from './kubernetes-metadata.ts';
import { countFor } from './sized-steps.ts';

/** `watch`: a background analysis, which can abort. `gate`: an inline analysis step, which has to pass. */
export type TemplateUse = 'watch' | 'gate';

/** The name by which Rollouts refer to a template. */
export function templateName(question: Question, use: TemplateUse): string {
  return `${question.name}-${use}`;
}

/** The templates of a CUJ. A CUJ in report-only mode has no inline analysis step: it always passes. */
export function usesOf(cuj: Cuj): readonly TemplateUse[] {
  return cuj.mode === 'observe' ? ['watch'] : ['watch', 'gate'];
}

/**
 * One file for each CUJ and one for each service with an enforced CUJ, in `analysis-templates/`. docs/generate.md explains
 * the fields and how Argo Rollouts uses them.
 * Throws GenerateError where a selector's parameters have no source.
 */
export function analysisTemplates(registry: Registry, options: AnalysisOptions): GeneratedFile[] {
  if (options.passes > options.count) {
    throw new GenerateError(
      `An inline analysis step with ${options.count} measurements cannot pass ${options.passes} times in a row.`,
      'Lower --passes or raise --count.',
    );
  }
  const files: GeneratedFile[] = [];
  for (const cuj of sortedBy(registry.cujs.values(), ({ name }) => name)) {
    const subject = cujSubject(registry, cuj, options);
    const documents = cujQuestions(registry, cuj, options).flatMap((question) =>
      usesOf(cuj).map((use) => template(question, use, subject, options)),
    );
    files.push({ path: `analysis-templates/cuj-${cuj.name}.yaml`, text: yamlText(documents) });
  }
  for (const service of judgedServices(registry)) {
    const question = serviceQuestion(registry, service, options);
    if (question === undefined) continue;
    const cujs = [...registry.cujs.values()].filter((cuj) => isJudgedInReleaseOf(cuj, service.name));
    const subject: Subject = {
      lines: [`All enforced CUJs of ${service.name} in one measurement: the worst verdict decides.`],
      facts: { service: service.name },
      observes: false,
      annotations: options.registryDigest ? { [`${prefix}/registry-digest`]: registry.digest } : {},
      lagMs: Math.max(...cujs.map((cuj) => cuj.gate.lagMs)),
      cujs: cujs.map(({ name }) => name),
    };
    const documents = (['watch', 'gate'] as const).map((use) => template(question, use, subject, options));
    files.push({ path: `analysis-templates/${question.name}.yaml`, text: yamlText(documents) });
  }
  return files;
}

/** The subject of a template. */
interface Subject {
  readonly lines: readonly string[];
  /** Report-only mode: the CUJ is judged and shown, and never fails a rollout. */
  readonly observes: boolean;
  readonly facts: Readonly<Record<string, string | undefined>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly lagMs: number;
  /** Names of the CUJs that it asks about. */
  readonly cujs: readonly string[];
}

function cujSubject(registry: Registry, cuj: Cuj, options: AnalysisOptions): Subject {
  const runbook = cuj.runbook === undefined ? '' : ` Runbook: ${cuj.runbook}`;
  return {
    lines: [
      ...wrapped(`${cuj.title ?? cuj.name}${cuj.description === undefined ? '' : `: ${cuj.description}`}`),
      `Owner: ${oneLine(cuj.owner)}.${runbook}`,
    ],
    observes: cuj.mode === 'observe',
    facts: {
      cuj: cuj.name,
      owner: cuj.owner,
      tier: String(cuj.tier),
      ...(cuj.services.length === 1 ? { service: cuj.services[0] } : {}),
    },
    annotations: {
      ...(cuj.title === undefined ? {} : { [`${prefix}/title`]: oneLine(cuj.title) }),
      ...(cuj.runbook === undefined ? {} : { [`${prefix}/runbook`]: cuj.runbook }),
      [`${prefix}/entry-digest`]: entryDigest(registry, cuj),
      ...(options.registryDigest ? { [`${prefix}/registry-digest`]: registry.digest } : {}),
    },
    lagMs: cuj.gate.lagMs,
    cujs: [cuj.name],
  };
}

const useLines: Readonly<Record<TemplateUse, readonly string[]>> = {
  watch: [
    'For background analysis (spec.strategy.canary.analysis). It aborts the rollout on the first FAIL. It proves nothing:',
    'Argo calls a run that ends with the steps Successful. Use it together with an inline analysis step.',
  ],
  gate: [
    'For an inline analysis step (steps: - analysis). Argo continues after enough consecutive PASS results, aborts on the',
    'first FAIL, and otherwise pauses the rollout for a person: the last value then explains why.',
  ],
};

const observeLines = [
  'For background analysis (spec.strategy.canary.analysis). The CUJ is in report-only mode (mode: observe): its verdict is',
  'shown after a PASS and never fails a rollout. It needs no inline analysis step.',
];

function template(
  question: Question,
  use: TemplateUse,
  subject: Subject,
  options: AnalysisOptions,
): YamlDocument {
  const { labels, annotations } = searchable({
    ...subject.facts,
    ...(question.environment === undefined ? {} : { environment: question.environment }),
    use,
  });
  const all = {
    ...beforeRollouts,
    ...annotations,
    ...subject.annotations,
    ...pageAnnotations(options.publicUrl, question.environment, [question.cuj]),
  };
  const args = [
    ...question.args.map(({ arg }) => ({ name: arg })),
    ...(question.serviceArg ? [{ name: 'service' }] : []),
    ...authArgs(options),
  ];
  const namespace = options.kind === 'AnalysisTemplate' ? options.namespace : undefined;
  const value = {
    apiVersion: 'argoproj.io/v1alpha1',
    kind: options.kind,
    metadata: {
      name: templateName(question, use),
      ...(namespace === undefined ? {} : { namespace }),
      labels,
      annotations: all,
    },
    spec: { ...(args.length === 0 ? {} : { args }), metrics: [metric(question, use, subject, options)] },
  };
  return {
    head: [
      'Generated from the CUJ registry by `cuj-gate generate analysis-templates`: change the registry, not this file.',
      '',
      ...subject.lines,
      '',
      ...(subject.observes ? observeLines : useLines[use]),
    ],
    value,
    notes: notesOf(question, use, subject, args.length > 0, options),
  };
}

function metric(question: Question, use: TemplateUse, subject: Subject, options: AnalysisOptions) {
  const more = question.path.includes('?') ? '&' : '?';
  const url = `${options.gateUrl}${question.path}${question.serviceArg ? `${more}service={{args.service}}` : ''}`;
  const headers = [
    { key: 'Accept', value: 'application/json' },
    // Without a canary's header, only this one tells the gate that a proxy which rewrites Accept must not get a page.
    ...(question.args.length === 0 ? [{ key: 'X-Canary', value: 'analysis' }] : []),
    ...question.args.map(({ header, arg }) => ({ key: header, value: `{{args.${arg}}}` })),
    ...(options.auth?.kind === 'token'
      ? [{ key: 'Authorization', value: `Bearer {{args.${tokenArg}}}` }]
      : []),
  ];
  const count = countFor(subject.cujs, question.services, options);
  // Before that no answer can be a fail: the data is as late as that, and must show a fault for so long.
  const delay = options.initialDelay ?? durationText(subject.lagMs + defaultMinFaultMs);
  return {
    name: question.name,
    ...(use === 'watch' && delay !== '0s' ? { initialDelay: delay } : {}),
    interval: options.interval,
    ...(use === 'gate' ? { count, consecutiveSuccessLimit: options.passes } : {}),
    failureLimit: 0,
    inconclusiveLimit: use === 'watch' ? watchInconclusiveLimit : count,
    consecutiveErrorLimit: use === 'watch' ? options.watchErrors : options.gateErrors,
    successCondition: 'result startsWith "PASS"',
    failureCondition: 'result startsWith "FAIL"',
    provider: {
      web: {
        url,
        headers,
        timeoutSeconds: 10,
        jsonPath: '{$.summary}',
        ...oauth2(options),
      },
    },
  };
}

const tokenArg = 'cuj-gate-token';
const clientIdArg = 'cuj-gate-client-id';
const clientSecretArg = 'cuj-gate-client-secret';

function authArgs({ auth }: AnalysisOptions) {
  const fromSecret = (name: string, secret: string, key: string) => ({
    name,
    valueFrom: { secretKeyRef: { name: secret, key } },
  });
  if (auth === undefined) return [];
  if (auth.kind === 'token') return [fromSecret(tokenArg, auth.secret, auth.key)];
  return [
    fromSecret(clientIdArg, auth.secret, 'client-id'),
    fromSecret(clientSecretArg, auth.secret, 'client-secret'),
  ];
}

function oauth2({ auth }: AnalysisOptions) {
  if (auth?.kind !== 'oauth2') return {};
  return {
    authentication: {
      oauth2: {
        tokenUrl: auth.tokenUrl,
        clientId: `{{args.${clientIdArg}}}`,
        clientSecret: `{{args.${clientSecretArg}}}`,
        ...(auth.scopes.length === 0 ? {} : { scopes: auth.scopes }),
      },
    },
  };
}

function notesOf(
  question: Question,
  use: TemplateUse,
  subject: Subject,
  hasArgs: boolean,
  options: AnalysisOptions,
): YamlNote[] {
  const at = (...path: (string | number)[]) => ['spec', 'metrics', 0, ...path];
  const notes: YamlNote[] = [
    {
      at: ['metadata', 'annotations', 'argocd.argoproj.io/sync-wave'],
      lines: ['Argo CD creates templates before the Rollouts that refer to them.'],
    },
    ...linkNotes(options.publicUrl, 'metadata'),
  ];
  if (hasArgs) {
    notes.push({
      at: ['spec', 'args'],
      lines: [
        'Set by the Rollout. They have no default on purpose: a missing argument is an error, never an empty selector.',
        ...(options.auth === undefined
          ? []
          : ["Secrets are read from the Rollout's namespace. They must not end in a line break."]),
      ],
    });
  }
  notes.push(
    {
      at: at('interval'),
      lines: [
        'May be changed (--interval). The gate queries Datadog once in 30 s while all is well, and more often only while something',
        'could be decided: more measurements cost nothing.',
      ],
    },
    ...(use === 'gate'
      ? [
          {
            at: at('count'),
            lines: [
              'May be changed (--count, --passes): the maximum number of measurements, and the consecutive passes that are needed.',
              'Passes must span a minute: two of them 20 s apart rest on nearly the same data.',
              ...(countFor(subject.cujs, question.services, options) > options.count
                ? ['The number of measurements is sized to the traffic.']
                : []),
              'Keep both: without consecutiveSuccessLimit a run that never passed can end Successful.',
            ],
          },
        ]
      : []),
    {
      at: at('failureLimit'),
      lines: [
        'Keep the three limits. One FAIL is enough evidence to abort, therefore failureLimit is 0.',
        ...(use === 'watch'
          ? ['Inconclusive results, and a gate that is down for a while, must not block a healthy rollout.']
          : [
              'Inconclusive results are tolerated until the last measurement, and a gate that is down for 10 s x consecutiveErrorLimit.',
            ]),
      ],
    },
    {
      at: at('successCondition'),
      lines: [
        'Keep both: a result that matches neither is Inconclusive. With only one of them, it would pass or fail.',
      ],
    },
    {
      at: at('provider', 'web', 'url'),
      lines: [
        'May be changed (--gate-url): the URL at which the controller reaches the gate.',
        ...(question.environment === undefined
          ? []
          : ['Keep environment: it says by which objectives, and by whose traffic, the release is judged.']),
        ...(question.serviceArg
          ? ['The CUJ spans services; the Rollout names the service that it releases.']
          : []),
      ],
    },
    {
      at: at('provider', 'web', 'headers', 0),
      lines: [
        'Keep this: the gate has pages for browsers, and Argo calls a response that is not JSON Successful.',
      ],
    },
    {
      at: at('provider', 'web', 'timeoutSeconds'),
      lines: ['Keep both: the gate responds within 8 s, and kubectl and the dashboard show the summary.'],
    },
  );
  return notes;
}
