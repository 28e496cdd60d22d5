import type { SentQuery } from '../../../domain/metrics/metrics-source.ts';
import type { QueryBatch } from '../../../domain/registry/model.ts';
import { type LabelMatcher, matcherText, oneOfValues } from './label-matchers.ts';
import { counterSourceOf } from './source-template.ts';

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

/** Precondition: the batch carries its source. Throws TypeError where it does not. */
export function planQuery(batch: QueryBatch): PlannedQuery {
  if (batch.template === undefined)
    throw new TypeError(`batch ${batch.id} does not carry its source "${batch.source}"`);
  const { metric, matchers } = counterSourceOf(batch.template).total;
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
    name: 'requests',
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
  const { name, query } = planQuery(batch);
  return [{ name, query }];
}
