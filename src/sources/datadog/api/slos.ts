import type { SloFacts } from '../../../domain/ports/backend-facts.ts';
import type { JsonApi } from '../../../domain/ports/json-api.ts';
import { malformed } from './timeseries-response.ts';

/** How the names of our own SLOs begin: sloName of domain/slo-query.ts. */
const sloNamePrefix = '[cuj-gate] ';
/** Datadog hands out at most this many SLOs at once. */
const pageSize = 1000;
/** What SLO names are searched for: the search is for words, and brackets are none. */
const searchWords = 'cuj-gate';
/** Ids in one question: a URL has to stay short. */
const idsAtOnce = 50;

/** The SLOs of these ids, and all whose name begins as ours do. One call for the names, one for each fifty ids. */
export async function findSlos(api: JsonApi, ids: readonly string[]): Promise<SloFacts[]> {
  const found = new Map<string, SloFacts>();
  const keep = (slos: readonly SloFacts[]) => {
    for (const slo of slos) found.set(slo.id, slo);
  };
  for (let offset = 0; ; offset += pageSize) {
    const page = await list(api, { query: searchWords, limit: pageSize, offset });
    keep(page.filter(({ name }) => name.startsWith(sloNamePrefix)));
    if (page.length < pageSize) break;
  }
  const missing = [...new Set(ids)].filter((id) => !found.has(id));
  for (let at = 0; at < missing.length; at += idsAtOnce) {
    keep(await list(api, { ids: missing.slice(at, at + idsAtOnce).join(','), limit: pageSize }));
  }
  return [...found.values()];
}

async function list(api: JsonApi, query: Record<string, string | number>): Promise<SloFacts[]> {
  const { data } = (await api.getJson('/api/v1/slo', query)) as { data?: unknown };
  if (!Array.isArray(data)) throw malformed('the list of SLOs has no data');
  return data.map(readSlo);
}

function readSlo(value: unknown): SloFacts {
  const slo = value as Record<string, unknown> | null;
  if (typeof slo?.id !== 'string' || typeof slo.name !== 'string')
    throw malformed('an SLO has no id or name');
  const targets = new Map<string, number>();
  for (const one of Array.isArray(slo.thresholds) ? slo.thresholds : []) {
    const { timeframe, target } = (one ?? {}) as Record<string, unknown>;
    if (typeof timeframe === 'string' && typeof target === 'number') targets.set(timeframe, target);
  }
  return { id: slo.id, name: slo.name, type: String(slo.type), targets, queries: queriesOf(slo) };
}

/** The texts in either form: named queries, or numerator and denominator of older SLOs. */
function queriesOf({ sli_specification: specification, query }: Record<string, unknown>): string[] {
  const named = (specification as { count?: { queries?: unknown } } | undefined)?.count?.queries;
  const texts = Array.isArray(named)
    ? named.map((one) => (one as { query?: unknown } | null)?.query)
    : Object.values((query as Record<string, unknown> | undefined) ?? {});
  return texts.filter((text) => typeof text === 'string');
}
