import { SLOT_MS } from './points.ts';
import type { Comparison, MetricQuery } from './query-language.ts';
import { Rejection } from './rejection.ts';
import type { Frame, Group, SeriesSet } from './series-set.ts';
import type { EventStore, MetricType, Series } from './store.ts';

/** More buckets than any answer could hold. A query beyond it is a mistake, such as a rollup of one second over a year. */
const MAX_BUCKETS = 100_000;

/** Answers one metric query on the frame's grid, or on the grid of its own `.rollup(…, seconds)`. */
export function measure(query: MetricQuery, store: EventStore, frame: Frame): SeriesSet {
  const intervalMs = query.rollup?.seconds ? query.rollup.seconds * 1000 : frame.intervalMs;
  const metric = store.metric(query.metric);
  if (metric === undefined) return { by: query.by, groups: new Map(), intervalMs };
  const aggregator = query.aggregator ?? 'avg';
  if (metric.type === 'count' && (aggregator === 'count' || aggregator.startsWith('p'))) {
    throw new Rejection(
      `Error parsing query: ${aggregator} needs a distribution and ${query.metric} is a count`,
    );
  }

  const round = frame.firstBucket === 'clipped' ? Math.floor : Math.ceil;
  const grid: Grid = {
    intervalMs,
    first: round(frame.fromMs / intervalMs),
    buckets: Math.ceil(frame.toMs / intervalMs) - round(frame.fromMs / intervalMs),
  };
  if (grid.buckets > MAX_BUCKETS) throw new Rejection(`the query would need ${grid.buckets} buckets`);
  const fromSlot = Math.max(0, Math.ceil(Math.max(frame.fromMs, grid.first * intervalMs) / SLOT_MS));
  const toSlot = Math.min(Math.ceil(frame.toMs / SLOT_MS), store.visibleEndSlot);
  if (grid.buckets <= 0 || toSlot <= fromSlot) return { by: query.by, groups: new Map(), intervalMs };

  const cellsByGroup = new Map<string, { tags: string[]; cells: Cells }>();
  for (const series of metric.series) {
    const tags = groupTags(series, query.by);
    if (tags === null || !query.matches(series.tags)) continue;
    // Keyed without regard to the order of the by-clause, so that formulas can join on it.
    const key = [...tags].sort().join('\n');
    let group = cellsByGroup.get(key);
    if (group === undefined) {
      group = { tags, cells: new Cells(grid.buckets) };
      cellsByGroup.set(key, group);
    }
    const visible: Visible = (visit) => store.forEachVisible(series, fromSlot, toSlot, visit);
    if (metric.type === 'distribution') addDistribution(group.cells, visible, query, grid);
    else addCounts(group.cells, visible, query, grid);
  }

  const divisor = isRate(query, metric.type) ? intervalMs / 1000 : 1;
  const groups = new Map<string, Group>();
  for (const [key, { tags, cells }] of cellsByGroup) {
    const points = new Map<number, number>();
    for (let bucket = 0; bucket < grid.buckets; bucket++) {
      if (cells.seen[bucket] === 0) continue;
      const value = cells.aggregate(bucket, aggregator);
      if (value !== null) points.set((grid.first + bucket) * intervalMs, value / divisor);
    }
    if (points.size > 0) groups.set(key, { tags, points: filled(points, query.fill, grid) });
  }
  return { by: query.by, groups, intervalMs };
}

interface Grid {
  readonly intervalMs: number;
  /** Number of the first bucket since the epoch. */
  readonly first: number;
  readonly buckets: number;
}

/** Calls back for every entry of a series that the query covers and that is visible now. */
type Visible = (visit: (slot: number, amount: number, value: number) => void) => void;

/** The state of each bucket of one group. */
class Cells {
  readonly seen: Uint8Array;
  readonly sum: Float64Array;
  readonly weight: Float64Array;
  readonly min: Float64Array;
  readonly max: Float64Array;
  /** Only for percentiles. */
  readonly values = new Map<number, Array<readonly [value: number, weight: number]>>();

  constructor(buckets: number) {
    this.seen = new Uint8Array(buckets);
    this.sum = new Float64Array(buckets);
    this.weight = new Float64Array(buckets);
    this.min = new Float64Array(buckets).fill(Number.POSITIVE_INFINITY);
    this.max = new Float64Array(buckets).fill(Number.NEGATIVE_INFINITY);
  }

