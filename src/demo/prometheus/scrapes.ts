import { hash32 } from '../datadog/normalise.ts';
import type { StoredSeries } from './remote-write.ts';
import type { ScrapedPod, ScrapedPods } from './scraped-pods.ts';

/** What Prometheus would have stored if it had scraped the pods in a span of the past. */
export function pastScrapes(
  pods: ScrapedPods,
  { fromMs, untilMs, intervalMs }: { fromMs: number; untilMs: number; intervalMs: number },
  of: readonly ScrapedPod[] = pods.pods,
): StoredSeries[] {
  return of.flatMap((pod) => {
    const times = scrapeTimes(pod, { fromMs, untilMs, intervalMs });
    if (times.length === 0) return [];
    const up = { metric: { __name__: 'up', ...pod.labels }, samples: times.map((at) => [at, 1] as const) };
    const counters = pods.seriesOf(pod, times).flatMap(({ metric, labels, values }) => {
      // A counter is there from its first request on.
      const samples = values.flatMap((value, i) => (value > 0 ? [[times[i] as number, value] as const] : []));
      return samples.length === 0
        ? []
        : [{ metric: { __name__: metric, ...pod.labels, ...labels }, samples }];
    });
    return [up, ...counters];
  });
}

/** Each target has a moment of its own in the interval, as in Prometheus. */
function scrapeTimes(
  { name, bornMs, diedMs }: ScrapedPod,
  { fromMs, untilMs, intervalMs }: { fromMs: number; untilMs: number; intervalMs: number },
): number[] {
  const phaseMs = hash32(name) % intervalMs;
  const begin = Math.max(fromMs, bornMs);
  const times: number[] = [];
  for (
    let at = Math.ceil((begin - phaseMs) / intervalMs) * intervalMs + phaseMs;
    at < Math.min(untilMs, diedMs);
    at += intervalMs
  )
    times.push(at);
  return times;
}
