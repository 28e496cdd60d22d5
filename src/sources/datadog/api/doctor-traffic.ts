import type { SentQuery } from '../../../domain/metrics/metrics-source.ts';
import type { OperationFacts, ServiceFacts } from '../../../domain/ports/backend-facts.ts';
import type { JsonApi } from '../../../domain/ports/json-api.ts';
import type { Registry, ScopeTag, Service } from '../../../domain/registry/model.ts';
import { failureKindsOf, failureOf, failureTextOf } from '../../../domain/sli/failure.ts';
import { endpointsCountedBy } from '../../../domain/sli/kind.ts';
import { sliKinds } from '../../../domain/sli/table.ts';
import { templateCountTexts, traceCountTexts, traceLatencyTexts } from '../query/query-text.ts';
import { sloEvents } from '../query/slo-queries.ts';
import { templateOf } from '../query/source-template.ts';
import { askClient } from './doctor-client.ts';
import { askSpans } from './doctor-spans.ts';
import { type GroupTotal, groupTotals, sharesBy } from './metadata-api.ts';

/** Requests as the Istio mesh counts them, by destination. */
export const meshMetric = 'istio.mesh.request.count';

const grpcTag = 'rpc.grpc.status_code';

/** A group of services that one call can ask for together. */
export interface ServiceGroup {
  readonly env: string;
  readonly tags: readonly ScopeTag[] | undefined;
  readonly source: string;
  /** Set for trace metrics. */
  readonly operation: string | undefined;
  readonly services: readonly Service[];
}

/** Tag keys by which a service's canary and stable are told apart. `service` and `env` name the scope itself. */
export function selectorKeys({ canary, stable }: Service): string[] {
  const keys = [...canary.terms, ...(stable?.terms ?? [])].map(({ key }) => key);
  return [...new Set(keys)].filter((key) => key !== 'service' && key !== 'env');
}

/** What the services of a ward had in a span: one call. Throws SourceError. */
export async function askServiceGroup(
  api: JsonApi,
  registry: Registry,
  ward: ServiceGroup,
  mesh: boolean,
  fromMs: number,
  toMs: number,
): Promise<Map<string, ServiceFacts>> {
  const [first] = ward.services;
  if (first?.client !== undefined) return askClient(api, registry, first, selectorKeys(first), fromMs, toMs);
  if (first?.spans !== undefined) return askSpans(api, registry, first, selectorKeys(first), fromMs, toMs);
  return ward.operation === undefined
    ? askTemplate(api, registry, ward.services[0] as Service, fromMs, toMs)
    : askTrace(api, registry, { ...ward, operation: ward.operation }, mesh, fromMs, toMs);
}

async function askTrace(
  api: JsonApi,
  registry: Registry,
  { env, tags, operation, services }: ServiceGroup & { readonly operation: string },
  mesh: boolean,
  fromMs: number,
  toMs: number,
): Promise<Map<string, ServiceFacts>> {
  const names = services.map(({ name }) => name);
  const scope = { env, tags, services: names };
  const count = (...by: string[]) => traceCountTexts(operation, { ...scope, by: ['service', ...by] });
  const keys = [...new Set(services.flatMap(selectorKeys))];
  const timed = thresholdOf(registry, names);
  const kinds = new Map(names.map((name) => [name, failureKindsOf(name, registry.cujs.values())]));
  const uses = (kind: 'grpc' | 'errors') => [...kinds.values()].some((of) => of.has(kind));
  const errors = traceCountTexts(operation, { ...scope, by: ['service'] }, failureOf('errors')).bad;
  // All envs: a wrong env is then seen with the right one beside it.
  const everywhere = count('env').total.replace(`{env:${env} AND `, '{');
  const list = names.length === 1 ? `:${names[0]}` : ` IN (${names.join(',')})`;
  const totals = await groupTotals(
    api,
    [
      { name: 'bad', query: count().bad },
      { name: 'routes', query: count('resource_name').total },
      { name: 'codes', query: count('http.status_code').total },
      { name: 'envs', query: everywhere },
      ...(uses('grpc') ? [{ name: 'grpc', query: count(grpcTag).total }] : []),
      ...(uses('errors') ? [{ name: 'errors', query: errors }] : []),
      ...keys.map((key, i) => ({ name: `key${i}`, query: count(key).total })),
      ...(timed === undefined
        ? []
        : [
            {
              name: 'timed',
              query: traceLatencyTexts(operation, timed, { ...scope, by: ['service'] }).total,
            },
          ]),
      ...(mesh
        ? [
            {
              name: 'mesh',
              query: `sum:${meshMetric}{destination_service_name${list}} by {destination_service_name}.as_count()`,
            },
          ]
        : []),
    ],
    fromMs,
    toMs,
  );
  return new Map(
    services.map((service) => {
      const where = { service: service.name };
      const sum = (name: string) => sharesBy(totals.get(name), 'service', where).get(service.name) ?? 0;
      const envs = sharesBy(totals.get('envs'), 'env', where);
      const meshRequests = sharesBy(totals.get('mesh'), 'destination_service_name').get(service.name);
      const facts: ServiceFacts = {
        total: envs.get(env) ?? 0,
        bad: sum('bad'),
        routes: sharesBy(totals.get('routes'), 'resource_name', where),
        statusCodes: sharesBy(totals.get('codes'), 'http.status_code', where),
        ...(kinds.get(service.name)?.has('grpc')
          ? { grpcCodes: sharesBy(totals.get('grpc'), grpcTag, where) }
          : {}),
        ...(kinds.get(service.name)?.has('errors') ? { errors: sum('errors') } : {}),
        selectorValues: new Map(
          selectorKeys(service).map((key) => [
            key,
            sharesBy(totals.get(`key${keys.indexOf(key)}`), key, where),
          ]),
        ),
        ...(timed === undefined ? {} : { timed: sum('timed') }),
        envs,
        ...(meshRequests === undefined ? {} : { meshRequests }),
      };
      return [service.name, facts];
    }),
  );
}

