import type { ExportedSeries } from '../../demo/prometheus/scraped-pods.ts';
import type { Endpoint, Registry, Service } from '../../domain/registry/model.ts';
import type { Failure } from '../../domain/sli/failure.ts';
import { boundaryOf, bucketLabel } from '../../sources/prometheus/query/bucket-boundaries.ts';
import { showsStatus, statusLabelOf, withFailure } from '../../sources/prometheus/query/counted-failures.ts';
import type { CounterSelector } from '../../sources/prometheus/query/counter-selector.ts';
import {
  filledMatcher,
  type LabelMatcher,
  matcherTest,
  matcherText,
} from '../../sources/prometheus/query/label-matchers.ts';
import {
  badMatchers,
  type CounterSource,
  counterSourceOf,
} from '../../sources/prometheus/query/source-template.ts';

/** The series that pods have to export so that the sources of a registry count their requests. */

export interface SimulatedSources {
  readonly exports: ExportedSeries;
  /** Services whose source cannot be simulated, with the reason, which is the end of a sentence. */
  readonly notSimulated: ReadonlyMap<string, string>;
  /** Services whose latency cannot, with the reason. */
  readonly withoutDurations: ReadonlyMap<string, string>;
}

type Labels = Readonly<Record<string, string>>;
type Identity = Parameters<ExportedSeries>[0];

/** Labels of one service's series, before those of version and endpoint. */
interface ServiceSeries {
  readonly source: CounterSource;
  readonly good: Labels;
  readonly bad: Labels;
  /** Those of endpoints that fail by a definition of their own. */
  readonly badOf: ReadonlyMap<string, Labels>;
  readonly histogram:
    | { readonly metric: string; readonly labels: Labels; readonly boundaries: readonly number[] }
    | undefined;
}

/** How the services of a registry are exported. */
export function simulatedSources(registry: Registry): SimulatedSources {
  const series = new Map<string, ServiceSeries>();
  const notSimulated = new Map<string, string>();
  const withoutDurations = new Map<string, string>();
  for (const service of registry.services.values()) {
    const declared = registry.sources.get(service.source);
    if (declared === undefined) {
      notSimulated.set(service.name, 'Prometheus has no traces');
      continue;
    }
    const source = counterSourceOf(declared);
    const made = seriesOf(service, source, endpointsOf(registry, service));
    if ('problem' in made) notSimulated.set(service.name, made.problem);
    else {
      series.set(service.name, made);
      if (made.problemOfDurations !== undefined) withoutDurations.set(service.name, made.problemOfDurations);
    }
  }
  return {
    notSimulated,
    withoutDurations,
    exports: (identity) => {
      const own = series.get(identity.service);
      return own === undefined ? [] : exported(own, identity);
    },
  };
}

function endpointsOf(registry: Registry, { name }: Service): Endpoint[] {
  const endpoints = [...registry.cujs.values()].flatMap((cuj) => cuj.endpoints);
  return endpoints.filter(({ service }) => service === name);
}

function exported(own: ServiceSeries, { resource, statusCode = 200, primaryTags = {} }: Identity) {
  const { source, good, badOf, histogram } = own;
  const bad = badOf.get(resource) ?? badOf.get('*') ?? own.bad;
  const told = { ...primaryTags, ...endpointLabels(source, resource) };
  const counter = {
    metric: source.total.metric,
    labels: { ...(statusCode === 200 ? good : bad), ...told },
  };
  if (histogram === undefined) return [counter];
  // No request is slow: all of them are in every bucket that ends at a threshold.
  const buckets = [...histogram.boundaries.map(String), '+Inf'].map((le) => ({
    metric: histogram.metric,
    labels: { ...histogram.labels, ...told, [bucketLabel]: le },
  }));
  return [counter, ...buckets];
}

/** The values of the labels of an endpoint, which joined by spaces are its name. */
function endpointLabels({ endpointLabels: labels }: CounterSource, endpoint: string): Labels {
  const words = endpoint.split(' ');
  return Object.fromEntries(
    labels.map((label, i) => {
      const isLast = i === labels.length - 1;
      return [label, isLast ? words.slice(i).join(' ') || 'other' : (words[i] ?? 'other')];
    }),
  );
}

