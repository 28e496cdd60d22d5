import type { SentQuery } from '../../../domain/metrics/metrics-source.ts';
import type { ServiceFacts } from '../../../domain/ports/backend-facts.ts';
import type { JsonApi } from '../../../domain/ports/json-api.ts';
import type { Registry, Service } from '../../../domain/registry/model.ts';
import { eventCountTexts, traceCountTexts } from '../query/query-text.ts';
import { endpointTagOf, spanFailuresOf, spanMetricNames } from '../query/span-metrics.ts';
import { normalizeTagValue } from '../query/tag-normalization.ts';
import { groupTotals, sharesBy } from './metadata-api.ts';

/**
 * What a service had in a span of time, by the metrics that are made of its spans: one call. Trace metrics count all of its requests, so
 * they tell how many of them have a span. Throws SourceError.
 */
export async function askSpans(
  api: JsonApi,
  registry: Registry,
  service: Service,
  keys: readonly string[],
  fromMs: number,
  toMs: number,
): Promise<Map<string, ServiceFacts>> {
  const failures = spanFailuresOf(service.name, registry.cujs.values());
  const [first] = failures;
  if (failures.length === 0) return new Map();
  const scope = { env: service.env, tags: service.tags, services: [service.name] };
  const endpointTag = endpointTagOf(service);
  const texts = (failure: typeof first, ...by: string[]) =>
    eventCountTexts(spanMetricNames(service, failure), endpointTag, { ...scope, by });
  const requests = traceCountTexts(service.operation as string, {
    env: service.env,
    services: [service.name],
  });
  const queries: SentQuery[] = [
    { name: 'total', query: texts(first).total },
    { name: 'routes', query: texts(first, endpointTag).total },
    { name: 'traced', query: requests.total },
    { name: 'traced_bad', query: requests.bad },
    ...keys.map((key, i) => ({ name: `key${i}`, query: texts(first, key).total })),
    ...failures.flatMap((failure, i) => {
      const { bad, rest = [] } = texts(failure);
      return [
        { name: `bad${i}`, query: bad },
        ...rest.slice(1).map((query) => ({ name: 'no_status', query })),
      ];
    }),
  ];
  const asked = new Map(queries.map((query) => [query.name, query]));
  const totals = await groupTotals(api, [...asked.values()], fromMs, toMs);
  const sum = (name: string) => (totals.get(name) ?? []).reduce((all, { total }) => all + total, 0);
  const routes = new Map<string, number>();
  for (const [value, count] of sharesBy(totals.get('routes'), endpointTag)) {
    const resource = normalizeTagValue(value);
    routes.set(resource, (routes.get(resource) ?? 0) + count);
  }
  const facts: ServiceFacts = {
    total: sum('total'),
    // Definitions may overlap.
    bad: Math.max(...failures.map((_, i) => sum(`bad${i}`))),
    routes,
    selectorValues: new Map(keys.map((key, i) => [key, sharesBy(totals.get(`key${i}`), key)])),
    spans: {
      ...(asked.has('no_status') ? { withoutStatus: sum('no_status') } : {}),
      tracedRequests: sum('traced'),
      tracedErrors: sum('traced_bad'),
    },
  };
  return new Map([[service.name, facts]]);
}
