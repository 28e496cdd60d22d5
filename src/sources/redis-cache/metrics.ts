import { Counter, Gauge, type Registry } from 'prom-client';
import type { SharingObserver } from './shared-cache.ts';

/** The metrics about the cache that replicas share; registered only where there is one. */
export interface SharingMetrics extends SharingObserver {
  up(is: boolean): void;
  /** A command that failed or took too long. */
  error(): void;
}

export function createSharingMetrics(registry: Registry): SharingMetrics {
  const registers = [registry];
  const up = new Gauge({
    name: 'cuj_gate_shared_cache_up',
    help: 'Whether the shared cache is in use: 0 while it is down, slow or refuses, and each replica asks the metrics backend for itself.',
    registers,
  });
  const counter = (name: string, help: string) => new Counter({ name, help, registers });
  const hits = counter(
    'cuj_gate_shared_cache_hits_total',
    'Questions that what another replica heard has served, those that waited for it included.',
  );
  const misses = counter(
    'cuj_gate_shared_cache_misses_total',
    'Questions that this replica asked the metrics backend, for all.',
  );
  const errors = counter(
    'cuj_gate_shared_cache_errors_total',
    'Commands to the shared cache that failed or took too long.',
  );
  const ignored = counter(
    'cuj_gate_shared_cache_ignored_total',
    "Values in the shared cache that were not a replica's own: foreign, damaged or outdated.",
  );
  return {
    up: (is) => up.set(is ? 1 : 0),
    hit: () => hits.inc(),
    miss: () => misses.inc(),
    error: () => errors.inc(),
    ignored: () => ignored.inc(),
  };
}
