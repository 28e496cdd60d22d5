import { isSafeTagValue, normalizeTagValue } from '../../sources/datadog/query/tag-normalization.ts';

/**
 * Selector templates, such as `version:{version}`: which of a service's traffic is the canary. A selector is a
 * conjunction of `key:value` terms; a value may hold `{param}` placeholders that the caller fills.
 */

export interface SelectorTerm {
  readonly key: string;
  /** The literal text and placeholders of the value, in order: `v{version}` is ['v', {param:'version'}]. */
  readonly parts: readonly (string | { readonly param: string })[];
}

export interface SelectorTemplate {
  readonly text: string;
  readonly terms: readonly SelectorTerm[];
  /** The placeholders, each once, in order of appearance. */
  readonly params: readonly string[];
}

/** A selector whose placeholders are filled with values as Datadog stores them. */
export interface Selector {
  readonly terms: readonly { readonly key: string; readonly value: string }[];
}

/** Query parameters of the gate's own, which no placeholder may be called. */
export const reservedParams = ['service', 'window', 'since', 'explain', 'pretty'] as const;

const keyPattern = /^[a-z][a-z0-9_./-]*$/;
const paramPattern = /^[a-z][a-z0-9_]{0,40}$/;

/**
 * Quotes, brackets, commas, wildcards and what templates and shells expand. A version with one of them is no version but
 * a placeholder that nobody filled, a pattern or a list: normalised it would name a tag that nobody meant.
 */
const meantOtherwise = /["'`{}()[\]<>,*?\\$|;&]/;

/** Reads a template, or says in one sentence what is wrong with it. */
export function parseSelector(text: string): SelectorTemplate | { readonly error: string } {
  const terms: SelectorTerm[] = [];
  const params: string[] = [];
  for (const piece of text.split(/\s*,\s*|\s+AND\s+/i)) {
    const at = piece.indexOf(':');
    if (at <= 0 || at === piece.length - 1) return { error: `"${piece}" is not key:value` };
    const key = piece.slice(0, at).trim();
    if (!keyPattern.test(key)) return { error: `the tag key "${key}" may hold only a-z 0-9 _ . / -` };
    if (terms.some((term) => term.key === key)) return { error: `the tag key "${key}" appears twice` };
    const parts: SelectorTerm['parts'][number][] = [];
    for (const bit of piece
      .slice(at + 1)
      .trim()
      .split(/(\{[^{}]*\})/)) {
      if (bit === '') continue;
      if (bit.startsWith('{') && bit.endsWith('}')) {
        const param = bit.slice(1, -1);
        if (!paramPattern.test(param))
          return { error: `the placeholder "${bit}" is not a lower-case name such as {version}` };
        if ((reservedParams as readonly string[]).includes(param)) {
          return {
            error: `the placeholder "${bit}" is one of the gate's own parameters; choose another name`,
          };
        }
        if (!params.includes(param)) params.push(param);
        parts.push({ param });
      } else if (/^[a-z0-9_:./-]+$/.test(bit)) {
        parts.push(bit);
      } else {
        return {
          error: `"${bit}" holds characters that Datadog does not store in a tag value (a-z 0-9 _ - : . /)`,
        };
      }
    }
    terms.push({ key, parts });
  }
  return { text, terms, params };
}

/**
 * Fills a template. Values are normalised to what Datadog stores.
 * Precondition: `values` has every param of the template, each accepted by {@link normalizeParam}.
 */
export function fillSelector(template: SelectorTemplate, values: ReadonlyMap<string, string>): Selector {
  return {
    terms: template.terms.map((term) => ({
      key: term.key,
      value: normalizeTagValue(
        term.parts.map((part) => (typeof part === 'string' ? part : (values.get(part.param) ?? ''))).join(''),
      ),
    })),
  };
}

/** What Datadog stores for a caller's value, or why it cannot be asked for. */
export function normalizeParam(
  name: string,
  raw: string,
): { readonly value: string } | { readonly error: string } {
  if (raw.trim() === '') return { error: `${name} is empty` };
  if (raw.length > 200) return { error: `${name} is longer than the 200 characters of a tag value` };
  if (/[^\x20-\x7e]/.test(raw)) return { error: `${name} holds characters outside printable ASCII` };
  const [other] = meantOtherwise.exec(raw) ?? [];
  if (other !== undefined) {
    return {
      error: `${name} holds \`${other}\`, so it is a pattern, a list or an unfilled placeholder, not one tag value`,
    };
  }
  const value = normalizeTagValue(raw);
  return isSafeTagValue(value)
    ? { value }
    : { error: `${name} holds nothing that Datadog stores in a tag value` };
}

/** The selector as a filter in Datadog's boolean form: `a:b AND c:d`. */
export function selectorText(selector: Selector): string {
  return selector.terms.map((term) => `${term.key}:${term.value}`).join(' AND ');
}

/** Everything that the selector does not match, in the documented operators only: `a NOT IN (b) OR c NOT IN (d)`. */
export function restText(selector: Selector): string {
  const terms = selector.terms.map((term) => `${term.key} NOT IN (${term.value})`);
  return terms.length === 1 ? (terms[0] as string) : `(${terms.join(' OR ')})`;
}
