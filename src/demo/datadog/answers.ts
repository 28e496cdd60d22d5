import { evaluate, reduce } from './evaluate.ts';
import type { Formula, FormulaRequest } from './formula-request.ts';
import { hash32 } from './normalise.ts';
import { type Expression, type MetricQuery, parseQueryList } from './query-language.ts';
import { Rejection } from './rejection.ts';
import type { Frame, Group, SeriesSet } from './series-set.ts';
import type { EventStore } from './store.ts';

const HOUR_MS = 3_600_000;
/** Interval by the length of the range, as Datadog's rollup table has it (24 h at 300 s is also recorded). */
const DEFAULT_INTERVALS_S: ReadonlyArray<readonly [upToHours: number, seconds: number]> = [
  [1, 20],
  [4, 60],
  [24, 300],
  [48, 600],
  [168, 3600],
  [Number.POSITIVE_INFINITY, 14_400],
];
/** Datadog returns at most this many points per series and widens the interval where more were asked for. */
const MAX_POINTS = 1500;

interface Unit {
  readonly family: string;
  readonly id: number;
  readonly name: string;
  readonly short_name: string;
  readonly plural: string;
  readonly scale_factor: number;
}

const SECOND: Unit = {
  family: 'time',
  id: 11,
  name: 'second',
  short_name: 's',
  plural: 'seconds',
  scale_factor: 1,
};

export interface TimeseriesAttributes {
  series: Array<{ group_tags: string[]; query_index: number; unit: Array<Unit | null> | null }>;
  times: number[];
  values: Array<Array<number | null>>;
}

export type ScalarColumn =
  | { name: string; type: 'group'; values: string[][] }
  | { name: string; type: 'number'; values: Array<number | null>; meta: { unit: Array<Unit | null> | null } };

/** The `attributes` of an answer of `POST /api/v2/query/timeseries`, in the requested interval or in `minIntervalMs`. */
export function timeseriesAnswer(
  request: FormulaRequest,
  store: EventStore,
  minIntervalMs = 0,
): TimeseriesAttributes {
  const range = request.toMs - request.fromMs;
  let intervalMs = Math.max(minIntervalMs, request.intervalMs ?? defaultIntervalMs(range));
  if (range / intervalMs > MAX_POINTS) intervalMs = Math.max(intervalMs, defaultIntervalMs(range));
  const frame: Frame = { fromMs: request.fromMs, toMs: request.toMs, intervalMs, firstBucket: 'left out' };
  const named = new Map(request.queries.map(({ name, query }) => [name, evaluate(query, store, frame)]));

  const rows = request.formulas.flatMap((formula, index) =>
    limited(evaluate(formula.expression, store, frame, named), formula).map((group) => ({ group, index })),
  );
  const times = [...new Set(rows.flatMap(({ group }) => [...group.points.keys()]))].sort((a, b) => a - b);
  return {
    series: rows.map(({ group, index }) => ({
      group_tags: [...group.tags],
      query_index: index,
      unit: unitOf(request.formulas[index]!.expression, request, store),
    })),
    times,
    values: rows.map(({ group }) => times.map((time) => group.points.get(time) ?? null)),
  };
}

/** The `columns` of an answer of `POST /api/v2/query/scalar`. */
export function scalarAnswer(request: FormulaRequest, store: EventStore): ScalarColumn[] {
  const intervalMs = defaultIntervalMs(request.toMs - request.fromMs);
  const frame: Frame = { fromMs: request.fromMs, toMs: request.toMs, intervalMs, firstBucket: 'clipped' };
  const named = new Map(
    request.queries.map(({ name, query, aggregator }) => [
      name,
      reduce(evaluate(query, store, frame), aggregator),
    ]),
  );
  const sets = request.formulas.map((formula) => evaluate(formula.expression, store, frame, named));
  // A row is a group: the first formula decides their order, later ones only add what it lacks.
  const rows = new Map<string, Group>();
  sets.forEach((set, i) => {
    for (const group of limited(set, request.formulas[i]!)) {
      const key = keyOf(group);
      if (!rows.has(key)) rows.set(key, group);
    }
  });
  const keys = rows.size === 0 ? [] : [...new Set(sets.flatMap((set) => set.by))];
  const groupColumns = keys.map((key): ScalarColumn => {
    const values = [...rows.values()].map((group) => valuesOfKey(group, key));
    return { name: key, type: 'group', values };
  });
  const numberColumns = sets.map((set, i): ScalarColumn => {
    const values = [...rows.keys()].map((key) => set.groups.get(key)?.points.get(0) ?? null);
    const unit = rows.size === 0 ? null : unitOf(request.formulas[i]!.expression, request, store);
    return { name: request.formulas[i]!.text, type: 'number', values, meta: { unit } };
  });
  return [...groupColumns, ...numberColumns];
}

