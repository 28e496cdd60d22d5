import { hourMs } from '../../../domain/duration.ts';
import type { JsonApi } from '../../../domain/ports/json-api.ts';
import type { QueryBatch } from '../../../domain/registry/model.ts';
import { templateCountTexts, traceCountTexts } from '../query/query-text.ts';
import { templateOf } from '../query/source-template.ts';
import { isSafeTagValue } from '../query/tag-normalization.ts';
import { askHourly } from './hourly-query.ts';
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
  const queries = queriesOf(batch, key);
  const answer = await askHourly(api, queries, fromMs, toMs);
  const { series, times, values } = readAttributes(answer);
  if (series.length !== values.length) throw malformed('series and values do not belong together');
  const hits = new Map<string, Map<string, Float64Array>>();
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
    const version = tag(key);
    if (service === undefined || version === undefined || !isSafeTagValue(version)) return;
    // What Datadog calls the traffic without the tag.
    if (version === '' || version === 'n/a') return;
    const ofService = hits.get(service) ?? new Map<string, Float64Array>();
    hits.set(service, ofService);
    const counts = ofService.get(version) ?? new Float64Array((toMs - fromMs) / hourMs);
    ofService.set(version, counts);
    for (let p = 0; p < points.length; p += 1) {
      const [time, point] = [times[p], points[p]];
      if (point === null) continue;
      if (typeof point !== 'number' || !Number.isFinite(point) || point < 0 || typeof time !== 'number') {
        throw malformed(`${query.name} counts something else than events`);
      }
      const hour = Math.floor((time - fromMs) / hourMs);
      if (hour >= 0 && hour < counts.length) counts[hour] = (counts[hour] as number) + point;
    }
  });
  return hits;
}

function queriesOf(
  { env, source, template, services }: QueryBatch,
  key: string,
): { name: string; query: string; service: string | undefined }[] {
  if (source !== 'trace') {
    return services.map(({ service: { name } }, i) => {
      if (template === undefined)
        throw new TypeError(`service "${name}" does not carry its source "${source}"`);
      const scope = { env, services: [name], by: [key] };
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
    query: traceCountTexts(operation, { env, services: names, by: ['service', key] }).total,
    service: undefined,
  }));
}
