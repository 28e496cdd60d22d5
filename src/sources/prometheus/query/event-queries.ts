import type { QueryBatch } from '../../../domain/registry/model.ts';
import type { Failure } from '../../../domain/sli/failure.ts';
import { boundaryMatcher, boundaryOf, bucketLabel, everyBucketMatcher } from './bucket-boundaries.ts';
import { withFailure } from './counted-failures.ts';
import { filledMatcher, type LabelMatcher, matcherText, oneOfValues } from './label-matchers.ts';
import { type PlannedDurations, planDurations, planQuery } from './query-plan.ts';
import { badMatchers, counterSourceOf } from './source-template.ts';

/**
 * The events of a service as PromQL counts them: the gate's own selector (query-plan.ts) and its own definition of a failure
 * (source-template.ts), so that an SLO and a verdict can never mean different requests. The numbers differ all the same: the gate
 * counts samples, and PromQL estimates.
 */

/** What is counted of one service. Lists are empty where no series can be one of the endpoints. */
export interface EventSelectors {
  /** The counters of all events, as instant vector selectors. */
  readonly total: readonly string[];
  /** Those among them that count failures. */
  readonly bad: readonly string[];
  /** Labels whose values, joined by spaces, are the endpoint. Empty: the whole service is counted as one. */
  readonly endpointLabels: readonly string[];
}

/** The durations of the same endpoints and threshold, as instant vector selectors. */
export type TimedSelector = ClassicSelector | NativeSelector;

/** Buckets of classic histograms. */
interface ClassicSelector {
  readonly kind: 'classic';
  /** Those that hold all events. */
  readonly every: string;
  /** Those that end at the threshold. */
  readonly within: string;
}

/** Native histograms. */
interface NativeSelector {
  readonly kind: 'native';
  readonly every: string;
  /** The threshold in their unit. Counts are estimates where it is no boundary of theirs. */
  readonly boundary: number;
}

/** What is counted of the durations of one service. */
export interface DurationSelectors extends Pick<EventSelectors, 'total' | 'endpointLabels'> {
  readonly timed: readonly TimedSelector[];
  /** Labels that tell the endpoints of a whole service, whose events are one sum all the same. */
  readonly comparedBy: readonly string[];
}

/** Endpoints that share a threshold. `endpoints`: as for {@link eventSelectors}. */
export interface TimedEndpoints {
  readonly latencyMs: number;
  readonly endpoints: readonly string[] | undefined;
}

/** The label of results that has the endpoint. */
export const endpointLabel = 'endpoint';

/**
 * The selectors of one service of a batch. `endpoints`: only these; undefined: all events of the service. `failure`: what is bad; undefined: as
 * the source says. Precondition: the batch carries its source. Throws TypeError where it does not.
 */
export function eventSelectors(
  batch: QueryBatch,
  service: string,
  endpoints: readonly string[] | undefined,
  failure?: Failure,
): EventSelectors {
  const own = batch.services.filter((one) => one.service.name === service);
  const { metric, matchers } = planQuery({ ...batch, services: own });
  const source = withFailure(counterSourceOf(batch.template as NonNullable<QueryBatch['template']>), failure);
  const { endpointLabels, grpcStatus } = source;
  const failures = [badMatchers(source).map((matcher) => filledMatcher(matcher, service, batch.env))];
  if (grpcStatus !== undefined) failures.push([grpcStatus.isGrpc, grpcStatus.isBad]);
  const some = endpoints === undefined ? [[]] : endpointMatchers(endpointLabels, endpoints);
  const text = (more: readonly LabelMatcher[]) =>
    `${metric}{${[...matchers, ...more].map(matcherText).join(',')}}`;
  return {
    total: some.map(text),
    bad: some.flatMap((of) => failures.map((failure) => text([...of, ...failure]))),
    endpointLabels: endpoints === undefined ? [] : endpointLabels,
  };
}

/**
 * The selectors of the durations of one service of a batch, by threshold. Preconditions: the batch carries its source; one item, where it is
 * the whole service. Throws TypeError where there is no histogram.
 */
