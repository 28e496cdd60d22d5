import type { Settings } from '../settings/settings.ts';
import { PrometheusConnection } from '../sources/prometheus/api/connection.ts';
import { createPrometheusSource } from '../sources/prometheus/api/source.ts';
import { describeQueries } from '../sources/prometheus/query/query-plan.ts';
import type { Backend, BackendEvents } from './backend.ts';

/** Prometheus, or what speaks its API, as the process uses it. Precondition: the settings have its URL. */
export function openPrometheusBackend(settings: Settings, events: BackendEvents): Backend {
  const { url = '', cacheKey, ...credentials } = settings.prometheus;
  const connection = new PrometheusConnection({
    ...credentials,
    url,
    deadlineMs: settings.deadlineMs,
    ...(events.onRateLimited === undefined ? {} : { onRateLimited: events.onRateLimited }),
    ...(events.onClockSkew === undefined ? {} : { onClockSkew: events.onClockSkew }),
    ...(events.epochNow === undefined ? {} : { epochNow: events.epochNow }),
  });
  return {
    describeQueries,
    // It has no pages about a release: dashboards are everybody's own.
    pages: () => [],
    tagHits: undefined,
    traffic: undefined,
    source: async () => createPrometheusSource(connection),
    sharing: {
      secret: cacheKey ?? credentials.token ?? credentials.password ?? '',
      origin: connection.origin,
    },
    holdOff: (seconds) => connection.holdOff(seconds),
    errorBudgets: undefined,
    close: () => connection.close(),
  };
}