async function askTemplate(
  api: JsonApi,
  registry: Registry,
  service: Service,
  fromMs: number,
  toMs: number,
): Promise<Map<string, ServiceFacts>> {
  const source = registry.sources.get(service.source);
  if (source === undefined) return new Map();
  const template = templateOf(source);
  const texts = (by: string[]) =>
    templateCountTexts(template, { env: service.env, tags: service.tags, services: [service.name], by });
  const keys = selectorKeys(service);
  const queries: SentQuery[] = [
    { name: 'total', query: texts([]).total },
    { name: 'bad', query: texts([]).bad },
    ...(template.groupBy === undefined ? [] : [{ name: 'routes', query: texts([template.groupBy]).total }]),
    ...keys.map((key, i) => ({ name: `key${i}`, query: texts([key]).total })),
  ];
  const totals = await groupTotals(api, queries, fromMs, toMs);
  const sum = (groups: readonly GroupTotal[] | undefined) =>
    groups?.reduce((all, { total }) => all + total, 0) ?? 0;
  return new Map([
    [
      service.name,
      {
        total: sum(totals.get('total')),
        bad: sum(totals.get('bad')),
        routes: template.groupBy === undefined ? undefined : sharesBy(totals.get('routes'), template.groupBy),
        selectorValues: new Map(keys.map((key, i) => [key, sharesBy(totals.get(`key${i}`), key)])),
      },
    ],
  ]);
}

/** Any latency threshold on one of the services: the distribution is there for all of them or for none. */
function thresholdOf(registry: Registry, services: readonly string[]): number | undefined {
  for (const cuj of registry.cujs.values()) {
    for (const { service, latencyMs } of cuj.endpoints) {
      if (latencyMs !== undefined && services.includes(service)) return latencyMs;
    }
  }
  return undefined;
}

/**
 * Requests and failures, of any version, of the CUJs whose failures are not 5XX on all endpoints, by the queries of their SLOs: one call
 * for so many of them. Throws SourceError.
 */
export async function askFailing(
  api: JsonApi,
  registry: Registry,
  fromMs: number,
  toMs: number,
): Promise<Map<string, { total: number; bad: number }>> {
  const found = new Map<string, { total: number; bad: number }>();
  const cujs = [...registry.cujs.values()].filter(
    (cuj) =>
      cuj.objectives.availability !== undefined &&
      failureTextOf(endpointsCountedBy(sliKinds.availability, cuj.endpoints)) !== undefined,
  );
  for (let at = 0; at < cujs.length; at += maxCujsOfCall) {
    const some = cujs.slice(at, at + maxCujsOfCall);
    const asked = some.flatMap((cuj, i) =>
      (sloEvents(registry, cuj, 'availability')?.queries ?? []).map(({ name, query }) => ({
        cuj: cuj.name,
        isBad: name.startsWith('bad'),
        name: `f${i}_${name}`,
        query,
      })),
    );
    const totals = await groupTotals(api, asked, fromMs, toMs);
    for (const { cuj, isBad, name } of asked) {
      const counts = found.get(cuj) ?? { total: 0, bad: 0 };
      found.set(cuj, counts);
      counts[isBad ? 'bad' : 'total'] += (totals.get(name) ?? []).reduce((sum, { total }) => sum + total, 0);
    }
  }
  return found;
}

const maxCujsOfCall = 20;

/** The operations under which services have hits, other than their own: one call. Throws SourceError. */
export async function askElsewhere(
  api: JsonApi,
  registry: Registry,
  names: readonly string[],
  operations: readonly string[],
  fromMs: number,
  toMs: number,
): Promise<Map<string, OperationFacts[]>> {
  const envs = [...new Set(names.map((name) => (registry.services.get(name) as Service).env))];
  const asked = operations.flatMap((operation, at) =>
    envs.map((env, of) => {
      const services = names.filter((name) => registry.services.get(name)?.env === env);
      const { total } = traceCountTexts(operation, { env, services, by: ['service', 'resource_name'] });
      return { operation, services, name: `other${at}_${of}`, query: total };
    }),
  );
  const totals = await groupTotals(api, asked, fromMs, toMs);
  const found = new Map<string, OperationFacts[]>(names.map((name) => [name, []]));
  for (const { operation, services, name } of asked) {
    for (const service of services) {
      if (registry.services.get(service)?.operation === operation) continue;
      const routes = sharesBy(totals.get(name), 'resource_name', { service });
      if (routes.size > 0) found.get(service)?.push({ operation, routes });
    }
  }
  return found;
}
