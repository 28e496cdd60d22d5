import type { SourceDocument } from '../../../domain/registry/schema.ts';
import type { ParsedSource, Source, SourceProblem } from '../../../domain/registry/source-dialect.ts';

/**
 * Sources as data: `sources:` of the registry. A template is parsed when the registry loads and written anew for every
 * question, in Datadog's boolean form only, so that what fills it can never change its shape.
 */

/** One condition of a template's filter. */
export type TemplateTerm =
  | { readonly kind: 'selector' }
  | { readonly kind: 'tag'; readonly key: string; readonly value: string; readonly negated: boolean }
  | {
      readonly kind: 'in';
      readonly key: string;
      readonly values: readonly string[];
      readonly negated: boolean;
    };

export interface QueryTemplate {
  /** `sum` for count metrics, `count` for how many values a distribution has. */
  readonly aggregator: 'sum' | 'count';
  /** The metric, such as `istio.mesh.request.count`. */
  readonly metric: string;
  /** Conditions that all hold. Values may hold `{service}` and `{env}`; exactly one term is the selector. */
  readonly terms: readonly TemplateTerm[];
}

export interface SourceTemplate extends Source {
  readonly total: QueryTemplate;
  readonly bad: QueryTemplate;
}

/** A source of the registry as this backend parsed it. Throws TypeError where another backend did. */
export function templateOf(source: Source): SourceTemplate {
  if (!('total' in source && 'bad' in source))
    throw new TypeError(`source "${source.name}" is not Datadog's`);
  return source as SourceTemplate;
}

/** Reads both queries of a template; every query that is wrong is reported, with its first mistake. */
export function parseSourceTemplate(name: string, document: SourceDocument): ParsedSource {
  const problems: SourceProblem[] = [];
  const parsed: Partial<Record<'total' | 'bad', QueryTemplate>> = {};
  for (const field of ['total', 'bad'] as const) {
    const query = parseQuery(document[field]);
    if ('message' in query) problems.push({ field, ...query });
    else parsed[field] = query;
  }
  for (const field of ['duration', 'durationUnit'] as const) {
    if (document[field] === undefined) continue;
    problems.push({
      field,
      message: `a source has no ${field} with Datadog`,
      fix: 'Remove it: latency is judged on trace metrics only.',
    });
  }
  const { total, bad } = parsed;
  if (total === undefined || bad === undefined || problems.length > 0) return { ok: false, problems };
  if (queryKey(total) === queryKey(bad)) {
    problems.push({
      field: 'bad',
      message: 'bad and total are the same query, so every event would be bad',
      fix: 'Restrict bad to the failed events (response_code:5*), or name the metric that counts them.',
    });
    return { ok: false, problems };
  }
  const template: SourceTemplate = { name, total, bad, groupBy: document.groupBy };
  return { ok: true, source: template };
}

/**
 * Queries that together count what `bad` leaves of `total`. Only where `bad` is `total` with more conditions can they be
 * written: of another metric nothing says which of its events are which of the total's. Undefined where it is not.
 */
export function restOf({ total, bad }: SourceTemplate): readonly QueryTemplate[] | undefined {
  if (total.metric !== bad.metric || total.aggregator !== bad.aggregator) return undefined;
  const more = [...bad.terms];
  for (const term of total.terms) {
    const at = more.findIndex((other) => JSON.stringify(other) === JSON.stringify(term));
    if (at < 0) return undefined;
    more.splice(at, 1);
  }
  // Not (a and b) is: not a; or a, and not b. No event is in two of these.
  return more.flatMap((term, i) =>
    term.kind === 'selector'
      ? []
      : [{ ...total, terms: [...total.terms, ...more.slice(0, i), { ...term, negated: !term.negated }] }],
  );
}

type Mistake = Omit<SourceProblem, 'field'>;

const example =
  'sum:istio.mesh.request.count{reporter:source,destination_service_name:{service},{selector}}.as_count()';
const keyPattern = /^[a-z@][a-z0-9_./-]*$/;
/** Literals and placeholders of a value. `*` stands at an end only, which is all that Datadog matches. */
const valuePattern = /^\*?(?:[a-z0-9_:./-]|\{service\}|\{env\})+\*?$/;

