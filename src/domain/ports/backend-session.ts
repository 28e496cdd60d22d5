import type { MetricsSource, SideCounts } from '../metrics/metrics-source.ts';
import type { Cuj, QueryBatch, Registry } from '../registry/model.ts';
import type { BackendFacts } from './backend-facts.ts';
import type { CujBudget } from './error-budget.ts';
import type { ReadRecentCounts, RecentUnit } from './recent-counts.ts';

/** The deadline of commands is longer than the server's: they query a day or a month of data. */
export const commandDeadlineMs = 60_000;

/** What commands ask a backend, over one connection. Every method throws SourceError. */
export interface BackendSession {
  /** The backend's name in messages: `Prometheus`. */
  readonly backend: string;
  /** The metrics source over the same connection. */
  source(): Promise<MetricsSource>;
  /** What the backend has of the registry's services. */
  survey(registry: Registry, onProgress: (what: string) => void): Promise<BackendFacts>;
  errorBudgets(
    cujs: readonly Cuj[],
    nowMs: number,
    options: {
      /** Ask for the burn of the last seven days as well. */
      readonly recent: boolean;
      readonly onProgress?: (done: number, of: number) => void;
    },
  ): Promise<CujBudget[]>;
  /** Both ends are whole hours, epoch ms. By service; each bucket is an hour. */
  hourlyTraffic(batch: QueryBatch, fromMs: number, toMs: number): Promise<ReadonlyMap<string, SideCounts>>;
  /** Hits by service, value of the tag, and hour. Both ends are whole hours, epoch ms. */
  versionHits(
    batch: QueryBatch,
    key: string,
    fromMs: number,
    toMs: number,
  ): Promise<ReadonlyMap<string, ReadonlyMap<string, Float64Array>>>;
  /** How the newest data arrives. */
  readonly watch: {
    readonly unit: RecentUnit;
    readonly recentCounts: ReadRecentCounts;
    /** How far our clock was ahead of the backend's (below 0: behind) at the last answer that had a Date, in ms. */
    clockSkewMs(): number;
  };
  /** Epoch ms. */
  readonly now: () => number;
  close(): Promise<void>;
}
