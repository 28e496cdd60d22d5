import type { Cuj, Registry, Service } from '../../../domain/registry/model.ts';
import { type Failure, failureOf, grpcStatuses, serverErrors } from '../../../domain/sli/failure.ts';
import { queryLabelOf } from './failure-terms.ts';
import { type EventMetricNames, safeKey, safeValue } from './query-text.ts';

export interface SpanMetricNames extends EventMetricNames {
  /** Failures without the tag that tells endpoints apart. Absent where all spans have it. */
  readonly lost?: string;
}

/**
 * The metrics that Datadog makes of the spans of a service whose source is `spans`. This is the one place that names them: `generate
 * terraform` makes them, and verdicts, SLOs and doctor ask for them. What Datadog counts is in docs/development/datadog.md.
 *
 * There is a metric of all requests, and for each definition of failure one of those that fail and one of those that do not; by a status of
 * HTTP also one of those without a status. Where a tag of the application tells endpoints apart, one more counts failures that lack it: they
 * belong to no endpoint, and may be of any. All are made of the same spans by filters alone, so that the parts add up to all. A tag of the
 * status would do with one metric, if it was known what becomes of spans that lack it.
 */
export function spanMetricNames(service: Service, failure: Failure | undefined): SpanMetricNames {
  const base = baseOf(service);
  const of = failure ?? failureOf('5xx');
  const label = shortened(queryLabelOf(of), maxLabelLength);
  return {
    total: `${base}.hits`,
    failed: `${base}.failed.${label}`,
    good: `${base}.good.${label}`,
    ...(of.by.kind === 'http' ? { noStatus: `${base}.no_status` } : {}),
    // Every span has a resource.
    ...(service.spans?.endpointTag === undefined ? {} : { lost: `${base}.lost.${label}` }),
  };
}

/** A name of a metric has 200 characters: the parts of ours have as many at most, and 25 are around them. */
const maxNameLength = 60;
const maxEnvLength = 30;
const maxOperationLength = 40;
const maxLabelLength = 36;

function baseOf({ name, env, operation, spans }: Service): string {
  if (spans === undefined) throw new TypeError(`service "${name}" is not measured by its spans`);
  // Two registries may have a service of this name, in two envs. With another operation, other spans are counted.
  const parts = [
    [name, maxNameLength],
    [spans.environment ?? env, maxEnvLength],
    [operation ?? '', maxOperationLength],
  ] as const;
  return ['cuj_gate.spans', ...parts.map(([part, most]) => shortened(metricWord(part), most))].join('.');
}

/** A text that fits: of a longer one its begin, and a hash that tells it from others. */
function shortened(text: string, most: number): string {
  if (text.length <= most) return text;
  // FNV-1a.
  let hash = 0x811c9dc5;
  for (const character of text) hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193) >>> 0;
  const digits = hash.toString(16).padStart(8, '0');
  return `${text.slice(0, most - digits.length - 1)}_${digits}`;
}

function metricWord(name: string): string {
  return name.replace(/[^a-z0-9_]/g, '_');
}

/** The tag of the metrics that tells endpoints apart. */
export function endpointTagOf({ spans }: Service): string {
  return spans?.endpointTag ?? 'resource_name';
}

/** A metric to be made of the spans of a service. */
export interface SpanMetric {
  readonly name: string;
  /** In the syntax of the search for spans. */
  readonly filter: string;
  /** Attributes of the spans by the tag that each becomes. */
  readonly tags: ReadonlyMap<string, string>;
}

/** The definitions of failure by which CUJs judge a service, in the order of their texts; undefined: 5XX. */
export function spanFailuresOf(service: string, cujs: Iterable<Cuj>): readonly (Failure | undefined)[] {
  const found = new Map<string, Failure | undefined>();
  for (const { endpoints } of cujs)
    for (const { service: of, failure } of endpoints)
      if (of === service) found.set(failure?.text ?? '', failure);
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, failure]) => failure);
}

