/** Label matchers of PromQL: read from the registry, written into queries, and applied to the labels of an answer. */

export const matcherOperators = ['=', '!=', '=~', '!~'] as const;
export type MatcherOperator = (typeof matcherOperators)[number];

/** One condition of a selector: `code=~"5.."`. Plain data. */
export interface LabelMatcher {
  readonly label: string;
  readonly operator: MatcherOperator;
  /** As it is between the quotes, without escapes. */
  readonly value: string;
}

export type Labels = Readonly<Record<string, string>>;

/** Whether a text is the name of a label. The metric's own name is none: it stands before the braces. */
export function isLabelName(text: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(text) && text !== '__name__';
}

/** A value as PromQL writes it, in double quotes. */
export function quoted(value: string): string {
  return `"${value.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n')}"`;
}

/** A regular expression (RE2) that matches exactly this text. */
export function escapedForRegex(text: string): string {
  return text.replace(/[\\^$.|?*+()[\]{}]/g, '\\$&');
}

/** A matcher for one of several values: `=` where it is only one. */
export function oneOfValues(label: string, values: readonly string[]): LabelMatcher {
  const [first = '', ...more] = [...new Set(values)];
  return more.length === 0
    ? { label, operator: '=', value: first }
    : { label, operator: '=~', value: [first, ...more].map(escapedForRegex).join('|') };
}

/** The text of a matcher for any of several values, also where it is only one. */
export function anyValueText(label: string, values: readonly string[]): string {
  return `${label}=~${quoted([...new Set(values)].map(escapedForRegex).join('|'))}`;
}

export function matcherText({ label, operator, value }: LabelMatcher): string {
  return `${label}${operator}${quoted(value)}`;
}

/** The matcher with the names in the place of `{service}` and `{env}`, which only the value of an `=` matcher may hold. */
export function filledMatcher(matcher: LabelMatcher, service: string, env: string): LabelMatcher {
  if (matcher.operator !== '=') return matcher;
  const value = matcher.value.replace(/\{(service|env)\}/g, (_, key) => (key === 'service' ? service : env));
  return { ...matcher, value };
}

/** A series without a label matches as one whose value is empty. */
export function labelOf(labels: Labels, name: string): string {
  return Object.hasOwn(labels, name) ? (labels[name] as string) : '';
}

/** The matcher as a function. Precondition: a regular expression is one that {@link regexProblem} finds nothing wrong with. */
export function matcherTest({ label, operator, value }: LabelMatcher): (labels: Labels) => boolean {
  if (operator === '=') return (labels) => labelOf(labels, label) === value;
  if (operator === '!=') return (labels) => labelOf(labels, label) !== value;
  // As in PromQL, a regular expression matches whole values.
  const pattern = wholeValue(value);
  return operator === '=~'
    ? (labels) => pattern.test(labelOf(labels, label))
    : (labels) => !pattern.test(labelOf(labels, label));
}

/** As RE2 does, `u` counts characters, and `s` lets "." be a line's end. Throws SyntaxError. */
function wholeValue(regex: string): RegExp {
  return new RegExp(`^(?:${regex})$`, 'su');
}

/** So many repetitions at most, and so many of any length, so that no value takes long. */
const maxRepetitions = 3;
const maxUnbounded = 1;
const maxRegexLength = 500;
const atoms = /\\[dw./+*?()[\]{}|^$\\]|\[\^?[A-Za-z0-9_ .:/-]+\]|[A-Za-z0-9_ :/,@~%=&-]|\./y;
const quantifiers = /[*+?]/;

/**
 * What is wrong with a regular expression that is applied here, and not only by the backend: one sentence's end, or undefined.
 * Allowed is what RE2 and JavaScript understand alike and in linear time or nearly: literals, `.`, classes, `\d`, `\w`,
 * alternatives in groups, and `*`, `+` and `?` after a single character.
 */
export function regexProblem(text: string): string | undefined {
  if (text.length > maxRegexLength) return `is longer than ${maxRegexLength} characters`;
  let depth = 0;
  let repetitions = 0;
  let unbounded = 0;
  let at = 0;
  let isRepeatable = false;
  while (at < text.length) {
    const character = text[at] as string;
    if (quantifiers.test(character)) {
      if (!isRepeatable) return `has "${character}" where no single character stands before it`;
      isRepeatable = false;
      repetitions += 1;
      if (character !== '?') unbounded += 1;
      at += 1;
    } else if (character === '(' || character === ')' || character === '|') {
      depth += character === '(' ? 1 : character === ')' ? -1 : 0;
      if (depth < 0) return 'has a ")" without a "("';
      isRepeatable = false;
      at += 1;
    } else {
      atoms.lastIndex = at;
      const found = atoms.exec(text);
      if (found === null) return `has "${text.slice(at, at + 10)}", which is not supported here`;
      isRepeatable = true;
      at += found[0].length;
    }
  }
  if (depth > 0) return 'has a "(" without a ")"';
  if (unbounded > maxUnbounded) return 'has more than one * or +';
  if (repetitions > maxRepetitions) return `has more than ${maxRepetitions} of * + ?`;
  try {
    wholeValue(text);
    return undefined;
  } catch {
    return 'is not a regular expression: most likely a class such as [9-0] has its ends in the wrong order';
  }
}
