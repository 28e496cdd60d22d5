import { measure } from './measure.ts';
import type { Expression, Operator } from './query-language.ts';
import { Rejection } from './rejection.ts';
import type { Frame, Group, SeriesSet } from './series-set.ts';
import type { EventStore } from './store.ts';

type Value = SeriesSet | number;

/** Evaluates an expression; references are looked up in `named`. */
export function evaluate(
  expression: Expression,
  store: EventStore,
  frame: Frame,
  named: ReadonlyMap<string, SeriesSet> = new Map(),
): SeriesSet {
  const value = evaluateValue(expression, store, frame, named);
  if (typeof value === 'number') throw new Rejection('the formula refers to no query');
  return value;
}

function evaluateValue(
  expression: Expression,
  store: EventStore,
  frame: Frame,
  named: ReadonlyMap<string, SeriesSet>,
): Value {
  switch (expression.kind) {
    case 'number':
      return expression.value;
    case 'metric':
      return measure(expression, store, frame);
    case 'reference': {
      const found = named.get(expression.name);
      if (found === undefined) {
        throw new Rejection(`formula refers to unknown query name ${JSON.stringify(expression.name)}`);
      }
      return found;
    }
    case 'default_zero': {
      const value = evaluateValue(expression.argument, store, frame, named);
      return typeof value === 'number' ? value : filledWithZero(value, frame);
    }
    case 'operation': {
      const left = evaluateValue(expression.left, store, frame, named);
      const right = evaluateValue(expression.right, store, frame, named);
      return combine(expression.operator, left, right);
    }
  }
}

/** One value per group, at time 0, by the aggregator of a scalar query. */
export function reduce(set: SeriesSet, aggregator: string): SeriesSet {
  const groups = new Map<string, Group>();
  for (const [key, group] of set.groups) {
    const values = [...group.points.values()];
    if (values.length > 0) {
      groups.set(key, {
        tags: group.tags,
        points: new Map([[0, reduceValues(values, aggregator, set.intervalMs)]]),
      });
    }
  }
  return { by: set.by, groups, intervalMs: 0 };
}

function reduceValues(values: readonly number[], aggregator: string, intervalMs: number): number {
  const sum = values.reduce((total, value) => total + value, 0);
  switch (aggregator) {
    case 'sum':
      return sum;
    case 'avg':
    case 'mean':
      return sum / values.length;
    case 'min':
      return Math.min(...values);
    case 'max':
      return Math.max(...values);
    case 'last':
      return values.at(-1)!;
    case 'area':
      return (sum * intervalMs) / 1000;
    case 'l2norm':
      return Math.sqrt(values.reduce((total, value) => total + value * value, 0));
    default:
      throw new Rejection(`aggregator ${JSON.stringify(aggregator)} is not supported`);
  }
}

/** Fills gaps of groups that have points; an absent group stays absent. */
function filledWithZero(set: SeriesSet, frame: Frame): SeriesSet {
  if (set.intervalMs === 0) return set;
  const groups = new Map<string, Group>();
  for (const [key, group] of set.groups) {
    const points = new Map<number, number>();
    for (const start of bucketStarts(frame, set.intervalMs)) points.set(start, group.points.get(start) ?? 0);
    groups.set(key, { tags: group.tags, points });
  }
  return { ...set, groups };
}

/** The bucket starts of a frame on a grid of `intervalMs`, aligned to UNIX time. */
export function bucketStarts(frame: Frame, intervalMs: number): number[] {
  const round = frame.firstBucket === 'clipped' ? Math.floor : Math.ceil;
  const starts: number[] = [];
  for (let start = round(frame.fromMs / intervalMs) * intervalMs; start < frame.toMs; start += intervalMs) {
    starts.push(start);
  }
  return starts;
}

function combine(operator: Operator, left: Value, right: Value): Value {
  if (typeof left === 'number' && typeof right === 'number') return calculate(operator, left, right);
  if (typeof left === 'number')
    return mapPoints(right as SeriesSet, (value) => calculate(operator, left, value));
  if (typeof right === 'number') return mapPoints(left, (value) => calculate(operator, value, right));
  // A side without groups is used with every group of the other one.
  const [wide, narrow] = left.by.length >= right.by.length ? [left, right] : [right, left];
  if (narrow.by.length > 0 && [...narrow.by].sort().join() !== [...wide.by].sort().join()) {
    throw new Rejection(
      `cannot combine groups by {${left.by.join(',')}} with groups by {${right.by.join(',')}}`,
    );
  }
  const groups = new Map<string, Group>();
  for (const [key, group] of wide.groups) {
    const other = narrow.groups.get(narrow.by.length === 0 ? '' : key);
    const points = new Map<number, number>();
    for (const [time, value] of group.points) {
      const otherValue = other?.points.get(time);
      if (otherValue === undefined) continue;
      const [a, b] = wide === left ? [value, otherValue] : [otherValue, value];
      const result = calculate(operator, a, b);
      if (Number.isFinite(result)) points.set(time, result);
    }
    if (points.size > 0) groups.set(key, { tags: group.tags, points });
  }
  return { ...wide, groups };
}

function mapPoints(set: SeriesSet, change: (value: number) => number): SeriesSet {
  const groups = new Map<string, Group>();
  for (const [key, group] of set.groups) {
    const points = new Map<number, number>();
    for (const [time, value] of group.points) {
      const result = change(value);
      if (Number.isFinite(result)) points.set(time, result);
    }
    groups.set(key, { tags: group.tags, points });
  }
  return { ...set, groups };
}

function calculate(operator: Operator, left: number, right: number): number {
  if (operator === '+') return left + right;
  if (operator === '-') return left - right;
  if (operator === '*') return left * right;
  return left / right;
}
