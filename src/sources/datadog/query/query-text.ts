import type { ScopeTag } from '../../../domain/registry/model.ts';
import type { Failure } from '../../../domain/sli/failure.ts';
import { failureTermsOf } from './failure-terms.ts';
import { type QueryTemplate, restOf, type SourceTemplate, type TemplateTerm } from './source-template.ts';
import { isSafeTagValue } from './tag-normalization.ts';

/**
 * The texts of all questions to Datadog, in one place: what a verdict asks, what doctor asks and what the generated
 * SLOs ask are the same characters. Boolean form only (AND, IN, NOT IN, OR): Datadog does not take `,` or `!` beside
 * it. No escaping is documented, so nothing outside the stored alphabet ever enters a text.
 */

/** Which points of a metric are meant. */
export interface TagScope {
  readonly env: string;
  /** Further conditions on all of it, whichever side. */
  readonly tags?: readonly ScopeTag[] | undefined;
  /** Values of the service tag, at least one. */
  readonly services: readonly string[];
  /** A condition in boolean form, from filterText or restText; absent: all traffic of the services. */
  readonly condition?: string | undefined;
  /** Only these resources; absent: all. */
  readonly resources?: readonly string[] | undefined;
  /** Tag keys to group by; absent: one series. */
  readonly by?: readonly string[] | undefined;
  /** Values may hold `{param}` placeholders. For showing only: what is sent is always filled. */
  readonly unfilled?: boolean | undefined;
}

/** Total and bad events of one scope. */
export interface CountTexts {
  readonly total: string;
  readonly bad: string;
  /** What is left of total without bad, in as many queries; undefined where the source has no words for it. */
  readonly rest: readonly string[] | undefined;
  /** Where there is no rest: total and bad once more, each in queries that count every event once. */
  readonly again?: { readonly total: readonly string[]; readonly bad: readonly string[] };
}

/** Total, good and slow events of one scope: the two are all. */
export interface LatencyTexts {
  readonly total: string;
  readonly good: string;
  readonly slow: string;
}

/** The requests of one scope that are no failure, by whether they carry a status. */
export interface StatusTexts {
  readonly otherStatus: string;
  readonly noStatus: string;
}

/** Hits and failures of a trace operation. Without a definition, failures are 5XX. */
export function traceCountTexts(operation: string, scope: TagScope, failure?: Failure): CountTexts {
  const text = (metric: 'hits' | 'errors', ...conditions: string[]) =>
    countText(
      `sum:trace.${safeMetric(operation)}.${metric}`,
      [...traceConditions(scope), ...conditions],
      scope.by,
    );
  const terms = failureTermsOf(failure);
  if (terms.kind === 'status')
    return { total: text('hits'), bad: text('hits', terms.bad), rest: [text('hits', terms.notBad)] };
  return {
    total: text('hits'),
    bad: text('errors'),
    rest: undefined,
    again: {
      total: terms.halves.map((half) => text('hits', half)),
      bad: terms.halves.map((half) => text('errors', half)),
    },
  };
}

/** All hits of a trace operation, by env and service. */
export function traceWhereText(operation: string): string {
  return countText(`sum:trace.${safeMetric(operation)}.hits`, ['*'], ['env', 'service']);
}

/**
 * What failures leave of the hits of a trace operation, in two parts: a failure can be counted only among those with a status.
 * Undefined where failures are not told by a status.
 */
export function traceStatusTexts(
  operation: string,
  scope: TagScope,
  failure?: Failure,
): StatusTexts | undefined {
  const terms = failureTermsOf(failure);
  if (terms.kind !== 'status') return undefined;
  const metric = `sum:trace.${safeMetric(operation)}.hits`;
  return {
    otherStatus: countText(metric, [...traceConditions(scope), terms.otherStatus], scope.by),
    noStatus: countText(metric, [...traceConditions(scope), ...terms.noStatus], scope.by),
  };
}

/** Requests of a trace operation by its duration distribution, those within `latencyMs` and those above it. */
export function traceLatencyTexts(operation: string, latencyMs: number, scope: TagScope): LatencyTexts {
  const metric = `trace.${safeMetric(operation)}`;
  const conditions = traceConditions(scope);
  return {
    total: countText(`count:${metric}`, conditions, scope.by),
    good: countText(`count(v: v<=${secondsText(latencyMs)}):${metric}`, conditions, scope.by),
    slow: countText(`count(v: v>${secondsText(latencyMs)}):${metric}`, conditions, scope.by),
  };
}

/**
 * Total and bad events of a source template for one service. Without a condition the selector's term is left out.
 * Throws where resources or groups are asked of a template that cannot tell them apart.
 */
export function templateCountTexts(template: SourceTemplate, scope: TagScope): CountTexts {
  const [service, ...more] = scope.services;
  if (service === undefined || more.length > 0) {
    throw new TypeError(`source template "${template.name}" is asked for one service at a time`);
  }
  if (scope.resources !== undefined && template.groupBy === undefined) {
    throw new TypeError(`source template "${template.name}" has no groupBy, so it knows no endpoints`);
  }
  const text = (query: QueryTemplate) => {
    const conditions = query.terms.flatMap((term) => templateCondition(term, service, scope));
    if (scope.resources !== undefined) {
      conditions.push(oneOf(template.groupBy as string, scope.resources, scope.unfilled));
    }
    const filter = conditions.length === 0 ? ['*'] : conditions;
    return countText(`${query.aggregator}:${safeMetric(query.metric)}`, filter, scope.by);
  };
  return { total: text(template.total), bad: text(template.bad), rest: restOf(template)?.map(text) };
}

