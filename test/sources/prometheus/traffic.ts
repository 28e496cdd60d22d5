import type { BatchQuery } from '../../../src/domain/metrics/metrics-source.ts';
import type { QueryBatch, Registry } from '../../../src/domain/registry/model.ts';
import { resolveRegistry } from '../../../src/domain/registry/resolve.ts';
import type { RegistryDocument } from '../../../src/domain/registry/schema.ts';
import type { Selector } from '../../../src/domain/registry/selector.ts';
import { prometheusDialect } from '../../../src/sources/prometheus/query/dialect.ts';

/**
 * Requests of pods that are scraped. What a backend then holds is computed from the requests; so is the truth, in another way, from
 * the requests alone.
 */

export const digest = `sha256:${'ab'.repeat(32)}`;

export interface Pod {
  readonly name: string;
  readonly service: string;
  readonly version: string;
  /** Epoch ms. */
  readonly bornMs: number;
  /** Exclusive. */
  readonly diedMs: number;
  /** Epoch ms at which all of its counters begin again at 0. */
  readonly restartsMs?: readonly number[];
  /** Of its scrapes: the first is at the first multiple of the interval plus this. */
  readonly phaseMs: number;
  /** No scrape in these spans. */
  readonly gaps?: readonly (readonly [fromMs: number, toMs: number])[];
}

/** When pods live, and are scraped. */
export interface LivesOptions {
  /** Epoch ms of the span that is asked about. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Draws when in the interval a pod is scraped. */
  readonly random: () => number;
}

/** Makes pods of the service `orders`, of the stable version unless `part` says another. */
export function podIn({ fromMs, toMs, random }: LivesOptions, name: string, part: Partial<Pod>): Pod {
  return {
    name,
    service: 'orders',
    version: 'V1',
    bornMs: fromMs - 25 * 60_000,
    diedMs: toMs + 10 * 60_000,
    phaseMs: Math.floor(random() * intervalMs),
    ...part,
  };
}

/** Pods that live, end, restart, are born in the span, and keep crashing: V1 is stable, V2 the canary. */
export function podsInAllLives(options: LivesOptions): Pod[] {
  const { fromMs } = options;
  return [
    podIn(options, 'stable-1', {}),
    podIn(options, 'stable-2', { diedMs: fromMs + 333_000 }),
    podIn(options, 'stable-3', { restartsMs: [fromMs + 200_000] }),
    podIn(options, 'canary-1', { version: 'V2', bornMs: fromMs + 61_000 }),
    podIn(options, 'canary-2', {
      version: 'V2',
      bornMs: fromMs + 130_000,
      restartsMs: [250, 320, 400, 490].map((seconds) => fromMs + seconds * 1000),
    }),
  ];
}

export interface Request {
  readonly pod: Pod;
  readonly atMs: number;
  readonly method: string;
  readonly route: string;
  readonly code: string;
  /** How long it took. */
  readonly tookMs?: number;
}

export const intervalMs = 15_000;

export function scrapesOf({ bornMs, diedMs, phaseMs, gaps = [] }: Pod, untilMs: number): number[] {
  const scrapes: number[] = [];
  for (
    let atMs = Math.floor(bornMs / intervalMs) * intervalMs + phaseMs;
    atMs < diedMs && atMs <= untilMs;
    atMs += intervalMs
  )
    if (atMs >= bornMs && !gaps.some(([from, to]) => atMs >= from && atMs < to)) scrapes.push(atMs);
  return scrapes;
}

export interface StoredSeries {
  readonly metric: Readonly<Record<string, string>>;
  /** Epoch ms and value. */
  readonly samples: readonly (readonly [atMs: number, value: number])[];
}

/** What the scrapes of the pods see until a time. A counter is there from its first request in the life of a process on. */
export function storedSeries(requests: readonly Request[], untilMs: number): StoredSeries[] {
  return groupedBySeries(requests).flatMap((own) => {
    const [{ pod, code }] = own as [Request];
    const samples = seenSamples(own, own, untilMs).filter(([, value]) => value > 0);
    const metric = { __name__: 'http_requests_total', ...labelsOf(own), version: pod.version, code };
    return samples.length === 0 ? [] : [{ metric, samples }];
  });
}

/** Boundaries in seconds as a client of Go writes them. */
export const boundaries = ['0.1', '0.3', '1', '2.5', '+Inf'];

/** The same of the buckets of a classic histogram, each with the label `le`. It has no label for the code. */
export function storedBuckets(
  requests: readonly Request[],
  untilMs: number,
  les: readonly string[] = boundaries,
): StoredSeries[] {
  return groupedBySeries(requests, false).flatMap((own) =>
    les.flatMap((le) => {
      const within = own.filter(({ tookMs = 0 }) => tookMs <= Number(le.replace('+Inf', 'Infinity')) * 1000);
      const samples = seenSamples(within, own, untilMs);
      const [{ pod }] = own as [Request];
      const metric = {
        __name__: 'http_request_duration_seconds_bucket',
        ...labelsOf(own),
        version: pod.version,
        le,
      };
      return samples.length === 0 ? [] : [{ metric, samples }];
    }),
  );
}

function labelsOf([first]: readonly Request[]) {
  const { pod, method, route } = first as Request;
  return { job: pod.service, instance: `${pod.name}:8080`, method, route };
}

