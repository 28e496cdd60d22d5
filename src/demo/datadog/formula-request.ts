import { type Expression, type MetricQuery, parseFormula, parseMetricQuery } from './query-language.ts';
import { Rejection } from './rejection.ts';

/** A valid body of `POST /api/v2/query/{timeseries,scalar}`. */
export interface FormulaRequest {
  readonly fromMs: number;
  readonly toMs: number;
  /** Only in timeseries requests, and optional there. */
  readonly intervalMs: number | null;
  readonly queries: ReadonlyArray<{
    readonly name: string;
    readonly query: MetricQuery;
    /** Only in scalar requests. */
    readonly aggregator: string;
  }>;
  readonly formulas: readonly Formula[];
}

export interface Formula {
  readonly text: string;
  readonly expression: Expression;
  readonly limit: { readonly count: number; readonly order: 'asc' | 'desc' } | null;
}

type Json = Record<string, unknown>;

const AGGREGATORS = ['avg', 'min', 'max', 'sum', 'last', 'mean', 'l2norm', 'area'];

/** Checks the shape, then the references between the parts; throws a Rejection for what Datadog answers with 400. */
export function parseFormulaRequest(body: unknown, kind: 'timeseries' | 'scalar'): FormulaRequest {
  const data = object(object(body, 'body').data, 'data');
  if (data.type !== `${kind}_request`) throw invalid(`Invalid type. Expected "${kind}_request".`);
  const attributes = object(data.attributes, 'data.attributes');
  const fromMs = integer(attributes.from, 'from');
  const toMs = integer(attributes.to, 'to');
  if (fromMs >= toMs) throw invalid(`from (${fromMs}) must be before to (${toMs})`);

  const queries = list(attributes.queries, 'queries').map((raw, i) => parseQuery(raw, `queries[${i}]`, kind));
  if (queries.length === 0) throw invalid('queries must not be empty');
  const names = new Set(queries.map((query) => query.name));
  if (names.size < queries.length) throw invalid('the names of queries must be unique');

  const formulas =
    attributes.formulas === undefined
      ? queries.map(({ name }) => ({ text: name, expression: parseFormula(name), limit: null }))
      : list(attributes.formulas, 'formulas').map((raw, i) => parseOneFormula(raw, `formulas[${i}]`));
  if (formulas.length === 0) throw invalid('formulas must not be empty');
  for (const formula of formulas) checkReferences(formula.expression, names, formula.text);

  return { fromMs, toMs, intervalMs: parseInterval(attributes.interval, kind), queries, formulas };
}

function parseQuery(raw: unknown, path: string, kind: string): FormulaRequest['queries'][number] {
  const query = object(raw, path);
  if (query.data_source !== 'metrics') {
    throw invalid(
      `${path}.data_source ${JSON.stringify(query.data_source)} is not supported. Expected "metrics".`,
    );
  }
  const name = string(query.name, `${path}.name`);
  if (!/^[A-Za-z][A-Za-z0-9_]*$/.test(name))
    throw invalid(`${path}.name ${JSON.stringify(name)} is not a name`);
  let aggregator = '';
  if (kind === 'scalar') {
    aggregator = string(query.aggregator, `${path}.aggregator`);
    if (!AGGREGATORS.includes(aggregator)) {
      throw invalid(`${path}.aggregator ${JSON.stringify(aggregator)} is none of ${AGGREGATORS.join(', ')}`);
    }
  }
  return { name, query: parseMetricQuery(string(query.query, `${path}.query`)), aggregator };
}

function parseOneFormula(raw: unknown, path: string): Formula {
  const formula = object(raw, path);
  const text = string(formula.formula, `${path}.formula`);
  if (formula.limit === undefined) return { text, expression: parseFormula(text), limit: null };
  const limit = object(formula.limit, `${path}.limit`);
  const order = limit.order ?? 'desc';
  if (order !== 'asc' && order !== 'desc') throw invalid(`${path}.limit.order must be "asc" or "desc"`);
  const count =
    limit.count === undefined ? Number.POSITIVE_INFINITY : integer(limit.count, `${path}.limit.count`);
  if (count < 1) throw invalid(`${path}.limit.count must be at least 1`);
  return { text, expression: parseFormula(text), limit: { count, order } };
}

function checkReferences(expression: Expression, names: ReadonlySet<string>, formula: string): void {
  if (expression.kind === 'reference' && !names.has(expression.name)) {
    throw invalid(
      `formula ${JSON.stringify(formula)} refers to unknown query ${JSON.stringify(expression.name)}`,
    );
  }
  if (expression.kind === 'default_zero') checkReferences(expression.argument, names, formula);
  if (expression.kind === 'operation') {
    checkReferences(expression.left, names, formula);
    checkReferences(expression.right, names, formula);
  }
}

function parseInterval(raw: unknown, kind: string): number | null {
  if (raw === undefined) return null;
  if (kind === 'scalar') throw invalid('interval is not allowed in a scalar request');
  const interval = integer(raw, 'interval');
  if (interval < 1) throw invalid('interval must be at least 1 millisecond');
  return interval;
}

function object(value: unknown, path: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(`${path} must be an object`);
  return value as Json;
}

function list(value: unknown, path: string): unknown[] {
  if (!Array.isArray(value)) throw invalid(`${path} must be an array`);
  return value;
}

function integer(value: unknown, path: string): number {
  if (!Number.isSafeInteger(value)) throw invalid(`${path} must be an integer, not ${JSON.stringify(value)}`);
  return value as number;
}

function string(value: unknown, path: string): string {
  if (typeof value !== 'string' || value === '') throw invalid(`${path} must be a string that is not empty`);
  return value;
}

const invalid = (reason: string): Rejection => new Rejection(`API input validation failed: ${reason}`);