export function durationSelectors(
  batch: QueryBatch,
  service: string,
  timed: readonly TimedEndpoints[],
): DurationSelectors {
  const plan = planOf(batch, service);
  const { endpointLabels } = counterSourceOf(batch.template as NonNullable<QueryBatch['template']>);
  const text = (more: readonly LabelMatcher[]) =>
    `${plan.metric}{${[...plan.matchers, ...more].map(matcherText).join(',')}}`;
  const selectors = timed.flatMap(({ latencyMs, endpoints }): TimedSelector[] => {
    const boundary = boundaryOf(latencyMs, plan.unit);
    const some = endpoints === undefined ? [[]] : endpointMatchers(endpointLabels, endpoints);
    if (plan.kind === 'native') return some.map((of) => ({ kind: 'native', every: text(of), boundary }));
    const within = boundaryMatcher(boundary);
    return some.map((of) => ({
      kind: 'classic',
      every: text([...of, everyBucketMatcher]),
      within: text([...of, within]),
    }));
  });
  const whole = timed.some(({ endpoints }) => endpoints === undefined);
  const all = whole ? undefined : timed.flatMap(({ endpoints = [] }) => endpoints);
  const { total, endpointLabels: told } = eventSelectors(batch, service, all);
  return { total, timed: selectors, endpointLabels: told, comparedBy: whole ? endpointLabels : [] };
}

function planOf(batch: QueryBatch, service: string): PlannedDurations {
  const plan = planDurations({
    ...batch,
    services: batch.services.filter((one) => one.service.name === service),
  });
  if (plan === undefined) throw new TypeError(`no threshold of ${service} is asked for`);
  return plan;
}

/** All timed events of a selector, histogram by histogram. `of` writes what is counted of a selector, such as its rate. */
export function everyOf(one: TimedSelector, of: (selector: string) => string): string {
  return one.kind === 'classic' ? of(one.every) : `histogram_count(${of(one.every)})`;
}

/** Those within the threshold. */
export function withinOf(one: TimedSelector, of: (selector: string) => string): string {
  return one.kind === 'classic' ? of(one.within) : partOf(of(one.every), '-Inf', String(one.boundary));
}

/** Those above the threshold: none of a classic histogram that has no bucket at the threshold. */
export function slowOf(one: TimedSelector, of: (selector: string) => string): string {
  if (one.kind === 'native') return partOf(of(one.every), String(one.boundary), '+Inf');
  return `sum without (${bucketLabel}) (${of(one.every)}) - sum without (${bucketLabel}) (${of(one.within)})`;
}

/**
 * The events of native histograms between two durations. A part of no events is NaN, which a sum must not have. Histogram by histogram,
 * since a sum has the coarsest buckets of all.
 */
function partOf(histograms: string, above: string, upTo: string): string {
  return `histogram_fraction(${above}, ${upTo}, ${histograms}) * (histogram_count(${histograms}) > 0)`;
}

/**
 * One expression for several selectors, each as `of` writes it, such as a rate. A series that two of them select, such as a failure
 * by both statuses, is there once. By endpoint where endpoints are told apart.
 */
export function sumOf<Selector>(
  selectors: readonly Selector[],
  endpointLabels: readonly string[],
  of: (selector: Selector) => string,
): string {
  const all = selectors.map(of).join(' or ');
  if (endpointLabels.length === 0) return `sum(${all})`;
  // Summed up first: series may have a label of that name, and be the same without it, which label_join() refuses.
  return byEndpoint(endpointLabels, `sum by (${endpointLabels.join(', ')}) (${all})`);
}

/**
 * One expression for the events within the threshold of a whole service, without those of endpoints that `counted` has not: probes are no substitute for
 * durations that are missing. Histograms that do not tell endpoints are there as they are.
 */
export function sumOfCounted(
  timed: readonly TimedSelector[],
  counted: readonly string[],
  labels: readonly string[],
  of: (selector: string) => string,
): string {
  const by = labels.join(', ');
  const summed = (all: readonly string[]) => `sum by (${by}) (${all.join(' or ')})`;
  const within = (selectorOf: (selector: string) => string) =>
    timed.map((one) => withinOf(one, (selector) => of(selectorOf(selector))));
  const untold = labels.flatMap((label) => {
    const matcher = matcherText({ label, operator: '=', value: '' });
    return within((selector) => selector.replace(/\}$/, `,${matcher}}`));
  });
  return `sum(${summed(within((selector) => selector))} and on (${by}) ${summed(counted.map(of))} or ${summed(untold)})`;
}

