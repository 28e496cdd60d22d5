import { type BackendSession, commandDeadlineMs } from '../../../domain/ports/backend-session.ts';
import { datadogDialect } from '../query/dialect.ts';
import type { DatadogSettings } from '../settings.ts';
import { createDatadogApi } from './connection.ts';
import { surveyDatadog } from './doctor-survey.ts';
import { readBudgets } from './error-budgets.ts';
import { hourlyTraffic } from './hourly-traffic.ts';
import { connect } from './open-backend.ts';
import { findServiceRoutes, type ServiceRoutes } from './service-routes.ts';
import { createDatadogSource } from './source.ts';
import { recentCounts, versionHits } from './version-hits.ts';

/** What commands ask Datadog alone, besides what they ask any backend. */
export interface DatadogSession extends BackendSession {
  serviceRoutes(service: string, env: string, operation: string | undefined): Promise<ServiceRoutes>;
}

/** Opens Datadog for one command. Precondition: the settings have both keys. */
export function openDatadogSession(settings: DatadogSettings, now: () => number): DatadogSession {
  let clockSkewMs = 0;
  const connection = connect(settings, commandDeadlineMs, {
    epochNow: now,
    onClockSkew: (skewMs) => {
      clockSkewMs = skewMs;
    },
  });
  const api = createDatadogApi(connection);
  return {
    backend: datadogDialect.backend,
    source: () => createDatadogSource(connection),
    survey: (registry, onProgress) => surveyDatadog({ api, registry, now, onProgress }),
    errorBudgets: (cujs, nowMs, options) => readBudgets(api, cujs, nowMs, options),
    hourlyTraffic: (...question) => hourlyTraffic(api, ...question),
    versionHits: (...question) => versionHits(api, ...question),
    watch: {
      unit: 'buckets',
      recentCounts: (...question) => recentCounts(api, ...question),
      clockSkewMs: () => clockSkewMs,
    },
    serviceRoutes: (service, env, operation) => findServiceRoutes(api, service, env, now(), operation),
    now,
    close: () => connection.close(),
  };
}
