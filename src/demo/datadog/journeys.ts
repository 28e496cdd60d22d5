import { APP_ROUTES, type AppRoute } from './app-routes.ts';
import { SLOT_MS } from './points.ts';
import { type Random, seededRandom } from './random.ts';
import type { RequestSink, RequestStream } from './store.ts';

/** A fault of the canary alone. */
export interface Breakage {
  /** `POST /api/v1/signup/phone/verify`; must be one of the app's. */
  readonly route: string;
  /** Epoch milliseconds. */
  readonly from: number;
  /** Epoch milliseconds; without it, the fault does not end. */
  readonly to?: number;
  /** Probability of a 500, 0 to 1; 0 when left out. */
  readonly errorRate?: number;
  /** Factor on every duration; 1 when left out. */
  readonly slowdown?: number;
}

export interface TrafficOptions {
  readonly store: RequestSink;
  readonly seed: number;
  /** Mean over a day, of the whole app, in production; 1,000 when left out. */
  readonly requestsPerSecond?: number;
  /** Where the traffic begins, epoch milliseconds. */
  readonly start: number;
  /** Epoch milliseconds; never when left out. */
  readonly canaryStart?: number;
  /** Share of the traffic that goes to the canary from its start on, 0 to 1; 0.25 when left out. */
  readonly canaryWeight?: (epochMs: number) => number;
  /** Services that have a canary; all when left out. */
  readonly canaryServices?: readonly string[];
  /** When left out, the last step of sign-up fails at 20% from the start of the canary on; `[]` for a good canary. */
  readonly breakages?: readonly Breakage[];
  readonly stableVersion?: string;
  readonly canaryVersion?: string;
  readonly env?: string;
}

export interface Traffic {
  /** Generates every 10 s slot that has ended by this time; an earlier time does nothing. */
  advanceTo(epochMs: number): void;
}

export const STABLE_VERSION = 'v1.41.0';
export const CANARY_VERSION = 'v1.42.0';
/** The last step of sign-up, which the canary breaks. */
export const BROKEN_ROUTE = 'POST /api/v1/signup/phone/verify';

/** On every route; far better than an SLO of 99.95%. */
export const BASE_ERROR_RATE = 0.0001;
/** Middles of slices of a log-normal distribution: share of the requests, and standard deviations from the median. */
const LATENCY_SLICES: ReadonlyArray<readonly [share: number, z: number]> = [
  [0.25, -1.15],
  [0.25, -0.32],
  [0.25, 0.32],
  [0.15, 0.93],
  [0.07, 1.51],
  [0.025, 2.11],
  [0.004, 2.75],
  [0.001, 3.29],
];
const LATENCY_SIGMA = 0.45;
const HOUR_MS = 3_600_000;
/** Traffic peaks at 21:00 in Tokyo. */
const PEAK_HOUR_UTC = 12;
const DIURNAL_SWING = 0.6;

/**
 * The traffic of the matching app in config/cujs.yaml, the same for the same seed. Counts are drawn per 10 s, route and
 * version: a thousand requests a second cost no more than ten.
 */
export function simulateJourneys(options: TrafficOptions): Traffic {
  const { store, start, canaryStart = Number.POSITIVE_INFINITY, requestsPerSecond = 1000 } = options;
  const breakages = options.breakages ?? [{ route: BROKEN_ROUTE, from: canaryStart, errorRate: 0.2 }];
  checkRoutes(breakages);
  const random = seededRandom(options.seed);
  const totalWeight = APP_ROUTES.reduce((sum, { weight }) => sum + weight, 0);
  const stable = options.stableVersion ?? STABLE_VERSION;
  const canary = options.canaryVersion ?? CANARY_VERSION;
  const routes = APP_ROUTES.map((route) => ({
    route,
    stable: new RouteTraffic(options, route, stable, []),
    canary: new RouteTraffic(
      options,
      route,
      canary,
      breakages.filter((one) => one.route === route.route),
    ),
  }));

  const generate = (at: number): void => {
    const mesh = new Map<string, number>();
    const weight = at < canaryStart ? 0 : (options.canaryWeight?.(at) ?? 0.25);
    const perSlot = (requestsPerSecond * diurnal(at) * SLOT_MS) / 1000 / totalWeight;
    for (const { route, stable: old, canary: fresh } of routes) {
      const requests = random.poisson(perSlot * route.weight);
      const isRolling = options.canaryServices?.includes(route.service) ?? true;
      const toCanary = isRolling ? random.binomial(requests, weight) : 0;
      old.serve(at, requests - toCanary, random, mesh);
      fresh.serve(at, toCanary, random, mesh);
    }
    for (const [key, count] of mesh) {
      const [service, version, code] = key.split(' ') as [string, string, string];
      const tags = {
        reporter: 'source',
        destination_service_name: service,
        destination_version: version,
        response_code: code,
      };
      store.addCount?.('istio.mesh.request.count', at, count, tags);
    }
  };

  let next = Math.ceil(start / SLOT_MS) * SLOT_MS;
  return {
    advanceTo: (epochMs) => {
      for (; next + SLOT_MS <= epochMs; next += SLOT_MS) generate(next);
    },
  };
}

/** What SLOs look back on: weeks of stable's traffic. */
export interface PastTrafficOptions
  extends Pick<TrafficOptions, 'store' | 'seed' | 'start' | 'requestsPerSecond' | 'stableVersion' | 'env'> {
  /** Where `simulateJourneys` begins, epoch milliseconds. */
  readonly end: number;
  /** Failures of stable, in whole hours. */
  readonly breakages: readonly Breakage[];
}

