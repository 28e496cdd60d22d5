import { hourMs } from '../../../domain/duration.ts';
import type { Series, SideCounts } from '../../../domain/metrics/series.ts';
import type { QueryBatch } from '../../../domain/registry/model.ts';
import type { Source } from '../../../domain/registry/source-dialect.ts';
import type { Failure } from '../../../domain/sli/failure.ts';
import { endpointLabel, type HourlyBy, hourlyDurationsText, hourlyText } from '../query/event-queries.ts';
import { labelOf } from '../query/label-matchers.ts';
import { recordedThresholds } from '../query/native-boundaries.ts';
import { counterSourceOf } from '../query/source-template.ts';
import type { PrometheusConnection } from './connection.ts';
import { readPoints } from './matrix-response.ts';
import { refuseUnmeasurable } from './measurable-batch.ts';

/** Hours of one query: a backend reads the samples of a day at a time. */
const hoursOfQuery = 24;

/**
 * What the services of a batch had to serve, hour by hour, whichever version served it. Both ends are whole hours, epoch ms. By
 * service; each bucket is an hour. Estimates, in whole events. Throws SourceError.
 */
export async function hourlyTraffic(
  connection: PrometheusConnection,
  batch: QueryBatch,
  fromMs: number,
  toMs: number,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, SideCounts>> {
  refuseUnmeasurable(batch);
  const services = new Map<string, SideCounts>();
  const span = { fromMs, toMs, signal };
  for (const { service, resources, asWhole, thresholds, failures = [] } of batch.services) {
    const definitions = [undefined, ...failures.map(({ failure }) => failure)];
    const [routes = noRoutes, ...others] = await routesBy(connection, batch, service.name, span, definitions);
    const [first] = others;
    const whole = wholeOf(first === undefined || resources.length > 0 || asWhole ? routes : first);
    const requests = requestsOf(routes, resources);
    const latency = new Map<number, ReadonlyMap<string, Series>>();
    for (const { latencyMs, resources: timed } of thresholds) {
      latency.set(
        latencyMs,
        await hourlySlow(connection, batch, { service: service.name, latencyMs, timed, routes, whole }, span),
      );
    }
    services.set(service.name, {
      ...{ whole, requests, latency },
      ...(failures.length === 0
        ? {}
        : {
            failures: new Map(
              failures.map(({ failure, resources: own }, i) => [
                failure.text,
                requestsOf(others[i] ?? noRoutes, own),
              ]),
            ),
          }),
    });
  }
  return services;
}

/** Events by endpoint; by the empty string what belongs to none. */
type Routes = ReadonlyMap<string, Series>;

const noRoutes: Routes = new Map();

function wholeOf(routes: ReadonlyMap<string, Series>): Series | undefined {
  return [...routes.values()].reduce<Series | undefined>(added, undefined);
}

function requestsOf(
  routes: ReadonlyMap<string, Series>,
  resources: readonly string[],
): ReadonlyMap<string, Series> {
  return new Map(
    resources.flatMap((resource) => {
      const found = resource === '*' ? wholeOf(routes) : routes.get(resource);
      return found === undefined ? [] : [[resource, found] as const];
    }),
  );
}

interface Timed {
  readonly service: string;
  readonly latencyMs: number;
  readonly timed: readonly string[];
  readonly routes: ReadonlyMap<string, Series>;
  readonly whole: Series | undefined;
}

/** Each of the counts is rounded to whole events. */
const roundedEvents = 2;

/** Slow events of the endpoints that have a threshold. Those that counter and histogram differ by are unclassified. Throws SourceError. */
async function hourlySlow(
  connection: PrometheusConnection,
  batch: QueryBatch,
  { service, latencyMs, timed, routes, whole }: Timed,
  { fromMs, toMs, signal }: Span,
): Promise<ReadonlyMap<string, Series>> {
  const read = (part: 'slow' | 'within') =>
    hourlyDurations(connection, batch, service, fromMs, toMs, signal, { latencyMs, part });
  const { durations } = counterSourceOf(batch.template as Source);
  const isCounted = durations !== undefined && recordedThresholds(latencyMs, durations).includes(latencyMs);
  // Of others, PromQL would estimate how many are slow by how wide their bucket is.
  const [slow, within] = isCounted ? [await read('slow'), await read('within')] : [none, none];
  const found = new Map<string, Series>();
  for (const resource of timed) {
    const requests = resource === '*' ? whole : routes.get(resource);
    if (requests === undefined) continue;
    const at = (of: ReadonlyMap<string, Float64Array>, i: number) =>
      (resource === '*' ? [...of.values()] : [of.get(resource)]).reduce(
        (sum, own) => sum + (own?.[i] ?? 0),
        0,
      );
    const bad = requests.total.map((_, i) => at(slow, i));
    const total = requests.total.map((events, i) => Math.max(events, bad[i] as number));
    const unclassified = total.map((events, i) => {
      const known = (bad[i] as number) + at(within, i);
      const differing = Math.abs(events - known);
      return known > 0 && differing <= roundedEvents ? 0 : Math.min(differing, events - (bad[i] as number));
    });
    found.set(resource, { total, bad, unclassified });
  }
  return found;
}

const none: ReadonlyMap<string, Float64Array> = new Map();

/** The events of one service by endpoint, with those that are bad by the source. Throws SourceError. */
export async function hourlyRoutes(
  connection: PrometheusConnection,
  batch: QueryBatch,
  service: string,
  fromMs: number,
  toMs: number,
  signal: AbortSignal,
): Promise<Routes> {
  const [routes = noRoutes] = await routesBy(connection, batch, service, { fromMs, toMs, signal }, [
    undefined,
  ]);
  return routes;
}

/** The same by several definitions of failure, of which undefined is the source's own. Throws SourceError. */
async function routesBy(
  connection: PrometheusConnection,
  batch: QueryBatch,
  service: string,
  span: Span,
  definitions: readonly (Failure | undefined)[],
): Promise<readonly Routes[]> {
  const read = (counts: 'total' | 'bad', failure?: Failure) => {
    const text = (hours: number) => hourlyText(batch, service, counts, 'endpoint', hours, failure);
    return increases(connection, text, endpointLabel, span);
  };
  const totals = await read('total');
  const found: Routes[] = [];
  for (const failure of definitions) found.push(withBad(totals, await read('bad', failure)));
  return found;
}

function withBad(totals: ReadonlyMap<string, Float64Array>, bads: ReadonlyMap<string, Float64Array>): Routes {
  const routes = new Map<string, Series>();
  for (const [joined, total] of totals) {
    const bad = bads.get(joined) ?? new Float64Array(total.length);
    const endpoint = isWhole(joined) ? joined : '';
    // Both are estimates.
    const own = { total, bad: bad.map((count, i) => Math.min(count, total[i] as number)) };
    routes.set(endpoint, added(routes.get(endpoint), own));
  }
  return routes;
}

/** The timed events of one service by endpoint; by the empty string what belongs to none. Throws SourceError. */
export async function hourlyDurations(
  connection: PrometheusConnection,
  batch: QueryBatch,
  service: string,
  fromMs: number,
  toMs: number,
  signal: AbortSignal,
  counts: Parameters<typeof hourlyDurationsText>[2] = 'all',
): Promise<ReadonlyMap<string, Float64Array>> {
  const text = (hours: number) => hourlyDurationsText(batch, service, counts, hours);
  const found = await increases(connection, text, endpointLabel, { fromMs, toMs, signal });
  const endpoints = new Map<string, Float64Array>();
  for (const [joined, events] of found) {
    const endpoint = isWhole(joined) ? joined : '';
    endpoints.set(endpoint, endpoints.get(endpoint)?.map((one, i) => one + (events[i] as number)) ?? events);
  }
  return endpoints;
}

/** A series that lacks one of the labels belongs to no endpoint: its values are joined all the same. */
function isWhole(joined: string): boolean {
  return joined.trim() === joined && !joined.includes('  ');
}

/** Events by service, value of a label, and hour, as the port says. Series without the label are in none. Throws SourceError. */
export async function hourlyHits(
  connection: PrometheusConnection,
  batch: QueryBatch,
  label: string,
  fromMs: number,
  toMs: number,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, ReadonlyMap<string, Float64Array>>> {
  refuseUnmeasurable(batch);
  const by: HourlyBy = { label };
  const services = new Map<string, ReadonlyMap<string, Float64Array>>();
  for (const { service } of batch.services) {
    const text = (hours: number) => hourlyText(batch, service.name, 'total', by, hours);
    const found = new Map(await increases(connection, text, label, { fromMs, toMs, signal }));
    found.delete('');
    services.set(service.name, found);
  }
  return services;
}

interface Span {
  readonly fromMs: number;
  readonly toMs: number;
  readonly signal: AbortSignal;
}

/** By the value of a label: events of each hour. */
async function increases(
  connection: PrometheusConnection,
  textOf: (hours: number) => string,
  label: string,
  { fromMs, toMs, signal }: Span,
): Promise<ReadonlyMap<string, Float64Array>> {
  const hours = (toMs - fromMs) / hourMs;
  const found = new Map<string, Float64Array>();
  for (let at = 0; at < hours; at += hoursOfQuery) {
    const asked = Math.min(hoursOfQuery, hours - at);
    const endMs = fromMs + (at + asked) * hourMs;
    const text = textOf(asked);
    const series = await connection.attempt(
      async (inner) => readPoints((await connection.instant(text, endMs, inner)).json),
      signal,
    );
    for (const { labels, points } of series) {
      const value = labelOf(labels, label);
      const counts = found.get(value) ?? new Float64Array(hours);
      found.set(value, counts);
      for (const [timeMs, count] of points) {
        // A point is of the hour before it. Some backends answer with the begin of the range as well.
        const hour = Math.round((timeMs - fromMs) / hourMs) - 1;
        if (hour >= at && hour < at + asked) counts[hour] = Math.round(count);
      }
    }
  }
  return found;
}

function added(sum: Series | undefined, { total, bad }: Series): Series {
  if (sum === undefined) return { total: total.slice(), bad: bad.slice() };
  total.forEach((count, i) => {
    sum.total[i] = (sum.total[i] as number) + count;
    sum.bad[i] = (sum.bad[i] as number) + (bad[i] as number);
  });
  return sum;
}
