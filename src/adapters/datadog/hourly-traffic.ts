import type { SideCounts } from '../../domain/metrics-source.ts';
import { planTraffic } from '../../domain/query-plan.ts';
import type { ScopeBatch } from '../../domain/registry-model.ts';
import { readAttributes } from './answer.ts';
import type { DatadogApi } from './connection.ts';
import { trafficOf } from './snapshot.ts';

const hourMs = 3_600_000;

/**
 * What the services of one scope had to serve, hour by hour, whichever version served it: one POST
 * /api/v2/query/timeseries with the queries of a verdict, less its selectors. Both ends are whole hours, epoch ms. By
 * service; each bucket is an hour. Throws SourceError.
 */
export async function hourlyTraffic(
  api: DatadogApi,
  batch: ScopeBatch,
  fromMs: number,
  toMs: number,
): Promise<ReadonlyMap<string, SideCounts>> {
  const plan = planTraffic(batch);
  const answer = await api.postJson('/api/v2/query/timeseries', {
    data: {
      type: 'timeseries_request',
      attributes: {
        from: fromMs,
        to: toMs,
        interval: hourMs,
        formulas: plan.queries.map(({ name }) => ({ formula: name })),
        queries: plan.queries.map(({ name, query }) => ({ data_source: 'metrics', name, query })),
      },
    },
  });
  return trafficOf(plan, batch, { fromMs, toMs }, readAttributes(answer), hourMs);
}