function byEndpoint(endpointLabels: readonly string[], summed: string): string {
  return `sum by (${endpointLabel}) (${endpointOf(endpointLabels, summed)})`;
}

/** An expression with the endpoint in a label of its own, which sources with other labels have as well. */
function endpointOf(endpointLabels: readonly string[], expression: string): string {
  const labels = endpointLabels.map((label) => `"${label}"`).join(', ');
  return `label_join(${expression}, "${endpointLabel}", " ", ${labels})`;
}

/**
 * Conditions that select exactly the series whose labels, joined by spaces, are one of the endpoints. A value may hold spaces itself:
 * each way to part an endpoint is one that series may have.
 */
function endpointMatchers(labels: readonly string[], endpoints: readonly string[]): LabelMatcher[][] {
  const heads = new Map<string, { readonly head: readonly string[]; readonly lasts: string[] }>();
  for (const endpoint of [...new Set(endpoints)].sort()) {
    for (const parts of partings(endpoint.split(' '), labels.length)) {
      const head = parts.slice(0, -1);
      const key = JSON.stringify(head);
      const known = heads.get(key) ?? { head, lasts: [] };
      heads.set(key, known);
      known.lasts.push(parts.at(-1) as string);
    }
  }
  return [...heads.values()].map(({ head, lasts }) => [
    ...head.map((value, i): LabelMatcher => ({ label: labels[i] as string, operator: '=', value })),
    oneOfValues(labels.at(-1) as string, lasts),
  ]);
}

/** All ways to join words to so many texts, in their order. */
function partings(words: readonly string[], parts: number): string[][] {
  if (parts <= 1) return parts === 1 && words.length > 0 ? [[words.join(' ')]] : [];
  const found: string[][] = [];
  for (let length = 1; length <= words.length - parts + 1; length += 1) {
    for (const rest of partings(words.slice(length), parts - 1))
      found.push([words.slice(0, length).join(' '), ...rest]);
  }
  return found;
}

/** Timed events of a service by endpoint, hour by hour as {@link hourlyText} has all events: those that are there, slow, or within. */
export function hourlyDurationsText(
  batch: QueryBatch,
  service: string,
  counts: 'all' | { readonly latencyMs: number; readonly part: 'slow' | 'within' },
  hours: number,
): string {
  const { endpointLabels } = counterSourceOf(batch.template as NonNullable<QueryBatch['template']>);
  const increase = (selector: string) => `increase(${selector}[1h])`;
  const { latencyMs, part } = counts === 'all' ? { latencyMs: 1, part: 'all' as const } : counts;
  const { timed } = durationSelectors(batch, service, [{ latencyMs, endpoints: undefined }]);
  const partsOf = { all: everyOf, within: withinOf, slow: slowOf };
  return hourByHour(
    sumOf(timed, endpointLabels, (one) => partsOf[part](one, increase)),
    hours,
  );
}

function hourByHour(sum: string, hours: number): string {
  return `(${sum})[${hours}h:1h]`;
}

/** How events of an hour are told apart: by endpoint where the source can, or by the values of a label. */
export type HourlyBy = 'endpoint' | { readonly label: string };

/**
 * Events of a service in the hour before each whole hour of a span of hours, to be asked at the span's end. `increase()` estimates,
 * which does for planning; the samples of days would be too many. `failure`: as for {@link eventSelectors}.
 */
export function hourlyText(
  batch: QueryBatch,
  service: string,
  counts: 'total' | 'bad',
  by: HourlyBy,
  hours: number,
  failure?: Failure,
): string {
  const selectors = eventSelectors(batch, service, undefined, failure)[counts];
  const increase = (selector: string) => `increase(${selector}[1h])`;
  const labels =
    by === 'endpoint'
      ? counterSourceOf(batch.template as NonNullable<QueryBatch['template']>).endpointLabels
      : [];
  const sum =
    by === 'endpoint'
      ? sumOf(selectors, labels, increase)
      : `sum by (${by.label}) (${selectors.map(increase).join(' or ')})`;
  return hourByHour(sum, hours);
}
