import type { Registry } from '../../domain/registry/model.ts';
import { SLOT_MS } from '../datadog/points.ts';
import { seededRandom } from '../datadog/random.ts';
import { EndpointTraffic, type RegistryTraffic, type SimulatedEndpoint } from '../own-registry.ts';
import type { PrometheusProgram } from './program.ts';
import { type ExportedSeries, ScrapedPods } from './scraped-pods.ts';
import { type ScrapedProgram, startScrapedProgram } from './scraped-program.ts';

/** Traffic for the user's own registry as pods count it, by the counters and labels of its sources, and a Prometheus that scrapes them. */

export interface OwnPodsOptions {
  readonly program: PrometheusProgram;
  readonly registry: Registry;
  readonly traffic: RegistryTraffic;
  /** Fail for one request in five on the canary. */
  readonly broken: readonly SimulatedEndpoint[];
  readonly exports: ExportedSeries;
  readonly seed: number;
  readonly now: () => number;
}

const minuteMs = 60_000;
export const ownScrapeIntervalMs = 15_000;
/** The age of the rollout: enough for a verdict with any window of the registry. */
const canaryAgeMs = 30 * minuteMs;
/** Stable's traffic before: what a verdict looks at, within what can be stored in some seconds. */
const historyMs = { min: 90 * minuteMs, max: 240 * minuteMs, margin: 20 * minuteMs } as const;

/** Starts the program with the past of the registry's services, and their pods for it to scrape. */
export async function startOwnPods(options: OwnPodsOptions): Promise<ScrapedProgram> {
  const { registry, traffic, program, seed, now } = options;
  const gates = [...registry.cujs.values()].map(({ gate }) => gate);
  const longest = (of: (gate: (typeof gates)[number]) => number) => Math.max(0, ...gates.map(of));
  const beganMs = Math.floor(now() / minuteMs) * minuteMs;
  const canaryMs = beganMs - canaryAgeMs - longest(({ lagMs }) => lagMs);
  const wanted = longest(({ maxWindowMs }) => maxWindowMs) + historyMs.margin;
  const fromMs = Math.min(
    canaryMs - historyMs.margin,
    beganMs - Math.min(historyMs.max, Math.max(historyMs.min, wanted)),
  );
  const pods = new ScrapedPods({ exports: options.exports });
  const endpoints = traffic.endpoints.map(
    (endpoint) => new EndpointTraffic({ ...options, store: pods }, endpoint),
  );
  const random = seededRandom(seed);
  let next = Math.floor(fromMs / SLOT_MS) * SLOT_MS;
  const advanceTo = (untilMs: number) => {
    for (; next < untilMs; next += SLOT_MS)
      for (const one of endpoints) one.serve(next, SLOT_MS / minuteMs, next >= canaryMs, random);
  };
  return await startScrapedProgram({
    ...{ program, pods, advanceTo, now },
    pastFromMs: fromMs,
    scrapeIntervalMs: ownScrapeIntervalMs,
    // A source may select by a label such as job.
    honorsLabels: true,
  });
}
