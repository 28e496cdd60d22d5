import { APP_ROUTES } from '../../src/demo/datadog/app-routes.ts';
import { SLOT_MS } from '../../src/demo/datadog/points.ts';
import type { RequestSink } from '../../src/demo/datadog/store.ts';

/**
 * The traffic that a scenario writes into its metrics backend.
 *
 * The gate judges whole minutes that are at least a minute old. To avoid waiting for them, traffic is written into the
 * past, and some minutes into the future, where it becomes visible at its time. Counts are exact. The demo's own simulation
 * draws counts from a daily curve by the real clock, so they would depend on the time of day.
 */

interface Span {
  service: string;
  /** As the backend stores it. */
  version: string;
  /** Minutes from now, negative for the past. */
  from: number;
  to: number;
}

export interface Requests extends Span {
  /** One of the app's: `POST /api/v1/signup`. */
  route: string;
  perMinute: number;
  /** Share that ends in 500; none when left out. */
  failing?: number;
}

/** Requests that are good or fail in the protocol's own way. */
export interface Spans extends Span {
  operation: string;
  /** As the tracer names it: `/ledger.v1.Ledger/Transfer`. */
  resource: string;
  /** What the application sets on the span, such as from a header. */
  spanTags?: Readonly<Record<string, string>>;
  perMinute: number;
  good: Outcome;
  bad: Outcome;
  /** Share of the requests that are bad; none when left out. */
  failing?: number;
}

/** Statuses of a request, and whether the tracer marks its span as an error: when left out, if it ends in 5XX. */
export interface Outcome {
  statusCode?: number;
  grpcCode?: number;
  isError?: boolean;
}

export interface Flow extends Span {
  /** This version's traffic of the whole app; a service gets its share of it, member-api about 55%. */
  appRequestsPerMinute: number;
  /** Share of the requests that end in 500, by route. */
  failing?: Record<string, number>;
  /** Only these routes; all of the service when left out. */
  routes?: readonly string[];
  /** The service of the app whose routes it serves, where its own name is not one of the app's. */
  routesOf?: string;
}

/** Requests with their times, as they are written. */
export interface TimedSpans {
  readonly spans: Spans;
  /** Epoch ms of the first minute and of the end. */
  fromMs: number;
  toMs: number;
}

const minuteMs = 60_000;
const totalWeight = APP_ROUTES.reduce((sum, { weight }) => sum + weight, 0);

export const thisMinute = () => Math.floor(Date.now() / minuteMs) * minuteMs;

export function timed(spans: Spans): TimedSpans {
  const now = thisMinute();
  return { spans, fromMs: now + spans.from * minuteMs, toMs: now + spans.to * minuteMs };
}

/** Requests of HTTP on a route of the app. */
export function timedHttp({ route, ...requests }: Requests): TimedSpans {
  const { operation } = routeNamed(route);
  return timed({
    ...requests,
    operation,
    resource: route,
    good: { statusCode: 200 },
    bad: { statusCode: 500 },
  });
}

/** The requests of a flow, route by route. */
export function requestsOf(flow: Flow): TimedSpans[] {
  const { routesOf, routes: only, failing = {}, appRequestsPerMinute, ...span } = flow;
  for (const name of [...Object.keys(failing), ...(only ?? [])]) routeNamed(name);
  return APP_ROUTES.filter(
    ({ service, route }) => service === (routesOf ?? flow.service) && only?.includes(route) !== false,
  ).map(({ route, weight }) => {
    const perMinute = (appRequestsPerMinute * weight) / totalWeight;
    return timedHttp({ ...span, route, perMinute, failing: failing[route] ?? 0 });
  });
}

/** Moves traffic by so much into the past, and drops what is still to come. */
export function moveIntoPast(one: TimedSpans, minutes: number): void {
  one.toMs = Math.min(one.toMs, thisMinute()) - minutes * minuteMs;
  one.fromMs -= minutes * minuteMs;
}

function routeNamed(name: string) {
  const route = APP_ROUTES.find((one) => one.route === name);
  if (!route) throw new Error(`the simulated app has no route ${JSON.stringify(name)}`);
  return route;
}

/** `host`: whose agents or pods have them. */
export function write(sink: RequestSink, { spans, fromMs, toMs }: TimedSpans, host: string): void {
  const { service, version, operation, resource, perMinute, spanTags, failing = 0 } = spans;
  const record = ({ isError, ...status }: Outcome, at: number, count: number) =>
    sink
      .requests({
        operation,
        env: 'production',
        service,
        version,
        resource,
        host,
        ...(spanTags && { spanTags }),
        ...status,
      })
      .record({ at, count, ...(isError === undefined ? {} : { errors: isError ? count : 0 }) });
  let total = 0;
  let bad = 0;
  for (let at = fromMs; at < toMs; at += SLOT_MS) {
    // Whole requests only, and none lost to rounding over the slots.
    const requestsNow = Math.round(((at + SLOT_MS - fromMs) / minuteMs) * perMinute) - total;
    total += requestsNow;
    const badNow = Math.round(total * failing) - bad;
    bad += badNow;
    // A status without requests must not exist in the backend either.
    if (requestsNow > badNow) record(spans.good, at, requestsNow - badNow);
    if (badNow > 0) record(spans.bad, at, badNow);
  }
}
