import { APP_ROUTES } from '../../src/demo/datadog/app-routes.ts';
import { SLOT_MS } from '../../src/demo/datadog/points.ts';
import { type Simulator, startDatadogSimulator } from '../../src/demo/datadog/simulator.ts';
import { EventStore } from '../../src/demo/datadog/store.ts';
import type { ScenarioContext } from './scenario.ts';

/**
 * The demo's Datadog in this process, with the traffic that a scenario writes into it.
 *
 * The gate judges whole minutes that are at least a minute old. To avoid waiting for them, traffic is written into the
 * past, and some minutes into the future, where it becomes visible at its time, as late as agents send it. Counts are
 * exact. The demo's own simulation draws counts from a daily curve by the real clock, so they would depend on the time of
 * day.
 */
export interface Datadog {
  readonly url: string;
  readonly calls: Simulator['calls'];
  readonly faults: Simulator['faults'];
  /** One version's requests on one route. */
  requests(requests: Requests): void;
  /** One version's requests of an operation that the app does not have, such as calls of gRPC. */
  spans(spans: Spans): void;
  /** One version's traffic on all routes of a service, with the shares of the matching app's routes. */
  traffic(flow: Flow): void;
  /**
   * Moves all past traffic by this many minutes into the past, and drops future traffic. To the gate, which keeps no
   * time of its own, this is the same as waiting. Do not call it while a gate queries.
   */
  elapse(minutes: number): Promise<void>;
}

interface Span {
  service: string;
  /** As Datadog stores it. */
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

interface Written {
  spans: Spans;
  /** Epoch ms of the first minute and of the end. */
  fromMs: number;
  toMs: number;
}

const minuteMs = 60_000;
/** Without slow payloads: which ones are slow would depend on the time of the run. */
const emptyStore = () => new EventStore({ now: Date.now, lateness: { seed: 1, slowShare: 0 } });
const thisMinute = () => Math.floor(Date.now() / minuteMs) * minuteMs;

export async function startDatadog({ onEnd }: ScenarioContext): Promise<Datadog> {
  const written: Written[] = [];
  let store = emptyStore();
  let simulator = await startDatadogSimulator({ now: Date.now, store });
  const { url, port, calls, faults } = simulator;
  onEnd(() => simulator.stop());

  const record = (spans: Spans) => {
    const now = thisMinute();
    const one = { spans, fromMs: now + spans.from * minuteMs, toMs: now + spans.to * minuteMs };
    written.push(one);
    write(store, one);
  };
  const recordHttp = ({ route, ...requests }: Requests, operation: string) =>
    record({
      ...requests,
      operation,
      resource: route,
      good: { statusCode: 200 },
      bad: { statusCode: 500 },
    });
  return {
    url,
    calls,
    faults,
    requests: (requests) => recordHttp(requests, routeNamed(requests.route).operation),
    spans: record,
    traffic(flow) {
      const { routesOf, routes: only, failing = {}, appRequestsPerMinute, ...span } = flow;
      for (const name of [...Object.keys(failing), ...(only ?? [])]) routeNamed(name);
      for (const { service, route, operation, weight } of APP_ROUTES) {
        if (service !== (routesOf ?? flow.service) || only?.includes(route) === false) continue;
        const perMinute = (appRequestsPerMinute * weight) / totalWeight;
        recordHttp({ ...span, route, perMinute, failing: failing[route] ?? 0 }, operation);
      }
    },
    async elapse(minutes) {
      const now = thisMinute();
      store = emptyStore();
      for (const one of written) {
        one.toMs = Math.min(one.toMs, now) - minutes * minuteMs;
        one.fromMs -= minutes * minuteMs;
        write(store, one);
      }
      await simulator.stop();
      simulator = await startDatadogSimulator({ now: Date.now, store, port });
    },
  };
}

const totalWeight = APP_ROUTES.reduce((sum, { weight }) => sum + weight, 0);

function routeNamed(name: string) {
  const route = APP_ROUTES.find((one) => one.route === name);
  if (!route) throw new Error(`the simulated app has no route ${JSON.stringify(name)}`);
  return route;
}

function write(store: EventStore, { spans, fromMs, toMs }: Written): void {
  const { service, version, operation, resource, perMinute, failing = 0 } = spans;
  const host = `${service}-${version}-node`;
  const record = ({ isError, ...status }: Outcome, at: number, count: number) =>
    store.recordRequests({
      ...{ operation, env: 'production', service, version, resource, host, ...status, at, count },
      ...(isError === undefined ? {} : { errors: isError ? count : 0 }),
    });
  let total = 0;
  let bad = 0;
  for (let at = fromMs; at < toMs; at += SLOT_MS) {
    // Whole requests only, and none lost to rounding over the slots.
    const requestsNow = Math.round(((at + SLOT_MS - fromMs) / minuteMs) * perMinute) - total;
    total += requestsNow;
    const badNow = Math.round(total * failing) - bad;
    bad += badNow;
    // A status without requests must not exist in Datadog either.
    if (requestsNow > badNow) record(spans.good, at, requestsNow - badNow);
    if (badNow > 0) record(spans.bad, at, badNow);
  }
}
