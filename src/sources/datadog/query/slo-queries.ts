import type { SloFacts } from '../../../domain/ports/backend-facts.ts';
import type { Cuj, Endpoint, Registry, Service } from '../../../domain/registry/model.ts';
import { storedClientName } from '../../../domain/registry/resolve-client.ts';
import type { Source } from '../../../domain/registry/source-dialect.ts';
import type { Failure } from '../../../domain/sli/failure.ts';
import { endpointsCountedBy } from '../../../domain/sli/kind.ts';
import { type SliName, sliKinds } from '../../../domain/sli/table.ts';
import { clientMetricNames, nameTagOf } from './client-metrics.ts';
import {
  eventCountTexts,
  type TagScope,
  templateCountTexts,
  traceCountTexts,
  traceLatencyTexts,
} from './query-text.ts';
import { templateOf } from './source-template.ts';
import { endpointTagOf, spanMetricNames } from './span-metrics.ts';
import { possibleNames } from './span-queries.ts';
import { maxTagValueLength } from './tag-normalization.ts';

/**
 * A CUJ's events as Datadog's SLOs count them: the gate's own queries (query-text.ts) without the canary's selector, so
 * that an SLO and a verdict can never mean different requests.
 */
export interface SloEvents {
  /** Names are those of the formulas. */
  readonly queries: readonly { readonly name: string; readonly query: string }[];
  /** Which of the two is queried; the other is the rest of the total. */
  readonly queried: 'good' | 'bad';
  /** Sums over the queries; good + bad is the total. */
  readonly good: string;
  readonly bad: string;
  readonly total: string;
}

/** The name by which an SLO of ours is found in Datadog. */
export function sloName({ name, environment }: Pick<Cuj, 'name' | 'environment'>, sli: SliName): string {
  return `[cuj-gate] ${name} ${sli}${environment === undefined ? '' : ` (${environment})`}`;
}

/** The SLO in Datadog that a CUJ's SLI has: the one of its id, else the one with our own name. */
export function sloOf(slos: readonly SloFacts[], cuj: Cuj, sli: SliName): SloFacts | undefined {
  const id = cuj.sloIds[sli];
  return slos.find((slo) => (id === undefined ? slo.name === sloName(cuj, sli) : slo.id === id));
}

/** How the events of each SLI are queried. */
const countedBy: Readonly<
  Record<SliName, { readonly queried: 'good' | 'bad'; readonly groupsOf: (cuj: Cuj) => Group[] }>
> = {
  availability: { queried: 'bad', groupsOf: requestGroups },
  latency: { queried: 'good', groupsOf: latencyGroups },
  // By the good ones, so that a metric which is missing is not taken for no failures.
  client: { queried: 'good', groupsOf: clientGroups },
};

/** A filter's list of resources is cut into several queries beyond this many characters; Datadog publishes no limit. */
const maxListLength = 4_000;

/**
 * The events of one SLI. Services and resources are taken in the order of their names, so that moving an endpoint in the
 * registry changes nothing. Undefined where the CUJ has no endpoint for the SLI.
 */
export function sloEvents(registry: Registry, cuj: Cuj, sli: SliName): SloEvents | undefined {
  const { groupsOf, queried: usual } = countedBy[sli];
  const groups = groupsOf(cuj);
  const countsGood = groups.every(({ service }) => registry.services.get(service)?.spans !== undefined);
  const queried = countsGood ? 'good' : usual;
  if (groups.length === 0) return undefined;
  const queries: { name: string; query: string }[] = [];
  const parts: string[] = [];
  const totals: string[] = [];
  groups.forEach(({ service: name, resources, latencyMs, failure }, i) => {
    const service = registry.services.get(name) as Service;
    const scope = {
      env: service.env,
      tags: service.tags,
      services: [name],
      resources:
        service.client !== undefined
          ? resources.flatMap((resource) => possibleClientNames(cuj, resource))
          : resources.includes('*')
            ? undefined
            : service.spans === undefined
              ? resources
              : resources.flatMap((resource) => possibleNames([resource]) ?? []),
    };
    const texts = textsOf(service, registry.sources.get(service.source), { latencyMs, failure }, scope);
    const suffix = groups.length === 1 ? '' : `_${i + 1}`;
    const counts = texts.counts ?? queried;
    queries.push(
      { name: `total${suffix}`, query: texts.total },
      { name: `${counts}${suffix}`, query: texts.part },
    );
    totals.push(`total${suffix}`);
    parts.push(counts === queried ? `${counts}${suffix}` : `(total${suffix} - ${counts}${suffix})`);
  });
  const total = totals.join(' + ');
  const counted = parts.join(' + ');
  const rest = `${total} - ${parts.join(' - ')}`;
  return queried === 'bad'
    ? { queries, queried, total, bad: counted, good: rest }
    : { queries, queried, total, good: counted, bad: rest };
}

