import type { SourceDocument } from '../../../domain/registry/schema.ts';
import { type CounterSelector, parseSelector } from './counter-selector.ts';
import {
  escapedForRegex,
  isLabelName,
  type LabelMatcher,
  matcherText,
  oneOfValues,
} from './label-matchers.ts';
import { badMatchers, type CounterSource, parseCounterSource } from './source-template.ts';

/** What `init` asks about counters that no registry names yet. All answers are sums by label, and bounded. */

/** A source to propose, as the registry writes it and as it is asked about. */
export interface ProposedSource {
  /** The name under `sources`. */
  readonly name: string;
  readonly document: Pick<SourceDocument, 'total' | 'bad' | 'groupBy'>;
  readonly parsed: CounterSource;
  /** The matcher that holds `{service}`. */
  readonly own: LabelMatcher;
}

/** What the user says about the counter; what is left out is found. */
export interface CounterOptions {
  /** `preset:istio`, the name of a counter, or a selector. */
  readonly counter?: string;
  readonly serviceLabel?: string;
  /** Matchers such as `code=~"5.."`. */
  readonly failures?: string;
  readonly groupBy?: string;
  readonly canaryLabel?: string;
}

/** Something that the user can correct. */
export interface CounterProblem {
  readonly problem: string;
}

/** The presets by the name that a proposal gives their source, those that tell endpoints apart first. */
export const proposedPresets = { http: 'opentelemetry', mesh: 'istio', linkerd: 'linkerd' } as const;

/** Labels that tell versions apart, best first: of the application, of the mesh, and of pods as Argo Rollouts labels them. */
export const versionLabels = [
  'service_version',
  'destination_version',
  'version',
  'app_version',
  'app_kubernetes_io_version',
  'release',
  'destination_canonical_revision',
  'rollouts_pod_template_hash',
  'pod_template_hash',
] as const;

/** Labels of which one registry mostly means a single value. Two replicas of Prometheus would count everything twice. */
export const scopeLabels = [
  'env',
  'environment',
  'deployment_environment',
  'deployment_environment_name',
  'cluster',
  'namespace',
  'k8s_namespace_name',
  'destination_service_namespace',
  'prometheus_replica',
  'replica',
] as const;

const serviceLabelNames = ['job', 'service', 'service_name', 'app', 'application'];
const statusLabelNames = [
  'code',
  'status',
  'status_code',
  'http_status_code',
  'http_response_status_code',
  'response_code',
];
const methodLabelNames = ['method', 'http_method', 'http_request_method', 'request_method', 'verb'];
const routeLabelNames = [
  'route',
  'http_route',
  'handler',
  'endpoint',
  'path',
  'uri',
  'operation',
  'request_operation',
];

/** Counters of requests that exporters commonly have, in RE2. */
export const lookalikes =
  '.*(requests?|calls)(_server)?_total|.*requests?(_duration|_latency)?(_milliseconds|_seconds|_ms)?_count|grpc_server_handled_total';

/** The most services, endpoints and combinations of labels of one answer. */
export const maxFound = { services: 200, endpoints: 1_000, combinations: 300, names: 20 } as const;

/** The preset of a counter that is named without matchers: it knows what its labels mean. */
export function presetOfCounter(counter: string): string | undefined {
  return Object.values(proposedPresets).find((preset) => {
    const source = presetSource('any', preset, {});
    return !('problem' in source) && source.parsed.total.metric === counter;
  });
}

/** The source of a preset, with labels of the user's in the place of its own. */
export function presetSource(
  name: string,
  preset: string,
  { serviceLabel, failures, groupBy }: CounterOptions,
): ProposedSource | CounterProblem {
  const text = `preset:${preset}`;
  const found = read(name, { total: text, bad: text });
  if ('problem' in found || (serviceLabel === undefined && failures === undefined && groupBy === undefined))
    return found;
  const { total } = found.parsed;
  const matchers = total.matchers.map((matcher) =>
    matcher === found.own ? { ...matcher, label: serviceLabel ?? matcher.label } : matcher,
  );
  const failed = failures ?? badMatchers(found.parsed).map(matcherText).join(',');
  const labels = groupBy ?? found.parsed.groupBy;
  return writtenSource(name, { metric: total.metric, matchers }, failed, labels);
}

/** The same source, for services whose label has a text before the name: `shop/{service}`. */
export function sourceWithPrefix(name: string, source: ProposedSource, prefix: string): ProposedSource {
  if (prefix === '') return source;
  const { total } = source.parsed;
  const matchers = total.matchers.map((matcher) =>
    matcher.value.includes('{service}')
      ? { ...matcher, value: matcher.value.replace('{service}', `${prefix}{service}`) }
      : matcher,
  );
  const failed = badMatchers(source.parsed).map(matcherText).join(',');
  const found = writtenSource(name, { metric: total.metric, matchers }, failed, source.parsed.groupBy);
  if ('problem' in found) throw new TypeError(found.problem);
  return found;
}

/** The same source with endpoints told apart by a label. */
export function sourceWithGroups(source: ProposedSource, groupBy: string): ProposedSource {
  const failed = badMatchers(source.parsed).map(matcherText).join(',');
  const found = writtenSource(source.name, source.parsed.total, failed, groupBy);
  if ('problem' in found) throw new TypeError(found.problem);
  return found;
}

