import type { QueryBatch } from '../registry/model.ts';
import type { Selector } from '../registry/selector.ts';

/** What is asked of a source: one batch of services, both sides, one aligned span. */
export interface BatchQuery {
  readonly batch: QueryBatch;
  readonly canary: Selector;
  /** Undefined: stable is the rest, everything of the services that the canary selector does not match. */
  readonly stable: Selector | undefined;
  /** Epoch ms, a multiple of 60,000. */
  readonly fromMs: number;
  /** Epoch ms, exclusive, a multiple of 60,000. */
  readonly toMs: number;
}

/** Counts per 60 s bucket; index 0 is the bucket that begins at the snapshot's `fromMs`. Both arrays are equally long. */
export interface Series {
  readonly total: Float64Array;
  readonly bad: Float64Array;
  /**
   * The part of `total` that carries a status: only among these can a 5XX be seen. Absent where bad events are told by
   * something else.
   */
  readonly withStatus?: Float64Array;
  /**
   * The part of `total` that one query counts and that no other counts as good or as bad, such as requests that arrived in
   * between. Not in `bad`. Absent where there are none.
   */
  readonly unclassified?: Float64Array;
}

/** One side (canary or stable) of one service. A series that is absent had no point at all in the span. */
export interface SideCounts {
  /** Requests and 5XX of the whole service. */
  readonly whole: Series | undefined;
  /** By resource_name. */
  readonly requests: ReadonlyMap<string, Series>;
  /** By latency threshold in ms, then resource_name (`*` for the whole service): total, and slower than that. */
  readonly latency: ReadonlyMap<number, ReadonlyMap<string, Series>>;
}

export interface ServiceCounts {
  readonly canary: SideCounts;
  readonly stable: SideCounts;
  /** Requests of the whole service, whoever served them; absent where stable is the rest, so that both sides are all. */
  readonly allTraffic?: Float64Array;
}

/** A query as it was sent, for people who want to ask the same. */
export interface SentQuery {
  readonly name: string;
  readonly query: string;
}

/** The source's answer for one scope: checked, joined, nothing of the wire left in it. */
export interface Snapshot {
  readonly fromMs: number;
  readonly toMs: number;
  readonly services: ReadonlyMap<string, ServiceCounts>;
  readonly queries: readonly SentQuery[];
  /**
   * How far the clock of this process was ahead of the source's when it answered (below 0: behind), in ms. Absent where
   * the source does not say what its time is.
   */
  readonly clockSkewMs?: number;
}

/** The port. Implementations throw SourceError and nothing else; `signal` aborts at the request's deadline. */
export interface MetricsSource {
  measure(query: BatchQuery, signal: AbortSignal): Promise<Snapshot>;
}

/**
 * The queries that a source sends for a batch, for people and as a key. Without selectors they are shown with the
 * registry's own placeholders, such as `version:{version}`.
 */
export type DescribeQueries = (
  batch: QueryBatch,
  canary?: Selector,
  stable?: Selector,
) => readonly SentQuery[];

export const bucketMs = 60_000;

export interface EndpointMeasurement {
  readonly service: string;
  readonly resource: string;
  readonly label: string;
  /** Latency only: a bad event is slower than this. */
  readonly latencyMs?: number;
  readonly sampleRate: number;
  readonly dispersion: number;
  /** Over the measurement's span; buckets that are missing at the end are zero. */
  readonly canary: Series;
  readonly stable: Series;
}

/** What one call of the source said of everybody. */
export interface SourceTraffic {
  /** Services of the question that were measured by this call. */
  readonly services: readonly string[];
  /**
   * Requests by minute of all services that the call was about, these and others, of either side or of neither. The
   * last minute ends where the measurement does; the first may be earlier than the measurement's.
   */
  readonly hits: readonly number[];
}

/** Everything that a verdict is a function of, besides the CUJ. written-measurement.ts makes JSON of it. */
export interface Measurement {
  /** Epoch ms of the first bucket. */
  readonly fromMs: number;
  /** Epoch ms, exclusive: the newest complete minute's end. */
  readonly toMs: number;
  /** What the caller said the rollout's begin was, epoch ms. */
  readonly sinceMs?: number;
  /** A fixed span that the caller asked for instead of the registry's window, in ms. */
  readonly windowMs?: number | 'rollout';
  /** As of a snapshot; of several, the furthest from 0. */
  readonly clockSkewMs?: number;
  readonly selectors: { readonly canary: string; readonly stable: string };
  readonly availability?: readonly EndpointMeasurement[];
  readonly latency?: readonly EndpointMeasurement[];
  /** Hits of the whole services, per bucket. */
  readonly whole: {
    readonly canary: readonly number[];
    readonly stable: readonly number[];
    /** Hits that neither selector matches; absent where stable is the rest. */
    readonly unmatched?: readonly number[];
    /** Hits that both selectors match; absent where stable is the rest. */
    readonly overlapping?: readonly number[];
  };
  /** One for each call of the source. Absent where nothing is known of others: then nothing is taken for stale. */
  readonly sourceTraffic?: readonly SourceTraffic[];
}
