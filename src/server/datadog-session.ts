import type { MetricsSource } from '../domain/metrics/metrics-source.ts';
import type { BackendFacts } from '../domain/ports/backend-facts.ts';
import type { CujBudget } from '../domain/ports/error-budget.ts';
import type { ReadRecentCounts } from '../domain/ports/recent-counts.ts';
import type { Cuj, QueryBatch, Registry } from '../domain/registry/model.ts';
import type { Settings } from '../settings/settings.ts';
import { createDatadogApi } from '../sources/datadog/api/connection.ts';
import { surveyDatadog } from '../sources/datadog/api/doctor-survey.ts';
import { type BudgetReadOptions, readBudgets } from '../sources/datadog/api/error-budgets.ts';
import { hourlyTraffic } from '../sources/datadog/api/hourly-traffic.ts';
import { findServiceRoutes, type ServiceRoutes } from '../sources/datadog/api/service-routes.ts';
import { createDatadogSource } from '../sources/datadog/api/source.ts';
import { recentCounts, type VersionHits, versionHits } from '../sources/datadog/api/version-hits.ts';
import { connect } from './datadog-backend.ts';

/** The deadline of commands is longer than the server's: they query a day or a month of data. */
const deadlineMs = 60_000;

/** The Datadog queries of the commands, over one connection. Every method throws SourceError. */
export interface DatadogSession {
  /** The metrics source over the same connection. */
  source(): Promise<MetricsSource>;
  survey(registry: Registry, onProgress: (what: string) => void): Promise<BackendFacts>;
  errorBudgets(cujs: readonly Cuj[], nowMs: number, options: BudgetReadOptions): Promise<CujBudget[]>;
  hourlyTraffic(batch: QueryBatch, fromMs: number, toMs: number): ReturnType<typeof hourlyTraffic>;
  versionHits(batch: QueryBatch, key: string, fromMs: number, toMs: number): Promise<VersionHits>;
  readonly recentCounts: ReadRecentCounts;
  /** How far our clock was ahead of Datadog's (below 0: behind) at the last answer that had a Date, in ms. */
  clockSkewMs(): number;
  serviceRoutes(service: string, env: string, operation: string | undefined): Promise<ServiceRoutes>;
  /** Epoch ms. */
  readonly now: () => number;
  close(): Promise<void>;
}

/** Opens Datadog for one command. Precondition: the settings have both keys. */
export function openDatadogSession(settings: Settings, now: () => number): DatadogSession {
  let clockSkewMs = 0;
  const connection = connect(
    { ...settings, deadlineMs },
    {
      epochNow: now,
      onClockSkew: (skewMs) => {
        clockSkewMs = skewMs;
      },
    },
  );
  const api = createDatadogApi(connection);
  return {
    source: () => createDatadogSource(connection),
    survey: (registry, onProgress) => surveyDatadog({ api, registry, now, onProgress }),
    errorBudgets: (cujs, nowMs, options) => readBudgets(api, cujs, nowMs, options),
    hourlyTraffic: (...question) => hourlyTraffic(api, ...question),
    versionHits: (...question) => versionHits(api, ...question),
    recentCounts: (...question) => recentCounts(api, ...question),
    clockSkewMs: () => clockSkewMs,
    serviceRoutes: (service, env, operation) => findServiceRoutes(api, service, env, now(), operation),
    now,
    close: () => connection.close(),
  };
}
