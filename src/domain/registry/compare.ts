import { durationText } from '../duration.ts';
import { paramsOf } from '../metrics/evaluation-request.ts';
import { objectionsTo, type StandingQuestion } from '../metrics/standing-question.ts';
import { listed } from '../name-lists.ts';
import { defaultFailureText } from '../sli/failure.ts';
import { sliNames } from '../sli/table.ts';
import { failureTextOn } from './endpoint-failures.ts';
import type { DocumentPath } from './findings.ts';
import {
  type Cuj,
  cujCalled,
  type Endpoint,
  type GatePolicy,
  namesOf,
  type Registry,
  type Service,
} from './model.ts';
import { allWords } from './own-words.ts';

/** What a change of the registry means for rollouts in flight, whose templates were made from the old one. */
export interface RegistryChange {
  /** Rollouts in flight would be aborted, or could be by what was only shown before. Otherwise it is a note. */
  readonly breaks: boolean;
  /** Kebab-case and stable. */
  readonly rule: string;
  /** The CUJ, alias, service or environment that rollouts ask about. */
  readonly name: string;
  readonly message: string;
  readonly fix: string;
  /** What to look at: in the old registry where the new one no longer has it. */
  readonly place: {
    readonly in: 'old' | 'new';
    readonly of: 'cuj' | 'service' | 'environment' | 'registry';
    readonly name: string;
    /** Below the CUJ or the service. */
    readonly path: DocumentPath;
  };
}

/**
 * What would break rollouts in flight if a registry replaced an older one, and notes about everything else that they notice. Pure.
 * The breaks come first, each group in the order of the old registry.
 */
export function compareRegistries(old: Registry, next: Registry): readonly RegistryChange[] {
  const changes = [
    ...[...old.cujs.values()].flatMap((cuj) => changesOfCuj(old, next, cuj)),
    ...[...old.retired.values()].flatMap((cuj) => changesOfRetired(next, cuj)),
    ...judgedServices(old).flatMap((service) => changesOfService(old, next, service)),
  ];
  return [...changes.filter(({ breaks }) => breaks), ...changes.filter(({ breaks }) => !breaks)];
}

function judgedServices({ cujs, services }: Registry): readonly Service[] {
  const names = new Set([...cujs.values()].flatMap((cuj) => cuj.services));
  return [...services.values()].filter(({ name }) => names.has(name));
}

/** What templates of the old registry ask about a CUJ, by one of its names. */
function questionAbout(old: Registry, next: Registry, { services }: Cuj, name: string): StandingQuestion {
  const { required, optional } = paramsOf(services.map((one) => old.services.get(one) as Service));
  return { of: 'cuj', name, ...ofEnvironment(next), sent: required, maybeSent: optional };
}

/** Both registries are of the same environment, or compareSets says what it means that they are not. */
function ofEnvironment({ environment }: Registry) {
  return environment === undefined ? {} : { environment };
}

function changesOfCuj(old: Registry, next: Registry, before: Cuj): RegistryChange[] {
  const present = cujCalled(next, before.name);
  const changes = objectionsTo(next, questionAbout(old, next, before, before.name))
    // Selectors are compared service by service. Only a template of a CUJ of one service asks about all that it gains.
    .filter(
      ({ service }) =>
        service === undefined || (before.services.length === 1 && !before.services.includes(service)),
    )
    .map((objection): RegistryChange => {
      const { breaks, rule, message } = objection;
      const fix = (rule === 'cuj-removed' ? renamedFix(old, next, before) : undefined) ?? objection.fix;
      const gone = present === undefined;
      return {
        breaks,
        rule,
        name: before.name,
        message,
        fix,
        place: {
          in: gone ? 'old' : 'new',
          of: 'cuj',
          name: gone ? before.name : present.name,
          path: rule === 'cuj-retired' ? ['retired'] : rule === 'cuj-renamed' ? ['aliases'] : ['name'],
        },
      };
    });
  if (present !== undefined && present.retired === undefined) {
    changes.push(
      ...servicesLeft(before, present),
      ...modeOf(before, present),
      ...policyOf({ cuj: before, services: old.services }, { cuj: present, services: next.services }),
    );
  }
  for (const [index, alias] of (before.aliases ?? []).entries()) {
    if (cujCalled(next, alias) === undefined) changes.push(aliasGone(before.name, alias, index));
  }
  return changes;
}

