import { hourMs } from '../../../domain/duration.ts';
import type { SideCounts } from '../../../domain/metrics/metrics-source.ts';
import type { JsonApi } from '../../../domain/ports/json-api.ts';
import type { QueryBatch } from '../../../domain/registry/model.ts';
import { planTraffic } from '../query/query-plan.ts';
import { askCounts } from './count-query.ts';
import { trafficOf } from './snapshot.ts';
import { readAttributes } from './timeseries-response.ts';

/**
 * What the services of one scope had to serve, hour by hour, whichever version served it: one POST
 * /api/v2/query/timeseries with the queries of a verdict, less its selectors. Both ends are whole hours, epoch ms. By
 * service; each bucket is an hour. Throws SourceError.
 */
export async function hourlyTraffic(
  api: JsonApi,
  batch: QueryBatch,
  fromMs: number,
  toMs: number,
): Promise<ReadonlyMap<string, SideCounts>> {
  const plan = planTraffic(batch);
  const answer = await askCounts(api, plan.queries, fromMs, toMs, hourMs);
  return trafficOf(plan, batch, { fromMs, toMs }, readAttributes(answer), hourMs);
}
