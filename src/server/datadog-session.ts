import type { Settings } from '../settings/settings.ts';
import { createDatadogApi } from '../sources/datadog/api/connection.ts';
import { surveyDatadog } from '../sources/datadog/api/doctor-survey.ts';
import { readBudgets } from '../sources/datadog/api/error-budgets.ts';
import { hourlyTraffic } from '../sources/datadog/api/hourly-traffic.ts';
import { findServiceRoutes, type ServiceRoutes } from '../sources/datadog/api/service-routes.ts';
import { createDatadogSource } from '../sources/datadog/api/source.ts';
import { recentCounts, versionHits } from '../sources/datadog/api/version-hits.ts';
import { datadogDialect } from '../sources/datadog/query/dialect.ts';
import { type BackendSession, commandDeadlineMs } from './backend-session.ts';
import { connect } from './datadog-backend.ts';

/** What commands ask Datadog alone, besides what they ask any backend. */
export interface DatadogSession extends BackendSession {
  serviceRoutes(service: string, env: string, operation: string | undefined): Promise<ServiceRoutes>;
}

/** Opens Datadog for one command. Precondition: the settings have both keys. */
export function openDatadogSession(settings: Settings, now: () => number): DatadogSession {
  let clockSkewMs = 0;
  const connection = connect(
    { ...settings, deadlineMs: commandDeadlineMs },
    {
      epochNow: now,
      onClockSkew: (skewMs) => {
        clockSkewMs = skewMs;
      },
    },
  );
  const api = createDatadogApi(connection);
  return {
    backend: datadogDialect.backend,
    source: () => createDatadogSource(connection),
    survey: (registry, onProgress) => surveyDatadog({ api, registry, now, onProgress }),
    errorBudgets: (cujs, nowMs, options) => readBudgets(api, cujs, nowMs, options),
    hourlyTraffic: (...question) => hourlyTraffic(api, ...question),
    versionHits: (...question) => versionHits(api, ...question),
    watch: {
      recentCounts: (...question) => recentCounts(api, ...question),
      clockSkewMs: () => clockSkewMs,
    },
    serviceRoutes: (service, env, operation) => findServiceRoutes(api, service, env, now(), operation),
    now,
    close: () => connection.close(),
  };
}
