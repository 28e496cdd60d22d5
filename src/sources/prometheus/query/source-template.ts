import type { SourceDocument } from '../../../domain/registry/schema.ts';
import type { ParsedSource, Source, SourceProblem } from '../../../domain/registry/source-dialect.ts';
import {
  isLabelName,
  type LabelMatcher,
  type MatcherOperator,
  matcherText,
  regexProblem,
} from './label-matchers.ts';
import { type GrpcStatus, grpcStatusOf, presetNames, presetOf } from './presets.ts';

/**
 * Sources as data: `sources:` of the registry. `total` and `bad` are selectors of counters. Canary, stable and endpoints are
 * told apart by the labels of the series that come back, so a selector has no placeholder for them.
 */

/** A selector of counters. Values of `=` matchers may hold `{service}` and `{env}`. */
export interface CounterSelector {
  readonly metric: string;
  readonly matchers: readonly LabelMatcher[];
}

export interface CounterSource extends Source {
  readonly total: CounterSelector;
  readonly bad: CounterSelector;
  /** Labels whose values, joined by spaces, are the key of an endpoint; empty where endpoints cannot be told apart. */
  readonly endpointLabels: readonly string[];
  /** Where the counter has gRPC's statuses besides those that `bad` tells. */
  readonly grpcStatus?: GrpcStatus;
}

/** A source of the registry as this backend parsed it. Throws TypeError where another backend did. */
export function counterSourceOf(source: Source): CounterSource {
  if (!('endpointLabels' in source)) throw new TypeError(`source "${source.name}" is not Prometheus'`);
  return source as CounterSource;
}

/** The matchers that `bad` has besides those of `total`: what tells bad events among the series of the total. */
export function badMatchers({ total, bad }: Pick<CounterSource, 'total' | 'bad'>): readonly LabelMatcher[] {
  return without(bad.matchers, total.matchers);
}

function without(
  matchers: readonly LabelMatcher[],
  others: readonly LabelMatcher[],
): readonly LabelMatcher[] {
  const known = new Set(others.map(matcherText));
  return matchers.filter((matcher) => !known.has(matcherText(matcher)));
}

/** Reads both selectors and the labels of endpoints; every field that is wrong is reported, with its first mistake. */
export function parseCounterSource(name: string, document: SourceDocument): ParsedSource {
  const problems: SourceProblem[] = [];
  const parsed: Partial<Record<'total' | 'bad', CounterSelector>> = {};
  for (const field of ['total', 'bad'] as const) {
    const selector = parseField(document, field);
    if ('message' in selector) problems.push({ field, ...selector });
    else parsed[field] = selector;
  }
  const groupBy = document.groupBy ?? presetOf(document.total)?.groupBy;
  const endpointLabels = groupBy === undefined ? [] : groupBy.split('/');
  const wrong = endpointLabels.find((label) => !isLabelName(label));
  if (wrong !== undefined) {
    problems.push({
      field: 'groupBy',
      message: `"${wrong}" is not the name of a label`,
      fix: 'Write one label, such as route, or several joined by "/", such as method/route: their values, joined by spaces, are the endpoint.',
    });
  }
  const { total, bad } = parsed;
  if (total === undefined || bad === undefined) return { ok: false, problems };
  const mistake = mistakeOfBad(total, bad);
  if (mistake !== undefined) problems.push({ field: 'bad', ...mistake });
  if (problems.length > 0) return { ok: false, problems };
  const grpcStatus = grpcStatusOf(bad.metric, badMatchers({ total, bad }));
  const source: CounterSource = {
    name,
    groupBy,
    total,
    bad,
    endpointLabels,
    ...(grpcStatus === undefined ? {} : { grpcStatus }),
  };
  return { ok: true, source };
}

type Mistake = Omit<SourceProblem, 'field'>;

/**
 * Bad events are looked for among the series of the total. So no failure is missed because its own counter is not there, or is
 * not scraped, and a selector that counts nothing is not taken for a sound service.
 */
function mistakeOfBad(total: CounterSelector, bad: CounterSelector): Mistake | undefined {
  if (total.metric !== bad.metric) {
    return {
      message: `bad counts ${bad.metric} and total ${total.metric}: a counter of failures that is not there looks as one without failures`,
      fix: `Name one counter in both, and tell failures by a label of it, such as ${example}.`,
    };
  }
  const missing = without(total.matchers, bad.matchers);
  if (missing.length > 0) {
    return {
      message: `bad lacks ${missing.map(matcherText).join(', ')} of total, and bad events are counted among those of total`,
      fix: 'Write all matchers of total into bad as well, in the same words. If they exclude failures, remove them from total.',
    };
  }
  const own = without(bad.matchers, total.matchers);
  if (own.length === 0) {
    return {
      message: 'bad and total are the same selector, so every event would be bad',
      fix: 'Restrict bad to the failed events, such as code=~"5..".',
    };
  }
  const fixed = total.matchers.filter(({ operator }) => operator === '=').map(({ label }) => label);
  const twice = own.find(({ label }) => fixed.includes(label));
  if (twice !== undefined) {
    return {
      message: `bad has ${matcherText(twice)}, and total has one value of ${twice.label} only`,
      fix: `Remove the matcher of ${twice.label} from total, or tell failures by another label.`,
    };
  }
  const unclear = own.find(
    ({ operator, value }) => operator.endsWith('~') && regexProblem(value) !== undefined,
  );
  return unclear === undefined
    ? undefined
    : {
        message: `the regular expression ${matcherText(unclear)} ${regexProblem(unclear.value)}`,
        fix: 'Use literals, ".", classes such as [0-9], alternatives with "|", and * + ? after a single character.',
      };
}

