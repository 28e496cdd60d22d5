import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { startExporter } from '../../../src/demo/prometheus/exporter.ts';
import { httpLabels, httpRequestsMetric } from '../../../src/demo/prometheus/pod-labels.ts';
import type { StoredSeries } from '../../../src/demo/prometheus/remote-write.ts';
import {
  type ExportedSeries,
  type PodSeries,
  type ScrapedPod,
  ScrapedPods,
} from '../../../src/demo/prometheus/scraped-pods.ts';
import { pastScrapes } from '../../../src/demo/prometheus/scrapes.ts';
import type { Draw } from '../draw.ts';
import type { Counted } from '../evidence.ts';
import { plantTraffic, type Route, type Span, slowStatus } from '../world.ts';

/** The pods of a run, what they have served, and when they were scraped. */

export const scrapeIntervalMs = 5_000;
/** Longer than this, Prometheus does not wait for a scrape. */
export const scrapeTimeoutMs = scrapeIntervalMs;
/** A scrape that takes longer may have been given up. */
const surelyKeptMs = 3_500;
const latestScrapeMs = 2_000;
/** Within this time each pod of the slow version has served a fast request, and was scraped. */
const firstFastMs = 20_000;

/** Its samples are in Prometheus for sure. Epoch ms. */
interface Scrape {
  /** Its samples are of this time or a little earlier. */
  readonly askedMs: number;
  /** Its values are of this time. */
  readonly answeredMs: number;
}

/** A restart of the process of a pod. */
interface Restart {
  readonly pod: string;
  readonly atMs: number;
}

/** OpenTelemetry's counter, and a histogram of the same requests. Slow ones are told by their status. */
const exports: ExportedSeries = (identity) => {
  const counter = { metric: httpRequestsMetric, labels: httpLabels(identity) };
  const { http_response_status_code: _, ...labels } = counter.labels;
  const bounds = identity.statusCode === slowStatus ? ['+Inf'] : ['0.3', '+Inf'];
  const buckets = bounds.map((le) => ({
    metric: 'http_server_request_duration_seconds_bucket',
    labels: { ...labels, le } as Readonly<Record<string, string>>,
  }));
  return [counter, ...buckets];
};

const noRequests: Counted = { total: 0, bad: 0, slow: 0 };

export class ScrapedWorld {
  readonly pods = new ScrapedPods({ exports });
  /** The same pods without restarts: how many requests each has served. */
  readonly #served = new ScrapedPods({ exports });
  readonly #draw: Draw;
  readonly canaryBeganMs: number;
  /** The past that was stored ends here, epoch ms. */
  #liveFromMs = Number.POSITIVE_INFINITY;
  /** Where it ends earlier, by pod. */
  readonly #storedUntil = new Map<string, number>();
  readonly #scrapes = new Map<string, Scrape[]>();
  readonly #refusals = new Map<string, readonly number[]>();
  readonly #restarts: Restart[] = [];
  /** Epoch ms. */
  readonly #kills: number[] = [];
  readonly #counts = new Map<string, ReadonlyMap<string, Counted>>();
  lateScrapes = 0;

