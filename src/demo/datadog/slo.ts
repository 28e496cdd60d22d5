import { bucketStarts, evaluate } from './evaluate.ts';
import { hash32 } from './normalise.ts';
import { type Expression, parseFormula, parseQueryList } from './query-language.ts';
import { Rejection } from './rejection.ts';
import type { Frame, SeriesSet } from './series-set.ts';
import type { EventStore } from './store.ts';

/** A metric SLO as `POST /api/v1/slo` takes it: good events and either bad or total ones. Targets in percent. */
export interface SloDefinition {
  readonly id?: string;
  readonly name: string;
  readonly description?: string;
  readonly tags?: readonly string[];
  readonly thresholds: ReadonlyArray<{
    readonly timeframe: '7d' | '30d' | '90d';
    readonly target: number;
    readonly warning?: number;
  }>;
  readonly sli_specification: {
    readonly count: {
      readonly good_events_formula: { readonly formula: string };
      readonly bad_events_formula?: { readonly formula: string };
      readonly total_events_formula?: { readonly formula: string };
      readonly queries: ReadonlyArray<{
        readonly data_source: 'metrics';
        readonly name: string;
        readonly query: string;
      }>;
    };
  };
}

/** An SLO as Datadog returns it. */
export interface StoredSlo extends SloDefinition {
  readonly id: string;
  readonly query: { readonly numerator: string; readonly denominator: string };
  readonly [key: string]: unknown;
}

/** Completes a definition as Datadog does; throws where a formula or a query is wrong. */
export function storeSlo(definition: SloDefinition, nowMs: number): StoredSlo {
  const { count } = definition.sli_specification;
  const first = definition.thresholds[0];
  if (first === undefined) throw new Rejection(`SLO ${definition.name}: thresholds must not be empty`);
  const good = substituted(count.good_events_formula.formula, count.queries);
  const other = count.bad_events_formula ?? count.total_events_formula;
  if (other === undefined) throw new Rejection(`SLO ${definition.name}: bad or total events are missing`);
  const second = substituted(other.formula, count.queries);
  const query = {
    numerator: good,
    denominator: count.bad_events_formula ? `(${good}) + (${second})` : second,
  };
  for (const part of Object.values(query)) parseQueryList(part);
  const thresholds = definition.thresholds.map((threshold) => ({
    ...threshold,
    target_display: display(threshold.target),
    ...(threshold.warning === undefined ? {} : { warning_display: display(threshold.warning) }),
  }));
  const seconds = Math.floor(nowMs / 1000);
  return {
    id: definition.id ?? hash32(definition.name).toString(16).padStart(8, '0').repeat(4),
    name: definition.name,
    tags: definition.tags ?? [],
    monitor_tags: [],
    thresholds,
    type: 'metric',
    type_id: 1,
    description: definition.description ?? '',
    timeframe: first.timeframe,
    ...(first.warning === undefined ? {} : { warning_threshold: first.warning }),
    target_threshold: first.target,
    query,
    creator: { name: 'Demo', handle: 'demo@example.com', email: 'demo@example.com' },
    created_at: seconds,
    modified_at: seconds,
    sli_specification: definition.sli_specification,
  };
}

/** The `data` of an answer of `GET /api/v1/slo/{id}/history`; times in seconds, a target of the caller's own in percent. */
export function sloHistory(
  slo: StoredSlo,
  fromS: number,
  toS: number,
  store: EventStore,
  target?: number,
): object {
  const intervalMs = historyIntervalMs((toS - fromS) * 1000);
  const frame: Frame = { fromMs: fromS * 1000, toMs: toS * 1000, intervalMs, firstBucket: 'clipped' };
  const times = bucketStarts(frame, intervalMs);
  const good = history(slo.query.numerator, 0, store, frame, times);
  const total = history(slo.query.denominator, 1, store, frame, times);
  const thresholds = Object.fromEntries(slo.thresholds.map((threshold) => [threshold.timeframe, threshold]));
  return {
    thresholds,
    from_ts: fromS,
    to_ts: toS,
    type: 'metric',
    type_id: 1,
    slo,
    group_by: good.by,
    series: {
      res_type: 'time_series',
      resp_version: 2,
      query: `${good.query}, ${total.query}`,
      from_date: frame.fromMs,
      to_date: frame.toMs,
      message: '',
      interval: intervalMs / 1000,
      // As recorded, the first bucket begins where the span does, rounded down to five minutes.
      times: times.map((time) => Math.max(time, Math.floor(fromS / 300) * 300_000)),
      numerator: good.series,
      denominator: total.series,
      numerator_query: good.query,
      denominator_query: total.query,
      bad_series_query: `${total.query} - ${good.query}`,
      graph_query: `${good.query}, ${total.query} - ${good.query}`,
    },
    overall: overall(slo, good.series.sum, total.series.sum, target),
  };
}

