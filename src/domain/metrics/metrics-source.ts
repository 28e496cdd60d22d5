import type { QueryBatch } from '../registry/model.ts';
import type { Selector } from '../registry/selector.ts';
import type { BySli } from '../sli/by-sli.ts';
import type { Series, SideCounts } from './series.ts';

/** What is asked of a source: one batch of services, both sides, one aligned span. */
export interface BatchQuery {
  readonly batch: QueryBatch;
  readonly canary: Selector;
  /** Undefined: stable is the rest, everything of the services that the canary selector does not match. */
  readonly stable: Selector | undefined;
  /** Epoch ms, a multiple of `stepMs`. */
  readonly fromMs: number;
  /** Epoch ms, exclusive, a multiple of `stepMs`. */
  readonly toMs: number;
  /** The length of a bucket, in ms: {@link bucketMs} or {@link recentStepMs}. */
  readonly stepMs: number;
}

export type { Series, SideCounts };

export interface ServiceCounts {
  readonly canary: SideCounts;
  readonly stable: SideCounts;
  /** Requests of the whole service, of both sides and of neither; absent where stable is the rest, so that both sides are all. */
  readonly allTraffic?: Float64Array;
}

/** A query as it was sent, for people who want to ask the same. */
export interface SentQuery {
  readonly name: string;
  readonly query: string;
}

/** A latency threshold by which a source cannot count, such as one that is no boundary of a histogram. */
export interface RefusedThreshold {
  readonly service: string;
  readonly latencyMs: number;
  /** What is wrong, and what to do: as of a SourceError. */
  readonly message: string;
  readonly hint: string;
}

/** Hits of the canary on one service, and those of them that stable's selector matches as well, by minute. */
export interface OverlappingService {
  readonly service: string;
  readonly canary: readonly number[];
  readonly overlapping: readonly number[];
}

/** The source's answer for one batch: checked, joined, and independent of the backend's format. */
export interface Snapshot {
  readonly fromMs: number;
  readonly toMs: number;
  /**
   * The length of a bucket, in ms: a part of a minute. A source that does not have buckets as short as those that were asked for
   * answers in longer ones, of a minute at most. Then `toMs` may lie inside the last bucket. It may answer in shorter ones as well.
   */
  readonly stepMs: number;
  /** An event may have happened so long before its bucket begins, in ms. Absent where it happened in its bucket. */
  readonly lateMs?: number;
  readonly services: ReadonlyMap<string, ServiceCounts>;
  readonly queries: readonly SentQuery[];
  /** CUJs that have one of these are not judged, and all others are. Absent where there are none. */
  readonly refusedThresholds?: readonly RefusedThreshold[];
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

export { bucketMs, recentStepMs } from './buckets.ts';

export interface EndpointMeasurement {
  readonly service: string;
  readonly resource: string;
  readonly label: string;
  /** Set where the SLI needs a threshold: a bad event is slower than this. */
  readonly latencyMs?: number;
  /** The text of the definition by which requests fail; absent for 5XX, for sources without other definitions beside them, and for SLIs that count no failures. */
  readonly failure?: string;
  readonly sampleRate: number;
  /** How bursty errors are: the registry's number, or an estimate. */
  readonly dispersion: number;
  /** By minute over the measurement's span; minutes that are missing at the end are zero. */
  readonly canary: Series;
  readonly stable: Series;
  /** The canary's bad events again, in the buckets of {@link Measurement.recent}. Absent where only those by minute are known. */
  readonly recentBad?: Float64Array;
  /** The length of these buckets in ms, where it is more than {@link RecentBuckets.stepMs}: that of the service's backend. */
  readonly recentStepMs?: number;
  /** The canary's bad events may have happened so long before these buckets begin, in ms. Absent where they happened in them. */
  readonly recentLateMs?: number;
}

/** The newest part of a measurement, in buckets shorter than a minute. It ends where the measurement does. */
export interface RecentBuckets {
  /** The minute of the measurement in which the first bucket begins. */
  readonly firstMinute: number;
  /** The length of the shortest buckets of any endpoint, in ms. The last one may be shorter. */
  readonly stepMs: number;
}

/** The traffic of all services of one call of the source. */
export interface SourceTraffic {
  /** Services of the question that were measured by this call. */
  readonly services: readonly string[];
  /**
   * Requests by minute of all services that the call was about, these and others, of either side or of neither. The
   * last minute ends where the measurement does; the first may be earlier than the measurement's.
   */
  readonly hits: readonly number[];
}

/**
 * Stable of one service over all endpoints that the registry has of it, those of other CUJs as well: what failed, for availability.
 * Endpoints whose failures the CUJ defines otherwise are left out, and so are failures that callers can cause: what is normal there may
 * be a storm here.
 */
export interface StableOfService {
  readonly service: string;
  /** Requests by minute, all endpoints together. */
  readonly total: readonly number[];
  /** Bad events by minute, a list for each endpoint that has any, by resource. */
  readonly bad: readonly (readonly number[])[];
}

/**
 * Everything that a verdict is a function of, besides the CUJ; the endpoints by SLI. measurement-json.ts makes JSON of it.
 */
export interface Measurement extends BySli<readonly EndpointMeasurement[]> {
  /** Epoch ms of the first minute. */
  readonly fromMs: number;
  /** Epoch ms, exclusive. The last minute ends here, and may be shorter than the others. */
  readonly toMs: number;
  /** Absent where the source has no buckets shorter than a minute. */
  readonly recent?: RecentBuckets;
  /** What is left out behind `toMs`, because counts of canary or stable had not arrived; absent where nothing is. */
  readonly incompleteMs?: number;
  /** What the caller said the rollout's begin was, epoch ms. */
  readonly sinceMs?: number;
  /** A fixed span that the caller asked for instead of the registry's window, in ms. */
  readonly windowMs?: number | 'rollout';
  /** As of a snapshot; of several, the furthest from 0. */
  readonly clockSkewMs?: number;
  /** The services that are measured by the backend which says so; absent where one backend measures all. */
  readonly clockSkewServices?: readonly string[];
  readonly selectors: { readonly canary: string; readonly stable: string };
  /** Hits of the whole services, by minute. */
  readonly whole: {
    readonly canary: readonly number[];
    readonly stable: readonly number[];
    /** Hits that neither selector matches; absent where stable is the rest. */
    readonly unmatched?: readonly number[];
    /** Hits that both selectors match; absent where stable is the rest. */
    readonly overlapping?: readonly number[];
    /** The services of which both selectors match the same hits, by minute; absent where there are none. */
    readonly overlappingServices?: readonly OverlappingService[];
  };
  /** One for each service of the question. Absent in old records, and where a CUJ has no objective for availability. */
  readonly stableOfServices?: readonly StableOfService[];
  /** One for each call of the source. Absent where the other services are not known: then no data is taken for stale. */
  readonly sourceTraffic?: readonly SourceTraffic[];
}