/** Metrics that are made of the same events, by one definition of failure. */
export interface EventMetricNames {
  readonly total: string;
  readonly failed: string;
  readonly good: string;
  /** Events of which no status tells whether they failed. Absent where there are none by definition. */
  readonly noStatus?: string;
}

/** All, failed and other events of one client or service, by the metrics that are made of them. Resources are names as they are stored. */
export function eventCountTexts(
  { total, failed, good, noStatus }: EventMetricNames,
  nameTag: string,
  scope: TagScope,
): CountTexts {
  const conditions = [`env:${safeValue(scope.env, scope.unfilled)}`, ...tagConditions(scope)];
  if (scope.condition !== undefined) conditions.push(scope.condition);
  if (scope.resources !== undefined) conditions.push(oneOf(nameTag, scope.resources, scope.unfilled));
  const text = (metric: string) => countText(`sum:${safeMetric(metric)}`, conditions, scope.by);
  const rest = noStatus === undefined ? [good] : [good, noStatus];
  return { total: text(total), bad: text(failed), rest: rest.map(text) };
}

/** Whether a template names the service (or env) by a placeholder in both of its queries. */
export function templateFills(template: SourceTemplate, placeholder: 'service' | 'env'): boolean {
  return [template.total, template.bad].every((query) =>
    query.terms.some((term) => valuesOf(term).some((value) => value.includes(`{${placeholder}}`))),
  );
}

/** Seconds without exponent and without the noise of binary fractions: 300 is `0.3`, 1 is `0.001`. */
export function secondsText(ms: number): string {
  if (!(ms > 0) || !Number.isFinite(ms)) throw new TypeError(`a threshold of ${ms} ms`);
  const text = (ms / 1000).toFixed(12).replace(/\.?0+$/, '');
  if (text === '' || Number(text) === 0)
    throw new TypeError(`a threshold of ${ms} ms is below what can be written`);
  return text;
}

function traceConditions(scope: TagScope): string[] {
  const conditions = [
    `env:${safeValue(scope.env, scope.unfilled)}`,
    oneOf('service', scope.services, scope.unfilled),
  ];
  conditions.push(...tagConditions(scope));
  if (scope.condition !== undefined) conditions.push(scope.condition);
  if (scope.resources !== undefined) conditions.push(oneOf('resource_name', scope.resources, scope.unfilled));
  return conditions;
}

function tagConditions({ tags = [] }: TagScope): string[] {
  return tags.map(({ key, value }) => `${safeKey(key)}:${safeValue(value)}`);
}

function templateCondition(term: TemplateTerm, service: string, scope: TagScope): string[] {
  // Both queries of a source have the selector exactly once, so the tags are in both of them.
  if (term.kind === 'selector')
    return [...tagConditions(scope), ...(scope.condition === undefined ? [] : [scope.condition])];
  const fill = (value: string) =>
    safePattern(value.replaceAll('{service}', service).replaceAll('{env}', scope.env), scope.unfilled);
  const key = safeKey(term.key);
  if (term.kind === 'tag') {
    const value = fill(term.value);
    if (!term.negated) return [`${key}:${value}`];
    // NOT IN is what the documentation shows for whole values; only a wildcard needs NOT.
    return [value.includes('*') ? `NOT ${key}:${value}` : `${key} NOT IN (${value})`];
  }
  return [`${key} ${term.negated ? 'NOT IN' : 'IN'} (${term.values.map(fill).join(',')})`];
}

function valuesOf(term: TemplateTerm): readonly string[] {
  if (term.kind === 'selector') return [];
  return term.kind === 'tag' ? [term.value] : term.values;
}

function countText(metric: string, conditions: readonly string[], by: readonly string[] | undefined): string {
  const groups = by === undefined || by.length === 0 ? '' : ` by {${by.map(safeKey).join(',')}}`;
  return `${metric}{${conditions.join(' AND ')}}${groups}.as_count()`;
}

function oneOf(key: string, values: readonly string[], unfilled: boolean | undefined): string {
  const safe = values.map((value) => safeValue(value, unfilled));
  if (safe.length === 0)
    throw new TypeError(`no value for ${key}: the filter would match nothing or everything`);
  return safe.length === 1 ? `${safeKey(key)}:${safe[0]}` : `${safeKey(key)} IN (${safe.join(',')})`;
}

/** The value, or a TypeError: a value that Datadog does not store would change what the query means. */
export function safeValue(value: string, unfilled = false): string {
  const checked = unfilled ? value.replace(/\{[a-z][a-z0-9_]*\}/g, 'x') : value;
  if (!isSafeTagValue(checked)) throw new TypeError(`${JSON.stringify(value)} may not enter a query`);
  return value;
}

/** As safeValue, with the wildcard that a registry's template may hold. */
function safePattern(value: string, unfilled: boolean | undefined): string {
  safeValue(value.replace(/^\*|\*$/g, '') || 'x', unfilled);
  return value;
}

/** The tag key, or a TypeError. */
export function safeKey(key: string): string {
  if (!/^[a-z@][a-z0-9_./-]*$/.test(key)) throw new TypeError(`${JSON.stringify(key)} is not a tag key`);
  return key;
}

function safeMetric(name: string): string {
  if (!/^[A-Za-z][A-Za-z0-9_.]*$/.test(name)) throw new TypeError(`${JSON.stringify(name)} is not a metric`);
  return name;
}
