import { headerName } from '../../domain/metrics/evaluation-request.ts';
import {
  type Cuj,
  hasEnforcedCuj,
  type Registry,
  releasedServicesOf,
  type Service,
} from '../../domain/registry/model.ts';
import { GenerateError } from '../output/generated-file.ts';
import { queryOf } from '../output/page-links.ts';
import { serviceObjectName } from './kubernetes-metadata.ts';

/** Where a Rollout has the value of a parameter of the canary. */
export type ValueSource =
  | { readonly kind: 'pod-template-hash'; readonly of: 'Latest' | 'Stable' }
  | { readonly kind: 'label'; readonly key: string }
  | { readonly kind: 'field'; readonly path: string }
  | { readonly kind: 'value'; readonly value: string };

/** The options that decide which arguments templates declare and Rollouts pass. */
export interface CanaryArgOptions {
  /** The source of the canary selector's version parameter. */
  readonly versionFrom: ValueSource;
  /** The same for single services, by their names in the registry. */
  readonly versionFromOf: ReadonlyMap<string, ValueSource>;
  /** Sources of other parameters, by their names in the registry. */
  readonly params: ReadonlyMap<string, ValueSource>;
}

/** A selector's parameter, which the Rollout passes to the gate. */
export interface CanaryArg {
  /** In the registry: `stable_version`. */
  readonly param: string;
  /** In Argo: `stable-version`. */
  readonly arg: string;
  /** The header: `X-Canary-Stable-Version`. Argo does not encode values in a URL; a header needs no encoding. */
  readonly header: string;
  readonly source: ValueSource;
}

/** A request to the gate that a template can make. */
export interface Question {
  /** The metric's name and the template's without its kind: `cuj-login`. */
  readonly name: string;
  readonly path: string;
  /** The environment of the registry, which the path names; undefined where it has none. */
  readonly environment: string | undefined;
  /** The CUJ that it asks about; undefined: all of a service. */
  readonly cuj: string | undefined;
  readonly args: readonly CanaryArg[];
  /** The services whose Rollouts may use it. */
  readonly services: readonly string[];
  /** The Rollout names the service that it releases. */
  readonly serviceArg: boolean;
}

const sourceForms = 'pod-template-hash, pod-template-hash:Stable, label:KEY, field:PATH or value:TEXT';