/** `sum:metric{filter}.as_count()` as data, or its first mistake. */
function parseQuery(text: string): QueryTemplate | Mistake {
  if (/\}\s*by\s*\{/.test(text)) {
    return {
      message: 'a template query must not group by tags',
      fix: 'Remove by {…}; name the tag that tells endpoints apart in groupBy.',
    };
  }
  const match = /^\s*([a-z]+):([^{}\s]+)\{(.*)\}\s*\.as_count\(\)\s*$/s.exec(text);
  if (match === null) {
    if (/^\s*preset:|\{[^{}]*=~?\s*["']/.test(text)) {
      return {
        message: 'this is a source of Prometheus',
        fix: 'Set CUJ_GATE_BACKEND=prometheus, or write backend: prometheus into the source.',
      };
    }
    const ends = /\.as_count\(\)\s*$/.test(text);
    return {
      message: ends ? 'this is not a count query' : 'the query does not end in .as_count()',
      fix: `Write aggregator:metric{filter}.as_count(), such as ${example}.`,
    };
  }
  const [, aggregator, metric, filter] = match as unknown as [string, string, string, string];
  if (aggregator !== 'sum' && aggregator !== 'count') {
    return {
      message: `the aggregator "${aggregator}" does not count events`,
      fix: 'Use sum: for a count metric, count: for a distribution.',
    };
  }
  if (!/^[A-Za-z][A-Za-z0-9_.]*$/.test(metric)) {
    return { message: `"${metric}" is not the name of a metric`, fix: 'Use letters, digits, _ and . only.' };
  }
  const terms = parseFilter(filter);
  return 'message' in terms ? terms : { aggregator, metric, terms };
}

function parseFilter(filter: string): readonly TemplateTerm[] | Mistake {
  // Commas inside IN (…) separate values; only what is left of them tells which of the two forms this is.
  const outside = filter.replace(/\([^()]*\)/g, '()');
  const words = /(?:^|\s)(?:AND|OR|NOT|IN)(?:\s|\(|$)/i.test(outside);
  const commas = /,/.test(outside) || /(?:^|[\s,])!/.test(outside);
  if (words && commas) {
    return {
      message: 'the filter mixes "," or "!" with AND, OR, NOT or IN, which Datadog does not take together',
      fix: 'Join all conditions with "," (and negate with "!"), or all with AND (and negate with NOT).',
    };
  }
  if (/(?:^|\s)OR(?:\s|\()/i.test(outside)) {
    return {
      message: 'the filter holds OR, which cannot be joined with the selector safely',
      fix: 'Use key IN (a, b) for several values of one tag.',
    };
  }
  const pieces = words ? filter.split(/\s+AND\s+/i) : splitOutside(filter);
  const terms: TemplateTerm[] = [];
  for (const piece of pieces) {
    const term = parseTerm(piece.trim());
    if ('message' in term) return term;
    terms.push(term);
  }
  const selectors = terms.filter((term) => term.kind === 'selector').length;
  if (selectors === 1) return terms;
  return {
    message:
      selectors === 0
        ? 'the filter has no {selector}, so canary and stable would be the same'
        : `the filter has {selector} ${selectors} times`,
    fix: 'Put {selector} in the filter exactly once, as a condition of its own.',
  };
}

/** Splits at commas that are not inside parentheses. */
function splitOutside(filter: string): string[] {
  return filter.split(/,(?![^()]*\))/);
}

function parseTerm(piece: string): TemplateTerm | Mistake {
  if (piece === '{selector}') return { kind: 'selector' };
  if (piece === '') {
    return { message: 'the filter has an empty condition', fix: `Compare with ${example}.` };
  }
  if (/^(?:NOT\s*)?\(/i.test(piece)) {
    return {
      message: 'conditions cannot stand in parentheses',
      fix: 'Join all conditions with "," or all with AND.',
    };
  }
  for (const [text, name] of piece.matchAll(/\{([^{}]*)\}/g)) {
    if (name === 'selector') {
      return {
        message: `{selector} stands inside the condition "${piece}"`,
        fix: 'Write {selector} as a condition of its own: it becomes key:value.',
      };
    }
    if (name !== 'service' && name !== 'env') {
      return {
        message: `the placeholder ${text} is unknown`,
        fix: 'Use {service}, {env} and {selector} only; what the caller gives belongs in the selector.',
      };
    }
  }
  const list = /^(\S+)\s+(NOT\s+)?IN\s*\(([^()]*)\)$/i.exec(piece);
  const single = /^(!|NOT\s+)?([^\s:!]+):(\S+)$/i.exec(piece);
  const key = list?.[1] ?? single?.[2];
  if (key === undefined || !keyPattern.test(key)) {
    return {
      message: `the condition "${piece}" is not key:value, !key:value or key IN (a, b)`,
      fix: 'Write tag keys in lower case, and one condition for each tag.',
    };
  }
  const values = list ? (list[3] as string).split(',').map((value) => value.trim()) : [single?.[3] as string];
  const wrong = values.find((value) => !valuePattern.test(value));
  if (wrong !== undefined) {
    return {
      message: `the value "${wrong}" holds characters that Datadog does not store in a tag value`,
      fix: 'Write it as it is stored: a-z 0-9 _ - : . / in lower case, with * at an end only.',
    };
  }
  if (list) return { kind: 'in', key, values, negated: list[2] !== undefined };
  return { kind: 'tag', key, value: values[0] as string, negated: single?.[1] !== undefined };
}

/** Equal for queries that count the same events, whatever the order of their conditions. */
function queryKey(query: QueryTemplate): string {
  const terms = query.terms.map((term) => JSON.stringify(term)).sort();
  return [query.aggregator, query.metric, ...terms].join(' ');
}
