import type { Logger } from 'pino';
import type { Registry as MetricsRegistry } from 'prom-client';
import type { DescribeQueries, MetricsSource } from '../domain/metrics/metrics-source.ts';
import type { Backend, ReadTagHits, ReadTraffic } from '../domain/ports/backend.ts';
import type { SourceLinks } from '../domain/ports/source-links.ts';
import type { QueryBatch } from '../domain/registry/model.ts';
import type { Settings } from '../settings/settings.ts';
import { createCachedSource } from '../sources/decorators/cache.ts';
import { withOutageLog } from '../sources/decorators/outage-log.ts';
import { createPastSource, LiveCalls, PastAllowance } from '../sources/decorators/past-source.ts';
import { createSourceMetrics, type SourceMetrics } from '../sources/decorators/request-metrics.ts';
import { backendOf, backendOfBatch } from '../sources/dialects/dialect-options.ts';
import { type BackendName, dialects } from '../sources/dialects/dialects.ts';
import { budgetsOfWholes, type ReadBudgetsOf } from './budgets-of-wholes.ts';
import { openBackend, openOf, routedSource } from './compose-backends.ts';
import { openSharing, type SharedStore, type Sharing } from './compose-shared-cache.ts';
import type { Traces } from './compose-tracing.ts';
import { usableBackends } from './usable-backends.ts';

/** Wires the metrics source: a lane for each backend of the settings (tracing, the shared cache, metrics, logs), and the process's cache. */

/** Approximate memory limit of cached snapshots. */
const cacheBytes = 128 * 1024 * 1024;

/** Questions about the past: so many calls at a time, which wait for others for a part of the deadline. */
const pastConcurrency = 2;
const pastWaitShare = 0.6;
/** Counts hardly change any more after this. What changes them then is an outage of hours, which a restart of the gate forgets. */
const pastSettledAfterMs = 30 * 60_000;
const pastSettledTtlMs = 12 * 3_600_000;
const pastFreshMs = 30_000;
const pastCacheSize = 300;
const pastCacheBytes = 32 * 1024 * 1024;

export interface SourceParts {
  readonly logger: Logger;
  readonly metrics: MetricsRegistry;
  /** Epoch ms. */
  readonly now: () => number;
  /** Undefined: no tracing. */
  readonly traces: Traces | undefined;
  /** Replaces those of all backends. */
  readonly source: MetricsSource | undefined;
  /** How long answers about error budgets are shared, in ms. */
  readonly apiTtlMs: number;
}

export interface Source {
  readonly source: MetricsSource;
  /** For questions as of a moment in the past. */
  readonly pastSource: MetricsSource;
  readonly describeQueries: DescribeQueries;
  readonly pages: SourceLinks;
  /** Of the backend of a batch; undefined where it cannot tell. Undefined as a whole where no backend can. */
  readonly tagHits: ((batch: QueryBatch) => ReadTagHits | undefined) | undefined;
  readonly traffic: ((batch: QueryBatch) => ReadTraffic | undefined) | undefined;
  /** Undefined where no backend knows error budgets. */
  readonly readBudgets: ReadBudgetsOf | undefined;
  /** The same with the burn of the last seven days. */
  readonly readBudgetsWithRecent: ReadBudgetsOf | undefined;
  /** What replicas share besides counts, such as the history, is signed with this. */
  readonly sharing: Backend['sharing'];
  close(): Promise<void>;
}