  constructor(span: Span, draw: Draw) {
    const { canaryBeganMs } = plantTraffic(this.pods, span, endpointOf);
    plantTraffic(this.#served, span, endpointOf);
    this.canaryBeganMs = canaryBeganMs;
    this.#draw = draw;
  }

  restart(pod: string, atMs: number): void {
    this.pods.restart(pod, atMs);
    this.#restarts.push({ pod, atMs });
  }

  /** Prometheus was killed. */
  killed(atMs: number): void {
    this.#kills.push(atMs);
  }

  /** A pod was scraped: asked first, with its counters as they were when it answered, epoch ms. */
  scraped(pod: string, askedMs: number, answeredMs: number): void {
    const own = this.#scrapes.get(pod) ?? [];
    this.#scrapes.set(pod, own);
    own.push({ askedMs, answeredMs });
  }

  /** A scrape of a pod failed. */
  refused(pod: string, atMs: number): void {
    this.#refusals.set(pod, [...(this.#refusals.get(pod) ?? []), atMs]);
  }

  /** What would be stored now, if one pod had not been scraped for the last `unscrapedMs`. From now on scrapes are told. */
  past(nowMs: number, fromMs: number, unscraped: string | undefined, unscrapedMs: number): StoredSeries[] {
    this.#liveFromMs = nowMs;
    if (unscraped !== undefined) this.#storedUntil.set(unscraped, nowMs - unscrapedMs);
    return this.pods.pods.flatMap((pod) => {
      const span = { fromMs, untilMs: this.#storedUntilMs(pod.name), intervalMs: scrapeIntervalMs };
      return pastScrapes(this.pods, span, [pod]);
    });
  }

  #storedUntilMs(pod: string): number {
    return this.#storedUntil.get(pod) ?? this.#liveFromMs;
  }

  /** Serves the pods that `podsOf` gives. */
  export(podsOf: () => ScrapedPods) {
    return startExporter(podsOf, Date.now, (pod, response) => this.#onScrape(pod, response));
  }

  /** Some scrapes are answered late. */
  async #onScrape({ name, isReachable }: ScrapedPod, response: ServerResponse): Promise<void> {
    const askedMs = Date.now();
    if (!isReachable) return this.refused(name, askedMs);
    if (this.#draw() < 0.05) {
      this.lateScrapes += 1;
      await sleep(latestScrapeMs * this.#draw());
    }
    const answeredMs = Date.now();
    response.once('finish', () => {
      if (Date.now() - askedMs <= surelyKeptMs) this.scraped(name, askedMs, answeredMs);
    });
  }

  /** Whether Prometheus may have been killed before it stored the samples. */
  #isLost({ answeredMs }: Pick<Scrape, 'answeredMs'>): boolean {
    return this.#kills.some((killMs) => answeredMs <= killMs && killMs < answeredMs + surelyKeptMs);
  }

  /** The samples that are counted until a time show at least what was served until then. */
  seenFrom(pod: string, atMs: number): number {
    if (atMs >= this.#liveFromMs) {
      const all = this.#scrapes.get(pod) ?? [];
      for (let i = countUntil(all, atMs) - 1; i >= 0; i -= 1) {
        const scrape = all[i] as Scrape;
        if (!this.#isLost(scrape)) return scrape.askedMs;
      }
    }
    return Math.min(atMs, this.#storedUntilMs(pod)) - scrapeIntervalMs;
  }

  /**
   * They show at most what was served until then. A sample of that time may have been answered up to the timeout later, and what the next
   * sample shows behind a gap is spread over it.
   */
  seenUntil(pod: string, atMs: number): number {
    if (atMs + scrapeIntervalMs < this.#storedUntilMs(pod)) return atMs + scrapeIntervalMs;
    const all = this.#scrapes.get(pod) ?? [];
    for (let i = countUntil(all, atMs + scrapeTimeoutMs); i < all.length; i += 1) {
      const scrape = all[i] as Scrape;
      if (!this.#isLost(scrape)) return scrape.answeredMs;
    }
    return Date.now();
  }

  /** Whether a scrape within so long before a time is stored for sure. */
  isScraped(pod: string, withinMs: number, atMs: number): boolean {
    return this.seenFrom(pod, atMs) >= atMs - withinMs;
  }

  /** Whether Prometheus knows for sure at a time that a pod cannot be scraped, and has had no sample of it for so long. */
  isKnownDown(pod: string, silentMs: number, atMs: number): boolean {
    const isNear = (ms: number) => ms > atMs - silentMs - scrapeTimeoutMs && ms <= atMs;
    const scrapes = this.#scrapes.get(pod) ?? [];
    const refusals = (this.#refusals.get(pod) ?? []).filter(isNear);
    return (
      atMs - silentMs - scrapeTimeoutMs >= this.#storedUntilMs(pod) &&
      !scrapes.some(({ askedMs }) => isNear(askedMs)) &&
      refusals.some((ms) => ms < atMs - 1_000 && !this.#isLost({ answeredMs: ms }))
    );
  }

  /** What a pod has served of a route until a time. */
  served(pod: ScrapedPod, route: Route, atMs: number): Counted {
    const key = `${pod.name} ${atMs}`;
    const known = this.#counts.get(key) ?? countsOf(this.#served.seriesOf(pod, [atMs]));
    if (this.#counts.size > 50_000) this.#counts.clear();
    this.#counts.set(key, known);
    return known.get(endpointOf(route)) ?? noRequests;
  }

  /**
   * What counts between two times may lack of a pod: what it served between its last scrape and a restart, and slow requests that its
   * histogram had before the first fast one. Its bucket of fast ones is there from then on.
   */
  lost(pod: ScrapedPod, route: Route, fromMs: number, toMs: number): Counted {
    const served = (atMs: number) => this.served(pod, route, atMs);
    const atFirst = fromMs <= this.canaryBeganMs ? served(this.canaryBeganMs + firstFastMs).slow : 0;
    return this.#restarts
      .filter(({ pod: name, atMs }) => name === pod.name && atMs >= fromMs && atMs <= toMs)
      .map(({ atMs }) => difference(served(atMs), served(this.seenFrom(pod.name, atMs))))
      .reduce(sum, { ...noRequests, slow: atFirst });
  }
}

export function endpointOf({ route }: Route): string {
  return route;
}

export function sum(one: Counted, other: Counted): Counted {
  return { total: one.total + other.total, bad: one.bad + other.bad, slow: one.slow + other.slow };
}

export function difference(one: Counted, other: Counted): Counted {
  return { total: one.total - other.total, bad: one.bad - other.bad, slow: one.slow - other.slow };
}

/** How many scrapes, which are in order, were asked until a time. */
function countUntil(scrapes: readonly Scrape[], atMs: number): number {
  let count = scrapes.length;
  while (count > 0 && (scrapes[count - 1] as Scrape).askedMs > atMs) count -= 1;
  return count;
}

/** By endpoint. */
function countsOf(series: readonly PodSeries[]): Map<string, Counted> {
  const counts = new Map<string, Counted>();
  for (const { metric, labels, values } of series) {
    if (metric !== httpRequestsMetric) continue;
    const endpoint = `${labels.http_request_method} ${labels.http_route}`;
    const status = Number(labels.http_response_status_code);
    const total = values[0] ?? 0;
    const own = { total, bad: status >= 500 ? total : 0, slow: status === slowStatus ? total : 0 };
    counts.set(endpoint, sum(counts.get(endpoint) ?? noRequests, own));
  }
  return counts;
}
