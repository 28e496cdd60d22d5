import type { Backend, BackendEvents } from '../../../domain/ports/backend.ts';
import type { JsonApi } from '../../../domain/ports/json-api.ts';
import { datadogPages } from '../query/page-links.ts';
import { describeQueries } from '../query/query-plan.ts';
import type { DatadogSettings } from '../settings.ts';
import { createDatadogApi, DatadogConnection } from './connection.ts';
import { readBudgets } from './error-budgets.ts';
import { hourlyTraffic } from './hourly-traffic.ts';
import { createDatadogSource } from './source.ts';
import { versionHits } from './version-hits.ts';

/** Datadog, as the process uses it. Precondition: the settings have both keys. */
export function openDatadogBackend(
  settings: DatadogSettings,
  deadlineMs: number,
  events: BackendEvents,
): Backend {
  const connection = connect(settings, deadlineMs, events);
  const api = createDatadogApi(connection);
  const until = (signal: AbortSignal): JsonApi => ({
    getJson: (path, query) => api.getJson(path, query, signal),
    postJson: (path, body) => api.postJson(path, body, signal),
  });
  return {
    describeQueries,
    pages: (subject) => datadogPages(settings.site, subject),
    tagHits: (batch, key, fromMs, toMs, signal) => versionHits(until(signal), batch, key, fromMs, toMs),
    traffic: (batch, fromMs, toMs, signal) => hourlyTraffic(until(signal), batch, fromMs, toMs),
    source: () => createDatadogSource(connection),
    sharing: { secret: settings.appKey ?? '', origin: connection.origin },
    holdOff: (seconds) => connection.holdOff(seconds),
    errorBudgets: {
      api,
      read: (api, cujs, untilMs, signal) => readBudgets(api, cujs, untilMs, { recent: false, signal }),
      readWithRecent: (api, cujs, untilMs, signal) =>
        readBudgets(api, cujs, untilMs, { recent: true, signal }),
    },
    close: () => connection.close(),
  };
}

/** The Datadog connection of the settings. */
export function connect(
  { apiKey, appKey, site, url }: DatadogSettings,
  deadlineMs: number,
  events: BackendEvents,
): DatadogConnection {
  return new DatadogConnection({
    apiKey: apiKey ?? '',
    appKey: appKey ?? '',
    site,
    deadlineMs,
    ...(url === undefined ? {} : { url }),
    ...events,
  });
}
