import type { Cuj, Registry, Service } from '../../../domain/registry/model.ts';
import type { ClientEvent, ClientFailure } from '../../../domain/sli/client-failure.ts';
import { type EventMetricNames, safeKey, safeValue } from './query-text.ts';

/**
 * The metrics that Datadog makes of the events of a client (RUM). This is the one place that names them: `generate terraform` makes
 * them, and verdicts, SLOs and doctor ask for them. What Datadog counts, and when, is in docs/development/datadog.md.
 *
 * For each kind of event there is a metric of all, and for each definition of failure one of those that fail and one of all others.
 * The three are made of the same events, so that failed and good ones add up to all, and a metric that is missing is noticed.
 */

/** The tag that has the name of the view or the action. */
export function nameTagOf(event: ClientEvent): string {
  return `${event}_name`;
}

/** Throws TypeError where the service is no client. */
export function clientMetricNames({ name, client }: Service, by: ClientFailure): EventMetricNames {
  if (client === undefined) throw new TypeError(`service "${name}" is no client`);
  const environment = client.environment === undefined ? '' : `.${metricWord(client.environment)}`;
  // Of two applications with a client of this name, as in two registries, each has metrics of its own.
  const events = `cuj_gate.rum.${metricWord(name)}_${client.id.slice(0, 8)}${environment}.${by.event}s`;
  const slow = by.slowMs === undefined ? [] : [`slow_${by.slowMs}ms`];
  const definition = [...by.signals, ...slow].join('_');
  return { total: events, failed: `${events}.failed.${definition}`, good: `${events}.good.${definition}` };
}

function metricWord(name: string): string {
  return name.replace(/[^a-z0-9_]/g, '_');
}

/** The definitions of failure by which CUJs judge a client, by their text. */
export function clientFailuresOf(service: string, cujs: Iterable<Cuj>): ReadonlyMap<string, ClientFailure> {
  const found = new Map<string, ClientFailure>();
  for (const { endpoints } of cujs) {
    for (const { service: of, failure } of endpoints) {
      if (of !== service || failure?.by.kind !== 'client') continue;
      found.set(failure.text, failure.by);
    }
  }
  return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** A metric to be made of a client's events. */
export interface ClientMetric {
  readonly name: string;
  readonly event: ClientEvent;
  /** In the syntax of RUM's search. */
  readonly filter: string;
  /** Attributes of the events by the tag that each becomes. */
  readonly tags: ReadonlyMap<string, string>;
}

/** All metrics that the CUJs of a registry need of a client, by name. */
export function clientMetricsOf(registry: Registry, service: Service): readonly ClientMetric[] {
  const cujs = [...registry.cujs.values()];
  const metrics = new Map<string, ClientMetric>();
  for (const by of clientFailuresOf(service.name, cujs).values()) {
    const { event } = by;
    const names = clientMetricNames(service, by);
    const events = eventFilter(service, event, namesOf(service.name, event, cujs));
    const tags = tagsOf(service, event);
    const add = (name: string, ...conditions: readonly string[]) =>
      metrics.set(name, { name, event, filter: [events, ...conditions].join(' '), tags });
    const fails = failTerms(by);
    add(names.total);
    add(names.failed, fails.length === 1 ? (fails[0] as string) : `(${fails.join(' OR ')})`);
    add(names.good, ...fails.map((term) => `-${term}`));
  }
  return [...metrics.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Which events of the application all of the metrics count: those of real users on the views or with the actions of the CUJs. */
function eventFilter({ env, client }: Service, event: ClientEvent, names: readonly string[]): string {
  const quoted = names.map(quotedName);
  return [
    `@application.id:${client?.id}`,
    // Not those of synthetic tests, which no user has.
    '@session.type:user',
    `env:"${safeValue(env)}"`,
    `@${event}.name:${quoted.length === 1 ? quoted[0] : `(${quoted.join(' OR ')})`}`,
  ].join(' ');
}

/** The names as written, which the resolution of the registry has checked, sorted. */
function namesOf(service: string, event: ClientEvent, cujs: readonly Cuj[]): readonly string[] {
  const labels = cujs.flatMap(({ endpoints }) =>
    endpoints.flatMap(({ service: of, failure, label }) =>
      of === service && failure?.by.kind === 'client' && failure.by.event === event
        ? label.slice(event.length + 1)
        : [],
    ),
  );
  return [...new Set(labels)].sort();
}

function quotedName(name: string): string {
  if (/["\\]|\p{C}/u.test(name)) throw new TypeError(`${JSON.stringify(name)} may not enter a search`);
  return `"${name}"`;
}

/** Conditions of which a failed event meets at least one. Times are in nanoseconds. */
export function failTerms({ event, signals, slowMs }: ClientFailure): readonly string[] {
  const terms = {
    error: `@${event}.error.count:>0`,
    frustration: event === 'view' ? '@view.frustration.count:>0' : '@action.frustration.type:*',
  };
  return [
    ...signals.map((signal) => terms[signal]),
    ...(slowMs === undefined ? [] : [`@${event}.loading_time:>${slowMs * 1_000_000}`]),
  ];
}

/** Tags that events have by themselves. Others are attributes that the application adds to their context. */
const ownTags = new Set(['env', 'service', 'version']);

/** Where events have what becomes a tag. */
export function attributeOf(key: string): string {
  return ownTags.has(key) ? key : `@context.${key}`;
}

function tagsOf({ canary, stable, tags = [] }: Service, event: ClientEvent): ReadonlyMap<string, string> {
  const keys = [...canary.terms, ...(stable?.terms ?? []), ...tags].map(({ key }) => safeKey(key));
  return new Map([
    ...[...new Set(['env', ...keys])].sort().map((key): [string, string] => [key, attributeOf(key)]),
    [nameTagOf(event), `@${event}.name`],
  ]);
}
