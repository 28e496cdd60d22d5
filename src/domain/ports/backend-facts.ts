/**
 * What a backend has of the services of a registry, as `doctor` asked for it. Plain data: doctor's findings are a function
 * of it and of the registry.
 */
export interface BackendFacts {
  /** The span that was looked at, epoch ms. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Calls that were made to the backend. */
  readonly calls: number;
  /** The backend says that it is a simulation: it has whatever the registry names. */
  readonly isSimulation?: boolean;
  /** Calls that failed. Everything that depends on them is undefined below. */
  readonly failures: readonly SurveyFailure[];
  /** Names of metrics with points in the span. */
  readonly activeMetrics: ReadonlySet<string> | undefined;
  /** Tag keys of a metric with their values; a metric that could not be asked for is absent. */
  readonly tags: ReadonlyMap<string, MetricTags>;
  /** By the registry's name; a service that could not be asked for is absent. */
  readonly services: ReadonlyMap<string, ServiceFacts>;
  /** The SLOs that the registry's CUJs may mean, by id or name. */
  readonly slos: readonly SloFacts[] | undefined;
  /** Counters by the service that they count; absent where the backend has none. */
  readonly counters?: ReadonlyMap<string, CounterFacts>;
  /** Histograms of durations by the service that they time; absent where the backend has none, and of services without thresholds. */
  readonly histograms?: ReadonlyMap<string, HistogramFacts>;
  /** Objectives that the backend records, in percent by `CUJ SLI WINDOW`; absent where it could not be asked, or has SLOs instead. */
  readonly recordedSlos?: ReadonlyMap<string, number>;
  /** The stores that the backend asks for samples; absent where it has them itself. */
  readonly stores?: StoreFacts;
  /** Requests and failures, of any version, of the CUJs by name whose failures are not 5XX on all endpoints. */
  readonly failing?: ReadonlyMap<string, { readonly total: number; readonly bad: number }>;
}

export interface StoreFacts {
  /** Who asks them: `Thanos Query`. */
  readonly askedBy: string;
  /** Why nothing is known of them; undefined where it is. */
  readonly unreadable: string | undefined;
  readonly stores: readonly {
    /** With its kind and labels. */
    readonly name: string;
    /** Why it does not answer; undefined where it does. */
    readonly error: string | undefined;
    /** Whether it could hold samples of the last hour. */
    readonly isRecent: boolean;
  }[];
}

export type MetricTags = ReadonlyMap<string, ReadonlySet<string>>;

/** Hits by the value of a tag. */
export type Shares = ReadonlyMap<string, number>;

export interface ServiceFacts {
  /** All events of the service, as the gate counts them but without a selector, and the bad ones among them. */
  readonly total: number;
  readonly bad: number;
  /** By resource; undefined where the source knows no endpoints. */
  readonly routes: Shares | undefined;
  /** By `http.status_code`; absent where the source has no such tag. */
  readonly statusCodes?: Shares;
  /** By the status of gRPC; absent where nothing is judged by it. */
  readonly grpcCodes?: Shares;
  /** Requests that are marked as errors; absent where nothing is judged by it. */
  readonly errors?: number;
  /** For each tag key of the service's selectors: hits by value. */
  readonly selectorValues: ReadonlyMap<string, Shares>;
  /** Requests of the latency distribution; absent where no CUJ has a threshold on the service. */
  readonly timed?: number;
  /** Hits of the same service and operation by env, whatever the registry's env. Absent where there is no operation. */
  readonly envs?: Shares;
  /** Other operations under which the service has hits, asked where its own has none or none that match. */
  readonly elsewhere?: readonly OperationFacts[];
  /** The service's requests as the Istio mesh counts them, where the backend has them. */
  readonly meshRequests?: number;
  /** Of a service that is measured by metrics of its spans; absent for others. */
  readonly spans?: {
    /** Requests whose span has no status of HTTP; absent where nothing is judged by it. */
    readonly withoutStatus?: number;
    /** All requests of the service, whether the backend kept their spans or not, and those of them that ended in 5XX. */
    readonly tracedRequests: number;
    readonly tracedErrors: number;
  };
}

