import type { Backend, BackendEvents } from '../../../domain/ports/backend.ts';
import type { ReadBudgets } from '../../../domain/ports/error-budget.ts';
import type { JsonApi } from '../../../domain/ports/json-api.ts';
import { describeQueries } from '../query/query-plan.ts';
import type { PrometheusSettings } from '../settings.ts';
import { PrometheusConnection } from './connection.ts';
import { createPrometheusApi, readBudgets } from './error-budgets.ts';
import { hourlyHits, hourlyTraffic } from './hourly-increases.ts';
import { createPrometheusSource } from './source.ts';
import { StoreWatch } from './store-watch.ts';

/** Prometheus, or what speaks its API, as the process uses it. Precondition: the settings have its URL. */
export function openPrometheusBackend(
  settings: PrometheusSettings,
  deadlineMs: number,
  events: BackendEvents,
): Backend {
  const { cacheKey, token, password } = settings;
  const connection = connectPrometheus(settings, deadlineMs, events);
  const stores = new StoreWatch(connection, events);
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
    source: async () => createPrometheusSource(connection, stores),
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

type BudgetQuestion = Parameters<ReadBudgets>;

/** The connection to Prometheus of the settings. */
export function connectPrometheus(
  { url = '', cacheKey: _, ...credentials }: PrometheusSettings,
  deadlineMs: number,
  events: BackendEvents,
): PrometheusConnection {
  return new PrometheusConnection({
    ...credentials,
    url,
    deadlineMs,
    ...(events.onRateLimited === undefined ? {} : { onRateLimited: events.onRateLimited }),
    ...(events.onClockSkew === undefined ? {} : { onClockSkew: events.onClockSkew }),
    ...(events.epochNow === undefined ? {} : { epochNow: events.epochNow }),
  });
}
