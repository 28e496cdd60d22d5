/** Read-only questions besides a verdict's own: keys, tags of a metric, an SLO's history. */
export interface JsonApi {
  /** The answer's JSON, not trusted yet. Throws SourceError. */
  getJson(
    path: string,
    query?: Readonly<Record<string, string | number>>,
    signal?: AbortSignal,
  ): Promise<unknown>;
  postJson(path: string, body: unknown, signal?: AbortSignal): Promise<unknown>;
}
