import { SourceError } from '../../domain/errors.ts';
import { anyBackend } from '../../domain/judge/summary.ts';
import type { BatchQuery, MetricsSource } from '../../domain/metrics/metrics-source.ts';

/** Calls about now that are under way: calls about the past wait behind them. */
export class LiveCalls {
  #underWay = 0;
  readonly #whenNone: (() => void)[] = [];

  get any(): boolean {
    return this.#underWay > 0;
  }

  /** Called whenever the last call has come back. */
  onNone(task: () => void): void {
    this.#whenNone.push(task);
  }

  counted(inner: MetricsSource): MetricsSource {
    return {
      measure: async (query, signal) => {
        this.#underWay += 1;
        try {
          return await inner.measure(query, signal);
        } finally {
          this.#underWay -= 1;
          if (this.#underWay === 0) for (const task of this.#whenNone) task();
        }
      },
    };
  }
}

/** What the backend's answers say about its rate limit. */
export interface RateLimitNews {
  readonly remaining: number;
  /** Calls of a whole period. */
  readonly limit?: number;
  /** Until the next period begins. */
  readonly resetSeconds?: number;
}

/** Of the backend's rate limit, so much is left to questions about now. */
const reservedShare = 0.5;
/** Calls about the past, whatever the limit is: so many at once, and so many a minute in the long run. */
const burstCalls = 40;
const callsPerMinute = 10;

/** Which calls about the past the rate limit has room for. `now` is monotonic ms. */
export class PastAllowance {
  readonly #now: () => number;
  #tokens = burstCalls;
  #filledMs: number;
  #reservedUntilMs = Number.NEGATIVE_INFINITY;

  constructor(now: () => number) {
    this.#now = now;
    this.#filledMs = now();
  }

  note({ remaining, limit, resetSeconds }: RateLimitNews): void {
    const isReserved = limit === undefined ? remaining === 0 : remaining < limit * reservedShare;
    this.#reservedUntilMs = isReserved
      ? this.#now() + (resetSeconds ?? 60) * 1_000
      : Number.NEGATIVE_INFINITY;
  }

  /** Takes one call; or how many seconds to wait until there is one. */
  take(): number | undefined {
    const nowMs = this.#now();
    this.#tokens = Math.min(
      burstCalls,
      this.#tokens + (Math.max(0, nowMs - this.#filledMs) / 60_000) * callsPerMinute,
    );
    this.#filledMs = nowMs;
    if (nowMs < this.#reservedUntilMs) return Math.ceil((this.#reservedUntilMs - nowMs) / 1_000);
    if (this.#tokens < 1) return Math.ceil(((1 - this.#tokens) * 60) / callsPerMinute);
    this.#tokens -= 1;
    return undefined;
  }
}

export interface PastSourceOptions {
  readonly live: LiveCalls;
  readonly allowance: PastAllowance;
  /** Calls at the same time. */
  readonly maxConcurrent: number;
  /** The longest wait for questions about now, in ms. */
  readonly maxWaitMs: number;
}

/**
 * A MetricsSource for questions about the past, which must not cost those about now: a few calls at a time, behind the others,
 * and out of a part of the rate limit. Throws what the inner source throws; gate_overloaded and source_rate_limited where there is
 * no room.
 */
export function createPastSource(
  inner: MetricsSource,
  { live, allowance, maxConcurrent, maxWaitMs }: PastSourceOptions,
): MetricsSource {
  let underWay = 0;
  const waiting = new Set<() => void>();
  const goOn = () => {
    for (const start of waiting) {
      if (live.any || underWay >= maxConcurrent) return;
      start();
    }
  };
  live.onNone(goOn);

  function turn(query: BatchQuery, signal: AbortSignal): Promise<void> {
    if (!live.any && underWay < maxConcurrent) {
      underWay += 1;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const leave = () => {
        waiting.delete(start);
        clearTimeout(timer);
        signal.removeEventListener('abort', giveUp);
      };
      const start = () => {
        leave();
        underWay += 1;
        resolve();
      };
      const giveUp = () => {
        leave();
        reject(noRoom(query));
      };
      const timer = setTimeout(giveUp, maxWaitMs);
      signal.addEventListener('abort', giveUp, { once: true });
      waiting.add(start);
    });
  }

  return {
    async measure(query, signal) {
      await turn(query, signal);
      try {
        const seconds = allowance.take();
        if (seconds !== undefined) throw noCalls(query, seconds);
        return await inner.measure(query, signal);
      } finally {
        underWay -= 1;
        goOn();
      }
    },
  };
}

function backendOf({ batch }: BatchQuery): string {
  return (batch.services[0]?.service.dialect ?? anyBackend).backend;
}

function noRoom(query: BatchQuery): SourceError {
  return new SourceError(
    'gate_overloaded',
    `questions about now go first, and left no time to ask ${backendOf(query)} about the past`,
    'Ask again in a few seconds.',
  );
}

function noCalls(query: BatchQuery, seconds: number): SourceError {
  return new SourceError(
    'source_rate_limited',
    `the part of ${backendOf(query)}'s rate limit that is for questions about the past is used up for ${seconds} s`,
    `Ask again in ${seconds} s.`,
    { retryAfterSeconds: seconds },
  );
}