function aliasGone(cuj: string, alias: string, index: number): RegistryChange {
  return {
    breaks: true,
    rule: 'alias-removed',
    name: alias,
    message: `the alias "${alias}" of the CUJ "${cuj}" is gone: the gate refuses templates that still ask by it, and Argo aborts the rollout after enough Errors`,
    fix: `Keep it until cuj_gate_outdated_requests_total{asked_as="${alias}"} no longer rises. Then use --allow alias-removed:${alias}.`,
    place: { in: 'old', of: 'cuj', name: cuj, path: ['aliases', index] },
  };
}

/** The CUJ that the old one seems to be now: new, and over the same endpoints. */
function renamedFix(old: Registry, next: Registry, before: Cuj): string | undefined {
  const key = endpointsKey(before);
  const [same, ...others] = [...next.cujs.values()].filter(
    (cuj) => !old.cujs.has(cuj.name) && endpointsKey(cuj) === key,
  );
  if (same === undefined || others.length > 0) return undefined;
  return `The CUJ "${same.name}" has the same endpoints: add aliases: [${namesOf(before).join(', ')}] to it.`;
}

function endpointsKey({ endpoints }: Cuj): string {
  return endpoints
    .map(({ service, resource }) => `${service} ${resource}`)
    .sort()
    .join('\n');
}

/** To remove what was retired before is the last step of the documented order. */
function changesOfRetired(next: Registry, before: Cuj): RegistryChange[] {
  const present = cujCalled(next, before.name);
  if (present !== undefined) return [];
  return [
    {
      breaks: false,
      rule: 'retired-removed',
      name: before.name,
      message: `the retired CUJ "${before.name}" is gone: the gate refuses templates that still ask about it`,
      fix: `Make sure that cuj_gate_outdated_requests_total{asked_as="${before.name}"} no longer rises.`,
      place: { in: 'old', of: 'cuj', name: before.name, path: ['retired'] },
    },
  ];
}

function servicesLeft(before: Cuj, { name, services }: Cuj): RegistryChange[] {
  const left = before.services.filter((service) => !services.includes(service));
  // A question of templates names the service only where the CUJ has several.
  if (before.services.length === 1) {
    return left.map((service) => ({
      breaks: false,
      rule: 'service-left',
      name: before.name,
      message: `the CUJ "${name}" has no endpoint of the service "${service}" any more: a rollout of it in flight is judged by ${services.join(', ')}, where its version has no traffic`,
      fix: 'Generate the Rollout of that service again.',
      place: { in: 'new', of: 'cuj', name, path: ['endpoints'] },
    }));
  }
  return left.map((service) => ({
    breaks: true,
    rule: 'service-left',
    name: before.name,
    message: `the CUJ "${name}" has no endpoint of the service "${service}" any more: the gate refuses the question of a rollout of that service, and Argo aborts it after enough Errors`,
    fix: 'Keep an endpoint of the service until no rollout of it asks about this CUJ.',
    place: { in: 'new', of: 'cuj', name, path: ['endpoints'] },
  }));
}

function modeOf(before: Cuj, { name, mode }: Cuj): RegistryChange[] {
  if (before.mode === mode) return [];
  const place = { in: 'new', of: 'cuj', name, path: ['mode'] } as const;
  if (mode === 'observe') {
    const message = `the CUJ "${name}" only reports from now on (mode: observe): it always passes`;
    return [
      {
        breaks: false,
        rule: 'mode-observe',
        name: before.name,
        message,
        fix: 'Nothing, if you mean it.',
        place,
      },
    ];
  }
  return [
    {
      breaks: true,
      rule: 'mode-enforce',
      name: before.name,
      message: `the CUJ "${name}" is enforced from now on (mode: enforce): it can abort rollouts in flight that it only reported on when they began`,
      fix: `If you mean it, use --allow mode-enforce:${before.name}.`,
      place,
    },
  ];
}

const percentOf = (ratio: number) => `${Number((ratio * 100).toPrecision(8))}%`;

