import { type BackendSession, commandDeadlineMs } from '../../../domain/ports/backend-session.ts';
import { prometheusDialect } from '../query/dialect.ts';
import type { PrometheusSettings } from '../settings.ts';
import { surveyPrometheus } from './doctor-survey.ts';
import { createPrometheusApi, readBudgets } from './error-budgets.ts';
import { findServices, type ServicesQuestion } from './find-services.ts';
import { hourlyHits, hourlyTraffic } from './hourly-increases.ts';
import { newestSamples } from './newest-samples.ts';
import { connectPrometheus } from './open-backend.ts';
import { createPrometheusSource } from './source.ts';
import { StoreWatch } from './store-watch.ts';

/** What commands ask Prometheus alone, besides what they ask any backend. */
export interface PrometheusSession extends BackendSession {
  findServices(question: ServicesQuestion): ReturnType<typeof findServices>;
}

/** Opens Prometheus for one command. Precondition: the settings have its URL. */
export function openPrometheusSession(settings: PrometheusSettings, now: () => number): PrometheusSession {
  let clockSkewMs = 0;
  const connection = connectPrometheus(settings, commandDeadlineMs, {
    epochNow: now,
    onClockSkew: (skewMs) => {
      clockSkewMs = skewMs;
    },
  });
  const stores = new StoreWatch(connection, { epochNow: now });
  const api = createPrometheusApi(connection);
  const never = new AbortController().signal;
  return {
    backend: prometheusDialect.backend,
    source: async () => createPrometheusSource(connection, stores),
    survey: (registry, onProgress) => surveyPrometheus({ connection, registry, now, onProgress }),
    errorBudgets: (cujs, nowMs, options) => readBudgets(api, cujs, nowMs, options),
    hourlyTraffic: (...question) => hourlyTraffic(connection, ...question, never),
    versionHits: (...question) => hourlyHits(connection, ...question, never),
    watch: {
      unit: 'samples',
      recentCounts: (...question) => newestSamples(connection, never, ...question),
      clockSkewMs: () => clockSkewMs,
    },
    findServices: (question) => findServices(connection, question, now),
    now,
    close: () => connection.close(),
  };
}
