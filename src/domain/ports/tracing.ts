/** Attributes of a span: no secrets. The set of keys is bounded; values need not be. */
export type TraceAttributes = Readonly<Record<string, string | number | boolean>>;

/** A piece of work that is being traced. */
export interface TraceSpan {
  set(attributes: TraceAttributes): void;
}

/** A request that is being traced; it ends once. */
export interface RequestSpan extends TraceSpan {
  /** `status` is undefined where the caller went away before there was one. */
  end(status: number | undefined): void;
}

export interface TracedRequest {
  readonly method: string;
  /** The route's template; undefined where no route took it. */
  readonly route: string | undefined;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly attributes: TraceAttributes;
}

/** The port for traces. Where traces are off there is no such object, so that they cost nothing. */
export interface Tracing {
  /** Traces a request, as a part of the trace that its headers name. Spans of `work` are its children. */
  request(about: TracedRequest, work: (span: RequestSpan) => void): void;
  /**
   * Traces work until it has settled, as a part of what is being traced. A failure is marked and passed on.
   * `client`: it waits for another service.
   */
  span<T>(
    name: string,
    kind: 'internal' | 'client',
    attributes: TraceAttributes,
    work: (span: TraceSpan) => T,
  ): T;
  /** Adds attributes to the current span. */
  note(attributes: TraceAttributes): void;
}
