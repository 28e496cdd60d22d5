import type { Settings } from '../settings/settings.ts';
import { createDatadogApi, DatadogConnection } from '../sources/datadog/api/connection.ts';
import { readBudgets } from '../sources/datadog/api/error-budgets.ts';
import { createDatadogSource } from '../sources/datadog/api/source.ts';
import { describeQueries } from '../sources/datadog/query/query-plan.ts';
import type { Backend, BackendEvents } from './backend.ts';

/** Datadog, as the process uses it. Precondition: the settings have both keys. */
export function openDatadogBackend(settings: Settings, events: BackendEvents): Backend {
  const connection = connect(settings, events);
  return {
    describeQueries,
    source: () => createDatadogSource(connection),
    sharing: { secret: settings.datadog.appKey ?? '', origin: connection.origin },
    holdOff: (seconds) => connection.holdOff(seconds),
    errorBudgets: {
      api: createDatadogApi(connection),
      read: (api, cujs, untilMs, signal) => readBudgets(api, cujs, untilMs, { recent: false, signal }),
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
