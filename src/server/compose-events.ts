import type { Logger } from 'pino';
import type { Registry as MetricsRegistry } from 'prom-client';
import type { VerdictObserver } from '../domain/ports/verdict-events.ts';
import type { GivenEntry, VerdictHistory } from '../domain/ports/verdict-history.ts';
import type { Registry } from '../domain/registry/model.ts';
import type { EventSettings } from '../settings/settings.ts';
import { createEventSink } from '../sources/datadog/api/change-events.ts';
import { DatadogConnection } from '../sources/datadog/api/connection.ts';
import { createEventMetrics } from '../verdict-events/metrics.ts';
import { type SentVerdicts, sentByHistory, sentInRedis } from '../verdict-events/sent-verdicts.ts';
import { createVerdictEvents, type VerdictEvents } from '../verdict-events/verdict-events.ts';

/** Wires events about verdicts. Part of the composition root. */

export interface EventParts {
  /** Undefined: replicas do not know what the others have sent. */
  readonly redisUrl: string | undefined;
  readonly logger: Logger;
  readonly metrics: MetricsRegistry;
  /** Epoch ms. */
  readonly now: () => number;
  /** As the shared cache has it: replicas with the same secret and origin know of each other. */
  readonly secret: string;
  readonly origin: string;
  /** Of an environment; undefined: it is not there any more. */
  readonly registry: (environment: string | undefined) => Registry | undefined;
}

export interface Events {
  readonly observer: VerdictObserver<GivenEntry>;
  /** Nothing is sent before. */
  start(history: VerdictHistory): void;
  /** Sends what is waiting, within a second. */
  close(): Promise<void>;
}

/** For one event, retries included. Nobody waits for it. */
const sendLimitMs = 5_000;
const maxAnswerBytes = 64 * 1024;
const commandTimeoutMs = 1_000;

export async function openEvents({ apiKey, url }: EventSettings, parts: EventParts): Promise<Events> {
  const { logger, metrics, now, registry } = parts;
  const shared = parts.redisUrl === undefined ? undefined : await openSent(parts.redisUrl, parts);
  // A connection of its own: its key, its rate limit and its outages are not those of the queries.
  const connection = new DatadogConnection({
    apiKey,
    url,
    deadlineMs: sendLimitMs,
    maxAnswerBytes,
    epochNow: now,
  });
  const eventMetrics = createEventMetrics(metrics);
  const startedMs = now();
  let events: VerdictEvents | undefined;
  return {
    observer: { noted: (release, entry) => events?.noted(release, entry) },
    start(history) {
      events = createVerdictEvents({
        sink: createEventSink(connection),
        sent: shared?.sent ?? sentByHistory(history, startedMs),
        history,
        envOf: (service, environment) => registry(environment)?.services.get(service)?.env,
        now,
        logger,
        metrics: eventMetrics,
      });
    },
    async close() {
      await events?.close();
      shared?.close();
    },
  };
}

async function openSent(
  url: string,
  { logger, secret, origin }: EventParts,
): Promise<{ readonly sent: SentVerdicts; close(): void }> {
  // Loaded on demand: a gate without Redis does not need it.
  const [{ RedisStore }, { createSeal }] = await Promise.all([
    import('../sources/redis-cache/redis-store.ts'),
    import('../sources/redis-cache/signed-envelope.ts'),
  ]);
  const store = new RedisStore({
    url,
    prefix: 'cuj-gate:',
    commandTimeoutMs,
    onChange: (up, why) => logger.debug({ up, why }, 'connection of events to Redis changed'),
  });
  const sent = sentInRedis(store, `{${createSeal(secret, origin).namespace}}:`);
  return { sent, close: () => store.close() };
}
