import { Rejection } from './rejection.ts';

export type Tags = ReadonlyMap<string, string>;
export type TagPredicate = (tags: Tags) => boolean;

type Token = {
  readonly kind: '(' | ')' | ',' | '!' | 'word' | 'and' | 'or' | 'not' | 'in';
  readonly text: string;
};

const KEYWORDS = new Set(['and', 'or', 'not', 'in']);
const WORD = /[\p{L}\p{Nd}_\-:./*]+/uy;

/**
 * Parses the filter between the braces of a query: `*`, the comma form (`a:b,!c:d`) or the boolean form
 * (`a:b AND c NOT IN (d,e)`). Datadog refuses a mixture of both, and so does this parser.
 */
export function parseFilter(text: string): TagPredicate {
  const tokens = tokenize(text);
  if (tokens.length === 0) throw invalid(text, 'the filter is empty; write * for everything');
  const isBoolean = tokens.some((token) => KEYWORDS.has(token.kind) || token.kind === '(');
  return isBoolean ? parseBoolean(tokens, text) : parseCommaForm(tokens, text);
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const character = text[at]!;
    if (/\s/.test(character)) {
      at++;
    } else if (character === '(' || character === ')' || character === ',' || character === '!') {
      tokens.push({ kind: character, text: character });
      at++;
    } else {
      WORD.lastIndex = at;
      const word = WORD.exec(text)?.[0];
      if (word === undefined) throw invalid(text, `unexpected character ${JSON.stringify(character)}`);
      const keyword = word.toLowerCase();
      tokens.push({ kind: (KEYWORDS.has(keyword) ? keyword : 'word') as Token['kind'], text: word });
      at += word.length;
    }
  }
  return tokens;
}

function parseCommaForm(tokens: readonly Token[], text: string): TagPredicate {
  const terms: TagPredicate[] = [];
  for (let at = 0; at <= tokens.length; at++) {
    const negated = tokens[at]?.kind === '!';
    if (negated) at++;
    const word = tokens[at];
    if (word?.kind !== 'word') throw invalid(text, `a tag was expected ${where(word)}`);
    const term = tagTerm(word.text, text);
    terms.push(negated ? (tags) => !term(tags) : term);
    at++;
    const separator = tokens[at];
    if (separator !== undefined && separator.kind !== ',') {
      throw invalid(text, `"," was expected ${where(separator)}`);
    }
    if (separator === undefined) break;
  }
  return (tags) => terms.every((term) => term(tags));
}

/** Recursive descent: OR binds weakest, then AND, then NOT. */
function parseBoolean(tokens: readonly Token[], text: string): TagPredicate {
  let at = 0;
  const peek = (ahead = 0): Token['kind'] | undefined => tokens[at + ahead]?.kind;
  const take = (kind: Token['kind']): Token => {
    const token = tokens[at];
    if (token?.kind !== kind)
      throw unexpected(token, kind === 'word' ? 'a tag or value' : kind.toUpperCase());
    at++;
    return token;
  };
  const unexpected = (token: Token | undefined, wanted: string): Rejection =>
    token?.kind === ',' || token?.kind === '!'
      ? invalid(text, `"${token.kind}" cannot be mixed with AND, OR, NOT, IN`)
      : invalid(text, `${wanted} was expected ${where(token)}`);

  const disjunction = (): TagPredicate => {
    let left = conjunction();
    while (peek() === 'or') {
      at++;
      const [a, b] = [left, conjunction()];
      left = (tags) => a(tags) || b(tags);
    }
    return left;
  };
  const conjunction = (): TagPredicate => {
    let left = negation();
    while (peek() === 'and') {
      at++;
      const [a, b] = [left, negation()];
      left = (tags) => a(tags) && b(tags);
    }
    return left;
  };
  const negation = (): TagPredicate => {
    if (peek() !== 'not') return primary();
    at++;
    const inner = negation();
    return (tags) => !inner(tags);
  };
  const primary = (): TagPredicate => {
    if (peek() === '(') {
      at++;
      const inner = disjunction();
      take(')');
      return inner;
    }
    const word = take('word');
    if (peek() === 'in') return membership(word.text, false);
    if (peek() === 'not' && peek(1) === 'in') {
      at++;
      return membership(word.text, true);
    }
    return tagTerm(word.text, text);
  };
  const membership = (key: string, negated: boolean): TagPredicate => {
    if (!/^[^:*]+$/.test(key)) throw invalid(text, `${JSON.stringify(key)} before IN is not a tag key`);
    take('in');
    take('(');
    // Compared literally: wildcards inside IN are not documented, so queries must not rely on them.
    const values = new Set([take('word').text]);
    while (peek() === ',') {
      at++;
      values.add(take('word').text);
    }
    take(')');
    return (tags) => values.has(tags.get(key) ?? '') !== negated;
  };

  const predicate = disjunction();
  if (at < tokens.length) throw unexpected(tokens[at], 'AND or OR');
  return predicate;
}

function tagTerm(word: string, text: string): TagPredicate {
  if (word === '*') return () => true;
  const colon = word.indexOf(':');
  const key = colon < 0 ? word : word.slice(0, colon);
  const value = colon < 0 ? undefined : word.slice(colon + 1);
  if (key === '' || key.includes('*')) throw invalid(text, `${JSON.stringify(word)} has no tag key`);
  if (value === '') throw invalid(text, `${JSON.stringify(word)} has no value`);
  // A bare word is a tag without a value; trace metrics have none, so it matches nothing.
  if (value === undefined) return (tags) => tags.get(key) === '';
  const matches = valueMatcher(value);
  return (tags) => {
    const stored = tags.get(key);
    return stored !== undefined && matches(stored);
  };
}

function valueMatcher(pattern: string): (value: string) => boolean {
  if (!pattern.includes('*')) return (value) => value === pattern;
  const source = pattern
    .split('*')
    .map((part) => part.replace(/[.\-/]/g, '\\$&'))
    .join('.*');
  const expression = new RegExp(`^${source}$`, 'u');
  return (value) => expression.test(value);
}

const where = (token: Token | undefined): string =>
  token === undefined ? 'at the end' : `before ${JSON.stringify(token.text)}`;

const invalid = (text: string, reason: string): Rejection =>
  new Rejection(`Error parsing query: invalid filter {${text}}: ${reason}`);
