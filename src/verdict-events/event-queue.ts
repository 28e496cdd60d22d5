import { setTimeout as delay } from 'node:timers/promises';
import { SourceError } from '../domain/errors.ts';
import type { EventDropReason } from './metrics.ts';

export interface EventQueueOptions<T> {
  /** Called for one item at a time. Throws SourceError, or the signal's reason. Resolves to false where there was nothing to send. */
  readonly send: (item: T, signal: AbortSignal) => Promise<boolean>;
  /** Epoch ms. */
  readonly now: () => number;
  /** Resolves after so many ms; rejects when the signal aborts. Node's own by default. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly onSent: () => void;
  readonly onDropped: (reason: EventDropReason, why: string) => void;
}

const maxWaiting = 200;
/** Older events are dropped: people look at what happens now. */
export const maxAgeMs = 10 * 60_000;
/** The pause after a failure that says nothing about when to try again. */
const retryPauseMs = 30_000;

interface Waiting<T> {
  readonly item: T;
  readonly addedMs: number;
}

/** A bounded queue with one sender in the background. Nobody waits for it. */
export class EventQueue<T> {
  readonly #options: EventQueueOptions<T>;
  readonly #sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly #waiting: Waiting<T>[] = [];
  /** Ends pauses. */
  readonly #closing = new AbortController();
  /** Ends what is being sent. */
  readonly #ended = new AbortController();
  #working: Promise<void> | undefined;

  constructor(options: EventQueueOptions<T>) {
    this.#options = options;
    this.#sleep = options.sleep ?? ((ms, signal) => delay(ms, undefined, { signal, ref: false }));
  }

  /** Never throws, and never waits. */
  add(item: T): void {
    const { now, onDropped } = this.#options;
    if (this.#closing.signal.aborted) onDropped('shutdown', 'the gate is shutting down');
    else if (this.#waiting.length >= maxWaiting)
      onDropped('queue_full', `${maxWaiting} events wait to be sent`);
    else {
      this.#waiting.push({ item, addedMs: now() });
      this.#working ??= this.#work();
    }
  }

  /** Sends what is waiting, for so long at most; nothing is taken any more. */
  async close(limitMs: number): Promise<void> {
    this.#closing.abort();
    if (this.#working === undefined) return;
    const late = setTimeout(() => this.#ended.abort(), limitMs);
    await this.#working;
    clearTimeout(late);
  }

  async #work(): Promise<void> {
    // The answer goes out first.
    await new Promise((resolve) => setImmediate(resolve));
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const failure = await this.#try(next);
      if (failure === undefined) {
        this.#waiting.shift();
        continue;
      }
      const pauseMs = failure.retryInMs;
      const leftMs = next.addedMs + maxAgeMs - this.#options.now();
      if (pauseMs === undefined || pauseMs > leftMs || this.#closing.signal.aborted) {
        this.#waiting.shift();
        this.#options.onDropped(this.#ended.signal.aborted ? 'shutdown' : failure.reason, failure.why);
      }
      // The next event would fare no better at once.
      if (pauseMs !== undefined && !this.#closing.signal.aborted)
        await this.#sleep(pauseMs, this.#closing.signal).catch(() => {});
    }
    this.#working = undefined;
  }

  async #try({ item }: Waiting<T>): Promise<Failure | undefined> {
    if (this.#ended.signal.aborted) return { reason: 'shutdown', why: 'the gate is shutting down' };
    try {
      if (await this.#options.send(item, this.#ended.signal)) this.#options.onSent();
      return undefined;
    } catch (error) {
      return failureOf(error);
    }
  }
}

interface Failure {
  readonly reason: EventDropReason;
  readonly why: string;
  /** Undefined: another try would fail as well. */
  readonly retryInMs?: number;
}

function failureOf(error: unknown): Failure {
  const why = (error as Error).message;
  if (!(error instanceof SourceError)) return { reason: 'unavailable', why };
  if (error.code === 'source_rejected') return { reason: 'rejected', why };
  if (error.code === 'source_rate_limited')
    return { reason: 'rate_limited', why, retryInMs: (error.retryAfterSeconds ?? 0) * 1_000 || retryPauseMs };
  return { reason: 'unavailable', why, retryInMs: retryPauseMs };
}
