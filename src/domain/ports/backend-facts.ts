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
  /** Requests and failures, of any version, of the CUJs by name whose failures are not 5XX on all endpoints. */
  readonly failing?: ReadonlyMap<string, { readonly total: number; readonly bad: number }>;
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
  /** By `http.status_code`; undefined for a source template. */
  readonly statusCodes: Shares | undefined;
  /** By the status of gRPC; absent where nothing is judged by it. */
  readonly grpcCodes?: Shares;
  /** Requests that are marked as errors; absent where nothing is judged by it. */
  readonly errors?: number;
  /** For each tag key of the service's selectors: hits by value. */
  readonly selectorValues: ReadonlyMap<string, Shares>;
  /** Requests of the latency distribution; undefined where no CUJ has a threshold on the service. */
  readonly timed: number | undefined;
  /** Hits of the same service and operation by env, whatever the registry's env. */
  readonly envs: Shares | undefined;
  /** Other operations under which the service has hits, asked where its own has none or none that match. */
  readonly elsewhere: readonly OperationFacts[];
  /** The service's requests as the Istio mesh counts them, where the backend has them. */
  readonly meshRequests: number | undefined;
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
  readonly about: 'api-key' | 'metrics' | 'tags' | 'queries' | 'slos';
  /** A source error code. */
  readonly code: string;
  readonly message: string;
  readonly fix: string;
}
