import { randomUUID } from 'node:crypto';
import { SourceError, type SourceErrorCode } from '../../domain/errors.ts';
import { SharedLimit } from './shared-rate-limit.ts';
import type { Seal } from './signed-envelope.ts';
import { type SharedStore, SharedStoreDown } from './store-port.ts';

/** Told what became of each question; exactly one of the first two for each that could be shared. */
export interface SharingObserver {
  /** Another replica's answer served it, at once or after waiting for it. */
  hit(): void;
  /** It went to the source. */
  miss(): void;
  /** What lay in the store under our name was none of ours: foreign, damaged, or of another time. */
  ignored(): void;
}

export interface SharingOptions {
  /** The backend's name, in messages. */
  readonly backend: string;
  readonly store: SharedStore;
  readonly seal: Seal;
  /** The longest wait for another replica's answer, in ms; what is left of the deadline must be enough to ask. */
  readonly maxWaitMs: number;
  /** Epoch ms. */
  readonly now: () => number;
  readonly observer?: SharingObserver;
  /** Told that another replica has met the rate limit, in seconds until its reset. */
  readonly onHeldOff?: (seconds: number) => void;
  /** Told of a mistake of ours that kept an answer from being shared; the answer itself was given. */
  readonly onMistake?: (error: unknown) => void;
  readonly clock?: Partial<SharingClock>;
}

export interface SharingClock {
  /** Monotonic ms. */
  readonly monotonic: () => number;
  /** Resolves after so many ms, or as soon as the signal aborts. */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Calls the task every so many ms until it is told to stop. */
  readonly every: (ms: number, task: () => void) => () => void;
}

/** One question that equal questions of other replicas need not ask again. */
export interface SharedQuery<T> {
  /** The same for equal questions, and for no others. */
  readonly name: string;
  /** How long an answer is good for, at most. */
  readonly ttlMs: number;
  /** How long this answer is good for. Default: `ttlMs`. */
  keptMs?(answer: T): number;
  /** Throws SourceError. */
  ask(): Promise<T>;
  write(answer: T): unknown;
  /** Undefined where the value is no answer to this question. */
  read(value: unknown): T | undefined;
}

/** A lock outlives its holder by so much at most: then another replica asks. */
const lockMs = 2_000;
const extendEveryMs = 600;
const pollMs = 100;
/** Tells those that wait that there is no answer; later callers query again. */
const failureMs = 2_000;
/** What a source's trouble is for all replicas alike. A rejection may be one replica's own keys. */
const sharedFailureCodes: readonly SourceErrorCode[] = [
  'source_unavailable',
  'source_malformed',
  'source_timeout',
];

interface Failure {
  readonly id: string;
  readonly code: SourceErrorCode;
  readonly message: string;
  readonly hint: string;
}

type Found<T> = { readonly answer: T } | { readonly failure: Failure } | undefined;

/**
 * Answers that replicas share through a store: across all of them one asks, the others wait for what it hears. A store
 * that is down, slow or full of foreign values costs calls and never an answer: whatever goes wrong with it, the source
 * is asked directly.
 */
export class SharedAnswers {
  readonly #options: SharingOptions;
  readonly #clock: SharingClock;
  readonly #limit: SharedLimit;
  readonly #telling = new Set<Promise<void>>();

