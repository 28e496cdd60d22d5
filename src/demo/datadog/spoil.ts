import type { ScalarColumn, TimeseriesAttributes } from './answers.ts';
import type { AnswerFault, Fault, MissingSeries } from './faults.ts';
import type { FormulaRequest } from './formula-request.ts';

/** JSON has no literal for it; the text of the answer gets `1e999`, which every parser reads as infinity. */
const INFINITE = '\u0000infinite';

type Rows = Array<{ tags: string[]; formula: number; values: unknown[] }>;

/** Applies the answer faults among `faults` to the attributes of a v2 answer. */
export function spoilAnswer(attributes: object, request: FormulaRequest, faults: readonly Fault[]): object {
  return faults.reduce<object>((current, fault) => {
    if (!isAnswerFault(fault)) return current;
    if ('series' in current) return spoilTimeseries(current as TimeseriesAttributes, request, fault);
    return { columns: spoilScalar((current as { columns: ScalarColumn[] }).columns, request, fault) };
  }, attributes);
}

/** The text of a body, with what JSON.stringify cannot write. */
export function toText(body: unknown): string {
  return JSON.stringify(body).replaceAll(JSON.stringify(INFINITE), '1e999');
}

const ANSWER_FAULTS: Readonly<Record<AnswerFault['kind'], true>> = {
  nan_strings: true,
  infinite_values: true,
  negative_counts: true,
  more_bad_than_total: true,
  groups_cut_off: true,
  missing_series: true,
  coarse_points: true,
  reordered: true,
  misaligned_times: true,
  duplicated_groups: true,
  unknown_groups: true,
  newest_minute_halved: true,
  newest_minutes_missing: true,
};

const isAnswerFault = (fault: Fault): fault is Fault & AnswerFault => fault.kind in ANSWER_FAULTS;

function spoilTimeseries(answer: TimeseriesAttributes, request: FormulaRequest, fault: AnswerFault): object {
  if (fault.kind === 'newest_minutes_missing') return endingAt(answer, request.toMs - fault.minutes * 60_000);
  const rows: Rows = answer.series.map((series, i) => ({
    tags: series.group_tags,
    formula: series.query_index,
    values: answer.values[i]!,
  }));
  if (fault.kind === 'coarse_points') return coarsened(answer, request.fromMs, fault.everyMs);
  const spoiled = spoilRows(rows, request, fault);
  const offset = fault.kind === 'misaligned_times' ? (fault.offsetMs ?? 7_000) : 0;
  const newest = (answer.times.at(-1) ?? 0) - 60_000;
  return {
    series: spoiled.map(({ tags, formula }) => ({ group_tags: tags, query_index: formula, unit: null })),
    times: answer.times.map((time) => time + offset),
    values: spoiled.map(({ values }) =>
      fault.kind === 'newest_minute_halved'
        ? values.map((value, i) => (answer.times[i]! > newest ? halved(value) : value))
        : values,
    ),
  };
}

/** The points before `endMs`; a series without a remaining point is removed. */
function endingAt({ series, times, values }: TimeseriesAttributes, endMs: number): TimeseriesAttributes {
  const kept = values.map((points) => points.filter((_, i) => times[i]! < endMs));
  const isThere = (i: number): boolean => kept[i]!.some((value) => value !== null);
  return {
    series: series.filter((_, i) => isThere(i)),
    times: times.filter((time) => time < endMs),
    values: kept.filter((_, i) => isThere(i)),
  };
}

function spoilScalar(columns: ScalarColumn[], request: FormulaRequest, fault: AnswerFault): unknown[] {
  const numbers = columns.filter((column) => column.type === 'number');
  const groups = columns.filter((column) => column.type === 'group');
  const rows = numbers.flatMap((column, formula) =>
    column.values.map((value, i) => ({
      tags: groups.flatMap((group) => group.values[i]!.map((tag) => `${group.name}:${tag}`)),
      formula,
      values: [value] as unknown[],
    })),
  );
  const spoiled = spoilRows(rows, request, fault);
  // Only the rows that exist: a missing series leaves a gap in its column, and a duplicate adds a row to it.
  const first = spoiled.filter((row) => row.formula === 0);
  const keys = first.length > 0 ? first.map((row) => row.tags) : [...new Set(spoiled.map((row) => row.tags))];
  const groupColumns = groups.map((group) => ({
    ...group,
    values: keys.map((tags) => [
      tags.find((tag) => tag.startsWith(`${group.name}:`))!.slice(group.name.length + 1),
    ]),
  }));
  const numberColumns = numbers.map((column, formula) => {
    const own = spoiled.filter((row) => row.formula === formula);
    const values = keys.map((tags) => own.find((row) => row.tags.join() === tags.join())?.values[0] ?? null);
    return { ...column, values };
  });
  const all = [...groupColumns, ...numberColumns];
  return fault.kind === 'reordered' ? all.reverse() : all;
}

