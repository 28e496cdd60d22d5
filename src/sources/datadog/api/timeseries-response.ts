import { SourceError } from '../../../domain/errors.ts';
import { bucketMs } from '../../../domain/metrics/metrics-source.ts';
import { visible } from '../../../domain/outside-text.ts';
import { withoutKeys } from '../../../domain/redact.ts';
import { clientResource } from '../../../domain/registry/resolve-client.ts';
import type { PlannedQuery } from '../query/query-plan-types.ts';
import { normalizeTagValue } from '../query/tag-normalization.ts';

/** The part of a timeseries answer that is used. Nothing in its lists is trusted yet. */
export interface TimeseriesAttributes {
  readonly series: readonly unknown[];
  readonly times: readonly unknown[];
  readonly values: readonly unknown[];
}

/**
 * More than 160 million a second, which no service has. Sums of what is below it stay under 2^53, beyond which
 * adding one changes nothing and a search for the abort threshold would never end.
 */
const maxInOneMinute = 1e10;

/** service → resource → counts per bucket. A query that does not group by one of them has the empty string there. */
export type Groups = ReadonlyMap<string, ReadonlyMap<string, Float64Array>>;

/** What an answer counts. */
export interface GroupedCounts {
  /** The length of a bucket, in ms: as asked for, or longer where less than a minute was asked for. */
  readonly stepMs: number;
  /** The groups of each query of a plan, by its index. */
  readonly groups: readonly Groups[];
}

export function malformed(what: string, cause?: unknown): SourceError {
  return new SourceError(
    'source_malformed',
    `Datadog's answer cannot be trusted: ${what}.`,
    'Ask the same queries by hand (GET /cujs/<name> shows them). Where DD_URL names a proxy, see that it passes answers on unchanged.',
    cause === undefined ? {} : { cause },
  );
}

/** The JSON of a body. Throws SourceError source_malformed; asking again may help. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw malformed(
      'it is not JSON; most likely it is a page of a proxy, or it was cut off on the way',
      error,
    );
  }
}

/**
 * A timeseries answer down to its three lists: a status of 200 says nothing about what is inside.
 * Throws SourceError source_malformed; asking again may help.
 */
export function readAttributes(answer: unknown): TimeseriesAttributes {
  const body = asObject(answer, 'it is not an object');
  refuseErrors(body);
  const data = asObject(body.data, 'it has no data');
  const attributes = asObject(data.attributes, 'data has no attributes');
  refuseErrors(attributes);
  if (data.type !== 'timeseries_response') throw malformed('it is not a timeseries_response');
  const { series, times, values } = attributes;
  if (!Array.isArray(series)) throw malformed('series is missing');
  if (!Array.isArray(times)) throw malformed('times is missing');
  if (!Array.isArray(values)) throw malformed('values is missing');
  return { series, times, values };
}

/**
 * The groups of each query of a plan. Points at or after `toMs` are dropped: Datadog hands out the bucket that begins at
 * the end. A group without any point in the span is absent, which is not zero. `everyMs` is the interval that was asked
 * for; the last bucket is cut off by `toMs` where Datadog used a longer one.
 * Throws SourceError source_malformed.
 */
export function readGroups(
  queries: readonly PlannedQuery[],
  { series, times, values }: TimeseriesAttributes,
  fromMs: number,
  toMs: number,
  everyMs: number = bucketMs,
): GroupedCounts {
  if (series.length !== values.length) {
    throw malformed(`${series.length} series stand beside ${values.length} lists of values`);
  }
  checkTimes(times, fromMs, everyMs);
  const stepMs = stepOf(times, fromMs, everyMs);
  const slots = Int32Array.from(times, (time) => (time >= toMs ? -1 : (time - fromMs) / stepMs));
  const buckets = Math.ceil((toMs - fromMs) / stepMs);
  const groups = queries.map(() => new Map<string, Map<string, Float64Array>>());
  const seen = queries.map(() => new Set<string>());
  series.forEach((entry, i) => {
    const { query_index: queryIndex, group_tags: groupTags } = asObject(
      entry,
      `series ${i} is not an object`,
    );
    const query = typeof queryIndex === 'number' ? queries[queryIndex] : undefined;
    if (query === undefined)
      throw malformed(`series ${i} belongs to query ${show(queryIndex)} of ${queries.length}`);
    const { service, resource } = readTags(query, groupTags);
    const at = queryIndex as number;
    const identity = `${service}\n${resource}`;
    // Two routes that differ in a special character at their end are one for a registry.
    const isAgain = seen[at]?.has(identity) === true;
    if (isAgain && query.hasOpenEnds !== true)
      throw malformed(`${query.name} has the group ${show(groupTags)} twice`);
    seen[at]?.add(identity);
    const points = readPoints(query, values[i], slots, buckets, stepMs);
    if (points === undefined) return;
    const ofService = groups[at]?.get(service);
    const before = isAgain ? ofService?.get(resource) : undefined;
    for (const [i, count] of (before ?? []).entries()) (points[i] as number) += count;
    if (ofService === undefined) groups[at]?.set(service, new Map([[resource, points]]));
    else ofService.set(resource, points);
  });
  if (everyMs >= bucketMs) refuseCoarse(times, groups, everyMs);
  return { stepMs, groups };
}

function checkTimes(
  times: readonly unknown[],
  fromMs: number,
  everyMs: number,
): asserts times is readonly number[] {
  let last = Number.NEGATIVE_INFINITY;
  times.forEach((time, i) => {
    if (typeof time !== 'number' || !Number.isSafeInteger(time)) {
      throw malformed(`time ${i} is ${show(time)}, not a whole number of milliseconds`);
    }
    if (time < fromMs) throw malformed(`time ${time} lies before the span, which begins at ${fromMs}`);
    if (time % everyMs !== 0)
      throw malformed(
        `time ${time} is not at a multiple of ${everyMs / 1000} s, as interval ${everyMs} asks for`,
      );
    if (time <= last) throw malformed(`time ${time} does not come after ${last}`);
    last = time;
  });
}