  constructor(options: SharingOptions) {
    this.#options = options;
    this.#clock = { monotonic: () => performance.now(), pause, every, ...options.clock };
    this.#limit = new SharedLimit({
      ...options,
      monotonic: this.#clock.monotonic,
      ignored: () => options.observer?.ignored(),
      onHeldOff: (seconds) => options.onHeldOff?.(seconds),
    });
  }

  /**
   * Answers from what another replica has heard, or asks. Throws what `ask` throws, what another replica's `ask` has
   * just thrown while this one waited for it, and source_rate_limited before a reset that another replica was told.
   */
  async once<T>(query: SharedQuery<T>, signal: AbortSignal): Promise<T> {
    const name = `${this.#options.seal.namespace}:${query.name}`;
    let before: Found<T>;
    try {
      before = await this.#read(name, query);
    } catch (error) {
      return this.#without(error, query);
    }
    if (before !== undefined && 'answer' in before) return this.#hit(before.answer);
    const token = randomUUID();
    const lock = `${name}:lock`;
    const old = before?.failure.id;
    const end = this.#clock.monotonic() + this.#options.maxWaitMs;
    for (;;) {
      let found: Found<T>;
      let mine = false;
      try {
        mine = await this.#options.store.acquire(lock, token, lockMs);
        // Its last holder may have answered, or failed, since the first read.
        found = await this.#read(name, query);
      } catch (error) {
        if (mine) void this.#tell(() => this.#options.store.release(lock, token));
        return this.#without(error, query);
      }
      if (found !== undefined && 'failure' in found && found.failure.id === old) found = undefined;
      if (mine && found === undefined) break;
      if (mine) void this.#tell(() => this.#options.store.release(lock, token));
      if (found !== undefined) {
        if ('answer' in found) return this.#hit(found.answer);
        this.#options.observer?.hit();
        const { code, message, hint } = found.failure;
        throw new SourceError(code, message, hint);
      }
      if (signal.aborted || this.#clock.monotonic() >= end) {
        this.#options.observer?.miss();
        return this.#noting(query.ask());
      }
      await this.#clock.pause(pollMs, signal);
    }
    this.#options.observer?.miss();
    return this.#askForAll(name, lock, token, query, signal);
  }

  /** Lets the other replicas know of a 429, `seconds` before its reset. Resolves when they can know; never rejects. */
  limited(seconds: number): Promise<void> {
    return this.#tell(() => this.#limit.publish(seconds));
  }

  /** Resolves when all that has been heard is in the store, or cannot be. */
  async settled(): Promise<void> {
    await Promise.all(this.#telling);
  }

  #hit<T>(answer: T): T {
    this.#options.observer?.hit();
    return answer;
  }

  /** Where the store cannot be asked. Throws what is no trouble of the store's. */
  #without<T>(error: unknown, query: SharedQuery<T>): Promise<T> {
    if (!(error instanceof SharedStoreDown)) throw error;
    return this.#noting(query.ask());
  }

  /** A 429 is for all, even where the answer is not. */
  async #noting<T>(asked: Promise<T>): Promise<T> {
    return asked.catch((error: unknown) => {
      void this.#noteLimit(error);
      throw error;
    });
  }

  async #noteLimit(error: unknown): Promise<void> {
    if (error instanceof SourceError && error.code === 'source_rate_limited') {
      await this.limited(error.retryAfterSeconds ?? 1);
    }
  }

  async #askForAll<T>(
    name: string,
    lock: string,
    token: string,
    query: SharedQuery<T>,
    signal: AbortSignal,
  ): Promise<T> {
    const { now, seal, store } = this.#options;
    const stop = this.#clock.every(extendEveryMs, () => {
      store.extend(lock, token, lockMs).catch(() => {});
    });
    /** Not awaited: the caller has the answer already. */
    const tell = (value: () => object | undefined, ttlMs: number, first?: Promise<void>) =>
      this.#tell(async () => {
        try {
          await first;
          const told = value();
          if (told !== undefined) await store.set(name, await seal.close(name, told, now()), ttlMs);
        } finally {
          stop();
          await store.release(lock, token);
        }
      });
    let answer: T;
    try {
      answer = await query.ask();
    } catch (error) {
      // If all callers have gone, the call was aborted: that says nothing about the source.
      const isShared =
        error instanceof SourceError && sharedFailureCodes.includes(error.code) && !signal.aborted;
      const failure = isShared
        ? { failure: { id: token, code: error.code, message: error.message, hint: error.hint } }
        : undefined;
      // The next owner of the lock must know of a 429 by then.
      void tell(() => failure, failureMs, this.#noteLimit(error));
      throw error;
    }
    void tell(() => ({ answer: query.write(answer) }), query.keptMs?.(answer) ?? query.ttlMs);
    return answer;
  }

  #tell(task: () => Promise<void>): Promise<void> {
    const telling = task()
      .catch((error: unknown) => {
        if (!(error instanceof SharedStoreDown)) this.#options.onMistake?.(error);
      })
      .finally(() => this.#telling.delete(telling));
    this.#telling.add(telling);
    return telling;
  }

  /** What is known under the name. Throws source_rate_limited where nothing is known and calls are blocked. */
  async #read<T>(name: string, query: SharedQuery<T>): Promise<Found<T>> {
    const [bytes] = await Promise.all([this.#options.store.get(name), this.#limit.learn()]);
    const found = bytes === undefined ? undefined : await this.#open(name, bytes, query);
    if (found === undefined || !('answer' in found)) this.#limit.check();
    return found;
  }

  async #open<T>(name: string, bytes: Buffer, query: SharedQuery<T>): Promise<Found<T>> {
    const { seal, now, observer } = this.#options;
    const value = (await seal.open(name, bytes, now(), query.ttlMs)) as
      | { readonly answer?: unknown; readonly failure?: Failure }
      | undefined;
    if (value?.failure !== undefined) return { failure: value.failure };
    const answer = value === undefined ? undefined : query.read(value.answer);
    if (answer !== undefined) return { answer };
    observer?.ignored();
    return undefined;
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
  });
}

function every(ms: number, task: () => void): () => void {
  const timer = setInterval(task, ms);
  timer.unref();
  return () => clearInterval(timer);
}