  fold(bucket: number, value: number, weight: number): void {
    this.seen[bucket] = 1;
    this.sum[bucket]! += value * weight;
    this.weight[bucket]! += weight;
    if (value < this.min[bucket]!) this.min[bucket] = value;
    if (value > this.max[bucket]!) this.max[bucket] = value;
  }

  aggregate(bucket: number, aggregator: string): number | null {
    if (aggregator === 'count') return this.weight[bucket]!;
    if (aggregator === 'sum') return this.sum[bucket]!;
    if (aggregator === 'avg') return this.sum[bucket]! / this.weight[bucket]!;
    if (aggregator === 'min') return this.min[bucket]!;
    if (aggregator === 'max') return this.max[bucket]!;
    return quantile(this.values.get(bucket) ?? [], Number(aggregator.slice(1)) / 100);
  }
}

/** A series becomes one value per bucket over time first (a sum, unless a rollup says otherwise), then joins. */
function addCounts(cells: Cells, visible: Visible, query: MetricQuery, grid: Grid): void {
  const own = new Cells(grid.buckets);
  visible((slot, amount) => {
    own.fold(Math.floor((slot * SLOT_MS) / grid.intervalMs) - grid.first, amount, 1);
  });
  const method = query.rollup?.method ?? 'sum';
  for (let bucket = 0; bucket < grid.buckets; bucket++) {
    if (own.seen[bucket] === 1) cells.fold(bucket, own.aggregate(bucket, method)!, 1);
  }
}

function addDistribution(cells: Cells, visible: Visible, query: MetricQuery, grid: Grid): void {
  const percentile = query.aggregator?.startsWith('p') ?? false;
  visible((slot, amount, value) => {
    const bucket = Math.floor((slot * SLOT_MS) / grid.intervalMs) - grid.first;
    // Below the threshold nothing is counted, but the bucket has data: 0, not absent.
    if (query.threshold && !holds(value, query.threshold)) {
      cells.seen[bucket] = 1;
      return;
    }
    cells.fold(bucket, value, amount);
    if (!percentile) return;
    const values = cells.values.get(bucket);
    if (values) values.push([value, amount]);
    else cells.values.set(bucket, [[value, amount]]);
  });
}

function holds(value: number, threshold: { comparison: Comparison; value: number }): boolean {
  switch (threshold.comparison) {
    case '<':
      return value < threshold.value;
    case '<=':
      return value <= threshold.value;
    case '>':
      return value > threshold.value;
    case '>=':
      return value >= threshold.value;
  }
}

/** Counts are per-second rates unless the query has as_count(): Datadog's default for metrics of type count. */
function isRate(query: MetricQuery, type: MetricType): boolean {
  if (query.shape !== null) return query.shape === 'rate';
  return type === 'count' || query.aggregator === 'count';
}

function groupTags(series: Series, by: readonly string[]): string[] | null {
  const tags: string[] = [];
  for (const key of by) {
    const value = series.tags.get(key);
    if (value === undefined) return null;
    tags.push(`${key}:${value}`);
  }
  return tags;
}

function quantile(values: Array<readonly [number, number]>, q: number): number | null {
  const sorted = [...values].sort((a, b) => a[0] - b[0]);
  const total = sorted.reduce((sum, [, weight]) => sum + weight, 0);
  let reached = 0;
  for (const [value, weight] of sorted) {
    reached += weight;
    if (reached >= q * total) return value;
  }
  return null;
}

function filled(points: Map<number, number>, method: string | null, grid: Grid): Map<number, number> {
  if (method === null || method === 'null') return points;
  const result = new Map<number, number>();
  const known = [...points];
  for (let bucket = 0, next = 0; bucket < grid.buckets; bucket++) {
    const time = (grid.first + bucket) * grid.intervalMs;
    while (next < known.length && known[next]![0] <= time) next++;
    const before = known[next - 1];
    const after = known[next];
    const value = points.get(time) ?? estimate(method, time, before, after);
    if (value !== undefined) result.set(time, value);
  }
  return result;
}

function estimate(
  method: string,
  time: number,
  before: readonly [number, number] | undefined,
  after: readonly [number, number] | undefined,
): number | undefined {
  if (method === 'zero') return 0;
  if (method === 'last' || before === undefined) return before?.[1];
  if (after === undefined) return undefined;
  return before[1] + ((after[1] - before[1]) * (time - before[0])) / (after[0] - before[0]);
}
