import type { Settings } from '../settings/settings.ts';
import { surveyPrometheus } from '../sources/prometheus/api/doctor-survey.ts';
import { createPrometheusApi, readBudgets } from '../sources/prometheus/api/error-budgets.ts';
import { hourlyHits, hourlyTraffic } from '../sources/prometheus/api/hourly-increases.ts';
import { createPrometheusSource } from '../sources/prometheus/api/source.ts';
import { prometheusDialect } from '../sources/prometheus/query/dialect.ts';
import { type BackendSession, commandDeadlineMs } from './backend-session.ts';
import { connectPrometheus } from './prometheus-backend.ts';

/** Opens Prometheus for one command. Precondition: the settings have its URL. */
export function openPrometheusSession(settings: Settings, now: () => number): BackendSession {
  const connection = connectPrometheus({ ...settings, deadlineMs: commandDeadlineMs }, { epochNow: now });
  const api = createPrometheusApi(connection);
  const never = new AbortController().signal;
  return {
    backend: prometheusDialect.backend,
    source: async () => createPrometheusSource(connection),
    survey: (registry, onProgress) => surveyPrometheus({ connection, registry, now, onProgress }),
    errorBudgets: (cujs, nowMs, options) => readBudgets(api, cujs, nowMs, options),
    hourlyTraffic: (...question) => hourlyTraffic(connection, ...question, never),
    versionHits: (...question) => hourlyHits(connection, ...question, never),
    // Samples come with scrapes: doctor measures how old the newest one is.
    watch: undefined,
    now,
    close: () => connection.close(),
  };
}