/** What a backend that scrapes has of the counter of one service, now. */
export interface CounterFacts {
  readonly metric: string;
  /** The label that tells services apart, with the number of series of the metric by its values: of all services. */
  readonly serviceLabel: string;
  readonly serviceValues: Shares;
  /** Series of this service. */
  readonly series: number;
  /** Where there are none: what is there in their place. */
  readonly absent?: AbsentCounter;
  /**
   * For each label that the registry names: series by value; by the empty string those without it. Where no series has the label, also
   * for the nearest one.
   */
  readonly labels: ReadonlyMap<string, Shares>;
  /**
   * Requests of the last day by endpoint and status, where a definition of failure names statuses; by the empty string those of no
   * endpoint. Absent where none does.
   */
  readonly statuses?: ReadonlyMap<string, Shares>;
  /** The names of all labels of one of its series. */
  readonly labelNames: readonly string[];
  /** Between two samples of one series, in ms; undefined where there are too few. */
  readonly scrapeMs: number | undefined;
  /** The age of the newest sample of that series, in ms. */
  readonly newestAgeMs: number | undefined;
  /** How far back there certainly are samples of the metric, in days: the greatest of some numbers. */
  readonly oldestDays: number;
  /** The next of these numbers, of which there are none; undefined where there are of all. */
  readonly missingDays: number | undefined;
}

/** What there is in the place of a service's series. */
export interface AbsentCounter {
  /** What the label that tells services apart must be. */
  readonly serviceValue: string;
  /** The names of the labels of one series of the service, or of the metric where the service has none; undefined where that has none. */
  readonly labelNames: readonly string[] | undefined;
  /** The service has series: conditions that none of them meets by itself. Empty where only all of them together select nothing. */
  readonly unmatched: readonly UnmatchedMatcher[];
  /** The service has none: labels that have the service's name as a value. */
  readonly labelsOfName: readonly string[];
  /** The metric has none: well-known counters that are there. */
  readonly counters: ReadonlySet<string>;
}

/** A condition of a selector that no series of a service meets. */
export interface UnmatchedMatcher {
  /** As it was asked: `reporter="sorce"`. */
  readonly text: string;
  readonly label: string;
  readonly value: string;
  /** Series of the service by value of that label; by the empty string those without it. */
  readonly values: Shares;
}

/** What a backend that scrapes has of the durations of one service, now. */
export interface HistogramFacts {
  readonly metric: string;
  /** Whether its buckets have an end that is written down, as `latencyMs` needs it. */
  readonly isClassic: boolean;
  readonly unit: 's' | 'ms';
  /** The label that tells services apart, with the number of histograms of the metric by its values: of all services. */
  readonly serviceLabel: string;
  readonly serviceValues: Shares;
  /** Histograms of this service: one for each process and endpoint, with all of its buckets. */
  readonly histograms: number;
  /** For each label that the registry names: histograms by value; by the empty string those without it. */
  readonly labels: ReadonlyMap<string, Shares>;
  /** The ends of buckets in ms, in order, with how many histograms have it. Empty where they are native. */
  readonly boundaries: ReadonlyMap<number, number>;
  /** Requests of the last hour by the end of the bucket in ms, those of shorter ones included; Infinity: all of them. */
  readonly within: ReadonlyMap<number, number>;
  /** Of native ones: the thresholds in ms that lie inside a bucket with requests. Empty where they are classic. */
  readonly across: ReadonlyMap<number, BucketAcross>;
  /** Requests of the last day by endpoint; by the empty string those of none. */
  readonly timed: Shares;
}

/** A bucket that a threshold lies inside of. */
export interface BucketAcross {
  /** Where it ends, in ms. */
  readonly endMs: number;
  /** Of all requests of the histograms. */
  readonly share: number;
}

export interface OperationFacts {
  readonly operation: string;
  readonly routes: Shares;
}

/** An SLO as the backend has it, as far as it can differ from the registry. */
export interface SloFacts {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  /** Percent by timeframe. */
  readonly targets: ReadonlyMap<string, number>;
  /** Texts of its queries. */
  readonly queries: readonly string[];
}

/** A question of the survey that failed. */
export interface SurveyFailure {
  readonly about: 'backend' | 'api-key' | 'metrics' | 'tags' | 'queries' | 'slos';
  /** A source error code. */
  readonly code: string;
  readonly message: string;
  readonly fix: string;
}
