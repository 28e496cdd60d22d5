import type { ReadRecentCounts, RecentCounts } from '../../../domain/ports/recent-counts.ts';
import { labelOf } from '../query/label-matchers.ts';
import { planQuery } from '../query/query-plan.ts';
import type { PrometheusConnection } from './connection.ts';
import { readCounters } from './matrix-response.ts';

/**
 * The port of `samples`: how many samples of a service's counters can be seen by now, by their own time. It asks as verdicts do, with the selector
 * of the source and a range: what such a question shows is what a verdict sees, behind whatever buffers, caches and remote write
 * there are. Throws SourceError.
 */
export async function newestSamples(
  connection: PrometheusConnection,
  signal: AbortSignal,
  ...[batch, label, fromMs, toMs]: Parameters<ReadRecentCounts>
): Promise<RecentCounts> {
  const plan = planQuery(batch);
  const text = `${plan.query}[${toMs - fromMs}ms]`;
  const counters = await connection.attempt(
    async (inner) => readCounters((await connection.instant(text, toMs, inner)).json, plan, fromMs, toMs),
    signal,
  );
  const counts = new Map<string, Map<string, Map<number, number>>>();
  for (const { labels, times } of counters) {
    const service = plan.services.get(labelOf(labels, plan.serviceLabel)) as string;
    const ofService = counts.get(service) ?? new Map<string, Map<number, number>>();
    counts.set(service, ofService);
    const value = label === undefined ? '' : labelOf(labels, label);
    const ofValue = ofService.get(value) ?? new Map<number, number>();
    ofService.set(value, ofValue);
    for (const timeMs of times) ofValue.set(timeMs, (ofValue.get(timeMs) ?? 0) + 1);
  }
  return counts;
}