function spoilRows(rows: Rows, request: FormulaRequest, fault: AnswerFault): Rows {
  switch (fault.kind) {
    case 'nan_strings':
      return rows.map((row) => ({ ...row, values: replaceFirst(row.values, () => 'NaN') }));
    case 'infinite_values':
      return rows.map((row) => ({ ...row, values: replaceFirst(row.values, () => INFINITE) }));
    case 'negative_counts':
      return rows.map((row) => ({ ...row, values: replaceFirst(row.values, belowZero) }));
    case 'more_bad_than_total':
      return moreBadThanTotal(rows, fault.bad ?? badFormulas(request));
    case 'groups_cut_off':
      return cutOff(rows, fault.keep);
    case 'missing_series':
      return missingSeries(rows, request, fault);
    case 'reordered':
      return [...rows].reverse();
    case 'duplicated_groups':
      return rows.flatMap((row, i) => (i === 0 ? [row, row] : [row]));
    case 'unknown_groups':
      return rows.concat(unknownGroups(rows, fault.count ?? 1));
    case 'coarse_points':
    case 'misaligned_times':
    case 'newest_minute_halved':
    case 'newest_minutes_missing':
      return rows;
  }
}

function replaceFirst(values: readonly unknown[], replace: (value: unknown) => unknown): unknown[] {
  const first = values.findIndex((value) => value !== null);
  return values.map((value, i) => (i === first ? replace(value) : value));
}

/** Keeps values that another fault replaced: arithmetic on them would give null, which is a missing minute instead. */
function belowZero(value: unknown): unknown {
  return typeof value === 'number' && value >= 0 ? -1 - value : value;
}

function missingSeries(
  rows: Rows,
  request: FormulaRequest,
  { query, match, nth = 0, points }: MissingSeries,
): Rows {
  const found = rows.filter(
    ({ tags, formula }) =>
      (query === undefined || query === formula || query === request.formulas[formula]?.text.trim()) &&
      (match === undefined || tags.join().includes(match)),
  );
  const gone = found[nth % found.length];
  return rows.flatMap((row) => {
    if (row !== gone) return [row];
    const values = withoutPoints(row.values, points ?? 'all');
    return values.every((value) => value === null) ? [] : [{ ...row, values }];
  });
}

/** The values, with some of those that are present removed. */
function withoutPoints(values: readonly unknown[], points: NonNullable<MissingSeries['points']>): unknown[] {
  const there = values.flatMap((value, i) => (value === null ? [] : [i]));
  const half = there.length / 2;
  const lost = new Set(
    there.filter((_, rank) => {
      if (points === 'oldest') return rank === 0;
      if (points === 'newest') return rank === there.length - 1;
      if (points === 'older_half') return rank < half;
      if (points === 'newer_half') return rank >= half;
      return points === 'all' || rank % 2 === 0;
    }),
  );
  return values.map((value, i) => (lost.has(i) ? null : value));
}

/** As for all series, the bucket in which the span begins is left out unless it begins there too. */
function coarsened(answer: TimeseriesAttributes, fromMs: number, everyMs: number): TimeseriesAttributes {
  const startOf = (time: number) => Math.floor(time / everyMs) * everyMs;
  const times = [...new Set(answer.times.map(startOf))].filter((time) => time >= fromMs);
  const values = answer.values.map((series) =>
    times.map((start) => {
      const parts = series.filter((value, i) => value !== null && startOf(answer.times[i]!) === start);
      return parts.length === 0 ? null : parts.reduce<number>((sum, value) => sum + (value ?? 0), 0);
    }),
  );
  const kept = values.flatMap((series, i) => (series.some((value) => value !== null) ? [i] : []));
  return {
    series: kept.map((i) => answer.series[i]!),
    times,
    values: kept.map((i) => values[i]!),
  };
}

/** Top N groups of each formula by sum, silently: what an unpublished limit would look like. */
function cutOff(rows: Rows, keep: number): Rows {
  const sum = (row: Rows[number]): number =>
    row.values.reduce<number>((total, value) => total + Number(value), 0);
  const formulas = [...new Set(rows.map((row) => row.formula))];
  const kept = formulas.flatMap((formula) =>
    rows
      .filter((row) => row.formula === formula)
      .sort((a, b) => sum(b) - sum(a))
      .slice(0, keep),
  );
  return rows.filter((row) => kept.includes(row));
}

function unknownGroups(rows: Rows, count: number): Rows {
  const model = rows[0];
  if (model === undefined) return [];
  return Array.from({ length: count }, (_, i) => ({
    ...model,
    tags: model.tags.map((tag) => `${tag.slice(0, tag.indexOf(':'))}:nobody_asked_for_${i}`),
  }));
}

function badFormulas(request: FormulaRequest): number[] {
  const bad = request.queries.filter(({ query }) =>
    /(?<!NOT http\.)status_code:5|status_class:5xx|\.errors\{|\(v:/.test(query.text),
  );
  const names = new Set(bad.map(({ name }) => name));
  return request.formulas.flatMap((formula, i) => (names.has(formula.text.trim()) ? [i] : []));
}

/** Every bad formula gets, group by group, one event more than the nearest formula before it that is not bad. */
function moreBadThanTotal(rows: Rows, bad: readonly number[]): Rows {
  const rest = rows.filter((row) => !bad.includes(row.formula));
  const inflated = bad.flatMap((formula) => {
    const totals = rest.map((row) => row.formula).filter((other) => other < formula);
    const total = totals.length > 0 ? Math.max(...totals) : rest[0]?.formula;
    return rest
      .filter((row) => row.formula === total)
      .map((row) => ({
        ...row,
        formula,
        values: row.values.map((value) => (value === null ? null : Number(value) + 1)),
      }));
  });
  return rest.concat(inflated);
}

const halved = (value: unknown): unknown => (typeof value === 'number' ? Math.floor(value / 2) : value);
