import { LRUCache } from 'lru-cache';

export interface RateLimiter {
  /** Counts one request of a caller. Undefined where it is within the limit, else the seconds until the next one is. */
  take(caller: string): number | undefined;
}

/** Callers beyond it are forgotten, the one that was silent longest first: a forgotten one starts anew. */
const maxCallers = 10_000;
const minuteMs = 60_000;

/**
 * Lets each caller ask `perMinute` times a minute: all at once or spread out, then one more as each one's share of the
 * minute has passed (GCRA, ITU-T I.371). A refused request costs nothing.
 */
export function createRateLimiter(perMinute: number, monotonicMs = () => performance.now()): RateLimiter {
  const shareMs = minuteMs / perMinute;
  /** When a caller's allowance would be whole again. */
  const wholeAtMs = new LRUCache<string, number>({ max: maxCallers });
  return {
    take(caller) {
      const nowMs = monotonicMs();
      const whole = Math.max(wholeAtMs.get(caller) ?? nowMs, nowMs) + shareMs;
      // Rounding must not cost the last request of the minute.
      const tooEarlyMs = whole - nowMs - minuteMs;
      if (tooEarlyMs > 1e-6) return Math.max(1, Math.ceil(tooEarlyMs / 1000));
      wholeAtMs.set(caller, whole);
      return undefined;
    },
  };
}