interface Group {
  readonly service: string;
  /** `*` alone is the whole service. */
  readonly resources: readonly string[];
  readonly latencyMs?: number;
  /** Which requests fail; undefined: 5XX, or what the source says. */
  readonly failure?: Failure | undefined;
}

function textsOf(
  service: Service,
  template: Source | undefined,
  { latencyMs, failure }: { readonly latencyMs: number | undefined; readonly failure: Failure | undefined },
  scope: TagScope,
): { total: string; part: string; counts?: 'good' } {
  if (failure?.by.kind === 'client') {
    const { total, rest } = eventCountTexts(
      clientMetricNames(service, failure.by),
      nameTagOf(failure.by.event),
      scope,
    );
    return { total, part: rest?.[0] as string };
  }
  if (service.spans !== undefined) {
    const texts = eventCountTexts(spanMetricNames(service, failure), endpointTagOf(service), scope);
    // By the good ones, so that a metric which is missing is not taken for no failures.
    return { total: texts.total, part: texts.rest?.[0] as string, counts: 'good' };
  }
  if (service.source !== 'trace') {
    if (template === undefined) throw new TypeError(`source "${service.source}" is not in the registry`);
    const { total, bad } = templateCountTexts(templateOf(template), scope);
    return { total, part: bad };
  }
  if (service.operation === undefined) throw new TypeError(`service "${service.name}" has no operation`);
  if (latencyMs === undefined) {
    const { total, bad } = traceCountTexts(service.operation, scope, failure);
    return { total, part: bad };
  }
  const { total, good } = traceLatencyTexts(service.operation, latencyMs, scope);
  return { total, part: good };
}

/** One query counts one definition of failure, so endpoints are grouped by theirs, 5XX first. */
function requestGroups(cuj: Cuj): Group[] {
  return groupsByFailure(endpointsCountedBy(sliKinds.availability, cuj.endpoints));
}

function clientGroups(cuj: Cuj): Group[] {
  return groupsByFailure(endpointsCountedBy(sliKinds.client, cuj.endpoints));
}

function groupsByFailure(all: readonly Endpoint[]): Group[] {
  return byService(all).flatMap(([service, endpoints]) => {
    const failures = new Map(endpoints.map(({ failure }) => [failure?.text ?? '', failure]));
    return [...failures]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([text, failure]) =>
        lists(endpoints.filter((endpoint) => (endpoint.failure?.text ?? '') === text)).map((resources) => ({
          service,
          resources,
          failure,
        })),
      );
  });
}

/** One query counts one threshold, so endpoints are grouped by theirs. */
function latencyGroups(cuj: Cuj): Group[] {
  const timed = cuj.endpoints.filter((endpoint) => endpoint.latencyMs !== undefined);
  return byService(timed).flatMap(([service, endpoints]) => {
    const thresholds = [...new Set(endpoints.map(({ latencyMs }) => latencyMs as number))].sort(
      (a, b) => a - b,
    );
    return thresholds.flatMap((latencyMs) =>
      lists(endpoints.filter((endpoint) => endpoint.latencyMs === latencyMs)).map((resources) => ({
        service,
        resources,
        latencyMs,
      })),
    );
  });
}

/**
 * How a name may be stored. Datadog replaces special characters by `_`; whether one is left at the end is not documented. No other name
 * of the registry is stored as either.
 */
function possibleClientNames({ endpoints }: Cuj, resource: string): readonly string[] {
  const stored = storedClientName(resource);
  const label = endpoints.find((endpoint) => endpoint.resource === resource)?.label ?? '';
  const isOpen = /[^\p{L}\p{N}:./-]$/u.test(label) && stored.length < maxTagValueLength;
  return isOpen ? [stored, `${stored}_`] : [stored];
}

function byService(endpoints: readonly Endpoint[]): [string, Endpoint[]][] {
  const found = new Map<string, Endpoint[]>();
  for (const endpoint of endpoints) {
    found.set(endpoint.service, [...(found.get(endpoint.service) ?? []), endpoint]);
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1));
}

function lists(endpoints: readonly Endpoint[]): string[][] {
  const all: string[][] = [];
  let length = 0;
  for (const resource of [...new Set(endpoints.map((endpoint) => endpoint.resource))].sort()) {
    const open = all.at(-1);
    if (open === undefined || length + resource.length > maxListLength) {
      all.push([resource]);
      length = resource.length;
    } else {
      open.push(resource);
      length += resource.length + 1;
    }
  }
  return all;
}
