import { allWords } from './own-words.ts';
import type { SourceDialect } from './source-dialect.ts';

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

/** A selector whose placeholders are filled with values as the backend stores them. */
export interface Selector {
  readonly terms: readonly { readonly key: string; readonly value: string }[];
}

/** Query parameters of the gate's own, which no placeholder may be called. */
export const reservedParams = ['service', 'window', 'since', 'at', 'explain', 'pretty'] as const;

/** The parameter that names the environment. Only in a registry with environments no placeholder may be called so. */
export const environmentParam = 'environment';

const paramPattern = /^[a-z][a-z0-9_]{0,40}$/;

/**
 * Quotes, brackets, commas, wildcards and what templates and shells expand. A version with one of them is a placeholder that
 * was not filled, a pattern or a list. Normalised, it would name a tag that the caller did not mean.
 */
const meantOtherwise = /["'`{}()[\]<>,*?\\$|;&]/;

/** Reads a template, or says in one sentence what is wrong with it. */
export function parseSelector(
  text: string,
  dialect: SourceDialect,
): SelectorTemplate | { readonly error: string } {
  const terms: SelectorTerm[] = [];
  const params: string[] = [];
  for (const piece of text.split(/\s*,\s*|\s+AND\s+/i)) {
    const at = piece.indexOf(':');
    if (at <= 0 || at === piece.length - 1) return { error: `"${piece}" is not key:value` };
    const key = piece.slice(0, at).trim();
    if (!dialect.isTagKey(key))
      return { error: `the ${allWords(dialect).tagKey} "${key}" may hold only ${dialect.tagKeyCharacters}` };
    if (terms.some((term) => term.key === key))
      return { error: `the ${allWords(dialect).tagKey} "${key}" appears twice` };
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
      } else if (dialect.isSafeTagValue(bit)) {
        parts.push(bit);
      } else {
        return {
          error: `"${bit}" holds characters that ${dialect.backend} does not store in a ${allWords(dialect).tag} value (${dialect.tagValueCharacters})`,
        };
      }
    }
    terms.push({ key, parts });
  }
  return { text, terms, params };
}

/**
 * Fills a template. Values are normalised to what the backend stores.
 * Precondition: `values` has every param of the template, each accepted by {@link normalizeParam}.
 */
export function fillSelector(
  template: SelectorTemplate,
  values: ReadonlyMap<string, string>,
  dialect: SourceDialect,
): Selector {
  return {
    terms: template.terms.map((term) => ({
      key: term.key,
      value: dialect.storedTagValue(
        term.parts
          .map((part) =>
            typeof part === 'string' ? part : dialect.storedTagValue(values.get(part.param) ?? ''),
          )
          .join(''),
      ),
    })),
  };
}

/** What the backend stores for a caller's value, or why it cannot be asked for. */
export function normalizeParam(
  name: string,
  raw: string,
  dialect: SourceDialect,
): { readonly value: string } | { readonly error: string } {
  if (raw.trim() === '') return { error: `${name} is empty` };
  if (raw.length > dialect.maxTagValueLength) {
    return {
      error: `${name} is longer than the ${dialect.maxTagValueLength} characters of a ${allWords(dialect).tag} value`,
    };
  }
  if (/[^\x20-\x7e]/.test(raw)) return { error: `${name} holds characters outside printable ASCII` };
  const [other] = meantOtherwise.exec(raw) ?? [];
  if (other !== undefined) {
    return {
      error: `${name} holds \`${other}\`, so it is a pattern, a list or an unfilled placeholder, not one ${allWords(dialect).tag} value`,
    };
  }
  const value = dialect.storedTagValue(raw);
  return dialect.isSafeTagValue(value)
    ? { value }
    : { error: `${name} holds nothing that ${dialect.backend} stores in a ${allWords(dialect).tag} value` };
}

/** The selector for people, and as a key that is equal for equal selectors: `a:b AND c:d`. */
export function selectorText(selector: Selector): string {
  return selector.terms.map((term) => `${term.key}:${term.value}`).join(' AND ');
}
