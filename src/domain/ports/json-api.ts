/** Read-only calls of the backend, other than those of a verdict: keys, tags of a metric, an SLO's history. */
export interface JsonApi {
  /** The answer's JSON, not trusted yet. Throws SourceError. */
  getJson(
    path: string,
    query?: Readonly<Record<string, string | number>>,
    signal?: AbortSignal,
  ): Promise<unknown>;
  postJson(path: string, body: unknown, signal?: AbortSignal): Promise<unknown>;
}