/**
 * The length of the buckets, in ms. Datadog may use a longer interval than the requested one, and no response states the
 * interval in use. Of intervals below a minute, the longest one that fits all points is taken, up to a minute. That is
 * right whichever Datadog used: each event lies within the bucket that it is counted in. Where a few points fit a longer
 * interval by chance, the time of an event is known less precisely than it could be, and never more precisely than it is.
 */
function stepOf(times: readonly number[], fromMs: number, everyMs: number): number {
  if (everyMs >= bucketMs || times.length === 0) return everyMs;
  return [fromMs, ...times].reduce(greatestCommonDivisor, bucketMs);
}

/**
 * Buckets longer than a minute that were not asked for are refused: verdicts are made of minutes. Points that are all on a
 * wider grid show them. By chance, requests fall on such a grid in fewer than 1 of 1,000 responses (by the number of points)
 * and in fewer than 1 of a million (by the number of events), so a quiet hour is not taken for a wider interval.
 */
function refuseCoarse(times: readonly number[], groups: readonly Groups[], everyMs: number): void {
  if (times.length < 2) return;
  const gridMs = times.reduce(greatestCommonDivisor, 0);
  const digits = Math.log10(gridMs / everyMs);
  if ((times.length - 1) * digits < 3) return;
  const sums = groups.flatMap((of) => [...of.values()]).flatMap((of) => [...of.values()].map(sumOf));
  if ((sums.reduce((max, sum) => Math.max(max, sum), 0) - 1) * digits < 6) return;
  throw malformed(
    `all ${times.length} points are at multiples of ${gridMs / 1000} s, but buckets of ${everyMs / 1000} s were asked for`,
  );
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

function sumOf(series: Float64Array): number {
  return series.reduce((sum, count) => sum + count, 0);
}

function readTags(query: PlannedQuery, tags: unknown): { service: string; resource: string } {
  if (!Array.isArray(tags)) throw malformed(`a series of ${query.name} has no group_tags`);
  const wanted = [query.serviceKey, query.resourceKey].filter((key) => key !== undefined);
  const found = new Map<string, string>();
  for (const tag of tags) {
    const at = typeof tag === 'string' ? tag.indexOf(':') : -1;
    if (at <= 0) throw malformed(`${query.name} has the group tag ${show(tag)}, which is not key:value`);
    found.set(tag.slice(0, at), tag.slice(at + 1));
  }
  if (tags.length !== wanted.length || !wanted.every((key) => found.has(key))) {
    throw malformed(
      `${query.name} groups by ${wanted.join(', ') || 'nothing'}, but a group is ${show(tags)}`,
    );
  }
  const service = query.serviceKey === undefined ? '' : (found.get(query.serviceKey) as string);
  const resource = query.resourceKey === undefined ? '' : resourceOf(query, query.resourceKey, found);
  if (query.services !== undefined && !query.services.has(service)) {
    throw malformed(`${query.name} holds service ${show(service)}, which its filter excludes`);
  }
  if (query.resourceKey !== undefined && query.resources !== undefined && !query.resources.has(resource)) {
    throw malformed(`${query.name} holds the resource ${show(resource)}, which its filter excludes`);
  }
  return { service, resource };
}

function resourceOf(
  { clientEvent, hasOpenEnds }: PlannedQuery,
  key: string,
  tags: ReadonlyMap<string, string>,
): string {
  const value = tags.get(key) as string;
  if (hasOpenEnds) return normalizeTagValue(value);
  // Whether a name that ends in a special character is stored with a `_` at its end is not documented.
  return clientEvent === undefined ? value : clientResource(clientEvent, normalizeTagValue(value));
}

function readPoints(
  query: PlannedQuery,
  values: unknown,
  slots: Int32Array,
  buckets: number,
  stepMs: number,
): Float64Array | undefined {
  if (!Array.isArray(values)) throw malformed(`a series of ${query.name} has no values`);
  if (values.length !== slots.length) {
    throw malformed(`a series of ${query.name} has ${values.length} values for ${slots.length} times`);
  }
  const max = (maxInOneMinute * stepMs) / bucketMs;
  let points: Float64Array | undefined;
  for (let i = 0; i < slots.length; i += 1) {
    const value: unknown = values[i];
    if (value === null) continue;
    if (typeof value !== 'number' || !Number.isFinite(value) || value < 0 || value > max) {
      throw malformed(`${query.name} counts ${show(value)} events`);
    }
    const slot = slots[i] as number;
    if (slot < 0) continue;
    points ??= new Float64Array(buckets);
    points[slot] = value;
  }
  return points;
}

function refuseErrors({ errors, error, status }: Record<string, unknown>): void {
  for (const text of [errors, error]) {
    if (text === undefined || text === null || text === '') continue;
    if (Array.isArray(text) && text.length === 0) continue;
    throw malformed(`it reports ${show(text)}`);
  }
  if (status !== undefined && status !== null && status !== 'ok')
    throw malformed(`its status is ${show(status)}`);
}

function asObject(value: unknown, otherwise: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed(otherwise);
  return value as Record<string, unknown>;
}

/** A value of the answer in a message: without keys, and cut, because an answer may be megabytes. */
export function show(value: unknown): string {
  const text = typeof value === 'number' || value === undefined ? String(value) : JSON.stringify(value);
  const clean = visible(withoutKeys(text.slice(0, maxShownText)));
  return clean.length > 120 ? `${clean.slice(0, 117)}...` : clean;
}

const maxShownText = 1_000;
