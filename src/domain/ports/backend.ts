import type { DescribeQueries, MetricsSource, SideCounts } from '../metrics/metrics-source.ts';
import type { QueryBatch } from '../registry/model.ts';
import type { SourceDialect } from '../registry/source-dialect.ts';
import type { SettingRows } from '../setting.ts';
import type { BackendSession } from './backend-session.ts';
import type { ReadBudgets } from './error-budget.ts';
import type { JsonApi } from './json-api.ts';
import type { SourceLinks } from './source-links.ts';

/**
 * A metrics backend, as src/sources/NAME/backend.ts defines it and src/sources/dialects/backends.ts lists it. `Settings` is its own. Loading a definition
 * must not load what talks to the backend: every command loads all of them.
 */
export interface BackendDefinition<Settings = unknown> {
  readonly dialect: SourceDialect;
  /** Its settings. No two backends have one of the same name. */
  readonly settingRows: SettingRows;
  /** Its settings from the values of the rows. Those without a value that is required are reported already. */
  readSettings(values: Readonly<Record<string, unknown>>, context: SettingsContext): Settings;
  /** Precondition: nothing is wrong with the settings. */
  open(settings: Settings, deadlineMs: number, events: BackendEvents): Promise<Backend>;
  /** For commands that ask the backend alone, such as `doctor`. Absent: they say that they do not work with it. */
  openSession?(settings: Settings, now: () => number): Promise<BackendSession>;
}

export interface SettingsContext {
  /** Replicas share results, which are signed: the settings must have what {@link Backend.sharing} needs. */
  readonly sharesCache: boolean;
  /** Where to add one sentence for each problem, with what to do. */
  readonly problems: string[];
}

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
  readonly read: (api: JsonApi, ...question: Parameters<ReadBudgets>) => ReturnType<ReadBudgets>;
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