/** Reads `pod-template-hash`, `label:version`, `field:spec.template…` or `value:canary`. */
export function parseValueSource(text: string): ValueSource | { readonly error: string } {
  const at = text.indexOf(':');
  const kind = at < 0 ? text : text.slice(0, at);
  const rest = at < 0 ? '' : text.slice(at + 1);
  if (kind === 'pod-template-hash') {
    if (at < 0 || rest === 'Latest') return { kind, of: 'Latest' };
    return rest === 'Stable' ? { kind, of: 'Stable' } : { error: `"${rest}" is neither Latest nor Stable` };
  }
  if (kind === 'label') {
    return /^([A-Za-z0-9.-]+\/)?[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$/.test(rest)
      ? { kind, key: rest }
      : { error: `"${rest}" is not the key of a label` };
  }
  if (kind === 'field') {
    return /^[A-Za-z][^\s"\\]*$/.test(rest)
      ? { kind, path: rest }
      : { error: `"${rest}" is not the path of a field` };
  }
  if (kind === 'value') {
    return /^[\x21-\x7e]{1,200}$/.test(rest) ? { kind, value: rest } : { error: `"${rest}" is not a value` };
  }
  return { error: `"${text}" is not one of ${sourceForms}` };
}

/** The arguments of a request about one service. Throws GenerateError where a parameter has no source. */
export function argsOf(service: Service, options: CanaryArgOptions): readonly CanaryArg[] {
  const required = service.canary.params;
  const optional = (service.stable?.params ?? []).filter((param) => !required.includes(param));
  const versionFrom = options.versionFromOf.get(service.name) ?? options.versionFrom;
  const found: CanaryArg[] = [];
  for (const param of required) {
    const source = options.params.get(param) ?? (required.length === 1 ? versionFrom : undefined);
    if (source === undefined) {
      throw new GenerateError(
        `The canary selector of service "${service.name}" takes ${required.join(', ')}: the source of ${param} is unknown.`,
        `Give --param ${param}=SOURCE, with SOURCE one of ${sourceForms}.`,
      );
    }
    if (source.kind === 'pod-template-hash' && source.of === 'Stable') {
      throw new GenerateError(
        `The canary of service "${service.name}" would be selected by the hash of the stable pods: the old version would be judged.`,
        'Use pod-template-hash.',
      );
    }
    found.push(canaryArg(param, source));
  }
  for (const param of optional) {
    // Argo knows only the hash of the stable pods. For any other source, stable is the rest of the traffic.
    const byHash = versionFrom.kind === 'pod-template-hash' && required.length === 1 && optional.length === 1;
    const source = options.params.get(param) ?? (byHash ? stableHash : undefined);
    if (source !== undefined) found.push(canaryArg(param, source));
  }
  return found;
}

const stableHash: ValueSource = { kind: 'pod-template-hash', of: 'Stable' };

function canaryArg(param: string, source: ValueSource): CanaryArg {
  return { param, arg: param.replaceAll('_', '-'), header: `X-Canary-${headerName(param)}`, source };
}

/**
 * The requests for one CUJ. A Rollout releases one service, and its version does not apply to other services. A CUJ of
 * several services is therefore judged for the released service: the Rollout passes its name as the argument `service`.
 * One template serves all services, and its name stays when a CUJ gains a service. Only if the services' selectors take
 * different parameters, each service has its own template: `cuj-NAME.SERVICE`. Names of CUJs have no dot, so these names
 * are unique.
 */
export function cujQuestions(registry: Registry, cuj: Cuj, options: CanaryArgOptions): readonly Question[] {
  const { environment } = registry;
  const path = `/cujs/${cuj.name}/status${queryOf(environment)}`;
  // A client that is released with a service has no Rollout of its own, and no parameters that the service has not.
  const services = releasedServicesOf(cuj);
  const each = services.map((name) => ({
    service: name,
    args: argsOf(registry.services.get(name) as Service, options),
  }));
  const shapes = new Set(each.map(({ args }) => args.map(({ param }) => param).join(' ')));
  const [first] = each;
  if (shapes.size === 1 && first !== undefined) {
    const serviceArg = services.length > 1;
    const name = `cuj-${cuj.name}`;
    return [{ name, path, environment, cuj: cuj.name, args: first.args, services, serviceArg }];
  }
  return each.map(({ service, args }) => ({
    name: `cuj-${cuj.name}.${serviceObjectName(service)}`,
    path: `${path}${environment === undefined ? '?' : '&'}service=${service}`,
    environment,
    cuj: cuj.name,
    args,
    services: [service],
    serviceArg: false,
  }));
}

/** The request for all enforced CUJs of a service; undefined if it has none: such a request could never pass. */
export function serviceQuestion(
  registry: Registry,
  service: Service,
  options: CanaryArgOptions,
): Question | undefined {
  if (!hasEnforcedCuj(registry, service.name)) return undefined;
  return {
    name: `service-${serviceObjectName(service.name)}`,
    path: `/services/${service.name}/status${queryOf(registry.environment)}`,
    environment: registry.environment,
    cuj: undefined,
    args: argsOf(service, options),
    services: [service.name],
    serviceArg: false,
  };
}

/** The services whose releases at least one CUJ judges, by name, or only the given one. */
export function judgedServices(registry: Registry, only?: string): readonly Service[] {
  const names = new Set([...registry.cujs.values()].flatMap(releasedServicesOf));
  return [...names]
    .filter((name) => only === undefined || name === only)
    .sort()
    .map((name) => registry.services.get(name) as Service);
}

/** Throws GenerateError where a source is given for a parameter that no selector has: most likely a typo. */
export function checkParams(registry: Registry, params: ReadonlyMap<string, unknown>): void {
  const known = new Set(
    [...registry.services.values()].flatMap(({ canary, stable }) => [
      ...canary.params,
      ...(stable?.params ?? []),
    ]),
  );
  for (const name of params.keys()) {
    if (known.has(name)) continue;
    throw new GenerateError(
      `No selector in the registry has a parameter "${name}".`,
      known.size === 0 ? 'They have no parameters.' : `They have: ${[...known].sort().join(', ')}.`,
    );
  }
}

/** Argo's `valueFrom` (or `value`) for an argument of a Rollout's analysis. */
export function rolloutArg({ arg, source }: CanaryArg): Record<string, unknown> {
  switch (source.kind) {
    case 'pod-template-hash':
      return { name: arg, valueFrom: { podTemplateHashValue: source.of } };
    case 'label':
    case 'field':
      return { name: arg, valueFrom: { fieldRef: { fieldPath: fieldPathOf(source) } } };
    case 'value':
      return { name: arg, value: source.value };
  }
}

/**
 * Argo splits a path at dots, so it cannot reach a label of the pod template whose key has a dot. It reads the Rollout's
 * own metadata differently, with any key. Such a label must be on both.
 */
export function fieldPathOf(source: ValueSource & { kind: 'label' | 'field' }): string {
  if (source.kind === 'field') return source.path;
  return onRolloutItself(source)
    ? `metadata.labels['${source.key}']`
    : `spec.template.metadata.labels.${source.key}`;
}

/** Whether the label has to be repeated in the Rollout's own metadata. */
export function onRolloutItself(source: ValueSource): boolean {
  return source.kind === 'label' && source.key.includes('.');
}