function groupedBySeries(requests: readonly Request[], byCode = true): Request[][] {
  const bySeries = new Map<string, Request[]>();
  for (const request of requests) {
    const { pod, method, route, code } = request;
    const key = JSON.stringify([pod.name, method, route, byCode ? code : '']);
    const own = bySeries.get(key);
    if (own === undefined) bySeries.set(key, [request]);
    else own.push(request);
  }
  return [...bySeries.values()];
}

/** How many of `counted` each scrape of their pod shows, from the first of `own` in the life of the process on. */
function seenSamples(
  counted: readonly Request[],
  own: readonly Request[],
  untilMs: number,
): (readonly [number, number])[] {
  const { pod } = own[0] as Request;
  return scrapesOf(pod, untilMs).flatMap((scrapeMs) => {
    const begunMs = Math.max(
      pod.bornMs,
      ...(pod.restartsMs ?? []).filter((restartMs) => restartMs <= scrapeMs),
    );
    const isSeen = ({ atMs }: Request) => atMs >= begunMs && atMs <= scrapeMs;
    return own.some(isSeen) ? [[scrapeMs, counted.filter(isSeen).length] as const] : [];
  });
}

/** The first scrape that shows a request; undefined where none does, because the process ended before. */
export function seenAt({ pod, atMs }: Request, untilMs: number): number | undefined {
  const scrapeMs = scrapesOf(pod, untilMs).find((one) => one >= atMs);
  const restartMs = (pod.restartsMs ?? []).find((one) => one > atMs);
  return scrapeMs === undefined || (restartMs !== undefined && restartMs <= scrapeMs) ? undefined : scrapeMs;
}

/** Requests by bucket, by the scrape that first shows each of them. */
export function truthOf(
  requests: readonly Request[],
  { fromMs, toMs }: Pick<BatchQuery, 'fromMs' | 'toMs'>,
  stepMs: number,
): number[] {
  const counts = new Array<number>(Math.ceil((toMs - fromMs) / stepMs)).fill(0);
  for (const request of requests) {
    const scrapeMs = seenAt(request, toMs);
    if (scrapeMs === undefined || scrapeMs <= fromMs) continue;
    const bucket = Math.ceil((scrapeMs - fromMs) / stepMs) - 1;
    counts[bucket] = (counts[bucket] as number) + 1;
  }
  return counts;
}

/** The samples of an answer to `…[<seconds>s]` at `toMs`, as Prometheus writes it. */
export function matrixOf(series: readonly StoredSeries[], fromMs: number, toMs: number) {
  const result = series.flatMap(({ metric, samples }) => {
    const values = samples
      .filter(([atMs]) => atMs >= fromMs && atMs <= toMs)
      .map(([atMs, value]) => [atMs / 1000, String(value)]);
    return values.length === 0 ? [] : [{ metric, values }];
  });
  return { status: 'success', data: { resultType: 'matrix', result } };
}

/** A generator of numbers from 0 to 1 that gives the same ones for a seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export const document: RegistryDocument = {
  apiVersion: 'cuj-gate/v1',
  defaults: { slo: { availability: 99.9 }, gate: { maxWindow: '30m' } },
  sources: {
    app: {
      total: 'http_requests_total{job="{service}"}',
      bad: 'http_requests_total{job="{service}",code=~"5.."}',
      groupBy: 'method/route',
    },
  },
  services: {
    orders: { env: 'production', source: 'app', canary: 'version:{version}' },
    carts: { env: 'production', source: 'app', canary: 'version:{version}' },
  },
  cujs: [
    {
      name: 'order',
      owner: 'team-orders',
      service: 'orders',
      endpoints: ['POST /Orders/{id}', 'GET /Orders/{id}/Items'],
    },
    { name: 'cart', owner: 'team-carts', service: 'carts', endpoints: ['PUT /Carts/{Cart}'] },
  ],
};

/** The same with histograms of durations, and thresholds of 300 ms and 1 s. */
export const timedDocument: RegistryDocument = {
  ...document,
  defaults: { slo: { availability: 99.9, latency: 95 }, gate: { maxWindow: '30m' } },
  sources: {
    app: {
      ...(document.sources?.app as NonNullable<RegistryDocument['sources']>['app']),
      duration: 'http_request_duration_seconds_bucket{job="{service}"}',
    },
  },
  cujs: [
    {
      name: 'order',
      owner: 'team-orders',
      service: 'orders',
      endpoints: [
        { method: 'POST', path: '/Orders/{id}', latencyMs: 300 },
        { method: 'GET', path: '/Orders/{id}/Items', latencyMs: 1000 },
      ],
    },
    { name: 'orders', owner: 'team-orders', service: 'orders', latencyMs: 300, endpoints: '*' },
  ],
};

export function registryOf(of: RegistryDocument = document): Registry {
  const resolution = resolveRegistry([{ file: 'cujs.yaml', document: of }], digest, {
    dialect: prometheusDialect,
  });
  if (!resolution.ok) throw new Error(JSON.stringify(resolution.findings));
  return resolution.registry;
}

export function selector(key: string, value: string): Selector {
  return { terms: [{ key, value }] };
}

/** All services of a registry in one batch, as the code can measure them. */
export function batchOf(registry: Registry): QueryBatch {
  const [first] = registry.batches;
  if (first === undefined) throw new Error('no batch');
  return { ...first, services: registry.batches.flatMap(({ services }) => services) };
}

/** A question about all services of a registry. */
export function queryOf(
  part: Pick<BatchQuery, 'fromMs' | 'toMs' | 'stepMs'> & Partial<BatchQuery>,
  registry = registryOf(),
): BatchQuery {
  return { batch: batchOf(registry), canary: selector('version', 'V2'), stable: undefined, ...part };
}
