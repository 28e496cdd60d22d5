import { createHash, randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Verdict } from '../domain/judge/judge.ts';
import type { VerdictObserver } from '../domain/ports/verdict-events.ts';
import {
  type AskedAbout,
  type Changes,
  type ChangesQuery,
  type GivenChange,
  type GivenEntry,
  type GivenLook,
  type GivenRecord,
  givenWithinMs,
  maxChanges,
  type Reading,
  type ReleaseInProgress,
  type VerdictHistory,
} from '../domain/ports/verdict-history.ts';
import { AskedReleases, keyOf } from './asked-releases.ts';
import type { ChangeStore } from './change-store.ts';
import { changeOf, type KeptVerdict } from './given-document.ts';
import type { HistoryMetrics } from './metrics.ts';
import { SharedNews } from './shared-news.ts';
import type { SignedStream } from './signed-stream.ts';
import { WriteQueue } from './write-queue.ts';

/** The part of pino's interface that the history uses. */
export interface HistoryLogger {
  warn(fields: object, message: string): void;
}

export interface HistoryOptions {
  /** Epoch ms. */
  readonly now: () => number;
  readonly logger: HistoryLogger;
  /** Where changes are kept; absent: they are not. */
  readonly changes?: { readonly store: ChangeStore; readonly metrics: HistoryMetrics };
  /** Where replicas tell each other what they are asked about; absent: each knows its own questions. */
  readonly news?: SignedStream;
  /** Told every verdict that is given, after it was noted here. */
  readonly observer?: VerdictObserver<GivenEntry> | undefined;
  /** Calls the task at an interval until it is stopped; default: an unref'ed timer. */
  readonly every?: (ms: number, task: () => void) => () => void;
  /** The time limit of a read, in ms. Default 2,000. */
  readonly readLimitMs?: number;
}

/** A verdict that does not change is kept again after so long: a look into the past goes back an hour. */
const keptAgainMs = 30 * 60_000;
const maxQuestions = 5_000;
const newsEveryMs = 5_000;
const closeLimitMs = 1_000;
const logEveryMs = 60_000;
const queue = { max: 300, pauseMs: 25, perMinute: 120, burst: 600 };
/** A list may hold repetitions: replicas keep the same change, each for itself. */
const readPerChange = 3;

interface Waiting {
  readonly question: string;
  readonly verdict: KeptVerdict;
}