/** A policy for people, by the keys of the registry. */
function policyTexts({
  cuj: { objectives, gate, endpoints },
  services,
}: JudgedCuj): ReadonlyMap<string, string> {
  const span = (ms: number | undefined, none: string) => (ms === undefined ? none : durationText(ms));
  const texts: readonly (readonly [string, string])[] = [
    ...sliNames.map((sli) => {
      const objective = objectives[sli];
      return [`slo.${sli}`, objective === undefined ? 'none' : percentOf(objective.ratio)] as const;
    }),
    ...(['rule', 'falseAbort', 'ruleOutBurn', 'minRequests', 'onLowTraffic'] as const).map(
      (key) => [`gate.${key}`, String(gate[key])] as const,
    ),
    ['gate.onUnreached', gate.onUnreached ?? 'pass'],
    ['gate.passAfter', span(gate.passAfterMs, 'never')],
    ['gate.rulesOutRate', gate.rulesOutRate === undefined ? 'none' : percentOf(gate.rulesOutRate)],
    ['gate.window', gate.window === 'rollout' ? 'rollout' : durationText(gate.window)],
    ['gate.maxWindow', durationText(gate.maxWindowMs)],
    ['gate.restartGap', durationText(gate.restartGapMs)],
    ['gate.warmUp', warmUpText(gate)],
    ['gate.minFaultDuration', span(gate.minFaultMs, '30s')],
    ['gate.lag', durationText(gate.lagMs)],
    [
      'latencyMs',
      [...new Set(endpoints.flatMap(({ latencyMs }) => latencyMs ?? []))].sort((a, b) => a - b).join(' ') ||
        'none',
    ],
    ['failure', failuresText(endpoints, services)],
  ];
  return new Map(texts);
}

/** What counts as a failure: of all endpoints, or of each where they differ. */
function failuresText(endpoints: Cuj['endpoints'], services: Registry['services']): string {
  const textOf = (endpoint: Endpoint) =>
    failureTextOn(endpoint, services.get(endpoint.service)) ?? defaultFailureText;
  const distinct = new Set(endpoints.map(textOf));
  if (distinct.size < 2) return [...distinct][0] ?? defaultFailureText;
  return listed(endpoints.map((endpoint) => `${textOf(endpoint)} on ${endpoint.label}`).sort(), maxListed);
}

function warmUpText({ warmUpMs = {} }: GatePolicy): string {
  const parts = sliNames.flatMap((sli) => {
    const ms = warmUpMs[sli];
    return ms === undefined ? [] : [`${sli} ${durationText(ms)}`];
  });
  return parts.join(' ') || 'none';
}

/** What is judged otherwise about a CUJ. */
export interface JudgementChange {
  /** By the keys of the registry, such as `slo.availability`, with the values as people write them. */
  readonly settings: readonly { readonly key: string; readonly before: string; readonly after: string }[];
  readonly endpointsAdded: readonly Endpoint[];
  readonly endpointsRemoved: readonly Endpoint[];
}

/** A CUJ with the services of its registry. */
export interface JudgedCuj {
  readonly cuj: Cuj;
  readonly services: Registry['services'];
}

/** How the judgement of a CUJ differs between two registries. Undefined where it does not. */
export function judgementChange(before: JudgedCuj, after: JudgedCuj): JudgementChange | undefined {
  const old = policyTexts(before);
  const settings = [...policyTexts(after)].flatMap(([key, text]) =>
    old.get(key) === text ? [] : [{ key, before: old.get(key) as string, after: text }],
  );
  const endpointsAdded = after.cuj.endpoints.filter((one) => !hasEndpoint(before.cuj, one));
  const endpointsRemoved = before.cuj.endpoints.filter((one) => !hasEndpoint(after.cuj, one));
  return settings.length + endpointsAdded.length + endpointsRemoved.length === 0
    ? undefined
    : { settings, endpointsAdded, endpointsRemoved };
}

