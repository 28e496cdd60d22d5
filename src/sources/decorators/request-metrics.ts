import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { SourceError } from '../../domain/errors.ts';
import type { MetricsSource } from '../../domain/metrics/metrics-source.ts';
import type { CacheObserver } from './cache.ts';

/** The metrics about the source, and what feeds them. No label holds anything that a caller can choose. */
export interface SourceMetrics {
  readonly cacheObserver: CacheObserver;
  /** Those of one backend, by its name in the registry. */
  of(backend: string): BackendMetrics;
}

export interface BackendMetrics {
  /** A decorator that times every call; to be put inside the cache. */
  measured(inner: MetricsSource): MetricsSource;
  rateLimitRemaining(remaining: number): void;
  clockSkew(skewMs: number): void;
}

/** An answer takes 0.1 to 2 s; 8 s is the gate's deadline, 10 s Argo's. */
const bucketsSeconds = [0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 10];

/** Registers the metrics. `now` is monotonic ms. */
export function createSourceMetrics(
  registry: Registry,
  now: () => number = () => performance.now(),
): SourceMetrics {
  const registers = [registry];
  const duration = new Histogram({
    name: 'cuj_gate_source_request_duration_seconds',
    help: 'Time until the metrics backend answered a query, retries included, by backend and outcome (ok, or the reason of the failure).',
    labelNames: ['backend', 'outcome'],
    buckets: bucketsSeconds,
    registers,
  });
  /** A plain number, read when metrics are scraped. */
  const counter = (name: string, help: string): (() => void) => {
    let count = 0;
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(count);
      },
    });
    return () => {
      count += 1;
    };
  };
  const hits = counter('cuj_gate_cache_hits_total', 'Questions answered from the cache.');
  const misses = counter('cuj_gate_cache_misses_total', 'Questions sent to the metrics backend.');
  const coalesced = counter(
    'cuj_gate_cache_coalesced_total',
    'Questions that joined an equal one in progress.',
  );
  let remainingGauge: Gauge | undefined;
  let skewGauge: Gauge | undefined;
  const labelNames = ['backend'];
  return {
    cacheObserver: { hit: hits, miss: misses, coalesced },
    of: (backend) => ({
      measured: (inner) => ({
        async measure(query, signal) {
          const begin = now();
          let outcome = 'ok';
          try {
            return await inner.measure(query, signal);
          } catch (error) {
            outcome = error instanceof SourceError ? error.code : 'internal_error';
            throw error;
          } finally {
            duration.observe({ backend, outcome }, (now() - begin) / 1000);
          }
        },
      }),
      rateLimitRemaining(remaining) {
        // Not before it is known: a gauge that begins at 0 would say that the limit is used up.
        remainingGauge ??= new Gauge({
          name: 'cuj_gate_source_rate_limit_remaining',
          help: "Calls left in the metrics backend's current rate limit period, as its last answer said.",
          labelNames,
          registers,
        });
        remainingGauge.set({ backend }, remaining);
      },
      clockSkew(skewMs) {
        skewGauge ??= new Gauge({
          name: 'cuj_gate_source_clock_skew_seconds',
          help: "How far this replica's clock is ahead of the metrics backend's, as the Date of its last answer said; below 0: behind.",
          labelNames,
          registers,
        });
        skewGauge.set({ backend }, skewMs / 1000);
      },
    }),
  };
}
