import { SharedAnswers, type SharedQuery } from '../../../src/sources/redis-cache/shared-cache.ts';
import { createSeal } from '../../../src/sources/redis-cache/signed-envelope.ts';
import { FakeStore } from './fake-store.ts';

/** Runs turns of the event loop until the condition holds; compression takes an unknown number of them. */
export async function until(so: () => boolean): Promise<void> {
  while (!so()) await new Promise((resolve) => setImmediate(resolve));
}

/** A call of the source, which the test answers. */
export interface Call {
  answer(text: string): void;
  fail(error: Error): void;
}

/** Replicas with one store and one source, and with a clock that the test sets. */
export class Replicas {
  nowMs = 1_000_000;
  readonly store = new FakeStore(() => this.nowMs);
  /** The calls of the source by all replicas. */
  readonly calls: Call[] = [];
  readonly #pauses: (() => void)[] = [];
  readonly #tasks = new Set<() => void>();

  /** Adds a replica, with an optional error of its clock. */
  start(options: { secret?: string; clockOffMs?: number; heldOff?: (seconds: number) => void } = {}) {
    const counted = { hits: 0, misses: 0, ignored: 0 };
    const answers = new SharedAnswers({
      backend: 'Datadog',
      store: this.store,
      seal: createSeal(options.secret ?? 'an application key', 'https://api.datadoghq.com'),
      maxWaitMs: 6_000,
      now: () => this.nowMs + (options.clockOffMs ?? 0),
      observer: {
        hit: () => {
          counted.hits += 1;
        },
        miss: () => {
          counted.misses += 1;
        },
        ignored: () => {
          counted.ignored += 1;
        },
      },
      onMistake: (error) => {
        throw error;
      },
      ...(options.heldOff === undefined ? {} : { onHeldOff: options.heldOff }),
      clock: {
        monotonic: () => this.nowMs,
        pause: (_, signal) =>
          new Promise((resolve) => {
            const wake = () => {
              signal.removeEventListener('abort', wake);
              resolve();
            };
            this.#pauses.push(wake);
            signal.addEventListener('abort', wake, { once: true });
          }),
        every: (_, task) => {
          this.#tasks.add(task);
          return () => this.#tasks.delete(task);
        },
      },
    });
    const ask = (name = 'question', signal = new AbortController().signal) =>
      answers.once(this.#query(name), signal);
    return { answers, counted, ask };
  }

  /** The number of replicas that wait for another one's answer. */
  get waiting(): number {
    return this.#pauses.length;
  }

  /** Advances the clock: running holders extend their locks, and waiting replicas check again. */
  async pass(ms: number, { holdersLive = true } = {}): Promise<void> {
    this.nowMs += ms;
    if (holdersLive) for (const task of this.#tasks) task();
    for (const wake of this.#pauses.splice(0)) wake();
  }

  /** Resolves with the nth call of the source when it is made. */
  async call(nth: number): Promise<Call> {
    await until(() => this.calls.length >= nth);
    return this.calls[nth - 1] as Call;
  }

  #query(name: string): SharedQuery<string> {
    return {
      name,
      ttlMs: 60_000,
      ask: () =>
        new Promise((resolve, reject) => {
          this.calls.push({ answer: resolve, fail: reject });
        }),
      write: (text) => ({ text }),
      read: (value) => (value as { text?: string }).text,
    };
  }
}
