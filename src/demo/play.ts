import { type Phase, type Taken, WatchedMetric } from './argo-caller.ts';
import { CANARY_VERSION, simulateJourneys } from './datadog/journeys.ts';
import { type Simulator, startDatadogSimulator } from './datadog/simulator.ts';
import { type TotalErrorRate, totalErrorRate } from './total-error-rate.ts';

/**
 * The demo's play: a day of the matching app's traffic, a canary at 25% that breaks the last step of sign-up for one
 * request in five, the gate in front of the simulator, and a caller that follows Argo's rules. Time is simulated: it
 * stands still between two acts, so that what curl shows is what was just judged.
 */

export const demoVersion = CANARY_VERSION;

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;

/** Noon in Tokyo's evening traffic; the date is of no importance, but the same one gives the same play. */
const noonMs = Date.UTC(2026, 5, 1, 12);

/** As many minutes as the play lasts at most; the verdict falls long before. */
const lastMinute = 20;

/** The clock of the play, epoch ms. */
export interface PlayClock {
  nowMs: number;
}

export interface Stage {
  readonly clock: PlayClock;
  readonly datadog: Simulator;
  readonly advanceTo: (epochMs: number) => void;
}

/** What was seen at the end of one simulated minute. */
export interface Scene {
  readonly atMs: number;
  /** Minutes since the canary began. */
  readonly minute: number;
  readonly total: TotalErrorRate;
  readonly taken: readonly Taken[];
  /** Set in the last scene: what the controller does. */
  readonly ended?: { readonly phase: Phase; readonly message: string };
}

/** Sets the stage: a simulator with a day of past traffic, and a canary about to begin. */
export async function setStage(options: {
  readonly seed: number;
  readonly apiKey: string;
  readonly appKey: string;
}): Promise<Stage> {
  const clock: PlayClock = { nowMs: noonMs };
  const datadog = await startDatadogSimulator({
    now: () => clock.nowMs,
    apiKey: options.apiKey,
    applicationKey: options.appKey,
  });
  const traffic = simulateJourneys({
    store: datadog.store,
    seed: options.seed,
    start: noonMs - dayMs,
    canaryStart: noonMs,
  });
  traffic.advanceTo(noonMs);
  return { clock, datadog, advanceTo: (epochMs) => traffic.advanceTo(epochMs) };
}

/**
 * Plays minute by minute until a metric ends the analysis. `pause` is awaited between two minutes.
 * `cujs` are watched at `gateUrl`, each as a metric of a generated watch template would be.
 */
export async function* play(
  stage: Stage,
  gateUrl: string,
  cujs: readonly string[],
  keys: { readonly apiKey: string; readonly appKey: string },
  pause: () => Promise<void>,
): AsyncGenerator<Scene> {
  const startMs = stage.clock.nowMs;
  const metrics = cujs.map(
    (cuj) =>
      new WatchedMetric({
        name: `cuj-${cuj}`,
        url: `${gateUrl}/cujs/${cuj}/status`,
        headers: { 'X-Canary-Version': demoVersion },
        failureLimit: 0,
        inconclusiveLimit: 1000,
        consecutiveErrorLimit: 10,
      }),
  );
  for (let minute = 1; minute <= lastMinute; minute += 1) {
    const atMs = startMs + minute * minuteMs;
    stage.advanceTo(atMs);
    stage.clock.nowMs = atMs;
    const taken = await Promise.all(metrics.map((metric) => metric.measure()));
    const total = await totalErrorRate(stage.datadog.url, demoVersion, startMs, atMs, keys);
    const ended = metrics.map((metric) => metric.verdict()).find((verdict) => verdict !== undefined);
    yield { atMs, minute, total, taken, ...(ended === undefined ? {} : { ended }) };
    if (ended !== undefined) return;
    await pause();
  }
}