export async function openSource(settings: Settings, parts: SourceParts): Promise<Source> {
  const { logger, metrics, now, traces } = parts;
  const { cacheTtlMs } = settings;
  const sourceMetrics = createSourceMetrics(metrics);
  const store =
    settings.redisUrl === undefined
      ? undefined
      : await openSharing(settings.redisUrl, {
          logger,
          metrics,
          now,
          deadlineMs: settings.deadlineMs,
          ...(traces === undefined ? {} : { tracing: traces.tracing }),
        });
  const lanes = new Map<BackendName, Lane>();
  for (const name of usableBackends(settings))
    lanes.set(name, await openLane(name, settings, { ...parts, sourceMetrics, store }));
  const laneOf = (name: BackendName): Lane => openOf(lanes, name);
  const laneOfBatch = (batch: QueryBatch) => laneOf(backendOfBatch(batch));
  const observer = sourceMetrics.cacheObserver;
  const cached = createCachedSource(
    routedSource((name) => laneOf(name).source),
    {
      ttlMs: cacheTtlMs,
      maxEntries: settings.cacheSize,
      maxBytes: cacheBytes,
      observer: traces?.cache(observer) ?? observer,
      epochNow: now,
    },
  );
  const pastTtlMs = pastTtlMsOf(settings);
  const cachedPast = createCachedSource(
    routedSource((name) => laneOf(name).past),
    {
      ttlMs: pastTtlMs,
      ttlOf: (query, nowMs) => (nowMs - query.toMs >= pastSettledAfterMs ? pastSettledTtlMs : pastTtlMs),
      maxEntries: pastCacheSize,
      maxBytes: pastCacheBytes,
      epochNow: now,
    },
  );
  const all = [...lanes.values()].map(({ backend }) => backend);
  const readers = new Map([...lanes].map(([name, { budgets }]) => [dialects[name], budgets]));
  const haveBudgets = all.some(({ errorBudgets }) => errorBudgets !== undefined);
  return {
    source: traces?.question(cached) ?? cached,
    pastSource: traces?.question(cachedPast) ?? cachedPast,
    describeQueries: (batch, ...selectors) => laneOfBatch(batch).backend.describeQueries(batch, ...selectors),
    pages: (subject) => laneOf(backendOf(subject.service.dialect)).backend.pages(subject),
    tagHits: all.some(({ tagHits }) => tagHits !== undefined)
      ? (batch) => laneOfBatch(batch).backend.tagHits
      : undefined,
    traffic: all.some(({ traffic }) => traffic !== undefined)
      ? (batch) => laneOfBatch(batch).backend.traffic
      : undefined,
    readBudgets: haveBudgets ? budgetsOfWholes(readers, 'read') : undefined,
    readBudgetsWithRecent: haveBudgets ? budgetsOfWholes(readers, 'readWithRecent') : undefined,
    sharing: {
      secret: laneOf(settings.backend).backend.sharing.secret,
      // A history is of verdicts over all backends. Those whose settings are complete, so that a reload changes nothing.
      origin: [settings.backend, ...[...lanes.keys()].filter((name) => name !== settings.backend)]
        .map((name) => originOf(name, laneOf(name).backend))
        .join(' '),
    },
    async close() {
      await Promise.all(all.map((backend) => backend.close()));
      await store?.close();
    },
  };
}

/** One backend with what wraps it: one that is down, limited or wrong about the time does nothing to the others. */
interface Lane {
  readonly backend: Backend;
  readonly source: MetricsSource;
  readonly past: MetricsSource;
  /** Through the cache of replicas. */
  readonly budgets: Backend['errorBudgets'];
}

interface LaneParts extends SourceParts {
  readonly sourceMetrics: SourceMetrics;
  readonly store: SharedStore | undefined;
}

async function openLane(name: BackendName, settings: Settings, parts: LaneParts): Promise<Lane> {
  const { logger, now, traces } = parts;
  const sourceMetrics = parts.sourceMetrics.of(name);
  let sharing: Sharing | undefined;
  const allowance = new PastAllowance(() => performance.now());
  const backend = await openBackend(name, settings, {
    onRateLimitRemaining(remaining, period) {
      sourceMetrics.rateLimitRemaining(remaining);
      allowance.note({ remaining, ...period });
    },
    onRateLimited: (seconds) => sharing?.limited(seconds),
    onClockSkew: sourceMetrics.clockSkew,
    epochNow: now,
  });
  sharing = parts.store?.of({
    backend: dialects[name].backend,
    secret: backend.sharing.secret,
    origin: originOf(name, backend),
    describeQueries: backend.describeQueries,
    onHeldOff: (seconds) => backend.holdOff(seconds),
  });
  const measured = sourceMetrics.measured(parts.source ?? (await backend.source()));
  const logged = withOutageLog(measured, logger, now, dialects[name].backend);
  const asked = traces?.call(logged) ?? logged;
  const live = new LiveCalls();
  const counted = live.counted(asked);
  const past = createPastSource(asked, {
    live,
    allowance,
    maxConcurrent: pastConcurrency,
    maxWaitMs: settings.deadlineMs * pastWaitShare,
  });
  const { errorBudgets } = backend;
  const api = errorBudgets && (sharing?.api(errorBudgets.api, parts.apiTtlMs) ?? errorBudgets.api);
  return {
    backend,
    source: sharing?.source(counted, settings.cacheTtlMs) ?? counted,
    past: sharing?.source(past, pastTtlMsOf(settings)) ?? past,
    budgets: errorBudgets && api && { ...errorBudgets, api },
  };
}

function pastTtlMsOf({ cacheTtlMs }: Settings): number {
  return Math.max(cacheTtlMs, pastFreshMs);
}

/** Where the counts of a backend come from: replicas with another origin share nothing. */
function originOf(name: BackendName, { sharing }: Backend): string {
  return `${name} ${sharing.origin}`;
}
