import { listed } from '../domain/name-lists.ts';
import type { BackendFacts, HistogramFacts, ServiceFacts, Shares } from '../domain/ports/backend-facts.ts';
import type { Cuj, Endpoint, Registry, Service } from '../domain/registry/model.ts';
import { endpointsCountedBy } from '../domain/sli/kind.ts';
import { sliKinds } from '../domain/sli/table.ts';
import { recordedThresholds } from '../sources/prometheus/query/native-boundaries.ts';
import { counterSourceOf } from '../sources/prometheus/query/source-template.ts';
import { nearestNames } from '../suggestions/nearest.ts';
import type { DoctorFinding } from './finding.ts';
import { count, named, percent } from './words.ts';

/** Fewer histograms may lack a label or a bucket: those of processes that have just begun. */
const fewHistograms = 0.01;
/** With fewer requests, durations that are all alike prove nothing, and neither do counts that differ. */
const enoughRequests = 100;
/** Both counts are estimates, and may be scraped apart. */
const alikeCounts = 0.02;
/** Of the requests: so many in the first bucket are what a wrong unit makes. */
const nearlyAll = 0.999;

const verdictOfUnclassified =
  'Inconclusive (source_malformed) where such requests could change the verdict. The error budget is unknown once they are a quarter of it.';

/** Whether the histogram of a service is there, and can tell which requests are slow. */
export function checkHistogram(registry: Registry, facts: BackendFacts, service: Service): DoctorFinding[] {
  const histogram = facts.histograms?.get(service.name);
  if (histogram === undefined) return [];
  const timed = endpointsOf(registry, service);
  if (histogram.histograms === 0) return [noHistogram(registry, service, histogram)];
  return [
    ...labels(registry, facts, service, histogram, timed),
    ...(histogram.isClassic
      ? thresholds(service, histogram, timed)
      : nativeThresholds(registry, service, histogram, timed)),
    ...unit(service, histogram, timed),
    ...counts(service, histogram, facts.services.get(service.name), timed),
  ];
}

function noHistogram(registry: Registry, service: Service, of: HistogramFacts): DoctorFinding {
  const { metric, serviceLabel, serviceValues, isClassic } = of;
  const names = [...serviceValues.keys()];
  const nearest = nearestNames(service.name, names);
  const isThere = names.includes(service.name);
  const kind = isClassic ? 'classic histogram' : 'native histogram';
  return {
    severity: 'error',
    check: 'histogram-missing',
    about: named(service),
    message:
      names.length === 0
        ? `there is no ${kind} ${metric} with the label ${serviceLabel}`
        : isThere
          ? `${metric} has histograms with ${serviceLabel}="${service.name}", but none with all other matchers of duration of the source "${service.source}"`
          : `${metric} has no histogram of ${service.name}; ${serviceLabel} is ${listed(nearest.length === 0 ? names : nearest)}`,
    verdict: `No request has a duration, so ${listed(cujsOf(registry, service))} cannot pass: inconclusive (source_malformed). There is no error budget of latency.`,
    fix:
      names.length === 0
        ? `Compare duration of the source with the metrics of the service: ${isClassic ? 'a classic histogram ends in _bucket, and has the label le' : 'a native histogram has no _bucket, and Prometheus must be told to scrape it'}.`
        : isThere
          ? 'Remove matchers of duration one after the other in a query of your own, until there are series.'
          : `Let the histogram have the label ${serviceLabel} as the counter has it.`,
  };
}

function labels(
  registry: Registry,
  { counters }: BackendFacts,
  service: Service,
  { metric, histograms, labels: found }: HistogramFacts,
  timed: readonly Endpoint[],
): DoctorFinding[] {
  const source = registry.sources.get(service.source);
  const grouped = source === undefined ? [] : counterSourceOf(source).endpointLabels;
  const needed = timed.some(({ resource }) => resource !== '*') ? grouped : [];
  const counter = counters?.get(service.name);
  return [...found].flatMap(([label, values]): DoctorFinding[] => {
    if (grouped.includes(label) && !needed.includes(label)) return [];
    const without = (values.get('') ?? 0) / histograms;
    if (without > fewHistograms) {
      const part = without === 1 ? 'no histogram' : `${percent(without)} of the histograms`;
      return [
        {
          severity: without === 1 ? 'error' : 'warning',
          check: 'histogram-label-missing',
          about: named(service),
          message: `${part} of ${metric} ${without === 1 ? 'has the label' : 'have no label'} ${label}, by which ${grouped.includes(label) ? `the source "${service.source}" tells endpoints apart` : 'canary and stable are told apart'}`,
          verdict: `Its requests are of no ${grouped.includes(label) ? 'endpoint' : 'version'}. ${verdictOfUnclassified}`,
          fix: `Let the histogram have the label ${label} with the values that the counter has.`,
        },
      ];
    }
    const lacking = valuesOf(counter?.labels.get(label)).filter((value) => !values.has(value));
    // Of endpoints, those that matter are compared by their requests.
    if (grouped.includes(label) || lacking.length === 0) return [];
    return [
      {
        severity: 'warning',
        check: 'histogram-value-missing',
        about: named(service),
        message: `${counter?.metric} has ${label}="${listed(lacking, 3)}", and ${metric} has not; it has ${listed(valuesOf(values))}`,
        verdict: `Requests of that ${label} have no duration. ${verdictOfUnclassified}`,
        fix: `Let every version observe durations, with the same ${label}.`,
      },
    ];
  });
}

