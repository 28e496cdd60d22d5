import { createHash } from 'node:crypto';
import type { EventSink, VerdictEvent, VerdictObserver } from '../domain/ports/verdict-events.ts';
import type { AskedAbout, GivenEntry, VerdictHistory } from '../domain/ports/verdict-history.ts';
import { EventLimits } from './event-limits.ts';
import { EventQueue, type EventQueueOptions } from './event-queue.ts';
import type { EventDropReason, EventMetrics } from './metrics.ts';
import { type Announcement, ReleaseVerdicts } from './release-verdicts.ts';
import { quietMs, type SentVerdicts } from './sent-verdicts.ts';

/** The part of pino's interface that events use. */
export interface EventLogger {
  warn(fields: object, message: string): void;
}

export interface VerdictEventsOptions {
  readonly sink: EventSink;
  readonly sent: SentVerdicts;
  /** Says when any replica was asked about a release last. */
  readonly history: Pick<VerdictHistory, 'looksOf'>;
  /** Of a service in the registry, or in an environment of it; undefined: it is not there any more. */
  readonly envOf: (service: string, environment: string | undefined) => string | undefined;
  /** Epoch ms. */
  readonly now: () => number;
  readonly logger: EventLogger;
  readonly metrics: EventMetrics;
  /** Calls the task at an interval until it is stopped; default: an unref'ed timer. */
  readonly every?: (ms: number, task: () => void) => () => void;
  readonly sleep?: EventQueueOptions<Announcement>['sleep'];
}

const sweepEveryMs = 30_000;
const closeLimitMs = 1_000;
const logEveryMs = 60_000;

export interface VerdictEvents extends VerdictObserver<GivenEntry> {
  /** Finds releases that are over. */
  sweep(): Promise<void>;
  /** Sends what is waiting, within a second. */
  close(): Promise<void>;
}

/** Tells changes of verdicts and final verdicts to another system. What fails here never concerns an answer. */
export function createVerdictEvents(options: VerdictEventsOptions): VerdictEvents {
  const { sink, sent, history, envOf, now, logger, metrics, every = unrefInterval } = options;
  const releases = new ReleaseVerdicts();
  const limits = new EventLimits(now);
  let loggedMs = Number.NEGATIVE_INFINITY;
  let droppedSince = 0;
  let sweeping: Promise<void> | undefined;

  function drop(reason: EventDropReason, why: string): void {
    metrics.dropped(reason);
    droppedSince += 1;
    if (Math.abs(now() - loggedMs) < logEveryMs) return;
    loggedMs = now();
    logger.warn({ reason, why, dropped: droppedSince }, 'events about verdicts were not sent');
    droppedSince = 0;
  }

  /** Another try keeps what the first one claimed. */
  const claimed = new WeakMap<Announcement, VerdictEvent>();
  const queue = new EventQueue<Announcement>({
    now,
    ...(options.sleep === undefined ? {} : { sleep: options.sleep }),
    onSent: metrics.sent,
    onDropped: drop,
    async send(announcement, signal) {
      let event = claimed.get(announcement);
      if (event === undefined) {
        const { notice, isEnd, firstMs } = announcement;
        const { about, verdict, services } = notice;
        const release = idOf(announcement.release, about, services);
        const claim = await sent.claim({ release, about, verdict, isEnd, firstMs }, signal);
        // Every rollout begins inconclusive: that is no change.
        const isBegin = claim?.previous === undefined && verdict === 'inconclusive' && !isEnd;
        if (claim === undefined || isBegin) return false;
        const refusal = limits.refusal(services, verdict === 'fail');
        if (refusal !== undefined) {
          drop('too_many', refusal);
          return false;
        }
        const { linkAt, ...rest } = notice;
        const envs = envsOf(about, services);
        const { isFinal } = announcement;
        event = { ...rest, ...claim, release, isFinal, envs, link: linkAt?.(notice.atMs) };
        claimed.set(announcement, event);
      }
      await sink.send(event, signal);
      return true;
    },
  });
  const stop = every(sweepEveryMs, () => void sweep());

  function envsOf({ environment }: AskedAbout, services: readonly string[]): string[] {
    return [...new Set(services.flatMap((service) => envOf(service, environment) ?? []))].sort();
  }

  /** Names a release in Redis and Datadog: short, and without the caller's characters. */
  function idOf(release: string, about: AskedAbout, services: readonly string[]): string {
    // Gates of several environments may share Redis and Datadog.
    const text = JSON.stringify([release, envsOf(about, services)]);
    return createHash('sha256').update(text).digest('hex').slice(0, 32);
  }

  async function sweepNow(): Promise<void> {
    for (const { release, about, services, lastMs, ownLastMs } of releases.quiet(now())) {
      const looks = await history.looksOf(about);
      const seen = looks.available ? looks.value.map((look) => look.lastAtMs) : [];
      const newestMs = Math.max(lastMs, ...seen);
      if (now() - newestMs < quietMs) {
        releases.askedElsewhere(release, newestMs);
        continue;
      }
      // The replica that was asked last knows the last verdict.
      const isElsewhere = newestMs > ownLastMs;
      const announcement = releases.end(release);
      if (announcement !== undefined && !isElsewhere) queue.add(announcement);
      else if (!isElsewhere) await sent.forget(idOf(release, about, services));
    }
  }

  function sweep(): Promise<void> {
    sweeping ??= sweepNow()
      .catch((error) => logger.warn({ err: error }, 'an event about a verdict was not made'))
      .finally(() => {
        sweeping = undefined;
      });
    return sweeping;
  }

  return {
    noted(release, entry) {
      const announcement = releases.note(release, entry);
      if (announcement !== undefined) queue.add(announcement);
    },
    sweep,
    async close() {
      stop();
      await queue.close(closeLimitMs);
      await sink.close();
    },
  };
}

function unrefInterval(ms: number, task: () => void): () => void {
  const timer = setInterval(task, ms).unref();
  return () => clearInterval(timer);
}
