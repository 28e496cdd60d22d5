import { LRUCache } from 'lru-cache';

export interface EventLimit {
  /** So many at once. */
  readonly burst: number;
  /** In the long run. */
  readonly perHour: number;
}

/** Ten CUJs make some twenty events in a rollout that passes. */
export const perService: EventLimit = { burst: 60, perHour: 60 };
export const inAll: EventLimit = { burst: 300, perHour: 600 };
/** This share of a limit is kept for fails: passes must not use up what an abort needs. */
const keptForFails = 0.25;
const maxServices = 1_000;

/** Bounds the number of events, for each service and in all. */
export class EventLimits {
  readonly #now: () => number;
  readonly #all: Bucket;
  readonly #services = new LRUCache<string, Bucket>({ max: maxServices });

  /** `now` is epoch ms. */
  constructor(now: () => number) {
    this.#now = now;
    this.#all = new Bucket(inAll, now());
  }

  /** Why one more event is not allowed, as a sentence without its full stop; undefined: it is, and counts. */
  refusal(services: readonly string[], isFail: boolean): string | undefined {
    const nowMs = this.#now();
    const name = services.join(',');
    let own = this.#services.get(name);
    if (own === undefined) {
      own = new Bucket(perService, nowMs);
      this.#services.set(name, own);
    }
    if (!own.has(nowMs, isFail)) return `more than ${perService.perHour} events an hour about ${name}`;
    if (!this.#all.has(nowMs, isFail)) return `more than ${inAll.perHour} events an hour`;
    own.take();
    this.#all.take();
    return undefined;
  }
}

class Bucket {
  readonly #limit: EventLimit;
  #tokens: number;
  #filledMs: number;

  constructor(limit: EventLimit, nowMs: number) {
    this.#limit = limit;
    this.#tokens = limit.burst;
    this.#filledMs = nowMs;
  }

  has(nowMs: number, isFail: boolean): boolean {
    const { burst, perHour } = this.#limit;
    const passedMs = Math.max(0, nowMs - this.#filledMs);
    this.#tokens = Math.min(burst, this.#tokens + (passedMs / 3_600_000) * perHour);
    this.#filledMs = nowMs;
    return this.#tokens >= 1 + (isFail ? 0 : burst * keptForFails);
  }

  take(): void {
    this.#tokens -= 1;
  }
}
