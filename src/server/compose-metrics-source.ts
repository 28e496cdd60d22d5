import type { Logger } from 'pino';
import type { Registry as MetricsRegistry } from 'prom-client';
import type { DescribeQueries, MetricsSource } from '../domain/metrics/metrics-source.ts';
import type { SourceLinks } from '../domain/ports/source-links.ts';
import type { ErrorBudgetOptions } from '../error-budget/refresher.ts';
import type { Settings } from '../settings/settings.ts';
import { createCachedSource } from '../sources/decorators/cache.ts';
import { withOutageLog } from '../sources/decorators/outage-log.ts';
import { createPastSource, LiveCalls, PastAllowance } from '../sources/decorators/past-source.ts';
import { createSourceMetrics } from '../sources/decorators/request-metrics.ts';
import type { Backend, ReadTagHits, ReadTraffic } from './backend.ts';
import { backends } from './backends.ts';
import { openSharing, type Sharing } from './compose-shared-cache.ts';
import type { Traces } from './compose-tracing.ts';

/** Wires the metrics source: the backend of the settings, tracing, the process's cache, the shared cache, metrics. */

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
  /** Replaces the backend's. */
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
  readonly tagHits: ReadTagHits | undefined;
  readonly traffic: ReadTraffic | undefined;
  /** Undefined where the backend knows no error budgets. */
  readonly readBudgets: ErrorBudgetOptions['read'] | undefined;
  /** The same with the burn of the last seven days. */
  readonly readBudgetsWithRecent: ErrorBudgetOptions['read'] | undefined;
  /** What replicas share is signed with this. */
  readonly sharing: Backend['sharing'];
  close(): Promise<void>;
}

export async function openSource(settings: Settings, parts: SourceParts): Promise<Source> {
  const { logger, metrics, now, traces } = parts;
  const { cacheTtlMs, deadlineMs } = settings;
  const sourceMetrics = createSourceMetrics(metrics);
  let sharing: Sharing | undefined;
  const allowance = new PastAllowance(() => performance.now());
  const backend = backends[settings.backend](settings, {
    onRateLimitRemaining(remaining, period) {
      sourceMetrics.rateLimitRemaining(remaining);
      allowance.note({ remaining, ...period });
    },
    onRateLimited: (seconds) => sharing?.limited(seconds),
    onClockSkew: sourceMetrics.clockSkew,
    epochNow: now,
  });
  const sharingOrigin = `${settings.backend} ${backend.sharing.origin}`;
  if (settings.redisUrl !== undefined) {
    sharing = await openSharing(settings.redisUrl, {
      logger,
      metrics,
      now,
      deadlineMs,
      secret: backend.sharing.secret,
      origin: sharingOrigin,
      describeQueries: backend.describeQueries,
      onHeldOff: (seconds) => backend.holdOff(seconds),
      ...(traces === undefined ? {} : { tracing: traces.tracing }),
    });
  }
  const measured = sourceMetrics.measured(parts.source ?? (await backend.source()));
  const logged = withOutageLog(measured, logger, now);
  const asked = traces?.call(logged) ?? logged;
  const observer = sourceMetrics.cacheObserver;
  const live = new LiveCalls();
  const counted = live.counted(asked);
  const cached = createCachedSource(sharing?.source(counted, cacheTtlMs) ?? counted, {
    ttlMs: cacheTtlMs,
    maxEntries: settings.cacheSize,
    maxBytes: cacheBytes,
    observer: traces?.cache(observer) ?? observer,
    epochNow: now,
  });
  const past = createPastSource(asked, {
    live,
    allowance,
    maxConcurrent: pastConcurrency,
    maxWaitMs: deadlineMs * pastWaitShare,
  });
  const pastTtlMs = Math.max(cacheTtlMs, pastFreshMs);
  const cachedPast = createCachedSource(sharing?.source(past, pastTtlMs) ?? past, {
    ttlMs: pastTtlMs,
    ttlOf: (query, nowMs) => (nowMs - query.toMs >= pastSettledAfterMs ? pastSettledTtlMs : pastTtlMs),
    maxEntries: pastCacheSize,
    maxBytes: pastCacheBytes,
    epochNow: now,
  });
  const { errorBudgets } = backend;
  const budgetApi = errorBudgets && (sharing?.api(errorBudgets.api, parts.apiTtlMs) ?? errorBudgets.api);
  return {
    source: traces?.question(cached) ?? cached,
    pastSource: traces?.question(cachedPast) ?? cachedPast,
    describeQueries: backend.describeQueries,
    pages: backend.pages,
    tagHits: backend.tagHits,
    traffic: backend.traffic,
    readBudgets: budgetApi && ((...question) => errorBudgets.read(budgetApi, ...question)),
    readBudgetsWithRecent:
      budgetApi && ((...question) => errorBudgets.readWithRecent(budgetApi, ...question)),
    sharing: { secret: backend.sharing.secret, origin: sharingOrigin },
    async close() {
      await backend.close();
      await sharing?.close();
    },
  };
}
