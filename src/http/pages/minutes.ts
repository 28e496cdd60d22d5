import { bucketMs, type EndpointMeasurement, type Measurement } from '../../domain/metrics/metrics-source.ts';
import type { SliName } from '../../domain/sli/table.ts';
import type { TimelineMinute } from './charts/timeline-chart.tsx';

/** Minutes before the judged window that a timeline shows as well. */
const minutesBefore = 10;

/** Counts of both sides of one SLI by minute, from shortly before the judged window on. */
export function timelineOf(measurement: Measurement, sli: SliName, windowFromMs: number): TimelineMinute[] {
  const endpoints = measurement[sli] ?? [];
  const count = measurement.whole.canary.length;
  const first = Math.max(0, Math.floor((windowFromMs - measurement.fromMs) / bucketMs) - minutesBefore);
  return Array.from({ length: Math.max(0, count - first) }, (_, i) => ({
    atMs: measurement.fromMs + (first + i) * bucketMs,
    canary: countsIn(endpoints, 'canary', first + i, first + i + 1),
    stable: countsIn(endpoints, 'stable', first + i, first + i + 1),
  }));
}

/** Stable's counts of one endpoint over the canary's window. A verdict has them over all that was queried. */
export function stableInWindow(
  measurement: Measurement,
  sli: SliName,
  endpoint: { readonly service: string; readonly resource: string },
  windowFromMs: number,
): { total: number; bad: number } {
  const own = (measurement[sli] ?? []).filter(
    ({ service, resource }) => service === endpoint.service && resource === endpoint.resource,
  );
  const first = Math.max(0, Math.round((windowFromMs - measurement.fromMs) / bucketMs));
  return countsIn(own, 'stable', first, measurement.whole.canary.length);
}

function countsIn(
  endpoints: readonly EndpointMeasurement[],
  side: 'canary' | 'stable',
  from: number,
  to: number,
): { total: number; bad: number } {
  const sum = { total: 0, bad: 0 };
  for (const endpoint of endpoints) {
    const { total, bad } = endpoint[side];
    for (let i = from; i < to; i += 1) {
      sum.total += total[i] ?? 0;
      sum.bad += bad[i] ?? 0;
    }
  }
  return sum;
}