const example = 'http_requests_total{job="{service}",code=~"5.."}';
const maxMatchers = 30;

function parseField(document: SourceDocument, field: 'total' | 'bad'): CounterSelector | Mistake {
  const text = document[field].trim();
  if (!text.startsWith('preset:')) return parseCounterSelector(text);
  const preset = presetOf(text);
  if (preset !== undefined) return parseCounterSelector(preset[field]);
  return {
    message: `there is no ${text}`,
    fix: `Write one of ${presetNames.map((one) => `preset:${one}`).join(', ')}, or a selector such as ${example}.`,
  };
}

/** `metric{label="value",…}` as data, or its first mistake. */
export function parseCounterSelector(text: string): CounterSelector | Mistake {
  const head = /^\s*([A-Za-z_:][A-Za-z0-9_:]*)\s*(.*)$/s.exec(text);
  const [, metric = '', rest = ''] = head ?? [];
  if (head === null || (rest !== '' && !rest.startsWith('{'))) {
    return {
      message: 'this is not a selector of a counter',
      fix: `Write the counter alone, without functions and ranges, such as ${example}: the gate reads its samples and counts itself.`,
    };
  }
  const matchers = parseMatchers(rest);
  if ('message' in matchers) return matchers;
  const filled = matchers.filter(({ value }) => value.includes('{service}'));
  if (filled.length !== 1) {
    return {
      message:
        filled.length === 0
          ? 'the selector does not name {service}, so all services would be one'
          : '{service} stands in more than one matcher',
      fix: `Put {service} into the value of one = matcher, such as ${example}.`,
    };
  }
  return { metric, matchers };
}

function parseMatchers(text: string): readonly LabelMatcher[] | Mistake {
  const matchers: LabelMatcher[] = [];
  const matcher =
    /\s*([A-Za-z_][A-Za-z0-9_]*)\s*(=~|!~|!=|=)\s*(?:"((?:[^"\\\n]|\\.)*)"|'((?:[^'\\\n]|\\.)*)')\s*(,|\})/y;
  if (text === '') return matchers;
  if (/^\{\s*\}\s*$/.test(text)) return matchers;
  matcher.lastIndex = 1;
  for (;;) {
    const at = matcher.lastIndex;
    const found = matcher.exec(text);
    if (found === null) {
      if (matchers.length > 0 && /^\s*\}\s*$/.test(text.slice(at))) return matchers;
      return {
        message: `"${text.slice(at, at + 40).trim()}" is not a matcher such as label="value"`,
        fix: `Join matchers with "," and put values into quotes, such as ${example}. The canary's selector does not belong here.`,
      };
    }
    const [, label, operator, inDouble, inSingle, end] = found as unknown as string[];
    const read = parseValue(label as string, operator as MatcherOperator, inDouble ?? inSingle ?? '');
    if ('message' in read) return read;
    matchers.push(read);
    if (matchers.length > maxMatchers) {
      return { message: `the selector has more than ${maxMatchers} matchers`, fix: 'Write fewer.' };
    }
    if (end === '}') {
      if (text.slice(matcher.lastIndex).trim() === '') return matchers;
      return {
        message: `"${text.slice(matcher.lastIndex).trim().slice(0, 40)}" stands behind the selector`,
        fix: `Write the selector alone, without a range, offset or operator, such as ${example}.`,
      };
    }
  }
}

function parseValue(label: string, operator: MatcherOperator, text: string): LabelMatcher | Mistake {
  if (!isLabelName(label)) {
    return {
      message: `"${label}" is not a label`,
      fix: `Write the metric before the braces, such as ${example}.`,
    };
  }
  const unknown = /\\[^\\"']/.exec(text);
  if (unknown !== null && !operator.endsWith('~')) {
    return {
      message: `the value of ${label} has the escape ${unknown[0]}`,
      fix: 'Only \\\\, \\" and \\\' are understood.',
    };
  }
  const value = text.replace(/\\([\\"'])/g, '$1');
  const [placeholder, name] = /\{([A-Za-z_]\w*)\}/.exec(value) ?? [];
  const isKnown = name === 'service' || name === 'env';
  if (placeholder !== undefined && !isKnown && !operator.endsWith('~')) {
    return {
      message: `the placeholder ${placeholder} is unknown`,
      fix: 'Use {service} and {env} only. Canary, stable and endpoints are told apart by labels of the series.',
    };
  }
  if (isKnown && operator !== '=') {
    return {
      message: `${placeholder} stands in a matcher with ${operator}`,
      fix: `Write it into the value of a = matcher, such as ${example}.`,
    };
  }
  return { label, operator, value };
}
