import { diurnal, simulateJourneys } from '../datadog/journeys.ts';
import { demoVersion } from '../play.ts';
import { errorRateOf, type TotalErrorRate } from '../total-error-rate.ts';
import { istioRequestsMetric } from './pod-labels.ts';
import type { PrometheusProgram } from './program.ts';
import { ScrapedPods } from './scraped-pods.ts';
import { type ScrapedProgram, startScrapedProgram } from './scraped-program.ts';

const minuteMs = 60_000;
export const scrapeIntervalMs = 15_000;
/** Stable's traffic before the canary: all that a verdict looks at. */
const historyMs = 90 * minuteMs;
/** So long ago the canary began: more than a verdict takes. */
export const canaryAgeMs = 8 * minuteMs;
/** As at the app's busiest hour, whatever the hour is. */
const requestsPerSecond = 1_600;

/** The simulated app, and a Prometheus that scrapes its pods. Epoch ms. */
export interface ScrapedApp extends ScrapedProgram {
  readonly canaryMs: number;
}

/**
 * Starts a program with the past of the demo's app as scrapes would have found it, and the app's pods for it to scrape. Its canary has
 * begun some minutes ago.
 */
export async function startScrapedApp(
  program: PrometheusProgram,
  seed: number,
  now: () => number,
): Promise<ScrapedApp> {
  const canaryMs = Math.floor((now() - canaryAgeMs) / minuteMs) * minuteMs;
  const pods = new ScrapedPods();
  const traffic = simulateJourneys({
    store: pods,
    seed,
    requestsPerSecond: requestsPerSecond / diurnal(canaryMs),
    start: canaryMs - historyMs,
    canaryStart: canaryMs,
  });
  const advanceTo = (untilMs: number) => traffic.advanceTo(untilMs);
  const scraped = await startScrapedProgram({
    ...{ program, pods, advanceTo, now, scrapeIntervalMs },
    pastFromMs: canaryMs - historyMs,
  });
  return { ...scraped, canaryMs };
}

/** The canary's, as its callers' proxies counted it: its counters began at 0 with it. */
export async function scrapedErrorRate(url: string, toMs: number): Promise<TotalErrorRate> {
  const sum = async (more: string) => {
    const query = `sum(${istioRequestsMetric}{reporter="source",destination_version="${demoVersion}"${more}})`;
    const response = await fetch(
      `${url}/api/v1/query?${new URLSearchParams({ query, time: String(toMs / 1000) })}`,
    );
    if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
    const { data } = (await response.json()) as { data: { result: { value: [number, string] }[] } };
    return Number(data.result[0]?.value[1] ?? 0);
  };
  const [requests, failed] = await Promise.all([sum(''), sum(',response_code=~"5.."')]);
  return errorRateOf(requests, failed);
}
