import { listed } from '../domain/name-lists.ts';
import { queryAt } from '../domain/registry/resolve-endpoints.ts';
import { methods } from '../domain/registry/schema.ts';
import { normalizeParam } from '../domain/registry/selector.ts';
import { prometheusDialect } from '../sources/prometheus/query/dialect.ts';
import type { ProposedSource } from '../sources/prometheus/query/found-counters.ts';
import { groupRoutes, type RouteGroup, unique } from './group.ts';
import { busiest, comment, cujLines, percent, proposalText, quoted } from './proposal.ts';
import { type FoundRoute, type LeftOut, sortOut } from './routes.ts';

/** What a registry over Prometheus is proposed from. */
export interface PrometheusProposalInput {
  readonly env: string;
  /** Busiest first. */
  readonly services: readonly ProposedService[];
  readonly leftOut: readonly LeftOut[];
  readonly from: string;
  /** The number of routes of each service, busiest first. */
  readonly top: number;
  /** More to know about all of it, each in one line. */
  readonly notes: readonly string[];
}

export interface ProposedService {
  readonly name: string;
  readonly source: ProposedSource;
  readonly canary: ProposedCanary;
  readonly routes: readonly FoundRoute[];
  readonly leftOut: readonly LeftOut[];
  /** What remains to be checked about it, each in one line. */
  readonly notes: readonly string[];
  /** Share of the traffic of all services; undefined where it was not measured. */
  readonly share: number | undefined;
}

/** The label that tells the canary apart. */
export interface ProposedCanary {
  readonly label: string;
  readonly note: string;
}

type Shares = ReadonlyMap<string, number>;

/** What proxies write where they know no version, and what nobody set. */
const noVersions = new Set(['', 'unknown', 'latest', 'none', 'null', 'undefined']);

/**
 * The label that can tell the canary from stable, by requests by the values of each candidate, best first. A label with several
 * values is better than one with a single value.
 */
export function chooseCanary(candidates: ReadonlyMap<string, Shares>, fallback: string): ProposedCanary {
  const found = [...candidates].map(([label, shares]) => {
    const values = [...shares.keys()].filter((value) => !noVersions.has(value));
    const usable = values.filter((value) => !('error' in normalizeParam(label, value, prometheusDialect)));
    const total = [...shares.values()].reduce((sum, count) => sum + count, 0);
    return { label, values, usable, unset: total === 0 ? 0 : (shares.get('') ?? 0) / total };
  });
  const one =
    found.find(({ usable }) => usable.length > 1) ?? found.find(({ usable }) => usable.length === 1);
  const others = found
    .filter((other) => other !== one && other.usable.length > 1)
    .map(({ label, usable }) => `${label} (${listed(usable, 3)})`);
  if (one === undefined) {
    const unusable = found.find(({ values }) => values.length > 0);
    return unusable === undefined
      ? {
          label: fallback,
          note: `CHECK: no series has a label of the version (${[...candidates.keys()].join(', ')}); without one nothing passes`,
        }
      : {
          label: unusable.label,
          note: `CHECK: its values cannot be asked for, such as ${JSON.stringify(unusable.values[0])}; a version is one word of letters, digits and . _ - : / @ + =`,
        };
  }
  const { label, usable, unset } = one;
  const parts = [
    usable.length === 1
      ? `CHECK: ${listed(usable, 3)} only; it must be another value for each release`
      : `versions: ${listed(usable, 3)}`,
    ...(unset > 0.001 ? [`${percent(unset)} of the requests have no ${label}: they are stable's`] : []),
    ...(others.length === 0 ? [] : [`also: ${others.join(', ')}`]),
  ];
  return { label, note: parts.join('; ') };
}

/** An endpoint as its labels have it, joined by spaces. */
export function routeOfEndpoint(endpoint: string, share: number): FoundRoute | LeftOut {
  const space = endpoint.indexOf(' ');
  const [method, path] = [endpoint.slice(0, space), endpoint.slice(space + 1)];
  const isRoute = (methods as readonly string[]).includes(method) && /^\/\S*$/.test(path);
  const leave = (why: string): LeftOut => ({ label: endpoint, share, why });
  if (endpoint === '*') return leave('a resource cannot be "*"');
  const raw = (isRoute ? path : endpoint).split('/').find((segment) => identifier.test(segment));
  if (raw !== undefined && !/^\S* ?\/\d{3}$/.test(endpoint))
    return leave(`it holds the identifier ${raw}: let the application report the route`);
  if (!isRoute) {
    if (endpoint.length > 200) return leave('its name is longer than 200 characters');
    return { label: endpoint, route: undefined, resource: endpoint, share, tag: undefined };
  }
  if (queryAt(path) >= 0) return leave('it holds a query, which is no part of a route');
  if (endpoint.length > 1_000) return leave('its name is longer than 1000 characters');
  return { label: endpoint, route: { method, path }, resource: endpoint, share, tag: undefined };
}