function overall(slo: StoredSlo, good: number, total: number, custom?: number): object {
  const precision = Object.fromEntries(
    slo.thresholds.map(({ timeframe }) => [timeframe, total === 0 ? 0 : 3]),
  );
  if (total === 0) {
    const error = { error_message: 'The denominator is zero valued', error_type: 'ZERO_VALUED_DENOMINATOR' };
    return {
      errors: [error],
      sli_value: null,
      span_precision: 2,
      precision,
      uptime: null,
      corrections: [],
      state: 'no_data',
    };
  }
  const sli = (100 * good) / total;
  const [{ target, warning }] = slo.thresholds as [SloDefinition['thresholds'][number]];
  const state = sli < target ? 'breached' : warning !== undefined && sli < warning ? 'warning' : 'ok';
  const remaining = [
    ...slo.thresholds.map((threshold) => [threshold.timeframe, threshold.target] as const),
    ...(custom === undefined ? [] : [['custom', custom] as const]),
  ].map(([timeframe, percent]) => [timeframe, 100 * (1 - (100 - sli) / (100 - percent))]);
  return {
    errors: null,
    sli_value: sli,
    span_precision: 2,
    precision,
    uptime: sli,
    error_budget_remaining: Object.fromEntries(remaining),
    corrections: [],
    state,
  };
}

/** One side of the ratio, with zero where there is no data. */
function history(text: string, index: number, store: EventStore, frame: Frame, times: readonly number[]) {
  const by = new Set<string>();
  const named = new Map<string, SeriesSet>();
  const expression = replaceLeaves(parseQueryList(text)[0]!, (leaf) => {
    const set = evaluate(leaf, store, frame);
    for (const key of set.by) by.add(key);
    const name = `leaf${named.size}`;
    named.set(name, total(set, times));
    return { kind: 'reference', name };
  });
  const sums = evaluate(expression, store, frame, named).groups.get('')!.points;
  const values = times.map((time) => sums.get(time) ?? 0);
  const query = wrapped(text);
  return {
    by: [...by],
    query,
    series: {
      values,
      metadata: { unit: null, query_index: index, aggr: 'sum', tag_set: [], expression: query },
      sum: values.reduce((sum, value) => sum + value, 0),
      count: values.length,
    },
  };
}

/**
 * All groups of one query added up, because `overall` covers all of them; absent is zero, even where the window has
 * no points at all, as recorded (elsewhere `default_zero()` does nothing there).
 */
function total(set: SeriesSet, times: readonly number[]): SeriesSet {
  const points = new Map(times.map((time) => [time, 0]));
  for (const group of set.groups.values()) {
    for (const [time, value] of group.points) points.set(time, (points.get(time) ?? 0) + value);
  }
  return { by: [], groups: new Map([['', { tags: [], points }]]), intervalMs: set.intervalMs };
}

function replaceLeaves(expression: Expression, replace: (leaf: Expression) => Expression): Expression {
  if (expression.kind === 'metric') return replace(expression);
  if (expression.kind === 'default_zero') {
    return { kind: 'default_zero', argument: replaceLeaves(expression.argument, replace) };
  }
  if (expression.kind !== 'operation') return expression;
  const { left, right } = expression;
  return { ...expression, left: replaceLeaves(left, replace), right: replaceLeaves(right, replace) };
}

function substituted(
  formula: string,
  queries: SloDefinition['sli_specification']['count']['queries'],
): string {
  checkNames(parseFormula(formula), formula, new Set(queries.map(({ name }) => name)));
  return formula.replace(/[A-Za-z_][A-Za-z0-9_]*/g, (name) => {
    return queries.find((query) => query.name === name)?.query ?? name;
  });
}

function checkNames(expression: Expression, formula: string, names: ReadonlySet<string>): void {
  if (expression.kind === 'reference' && !names.has(expression.name)) {
    throw new Rejection(`SLO formula ${JSON.stringify(formula)} refers to unknown query ${expression.name}`);
  }
  if (expression.kind === 'default_zero') checkNames(expression.argument, formula, names);
  if (expression.kind === 'operation') {
    checkNames(expression.left, formula, names);
    checkNames(expression.right, formula, names);
  }
}

/** As recorded, each metric query of an expression is inside `default_zero(…)`. */
function wrapped(text: string): string {
  return text.replace(
    /[a-z0-9]+(\(v:[^)]*\))?:[^{}\s]+\{[^}]*\}(\s*by\s*\{[^}]*\})?(\.\w+\([^)]*\))*/g,
    (leaf) => {
      return `default_zero(${leaf})`;
    },
  );
}

const display = (percent: number): string => (Number.isInteger(percent) ? `${percent}.` : String(percent));

/** A day at 2 h is recorded; the steps around it are guesses. */
function historyIntervalMs(rangeMs: number): number {
  const hours = rangeMs / 3_600_000;
  if (hours <= 1) return 60_000;
  if (hours <= 4) return 600_000;
  if (hours <= 24 * 7) return 7_200_000;
  return 86_400_000;
}
