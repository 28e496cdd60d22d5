import type { Logger } from 'pino';
import type { Registry as MetricsRegistry } from 'prom-client';
import type { MetricsSource } from '../domain/metrics/metrics-source.ts';
import type { JsonApi } from '../domain/ports/json-api.ts';
import type { Settings } from '../settings/settings.ts';
import {
  createDatadogApi,
  DatadogConnection,
  type DatadogOptions,
} from '../sources/datadog/api/connection.ts';
import { createDatadogSource } from '../sources/datadog/api/source.ts';
import { createCachedSource } from '../sources/decorators/cache.ts';
import { withOutageLog } from '../sources/decorators/outage-log.ts';
import { createSourceMetrics } from '../sources/decorators/request-metrics.ts';
import { openSharing, type Sharing } from './compose-shared-cache.ts';
import type { Traces } from './compose-tracing.ts';

/** Wires the metrics source: the Datadog client, tracing, the process's cache, the shared cache, metrics. */

/** Approximate memory limit of cached snapshots. */
const cacheBytes = 128 * 1024 * 1024;

export interface SourceParts {
  readonly logger: Logger;
  readonly metrics: MetricsRegistry;
  /** Epoch ms. */
  readonly now: () => number;
  /** Undefined: no tracing. */
  readonly traces: Traces | undefined;
  /** Replaces Datadog. */
  readonly source: MetricsSource | undefined;
  /** How long responses of {@link Source.api} are shared, in ms. */
  readonly apiTtlMs: number;
}

export interface Source {
  readonly source: MetricsSource;
  readonly api: JsonApi;
  close(): Promise<void>;
}

export async function openSource(settings: Settings, parts: SourceParts): Promise<Source> {
  const { logger, metrics, now, traces } = parts;
  const { cacheTtlMs, deadlineMs } = settings;
  const sourceMetrics = createSourceMetrics(metrics);
  let sharing: Sharing | undefined;
  const connection = connect(settings, {
    onRateLimitRemaining: sourceMetrics.rateLimitRemaining,
    onRateLimited: (seconds) => sharing?.limited(seconds),
    onClockSkew: sourceMetrics.clockSkew,
    epochNow: now,
  });
  if (settings.redisUrl !== undefined) {
    sharing = await openSharing(settings.redisUrl, {
      logger,
      metrics,
      now,
      deadlineMs,
      secret: settings.datadog.appKey as string,
      origin: connection.origin,
      onHeldOff: (seconds) => connection.holdOff(seconds),
      ...(traces === undefined ? {} : { tracing: traces.tracing }),
    });
  }
  const measured = sourceMetrics.measured(parts.source ?? (await createDatadogSource(connection)));
  const datadog = withOutageLog(measured, logger, now);
  const asked = traces?.call(datadog) ?? datadog;
  const observer = sourceMetrics.cacheObserver;
  const cached = createCachedSource(sharing?.source(asked, cacheTtlMs) ?? asked, {
    ttlMs: cacheTtlMs,
    maxEntries: settings.cacheSize,
    maxBytes: cacheBytes,
    observer: traces?.cache(observer) ?? observer,
  });
  const api = createDatadogApi(connection);
  return {
    source: traces?.question(cached) ?? cached,
    api: sharing?.api(api, parts.apiTtlMs) ?? api,
    async close() {
      await connection.close();
      await sharing?.close();
    },
  };
}

/** The options of the Datadog connection, from the settings. */
export function connect(
  settings: Settings,
  told: Pick<DatadogOptions, 'onRateLimitRemaining' | 'onRateLimited' | 'onClockSkew' | 'epochNow'> = {},
): DatadogConnection {
  const { apiKey, appKey, site, url } = settings.datadog;
  return new DatadogConnection({
    apiKey: apiKey ?? '',
    appKey: appKey ?? '',
    site,
    deadlineMs: settings.deadlineMs,
    ...(url === undefined ? {} : { url }),
    ...told,
  });
}
