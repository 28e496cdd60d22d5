import {
  cujCalled,
  hasEnforcedCuj,
  isJudgedInReleaseOf,
  type Registry,
  releasedServicesOf,
  type Service,
  servicesReleasedWith,
} from '../registry/model.ts';
import { environmentParam } from '../registry/selector.ts';
import { paramsOf } from './evaluation-request.ts';

/** What a template asks the gate, and so every rollout in flight that uses it. */
export interface StandingQuestion {
  readonly of: 'cuj' | 'service';
  /** The name, or an alias. */
  readonly name: string;
  /** What it names as the environment; undefined: nothing. */
  readonly environment?: string;
  /** The one service of the CUJ that it asks about; undefined: all of them together. */
  readonly service?: string;
  /** Each Rollout names its own service. */
  readonly serviceByRollout?: boolean;
  /** Parameters that every request has. */
  readonly sent: readonly string[];
  /** Parameters that some requests have. */
  readonly maybeSent: readonly string[];
}

/** What a registry would do to a standing question. `breaks`: the gate refuses it. */
export interface Objection {
  readonly breaks: boolean;
  /** Kebab-case and stable. */
  readonly rule: string;
  readonly message: string;
  readonly fix: string;
  /** The service whose selector causes it; absent where the name does. */
  readonly service?: string;
}

const refused = 'the gate refuses the question, and Argo aborts the rollout after enough Errors';

/** What breaks, or changes, for a rollout in flight that asks a question. Nothing where the registry answers it as any other. */
export function objectionsTo(registry: Registry, question: StandingQuestion): readonly Objection[] {
  return [...objectionsToEnvironment(registry, question), ...objectionsToRest(registry, question)];
}

function objectionsToEnvironment(
  { environment }: Registry,
  { environment: named }: StandingQuestion,
): readonly Objection[] {
  // Without environments, it is a parameter as any other.
  if (environment === undefined || named === environment) return [];
  return named === undefined
    ? [
        {
          breaks: true,
          rule: 'environment-required',
          message: `templates name no environment, and the registry has environments: ${refused}`,
          fix: `Set CUJ_GATE_ENVIRONMENT=${environment} at the gate (chart: registry.environment) when it gets this registry: it then answers templates that name none as well.`,
        },
      ]
    : [
        {
          breaks: true,
          rule: 'other-environment',
          message: `templates name the environment "${named}", and these are made for "${environment}": a gate for "${environment}" refuses the question, and any other judges by the traffic of "${named}", if it has it`,
          fix: `Give --environment ${named} and another folder, if these files are for "${named}". If it has a new name, keep both in the registry until no rollout is in flight.`,
        },
      ];
}

function objectionsToRest(registry: Registry, question: StandingQuestion): readonly Objection[] {
  const { of, name } = question;
  if (of === 'service') {
    const service = registry.services.get(name);
    return service === undefined
      ? [
          {
            breaks: true,
            rule: 'service-removed',
            message: `the service "${name}" is not in the registry any more: ${refused}`,
            fix: 'Services have no aliases: keep the service until no rollout asks about it.',
          },
        ]
      : [...objectionsToParams(registry, [service], question), ...nothingEnforced(registry, name)];
  }
  const cuj = cujCalled(registry, name);
  if (cuj === undefined) {
    return [
      {
        breaks: true,
        rule: 'cuj-removed',
        message: `the CUJ "${name}" is not in the registry any more, nor an alias: ${refused}`,
        fix: `If it was renamed, add "${name}" to the aliases of the CUJ. Otherwise keep it with retired: and the reason, until no rollout asks about it.`,
      },
    ];
  }
  if (cuj.retired !== undefined) {
    return [
      {
        breaks: false,
        rule: 'cuj-retired',
        message: `the CUJ "${name}" is retired: an inline analysis step that asks about it pauses the rollout for a person`,
        fix: 'Generate the Rollout and the templates again. If no rollout should be paused, add mode: observe.',
      },
    ];
  }
  const alias: Objection[] =
    name === cuj.name
      ? []
      : [
          {
            breaks: false,
            rule: 'cuj-renamed',
            message: `"${name}" is an alias: the CUJ is called "${cuj.name}" now`,
            fix: 'Generate the templates again, and remove the alias when nobody asks by it any more.',
          },
        ];
  if (question.service !== undefined && !isJudgedInReleaseOf(cuj, question.service)) {
    return [
      {
        breaks: true,
        rule: 'service-left',
        message: `the CUJ "${cuj.name}" has no endpoint of the service "${question.service}" any more: ${refused}`,
        fix: 'Keep an endpoint of the service until no rollout of it asks about this CUJ.',
      },
      ...alias,
    ];
  }
  const called = (names: readonly string[]) => names.map((one) => registry.services.get(one) as Service);
  const ofRelease = (released: string) => called(servicesReleasedWith(cuj, released));
  const asked =
    question.service !== undefined
      ? [ofRelease(question.service)]
      : question.serviceByRollout === true
        ? releasedServicesOf(cuj).map(ofRelease)
        : [called(cuj.services)];
  return [...asked.flatMap((services) => objectionsToParams(registry, services, question)), ...alias];
}

function objectionsToParams(
  { environment }: Registry,
  services: readonly Service[],
  question: StandingQuestion,
): readonly Objection[] {
  const { maybeSent } = question;
  const { required, optional } = paramsOf(services);
  const known = [...required, ...optional];
  const namesOne = environment === undefined && question.environment !== undefined;
  const isGone: readonly Objection[] =
    namesOne && !known.includes(environmentParam)
      ? [
          {
            breaks: true,
            rule: 'environment-removed',
            message: `templates name the environment "${question.environment}", and the registry has no environments: ${refused}`,
            fix: 'Keep the environments in the registry until no rollout is in flight whose templates name one.',
            service: services[0]?.name ?? '',
          },
        ]
      : [];
  const sent = namesOne && isGone.length === 0 ? [...question.sent, environmentParam] : question.sent;
  const takes = known.length === 0 ? 'no parameter' : known.join(', ');
  const of = services.map(({ name }) => `"${name}"`).join(', ');
  const first = services[0]?.name ?? '';
  const unknown = [...sent, ...maybeSent]
    .filter((param) => !known.includes(param))
    .map((param) => ({
      breaks: true,
      rule: 'parameter-unknown',
      message: `templates send the parameter "${param}", and the selectors of ${of} take ${takes}: ${refused}`,
      fix: `Keep {${param}} in the selector until no rollout sends it: define a second service with the new selector.`,
      service: first,
    }));
  const missing = required
    .filter((param) => !sent.includes(param))
    .map((param) => ({
      breaks: true,
      rule: 'parameter-missing',
      message: `the canary's selector needs the parameter "${param}", which ${maybeSent.includes(param) ? 'not all templates send' : 'templates do not send'}: ${refused}`,
      fix: `Generate and apply the templates with {${param}} in the selector of stable first, where it is optional. Then use it for the canary.`,
      service: services.find(({ canary }) => canary.params.includes(param))?.name ?? first,
    }));
  return [...isGone, ...unknown, ...missing];
}

function nothingEnforced(registry: Registry, service: string): readonly Objection[] {
  if (hasEnforcedCuj(registry, service)) return [];
  return [
    {
      breaks: false,
      rule: 'nothing-enforced',
      message: `the service "${service}" has no enforced CUJ any more: an inline analysis step that asks about the service pauses the rollout for a person`,
      fix: 'Generate the Rollout and the templates again.',
    },
  ];
}
