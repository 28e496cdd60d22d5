import { noEvents } from '../../../domain/metrics/series.ts';
import type { QueryPair } from '../query/query-plan-types.ts';
import type { Groups } from './timeseries-response.ts';

/** Datadog adds floats, so counts of the same events may differ by this share. */
export const tolerance = 1e-6;

/** Event counts of one group (a service's resource) by bucket, reconciled over the queries of a pair. */
export interface GroupCounts {
  /** The total's count, or the sum of its parts where that is more. */
  readonly total: Float64Array;
  readonly part: Float64Array;
  readonly rest: Float64Array;
  readonly noStatus: Float64Array;
  /** Events in the total and in none of its parts: whether they are bad is unknown. Undefined where there are none. */
  readonly unclassified: Float64Array | undefined;
}

/** Counts of one group from all queries of a pair; undefined where none of them has a series of it. */
export function groupCountsOf(
  pair: QueryPair & { readonly rest: readonly number[] },
  groups: readonly Groups[],
  service: string,
  resource: string,
): GroupCounts | undefined {
  const seriesOf = (query: number | undefined) =>
    query === undefined ? undefined : groups[query]?.get(service)?.get(resource);
  const known = [pair.total, pair.part, ...pair.rest].map(seriesOf);
  const length = known.find((series) => series !== undefined)?.length;
  if (length === undefined) return undefined;
  const none = noEvents(length);
  const [counted = none, part = none, ...others] = known;
  const rest = others.length === 1 ? (others[0] ?? none) : sumOf(others, length);
  const total = Float64Array.from(counted);
  let unclassified: Float64Array | undefined;
  for (let i = 0; i < length; i += 1) {
    const all = counted[i] as number;
    const more = all - (part[i] as number) - (rest[i] as number);
    if (Math.abs(more) <= tolerance * Math.max(1, all)) continue;
    if (more < 0) {
      total[i] = all - more;
    } else {
      unclassified ??= new Float64Array(length);
      unclassified[i] = more;
    }
  }
  return { total, part, rest, noStatus: seriesOf(pair.noStatus) ?? none, unclassified };
}

/** Event counts of one group where nothing counts the good events: total and bad ones are each counted twice. */
export interface TwiceCounted {
  /** The count, or that of the second time where it is more. */
  readonly total: Float64Array;
  readonly part: Float64Array;
  /** Events that only the second time counts as bad: whether they are is unknown. Undefined where there are none. */
  readonly unclassified: Float64Array | undefined;
}

/** Counts of one group from all queries of a pair that asks twice; undefined where none of them has a series of it. */
export function twiceCountedOf(
  { total, part, again }: QueryPair & Required<Pick<QueryPair, 'again'>>,
  groups: readonly Groups[],
  service: string,
  resource: string,
): TwiceCounted | undefined {
  const seriesOf = (query: number) => groups[query]?.get(service)?.get(resource);
  const queries = [total, part, ...(again?.total ?? []), ...(again?.part ?? [])];
  const length = queries.map(seriesOf).find((series) => series !== undefined)?.length;
  if (length === undefined) return undefined;
  const none = new Float64Array(length);
  const bad = seriesOf(part) ?? none;
  const badAgain = sumOf((again?.part ?? []).map(seriesOf), length);
  const totals = totalWithPart(
    totalWithPart(seriesOf(total) ?? none, sumOf((again?.total ?? []).map(seriesOf), length)),
    totalWithPart(bad, badAgain),
  );
  let unclassified: Float64Array | undefined;
  for (let i = 0; i < length; i += 1) {
    const more = (badAgain[i] as number) - (bad[i] as number);
    if (more <= tolerance * Math.max(1, badAgain[i] as number)) continue;
    unclassified ??= new Float64Array(length);
    unclassified[i] = more;
  }
  return { total: totals, part: bad, unclassified };
}

/** The total by bucket, or its part where that is more: requests that arrived in between are in the part alone. */
export function totalWithPart(total: Float64Array, part: Float64Array): Float64Array {
  return total.map((count, i) => {
    const of = part[i] as number;
    return of - count > tolerance * Math.max(1, count) ? of : count;
  });
}

function sumOf(all: readonly (Float64Array | undefined)[], length: number): Float64Array {
  const sums = new Float64Array(length);
  for (const series of all) {
    if (series === undefined) continue;
    for (let i = 0; i < length; i += 1) (sums[i] as number) += series[i] as number;
  }
  return sums;
}
