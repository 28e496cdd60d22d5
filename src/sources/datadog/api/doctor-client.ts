import type { SentQuery } from '../../../domain/metrics/metrics-source.ts';
import type { ServiceFacts } from '../../../domain/ports/backend-facts.ts';
import type { JsonApi } from '../../../domain/ports/json-api.ts';
import type { Registry, Service } from '../../../domain/registry/model.ts';
import { clientResource } from '../../../domain/registry/resolve-client.ts';
import { clientFailuresOf, clientMetricNames, nameTagOf } from '../query/client-metrics.ts';
import { eventCountTexts } from '../query/query-text.ts';
import { normalizeTagValue } from '../query/tag-normalization.ts';
import { groupTotals, sharesBy } from './metadata-api.ts';

/** What a client had in a span, by the metrics that are made of its events: one call. Throws SourceError. */
export async function askClient(
  api: JsonApi,
  registry: Registry,
  service: Service,
  keys: readonly string[],
  fromMs: number,
  toMs: number,
): Promise<Map<string, ServiceFacts>> {
  const failures = [...clientFailuresOf(service.name, registry.cujs.values()).values()];
  if (failures.length === 0) return new Map();
  const queries = new Map<string, SentQuery>();
  const ask = (name: string, query: string) => queries.set(name, { name, query });
  for (const [i, by] of failures.entries()) {
    const nameTag = nameTagOf(by.event);
    const texts = (...tags: string[]) =>
      eventCountTexts(clientMetricNames(service, by), nameTag, {
        env: service.env,
        tags: service.tags,
        services: [service.name],
        by: tags,
      });
    ask(`${by.event}s`, texts(nameTag).total);
    ask(`bad${i}`, texts().bad);
    for (const [at, key] of keys.entries()) ask(`${by.event}s_key${at}`, texts(key).total);
  }
  const totals = await groupTotals(api, [...queries.values()], fromMs, toMs);
  const events = [...new Set(failures.map(({ event }) => event))];
  const routes = new Map<string, number>();
  for (const event of events) {
    for (const [name, count] of sharesBy(totals.get(`${event}s`), nameTagOf(event))) {
      const resource = clientResource(event, normalizeTagValue(name));
      routes.set(resource, (routes.get(resource) ?? 0) + count);
    }
  }
  const valuesOf = (at: number, key: string) => {
    const values = new Map<string, number>();
    for (const event of events) {
      for (const [value, count] of sharesBy(totals.get(`${event}s_key${at}`), key))
        values.set(value, (values.get(value) ?? 0) + count);
    }
    return values;
  };
  const sum = (name: string) => (totals.get(name) ?? []).reduce((all, { total }) => all + total, 0);
  const facts: ServiceFacts = {
    total: [...routes.values()].reduce((all, count) => all + count, 0),
    // Definitions may overlap: the greatest one of each kind of event.
    bad: events.reduce(
      (all, event) => all + Math.max(...failures.map((by, i) => (by.event === event ? sum(`bad${i}`) : 0))),
      0,
    ),
    routes,
    selectorValues: new Map(keys.map((key, at) => [key, valuesOf(at, key)])),
  };
  return new Map([[service.name, facts]]);
}
