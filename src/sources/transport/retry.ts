import { SourceError, type SourceErrorCode } from '../../domain/errors.ts';

/** What retries depend on besides the attempts themselves. */
export interface AttemptClock {
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** 0 (inclusive) to 1. */
  readonly random: () => number;
  /** Resolves after so many ms; rejects when the signal aborts. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** What a backend says of trouble. */
export interface RetryRules {
  /** Codes of trouble that may pass by itself, unless the error is lasting. */
  readonly mayPass: readonly SourceErrorCode[];
  /** The source_timeout of a deadline, in ms. */
  readonly timedOut: (deadlineMs: number) => SourceError;
}

const maxRetries = 2;
const firstPauseMs = 200;
/** The share of what is left that one attempt may take, so that a hanging connection leaves room for another. */
const attemptShare = 0.6;
/** A retry that gets less than this share of the deadline is not worth a call. */
const minShare = 1 / 16;

/**
 * Runs attempts until one succeeds, inside one deadline. Another attempt follows trouble that may pass by itself
 * (the rules' codes, an attempt that took too long), twice at most, and no other, such as a rejection or a 429.
 * Throws the last attempt's SourceError, source_timeout when the deadline or the caller's signal cut it off.
 */
export async function withAttempts<T>(
  attempt: (signal: AbortSignal) => Promise<T>,
  signal: AbortSignal,
  deadlineMs: number,
  clock: AttemptClock,
  { mayPass, timedOut }: RetryRules,
): Promise<T> {
  const endMs = clock.now() + deadlineMs;
  for (let retries = 0; ; retries += 1) {
    const leftMs = endMs - clock.now();
    if (signal.aborted || leftMs <= 0) throw timedOut(deadlineMs);
    try {
      return await limited(attempt, signal, retries < maxRetries ? leftMs * attemptShare : leftMs);
    } catch (error) {
      // What is not a SourceError is a mistake of ours: it must be seen, not retried.
      if (!(error instanceof SourceError) && error !== tookTooLong) throw error;
      const failure = error instanceof SourceError ? error : timedOut(deadlineMs);
      if (signal.aborted) throw timedOut(deadlineMs);
      if (retries === maxRetries || failure.lasting || !mayPass.includes(failure.code)) throw failure;
      const pauseMs = firstPauseMs * 2 ** retries * (0.5 + clock.random() / 2);
      if (endMs - clock.now() - pauseMs < deadlineMs * minShare) throw failure;
      await clock.sleep(pauseMs, signal).catch(() => {
        throw timedOut(deadlineMs);
      });
    }
  }
}

const tookTooLong = Symbol('the attempt took too long');

/** One attempt under a signal of its own, which follows the caller's and a timer. Rejects as soon as either fires. */
async function limited<T>(
  attempt: (signal: AbortSignal) => Promise<T>,
  outer: AbortSignal,
  ms: number,
): Promise<T> {
  const controller = new AbortController();
  const stop = () => controller.abort(tookTooLong);
  const timer = setTimeout(stop, ms);
  outer.addEventListener('abort', stop, { once: true });
  const stopped = new Promise<never>((_, reject) => {
    controller.signal.addEventListener('abort', () => reject(tookTooLong), { once: true });
  });
  try {
    return await Promise.race([attempt(controller.signal), stopped]);
  } finally {
    clearTimeout(timer);
    outer.removeEventListener('abort', stop);
  }
}
