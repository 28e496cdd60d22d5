import { hourMs } from '../../../domain/duration.ts';
import type { JsonApi } from '../../../domain/ports/json-api.ts';
import type { ReadRecentCounts, RecentCounts } from '../../../domain/ports/recent-counts.ts';
import { clientSource, type QueryBatch, spansSource } from '../../../domain/registry/model.ts';
import { clientMetricNames, nameTagOf } from '../query/client-metrics.ts';
import { eventCountTexts, templateCountTexts, traceCountTexts } from '../query/query-text.ts';
import { templateOf } from '../query/source-template.ts';
import { endpointTagOf, spanMetricNames } from '../query/span-metrics.ts';
import { isSafeTagValue } from '../query/tag-normalization.ts';
import { askCounts } from './count-query.ts';
import { malformed, readAttributes } from './timeseries-response.ts';

/** Hits by service, value of the tag, and hour. Traffic without the tag is in none. */
export type VersionHits = ReadonlyMap<string, ReadonlyMap<string, Float64Array>>;

/**
 * Which values a tag had on the services of one scope, hour by hour: one POST /api/v2/query/timeseries. Both ends are
 * whole hours, epoch ms. Throws SourceError.
 */
export async function versionHits(
  api: JsonApi,
  batch: QueryBatch,
  key: string,
  fromMs: number,
  toMs: number,
): Promise<VersionHits> {
  const hits = new Map<string, Map<string, Float64Array>>();
  await readPoints(api, batch, key, { fromMs, toMs, everyMs: hourMs }, (service, version) => {
    const ofService = hits.get(service) ?? new Map<string, Float64Array>();
    hits.set(service, ofService);
    const counts = ofService.get(version) ?? new Float64Array((toMs - fromMs) / hourMs);
    ofService.set(version, counts);
    return (time, count) => {
      const hour = Math.floor((time - fromMs) / hourMs);
      if (hour >= 0 && hour < counts.length) counts[hour] = (counts[hour] as number) + count;
    };
  });
  return hits;
}

/** The port of the same name: one POST /api/v2/query/timeseries. Throws SourceError. */
export async function recentCounts(
  api: JsonApi,
  ...[batch, key, fromMs, toMs, everyMs]: Parameters<ReadRecentCounts>
): Promise<RecentCounts> {
  const counts = new Map<string, Map<string, Map<number, number>>>();
  await readPoints(api, batch, key, { fromMs, toMs, everyMs }, (service, value) => {
    const ofService = counts.get(service) ?? new Map<string, Map<number, number>>();
    counts.set(service, ofService);
    const ofValue = ofService.get(value) ?? new Map<number, number>();
    ofService.set(value, ofValue);
    return (time, count) => void ofValue.set(time, (ofValue.get(time) ?? 0) + count);
  });
  return counts;
}

/** Reads the answer; `open` is called with each service and value of the tag, and returns what takes its points. */
async function readPoints(
  api: JsonApi,
  batch: QueryBatch,
  key: string | undefined,
  { fromMs, toMs, everyMs }: { readonly fromMs: number; readonly toMs: number; readonly everyMs: number },
  open: (service: string, value: string) => (timeMs: number, count: number) => void,
): Promise<void> {
  const queries = queriesOf(batch, key);
  const answer = await askCounts(api, queries, fromMs, toMs, everyMs);
  const { series, times, values } = readAttributes(answer);
  if (series.length !== values.length) throw malformed('series and values do not belong together');
  series.forEach((entry, i) => {
    const { query_index: at, group_tags: tags } = (entry ?? {}) as Record<string, unknown>;
    const query = queries[at as number];
    const points = values[i];
    if (
      query === undefined ||
      !Array.isArray(tags) ||
      !Array.isArray(points) ||
      points.length !== times.length
    ) {
      throw malformed(`series ${i} does not belong to what was asked`);
    }
    const tag = (name: string) =>
      tags
        .find((one): one is string => typeof one === 'string' && one.startsWith(`${name}:`))
        ?.slice(name.length + 1);
    const service = query.service ?? tag('service');
    const value = key === undefined ? '' : tag(key);
    if (service === undefined || value === undefined) return;
    // What Datadog calls the traffic without the tag.
    if (key !== undefined && (!isSafeTagValue(value) || value === '' || value === 'n/a')) return;
    const take = open(service, value);
    for (let p = 0; p < points.length; p += 1) {
      const [time, point] = [times[p], points[p]];
      if (point === null) continue;
      if (typeof point !== 'number' || !Number.isFinite(point) || point < 0 || typeof time !== 'number') {
        throw malformed(`${query.name} counts something else than events`);
      }
      take(time, point);
    }
  });
}

function queriesOf(
  { env, tags, source, template, services }: QueryBatch,
  key: string | undefined,
): { name: string; query: string; service: string | undefined }[] {
  const keys = key === undefined ? [] : [key];
  if (source === clientSource) {
    return services.flatMap(({ service, failures = [] }, i) => {
      const totals = failures.flatMap(({ failure: { by } }) =>
        by.kind === 'client'
          ? eventCountTexts(clientMetricNames(service, by), nameTagOf(by.event), {
              env,
              tags,
              services: [service.name],
              by: keys,
            }).total
          : [],
      );
      return [...new Set(totals)].map((query, j) => ({ name: `v${i}_${j}`, query, service: service.name }));
    });
  }
  if (source === spansSource) {
    return services.map(({ service }, i) => {
      const scope = { env, tags, services: [service.name], by: keys };
      const names = spanMetricNames(service, undefined);
      const { total } = eventCountTexts(names, endpointTagOf(service), scope);
      return { name: `v${i}`, query: total, service: service.name };
    });
  }
  if (source !== 'trace') {
    return services.map(({ service: { name } }, i) => {
      if (template === undefined)
        throw new TypeError(`service "${name}" does not carry its source "${source}"`);
      const scope = { env, tags, services: [name], by: keys };
      return { name: `v${i}`, query: templateCountTexts(templateOf(template), scope).total, service: name };
    });
  }
  const byOperation = new Map<string, string[]>();
  for (const { service } of services) {
    const operation = service.operation as string;
    byOperation.set(operation, [...(byOperation.get(operation) ?? []), service.name]);
  }
  return [...byOperation].map(([operation, names], i) => ({
    name: `v${i}`,
    query: traceCountTexts(operation, { env, tags, services: names, by: ['service', ...keys] }).total,
    service: undefined,
  }));
}
