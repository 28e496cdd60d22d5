import type { BatchQuery } from '../../../src/domain/metrics/metrics-source.ts';
import type { BatchService, QueryBatch, Service } from '../../../src/domain/registry/model.ts';
import {
  parseSelector,
  type Selector,
  type SelectorTemplate,
} from '../../../src/domain/registry/selector.ts';
import { datadogDialect } from '../../../src/sources/datadog/query/dialect.ts';

/** No recording of a grouped answer exists. These are built in the form of the client's models. */

export const from = Date.UTC(2026, 0, 31, 9, 0);
export const minutes = 4;
export const to = from + minutes * 60_000;

export function template(text: string): SelectorTemplate {
  const parsed = parseSelector(text, datadogDialect);
  if ('error' in parsed) throw new Error(parsed.error);
  return parsed;
}

export function selector(text: string): Selector {
  return {
    terms: text.split(',').map((term) => {
      const at = term.indexOf(':');
      return { key: term.slice(0, at), value: term.slice(at + 1) };
    }),
  };
}

export function service(name: string, overrides: Partial<Service> = {}): Service {
  return {
    name,
    env: 'production',
    dialect: datadogDialect,
    source: 'trace',
    operation: 'http.request',
    canary: template('version:{version}'),
    stable: undefined,
    sampleRate: 1,
    dispersion: 1,
    ...overrides,
  };
}

export function scoped(
  name: string,
  endpoints: readonly string[],
  thresholds: BatchService['thresholds'] = [],
  overrides: Partial<Service> = {},
): BatchService {
  const resources = endpoints.filter((resource) => resource !== '*');
  const asWhole = resources.length < endpoints.length;
  return { service: service(name, overrides), resources, asWhole, thresholds };
}

export function batch(services: readonly BatchService[], overrides: Partial<QueryBatch> = {}): QueryBatch {
  return {
    id: 'production/trace/test',
    env: 'production',
    source: 'trace',
    template: undefined,
    services,
    maxWindowMs: minutes * 60_000,
    lagMs: 90_000,
    ...overrides,
  };
}

export function query(services: readonly BatchService[], overrides: Partial<BatchQuery> = {}): BatchQuery {
  return {
    batch: batch(services),
    canary: selector('version:v2'),
    stable: undefined,
    fromMs: from,
    toMs: to,
    stepMs: 60_000,
    ...overrides,
  };
}

/** query name → group (`service`, or `service resource`) → one value for each bucket. */
export type Facts = Readonly<Record<string, Readonly<Record<string, readonly (number | null)[]>>>>;

export interface TimeseriesBody {
  data: {
    type: string;
    attributes: { series: Record<string, unknown>[]; times: number[]; values: unknown[][] };
  };
}

/**
 * The counts of the queries for the rest of a total, where the facts do not have them: the total less the other parts.
 * Every request has a status unless the facts say otherwise.
 */
function withRest(queries: readonly { name: string; query: string }[], facts: Facts): Facts {
  const rest: Record<string, Record<string, readonly (number | null)[]>> = {};
  for (const { name, query: text } of queries) {
    const [, head, kind, ms, number] =
      /^(\w_(?:all_)?)(not_bad|other_status|slow)([\d_]*)_(\d+)$/.exec(name) ?? [];
    if (facts[name] !== undefined || kind === undefined) continue;
    const parts = kind === 'slow' ? [`good${ms}`] : ['bad', 'no_status'];
    const groups = Object.entries(facts[`${head}${kind === 'slow' ? 'timed' : 'hits'}_${number}`] ?? {});
    rest[name] = Object.fromEntries(
      groups
        .filter(([group]) => !/resource_name[: ]/.test(text) || text.includes(group.split(' ')[1] ?? ''))
        .map(([group, counts]) => {
          const known = parts.map((part) => facts[`${head}${part}_${number}`]?.[group]);
          const left = counts.map((all, i) =>
            known.reduce<number>((sum, part) => sum - (part?.[i] ?? 0), all ?? 0),
          );
          return [group, left.map((count) => (count > 0 ? count : null))];
        }),
    );
  }
  return { ...rest, ...facts };
}

/** Datadog's answer to the queries of a request body, according to the facts, in buckets of `stepMs`. */
export function answer(requestBody: string, facts: Facts, stepMs = 60_000): TimeseriesBody {
  const { queries } = (
    JSON.parse(requestBody) as { data: { attributes: { queries: { name: string; query: string }[] } } }
  ).data.attributes;
  const series: Record<string, unknown>[] = [];
  const values: unknown[][] = [];
  for (const [name, groups] of Object.entries(withRest(queries, facts))) {
    const index = queries.findIndex((asked) => asked.name === name);
    if (index < 0)
      throw new Error(`${name} was not asked; asked were ${queries.map((asked) => asked.name).join(' ')}`);
    const keys = /by \{([^}]*)\}/.exec(queries[index]?.query ?? '')?.[1]?.split(',') ?? [];
    for (const [group, counts] of Object.entries(groups)) {
      const parts = group.split(' ');
      series.push({ group_tags: keys.map((key, i) => `${key}:${parts[i]}`), query_index: index, unit: null });
      values.push([...counts]);
    }
  }
  const times = Array.from({ length: (to - from) / stepMs }, (_, i) => from + i * stepMs);
  return { data: { type: 'timeseries_response', attributes: { series, times, values } } };
}

/** Consistent traffic of one service with two endpoints. */
export const soundFacts: Facts = {
  c_hits_0: { 'api post_/login': [10, 20, 0, 5], 'api get_/me': [1, null, null, 2] },
  c_bad_0: { 'api post_/login': [null, 3, null, null] },
  c_check_hits_0: { api: [11, 20, 0, 7] },
  c_check_bad_0: { api: [null, 3, null, null] },
  c_all_hits_0: { api: [15, 25, 1, 9] },
  c_all_bad_0: { api: [null, 4, null, null] },
  s_hits_0: { 'api post_/login': [90, 80, 100, 95], 'api get_/me': [9, 9, 9, 9] },
  s_check_hits_0: { api: [99, 89, 109, 104] },
  s_all_hits_0: { api: [120, 110, 130, 125] },
};