/** All metrics that the CUJs of a registry need of a service, by name. */
export function spanMetricsOf(registry: Registry, service: Service): readonly SpanMetric[] {
  const metrics = new Map<string, SpanMetric>();
  const spans = [
    `env:"${safeValue(service.env)}"`,
    `service:"${safeValue(service.name)}"`,
    `operation_name:"${service.operation}"`,
  ];
  const tags = tagsOf(service);
  for (const failure of spanFailuresOf(service.name, registry.cujs.values())) {
    const names = spanMetricNames(service, failure);
    const terms = spanTermsOf(failure);
    const add = (name: string | undefined, conditions: readonly string[], own = tags) => {
      if (name !== undefined)
        metrics.set(name, { name, filter: [...spans, ...conditions].join(' '), tags: own });
    };
    add(names.total, []);
    add(names.failed, [anyOf(terms.bad)]);
    add(names.good, terms.good);
    add(names.noStatus, terms.noStatus ?? []);
    const endpointTag = endpointTagOf(service);
    add(
      names.lost,
      [anyOf(terms.bad), `-${spanAttributeOf(endpointTag)}:*`],
      new Map([...tags].filter(([tag]) => tag !== endpointTag)),
    );
  }
  return [...metrics.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** What a definition of failure is in a search for spans. */
export interface SpanTerms {
  /** A failed request meets at least one. */
  readonly bad: readonly string[];
  /** One that did not fail meets all. */
  readonly good: readonly string[];
  /** One without a status meets all. Absent where nothing is known of them. */
  readonly noStatus?: readonly string[];
}

/**
 * Where tracers write the status of gRPC on a span. The Agent reads these for `rpc.grpc.status_code` of trace metrics, as a number or as a
 * name (datadog-agent, pkg/trace/stats); spans keep what the tracer wrote.
 */
const grpcAttributes = ['rpc.grpc.status_code', 'grpc.code', 'rpc.grpc.status.code', 'grpc.status.code'];

/** The terms of a definition; undefined: 5XX. Ranges of statuses are what Datadog's documentation of the search shows. */
export function spanTermsOf(failure: Failure | undefined): SpanTerms {
  const by = failure?.by ?? serverErrors;
  if (by.kind === 'errors') return { bad: ['status:error'], good: ['-status:error'] };
  if (by.kind === 'client') throw new TypeError(`spans do not count ${by.event}s of a client`);
  if (by.kind === 'grpc') {
    const oneOf = (codes: readonly number[]) =>
      grpcAttributes.map((attribute) => `@${attribute}:(${codes.flatMap(grpcTexts).join(' OR ')})`);
    const others = grpcStatuses.map((_, code) => code).filter((code) => !by.codes.includes(code));
    return { bad: oneOf(by.codes), good: [anyOf(oneOf(others))] };
  }
  const status = '@http.status_code';
  const any = `${status}:[100 TO 599]`;
  const bad = [
    ...by.classes.map((digit) => `${status}:[${digit}00 TO ${digit}99]`),
    ...by.codes.map((code) => `${status}:${code}`),
  ];
  return { bad, good: [any, ...bad.map((term) => `-${term}`)], noStatus: [`-${any}`] };
}

/** A status of gRPC as tracers write it: `14`, `UNAVAILABLE`, `Unavailable`, `StatusCode.UNAVAILABLE`. */
function grpcTexts(code: number): readonly string[] {
  const name = grpcStatuses[code] as string;
  const camel = name
    .split('_')
    .map((word) => `${word[0]}${word.slice(1).toLowerCase()}`)
    .join('');
  // Go writes it with one l.
  const others = name === 'CANCELLED' ? ['CANCELED', 'Canceled'] : [];
  return [...new Set([String(code), name, name === 'OK' ? name : camel, `StatusCode.${name}`, ...others])];
}

function anyOf(terms: readonly string[]): string {
  return terms.length === 1 ? (terms[0] as string) : `(${terms.join(' OR ')})`;
}

/** What a span has as tags of where it runs, and not as attributes that the application sets. */
const infrastructure =
  /^(env|service|version|host|cluster_name|region|availability-zone|(kube|pod|container|image|docker|ecs)_.+)$/;

/** Where spans have what becomes a tag. */
export function spanAttributeOf(key: string): string {
  return infrastructure.test(key) || key === 'resource_name' ? key : `@${key}`;
}

function tagsOf(service: Service): ReadonlyMap<string, string> {
  const { canary, stable, tags = [] } = service;
  const keys = [...canary.terms, ...(stable?.terms ?? []), ...tags].map(({ key }) => safeKey(key));
  const all = new Set(['env', 'service', endpointTagOf(service), ...keys]);
  return new Map([...all].sort().map((key) => [key, spanAttributeOf(key)]));
}
