import { hourMs, minuteMs } from '../../../domain/duration.ts';
import { SourceError } from '../../../domain/errors.ts';
import {
  type LabelMatcher,
  type Labels,
  labelOf,
  matcherTest,
  regexProblem,
} from '../query/label-matchers.ts';
import type { PrometheusConnection } from './connection.ts';
import { storeHint } from './error-mapping.ts';
import { type LostStore, LostStores, rememberedMs } from './lost-stores.ts';
import { couldHoldCounters, type ListedStore, listStores, showStore, storesPath } from './store-list.ts';

/**
 * Thanos Query answers without the samples of a store that it does not reach, and without a warning, unless the store's endpoint is strict.
 * Its list of stores tells. Other backends have no such list, and nothing is refused by what cannot be told of them.
 */

/** What samples a question reads. */
export interface ReadSamples {
  readonly matchers: readonly LabelMatcher[];
  /** Epoch ms. */
  readonly fromMs: number;
  readonly toMs: number;
}

/** What is known of the stores at some moment. */
export type StoreState =
  | { readonly listed: readonly ListedStore[]; readonly lost: readonly LostStore[] }
  /** Thanos Query lists its stores, and did not for a while. A message. */
  | { readonly unreadable: string }
  /** Not Thanos, or nothing tells. */
  | undefined;

export interface StoreWatchOptions {
  /** Epoch ms; the system's clock by default. */
  readonly epochNow?: () => number;
  /** A list that takes longer is given up. Default 2,000. */
  readonly timeoutMs?: number;
}

/** All questions of a process share a list for so long. */
export const sharedMs = 2_000;
/** The last list still holds for so long where the next ones fail. */
const graceMs = minuteMs;
/** A backend that does not list stores is asked again after so long, and each time after twice as long. Some have alerts for paths that they do not know. */
const firstPauseMs = minuteMs;
const maxPauseMs = hourMs;
const defaultTimeoutMs = 2_000;

/** What Thanos Query says of its stores, for all questions of a process. Asks nothing by itself. */
export class StoreWatch {
  readonly #connection: Pick<PrometheusConnection, 'get' | 'redact'>;
  readonly #now: () => number;
  readonly #timeoutMs: number;
  readonly #lost = new LostStores();
  #state: StoreState;
  /** Epoch ms of the last list, and of the first failure since. */
  #listedMs: number | undefined;
  #failingMs: number | undefined;
  /** Answers without a list, one after the other. */
  #refusals = 0;
  #nextMs = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | undefined;

  constructor(connection: Pick<PrometheusConnection, 'get' | 'redact'>, options: StoreWatchOptions = {}) {
    this.#connection = connection;
    this.#now = options.epochNow ?? Date.now;
    this.#timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
  }

  /** The state of the last two seconds: asks for it where it is older. Never rejects because of the backend. */
  async latest(): Promise<StoreState> {
    // A clock that is set back must not stop it.
    const nowMs = this.#now();
    if (nowMs >= this.#nextMs || this.#nextMs - nowMs > maxPauseMs) {
      this.#reading ??= this.#read(nowMs).finally(() => {
        this.#reading = undefined;
      });
    }
    await this.#reading;
    return this.#state;
  }

  async #read(nowMs: number): Promise<void> {
    const found = await listStores(this.#connection, this.#timeoutMs);
    if (!('kind' in found)) {
      this.#state = { listed: found, lost: this.#lost.after(found, nowMs) };
      this.#listedMs = nowMs;
      this.#failingMs = undefined;
      this.#refusals = 0;
      this.#nextMs = nowMs + sharedMs;
    } else if (found.kind === 'failed') this.#failed(nowMs, found.why);
    else {
      // Not for a moment only: no other backend has this list, and a proxy may forbid it. A verdict cannot wait for it.
      this.#state = undefined;
      this.#nextMs = nowMs + Math.min(maxPauseMs, firstPauseMs * 2 ** this.#refusals);
      this.#refusals += 1;
    }
  }

  #failed(nowMs: number, why: string): void {
    this.#failingMs ??= nowMs;
    if (this.#state === undefined || nowMs - this.#failingMs >= rememberedMs) {
      this.#state = undefined;
      this.#nextMs = nowMs + firstPauseMs;
      return;
    }
    this.#nextMs = nowMs + sharedMs;
    if (nowMs - (this.#listedMs ?? nowMs) <= graceMs) return;
    this.#state = { unreadable: `Thanos Query does not list its stores (${storesPath}): ${why}` };
  }
}

/** Throws SourceError source_unavailable where a store that could hold samples of a question was missing. */
export function refuseMissingStores(state: StoreState, reads: readonly ReadSamples[]): void {
  if (state === undefined) return;
  if ('unreadable' in state) {
    throw new SourceError(
      'source_unavailable',
      state.unreadable,
      'So nothing tells whether samples are missing. Check Thanos Query. A running gate asks again by itself.',
      { lasting: true },
    );
  }
  const concerned = (store: ListedStore) => reads.some((one) => couldHold(store, one));
  const failed = state.listed.filter((store) => store.error !== undefined && concerned(store));
  const [first] = failed;
  if (first !== undefined) {
    throw new SourceError(
      'source_unavailable',
      `Thanos Query does not reach its store ${showStore(first)}${andMore(failed)}: ${first.error}`,
      storeHint,
      { lasting: true },
    );
  }
  const lost = state.lost.filter(({ store }) => concerned(store));
  const [last] = lost;
  if (last === undefined) return;
  throw new SourceError(
    'source_unavailable',
    `Thanos Query has lost its store ${showStore(last.store)}${andMore(lost)}, which answered last at ${clock(last.seenMs)} UTC.`,
    `Its samples are missing from every answer. Check it. If it is gone for good, restart the gate, or wait until ${clock(last.untilMs)} UTC: then it is forgotten.`,
    { lasting: true },
  );
}

/** False only where it is certain. */
function couldHold(store: ListedStore, read: ReadSamples): boolean {
  const { labelSets } = store;
  if (!couldHoldCounters(store, read)) return false;
  return labelSets.length === 0 || labelSets.some((labels) => !contradict(labels, read.matchers));
}

/** External labels are on every series of a store, with these values. Thanos does not ask a store that they exclude either. */
function contradict(labels: Labels, matchers: readonly LabelMatcher[]): boolean {
  return matchers.some(
    (matcher) =>
      labelOf(labels, matcher.label) !== '' && isApplicable(matcher) && !matcherTest(matcher)(labels),
  );
}

function isApplicable({ operator, value }: LabelMatcher): boolean {
  return operator === '=' || operator === '!=' || regexProblem(value) === undefined;
}

function andMore({ length }: readonly unknown[]): string {
  return length > 1 ? ` and ${length - 1} more` : '';
}

/** `14:02`. */
function clock(epochMs: number): string {
  return new Date(epochMs).toISOString().slice(11, 16);
}
