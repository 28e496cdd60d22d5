import type { Registry } from '../domain/registry/model.ts';
import { type ArgoMeasurement, type MetricOptions, type Phase, WatchedMetric } from './argo-caller.ts';
import { APP_ROUTES } from './datadog/app-routes.ts';
import {
  BASE_ERROR_RATE,
  BROKEN_ROUTE,
  type Breakage,
  CANARY_VERSION,
  diurnal,
  requestsPerHour,
  simulateJourneys,
  simulatePastJourneys,
} from './datadog/journeys.ts';
import { normaliseTagValue } from './datadog/normalise.ts';
import { SLOT_MS } from './datadog/points.ts';
import { type Simulator, startDatadogSimulator } from './datadog/simulator.ts';
import { EventStore } from './datadog/store.ts';
import { longestWindowMs, planIncidents } from './past-incidents.ts';
import { type TotalErrorRate, totalErrorRate } from './total-error-rate.ts';

/**
 * The demo's scenario: a day of the matching app's traffic, a canary at 25% that breaks the last step of sign-up for one
 * request in five, a gate that queries the simulator, and a caller that follows Argo's rules. Simulated time stops after
 * the last minute, so that curl shows what was just judged.
 */

export const demoVersion = CANARY_VERSION;

const minuteMs = 60_000;
/** As the generated templates measure. */
const measuredEveryMs = 20_000;
const dayMs = 24 * 60 * minuteMs;

/** The start of the demo. The date does not matter; the same date gives the same demo. */
const noonMs = Date.UTC(2026, 5, 1, 12);

/** The maximum length in minutes; the verdict comes much earlier. */
const lastMinute = 20;

/** The simulated clock, epoch ms. */
export interface PlayClock {
  nowMs: number;
}

export interface DemoWorld {
  readonly clock: PlayClock;
  readonly datadog: Simulator;
  readonly advanceTo: (epochMs: number) => void;
}

/** The measurements at the end of a simulated minute, or at the end of the analysis. */
export interface DemoMinute {
  readonly atMs: number;
  /** Seconds since the canary began. */
  readonly seconds: number;
  readonly total: TotalErrorRate;
  readonly measurements: readonly ArgoMeasurement[];
  /** Set at the end: what the controller does. */
  readonly ended?: { readonly phase: Phase; readonly message: string };
}

/**
 * Starts a simulator with a day of past traffic and a canary that is about to begin. Before that day lie the SLO windows of
 * the registry, with the incidents that have used up its error budgets.
 */
export async function createDemoWorld(options: {
  readonly seed: number;
  readonly apiKey: string;
  readonly appKey: string;
  readonly registry: Registry;
}): Promise<DemoWorld> {
  const clock: PlayClock = { nowMs: noonMs };
  const now = () => clock.nowMs;
  const datadog = await startDatadogSimulator({
    declaresItself: true,
    now,
    store: new EventStore({ now, lateness: { seed: options.seed } }),
    apiKey: options.apiKey,
    applicationKey: options.appKey,
  });
  const { store } = datadog;
  const { seed, registry } = options;
  simulatePastJourneys({
    store,
    seed,
    start: noonMs - longestWindowMs(registry),
    end: noonMs - dayMs,
    breakages: pastBreakages(registry, seed),
  });
  const traffic = simulateJourneys({ store, seed, start: noonMs - dayMs, canaryStart: noonMs });
  traffic.advanceTo(noonMs);
  return { clock, datadog, advanceTo: (epochMs) => traffic.advanceTo(epochMs) };
}

/** What stable failed at in the weeks before, by route. */
function pastBreakages(registry: Registry, seed: number): Breakage[] {
  const routes = APP_ROUTES.map((route) => ({ ...route, resource: normaliseTagValue(route.route) }));
  const endpoints = routes.map((route) => ({
    service: route.service,
    resource: route.resource,
    perHour: requestsPerHour(route),
    errorRate: BASE_ERROR_RATE,
  }));
  const broken = [...registry.cujs.values()].filter((cuj) =>
    cuj.endpoints.some(({ label }) => label === BROKEN_ROUTE),
  );
  const incidents = planIncidents(registry, {
    seed,
    endpoints,
    broken,
    nowMs: noonMs,
    relativeTraffic: diurnal,
  });
  return incidents.flatMap(({ service, resource, from, to, errorRate }) =>
    routes
      .filter((route) => route.service === service && route.resource === resource)
      .map(({ route }) => ({ route, from, to, errorRate })),
  );
}

/**
 * Plays until a metric ends the analysis. Time passes in buckets of 10 s, and `pause` is awaited after each, so that a page
 * shows the canary break. Every 20 s `cujs` are measured at `gateUrl` like the metrics of generated watch templates; each minute
 * is reported.
 */
export async function* play(
  world: DemoWorld,
  gateUrl: string,
  cujs: readonly string[],
  keys: { readonly apiKey: string; readonly appKey: string },
  pause: () => Promise<void>,
): AsyncGenerator<DemoMinute> {
  const startMs = world.clock.nowMs;
  const playback: DemoPlayback = {
    startMs,
    endMs: startMs + lastMinute * minuteMs,
    reach(atMs) {
      world.advanceTo(atMs);
      world.clock.nowMs = atMs;
    },
    totalErrorRate: (fromMs, toMs) => totalErrorRate(world.datadog.url, demoVersion, fromMs, toMs, keys),
  };
  yield* playOn(
    playback,
    cujs.map((cuj) => watchedCuj(gateUrl, cuj)),
    pause,
  );
}

/** The metric of a CUJ as a generated watch template has it. */
export function watchedCuj(
  gateUrl: string,
  cuj: string,
  more: Pick<MetricOptions, 'momentMs'> = {},
): WatchedMetric {
  return new WatchedMetric({
    name: `cuj-${cuj}`,
    url: `${gateUrl}/cujs/${cuj}/status`,
    headers: { Accept: 'application/json', 'X-Canary-Version': demoVersion },
    failureLimit: 0,
    inconclusiveLimit: 1000,
    consecutiveErrorLimit: 10,
    ...more,
  });
}

/** Where a canary's minutes pass. Epoch ms. */
export interface DemoPlayback {
  /** When the canary begins. */
  readonly startMs: number;
  readonly endMs: number;
  /** It is this time now. */
  readonly reach: (atMs: number) => void;
  /** Of the canary in a span. */
  readonly totalErrorRate: (fromMs: number, toMs: number) => Promise<TotalErrorRate>;
}

/** Plays one, as {@link play} does. */
export async function* playOn(
  playback: DemoPlayback,
  metrics: readonly WatchedMetric[],
  pause: () => Promise<void>,
): AsyncGenerator<DemoMinute> {
  const { startMs } = playback;
  for (let atMs = startMs + SLOT_MS; atMs <= playback.endMs; atMs += SLOT_MS) {
    await pause();
    playback.reach(atMs);
    if ((atMs - startMs) % measuredEveryMs !== 0) continue;
    const measurements = await Promise.all(metrics.map((metric) => metric.measure()));
    const ended = metrics.map((metric) => metric.verdict()).find((verdict) => verdict !== undefined);
    const seconds = (atMs - startMs) / 1000;
    if (ended === undefined && seconds % 60 !== 0) continue;
    const total = await playback.totalErrorRate(startMs, atMs);
    yield { atMs, seconds, total, measurements, ...(ended === undefined ? {} : { ended }) };
    if (ended !== undefined) return;
  }
}
