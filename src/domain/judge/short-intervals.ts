import type { RecentBuckets } from '../metrics/metrics-source.ts';
import { bucketMs } from '../metrics/metrics-source.ts';
import { touchedBuckets } from '../registry/rules.ts';
import { rounding } from './abort-threshold.ts';
import type { JudgedWindow } from './analysis-window.ts';
import type { SliSums } from './sli-counts.ts';

/**
 * A blip is over before an abort could help. Evidence that comes from one interval shorter than `minFaultDuration` is therefore
 * no fail: more than noise must remain with any one such interval left out.
 */

/** Bad events of the canary on one endpoint in one minute. */
export interface LeftOutEvents {
  /** In the order of the sums. */
  readonly endpoint: number;
  readonly minute: number;
  /** Counted. */
  readonly bad: number;
}

/** All bad events of the canary in the buckets that one interval touches. */
export type ShortInterval = readonly LeftOutEvents[];

/**
 * Every interval shorter than `minFaultMs` in the window whose bad events are not part of another one's: by minute, and by recent
 * bucket from where there are such. An interval across the two is left out of account.
 */
export function shortIntervals(
  { endpoints }: SliSums,
  { first, end }: JudgedWindow,
  recent: RecentBuckets | undefined,
  minFaultMs: number,
): ShortInterval[] {
  const recentMinute = recent === undefined ? end : Math.min(Math.max(recent.firstMinute, first), end);
  const byMinute = intervalsOf(
    endpoints.map(({ measured }) => measured.canary.bad),
    { first, end: recentMinute, length: touchedBuckets(minFaultMs, bucketMs), minuteOf: (bucket) => bucket },
  );
  if (recent === undefined) return byMinute;
  const { firstMinute, stepMs } = recent;
  const bad = endpoints.map(({ measured }) => measured.recentBad ?? new Float64Array());
  return [
    ...byMinute,
    ...intervalsOf(bad, {
      first: ((recentMinute - firstMinute) * bucketMs) / stepMs,
      end: Math.max(0, ...bad.map(({ length }) => length)),
      length: touchedBuckets(minFaultMs, stepMs),
      minuteOf: (bucket) => firstMinute + Math.floor((bucket * stepMs) / bucketMs),
    }),
  ];
}

interface BucketRange {
  readonly first: number;
  readonly end: number;
  /** Buckets of one interval. */
  readonly length: number;
  readonly minuteOf: (bucket: number) => number;
}

/** The intervals that begin with a bad event: any other one holds no more than the one that begins with its first. */
function intervalsOf(bad: readonly ArrayLike<number>[], { first, end, length, minuteOf }: BucketRange) {
  const intervals: ShortInterval[] = [];
  for (let begin = first; begin < end; begin += 1) {
    if (!bad.some((counts) => (counts[begin] ?? 0) > rounding)) continue;
    const leftOut = new Map<string, LeftOutEvents>();
    for (let i = begin; i < Math.min(begin + length, end); i += 1) {
      const minute = minuteOf(i);
      bad.forEach((counts, endpoint) => {
        const count = counts[i] ?? 0;
        if (count <= rounding) return;
        const key = `${endpoint} ${minute}`;
        const before = leftOut.get(key)?.bad ?? 0;
        leftOut.set(key, { endpoint, minute, bad: before + count });
      });
    }
    intervals.push([...leftOut.values()]);
  }
  return intervals;
}
