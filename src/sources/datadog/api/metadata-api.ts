import { hourMs } from '../../../domain/duration.ts';
import { SourceError } from '../../../domain/errors.ts';
import type { SentQuery } from '../../../domain/metrics/metrics-source.ts';
import type { MetricTags, Shares } from '../../../domain/ports/backend-facts.ts';
import type { JsonApi } from '../../../domain/ports/json-api.ts';
import { askCounts } from './count-query.ts';
import { malformed } from './timeseries-response.ts';

/**
 * Read-only questions about what Datadog has: keys, metrics, tags, counts by tag. Every function is one call, checks
 * the shape of the answer and throws SourceError.
 */

/** Throws where the API key is not good; only the demo's Datadog says that it is a simulation. (GET /api/v1/validate knows nothing of the application key.) */
export async function checkApiKey(api: JsonApi): Promise<{ readonly isSimulation: boolean }> {
  const { valid, simulation } = record(await api.getJson('/api/v1/validate'), 'the answer to validate');
  if (valid !== true) {
    throw new SourceError(
      'source_rejected',
      'Datadog says that the API key is not valid.',
      'Check DD_API_KEY and DD_SITE: a key is good for one site only.',
    );
  }
  return { isSimulation: simulation === true };
}

/** Names of all metrics with points since then. */
export async function activeMetrics(api: JsonApi, sinceMs: number): Promise<Set<string>> {
  const answer = await api.getJson('/api/v1/metrics', { from: Math.floor(sinceMs / 1000) });
  return new Set(texts(record(answer, 'the list of metrics').metrics, 'metrics'));
}

/** Tag keys of a metric with their values; undefined where Datadog knows no such metric. */
export async function metricTags(api: JsonApi, metric: string): Promise<MetricTags | undefined> {
  let answer: unknown;
  try {
    answer = await api.getJson(`/api/v2/metrics/${encodeURIComponent(metric)}/all-tags`);
  } catch (error) {
    // The connection keeps the status in its words only.
    if (error instanceof SourceError && /answered 404\b/.test(error.message)) return undefined;
    throw error;
  }
  const data = record(record(answer, 'the tags of a metric').data, 'data');
  const keys = new Map<string, Set<string>>();
  // A metric without tags may come without the list.
  for (const tag of texts(record(data.attributes, 'attributes').tags ?? [], 'tags')) {
    const at = tag.indexOf(':');
    const [key, value] = at === -1 ? [tag, ''] : [tag.slice(0, at), tag.slice(at + 1)];
    const values = keys.get(key);
    if (values === undefined) keys.set(key, new Set([value]));
    else values.add(value);
  }
  return keys;
}

/** One group of a query with its sum over the span. */
export interface GroupTotal {
  /** Tag key → value. */
  readonly tags: ReadonlyMap<string, string>;
  readonly total: number;
}

/**
 * Sums of count queries over a span of whole hours, by group: one POST /api/v2/query/timeseries for all of them. A
 * group without points is absent.
 */
export async function groupTotals(
  api: JsonApi,
  queries: readonly SentQuery[],
  fromMs: number,
  toMs: number,
): Promise<ReadonlyMap<string, readonly GroupTotal[]>> {
  const totals = new Map<string, GroupTotal[]>(queries.map(({ name }) => [name, []]));
  if (queries.length === 0) return totals;
  const answer = await askCounts(api, queries, fromMs, toMs, hourMs);
  const data = record(record(answer, 'the answer').data, 'data');
  const { series, values } = record(data.attributes, 'attributes');
  if (!Array.isArray(series) || !Array.isArray(values) || series.length !== values.length) {
    throw malformed('series and values do not belong together');
  }
  series.forEach((entry, i) => {
    const { query_index: index, group_tags: tags } = record(entry, `series ${i}`);
    const query = queries[index as number];
    if (query === undefined) throw malformed(`series ${i} belongs to none of ${queries.length} queries`);
    const points: unknown = values[i];
    if (!Array.isArray(points)) throw malformed(`series ${i} has no values`);
    const known = points.filter((point) => point !== null);
    if (!known.every((point) => typeof point === 'number' && Number.isFinite(point) && point >= 0)) {
      throw malformed(`${query.name} counts something else than events`);
    }
    if (known.length === 0) return;
    totals.get(query.name)?.push({
      tags: new Map(
        texts(tags, 'group_tags').map((tag) => [
          tag.slice(0, tag.indexOf(':')),
          tag.slice(tag.indexOf(':') + 1),
        ]),
      ),
      total: known.reduce((sum: number, point: number) => sum + point, 0),
    });
  });
  return totals;
}

/** The groups whose tags are these, as hits by the value of one more tag, busiest first. */
export function sharesBy(
  groups: readonly GroupTotal[] | undefined,
  key: string,
  where: Readonly<Record<string, string>> = {},
): Shares {
  const found = (groups ?? []).flatMap(({ tags, total }) => {
    const value = tags.get(key);
    const matches = Object.entries(where).every(([name, wanted]) => tags.get(name) === wanted);
    return value === undefined || !matches ? [] : [[value, total] as const];
  });
  const sums = new Map<string, number>();
  for (const [value, total] of found) sums.set(value, (sums.get(value) ?? 0) + total);
  return new Map([...sums].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)));
}

function record(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw malformed(`${what} is not an object`);
  }
  return value as Record<string, unknown>;
}

function texts(value: unknown, what: string): string[] {
  if (!Array.isArray(value) || !value.every((one) => typeof one === 'string')) {
    throw malformed(`${what} is not a list of texts`);
  }
  return value;
}