function thresholds(service: Service, of: HistogramFacts, timed: readonly Endpoint[]): DoctorFinding[] {
  const { metric, boundaries, histograms } = of;
  return thresholdsOf(timed).flatMap((latencyMs): DoctorFinding[] => {
    const having = boundaries.get(latencyMs) ?? 0;
    if (having >= histograms * (1 - fewHistograms)) return [];
    const ends = [...boundaries.keys()];
    const nearest = [
      ends.filter((end) => end < latencyMs).at(-1),
      ends.find((end) => end > latencyMs),
    ].filter((end) => end !== undefined);
    const [some, only] = [having > 0, nearest.length === 0];
    return [
      {
        severity: some ? 'warning' : 'error',
        check: 'threshold-no-boundary',
        about: named(service),
        message: `${some ? `${count(histograms - having)} of ${count(histograms)} histograms` : 'no histogram'} of ${metric} ${some ? 'have no' : 'has a'} bucket that ends at latencyMs: ${latencyMs}${only ? '' : `; the nearest end at ${nearest.map((end) => `${end} ms`).join(' and ')}`}`,
        verdict: some
          ? `Requests of those histograms are neither fast nor slow. ${verdictOfUnclassified}`
          : 'Inconclusive (source_rejected), always: slow requests are counted by buckets, and never estimated. There is no error budget of latency.',
        fix: only
          ? 'Let the application write its buckets.'
          : `Set latencyMs to ${nearest.join(' or ')}, or give the histogram of every version a bucket that ends at ${inUnit(latencyMs, of)}.`,
      },
    ];
  });
}

function nativeThresholds(
  registry: Registry,
  service: Service,
  { metric, across }: HistogramFacts,
  timed: readonly Endpoint[],
): DoctorFinding[] {
  const source = registry.sources.get(service.source);
  const durations = source === undefined ? undefined : counterSourceOf(source).durations;
  if (durations === undefined) return [];
  return thresholdsOf(timed).flatMap((latencyMs): DoctorFinding[] => {
    const exact = recordedThresholds(latencyMs, durations);
    const bucket = across.get(latencyMs);
    const inside =
      bucket &&
      `${percent(bucket.share)} of the requests of ${metric} are in a bucket that lies across latencyMs: ${latencyMs}, and ends at ${Number(bucket.endMs.toPrecision(4))} ms`;
    if (!exact.includes(latencyMs)) {
      return [
        {
          severity: 'info',
          check: 'native-histogram',
          about: named(service),
          message:
            inside ??
            `${metric} is a native histogram, of which few have a bucket that ends at latencyMs: ${latencyMs}`,
          verdict: `${bucket === undefined ? '' : 'Those requests are neither fast nor slow. '}There are no rules, and so no error budgets, of latency of ${listed(cujsOf(registry, service, latencyMs))}.`,
          fix: `Set latencyMs to ${exact.join(' or ')}, or name a classic histogram (…_bucket) in duration.`,
        },
      ];
    }
    if (inside === undefined) return [];
    return [
      {
        severity: 'warning',
        check: 'threshold-no-boundary',
        about: named(service),
        message: inside,
        verdict: `Those requests are neither fast nor slow. Rules cannot see that: the error budgets of latency of ${listed(cujsOf(registry, service, latencyMs))} are estimates.`,
        fix: `Let the histogram of every version have buckets that grow by a factor of 2 or less (schema 0 or finer) or, if they are custom ones, one that ends at ${latencyMs / (durations.unit === 'seconds' ? 1000 : 1)} ${durations.unit}. Or name a classic histogram (…_bucket) in duration.`,
      },
    ];
  });
}