function seriesOf(
  service: Service,
  source: CounterSource,
  endpoints: readonly Endpoint[],
): (ServiceSeries & { readonly problemOfDurations: string | undefined }) | { readonly problem: string } {
  const free = new Set([
    ...source.endpointLabels,
    ...[...service.canary.terms, ...(service.stable?.terms ?? [])].map(({ key }) => key),
    ...(service.tags ?? []).map(({ key }) => key),
  ]);
  const base = fixedLabels(service, source.total, free);
  if (typeof base === 'string') return { problem: base };
  const told = (failure: Failure | undefined) =>
    badMatchers(withFailure(source, failure)).map((matcher) =>
      filledMatcher(matcher, service.name, service.env),
    );
  const outcomesBy = (failure: Failure | undefined) => outcomesOf(source.total.matchers, told(failure));
  const outcomes = outcomesBy(undefined);
  if (typeof outcomes === 'string') return { problem: outcomes };
  const badOf = new Map<string, Labels>();
  for (const { resource } of endpoints) {
    // As far as one request can be a failure by all of them.
    const definitions = endpoints.flatMap((one) =>
      one.resource === resource || one.resource === '*' ? [one.failure] : [],
    );
    const candidates = definitions.flatMap((failure) => {
      const found = outcomesBy(failure);
      return typeof found === 'string' ? [] : [found.bad];
    });
    const isBad = definitions.flatMap(told).map(matcherTest);
    const labels = candidates.find((one) => isBad.every((test) => test(one))) ?? candidates[0];
    if (labels !== undefined) badOf.set(resource, { ...base, ...labels });
  }
  const good: Record<string, string> = { ...base, ...outcomes.good };
  for (const { failure } of endpoints) {
    // By a status of gRPC, 200 shows nothing.
    const label = failure && statusLabelOf(source, failure);
    if (failure === undefined || label === undefined || showsStatus(good[label] ?? '', failure)) continue;
    good[label] = outcomeTexts.good.find((text) => showsStatus(text, failure)) ?? (good[label] as string);
  }
  const series = { source, good, bad: { ...base, ...outcomes.bad }, badOf };
  const { durations } = source;
  const thresholdsMs = [...new Set(endpoints.flatMap(({ latencyMs }) => latencyMs ?? []))].sort(
    (a, b) => a - b,
  );
  if (durations === undefined || thresholdsMs.length === 0)
    return { ...series, histogram: undefined, problemOfDurations: undefined };
  const without = (problemOfDurations: string) => ({ ...series, histogram: undefined, problemOfDurations });
  if (durations.kind === 'native')
    return without('a native histogram, which the pods of the demo do not export');
  const labels = fixedLabels(service, durations.selector, free);
  if (typeof labels === 'string') return without(labels);
  const boundaries = thresholdsMs.map((latencyMs) => boundaryOf(latencyMs, durations.unit));
  const histogram = { metric: durations.selector.metric, labels, boundaries };
  return { ...series, histogram, problemOfDurations: undefined };
}

/** Labels by which a selector selects a series; a text where none is known. `free`: labels that get their values elsewhere. */
function fixedLabels(
  service: Service,
  { matchers }: CounterSelector,
  free: ReadonlySet<string>,
): Labels | string {
  const labels: Record<string, string> = {};
  for (const label of new Set(matchers.map((one) => one.label))) {
    if (free.has(label)) continue;
    const own = matchers
      .filter((one) => one.label === label)
      .map((matcher) => filledMatcher(matcher, service.name, service.env));
    const value = valueFor(own, []);
    if (value === undefined) return `no value is known that ${own.map(matcherText).join(',')} selects`;
    if (value !== '') labels[label] = value;
  }
  return labels;
}

/** Values that mean success or failure in some metrics. */
const outcomeTexts = {
  good: ['200', '2xx', 'success', 'ok', 'OK', '0', 'false', 'none'],
  bad: ['500', '503', '5xx', 'failure', 'error', 'Internal', '13', '2', 'true'],
} as const;

/** Labels of requests that are good, and of those that are failures by all of the own matchers of `bad`. */
function outcomesOf(
  total: readonly LabelMatcher[],
  own: readonly LabelMatcher[],
): { readonly good: Labels; readonly bad: Labels } | string {
  const good: Record<string, string> = {};
  const bad: Record<string, string> = {};
  let isTold = false;
  for (const label of new Set(own.map((one) => one.label))) {
    const told = own.filter((one) => one.label === label);
    const always = total.filter((one) => one.label === label);
    const failed = valueFor([...always, ...told], outcomeTexts.bad);
    if (failed === undefined) return `no value is known that ${told.map(matcherText).join(',')} selects`;
    if (failed !== '') bad[label] = failed;
    const fine = outcomeTexts.good.find((value) => selects(always, value) && !selects(told, value));
    if (fine !== undefined) isTold = true;
    good[label] = fine ?? failed;
  }
  return isTold ? { good, bad } : 'no value is known of requests that are no failure';
}

/** A value of a label that all matchers select: the empty one is a label that is not there. */
function valueFor(matchers: readonly LabelMatcher[], likely: readonly string[]): string | undefined {
  const texts = matchers.flatMap(({ operator, value }) => {
    if (operator === '=') return [value];
    return operator === '=~' ? value.split('|').map(exampleOf) : [];
  });
  return [...likely, ...texts, '', 'demo', 'a', '1'].find((value) => selects(matchers, value));
}

function selects(matchers: readonly LabelMatcher[], text: string): boolean {
  return matchers.every(({ operator, value }) => {
    if (operator === '=') return text === value;
    if (operator === '!=') return text !== value;
    try {
      return new RegExp(`^(?:${value})$`, 'su').test(text) === (operator === '=~');
    } catch {
      return false;
    }
  });
}

/** A text that a simple regular expression matches: `5..` by 500. */
function exampleOf(regex: string): string {
  return regex
    .replace(/[()]/g, '')
    .replace(/\[\^?([^\][])[^\][]*\]/g, '$1')
    .replace(/\\d/g, '1')
    .replace(/\\w/g, 'a')
    .replace(/\\(.)/g, '$1')
    .replace(/\.([*+?]|\{\d+\})?/g, '0')
    .replace(/(.)[*+?]/g, '$1');
}
