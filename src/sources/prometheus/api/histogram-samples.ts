import { SourceError } from '../../../domain/errors.ts';
import { bucketLabel, leOf } from '../query/bucket-boundaries.ts';
import { type Labels, labelOf } from '../query/label-matchers.ts';
import type { PlannedDurations } from '../query/query-plan.ts';
import { malformed } from './error-mapping.ts';
import type { HistogramSamples, ThresholdSamples } from './histogram-increments.ts';
import { type CounterSamples, identityOf, readCounters, readMatrix, show } from './matrix-response.ts';
import { readNativeSamples } from './native-histogram.ts';

/**
 * The histograms in the answer to a range selector from `fromMs` until `toMs`, epoch ms. Throws SourceError: source_malformed as
 * readCounters does, source_rejected where the metric is another kind of histogram.
 */
export function readHistograms(
  json: unknown,
  plan: PlannedDurations,
  fromMs: number,
  toMs: number,
): HistogramSamples[] {
  if (plan.kind === 'classic') return classicHistograms(readCounters(json, plan, fromMs, toMs), plan);
  return readMatrix(json, plan).flatMap(({ labels, values, histograms }) => {
    const isEmpty = Array.isArray(values) && values.length === 0;
    if (values !== undefined && !isEmpty) {
      throw new SourceError(
        'source_rejected',
        `${plan.metric} has numbers as samples, so it is no native histogram.`,
        `Name the buckets of a classic histogram in duration: ${plan.metric}_bucket. The quantiles of a summary tell nothing about requests.`,
        { lasting: true },
      );
    }
    return readNativeSamples(labels, histograms ?? [], plan, fromMs, toMs) ?? [];
  });
}

/** Joins the series of buckets, by their labels without `le`. */
function classicHistograms(buckets: readonly CounterSamples[], plan: PlannedDurations): HistogramSamples[] {
  const histograms = new Map<string, { labels: Labels; byBoundary: Map<number, CounterSamples> }>();
  for (const bucket of buckets) {
    const { [bucketLabel]: le, ...labels } = bucket.labels;
    const boundary = leOf(le ?? '');
    if (Number.isNaN(boundary)) throw noBoundary(bucket, plan);
    const identity = identityOf(labels);
    const histogram = histograms.get(identity) ?? { labels, byBoundary: new Map() };
    histograms.set(identity, histogram);
    const other = histogram.byBoundary.get(boundary);
    histogram.byBoundary.set(boundary, other === undefined ? bucket : joined(other, bucket));
  }
  return [...histograms.values()].flatMap(({ labels, byBoundary }) => {
    const all = byBoundary.get(Number.POSITIVE_INFINITY);
    if (all === undefined) return [];
    const { times, values } = all;
    const thresholds = plan.thresholds.map(({ boundary }) => {
      const bucket = byBoundary.get(boundary);
      return bucket === undefined ? undefined : thresholdOf(all, bucket);
    });
    return [{ labels, times, values, thresholds }];
  });
}

/** VictoriaMetrics writes histograms of its own, whose buckets nobody chooses. */
function noBoundary({ labels }: CounterSamples, { metric }: PlannedDurations): SourceError {
  return new SourceError(
    'source_rejected',
    `${metric} has buckets whose le is ${show(labelOf(labels, bucketLabel))}: ${show(labels)}.`,
    labelOf(labels, 'vmrange') === ''
      ? 'Name the buckets of a classic histogram in duration, with a label le.'
      : 'These are histograms of VictoriaMetrics (vmrange), and are not supported: let the application write buckets with le.',
    { lasting: true },
  );
}

/** One boundary in two notations, as where "1" is "1.0" since an upgrade of Prometheus: one series ends, the other goes on. */
function joined(one: CounterSamples, other: CounterSamples): CounterSamples {
  const [first, second] =
    (one.times[0] as number) <= (other.times[0] as number) ? [one, other] : [other, one];
  if ((first.times.at(-1) as number) >= (second.times[0] as number)) {
    throw malformed(
      `the bucket ${show(second.labels)} is there twice, also as le=${show(labelOf(first.labels, bucketLabel))}`,
    );
  }
  return {
    labels: second.labels,
    times: Float64Array.from([...first.times, ...second.times]),
    values: Float64Array.from([...first.values, ...second.values]),
  };
}

/** Clients that do not read all buckets at one moment may be ahead with some by as many events. */
const toleratedEvents = 3;

function thresholdOf(all: CounterSamples, bucket: CounterSamples): ThresholdSamples {
  const within = new Float64Array(all.times.length).fill(Number.NaN);
  const above = new Float64Array(all.times.length).fill(Number.NaN);
  let at = 0;
  all.times.forEach((atMs, i) => {
    while ((bucket.times[at] ?? Number.POSITIVE_INFINITY) < atMs) at += 1;
    if (bucket.times[at] !== atMs) return;
    const [count, events] = [all.values[i] as number, bucket.values[at] as number];
    if (events - count > toleratedEvents)
      throw malformed(
        `${show(bucket.labels)} counts ${events} events, more than the ${count} of all buckets`,
      );
    within[i] = Math.min(events, count);
    above[i] = Math.max(0, count - events);
  });
  return { within, above };
}
