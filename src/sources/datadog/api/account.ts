import type { QueryPair } from '../query/query-plan-types.ts';
import type { Groups } from './timeseries-response.ts';

/** Datadog adds up floats: counts that must agree may differ by this share. */
export const tolerance = 1e-6;

/** The events of one group by what the queries of a pair say about them, bucket by bucket. */
export interface Account {
  /** What the total counts, or its parts together where these are more. */
  readonly total: Float64Array;
  readonly part: Float64Array;
  readonly rest: Float64Array;
  readonly noStatus: Float64Array;
  /** In the total and in none of its parts: good or bad, nothing says which. Undefined where there are none. */
  readonly unclassified: Float64Array | undefined;
}

/** Undefined where no query of the pair knows the group. */
export function accountOf(
  pair: QueryPair & { readonly rest: readonly number[] },
  groups: readonly Groups[],
  service: string,
  resource: string,
): Account | undefined {
  const seriesOf = (query: number | undefined) =>
    query === undefined ? undefined : groups[query]?.get(service)?.get(resource);
  const known = [pair.total, pair.part, ...pair.rest].map(seriesOf);
  const length = known.find((series) => series !== undefined)?.length;
  if (length === undefined) return undefined;
  const none = new Float64Array(length);
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

function sumOf(all: readonly (Float64Array | undefined)[], length: number): Float64Array {
  const sums = new Float64Array(length);
  for (const series of all) {
    if (series === undefined) continue;
    for (let i = 0; i < length; i += 1) (sums[i] as number) += series[i] as number;
  }
  return sums;
}
