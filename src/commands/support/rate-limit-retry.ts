import { SourceError } from '../../domain/errors.ts';

/** Waits for a number of ms. */
export type Sleep = (ms: number) => Promise<unknown>;

const maxWaits = 5;
/** The longest wait for a reset of the rate limit. */
const longestWaitSeconds = 900;

/**
 * Makes calls one after another, at least `everyMs` apart, to leave most of the organisation's rate limit to the gate.
 * After a 429 it waits for the reset and tries again. Throws the call's SourceError if the wait would be too long or too
 * often.
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
