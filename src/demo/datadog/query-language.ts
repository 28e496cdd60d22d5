import { parseFilter, type TagPredicate } from './filter.ts';
import { Rejection } from './rejection.ts';

export type Operator = '+' | '-' | '*' | '/';
export type Comparison = '<' | '<=' | '>' | '>=';

/** One `AGG:metric{filter} by {tags}.functions()`. */
export interface MetricQuery {
  readonly kind: 'metric';
  readonly text: string;
  /** Null where the query names none: Datadog then takes avg. */
  readonly aggregator: string | null;
  /** `count(v: v<=0.3)`: count only values for which this holds. */
  readonly threshold: { readonly comparison: Comparison; readonly value: number } | null;
  readonly metric: string;
  readonly filter: string;
  readonly matches: TagPredicate;
  readonly by: readonly string[];
  /** `as_count()` or `as_rate()`; null where the query has neither. */
  readonly shape: 'count' | 'rate' | null;
  readonly rollup: { readonly method: string | null; readonly seconds: number | null } | null;
  readonly fill: string | null;
}

export type Expression =
  | MetricQuery
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'reference'; readonly name: string }
  | { readonly kind: 'default_zero'; readonly argument: Expression }
  | {
      readonly kind: 'operation';
      readonly operator: Operator;
      readonly left: Expression;
      readonly right: Expression;
    };

const AGGREGATOR = /^(sum|avg|min|max|count|p50|p75|p90|p95|p99)$/;
const ROLLUP_METHOD = /^(avg|sum|min|max|count)$/;
const FILL_METHOD = /^(zero|null|last|linear)$/;
const NUMBER = /\d+(\.\d+)?([eE][+-]?\d+)?/y;
const NAME = /[A-Za-z_][A-Za-z0-9_.]*/y;
const THRESHOLD = /\(\s*v\s*:\s*v\s*(<=|>=|<|>)\s*(\d+(?:\.\d+)?)\s*\)/y;

/** Parses a query of the v2 API: one metric query, no arithmetic (which belongs in the formula). */
export function parseMetricQuery(text: string): MetricQuery {
  const expression = new Parser(text, 'query').parseAll()[0]!;
  if (expression.kind !== 'metric') {
    throw new Rejection(`Error parsing query: ${JSON.stringify(text)} is not a single metric query`);
  }
  return expression;
}

/** Parses a formula of the v2 API: arithmetic over the names of its queries. */
export function parseFormula(text: string): Expression {
  return new Parser(text, 'formula').parseAll()[0]!;
}

/** Parses a query of the v1 API: arithmetic over metric queries, several of them separated by commas. */
export function parseQueryList(text: string): Expression[] {
  return new Parser(text, 'query list').parseAll();
}

class Parser {
  readonly #text: string;
  readonly #language: 'query' | 'formula' | 'query list';
  #at = 0;

  constructor(text: string, language: 'query' | 'formula' | 'query list') {
    this.#text = text;
    this.#language = language;
  }

