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

export interface Request {
  readonly pod: Pod;
  readonly atMs: number;
  readonly method: string;
  readonly route: string;
  readonly code: string;
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
  const bySeries = new Map<string, Request[]>();
  for (const request of requests) {
    const key = JSON.stringify([request.pod.name, request.method, request.route, request.code]);
    bySeries.set(key, [...(bySeries.get(key) ?? []), request]);
  }
  return [...bySeries.values()].flatMap((own) => {
    const [{ pod, method, route, code }] = own as [Request];
    const samples = scrapesOf(pod, untilMs).flatMap((scrapeMs) => {
      const begunMs = Math.max(
        pod.bornMs,
        ...(pod.restartsMs ?? []).filter((restartMs) => restartMs <= scrapeMs),
      );
      const value = own.filter(({ atMs }) => atMs >= begunMs && atMs <= scrapeMs).length;
      return value === 0 ? [] : [[scrapeMs, value] as const];
    });
    const metric = {
      __name__: 'http_requests_total',
      job: pod.service,
      instance: `${pod.name}:8080`,
      version: pod.version,
      method,
      route,
      code,
    };
    return samples.length === 0 ? [] : [{ metric, samples }];
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
