import { LRUCache } from 'lru-cache';

/** Reads by their key, each at most once within a time. A pending read is shared, and of a failed one nothing is kept. */
export type KeptReads<T> = (key: string, read: () => Promise<T>) => Promise<T>;

/** `forMs`: how long a result is kept. `max`: how many. */
export function keepReads<T>(
  now: () => number,
  { forMs, max }: { forMs: number; max: number },
): KeptReads<T> {
  const kept = new LRUCache<string, Promise<T>>({ max, ttl: forMs, ttlResolution: 0, perf: { now } });
  return (key, read) => {
    const before = kept.get(key);
    if (before !== undefined) return before;
    const reading = read();
    kept.set(key, reading);
    reading.catch(() => {
      if (kept.peek(key) === reading) kept.delete(key);
    });
    return reading;
  };
}
