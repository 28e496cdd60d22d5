import { durationText } from '../../domain/duration.ts';
import { oneLine } from '../../domain/outside-text.ts';
import type { Cuj, Registry } from '../../domain/registry/model.ts';
import { type GeneratedFile, GenerateError, sortedBy } from '../output/generated-file.ts';
import { wrapped, type YamlDocument, type YamlNote, yamlText } from '../output/yaml-text.ts';
import { type AnalysisOptions, watchInconclusiveLimit } from './analysis-options.ts';
import { cujQuestions, judgedServices, type Question, serviceQuestion } from './canary-args.ts';
import { entryDigest, prefix, searchable } from './kubernetes-metadata.ts';

/** *watch* runs beside the steps and trips; *gate* is a step of its own and proves. */
export type TemplateUse = 'watch' | 'gate';

/** The name by which Rollouts refer to a template. */
export function templateName(question: Question, use: TemplateUse): string {
  return `${question.name}-${use}`;
}

/** Which templates there are for a CUJ: one that only observes can prove nothing, so it has no gate. */
export function usesOf(cuj: Cuj): readonly TemplateUse[] {
  return cuj.mode === 'observe' ? ['watch'] : ['watch', 'gate'];
}

/**
 * One file for each CUJ and one for each service with an enforced CUJ, in `analysis-templates/`. What they must hold is
 * decided by what Argo Rollouts does with an answer; docs/generate.md lists it.
 * Throws GenerateError where a selector's parameters have no source.
 */
export function analysisTemplates(registry: Registry, options: AnalysisOptions): GeneratedFile[] {
  if (options.passes > options.count) {
    throw new GenerateError(
      `A gate that asks ${options.count} times cannot pass ${options.passes} times in a row.`,
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
    const lags = [...registry.cujs.values()].filter((cuj) => cuj.services.includes(service.name));
    const subject: Subject = {
      lines: [`All enforced CUJs of ${service.name} in one question: the worst verdict decides.`],
      facts: { service: service.name },
      observes: false,
      annotations: options.registryDigest ? { [`${prefix}/registry-digest`]: registry.digest } : {},
      lagMs: Math.max(...lags.map((cuj) => cuj.gate.lagMs)),
    };
    const documents = (['watch', 'gate'] as const).map((use) => template(question, use, subject, options));
    files.push({ path: `analysis-templates/${question.name}.yaml`, text: yamlText(documents) });
  }
  return files;
}

/** What a template is about. */
interface Subject {
  readonly lines: readonly string[];
  /** A CUJ that is judged and shown, and never fails a rollout. */
  readonly observes: boolean;
  readonly facts: Readonly<Record<string, string | undefined>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly lagMs: number;
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
  };
}

const useLines: Readonly<Record<TemplateUse, readonly string[]>> = {
  watch: [
    'A watch: for background analysis (spec.strategy.canary.analysis). It trips on the first FAIL and aborts the',
    'rollout. It proves nothing: Argo calls a run that ends with the steps Successful. Follow it with a gate.',
  ],
  gate: [
    'A gate: for a step of its own (steps: - analysis). Argo goes on when the answer was PASS often enough in a row,',
    'aborts on the first FAIL, and pauses for a person where neither came: then look at the last value, which says why.',
  ],
};

const observeLines = [
  'A watch: for background analysis (spec.strategy.canary.analysis). The CUJ only observes (mode: observe), so what it',
  'would have said stands in the value behind a PASS, and no rollout fails by it. Nothing has to follow it.',
];

function template(
  question: Question,
  use: TemplateUse,
  subject: Subject,
  options: AnalysisOptions,
): YamlDocument {
  const { labels, annotations } = searchable({ ...subject.facts, use });
  const all = { ...annotations, ...subject.annotations };
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
      ...(Object.keys(all).length === 0 ? {} : { annotations: all }),
    },
    spec: { ...(args.length === 0 ? {} : { args }), metrics: [metric(question, use, subject, options)] },
  };
  return {
    head: [
      'Made from the CUJ registry by `cuj-gate generate analysis-templates`: change the registry, not this file.',
      '',
      ...subject.lines,
      '',
      ...(subject.observes ? observeLines : useLines[use]),
    ],
    value,
    notes: notesOf(question, use, args.length > 0, options),
  };
}

function metric(question: Question, use: TemplateUse, subject: Subject, options: AnalysisOptions) {
  const url = `${options.gateUrl}${question.path}${question.serviceArg ? '?service={{args.service}}' : ''}`;
  const headers = [
    ...question.args.map(({ header, arg }) => ({ key: header, value: `{{args.${arg}}}` })),
    ...(options.auth?.kind === 'token'
      ? [{ key: 'Authorization', value: `Bearer {{args.${tokenArg}}}` }]
      : []),
  ];
  const delay = options.initialDelay ?? durationText(subject.lagMs + 60_000);
  return {
    name: question.name,
    ...(use === 'watch' && delay !== '0s' ? { initialDelay: delay } : {}),
    interval: options.interval,
    ...(use === 'gate' ? { count: options.count, consecutiveSuccessLimit: options.passes } : {}),
    failureLimit: 0,
    inconclusiveLimit: use === 'watch' ? watchInconclusiveLimit : options.count,
    consecutiveErrorLimit: use === 'watch' ? options.watchErrors : options.gateErrors,
    successCondition: 'result startsWith "PASS"',
    failureCondition: 'result startsWith "FAIL"',
    provider: {
      web: {
        url,
        ...(headers.length === 0 ? {} : { headers }),
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
  hasArgs: boolean,
  options: AnalysisOptions,
): YamlNote[] {
  const at = (...path: (string | number)[]) => ['spec', 'metrics', 0, ...path];
  const notes: YamlNote[] = [];
  if (hasArgs) {
    notes.push({
      at: ['spec', 'args'],
      lines: [
        'The Rollout gives them. They have no default on purpose: a missing one is an error, never an empty selector.',
        ...(options.auth === undefined
          ? []
          : ['Secrets are read in the namespace of the Rollout, without a line break at their end.']),
      ],
    });
  }
  notes.push(
    {
      at: at('interval'),
      lines: ['May be changed (--interval). Data comes once a minute: asking more often tells nothing more.'],
    },
    ...(use === 'gate'
      ? [
          {
            at: at('count'),
            lines: [
              'May be changed (--count, --passes): how often to ask at most, and how many passes in a row are a proof.',
              'Leave both in: without consecutiveSuccessLimit a run that never passed can end Successful.',
            ],
          },
        ]
      : []),
    {
      at: at('failureLimit'),
      lines: [
        'Leave the three limits as they are. A FAIL is evidence already: one is enough, and 0 acts on it.',
        ...(use === 'watch'
          ? ['Not knowing, and a gate that is down for a while, must not stop what nothing speaks against.']
          : [
              'Not knowing is borne until the last ask, a gate that is down for 10 s x consecutiveErrorLimit.',
            ]),
      ],
    },
    {
      at: at('successCondition'),
      lines: [
        'Leave both: an answer that is neither is Inconclusive. With one of them only, not knowing would pass or fail.',
      ],
    },
    {
      at: at('provider', 'web', 'url'),
      lines: [
        'May be changed (--gate-url): where the controller reaches the gate.',
        ...(question.serviceArg
          ? ['The CUJ spans services; the Rollout names the one that it releases.']
          : []),
      ],
    },
    {
      at: at('provider', 'web', 'timeoutSeconds'),
      lines: [
        'Leave both: the gate answers within 8 s, and the summary is what people see in kubectl and the dashboard.',
      ],
    },
  );
  return notes;
}
