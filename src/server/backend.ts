import type { DescribeQueries, MetricsSource, SideCounts } from '../domain/metrics/metrics-source.ts';
import type { JsonApi } from '../domain/ports/json-api.ts';
import type { SourceLinks } from '../domain/ports/source-links.ts';
import type { QueryBatch } from '../domain/registry/model.ts';
import type { ErrorBudgetOptions } from '../error-budget/refresher.ts';
import type { Settings } from '../settings/settings.ts';

/** What a metrics backend brings to a process: one row of the table in backends.ts. */

/** What a backend tells the process while it measures. */
export interface BackendEvents {
  /** The requests that its rate limit leaves, where its answers say so; of how many, and until when. */
  readonly onRateLimitRemaining?: (
    remaining: number,
    period: { readonly limit?: number; readonly resetSeconds?: number },
  ) => void;
  /** The rate limit is used up, for so many seconds. */
  readonly onRateLimited?: (seconds: number) => void;
  /** How far our clock is ahead of the backend's (below 0: behind), in ms. */
  readonly onClockSkew?: (skewMs: number) => void;
  /** Epoch ms; the system's clock by default. */
  readonly epochNow?: () => number;
}

/** A backend that is opened with the settings of a process. It sends nothing before it is asked. */
export interface Backend {
  readonly describeQueries: DescribeQueries;
  /** Its own pages about a canary. */
  readonly pages: SourceLinks;
  /** Hits by service and value of a tag, hour by hour, epoch ms. Undefined where it cannot tell. Throws SourceError. */
  readonly tagHits: ReadTagHits | undefined;
  /** Requests by hour of a whole batch, epoch ms, whichever version served them. Undefined where it cannot tell. Throws SourceError. */
  readonly traffic: ReadTraffic | undefined;
  /** The source of counts, without cache, metrics and logs. */
  source(): Promise<MetricsSource>;
  /** What the cache of replicas needs: those with the same secret and origin share their answers. */
  readonly sharing: {
    /** What only replicas know, such as the key of the backend. Never empty: entries are signed with it. */
    readonly secret: string;
    /** Where counts come from, such as the base URL: replicas with another one share nothing. */
    readonly origin: string;
  };
  /** Sends nothing for so many seconds: the backend told another replica to wait. */
  holdOff(seconds: number): void;
  /** Undefined where the backend knows no error budgets: the rules of the registry then hold. */
  readonly errorBudgets: BackendBudgets | undefined;
  /** Closes connections. Pending requests are completed. */
  close(): Promise<void>;
}

export interface BackendBudgets {
  readonly api: JsonApi;
  /** Reads budgets through `api`, or through the cache of replicas around it. */
  readonly read: (
    api: JsonApi,
    ...question: Parameters<ErrorBudgetOptions['read']>
  ) => ReturnType<ErrorBudgetOptions['read']>;
  /** The same with the burn of the last seven days: one more call for each SLI. */
  readonly readWithRecent: BackendBudgets['read'];
}

/** Both ends are whole hours. By service, value of the tag, and hour. */
export type ReadTagHits = (
  batch: QueryBatch,
  key: string,
  fromMs: number,
  toMs: number,
  signal: AbortSignal,
) => Promise<ReadonlyMap<string, ReadonlyMap<string, ArrayLike<number>>>>;

/** Both ends are whole hours. By service. */
export type ReadTraffic = (
  batch: QueryBatch,
  fromMs: number,
  toMs: number,
  signal: AbortSignal,
) => Promise<ReadonlyMap<string, SideCounts>>;

export type OpenBackend = (settings: Settings, events: BackendEvents) => Backend;
