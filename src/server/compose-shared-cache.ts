import type { Logger } from 'pino';
import type { Registry as MetricsRegistry } from 'prom-client';
import type { MetricsSource } from '../domain/metrics/metrics-source.ts';
import type { JsonApi } from '../domain/ports/json-api.ts';
import type { Tracing } from '../domain/ports/tracing.ts';
import { describeQueries } from '../sources/datadog/query/query-plan.ts';

/** Wires what replicas share. Part of the composition root. */

export interface SharingParts {
  readonly logger: Logger;
  readonly metrics: MetricsRegistry;
  /** Epoch ms. */
  readonly now: () => number;
  /** For a whole request, in ms. */
  readonly deadlineMs: number;
  /** What all replicas know and nobody else: whoever can write to Redis cannot make up an answer without it. */
  readonly secret: string;
  /** Where Datadog is asked: replicas of two sites have nothing to share. */
  readonly origin: string;
  readonly onHeldOff: (seconds: number) => void;
  /** Undefined: nothing is traced. */
  readonly tracing?: Tracing;
}

export interface Sharing {
  /** Around the source itself, inside the cache of this process. */
  source(inner: MetricsSource, ttlMs: number): MetricsSource;
  api(inner: JsonApi, ttlMs: number): JsonApi;
  /** Datadog has answered 429. */
  limited(seconds: number): void;
  close(): Promise<void>;
}

/** Another replica's answer may be waited for by this share of the deadline; the rest is enough to ask. */
const waitShare = 0.75;
/** What is on its way to Redis when the gate ends may take so long. */
const closeLimitMs = 500;

/** Opens the shared cache. It is in use as soon as Redis answers, and nobody waits for that. */
export async function openSharing(url: string, parts: SharingParts): Promise<Sharing> {
  const { logger, now, tracing } = parts;
  // Loaded here: a gate without a shared cache has no use for any of it.
  const [{ RedisStore }, { createSeal }, { SharedAnswers }, { createSharingMetrics }, ...wrappers] =
    await Promise.all([
      import('../sources/redis-cache/redis-store.ts'),
      import('../sources/redis-cache/signed-envelope.ts'),
      import('../sources/redis-cache/shared-cache.ts'),
      import('../sources/redis-cache/metrics.ts'),
      import('../sources/redis-cache/shared-source.ts'),
      import('../sources/redis-cache/shared-api.ts'),
    ]);
  const [{ createSharedSource }, { createSharedApi }] = wrappers;
  const metrics = createSharingMetrics(parts.metrics);
  const store = new RedisStore({
    url,
    prefix: 'cuj-gate:',
    onError: metrics.error,
    onChange(up, why) {
      metrics.up(up);
      if (up) logger.info('shared cache in use');
      else logger.warn({ why }, 'shared cache lost, the gate goes on without it');
    },
  });
  const answers = new SharedAnswers({
    store,
    seal: createSeal(parts.secret, parts.origin),
    maxWaitMs: parts.deadlineMs * waitShare,
    now,
    observer: {
      hit() {
        metrics.hit();
        tracing?.note({ 'cuj_gate.shared_cache': 'hit' });
      },
      miss() {
        metrics.miss();
        tracing?.note({ 'cuj_gate.shared_cache': 'miss' });
      },
      ignored: metrics.ignored,
    },
    onHeldOff: parts.onHeldOff,
    onMistake: (error) => logger.error({ err: error }, 'an answer could not be shared'),
  });
  return {
    source: (inner, ttlMs) => createSharedSource(inner, answers, { ttlMs, now, describe: describeQueries }),
    api: (inner, ttlMs) => createSharedApi(inner, answers, { ttlMs }),
    limited: (seconds) => void answers.limited(seconds),
    async close() {
      let late: NodeJS.Timeout | undefined;
      const limit = new Promise((resolve) => {
        late = setTimeout(resolve, closeLimitMs);
      });
      await Promise.race([answers.settled(), limit]);
      clearTimeout(late);
      store.close();
    },
  };
}
