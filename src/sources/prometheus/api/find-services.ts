import type { Shares } from '../../../domain/ports/backend-facts.ts';
import {
  type CounterOptions,
  type CounterProblem,
  eventsBy,
  failuresBy,
  isGoodStatus,
  labelsToLookFor,
  likelyLabels,
  lookalikes,
  maxFound,
  namedCounter,
  type ProposedSource,
  presetOfCounter,
  presetSource,
  proposedPresets,
  scopeLabels,
  seriesSelector,
  serviceIn,
  sourceWithGroups,
  sourceWithPrefix,
  versionLabels,
  writtenSource,
} from '../query/found-counters.ts';
import { isLabelName, type Labels, labelOf, matcherTest, quoted } from '../query/label-matchers.ts';
import { nearestFirst, nearestLabel } from '../query/near-labels.ts';
import { presetMetricsThere, presetsThere } from '../query/preset-counters.ts';
import { badMatchers } from '../query/source-template.ts';
import { statusLabelsOf } from '../query/status-labels.ts';
import type { PrometheusConnection } from './connection.ts';
import { Asking } from './survey-questions.ts';

/** What `init` wants to know. */
export interface ServicesQuestion extends CounterOptions {
  /** The registry's name of one service; undefined: the busiest ones. */
  readonly service: string | undefined;
  readonly env: string;
}

/** One counter of requests, and the services that it counts. */
export interface FoundServices {
  readonly metric: string;
  /** How far back requests were counted. */
  readonly span: 'day' | 'hour';
  /** Those to propose, busiest first. */
  readonly services: readonly FoundService[];
  readonly leftOut: readonly { readonly name: string; readonly requests: number; readonly why: string }[];
  /** Whether there are more services than were read. */
  readonly hasMoreServices: boolean;
  /** Other presets whose counters are there: `preset:istio`. */
  readonly otherPresets: readonly string[];
  /** Names of labels of the counter; only of one that the user named. */
  readonly labelNames: readonly string[];
}

export interface FoundService {
  readonly name: string;
  readonly source: ProposedSource;
  /** Estimates, as all numbers of requests here. */
  readonly requests: number;
  /** Requests by endpoint, busiest first. Empty where the source does not tell them apart. */
  readonly routes: Shares;
  /** Whether there are more endpoints than were read. */
  readonly hasMoreRoutes: boolean;
  /** Requests that lack a label of the endpoint. */
  readonly unrouted: number;
  /** By label that may tell versions apart, requests by its values; by the empty string of series without it. */
  readonly versions: ReadonlyMap<string, Shares>;
  /** By label that has several values and mostly has one. */
  readonly scopes: ReadonlyMap<string, readonly string[]>;
  /** Labels that failures are told by and that some requests lack, with their number. */
  readonly withoutStatus: Shares;
  /** By label that failures are told by, values that are no failure and may be one, busiest first. */
  readonly noFailures: ReadonlyMap<string, readonly string[]>;
}

/** Services without a wish for one; each takes four queries. */
const maxServices = 10;
/** A day of a counter with more series than this takes long to add up. */
const maxSeriesOfDay = 5_000;
/** What Istio's proxies call destinations outside of the mesh, and what has no name. */
const noServices = new Set([
  'PassthroughCluster',
  'InboundPassthroughCluster',
  'BlackHoleCluster',
  'unknown',
  '',
]);

/**
 * Finds a counter of requests, its services, their endpoints and the labels that tell versions apart, by sums by label. Throws
 * SourceError.
 */
export async function findServices(
  connection: PrometheusConnection,
  question: ServicesQuestion,
  now: () => number,
): Promise<FoundServices | CounterProblem> {
  // All of one moment.
  const atMs = now();
  const asking = new Asking(connection, () => atMs);
  const named = question.counter?.trim();
  if (named === undefined) return await ofPresets(asking, question);
  const preset = /^preset:(.*)$/.exec(named)?.[1] ?? presetOfCounter(named);
  if (preset === undefined) return await ofNamedCounter(asking, question);
  const known = Object.entries(proposedPresets).find(([, one]) => one === preset);
  if (known === undefined) {
    const all = Object.values(proposedPresets).map((one) => `preset:${one}`);
    return { problem: `there is no ${named}. Write --counter ${all.join(', ')}, or the name of a counter.` };
  }
  const source = presetSource(...known, question);
  return 'problem' in source ? source : await ofSource(asking, source, question);
}

/** Events by labels, the most first. */
async function eventsOf(
  asking: Asking,
  labels: readonly string[],
  selector: string,
  span: FoundServices['span'],
  most: number,
): Promise<readonly { readonly labels: Labels; readonly requests: number }[]> {
  const found = await asking.vector(eventsBy(labels, selector, span === 'day' ? '1d' : '1h', most));
  return found
    .map(({ labels: own, value }) => ({ labels: own, requests: Number.isFinite(value) ? value : 0 }))
    .sort((a, b) => b.requests - a.requests);
}

