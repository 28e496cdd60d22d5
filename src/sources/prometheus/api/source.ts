import { type BatchQuery, bucketMs, type MetricsSource } from '../../../domain/metrics/metrics-source.ts';
import { type PlannedDurations, type PlannedQuery, planDurations, planQuery } from '../query/query-plan.ts';
import type { PrometheusConnection } from './connection.ts';
import { readCounters, readVector } from './matrix-response.ts';
import { refuseUnmeasurable } from './measurable-batch.ts';
import {
  earlierQuery,
  refuseDown,
  refuseEarlier,
  refuseStopped,
  stoppedTargets,
  upQuery,
} from './missing-samples.ts';
import { boundariesQuery, readDurations, refusedThresholds } from './read-durations.ts';
import { readSeries } from './read-series.ts';
import { returnedQuery, withEarlierSamples } from './returned-counters.ts';
import { snapshotOf } from './snapshot.ts';
import { refuseMissingStores, type StoreWatch } from './store-watch.ts';

/**
 * Samples before the span: what a counter's first increment in the span is counted from. A counter without a sample in that time
 * is a new one.
 */
export const marginMs = 15 * 60_000;

/**
 * The MetricsSource over the HTTP API of Prometheus: one POST /api/v1/query for the samples of a batch, one for its histograms where
 * latency is judged, and more where some are missing. Nothing is counted while `stores` tells that samples are missing.
 */
export function createPrometheusSource(connection: PrometheusConnection, stores?: StoreWatch): MetricsSource {
  return {
    async measure(query, signal) {
      refuseUnmeasurable(query.batch);
      const plan = planQuery(query.batch);
      const planned = planDurations(query.batch);
      const rangeFromMs = query.fromMs - marginMs;
      const plans = planned === undefined ? [plan] : [plan, planned];
      const sent = plans.map((one) => ({ name: one.name, query: rangeText(one, query) }));
      const reads = plans.map(({ matchers }) => ({ matchers, fromMs: rangeFromMs, toMs: query.toMs }));
      // In functions of their own, so that nothing holds an answer any longer.
      const ask = async (inner: AbortSignal) => {
        const { json, clockSkewMs } = await connection.instant(rangeText(plan, query), query.toMs, inner);
        return { counters: readCounters(json, plan, rangeFromMs, query.toMs), clockSkewMs };
      };
      const askDurations = async (of: PlannedDurations, inner: AbortSignal) => {
        const { json } = await connection.instant(rangeText(of, query), query.toMs, inner);
        return readDurations(json, of, rangeFromMs, query.toMs);
      };
      return await connection.attempt(async (inner) => {
        // Before and after: which stores answered was decided at some moment between. A fast question needs one list.
        const before = stores?.latest();
        const { counters, clockSkewMs } = await ask(inner);
        refuseMissingStores(await before, reads);
        refuseMissingStores(await stores?.latest(), reads);
        const found = readSeries(plan, query, counters);
        const vector = async (asked: string, atMs: number) =>
          readVector((await connection.instant(asked, atMs, inner)).json);
        const returned = returnedQuery(plan, found);
        const series =
          returned === undefined
            ? found
            : withEarlierSamples(found, await vector(returned, rangeFromMs), rangeFromMs);
        // Where all samples have stopped, the newest data shows it.
        if (query.stepMs < bucketMs) {
          refuseStopped(query, series);
          const earlier = earlierQuery(plan, series, rangeFromMs);
          if (earlier !== undefined) refuseEarlier(await vector(earlier, rangeFromMs), series);
        }
        // In the past as well: a pod may have been down for longer than the newest data goes back.
        const stopped = stoppedTargets(query, series);
        if (stopped.length > 0) refuseDown(stopped, await vector(upQuery(stopped), query.toMs));
        const durations = planned && (await askDurations(planned, inner));
        // Before, there may have been other buckets.
        const boundaries = query.stepMs < bucketMs && durations ? boundariesQuery(durations) : undefined;
        const refused =
          durations === undefined || boundaries === undefined
            ? []
            : refusedThresholds(durations, await vector(boundaries, query.toMs));
        return {
          ...snapshotOf(sent, query, series, durations),
          ...(refused.length === 0 ? {} : { refusedThresholds: refused }),
          ...(clockSkewMs === undefined ? {} : { clockSkewMs }),
        };
      }, signal);
    },
  };
}

/** As it is sent: all samples of the selector in the span and before it. */
function rangeText({ query: selector }: PlannedQuery, { fromMs, toMs }: BatchQuery): string {
  return `${selector}[${(toMs - fromMs + marginMs) / 1000}s]`;
}
