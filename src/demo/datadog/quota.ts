import type { RateLimit } from './faults.ts';

/** Calls per period, counted from the start of each period of UNIX time as Datadog's windows are. */
export class Quota {
  readonly #options: { readonly limit: number; readonly periodSeconds: number; readonly name?: string };
  readonly #now: () => number;
  #period = -1;
  #used = 0;

  constructor(
    options: { readonly limit: number; readonly periodSeconds: number; readonly name?: string },
    now: () => number,
  ) {
    this.#options = options;
    this.#now = now;
  }

  /** Counts a call and says what is left after it. */
  take(): RateLimit & { readonly exceeded: boolean } {
    const { limit, periodSeconds, name = 'query' } = this.#options;
    const seconds = this.#now() / 1000;
    const period = Math.floor(seconds / periodSeconds);
    if (period !== this.#period) {
      this.#period = period;
      this.#used = 0;
    }
    this.#used++;
    const resetSeconds = Math.ceil((period + 1) * periodSeconds - seconds);
    const remaining = Math.max(0, limit - this.#used);
    return { limit, periodSeconds, remaining, resetSeconds, name, exceeded: this.#used > limit };
  }
}
