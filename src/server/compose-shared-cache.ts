import type { Logger } from 'pino';
import type { Registry as MetricsRegistry } from 'prom-client';
import type { DescribeQueries, MetricsSource } from '../domain/metrics/metrics-source.ts';
import type { JsonApi } from '../domain/ports/json-api.ts';
import type { Tracing } from '../domain/ports/tracing.ts';

/** Wires the cache that replicas share. Part of the composition root. */

export interface SharedStoreParts {
  readonly logger: Logger;
  readonly metrics: MetricsRegistry;
  /** Epoch ms. */
  readonly now: () => number;
  /** For a whole request, in ms. */
  readonly deadlineMs: number;
  /** Undefined: no tracing. */
  readonly tracing?: Tracing;
}

/** What of a backend is shared. Nothing of one backend is read as another's: each signs with its own secret. */
export interface SharingParts {
  /** The backend's name, in messages. */
  readonly backend: string;
  /** The secret that only replicas know. Without it, write access to Redis is not enough to forge an entry. */
  readonly secret: string;
  /** The backend's name and base URL: replicas that measure elsewhere share nothing. */
  readonly origin: string;
  /** Of the backend: a shared answer is found by its queries. */
  readonly describeQueries: DescribeQueries;
  readonly onHeldOff: (seconds: number) => void;
}

/** The store that replicas share. */
export interface SharedStore {
  of(backend: SharingParts): Sharing;
  close(): Promise<void>;
}

export interface Sharing {
  /** Wraps the source itself, inside the cache of this process. */
  source(inner: MetricsSource, ttlMs: number): MetricsSource;
  api(inner: JsonApi, ttlMs: number): JsonApi;
  /** Reports that the backend's rate limit is used up. */
  limited(seconds: number): void;
}

/** The share of the deadline to wait for another replica's query. The rest is enough for a query of its own. */
const waitShare = 0.75;
/** The time limit for pending writes to Redis at shutdown. */
const closeLimitMs = 500;

/** Opens the shared cache. It is used as soon as Redis responds; startup does not wait for it. */
export async function openSharing(url: string, parts: SharedStoreParts): Promise<SharedStore> {
  const { logger, now, tracing } = parts;
  // Loaded on demand: a gate without a shared cache does not need it.
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
      if (up) logger.info('shared cache connected');
      else logger.warn({ why }, 'shared cache connection lost; continuing without it');
    },
  });
  const observer = {
    hit() {
      metrics.hit();
      tracing?.note({ 'cuj_gate.shared_cache': 'hit' });
    },
    miss() {
      metrics.miss();
      tracing?.note({ 'cuj_gate.shared_cache': 'miss' });
    },
    ignored: metrics.ignored,
  };
  const all: InstanceType<typeof SharedAnswers>[] = [];
  return {
    of({ backend, secret, origin, describeQueries, onHeldOff }) {
      const answers = new SharedAnswers({
        store,
        backend,
        seal: createSeal(secret, origin),
        maxWaitMs: parts.deadlineMs * waitShare,
        now,
        observer,
        onHeldOff,
        onMistake: (error) => logger.error({ err: error }, 'shared cache write failed'),
      });
      all.push(answers);
      return {
        source: (inner, ttlMs) =>
          createSharedSource(inner, answers, { ttlMs, now, describe: describeQueries }),
        api: (inner, ttlMs) => createSharedApi(inner, answers, { ttlMs }),
        limited: (seconds) => void answers.limited(seconds),
      };
    },
    async close() {
      let late: NodeJS.Timeout | undefined;
      const limit = new Promise((resolve) => {
        late = setTimeout(resolve, closeLimitMs);
      });
      await Promise.race([Promise.all(all.map((answers) => answers.settled())), limit]);
      clearTimeout(late);
      store.close();
    },
  };
}