/** Traffic of the past by the hour: of a month in 10 s nothing would be read. Call it before `simulateJourneys`. */
export function simulatePastJourneys(options: PastTrafficOptions): void {
  const { start, end, breakages, stableVersion = STABLE_VERSION } = options;
  checkRoutes(breakages);
  const random = seededRandom(options.seed);
  const routes = APP_ROUTES.map((route) => ({
    perHour: requestsPerHour(route, options.requestsPerSecond),
    traffic: new RouteTraffic(
      options,
      route,
      stableVersion,
      breakages.filter((one) => one.route === route.route),
    ),
  }));
  for (let at = Math.ceil(start / HOUR_MS) * HOUR_MS; at + HOUR_MS <= end; at += HOUR_MS) {
    const middle = at + HOUR_MS / 2;
    for (const { perHour, traffic } of routes)
      traffic.serve(middle, random.poisson(perHour * diurnal(middle)), random, new Map());
  }
}

/** Generates the outcomes of the requests of one route and version. */
class RouteTraffic {
  readonly #route: AppRoute;
  readonly #version: string;
  readonly #breakages: readonly Breakage[];
  readonly #stream: (statusCode: number) => RequestStream;

  constructor(
    options: Pick<TrafficOptions, 'store' | 'env'>,
    route: AppRoute,
    version: string,
    breakages: readonly Breakage[],
  ) {
    this.#route = route;
    this.#version = version;
    this.#breakages = breakages;
    const streams = new Map<number, RequestStream>();
    const { service, operation, route: resource } = route;
    const identity = { service, operation, resource, version, env: options.env ?? 'production' };
    const host = `${service}-${version}-node`;
    this.#stream = (statusCode) => {
      // Opened on first use: a version without traffic must leave no trace in Datadog either.
      const stream = streams.get(statusCode) ?? options.store.requests({ ...identity, host, statusCode });
      streams.set(statusCode, stream);
      return stream;
    };
  }

  serve(at: number, requests: number, random: Random, mesh: Map<string, number>): void {
    if (requests === 0) return;
    const { medianMs, clientErrors } = this.#route;
    const active = this.#breakages.filter(({ from, to = Number.POSITIVE_INFINITY }) => from <= at && at < to);
    const broken = active.reduce((sum, { errorRate = 0 }) => sum + errorRate, 0);
    const slowdown = active.reduce((factor, one) => factor * (one.slowdown ?? 1), 1);
    const medianSeconds = (medianMs * slowdown) / 1000;

    const failed = random.binomial(requests, Math.min(1, BASE_ERROR_RATE + broken));
    const refused = random.binomial(requests - failed, clientErrors[1]);
    const served = requests - failed - refused;
    this.#record(at, 500, failed, failed, [[medianSeconds * 1.6, failed]], mesh);
    // Some frameworks flag spans of refused requests as errors, so `.errors` is not the number of 5XX.
    const flagged = random.binomial(refused, 0.1);
    this.#record(at, clientErrors[0], refused, flagged, [[medianSeconds * 0.4, refused]], mesh);
    this.#record(at, 200, served, 0, durations(served, medianSeconds, random), mesh);
  }

  #record(
    at: number,
    status: number,
    count: number,
    errors: number,
    spread: ReadonlyArray<readonly [number, number]>,
    mesh: Map<string, number>,
  ): void {
    if (count === 0) return;
    // On average they begin in the middle of the slot. Slow ones are counted in a later slot: when they end.
    this.#stream(status).record({ startedAt: at + SLOT_MS / 2, count, errors, durations: spread });
    const key = `${this.#route.service} ${this.#version} ${status}`;
    mesh.set(key, (mesh.get(key) ?? 0) + count);
  }
}

/** Splits requests over the slices, each as a share of what the ones before left over. */
function durations(
  requests: number,
  medianSeconds: number,
  random: Random,
): Array<readonly [number, number]> {
  const spread: Array<readonly [number, number]> = [];
  let left = requests;
  let shareLeft = 1;
  for (const [share, z] of LATENCY_SLICES) {
    if (left === 0) break;
    const count = random.binomial(left, Math.min(1, share / shareLeft));
    if (count > 0) spread.push([medianSeconds * Math.exp(LATENCY_SIGMA * z), count]);
    left -= count;
    shareLeft -= share;
  }
  // Rounding of the shares may leave the last slice slightly below 1.
  if (left > 0) spread.push([medianSeconds * Math.exp(LATENCY_SIGMA * LATENCY_SLICES.at(-1)![1]), left]);
  return spread;
}

/** The mean requests of an hour on each route. */
export function requestsPerHour({ weight }: AppRoute, requestsPerSecond = 1000): number {
  const totalWeight = APP_ROUTES.reduce((sum, route) => sum + route.weight, 0);
  return (((requestsPerSecond * HOUR_MS) / 1000) * weight) / totalWeight;
}

/** The traffic at a time as a multiple of the day's mean. */
export function diurnal(epochMs: number): number {
  const hours = epochMs / 3_600_000 - PEAK_HOUR_UTC;
  return 1 + DIURNAL_SWING * Math.cos((2 * Math.PI * hours) / 24);
}

/** The share of a route's requests that take longer than a threshold. */
export function slowShareOf(medianMs: number, thresholdMs: number): number {
  return LATENCY_SLICES.reduce(
    (slow, [share, z]) => slow + (medianMs * Math.exp(LATENCY_SIGMA * z) > thresholdMs ? share : 0),
    0,
  );
}

function checkRoutes(breakages: readonly Breakage[]): void {
  for (const { route } of breakages) {
    if (!APP_ROUTES.some((known) => known.route === route)) {
      throw new Error(`breakage of ${JSON.stringify(route)}: the app has no such route`);
    }
  }
}
