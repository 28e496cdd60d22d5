import type { DropReason } from './metrics.ts';

export interface WriteQueueOptions<T> {
  /** Called for one item at a time. */
  readonly write: (item: T) => Promise<void>;
  /** How many may wait. */
  readonly max: number;
  /** The pause between two writes, in ms: writing must not take the process from those who wait for answers. */
  readonly pauseMs: number;
  /** Items a minute in the long run; so many at once may come before. */
  readonly perMinute: number;
  readonly burst: number;
  /** Epoch ms. */
  readonly now: () => number;
  readonly onKept: () => void;
  readonly onDropped: (item: T, reason: DropReason, why: string) => void;
}

/** A bounded queue with one writer in the background. What it has no room for is dropped. */
export class WriteQueue<T> {
  readonly #options: WriteQueueOptions<T>;
  readonly #waiting: T[] = [];
  #tokens: number;
  #filledMs: number;
  #working: Promise<void> | undefined;
  #wake: (() => void) | undefined;
  #hurried = false;
  #closed = false;

  constructor(options: WriteQueueOptions<T>) {
    this.#options = options;
    this.#tokens = options.burst;
    this.#filledMs = options.now();
  }

  /** Never throws, and never waits. */
  add(item: T): void {
    const { max, burst, perMinute, now, onDropped } = this.#options;
    const nowMs = now();
    this.#tokens = Math.min(burst, this.#tokens + (Math.max(0, nowMs - this.#filledMs) / 60_000) * perMinute);
    this.#filledMs = nowMs;
    if (this.#closed) return;
    if (this.#tokens < 1) {
      onDropped(item, 'too_many', `more than ${perMinute} verdicts a minute are to be kept`);
      return;
    }
    if (this.#waiting.length >= max) {
      onDropped(item, 'queue_full', `${max} verdicts wait to be written`);
      return;
    }
    this.#tokens -= 1;
    this.#waiting.push(item);
    this.#working ??= this.#work();
  }

  /** Writes what is waiting without pauses, for so long at most; nothing is taken any more. */
  async close(limitMs: number): Promise<void> {
    this.#closed = true;
    this.#hurried = true;
    this.#wake?.();
    if (this.#working === undefined) return;
    let late: NodeJS.Timeout | undefined;
    const limit = new Promise<void>((resolve) => {
      late = setTimeout(resolve, limitMs);
    });
    await Promise.race([this.#working, limit]);
    clearTimeout(late);
    this.#waiting.length = 0;
  }

  async #work(): Promise<void> {
    const { write, onKept, onDropped, pauseMs } = this.#options;
    // The answer goes out first.
    await this.#pause(0);
    for (let item = this.#waiting.shift(); item !== undefined; item = this.#waiting.shift()) {
      try {
        await write(item);
        onKept();
      } catch (error) {
        onDropped(item, 'write_failed', (error as Error).message);
      }
      await this.#pause(pauseMs);
    }
    this.#working = undefined;
  }

  #pause(ms: number): Promise<void> {
    if (this.#hurried) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