async function ofPresets(
  asking: Asking,
  question: ServicesQuestion,
): Promise<FoundServices | CounterProblem> {
  const sources = Object.entries(proposedPresets).map(([name, preset]) =>
    presetSource(name, preset, question),
  );
  const wrong = sources.find((one) => 'problem' in one);
  if (wrong !== undefined && 'problem' in wrong) return wrong;
  const usable = sources as ProposedSource[];
  const names = usable.map(({ parsed }) => parsed.total.metric);
  const there = await presetMetricsThere(asking);
  const found = usable.filter(({ parsed }) => there.has(parsed.total.metric));
  if (found.length === 0) return await withoutPresets(asking, names);
  const problems: string[] = [];
  for (const source of found) {
    const result = await ofSource(asking, source, question);
    if ('problem' in result) problems.push(result.problem);
    else {
      const others = found.filter((one) => one !== source);
      return { ...result, otherPresets: others.map(({ name }) => presetText(name)) };
    }
  }
  return { problem: problems.join(' ') };
}

/** Counters of presets that are there, as a sentence. */
async function othersThere(asking: Asking): Promise<string> {
  return presetsThere(await presetMetricsThere(asking));
}

function nearLabelText(label: string, names: readonly string[]): string {
  const near = nearestLabel(label, names);
  return `${near === undefined ? '' : `Did you mean ${near}? `}There are ${nearestFirst(label, names).join(', ')}.`;
}

function presetText(name: string): string {
  return `preset:${proposedPresets[name as keyof typeof proposedPresets]}`;
}

async function withoutPresets(asking: Asking, names: readonly string[]): Promise<CounterProblem> {
  const similar = await asking.vector(
    `topk(${maxFound.names}, count by (__name__) ({__name__=~${quoted(lookalikes)}}))`,
  );
  const none = `Prometheus has no series of ${names.join(', ')}`;
  if (similar.length > 0) {
    const found = [...similar]
      .sort((a, b) => b.value - a.value)
      .map(({ labels, value }) => `${labelOf(labels, '__name__')} (${value} series)`);
    return { problem: `${none}. Name another counter by --counter. There are ${found.join(', ')}.` };
  }
  const targets = await asking.count('up');
  const problem =
    targets === 0
      ? 'nor of any counter of requests, and it scrapes nothing (no series up). Check CUJ_GATE_PROMETHEUS_URL, and that it is the Prometheus that has the metrics of the services. If metrics are pushed, name a counter by --counter.'
      : `nor of any counter whose name says that it counts requests. It scrapes ${targets} targets. Check CUJ_GATE_PROMETHEUS_URL, or name a counter by --counter.`;
  return { problem: `${none}, ${problem}` };
}

async function ofNamedCounter(
  asking: Asking,
  question: ServicesQuestion,
): Promise<FoundServices | CounterProblem> {
  const { metric, withService, serviceLabel } = namedCounter(question);
  if (metric === '') {
    return {
      problem: `--counter ${JSON.stringify(question.counter)} is no counter: write a name such as http_requests_total, or a selector such as http_requests_total{job="{service}"}.`,
    };
  }
  const some = await asking.vector(`topk(5, ${metric})`);
  if (some.length === 0) {
    const words = metric
      .split(/[_:]/)
      .filter((one) => one.length > 3 && !/^(total|count|seconds)$/.test(one));
    const similar = await asking.vector(
      `topk(${maxFound.names}, count by (__name__) ({__name__=~${quoted(`.*(${(words.length === 0 ? [metric] : words).join('|')}).*(_total|_count)`)}}))`,
    );
    const found = similar.map(({ labels }) => labelOf(labels, '__name__')).sort();
    const hint =
      found.length === 0
        ? 'Check the name, and that its processes are scraped.'
        : `Similar names: ${found.join(', ')}.`;
    return {
      problem: [`Prometheus has no series ${metric}.`, hint, await othersThere(asking)].join(' ').trim(),
    };
  }
  const names = new Set(some.flatMap(({ labels }) => Object.keys(labels)));
  names.delete('__name__');
  // Processes that are not among those few series may have other labels.
  for (const label of labelsToLookFor(names))
    if ((await asking.count(`${metric}{${label}!=""}`)) > 0) names.add(label);
  const likely = likelyLabels(names);
  const has = `It has the labels ${[...names].sort().join(', ')}.`;
  const label = serviceLabel ?? likely.service;
  if (label === undefined)
    return { problem: `name the label of ${metric} that has the service by --service-label. ${has}` };
  const total = withService(label);
  if ('problem' in total) return total;
  const failures = question.failures ?? (await failuresOf(asking, metric, likely.status));
  if (failures === undefined) {
    return {
      problem: `which requests of ${metric} failed is not known: no label has statuses of HTTP. Say it by --failures, such as --failures 'code=~"5.."'. ${has}`,
    };
  }
  const groupBy = question.groupBy ?? likely.groupBy;
  const source = writtenSource('app', total, failures, groupBy);
  if ('problem' in source) return source;
  const found = await ofSource(asking, source, question);
  return 'problem' in found
    ? { problem: `${found.problem} ${has}` }
    : { ...found, labelNames: [...names].sort() };
}