/** The selector of a counter that the user named; its service label is still to be found where it has none. */
export function namedCounter({ counter = '', serviceLabel }: CounterOptions): {
  readonly metric: string;
  /** With the matcher of the service that the user chose. */
  readonly withService: (label: string) => CounterSelector | CounterProblem;
  readonly serviceLabel: string | undefined;
} {
  const text = counter.trim();
  const metric = /^[A-Za-z_:][A-Za-z0-9_:]*/.exec(text)?.[0] ?? '';
  const written = text.includes('{service}');
  const withService = (label: string) => {
    const rest = text.slice(metric.length).trim();
    const own = `${label}="{service}"`;
    const all = written
      ? text
      : rest === '' || /^\{\s*\}$/.test(rest)
        ? `${text.replace(/\{\s*\}$/, '')}{${own}}`
        : `${metric}${rest.replace('{', `{${own},`)}`;
    const selector = parseSelector(all);
    return 'message' in selector ? problemOf('--counter', selector) : selector;
  };
  return { metric, withService, serviceLabel: written ? '' : serviceLabel };
}

/** A source of selectors that are written out. */
export function writtenSource(
  name: string,
  total: CounterSelector,
  failures: string,
  groupBy: string | undefined,
): ProposedSource | CounterProblem {
  const inside = total.matchers.map(matcherText).join(',');
  return read(name, {
    total: `${total.metric}{${inside}}`,
    bad: `${total.metric}{${inside},${failures}}`,
    ...(groupBy === undefined ? {} : { groupBy }),
  });
}

function read(name: string, document: ProposedSource['document']): ProposedSource | CounterProblem {
  const parsed = parseCounterSource(name, document);
  if (!parsed.ok) {
    const [first] = parsed.problems;
    return problemOf(`the ${first?.field ?? 'source'} of the counter`, {
      message: first?.message ?? '',
      fix: first?.fix ?? '',
    });
  }
  const source = parsed.source as CounterSource;
  const own = source.total.matchers.find(({ value }) => value.includes('{service}')) as LabelMatcher;
  return { name, document, parsed: source, own };
}

function problemOf(
  what: string,
  { message, fix }: { readonly message: string; readonly fix: string },
): CounterProblem {
  return { problem: `${what} cannot be used: ${message}. ${fix}` };
}

/** What the labels of a counter most likely mean; undefined where none is known. */
export function likelyLabels(names: ReadonlySet<string>): {
  readonly service: string | undefined;
  readonly status: readonly string[];
  readonly groupBy: string | undefined;
} {
  const first = (known: readonly string[]) => known.find((one) => names.has(one));
  const route = first(routeLabelNames);
  const method = first(methodLabelNames);
  return {
    service: first(serviceLabelNames),
    status: statusLabelNames.filter((one) => names.has(one)),
    groupBy: route === undefined ? undefined : method === undefined ? route : `${method}/${route}`,
  };
}

/** Known labels of all meanings that none of these names has. */
export function labelsToLookFor(names: ReadonlySet<string>): readonly string[] {
  const meanings = [serviceLabelNames, statusLabelNames, routeLabelNames, methodLabelNames];
  return meanings.filter((known) => !known.some((one) => names.has(one))).flat();
}

/** `404`, `4xx`: a status of HTTP that is no fault of the server. */
export function isGoodStatus(value: string): boolean {
  return /^[1-4](\d\d|xx)$/i.test(value);
}

/** The matcher of failures by the values of a label: statuses or classes of HTTP. Undefined where they are neither. */
export function failuresBy(label: string, values: readonly string[]): string | undefined {
  if (values.some((value) => /^[1-5]\d\d$/.test(value)))
    return matcherText({ label, operator: '=~', value: '5..' });
  const classes = values.filter((value) => /^[1-5]xx$/i.test(value));
  if (classes.length === 0) return undefined;
  return matcherText(oneOfValues(label, [/X/.test(classes[0] as string) ? '5XX' : '5xx']));
}

/**
 * All series of a source, or those of one value of its service label, or of values that have a text in them, with `env` in its place.
 */
export function seriesSelector(
  { parsed: { total }, own }: ProposedSource,
  env: string,
  value: string | undefined,
  part?: string,
): string {
  const matchers = total.matchers.map((matcher): LabelMatcher => {
    if (matcher === own && part !== undefined)
      return { label: own.label, operator: '=~', value: `.*${escapedForRegex(part)}.*` };
    if (matcher === own) {
      return value === undefined
        ? { label: own.label, operator: '!=', value: '' }
        : { label: own.label, operator: '=', value };
    }
    return matcher.operator === '=' ? { ...matcher, value: matcher.value.replaceAll('{env}', env) } : matcher;
  });
  return `${total.metric}{${matchers.map(matcherText).join(',')}}`;
}

/** Estimated events by labels, the most first. */
export function eventsBy(
  labels: readonly string[],
  selector: string,
  spanText: string,
  most: number,
): string {
  return `topk(${most}, sum by (${labels.join(', ')}) (increase(${selector}[${spanText}])))`;
}

/** The name of a service in the value of its label, and what stands before it; undefined where no registry can name it. */
export function serviceIn(
  { own }: ProposedSource,
  value: string,
  env: string,
): { readonly name: string; readonly prefix: string } | undefined {
  const written = own.value.replaceAll('{env}', env);
  const [before = '', after = ''] = written.split('{service}');
  if (!value.startsWith(before) || !value.endsWith(after)) return undefined;
  const text = value.slice(before.length, value.length - after.length);
  const slash = written === '{service}' ? text.lastIndexOf('/') + 1 : 0;
  const [prefix, name] = [text.slice(0, slash), text.slice(slash)];
  const isUsable = /^[a-z0-9]([a-z0-9_.-]{0,98}[a-z0-9])?$/.test(name) && /^[\w./:-]*$/.test(prefix);
  return isUsable ? { name, prefix } : undefined;
}

export function isGroupBy(text: string): boolean {
  return /^[a-z@][a-z0-9_./-]*$/.test(text) && text.length <= 200 && text.split('/').every(isLabelName);
}
