import type { Failure } from '../sli/failure.ts';
import type { BatchService, Cuj, QueryBatch, Service } from './model.ts';
import type { Source } from './source-dialect.ts';

/** Bounds of one batch, so that no query grows with the registry. */
export const maxBatchServices = 20;
export const maxBatchResources = 250;
/** Services with metrics of their own, such as those made of spans: each is as many queries again, as a definition of failure is. */
const maxBatchOfOwnMetrics = 5;
/** Definitions of failure other than 5XX: each is as many queries again. */
export const maxBatchFailures = 4;

interface Asked {
  /** With repetitions: sorting these later takes a third of a set's memory. */
  readonly resources: string[];
  asWhole: boolean;
  /** Latency threshold in ms → resources, `*` for the whole service; with repetitions. */
  readonly thresholds: Map<number, string[]>;
  /** Definitions of failure other than 5XX, by their text; with repetitions. */
  readonly failures: Map<string, { readonly failure: Failure; readonly resources: string[] }>;
  /** How far back from now its furthest CUJ looks: window and lag together. */
  reachMs: number;
  lagMs: number;
}

function maxServicesOf({ dialect, client, spans }: Service): number {
  const own = client === undefined && spans === undefined ? maxBatchServices : maxBatchOfOwnMetrics;
  return Math.min(dialect.maxBatchServices ?? maxBatchServices, own);
}

/**
 * Which services are measured together: those that share env, tags, source and both selector templates, in the order of
 * their names, at most 20 services (5 of those with metrics of their own, or as many as the backend's dialect says), 250 resources, 4 definitions of failure other than 5XX, and as many characters of these as a filter holds (beyond that the
 * routes of all services would come back, and one with too many would spoil the answer for its neighbours). A service
 * with more is a batch of its own. Services that no CUJ names are in none. The same registry gives the same batches,
 * whatever the order of its entries.
 */
export function planBatches(
  services: ReadonlyMap<string, Service>,
  cujs: Iterable<Cuj>,
  sources: ReadonlyMap<string, Source>,
): readonly QueryBatch[] {
  const asked = new Map<string, Asked>();
  for (const cuj of cujs) collect(cuj, asked);

  const scopes = new Map<string, Service[]>();
  for (const name of [...asked.keys()].sort()) {
    const service = services.get(name);
    if (service === undefined) continue;
    const key = JSON.stringify([
      service.dialect.backend,
      service.env,
      // Left out where there are none: the order of batches is that of these keys.
      ...(service.tags === undefined ? [] : [service.tags]),
      service.source,
      service.canary.text,
      service.stable?.text,
    ]);
    const scope = scopes.get(key);
    if (scope === undefined) scopes.set(key, [service]);
    else scope.push(service);
  }

  const batches: QueryBatch[] = [];
  for (const key of [...scopes.keys()].sort()) {
    let open: BatchService[] = [];
    let resources = 0;
    let characters = 0;
    let failures = new Set<string>();
    for (const service of scopes.get(key) as Service[]) {
      const next = batchService(service, asked.get(service.name) as Asked);
      const lists = [next.resources, ...(next.failures ?? []).map((one) => one.resources)].flat();
      const more = lists.length;
      const longer = lists.reduce((sum, resource) => sum + resource.length + 1, 0);
      const own = (next.failures ?? []).map(({ failure }) => failure.text);
      const isFull =
        open.length === maxServicesOf(service) ||
        resources + more > maxBatchResources ||
        characters + longer > service.dialect.maxEndpointListLength ||
        new Set([...failures, ...own]).size > maxBatchFailures;
      if (open.length > 0 && isFull) {
        batches.push(batchOf(open, asked, sources));
        open = [];
        resources = 0;
        characters = 0;
        failures = new Set();
      }
      open.push(next);
      resources += more;
      characters += longer;
      for (const text of own) failures.add(text);
    }
    if (open.length > 0) batches.push(batchOf(open, asked, sources));
  }
  return batches;
}

function collect(cuj: Cuj, asked: Map<string, Asked>): void {
  const { gate } = cuj;
  const span = typeof gate.window === 'number' ? Math.max(gate.window, gate.maxWindowMs) : gate.maxWindowMs;
  for (const name of cuj.services) {
    const of = asked.get(name);
    if (of === undefined) {
      asked.set(name, {
        resources: [],
        asWhole: false,
        thresholds: new Map(),
        failures: new Map(),
        reachMs: span + gate.lagMs,
        lagMs: gate.lagMs,
      });
    } else {
      of.reachMs = Math.max(of.reachMs, span + gate.lagMs);
      of.lagMs = Math.min(of.lagMs, gate.lagMs);
    }
  }
  for (const endpoint of cuj.endpoints) {
    const of = asked.get(endpoint.service) as Asked;
    const { failure } = endpoint;
    if (failure !== undefined) {
      const known = of.failures.get(failure.text);
      if (known === undefined) of.failures.set(failure.text, { failure, resources: [endpoint.resource] });
      else known.resources.push(endpoint.resource);
    } else if (endpoint.resource === '*') of.asWhole = true;
    else of.resources.push(endpoint.resource);
    if (endpoint.latencyMs === undefined) continue;
    const threshold = of.thresholds.get(endpoint.latencyMs);
    if (threshold === undefined) of.thresholds.set(endpoint.latencyMs, [endpoint.resource]);
    else threshold.push(endpoint.resource);
  }
}

function batchOf(
  services: readonly BatchService[],
  asked: ReadonlyMap<string, Asked>,
  sources: ReadonlyMap<string, Source>,
): QueryBatch {
  const { env, tags, source, name } = (services[0] as BatchService).service;
  const parts = services.map(({ service }) => asked.get(service.name) as Asked);
  const lagMs = Math.min(...parts.map((part) => part.lagMs));
  return {
    // A service is in exactly one batch, so the first one's name identifies it. Env and tags tell environments apart.
    id: `${[env, ...(tags ?? []).map(({ key, value }) => `${key}:${value}`)].join(',')}/${source}/${name}${services.length > 1 ? `+${services.length - 1}` : ''}`,
    env,
    ...(tags === undefined ? {} : { tags }),
    source,
    template: sources.get(source),
    services,
    // The snapshot ends at the least lag; a CUJ with a longer one must still find the whole of its window in it.
    maxWindowMs: Math.max(...parts.map((part) => part.reachMs)) - lagMs,
    lagMs,
  };
}

function batchService(service: Service, of: Asked): BatchService {
  return {
    service,
    resources: sortedOnce(of.resources),
    asWhole: of.asWhole,
    thresholds: [...of.thresholds]
      .sort(([a], [b]) => a - b)
      .map(([latencyMs, resources]) => ({ latencyMs, resources: sortedOnce(resources) })),
    ...(of.failures.size === 0
      ? {}
      : {
          failures: [...of.failures.values()]
            .sort((a, b) => (a.failure.text < b.failure.text ? -1 : 1))
            .map(({ failure, resources }) => ({ failure, resources: sortedOnce(resources) })),
        }),
  };
}

function sortedOnce(texts: readonly string[]): string[] {
  return [...texts].sort().filter((text, index, all) => text !== all[index - 1]);
}