async function failuresOf(
  asking: Asking,
  metric: string,
  labels: readonly string[],
): Promise<string | undefined> {
  for (const label of labels) {
    const found = await asking.vector(`topk(50, count by (${label}) (${metric}))`);
    const matcher = failuresBy(
      label,
      found.map((one) => labelOf(one.labels, label)),
    );
    if (matcher !== undefined) return matcher;
  }
  return undefined;
}

async function ofSource(
  asking: Asking,
  source: ProposedSource,
  question: ServicesQuestion,
): Promise<FoundServices | CounterProblem> {
  const { env, service } = question;
  const { metric } = source.parsed.total;
  const { label } = source.own;
  const all = seriesSelector(source, env, undefined);
  const series = await asking.count(all);
  if (series === 0) {
    const [any] = await asking.vector(`topk(1, ${metric})`);
    const names = Object.keys(any?.labels ?? {}).filter((one) => one !== '__name__');
    return {
      problem:
        any === undefined
          ? [`Prometheus has no series ${metric}.`, await othersThere(asking)].join(' ').trim()
          : `${metric} has series, but none as ${all}. Name the label that has the service by --service-label. ${nearLabelText(label, names)}`,
    };
  }
  const span = series > maxSeriesOfDay ? 'hour' : 'day';
  const busiest = await eventsOf(asking, [label], all, span, maxFound.services);
  const isCut = busiest.length >= maxFound.services;
  const named = service !== undefined && isCut ? seriesSelector(source, env, undefined, service) : undefined;
  const values =
    named === undefined
      ? busiest
      : [...(await eventsOf(asking, [label], named, span, maxFound.services)), ...busiest];
  if (values.length === 0)
    return { problem: `${metric} has one sample only of each series. Wait for the next scrape.` };
  const leftOut: { name: string; requests: number; why: string }[] = [];
  const candidates = new Map<string, { name: string; prefix: string; value: string; requests: number }>();
  const seen = new Set<string>();
  for (const { labels, requests } of values) {
    const value = labelOf(labels, label);
    if (seen.has(value)) continue;
    seen.add(value);
    const named = serviceIn(source, value, env);
    const leave = (why: string) => void leftOut.push({ name: value, requests, why });
    const first = named && candidates.get(named.name);
    if (noServices.has(value)) leave('it is no service of the mesh');
    else if (named === undefined)
      leave('a service is named in a-z, 0-9, "_", "." and "-", with at most 100 characters');
    else if (first !== undefined) leave(`${label} has ${first.value} as well, which is busier`);
    else if (requests <= 0) leave(`no request in the last ${span}`);
    else candidates.set(named.name, { ...named, value, requests });
  }
  const wanted = service === undefined ? [...candidates.values()] : [candidates.get(service) ?? []].flat();
  if (wanted.length === 0)
    return { problem: noService(metric, label, service, [...candidates.keys()], leftOut) };
  const proposed = wanted.slice(0, maxServices);
  for (const { value, requests } of wanted.slice(maxServices))
    leftOut.push({ name: value, requests, why: `less busy than the first ${maxServices}; see --service` });
  const services: FoundService[] = [];
  for (const one of proposed) {
    const own = sourceWithPrefix(nameWithPrefix(source.name, one.prefix), source, one.prefix);
    services.push(await readService(asking, own, one, question, span));
  }
  const { canaryLabel } = question;
  const hasLabel = ({ versions }: FoundService) =>
    [...(versions.get(canaryLabel as string)?.keys() ?? [])].some((value) => value !== '');
  if (canaryLabel !== undefined && !services.some(hasLabel)) {
    const [any] = await asking.vector(`topk(1, ${all})`);
    const names = Object.keys(any?.labels ?? {}).filter(isLabelName);
    const of = services.map(({ name }) => name).join(', ');
    return {
      problem: `no series of ${of} has the label ${canaryLabel}, which --canary-label names. ${nearLabelText(canaryLabel, names)}`,
    };
  }
  return {
    metric,
    span,
    services,
    leftOut: service === undefined ? leftOut : leftOut.filter(({ why }) => why.includes('as well')),
    hasMoreServices: service === undefined && isCut,
    otherPresets: [],
    labelNames: [],
  };
}