/** How a CUJ is judged is the developers' choice at any time: a note. */
function policyOf(before: JudgedCuj, after: JudgedCuj): RegistryChange[] {
  const change = judgementChange(before, after);
  if (change === undefined) return [];
  const { settings, endpointsAdded, endpointsRemoved } = change;
  const changed = settings.map((one) => `${one.key} from ${one.before} to ${one.after}`);
  const labels = (endpoints: readonly Endpoint[]) =>
    listed(
      endpoints.map(({ label }) => label),
      maxListed,
    );
  if (endpointsAdded.length > 0) changed.push(`endpoints added: ${labels(endpointsAdded)}`);
  if (endpointsRemoved.length > 0) changed.push(`endpoints removed: ${labels(endpointsRemoved)}`);
  return [
    {
      breaks: false,
      rule: 'judged-otherwise',
      name: before.cuj.name,
      message: `the CUJ "${after.cuj.name}" is judged otherwise, also in rollouts in flight: ${changed.join('; ')}`,
      fix: 'Nothing, if you mean it.',
      place: { in: 'new', of: 'cuj', name: after.cuj.name, path: ['name'] },
    },
  ];
}

function hasEndpoint({ endpoints }: Cuj, { service, resource }: Endpoint): boolean {
  return endpoints.some((one) => one.service === service && one.resource === resource);
}

const maxListed = 5;

function changesOfService(old: Registry, next: Registry, before: Service): RegistryChange[] {
  const { required, optional } = paramsOf([before]);
  const question: StandingQuestion = {
    of: 'service',
    name: before.name,
    sent: required,
    maybeSent: optional,
  };
  const known = new Set(objectionsTo(old, { ...question, ...ofEnvironment(old) }).map(({ rule }) => rule));
  // Where nothing was enforced before, there is no template of the service.
  const objections = objectionsTo(next, { ...question, ...ofEnvironment(next) }).filter(
    ({ rule }) => !known.has(rule),
  );
  const changes = objections.map((objection): RegistryChange => {
    const { breaks, rule, message, fix } = objection;
    const gone = rule === 'service-removed';
    const path = rule.startsWith('parameter-') ? ['canary'] : [];
    return {
      breaks,
      rule,
      name: before.name,
      message,
      fix: (gone ? newNameFix(old, next) : undefined) ?? fix,
      place: { in: gone ? 'old' : 'new', of: 'service', name: before.name, path },
    };
  });
  const after = next.services.get(before.name);
  if (after !== undefined && !changes.some(({ breaks }) => breaks))
    changes.push(...selectorsOf(before, after));
  return changes;
}

function newNameFix(old: Registry, next: Registry): string | undefined {
  const [added, ...others] = judgedServices(next).filter(({ name }) => !old.services.has(name));
  if (added === undefined || others.length > 0) return undefined;
  return `If it is called "${added.name}" now: services have no aliases, so keep both, with their CUJs, until no rollout asks about the earlier one.`;
}

/** The same parameters for other traffic: a rollout in flight may find no canary. */
function selectorsOf(before: Service, after: Service): RegistryChange[] {
  const keys = [
    'canary',
    'stable',
    'env',
    'tags',
    'source',
    'operation',
    'endpointTag',
    'application',
  ] as const;
  return keys.flatMap((key) => {
    const text = (service: Service) => {
      if (key === 'tags') return service.tags?.map((tag) => `${tag.key}:${tag.value}`).join(',') || 'none';
      // A source may keep its name in another backend.
      if (key === 'source' && before.dialect !== after.dialect)
        return `${service.source} (${service.dialect.backend})`;
      const value =
        key === 'application'
          ? service.client?.id
          : key === 'endpointTag'
            ? service.spans?.endpointTag
            : service[key];
      return value === undefined ? 'none' : typeof value === 'string' ? value : value.text;
    };
    if (text(before) === text(after)) return [];
    return [
      {
        breaks: false,
        rule: 'other-traffic',
        name: before.name,
        message: `the service "${before.name}" is measured otherwise, also in rollouts in flight: ${key} from ${text(before)} to ${text(after)}`,
        fix: `Make sure that the pods of rollouts in flight have these ${allWords(after.dialect).tags}: otherwise their inline analysis steps pause (no_data).`,
        place: { in: 'new', of: 'service', name: before.name, path: [key] },
      },
    ];
  });
}
