import { SourceError } from '../../domain/errors.ts';

/** Waits for so many ms. */
export type Sleep = (ms: number) => Promise<unknown>;

const maxWaits = 5;
/** A reset that is further away than this is not worth waiting for. */
const longestWaitSeconds = 900;

/**
 * Makes calls one after another, at least `everyMs` apart, so that the gate that shares the organisation's rate limit
 * keeps its share; after a 429 nothing is asked before its reset, and then again. Throws the call's own SourceError
 * where waiting leads nowhere.
 */
export function retryOnRateLimit(
  everyMs: number,
  sleep: Sleep,
  onWait: (seconds: number) => void,
): <T>(call: () => Promise<T>) => Promise<T> {
  let first = true;
  return async (call) => {
    if (!first) await sleep(everyMs);
    first = false;
    for (let waits = 0; ; waits += 1) {
      try {
        return await call();
      } catch (error) {
        const seconds = error instanceof SourceError ? error.retryAfterSeconds : undefined;
        if (seconds === undefined || seconds > longestWaitSeconds || waits === maxWaits) throw error;
        onWait(seconds);
        await sleep(seconds * 1000);
      }
    }
  };
}