/** The name of a source: `http-shop` of the prefix `shop/`. */
function nameWithPrefix(name: string, prefix: string): string {
  const slug = prefix
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '');
  return slug === '' ? name : `${name}-${slug}`.slice(0, 60).replace(/-+$/, '');
}

function noService(
  metric: string,
  label: string,
  service: string | undefined,
  names: readonly string[],
  leftOut: readonly { readonly name: string; readonly why: string }[],
): string {
  const own = leftOut.find(({ name }) => service !== undefined && name.split('/').at(-1) === service);
  if (own !== undefined) return `${metric} has series of ${service}, but it cannot be proposed: ${own.why}.`;
  const others = leftOut.slice(0, 5).map(({ name, why }) => `${JSON.stringify(name)} (${why})`);
  const known = names.slice(0, maxFound.names);
  return [
    service === undefined
      ? `no service of ${metric} can be proposed.`
      : `${metric} has no service ${service} in the label ${label}.`,
    ...(known.length === 0 ? [] : [`Services with traffic: ${known.join(', ')}.`]),
    ...(others.length === 0 ? [] : [`Values of ${label} that are none: ${others.join(', ')}.`]),
  ].join(' ');
}

async function readService(
  asking: Asking,
  given: ProposedSource,
  { name, value, requests }: { readonly name: string; readonly value: string; readonly requests: number },
  { env, canaryLabel }: ServicesQuestion,
  span: FoundServices['span'],
): Promise<FoundService> {
  const ownOf = (source: ProposedSource) => seriesSelector(source, env, value);
  const sums = async (labels: readonly string[]) => {
    if (labels.length === 0) return new Map<string, Shares>();
    const found = await eventsOf(asking, labels, ownOf(given), span, maxFound.combinations);
    return new Map(labels.map((label) => [label, sharesOf(found, label)] as const));
  };
  const versions = await sums(canaryLabel === undefined ? versionLabels : [canaryLabel]);
  const { label: serviceLabel } = given.own;
  const statusLabels = statusLabelsOf(given.parsed);
  const isUngrouped = given.parsed.endpointLabels.length === 0;
  // Where Istio classifies requests.
  const more = isUngrouped ? ['request_operation'] : [];
  const others = await sums([...scopeLabels.filter((one) => one !== serviceLabel), ...statusLabels]);
  const operations = (await sums(more)).get('request_operation') ?? new Map<string, number>();
  const isClassified = [...operations.keys()].some((one) => one !== '' && one !== 'unknown');
  const source = isClassified ? sourceWithGroups(given, 'request_operation') : given;
  const labels = source.parsed.endpointLabels;
  const routes = new Map<string, number>();
  let unrouted = 0;
  const found =
    labels.length === 0 ? [] : await eventsOf(asking, labels, ownOf(source), span, maxFound.endpoints);
  for (const one of found) {
    const parts = labels.map((label) => labelOf(one.labels, label));
    if (parts.includes('')) unrouted += one.requests;
    else routes.set(parts.join(' '), (routes.get(parts.join(' ')) ?? 0) + one.requests);
  }
  return {
    name,
    source,
    requests,
    routes,
    hasMoreRoutes: found.length >= maxFound.endpoints,
    unrouted,
    versions,
    scopes: new Map(
      scopeLabels.flatMap((label) => {
        const values = [...(others.get(label)?.keys() ?? [])].filter((one) => one !== '');
        return values.length > 1 ? [[label, values] as const] : [];
      }),
    ),
    withoutStatus: new Map(
      statusLabels.flatMap((label) => {
        const lacking = others.get(label)?.get('') ?? 0;
        return lacking > 0 ? [[label, lacking] as const] : [];
      }),
    ),
    noFailures: new Map(
      badMatchers(given.parsed).flatMap((matcher) => {
        const isFailure = matcherTest(matcher);
        const values = [...(others.get(matcher.label)?.keys() ?? [])].filter(
          (value) => value !== '' && !isGoodStatus(value) && !isFailure({ [matcher.label]: value }),
        );
        return values.length > 0 ? [[matcher.label, values] as const] : [];
      }),
    ),
  };
}

function sharesOf(
  found: readonly { readonly labels: Labels; readonly requests: number }[],
  label: string,
): Shares {
  const shares = new Map<string, number>();
  for (const { labels, requests } of found) {
    const value = labelOf(labels, label);
    shares.set(value, (shares.get(value) ?? 0) + requests);
  }
  return new Map([...shares].sort(([, a], [, b]) => b - a));
}
