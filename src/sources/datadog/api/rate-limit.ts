import { SourceError } from '../../../domain/errors.ts';
import { boundedSeconds, maxWaitSeconds, numberIn, secondsUntilRetry } from '../../transport/header-times.ts';

type Headers = Readonly<Record<string, string | undefined>>;

/** Told how many calls are left, and where the answer says so of how many, and until when. */
export type OnRemaining = (
  remaining: number,
  period: { readonly limit?: number; readonly resetSeconds?: number },
) => void;

/** Default if no header gives a period: Datadog's shortest one. */
const unknownResetSeconds = 10;

/**
 * Datadog's rate limit is the organisation's, so one 429 stops every call of this process until its reset.
 * `now` is monotonic ms; `epochNow` is epoch ms, for the dates that Retry-After may hold.
 */
export class RateLimit {
  readonly #now: () => number;
  readonly #epochNow: () => number;
  readonly #onRemaining: OnRemaining;
  readonly #onLimited: (seconds: number) => void;
  #blockedUntilMs = Number.NEGATIVE_INFINITY;

  constructor(
    now: () => number,
    epochNow: () => number,
    onRemaining: OnRemaining,
    onLimited: (seconds: number) => void = () => {},
  ) {
    this.#now = now;
    this.#epochNow = epochNow;
    this.#onRemaining = onRemaining;
    this.#onLimited = onLimited;
  }

  /** Sends nothing for this long: another process of the same organisation got a 429. */
  holdOff(seconds: number): void {
    this.#blockedUntilMs = Math.max(this.#blockedUntilMs, this.#now() + seconds * 1000);
  }

  /** Throws SourceError source_rate_limited, with the seconds left, before a reset. */
  check(): void {
    const leftMs = this.#blockedUntilMs - this.#now();
    if (leftMs > 0) throw rateLimited(Math.ceil(leftMs / 1000));
  }

  /** Notes what an answer says about the limit. Throws SourceError source_rate_limited for a 429. */
  note(status: number, headers: Headers): void {
    const remaining = headers['x-ratelimit-remaining'];
    const limit = numberIn(headers['x-ratelimit-limit']);
    const reset = numberIn(headers['x-ratelimit-reset']);
    if (remaining !== undefined && /^\d+$/.test(remaining)) {
      this.#onRemaining(Number(remaining), {
        ...(limit === undefined ? {} : { limit }),
        ...(reset === undefined ? {} : { resetSeconds: Math.min(reset, maxWaitSeconds) }),
      });
    }
    if (status !== 429) return;
    const seconds = this.#resetSeconds(headers);
    // A later 429 of a call that was under way may name an earlier reset: the latest one counts.
    this.holdOff(seconds);
    this.#onRemaining(0, { resetSeconds: seconds });
    this.#onLimited(seconds);
    throw rateLimited(seconds);
  }

  #resetSeconds(headers: Headers): number {
    const reset = numberIn(headers['x-ratelimit-reset']);
    if (reset !== undefined) return boundedSeconds(reset);
    return secondsUntilRetry(headers, this.#epochNow()) ?? unknownResetSeconds;
  }
}

function rateLimited(seconds: number): SourceError {
  return new SourceError(
    'source_rate_limited',
    `Datadog's rate limit is used up; it resets in ${seconds} s, and nothing is asked before.`,
    'Raise the cache TTL or the interval of the AnalysisTemplates, or ask Datadog for a higher limit.',
    { retryAfterSeconds: seconds },
  );
}
