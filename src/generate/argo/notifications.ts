import { oneLine } from '../../domain/outside-text.ts';
import type { Registry } from '../../domain/registry/model.ts';
import { type GeneratedFile, GenerateError, sortedBy } from '../output/generated-file.ts';
import { verdictPage } from '../output/page-links.ts';
import { nestedYaml, yamlText } from '../output/yaml-text.ts';
import {
  argsOf,
  type CanaryArgOptions,
  cujQuestions,
  judgedServices,
  serviceQuestion,
} from './canary-args.ts';
import {
  eventTemplate,
  type KnownMetric,
  messageTemplate,
  type NotificationTemplate,
  type NotifiedEvent,
  registryTemplate,
} from './notification-templates.ts';

export interface NotificationOptions extends CanaryArgOptions {
  /** Where people reach the gate with a browser, without a trailing slash; undefined: messages have no link to a page. */
  readonly publicUrl: string | undefined;
}

/** The name by which Argo Rollouts finds its ConfigMap, in the controller's namespace. */
const configMapName = 'argo-rollouts-notification-configmap';

/** What Kubernetes stores in a ConfigMap, and etcd in an object, by default. */
const maxBytes = 1024 * 1024;

/** The events in the order of a rollout. docs/generate.md names them. */
const events: readonly NotifiedEvent[] = ['failed', 'inconclusive', 'recovered'];

export const triggerName = (event: NotifiedEvent): string => `on-cuj-gate-${event}`;
/** Names of templates: the first has what the registry says, the last one the texts for each service. */
const templatesOf = (event: NotifiedEvent): readonly string[] => [
  'cuj-gate-registry',
  `cuj-gate-${event}`,
  'cuj-gate-message',
];

/**
 * A ConfigMap with triggers and templates for the notifications of Argo Rollouts, in `notifications/`: once for each aborted
 * rollout, each inconclusive pause and each return to normal. It has neither services nor subscriptions, so that it can be merged
 * into the ConfigMap that is there.
 * Throws GenerateError where a selector's parameters have no source, or the ConfigMap becomes too large.
 */
export function notifications(registry: Registry, options: NotificationOptions): GeneratedFile[] {
  const data: Record<string, string> = {};
  for (const event of events) {
    data[`trigger.${triggerName(event)}`] = nestedYaml([{ ...triggers[event], send: templatesOf(event) }]);
  }
  const templates: Record<string, NotificationTemplate> = {
    'cuj-gate-registry': registryTemplate(metricsOf(registry, options), paramsOf(registry, options)),
    ...Object.fromEntries(events.map((event) => [`cuj-gate-${event}`, eventTemplate(event)])),
    'cuj-gate-message': messageTemplate(),
  };
  for (const [name, template] of Object.entries(templates)) data[`template.${name}`] = nestedYaml(template);
  const text = yamlText([
    {
      head: [
        'Generated from the CUJ registry by `cuj-gate generate notifications`: change the registry, not this file.',
        '',
        'Triggers and templates for the notifications of Argo Rollouts: a rollout that its analysis aborted, one that an',
        'inconclusive analysis paused, and the return to normal, once each. Merge it into the ConfigMap of the controller:',
        `  kubectl apply --server-side --field-manager cuj-gate -n argo-rollouts -f ${configMapName}.yaml`,
        '',
        'Services with their tokens, and subscriptions, are yours. For example, in the same ConfigMap:',
        '  service.slack: |',
        '    token: $slack-token',
        'and in the annotations of a Rollout, once for each trigger:',
        ...events.map(
          (event) => `  notifications.argoproj.io/subscribe.${triggerName(event)}.slack: my-channel`,
        ),
      ],
      value: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: configMapName }, data },
      notes: [
        {
          at: ['data', `trigger.${triggerName('failed')}`],
          lines: [
            'Keep the names: Argo Rollouts runs a trigger that is called like one of its events (on-analysis-run-failed) with every',
            'event, whatever oncePer says. Keep when and oncePer: they name one abort, one pause, one return.',
          ],
        },
        {
          at: ['data', `trigger.${triggerName('recovered')}`],
          lines: [
            'The annotation has what was sent about this Rollout, and when. Normal again means: the last message was not this one.',
          ],
        },
      ],
    },
  ]);
  if (Buffer.byteLength(text) > maxBytes) {
    throw new GenerateError(
      `The ConfigMap of the notifications has ${Buffer.byteLength(text)} bytes: Kubernetes stores at most ${maxBytes}.`,
      'Split the registry, or shorten owners and runbooks.',
    );
  }
  return [{ path: `notifications/${configMapName}.yaml`, text }];
}