/** The body of an answer of `GET /api/v1/query`; times in seconds. */
export function v1QueryAnswer(text: string, fromS: number, toS: number, store: EventStore): object {
  const intervalMs = defaultIntervalMs((toS - fromS) * 1000);
  const frame: Frame = { fromMs: fromS * 1000, toMs: toS * 1000, intervalMs, firstBucket: 'left out' };
  const expressions = parseQueryList(text);
  const sets = expressions.map((expression) => evaluate(expression, store, frame));
  const series = sets.flatMap((set, index) => {
    const leaf = firstLeaf(expressions[index]!);
    return shuffled(set).map((group) => v1Series(group, set, leaf, index, text));
  });
  return {
    status: 'ok',
    resp_version: 1,
    series,
    to_date: frame.toMs,
    query: text,
    message: '',
    res_type: 'time_series',
    times: [],
    from_date: frame.fromMs,
    group_by: [...new Set(sets.flatMap((set) => set.by))],
    values: [],
  };
}

function v1Series(group: Group, set: SeriesSet, leaf: MetricQuery, index: number, text: string): object {
  const pointlist = [...group.points].sort((a, b) => a[0] - b[0]);
  const scope = [...group.tags, ...(leaf.filter === '*' ? [] : [leaf.filter])];
  return {
    end: pointlist.at(-1)![0] + set.intervalMs - 1000,
    attributes: {},
    metric: leaf.metric,
    interval: set.intervalMs / 1000,
    tag_set: [...group.tags],
    start: pointlist[0]![0],
    length: pointlist.length,
    query_index: index,
    aggr: leaf.aggregator,
    scope: scope.length === 0 ? '*' : scope.join(','),
    pointlist,
    expression: text,
    unit: null,
    display_name: leaf.metric,
  };
}

function firstLeaf(expression: Expression): MetricQuery {
  if (expression.kind === 'metric') return expression;
  if (expression.kind === 'default_zero') return firstLeaf(expression.argument);
  if (expression.kind !== 'operation') throw new Rejection('the query names no metric');
  const side = expression.left.kind === 'number' ? expression.right : expression.left;
  return firstLeaf(side);
}

export function defaultIntervalMs(rangeMs: number): number {
  return DEFAULT_INTERVALS_S.find(([hours]) => rangeMs <= hours * HOUR_MS)![1] * 1000;
}

/** The order of Datadog's series has no meaning. They are shuffled, deterministically, so that no caller relies on it. */
function shuffled(set: SeriesSet): Group[] {
  const groups = [...set.groups.values()].filter((group) => group.points.size > 0);
  return groups.sort((a, b) => hash32(keyOf(a)) - hash32(keyOf(b)));
}

function limited(set: SeriesSet, formula: Formula): Group[] {
  const groups = shuffled(set);
  if (formula.limit === null) return groups;
  const sign = formula.limit.order === 'asc' ? 1 : -1;
  return groups.sort((a, b) => sign * (total(a) - total(b))).slice(0, formula.limit.count);
}

const total = (group: Group): number => [...group.points.values()].reduce((sum, value) => sum + value, 0);

const keyOf = (group: Group): string => [...group.tags].sort().join('\n');

function valuesOfKey(group: Group, key: string): string[] {
  return group.tags.filter((tag) => tag.startsWith(`${key}:`)).map((tag) => tag.slice(key.length + 1));
}

/** The unit: seconds for durations, none for counts and arithmetic, for which Datadog has rules of its own. */
function unitOf(
  expression: Expression,
  request: FormulaRequest,
  store: EventStore,
): Array<Unit | null> | null {
  if (expression.kind !== 'reference') return null;
  const query = request.queries.find(({ name }) => name === expression.name)!.query;
  const isDuration = store.metric(query.metric)?.type === 'distribution' && query.aggregator !== 'count';
  return isDuration ? [SECOND, null] : null;
}
