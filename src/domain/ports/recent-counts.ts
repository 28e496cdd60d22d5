import type { QueryBatch } from '../registry/model.ts';

/** What a backend has: requests in buckets, or samples of counters, each at the time of its scrape. */
export type RecentUnit = 'buckets' | 'samples';

/**
 * Requests of one service as they can be seen now: value of a tag → start of the bucket (epoch ms) → requests. Without a
 * tag, the value is the empty string. A bucket that is absent had no request that can be seen. Of `samples`: time of the samples → their number.
 */
export type CountsByValue = ReadonlyMap<string, ReadonlyMap<number, number>>;

/** By service. */
export type RecentCounts = ReadonlyMap<string, CountsByValue>;

/**
 * Asks for the requests of one batch in one call, in buckets of `everyMs`, grouped by the tag `key`. Both ends are epoch
 * ms; `fromMs` is a whole minute, `toMs` any time. The source may answer in wider buckets. Of `samples`, both ends are any time. Throws SourceError.
 */
export type ReadRecentCounts = (
  batch: QueryBatch,
  key: string | undefined,
  fromMs: number,
  toMs: number,
  everyMs: number,
) => Promise<RecentCounts>;
