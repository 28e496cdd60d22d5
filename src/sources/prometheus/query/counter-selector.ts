import type { SourceProblem } from '../../../domain/registry/source-dialect.ts';
import { isLabelName, type LabelMatcher, type MatcherOperator } from './label-matchers.ts';

/** Selectors of PromQL as the registry writes them, as data. */

/** A selector of series. Values of `=` matchers may hold `{service}` and `{env}`. */
export interface CounterSelector {
  readonly metric: string;
  readonly matchers: readonly LabelMatcher[];
}

export type Mistake = Omit<SourceProblem, 'field'>;

export const selectorExample = 'http_requests_total{job="{service}",code=~"5.."}';

/** What is selected, in messages, and a selector of one. */
export interface SelectedKind {
  readonly what: 'counter' | 'histogram';
  readonly example: string;
}

const maxMatchers = 30;

/** `metric{label="value",…}` as data, or its first mistake. */
export function parseSelector(
  text: string,
  { what, example }: SelectedKind = { what: 'counter', example: selectorExample },
): CounterSelector | Mistake {
  const head = /^\s*([A-Za-z_:][A-Za-z0-9_:]*)\s*(.*)$/s.exec(text);
  const [, metric = '', rest = ''] = head ?? [];
  if (head === null || (rest !== '' && !rest.startsWith('{'))) {
    return {
      message: `this is not a selector of a ${what}`,
      fix: `Write the ${what} alone, without functions and ranges, such as ${example}: the gate reads its samples and counts itself.`,
    };
  }
  const matchers = parseMatchers(rest, example);
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

function parseMatchers(text: string, example: string): readonly LabelMatcher[] | Mistake {
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
    const read = parseValue(
      label as string,
      operator as MatcherOperator,
      inDouble ?? inSingle ?? '',
      example,
    );
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

function parseValue(
  label: string,
  operator: MatcherOperator,
  text: string,
  example: string,
): LabelMatcher | Mistake {
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