/** A number, a UUID, or a long text in hexadecimal digits. */
const identifier = /^(\d+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{20,})$/i;

/** A registry to edit, as valid YAML with marked decisions. Precondition: there is a service. */
export function proposePrometheusRegistry(input: PrometheusProposalInput): string {
  const { services, env, top, notes } = input;
  const several = services.length > 1;
  const leftOut: LeftOut[] = [...input.leftOut];
  const names = new SourceNames();
  const groups: { readonly group: RouteGroup; readonly service: ProposedService; readonly why?: string }[] =
    [];
  for (const service of services) {
    const sorted = sortOut(service.routes, prometheusDialect, (resource) => /^[A-Za-z/]/.test(resource));
    const { kept, leftOut: rest } = busiest(sorted, top);
    const labelled = (one: LeftOut) => (several ? { ...one, label: `${service.name}: ${one.label}` } : one);
    leftOut.push(...[...service.leftOut, ...rest].map(labelled));
    if (kept.length > 0) groups.push(...groupRoutes(kept).map((group) => ({ group, service })));
    else {
      const { endpointLabels, total } = service.source.parsed;
      const why =
        endpointLabels.length === 0
          ? `${total.metric} does not tell endpoints apart`
          : 'CHECK: no endpoint with traffic can be proposed; all requests are judged as one';
      const [group] = groupRoutes([whole(service)]);
      groups.push({ group: { ...(group as RouteGroup), routes: [] }, service, why });
    }
  }
  const unified = unique(groups.map(({ group }) => group));
  return proposalText({
    from: input.from,
    gate: ['  gate: { maxWindow: 1h } # a question reads the samples of this time'],
    sources: [...notes.map((note) => `  # ${comment(note)}`), ...sourceLines(services, names)],
    services: services.flatMap((service) => serviceLines(service, env, names)),
    cujs: groups.flatMap(({ service, why }, i) => {
      const group = unified[i] as RouteGroup;
      return why === undefined ? cujLines(group, service.name, graphqlNote) : wholeLines(group, service, why);
    }),
    leftOut,
  });
}

/** Sources of equal text are one, and others have different names. */
class SourceNames {
  readonly #byText = new Map<string, string>();

  nameOf({ name, document }: ProposedSource): string {
    const text = JSON.stringify(document);
    const known = this.#byText.get(text);
    if (known !== undefined) return known;
    const taken = new Set(this.#byText.values());
    let free = name;
    for (let number = 2; taken.has(free); number += 1) free = `${name}-${number}`;
    this.#byText.set(text, free);
    return free;
  }
}

function sourceLines(services: readonly ProposedService[], names: SourceNames): string[] {
  const written = new Set<string>();
  return services.flatMap(({ source }) => {
    const name = names.nameOf(source);
    if (written.has(name)) return [];
    written.add(name);
    const { total, bad, groupBy } = source.document;
    if (total.startsWith('preset:')) return [`  ${name}: { total: "${total}", bad: "${bad}" }`];
    return [
      `  ${name}:`,
      `    total: ${scalar(total)}`,
      `    bad: ${scalar(bad)} # CHECK: what counts as a failure`,
      ...(groupBy === undefined ? [] : [`    groupBy: ${groupBy}`]),
    ];
  });
}

function serviceLines(
  { name, source, canary, notes }: ProposedService,
  env: string,
  names: SourceNames,
): string[] {
  return [
    ...notes.map((note) => `  # ${comment(note)}`),
    `  ${quoted(name)}: # the label ${source.own.label}`,
    `    env: ${quoted(env)} # a name only: no label is compared with it`,
    `    source: ${names.nameOf(source)}`,
    `    canary: "${canary.label}:{version}" # ${comment(canary.note)}`,
  ];
}

function whole({ name, share }: ProposedService): FoundRoute {
  return { label: name, route: undefined, resource: name, share, tag: name };
}

function wholeLines({ name, share }: RouteGroup, { name: service }: ProposedService, why: string): string[] {
  return [
    `  - name: ${quoted(name)}${share === undefined ? '' : ` # ${percent(share)} of the traffic`}`,
    '    owner: CHANGE-ME',
    `    service: ${quoted(service)}`,
    '    mode: observe # judged and shown, never fails a rollout',
    `    endpoints: "*" # ${comment(why)}`,
    '',
  ];
}

function graphqlNote({ route }: FoundRoute): string | undefined {
  return route !== undefined && /\/graphql\/?$/.test(route.path)
    ? 'CHECK: GraphQL answers most failures with 200, which is no failure here'
    : undefined;
}

/** A selector as a YAML scalar: plain as people write it, where that is certain to be read as the same text. */
function scalar(text: string): string {
  return /^[\w:]+\{[^#'\\\p{C}]*\}$/u.test(text) && !/:\s/.test(text) ? text : JSON.stringify(text);
}
