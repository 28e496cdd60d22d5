import type { BucketAcross, HistogramFacts, Shares } from '../../../domain/ports/backend-facts.ts';
import type { QueryBatch, Service } from '../../../domain/registry/model.ts';
import { bucketLabel, everyBucketMatcher, latencyMsOf, leOf } from '../query/bucket-boundaries.ts';
import { labelOf, matcherText } from '../query/label-matchers.ts';
import { type PlannedDurations, planDurations } from '../query/query-plan.ts';
import { counterSourceOf } from '../query/source-template.ts';
import type { ThresholdSamples } from './histogram-increments.ts';
import { hourlyDurations } from './hourly-increases.ts';
import { readHistograms } from './matrix-response.ts';
import { readNativeSamples } from './native-histogram.ts';
import { type Asking, byCount, selectorKeys } from './survey-questions.ts';

/**
 * What Prometheus has of the durations of one service, which a batch holds alone. Undefined where nothing is judged by them. Throws
 * SourceError.
 */
export async function readHistogram(
  asking: Asking,
  batch: QueryBatch,
  service: Service,
  fromMs: number,
  toMs: number,
): Promise<HistogramFacts | undefined> {
  const source = counterSourceOf(batch.template as NonNullable<QueryBatch['template']>);
  const plan = source.durations === undefined ? undefined : planDurations(batch);
  if (plan === undefined) return undefined;
  const { metric, serviceLabel, everyBucket, kind, unit } = plan;
  const isClassic = kind === 'classic';
  const all = isClassic ? matcherText(everyBucketMatcher) : '';
  const selector = `${everyBucket.slice(0, -1)}${all === '' ? '' : `,${all}`}}`;
  const base = { metric, isClassic, unit: unit === 'seconds' ? 's' : 'ms', serviceLabel } as const;
  const none = { boundaries: new Map(), within: new Map(), across: new Map() };
  const [histograms] = await asking.vector(`count(${selector})`);
  if (histograms === undefined) {
    const serviceValues = new Map(await asking.seriesBy(serviceLabel, `${metric}{${all}}`));
    serviceValues.delete('');
    return { ...base, ...none, labels: new Map(), timed: new Map(), serviceValues, histograms: 0 };
  }
  const labels = new Map<string, Shares>();
  for (const label of new Set([...source.endpointLabels, ...selectorKeys(service)]))
    labels.set(label, await asking.seriesBy(label, selector));
  asking.calls += 1;
  const timed = await hourlyDurations(asking.connection, batch, service.name, fromMs, toMs, asking.signal);
  return {
    ...base,
    serviceValues: new Map(),
    histograms: histograms.value,
    labels,
    ...none,
    ...(isClassic ? await readBuckets(asking, plan) : { across: await readAcross(asking, plan, service) }),
    timed: byCount(
      new Map([...timed].map(([endpoint, hours]) => [endpoint, hours.reduce((a, b) => a + b, 0)])),
    ),
  };
}

/**
 * In the sums of all histograms, which have the coarsest buckets of all. By version, since those with custom buckets and others have no sum,
 * and a new version may have the other ones.
 */
async function readAcross(
  asking: Asking,
  plan: PlannedDurations,
  service: Service,
): Promise<ReadonlyMap<number, BucketAcross>> {
  const { thresholds, everyBucket, unit } = plan;
  const json = await asking.json(`sum by (${selectorKeys(service).join(', ')}) (${everyBucket})`);
  const sums = readHistograms(json).flatMap(
    ({ labels, histogram }) =>
      readNativeSamples(labels, [histogram], plan, 0, Number.POSITIVE_INFINITY) ?? [],
  );
  const all = sums.reduce((total, { values }) => total + (values[0] as number), 0);
  const found = new Map<number, BucketAcross>();
  thresholds.forEach(({ latencyMs }, i) => {
    for (const { values, thresholds: parts } of sums) {
      const { within, above, across } = parts[i] as ThresholdSamples;
      if (across === undefined || Number.isNaN(across[0])) continue;
      const events = (values[0] as number) - (within[0] as number) - (above[0] as number);
      const known = found.get(latencyMs);
      found.set(latencyMs, {
        endMs: Math.max(known?.endMs ?? 0, latencyMsOf(across[0] as number, unit)),
        share: (known?.share ?? 0) + events / all,
      });
    }
  });
  return found;
}

/** By their end in ms. */
async function readBuckets(
  asking: Asking,
  { everyBucket, unit }: PlannedDurations,
): Promise<Pick<HistogramFacts, 'boundaries' | 'within'>> {
  const byEnd = async (query: string) => {
    const ends = new Map<number, number>();
    for (const { labels, value } of await asking.vector(query)) {
      const end = latencyMsOf(leOf(labelOf(labels, bucketLabel)), unit);
      // Two notations are one boundary.
      if (!Number.isNaN(end)) ends.set(end, (ends.get(end) ?? 0) + value);
    }
    return new Map([...ends].sort(([a], [b]) => a - b));
  };
  const boundaries = await byEnd(`count by (${bucketLabel}) (${everyBucket})`);
  boundaries.delete(Number.POSITIVE_INFINITY);
  return { boundaries, within: await byEnd(`sum by (${bucketLabel}) (increase(${everyBucket}[1h]))`) };
}
