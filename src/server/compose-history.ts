import type { Logger } from 'pino';
import type { Registry as MetricsRegistry } from 'prom-client';
import type { VerdictObserver } from '../domain/ports/verdict-events.ts';
import type { GivenEntry, VerdictHistory } from '../domain/ports/verdict-history.ts';
import type { Settings } from '../settings/settings.ts';
import { looksKeptMs } from '../verdict-history/asked-releases.ts';
import type { ChangeStore } from '../verdict-history/change-store.ts';
import { FolderStore } from '../verdict-history/folder-store.ts';
import { createVerdictHistory } from '../verdict-history/history.ts';
import { createHistoryMetrics } from '../verdict-history/metrics.ts';

/** Wires the history of verdicts. Part of the composition root. */

export interface HistoryParts {
  readonly logger: Logger;
  readonly metrics: MetricsRegistry;
  /** Epoch ms. */
  readonly now: () => number;
  /** As the shared cache has it: entries in Redis are signed with it. */
  readonly secret: string;
  readonly origin: string;
  readonly observer?: VerdictObserver<GivenEntry> | undefined;
}

/** Of what replicas tell each other, in Redis. */
const newsBytes = 16 * 1024 * 1024;
/** Nobody waits for the history but pages, and records are longer than what the cache asks for. */
const commandTimeoutMs = 1_000;

export async function openHistory(settings: Settings, parts: HistoryParts): Promise<VerdictHistory> {
  const { logger, now } = parts;
  const { redisUrl, history } = settings;
  const streams = redisUrl === undefined ? undefined : await openStreams(redisUrl, settings, parts);
  let store: ChangeStore | undefined;
  if (history.store === 'redis') store = streams?.changes;
  else if (history.store === 'folder')
    store = new FolderStore({ ...history, folder: history.path as string, now });
  const kept = createVerdictHistory({
    now,
    logger,
    observer: parts.observer,
    ...(store === undefined ? {} : { changes: { store, metrics: createHistoryMetrics(parts.metrics) } }),
    ...(streams === undefined ? {} : { news: streams.news }),
  });
  return {
    ...kept,
    async close() {
      await kept.close();
      streams?.close();
    },
  };
}

async function openStreams(
  url: string,
  { history: { maxBytes, maxAgeMs } }: Settings,
  { logger, now, secret, origin }: HistoryParts,
) {
  // Loaded on demand: a gate without Redis does not need it.
  const [{ RedisStore }, { createSeal }, { SignedStream }, { RedisChangeStore }] = await Promise.all([
    import('../sources/redis-cache/redis-store.ts'),
    import('../sources/redis-cache/signed-envelope.ts'),
    import('../verdict-history/signed-stream.ts'),
    import('../verdict-history/redis-change-store.ts'),
  ]);
  // A connection of its own: what is slow here must not take the shared cache out of use.
  const store = new RedisStore({
    url,
    prefix: 'cuj-gate:',
    commandTimeoutMs,
    onChange: (up, why) => logger.debug({ up, why }, 'history connection changed'),
  });
  const common = { store, seal: createSeal(secret, origin), now };
  return {
    news: new SignedStream({ ...common, name: 'asked', maxBytes: newsBytes, maxAgeMs: looksKeptMs }),
    changes: new RedisChangeStore(new SignedStream({ ...common, name: 'changes', maxBytes, maxAgeMs })),
    close: () => store.close(),
  };
}