const told =
  'let told = fromJSON((rollout.metadata.annotations ?? {})["notified.notifications.argoproj.io"] ?? "{}");';

/** When a message about one of these events was sent last, in epoch seconds; 0: never. */
function lastTold(...of: readonly NotifiedEvent[]): string {
  const isOne = of.map((event) => `# contains ":${triggerName(event)}:"`).join(' or ');
  return `reduce(filter(keys(told), {${isOne}}), {max(#acc, told[#])}, 0)`;
}

const ofTrouble = lastTold('failed', 'inconclusive');

/**
 * Conditions in the language of expr, as of its version 1.15 (Argo Rollouts 1.8).
 *
 * `oncePer` identifies the event by what the controller writes once for it. The name of an analysis run would not do: two runs can
 * fail in one abort, and a run that failed before a retry is still there in the next abort, which may be somebody's own.
 */
const triggers: Readonly<Record<NotifiedEvent, { readonly when: string; readonly oncePer: string }>> = {
  failed: {
    when: [
      'rollout.status.abort == true and rollout.status.abortedAt != nil and',
      'any(analysisRuns ?? [], {.status.phase in ["Failed", "Error"] and (.status.message ?? "") != "" and',
      '  (rollout.status.message ?? "") contains .status.message})',
    ].join('\n'),
    oncePer: 'rollout.status.currentPodHash + " aborted at " + rollout.status.abortedAt',
  },
  inconclusive: {
    when: 'any(rollout.status.pauseConditions ?? [], {.reason == "InconclusiveAnalysisRun"})',
    oncePer: [
      'rollout.status.currentPodHash + " paused at " +',
      '  find(rollout.status.pauseConditions, {.reason == "InconclusiveAnalysisRun"}).startTime',
    ].join('\n'),
  },
  recovered: {
    when: [
      told,
      'rollout.status.phase == "Healthy" and rollout.status.stableRS == rollout.status.currentPodHash and',
      `${ofTrouble} >`,
      lastTold('recovered'),
    ].join('\n'),
    oncePer: `${told}\n"normal after " + string(int(${ofTrouble}))`,
  },
};

function metricsOf(registry: Registry, options: NotificationOptions): KnownMetric[] {
  const { publicUrl } = options;
  const pageOf = (path: string) => (publicUrl === undefined ? '' : verdictPage(publicUrl, path));
  const ofCujs = sortedBy(registry.cujs.values(), ({ name }) => name).flatMap((cuj) =>
    cujQuestions(registry, cuj, options).map(({ name, path, serviceArg }) => ({
      ...{ name, serviceArg, page: pageOf(path) },
      ...{ owner: shown(cuj.owner), runbook: shown(cuj.runbook ?? '') },
    })),
  );
  const ofServices = judgedServices(registry).flatMap((service) => {
    const question = serviceQuestion(registry, service, options);
    if (question === undefined || publicUrl === undefined) return [];
    return [{ name: question.name, serviceArg: false, page: pageOf(question.path), owner: '', runbook: '' }];
  });
  return [...ofCujs, ...ofServices];
}

/** The names of parameters by those of arguments, of all services. */
function paramsOf(registry: Registry, options: CanaryArgOptions): ReadonlyMap<string, string> {
  const all = judgedServices(registry).flatMap((service) => argsOf(service, options));
  return new Map(sortedBy(all, ({ arg }) => arg).map(({ arg, param }) => [arg, param]));
}

const maxCharacters = 400;

/** One line that is no control sequence of Slack, and not too long for one of its blocks. */
function shown(text: string): string {
  const line = Array.from(oneLine(text).replaceAll('<', '‹').replaceAll('>', '›'));
  return line.length <= maxCharacters ? line.join('') : `${line.slice(0, maxCharacters - 1).join('')}…`;
}