/** By the requests of the last hour. */
function unit(service: Service, of: HistogramFacts, timed: readonly Endpoint[]): DoctorFinding[] {
  const { metric, within, boundaries } = of;
  const all = within.get(Number.POSITIVE_INFINITY) ?? 0;
  if (all < enoughRequests) return [];
  const finding = (message: string, verdict: string): DoctorFinding[] => [
    {
      severity: 'warning',
      check: 'duration-unit',
      about: named(service),
      message,
      verdict,
      fix: `Compare one duration with what you know: ${metric.replace(/_bucket$/, '')}_sum divided by _count is the mean, in ${of.unit === 's' ? 'seconds' : 'milliseconds'} if the unit is right. If it is not, correct durationUnit, or the metric's name.`,
    },
  ];
  const known = thresholdsOf(timed).filter((latencyMs) => boundaries.has(latencyMs));
  const longest = known.at(-1);
  if (longest !== undefined && (within.get(longest) ?? 0) < 1) {
    return finding(
      `none of ${count(all)} requests of the last hour took ${longest} ms or less`,
      'Inconclusive (threshold_unmet) while it is so. Most likely durations are in a smaller unit than the name says.',
    );
  }
  const [first] = boundaries.keys();
  if (first !== undefined && (within.get(first) ?? 0) >= all * nearlyAll) {
    return finding(
      `${percent((within.get(first) ?? 0) / all)} of ${count(all)} requests of the last hour took ${first} ms or less, the first bucket`,
      'None if the service is so fast. If durations are in a larger unit than the name says, no request is ever slow, and a slow canary passes.',
    );
  }
  return [];
}

/** By the requests of the last day: those of the histogram with those of the counter, endpoint by endpoint. */
function counts(
  service: Service,
  { metric, timed: durations }: HistogramFacts,
  found: ServiceFacts | undefined,
  timed: readonly Endpoint[],
): DoctorFinding[] {
  if (found === undefined) return [];
  const sum = (of: Shares) => [...of.values()].reduce((total, one) => total + one, 0);
  const differing = [...new Set(timed.map(({ resource }) => resource))].flatMap((resource) => {
    const total = resource === '*' ? found.total : (found.routes?.get(resource) ?? 0);
    const own = resource === '*' ? sum(durations) : (durations.get(resource) ?? 0);
    if (Math.max(total, own) < enoughRequests) return [];
    if (Math.abs(total - own) <= alikeCounts * total) return [];
    return [`${resource === '*' ? 'all endpoints' : resource} (${count(own)} of ${count(total)})`];
  });
  if (differing.length === 0) return [];
  return [
    {
      severity: 'warning',
      check: 'histogram-counts-differ',
      about: named(service),
      message: `${metric} has durations of another number of requests than total counts, in the last day: ${listed(differing)}`,
      verdict: verdictOfUnclassified,
      fix: 'Select the same requests in total and duration: the same reporter, routes and statuses. Where there are fewer durations, find out which requests are not timed, such as those that time out.',
    },
  ];
}

function inUnit(latencyMs: number, { unit: of }: HistogramFacts): string {
  return of === 's' ? `${latencyMs / 1000} s` : `${latencyMs} ms`;
}

function valuesOf(shares: Shares | undefined): string[] {
  return [...(shares?.keys() ?? [])].filter((value) => value !== '');
}

function thresholdsOf(timed: readonly Endpoint[]): readonly number[] {
  return [...new Set(timed.flatMap(({ latencyMs }) => latencyMs ?? []))].sort((a, b) => a - b);
}

/** What CUJs with an objective of latency time on the service. */
function endpointsOf({ cujs }: Registry, { name }: Service): Endpoint[] {
  return [...cujs.values()]
    .filter(isTimed)
    .flatMap((cuj) => endpointsCountedBy(sliKinds.latency, cuj.endpoints))
    .filter(({ service }) => service === name);
}

/** With this threshold on the service, or with any. */
function cujsOf({ cujs }: Registry, { name }: Service, threshold?: number): string[] {
  return [...cujs.values()]
    .filter(
      (cuj) =>
        isTimed(cuj) &&
        endpointsCountedBy(sliKinds.latency, cuj.endpoints).some(
          ({ service, latencyMs }) =>
            service === name && (threshold === undefined || latencyMs === threshold),
        ),
    )
    .map((cuj) => cuj.name);
}

function isTimed({ objectives }: Cuj): boolean {
  return objectives.latency !== undefined;
}
