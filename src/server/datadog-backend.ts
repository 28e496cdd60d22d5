import type { JsonApi } from '../domain/ports/json-api.ts';
import type { Settings } from '../settings/settings.ts';
import { createDatadogApi, DatadogConnection } from '../sources/datadog/api/connection.ts';
import { readBudgets } from '../sources/datadog/api/error-budgets.ts';
import { hourlyTraffic } from '../sources/datadog/api/hourly-traffic.ts';
import { createDatadogSource } from '../sources/datadog/api/source.ts';
import { versionHits } from '../sources/datadog/api/version-hits.ts';
import { datadogPages } from '../sources/datadog/query/page-links.ts';
import { describeQueries } from '../sources/datadog/query/query-plan.ts';
import type { Backend, BackendEvents } from './backend.ts';

/** Datadog, as the process uses it. Precondition: the settings have both keys. */
export function openDatadogBackend(settings: Settings, events: BackendEvents): Backend {
  const connection = connect(settings, events);
  const api = createDatadogApi(connection);
  const until = (signal: AbortSignal): JsonApi => ({
    getJson: (path, query) => api.getJson(path, query, signal),
    postJson: (path, body) => api.postJson(path, body, signal),
  });
  return {
    describeQueries,
    pages: (subject) => datadogPages(settings.datadog.site, subject),
    tagHits: (batch, key, fromMs, toMs, signal) => versionHits(until(signal), batch, key, fromMs, toMs),
    traffic: (batch, fromMs, toMs, signal) => hourlyTraffic(until(signal), batch, fromMs, toMs),
    source: () => createDatadogSource(connection),
    sharing: { secret: settings.datadog.appKey ?? '', origin: connection.origin },
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
export function connect(settings: Settings, events: BackendEvents = {}): DatadogConnection {
  const { apiKey, appKey, site, url } = settings.datadog;
  return new DatadogConnection({
    apiKey: apiKey ?? '',
    appKey: appKey ?? '',
    site,
    deadlineMs: settings.deadlineMs,
    ...(url === undefined ? {} : { url }),
    ...events,
  });
}