  parseAll(): Expression[] {
    const expressions = [this.#sum()];
    while (this.#language === 'query list' && this.#take(',')) expressions.push(this.#sum());
    if (this.#peek() !== '') throw this.#unexpected('the end');
    return expressions;
  }

  #sum(): Expression {
    let left = this.#product();
    for (let operator = this.#takeOperator('+-'); operator; operator = this.#takeOperator('+-')) {
      left = { kind: 'operation', operator, left, right: this.#product() };
    }
    return left;
  }

  #product(): Expression {
    let left = this.#primary();
    for (let operator = this.#takeOperator('*/'); operator; operator = this.#takeOperator('*/')) {
      left = { kind: 'operation', operator, left, right: this.#primary() };
    }
    return left;
  }

  #primary(): Expression {
    if (this.#take('(')) {
      const inner = this.#sum();
      this.#expect(')');
      return inner;
    }
    if (this.#take('-')) {
      return { kind: 'operation', operator: '-', left: { kind: 'number', value: 0 }, right: this.#primary() };
    }
    const number = this.#match(NUMBER);
    if (number !== null) return { kind: 'number', value: Number(number[0]) };
    const start = this.#at;
    const name = this.#match(NAME)?.[0];
    if (name === undefined)
      throw this.#unexpected(this.#language === 'formula' ? 'a query name' : 'a metric');
    if (name === 'default_zero' && this.#take('(')) {
      const argument = this.#sum();
      this.#expect(')');
      return { kind: 'default_zero', argument };
    }
    if (this.#language !== 'formula') return this.#metricQuery(name, start);
    if (this.#peek() === '(') throw this.#error(`unknown function ${name}()`);
    return { kind: 'reference', name };
  }

  #metricQuery(firstName: string, start: number): MetricQuery {
    let metric = firstName;
    let aggregator: string | null = null;
    let threshold: MetricQuery['threshold'] = null;
    if (firstName === 'count' && this.#peek() === '(') {
      const match = this.#match(THRESHOLD);
      if (match === null) throw this.#unexpected('a threshold such as (v: v<=0.3)');
      threshold = { comparison: match[1] as Comparison, value: Number(match[2]) };
      aggregator = 'count';
      this.#expect(':');
      metric = this.#name('a metric');
    } else if (this.#take(':')) {
      aggregator = firstName;
      if (!AGGREGATOR.test(aggregator)) throw this.#error(`unknown aggregator ${JSON.stringify(aggregator)}`);
      metric = this.#name('a metric');
    }
    const filter = this.#braced();
    const by = this.#groupBy();
    const functions = this.#functions();
    const text = this.#text.slice(start, this.#at).trim();
    const matches = parseFilter(filter);
    return { kind: 'metric', text, aggregator, threshold, metric, filter, matches, by, ...functions };
  }

  #groupBy(): string[] {
    this.#skipSpace();
    if (!/^by\b/i.test(this.#text.slice(this.#at))) return [];
    this.#at += 2;
    const keys = this.#braced()
      .split(',')
      .map((key) => key.trim());
    const bad = keys.find((key) => !/^[\p{L}][\p{L}\p{Nd}_\-./]*$/u.test(key));
    if (bad !== undefined) throw this.#error(`${JSON.stringify(bad)} in the by-clause is not a tag key`);
    return keys;
  }

  #functions(): Pick<MetricQuery, 'shape' | 'rollup' | 'fill'> {
    let shape: MetricQuery['shape'] = null;
    let rollup: MetricQuery['rollup'] = null;
    let fill: string | null = null;
    while (this.#take('.')) {
      const name = this.#name('a function');
      this.#expect('(');
      const end = this.#text.indexOf(')', this.#at);
      if (end < 0) throw this.#error(`${name}( is never closed`);
      const inside = this.#text.slice(this.#at, end).trim();
      const given = inside === '' ? [] : inside.split(',').map((argument) => argument.trim());
      this.#at = end + 1;
      if ((name === 'as_count' || name === 'as_rate') && given.length === 0) {
        shape = name === 'as_count' ? 'count' : 'rate';
      } else if (name === 'rollup' && given.length > 0) {
        rollup = this.#rollup(given);
      } else if (name === 'fill' && given.length > 0 && FILL_METHOD.test(given[0]!)) {
        fill = given[0]!;
      } else {
        throw this.#error(`unknown function .${name}(${inside})`);
      }
    }
    return { shape, rollup, fill };
  }

  #rollup(given: readonly string[]): NonNullable<MetricQuery['rollup']> {
    const method = given.find((argument) => ROLLUP_METHOD.test(argument)) ?? null;
    const seconds = given.find((argument) => /^[1-9]\d*$/.test(argument));
    if (given.length !== (method === null ? 0 : 1) + (seconds === undefined ? 0 : 1)) {
      throw this.#error(`.rollup(${given.join(', ')}) takes a method and seconds`);
    }
    return { method, seconds: seconds === undefined ? null : Number(seconds) };
  }

  #braced(): string {
    this.#expect('{');
    const end = this.#text.indexOf('}', this.#at);
    if (end < 0) throw this.#error('"{" is never closed');
    const inside = this.#text.slice(this.#at, end);
    this.#at = end + 1;
    return inside.trim();
  }

  #name(wanted: string): string {
    const match = this.#match(NAME);
    if (match === null) throw this.#unexpected(wanted);
    return match[0];
  }

  #match(expression: RegExp): RegExpExecArray | null {
    this.#skipSpace();
    expression.lastIndex = this.#at;
    const match = expression.exec(this.#text);
    if (match !== null) this.#at += match[0].length;
    return match;
  }

  #takeOperator(among: string): Operator | null {
    const character = this.#peek();
    if (character === '' || !among.includes(character)) return null;
    this.#at++;
    return character as Operator;
  }

  #take(character: string): boolean {
    if (this.#peek() !== character) return false;
    this.#at++;
    return true;
  }

  #expect(character: string): void {
    if (!this.#take(character)) throw this.#unexpected(JSON.stringify(character));
  }

  #peek(): string {
    this.#skipSpace();
    return this.#text[this.#at] ?? '';
  }

  #skipSpace(): void {
    while (/\s/.test(this.#text[this.#at] ?? '')) this.#at++;
  }

  #unexpected(wanted: string): Rejection {
    const found = this.#text.slice(this.#at, this.#at + 20);
    return this.#error(
      `${wanted} was expected ${found === '' ? 'at the end' : `before ${JSON.stringify(found)}`}`,
    );
  }

  #error(reason: string): Rejection {
    return new Rejection(`Error parsing ${this.#language} ${JSON.stringify(this.#text)}: ${reason}`);
  }
}
