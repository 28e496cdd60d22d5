import type { JsonApi } from '../domain/ports/json-api.ts';
import type { ErrorBudgetOptions } from '../error-budget/refresher.ts';
import type { Settings } from '../settings/settings.ts';
import { PrometheusConnection } from '../sources/prometheus/api/connection.ts';
import { createPrometheusApi, readBudgets } from '../sources/prometheus/api/error-budgets.ts';
import { hourlyHits, hourlyTraffic } from '../sources/prometheus/api/hourly-increases.ts';
import { createPrometheusSource } from '../sources/prometheus/api/source.ts';
import { describeQueries } from '../sources/prometheus/query/query-plan.ts';
import type { Backend, BackendEvents } from './backend.ts';

/** Prometheus, or what speaks its API, as the process uses it. Precondition: the settings have its URL. */
export function openPrometheusBackend(settings: Settings, events: BackendEvents): Backend {
  const { cacheKey, token, password } = settings.prometheus;
  const connection = connectPrometheus(settings, events);
  const budgets =
    (recent: boolean) =>
    (api: JsonApi, ...[cujs, untilMs, signal]: BudgetQuestion) =>
      readBudgets(api, cujs, untilMs, { recent, signal });
  return {
    describeQueries,
    // It has no pages about a release: dashboards are everybody's own.
    pages: () => [],
    tagHits: (...question) => hourlyHits(connection, ...question),
    traffic: (...question) => hourlyTraffic(connection, ...question),
    source: async () => createPrometheusSource(connection),
    sharing: {
      secret: cacheKey ?? token ?? password ?? '',
      origin: connection.origin,
    },
    holdOff: (seconds) => connection.holdOff(seconds),
    errorBudgets: {
      api: createPrometheusApi(connection),
      read: budgets(false),
      readWithRecent: budgets(true),
    },
    close: () => connection.close(),
  };
}

type BudgetQuestion = Parameters<ErrorBudgetOptions['read']>;

/** The connection to Prometheus of the settings. */
export function connectPrometheus(settings: Settings, events: BackendEvents = {}): PrometheusConnection {
  const { url = '', cacheKey: _, ...credentials } = settings.prometheus;
  return new PrometheusConnection({
    ...credentials,
    url,
    deadlineMs: settings.deadlineMs,
    ...(events.onRateLimited === undefined ? {} : { onRateLimited: events.onRateLimited }),
    ...(events.onClockSkew === undefined ? {} : { onClockSkew: events.onClockSkew }),
    ...(events.epochNow === undefined ? {} : { epochNow: events.epochNow }),
  });
}
