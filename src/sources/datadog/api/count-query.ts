import type { SentQuery } from '../../../domain/metrics/metrics-source.ts';
import type { JsonApi } from '../../../domain/ports/json-api.ts';

/**
 * The answer to count queries in buckets of `everyMs`, not trusted yet: one POST /api/v2/query/timeseries for all of them,
 * with a formula of its own for each. Both ends are epoch ms. Datadog may answer in wider buckets. Throws SourceError.
 */
export async function askCounts(
  api: JsonApi,
  queries: readonly SentQuery[],
  fromMs: number,
  toMs: number,
  everyMs: number,
): Promise<unknown> {
  return api.postJson('/api/v2/query/timeseries', {
    data: {
      type: 'timeseries_request',
      attributes: {
        from: fromMs,
        to: toMs,
        interval: everyMs,
        formulas: queries.map(({ name }) => ({ formula: name })),
        queries: queries.map(({ name, query }) => ({ data_source: 'metrics', name, query })),
      },
    },
  });
}