/** Keeps the verdicts that were given, as far as there are stores for it. What fails here never concerns an answer. */
export function createVerdictHistory(options: HistoryOptions): VerdictHistory {
  const { now, logger, changes: kept, every = unrefInterval, readLimitMs = 2_000 } = options;
  const releases = new AskedReleases({ now, share: options.news !== undefined });
  const news = options.news === undefined ? undefined : new SharedNews(releases, options.news);
  /** By question with window and since: what was kept of it last. */
  const lastKept = new LRUCache<string, { readonly state: string; readonly atMs: number }>({
    max: maxQuestions,
  });
  let loggedMs = Number.NEGATIVE_INFINITY;
  let droppedSince = 0;

  const writes =
    kept === undefined
      ? undefined
      : new WriteQueue<Waiting>({
          ...queue,
          now,
          write: ({ verdict }) => kept.store.append(verdict),
          onKept: kept.metrics.kept,
          onDropped({ question }, reason, why) {
            // The next look keeps it.
            lastKept.delete(question);
            kept.metrics.dropped(reason);
            droppedSince += 1;
            if (Math.abs(now() - loggedMs) < logEveryMs) return;
            loggedMs = now();
            logger.warn({ reason, why, dropped: droppedSince }, 'verdicts were not kept in the history');
            droppedSince = 0;
          },
        });
  const stopNews =
    news === undefined ? undefined : every(newsEveryMs, () => void news.exchange().catch(() => {}));

  function keep(question: string, entry: GivenEntry, isAgain: boolean): void {
    if (writes === undefined) return;
    const last = lastKept.get(question);
    const isRecent = last !== undefined && entry.atMs - last.atMs < keptAgainMs;
    if (isRecent && isAgain) return;
    const state = stateOf(entry);
    if (isRecent && last.state === state) return;
    lastKept.set(question, { state, atMs: entry.atMs });
    const id = randomBytes(4).toString('hex');
    writes.add({ question, verdict: { change: changeOf(entry, id), entry } });
  }

  async function read<T>(work: (signal: AbortSignal) => Promise<T>): Promise<Reading<T>> {
    const limit = AbortSignal.timeout(readLimitMs);
    try {
      return { available: true, value: await work(limit) };
    } catch (error) {
      const why = limit.aborted
        ? `the history did not answer within ${readLimitMs / 1000} s`
        : `the history cannot be read: ${(error as Error).message}`;
      return { available: false, unavailable: why };
    }
  }

  const notKept = {
    available: false,
    unavailable: 'no history of verdicts is kept: set CUJ_GATE_HISTORY_PATH or CUJ_GATE_HISTORY',
  } as const;

  /** What this replica knows is shown also while the others cannot be asked. */
  async function learn(): Promise<void> {
    if (news === undefined) return;
    let late: NodeJS.Timeout | undefined;
    const limit = new Promise<void>((resolve) => {
      late = setTimeout(resolve, readLimitMs);
    });
    await Promise.race([news.exchange().catch(() => {}), limit]);
    clearTimeout(late);
  }

  return {
    keepsChanges: kept !== undefined,

    given(entry) {
      try {
        const { about, window = '', since = '' } = entry;
        const key = keyOf(about);
        const question = `${key} ${window} ${since}`;
        keep(question, entry, releases.note(key, question, entry));
        options.observer?.noted(key, entry);
      } catch (error) {
        // A mistake of ours must not cost an answer.
        logger.warn({ err: error }, 'a verdict was not noted in the history');
      }
    },

    async inProgress(): Promise<Reading<readonly ReleaseInProgress[]>> {
      await learn();
      return { available: true, value: releases.inProgress() };
    },

    async looksOf(about: AskedAbout): Promise<Reading<readonly GivenLook[]>> {
      await learn();
      return { available: true, value: releases.looksOf(about) };
    },

    async givenAt(about: AskedAbout, atMs: number): Promise<Reading<GivenRecord | undefined>> {
      if (kept === undefined) return notKept;
      return read((signal) => kept.store.latest(about, atMs - givenWithinMs, atMs, signal));
    },

    async changes(query: ChangesQuery): Promise<Reading<Changes>> {
      if (kept === undefined) return notKept;
      const max = Math.min(query.max, maxChanges);
      return read(async (signal) => {
        const { changes, more } = await kept.store.list({ ...query, max: max * readPerChange }, signal);
        const distinct = withoutRepetitions(changes);
        return { changes: distinct.slice(0, max), more: more || distinct.length > max };
      });
    },

    async close() {
      stopNews?.();
      await Promise.all([writes?.close(closeLimitMs), withinLimit(news?.tell())]);
      await kept?.store.close();
    },
  };
}

/**
 * A digest of the outcome and reason of a verdict and of all that it was made of: a change of any of them is kept. The text itself would
 * take 5 kB for a service with 100 CUJs, for each question.
 */
function stateOf({ verdict, judged }: GivenEntry): string {
  const stateOfCuj = ({ cuj, verdict: outcome, reason, wouldBe }: Verdict) =>
    `${cuj} ${outcome} ${reason} ${wouldBe?.verdict ?? ''} ${wouldBe?.reason ?? ''}`;
  const parts = judged.map((one) => stateOfCuj(one.verdict)).sort();
  const text = [`${verdict.verdict} ${verdict.reason}`, ...parts].join('\n');
  return createHash('sha256').update(text).digest('base64');
}

/** Newest first. Of entries that say the same about the same question one after the other, the oldest stays. */
function withoutRepetitions(changes: readonly GivenChange[]): GivenChange[] {
  const newer = new Map<string, number>();
  const distinct: (GivenChange | undefined)[] = [];
  for (const change of changes) {
    const question = `${keyOf(change.about)} ${change.window ?? ''} ${change.since ?? ''}`;
    const at = newer.get(question);
    const before = at === undefined ? undefined : distinct[at];
    if (at !== undefined && before?.verdict === change.verdict && before.reason === change.reason)
      distinct[at] = undefined;
    newer.set(question, distinct.length);
    distinct.push(change);
  }
  return distinct.filter((change) => change !== undefined);
}

async function withinLimit(work: Promise<void> | undefined): Promise<void> {
  if (work === undefined) return;
  let late: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => {
    late = setTimeout(resolve, closeLimitMs);
  });
  await Promise.race([work.catch(() => {}), limit]);
  clearTimeout(late);
}

function unrefInterval(ms: number, task: () => void): () => void {
  const timer = setInterval(task, ms).unref();
  return () => clearInterval(timer);
}
