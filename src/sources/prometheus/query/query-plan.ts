import type { SentQuery } from '../../../domain/metrics/metrics-source.ts';
import type { QueryBatch } from '../../../domain/registry/model.ts';
import { boundaryOf, bucketMatcher } from './bucket-boundaries.ts';
import type { CounterSelector } from './counter-selector.ts';
import type { DurationSource } from './duration-source.ts';
import { type LabelMatcher, matcherText, oneOfValues } from './label-matchers.ts';
import { type CounterSource, counterSourceOf } from './source-template.ts';

/**
 * What one call asks: the samples of all counters of a batch's services, as a selector without its range. Which of them are the
 * canary's, stable's, an endpoint's or bad is told by their labels when they are there. So no text of a caller ever enters a
 * query, and both sides are of one moment.
 */
export interface PlannedQuery extends SentQuery {
  readonly metric: string;
  /** The label that tells services apart. */
  readonly serviceLabel: string;
  /** The registry's name of a service by the value of that label. */
  readonly services: ReadonlyMap<string, string>;
  /** All conditions of the selector, filled in. */
  readonly matchers: readonly LabelMatcher[];
  /** What every series must have besides. */
  readonly exact: readonly LabelMatcher[];
}

/** What the second call of a batch asks: the samples of its histograms. */
export interface PlannedDurations extends PlannedQuery {
  readonly kind: DurationSource['kind'];
  readonly unit: DurationSource['unit'];
  /** The selector with all buckets. */
  readonly everyBucket: string;
  /** The registry's thresholds, each with the boundary that a bucket must have for it, in the unit of the histogram. */
  readonly thresholds: readonly { readonly latencyMs: number; readonly boundary: number }[];
}

/** Precondition: the batch carries its source. Throws TypeError where it does not. */
export function planQuery(batch: QueryBatch): PlannedQuery {
  return planSelector('requests', sourceOf(batch).total, batch);
}

/** Undefined where no threshold is asked for. Throws TypeError where the source has no durations, or is not carried. */
export function planDurations(batch: QueryBatch): PlannedDurations | undefined {
  const { durations } = sourceOf(batch);
  const asked = new Set(
    batch.services.flatMap(({ thresholds }) => thresholds.map(({ latencyMs }) => latencyMs)),
  );
  if (asked.size === 0) return undefined;
  if (durations === undefined) throw new TypeError(`source "${batch.source}" has no durations`);
  const { selector, kind, unit } = durations;
  const thresholds = [...asked]
    .sort((a, b) => a - b)
    .map((latencyMs) => ({ latencyMs, boundary: boundaryOf(latencyMs, unit) }));
  const plan = planSelector('durations', selector, batch);
  const some = kind === 'native' ? [] : [bucketMatcher(thresholds.map(({ boundary }) => boundary))];
  return {
    ...plan,
    query: `${plan.query.slice(0, -1)}${some.map((one) => `,${matcherText(one)}`).join('')}}`,
    kind,
    unit,
    everyBucket: plan.query,
    thresholds,
  };
}

function sourceOf(batch: QueryBatch): CounterSource {
  if (batch.template === undefined)
    throw new TypeError(`batch ${batch.id} does not carry its source "${batch.source}"`);
  return counterSourceOf(batch.template);
}

function planSelector(name: string, { metric, matchers }: CounterSelector, batch: QueryBatch): PlannedQuery {
  const { env, tags = [] } = batch;
  const filled = (text: string, service: string) =>
    text.replace(/\{(service|env)\}/g, (_, key) => (key === 'service' ? service : env));
  const own = matchers.find(({ value }) => value.includes('{service}')) as LabelMatcher;
  const services = new Map(
    batch.services.map(({ service }) => [filled(own.value, service.name), service.name]),
  );
  const others = [
    ...matchers
      .filter((matcher) => matcher !== own)
      .map((matcher) =>
        matcher.operator === '=' ? { ...matcher, value: filled(matcher.value, '') } : matcher,
      ),
    ...tags.map(({ key, value }): LabelMatcher => ({ label: key, operator: '=', value })),
  ];
  const all = [oneOfValues(own.label, [...services.keys()]), ...others];
  return {
    name,
    query: `${metric}{${all.map(matcherText).join(',')}}`,
    metric,
    serviceLabel: own.label,
    services,
    matchers: all,
    exact: others.filter(({ operator }) => operator === '='),
  };
}

/** As the port says. Selectors are not part of the texts: the labels of the answer are compared with them. */
export function describeQueries(batch: QueryBatch): SentQuery[] {
  if (batch.template === undefined) return [];
  const durations = planDurations(batch);
  return [planQuery(batch), ...(durations === undefined ? [] : [durations])].map(({ name, query }) => ({
    name,
    query,
  }));
}
