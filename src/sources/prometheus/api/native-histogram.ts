import type { Labels } from '../query/label-matchers.ts';
import type { PlannedDurations } from '../query/query-plan.ts';
import { malformed } from './error-mapping.ts';
import type { HistogramSamples, ThresholdSamples } from './histogram-increments.ts';
import { asObject, readTime, show } from './matrix-response.ts';

/**
 * Native histograms, as the API writes them: `[seconds, {"count": "9", "sum": "1.5", "buckets": [[rule, "0.25", "0.5", "9"]]}]`.
 * Those with custom buckets (NHCB) are written in the same way.
 */

/** Which ends of a bucket belong to it. */
const leftIsOpen = [true, false, true, false] as const;

type Bucket = readonly [isLeftOpen: boolean, left: number, right: number, events: number];

/**
 * The samples of one series. Undefined where it has none. Events in a bucket that lies across a threshold are neither within nor
 * above it. Throws SourceError source_malformed.
 */
export function readNativeSamples(
  labels: Labels,
  histograms: unknown,
  { thresholds }: PlannedDurations,
  fromMs: number,
  toMs: number,
): HistogramSamples | undefined {
  if (!Array.isArray(histograms)) throw malformed(`the series ${show(labels)} has no samples`);
  if (histograms.length === 0) return undefined;
  const times = new Float64Array(histograms.length);
  const values = new Float64Array(histograms.length);
  const parts = thresholds.map(({ boundary }) => ({
    boundary,
    within: new Float64Array(histograms.length),
    above: new Float64Array(histograms.length),
    across: new Float64Array(histograms.length).fill(Number.NaN),
  }));
  let lastMs = Number.NEGATIVE_INFINITY;
  histograms.forEach((sample: unknown, i) => {
    const [seconds, content] = Array.isArray(sample) ? sample : [];
    lastMs = readTime(labels, seconds, lastMs, fromMs, toMs);
    const { count, buckets = [] } = asObject(content, `a sample of ${show(labels)} is ${show(sample)}`);
    if (!Array.isArray(buckets)) throw malformed(`the buckets of ${show(labels)} are ${show(buckets)}`);
    times[i] = lastMs;
    values[i] = eventsOf(count, labels);
    const read = buckets.map((bucket) => readBucket(bucket, labels));
    if (read.reduce((sum, [, , , events]) => sum + events, 0) > (values[i] as number))
      throw malformed(`${show(labels)} has more events in its buckets than its count, ${show(count)}`);
    for (const part of parts) addBuckets(read, part, i);
  });
  return {
    labels,
    times,
    values,
    thresholds: parts.map(({ within, above, across }) => ({ within, above, across })),
  };
}

function addBuckets(
  buckets: readonly Bucket[],
  { boundary, within, above, across }: Required<ThresholdSamples> & { readonly boundary: number },
  i: number,
): void {
  for (const [isLeftOpen, left, right, events] of buckets) {
    if (right <= boundary) within[i] = (within[i] as number) + events;
    else if (left > boundary || (left === boundary && isLeftOpen)) above[i] = (above[i] as number) + events;
    else if (events > 0) across[i] = right;
  }
}

function readBucket(bucket: unknown, labels: Labels): Bucket {
  const [rule, left, right, events] = Array.isArray(bucket) ? bucket : [];
  const isLeftOpen = typeof rule === 'number' ? leftIsOpen[rule] : undefined;
  const [from, to] = [numberOf(left), numberOf(right)];
  // Not "from > to": NaN is refused as well.
  if (isLeftOpen === undefined || !(from <= to))
    throw malformed(`a bucket of ${show(labels)} is ${show(bucket)}`);
  return [isLeftOpen, from, to, eventsOf(events, labels)];
}

function numberOf(text: unknown): number {
  if (text === '+Inf' || text === 'Inf') return Number.POSITIVE_INFINITY;
  if (text === '-Inf') return Number.NEGATIVE_INFINITY;
  return typeof text === 'string' && text.trim() !== '' ? Number(text) : Number.NaN;
}

function eventsOf(text: unknown, labels: Labels): number {
  const events = numberOf(text);
  if (Number.isSafeInteger(events) && events >= 0) return events;
  throw malformed(
    `${show(labels)} counts ${show(text)} events`,
    'Name a histogram that is scraped: one that a recording rule makes, such as a rate, has no counts.',
  );
}
