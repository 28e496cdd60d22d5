import type { SentQuery } from '../../../domain/metrics/metrics-source.ts';
import type { QueryBatch } from '../../../domain/registry/model.ts';
import { type LabelMatcher, matcherText, oneOfValues } from './label-matchers.ts';
import { type CounterSelector, counterSourceOf, isPartOfTotal } from './source-template.ts';

/**
 * What one call asks: the samples of all counters of a batch's services. Which of them are the canary's, stable's, an endpoint's
 * or bad is told by their labels when they are there. So no text of a caller ever enters a query, and both sides are of one moment.
 */
export interface QueryPlan {
  readonly total: PlannedQuery;
  /** Undefined where bad events are among the series of the total. */
  readonly bad: PlannedQuery | undefined;
}

/** A selector, without its range. */
export interface PlannedQuery extends SentQuery {
  readonly metric: string;
  /** The label that tells services apart. */
  readonly serviceLabel: string;
  /** The registry's name of a service by the value of that label. */
  readonly services: ReadonlyMap<string, string>;
  /** What every series must have besides. */
  readonly exact: readonly LabelMatcher[];
}

/** Precondition: the batch carries its source. Throws TypeError where it does not. */
export function planQueries(batch: QueryBatch): QueryPlan {
  if (batch.template === undefined)
    throw new TypeError(`batch ${batch.id} does not carry its source "${batch.source}"`);
  const source = counterSourceOf(batch.template);
  return {
    total: plannedOf('requests', source.total, batch),
    bad: isPartOfTotal(source) ? undefined : plannedOf('bad_requests', source.bad, batch),
  };
}

/** As the port says. Selectors are not part of the texts: the labels of the answer are compared with them. */
export function describeQueries(batch: QueryBatch): SentQuery[] {
  if (batch.template === undefined) return [];
  const { total, bad } = planQueries(batch);
  return [total, ...(bad === undefined ? [] : [bad])].map(({ name, query }) => ({ name, query }));
}

function plannedOf(name: string, { metric, matchers }: CounterSelector, batch: QueryBatch): PlannedQuery {
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
    exact: others.filter(({ operator }) => operator === '='),
  };
}
