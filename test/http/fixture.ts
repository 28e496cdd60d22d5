import { pino } from 'pino';
import { Registry as MetricsRegistry } from 'prom-client';
import {
  type BatchQuery,
  bucketMs,
  type MetricsSource,
  type Series,
  type ServiceCounts,
  type SideCounts,
  type Snapshot,
} from '../../src/domain/metrics/metrics-source.ts';
import type { Registry } from '../../src/domain/registry/model.ts';
import { resolveRegistry } from '../../src/domain/registry/resolve.ts';
import type { RegistryDocument } from '../../src/domain/registry/schema.ts';
import { createEvaluator } from '../../src/evaluation/evaluator.ts';
import { type App, buildApp } from '../../src/http/server/app.ts';
import type { AppPorts, Phase, RegistryState } from '../../src/http/server/ports.ts';
import { datadogDialect } from '../../src/sources/datadog/query/dialect.ts';
import { describeQueries } from '../../src/sources/datadog/query/query-plan.ts';
import { createCachedSource } from '../../src/sources/decorators/cache.ts';
import { countsIn } from '../evaluation/rates.ts';

/** 2026-01-31 08:59:50 UTC; with a lag of 45 s the newest complete data ends at 08:59:00. */
export const nowMs = Date.UTC(2026, 0, 31, 8, 59, 50);
export const digest = `sha256:${'ab'.repeat(32)}`;

export const document: RegistryDocument = {
  apiVersion: 'cuj-gate/v1',
  defaults: { slo: { availability: 99.95 }, gate: { maxWindow: '30m' } },
  services: {
    'member-api': {
      env: 'production',
      operation: 'http.request',
      canary: 'version:{version}',
      stable: 'version:{stable_version}',
    },
    'payment-api': { env: 'production', operation: 'servlet.request', canary: 'role:{role}' },
  },
  cujs: [
    {
      name: 'login',
      title: 'ログイン',
      owner: 'team-identity',
      service: 'member-api',
      slo: { availability: 99.95, latency: 99 },
      endpoints: [
        { method: 'POST', path: '/api/v1/login', latencyMs: 500 },
        { method: 'GET', path: '/api/v1/me', latencyMs: 300 },
      ],
    },
    { name: 'signup', owner: 'team-identity', service: 'member-api', endpoints: ['POST /api/v1/signup'] },
    {
      name: 'browse',
      owner: 'team-member',
      service: 'member-api',
      mode: 'observe',
      endpoints: ['GET /api/v1/feed'],
    },
    { name: 'pay', owner: 'team-payment', service: 'payment-api', endpoints: ['POST /api/v1/pay'] },
  ],
};

export function registryOf(of: RegistryDocument = document, of_digest = digest): Registry {
  const resolution = resolveRegistry([{ file: 'cujs.yaml', document: of }], of_digest, {
    dialect: datadogDialect,
  });
  if (!resolution.ok) throw new Error(JSON.stringify(resolution.findings));
  return resolution.registry;
}

/** Requests a minute and bad ones among them, on one side. */
export interface Traffic {
  readonly perMinute: number;
  readonly badPerMinute: number;
}

function series(query: BatchQuery, { perMinute, badPerMinute }: Traffic): Series {
  return { total: countsIn(query, perMinute), bad: countsIn(query, badPerMinute) };
}

function side(
  query: BatchQuery,
  service: BatchQuery['batch']['services'][number],
  traffic: Traffic,
  special: Readonly<Record<string, Traffic>> = {},
): SideCounts {
  return {
    whole: series(query, traffic),
    requests: new Map(
      service.resources.map((resource) => [resource, series(query, special[resource] ?? traffic)]),
    ),
    latency: new Map(
      service.thresholds.map(({ latencyMs, resources }) => [
        latencyMs,
        new Map(resources.map((resource) => [resource, series(query, traffic)])),
      ]),
    ),
  };
}

/** The same traffic on every endpoint of every service, with optional changes of the canary's requests. */
export function snapshotOf(
  query: BatchQuery,
  canary: Traffic,
  stable: Traffic,
  special: Readonly<Record<string, Traffic>> = {},
): Snapshot {
  const services = new Map<string, ServiceCounts>(
    query.batch.services.map((service) => [
      service.service.name,
      { canary: side(query, service, canary, special), stable: side(query, service, stable) },
    ]),
  );
  return {
    fromMs: query.fromMs,
    toMs: query.toMs,
    stepMs: query.stepMs,
    services,
    queries: [{ name: 'c_hits_0', query: 'sum:…' }],
  };
}

/** Whether it is the second of a question's two calls: its newest data, in short buckets. */
export function isRecent({ stepMs }: BatchQuery): boolean {
  return stepMs < bucketMs;
}

export const healthy: Traffic = { perMinute: 300, badPerMinute: 0 };
export const broken: Traffic = { perMinute: 300, badPerMinute: 30 };

export type Measure = (query: BatchQuery, signal: AbortSignal) => Promise<Snapshot>;

export interface Bench {
  readonly app: App;
  /** Parsed lines of the log. */
  readonly log: Record<string, unknown>[];
  readonly world: {
    measure: Measure;
    phase: Phase;
    registry: RegistryState | undefined;
    nowMs: number;
    /** Timers that were set and not cleared: [ms, fire]. */
    timers: { ms: number; fire: () => void }[];
  };
  readonly metric: (line: string) => Promise<number | undefined>;
}

/** The app with a source of the test, behind the cache by default. */
export async function bench(options: Partial<AppPorts> = {}, cache?: 'uncached'): Promise<Bench> {
  const log: Record<string, unknown>[] = [];
  const world: Bench['world'] = {
    measure: async (query) => snapshotOf(query, healthy, healthy),
    phase: 'serving',
    registry: {
      registry: registryOf(),
      files: ['cujs.yaml'],
      loadedAtMs: nowMs - 60_000,
      reloadErrors: 0,
      failure: undefined,
    },
    nowMs,
    timers: [],
  };
  const asked: MetricsSource = { measure: (query, signal) => world.measure(query, signal) };
  const kept = { ttlMs: 600_000, maxEntries: 100, maxBytes: 1e9, now: () => world.nowMs };
  const source = cache === 'uncached' ? asked : createCachedSource(asked, kept);
  const metrics = new MetricsRegistry();
  const app = await buildApp({
    evaluator: createEvaluator({
      registry: () => (world.registry as RegistryState).registry,
      source,
      now: () => world.nowMs,
    }),
    describeQueries,
    registry: () => world.registry,
    logger: pino({ level: 'debug' }, { write: (line: string) => void log.push(JSON.parse(line)) }),
    metrics,
    now: () => world.nowMs,
    phase: () => world.phase,
    deadlineMs: 8_000,
    maxInflight: 100,
    timer: (ms, fire) => {
      const timer = { ms, fire };
      world.timers.push(timer);
      return () => {
        world.timers.splice(world.timers.indexOf(timer), 1);
      };
    },
    ...options,
  });
  const metric = async (line: string) => {
    const found = (await metrics.metrics()).split('\n').find((text) => text.startsWith(`${line} `));
    return found === undefined ? undefined : Number(found.slice(line.length + 1));
  };
  return { app, log, world, metric };
}
