import { SourceError } from '../../domain/errors.ts';
import type { BatchQuery, MetricsSource } from '../../domain/metrics/metrics-source.ts';
import type { TraceAttributes, Tracing } from '../../domain/ports/tracing.ts';
import { selectorText } from '../../domain/registry/selector.ts';
import type { CacheObserver } from './cache.ts';

/** A MetricsSource whose every question is a span. Throws what the inner one throws. */
export function createTracedSource(
  inner: MetricsSource,
  tracing: Tracing,
  name: string,
  kind: 'internal' | 'client',
): MetricsSource {
  return {
    measure: (query, signal) =>
      tracing.span(name, kind, attributesOf(query), async (span) => {
        try {
          const snapshot = await inner.measure(query, signal);
          span.set({ 'cuj_gate.outcome': 'ok', 'cuj_gate.answer_bucket_seconds': snapshot.stepMs / 1000 });
          return snapshot;
        } catch (error) {
          span.set({ 'cuj_gate.outcome': error instanceof SourceError ? error.code : 'internal_error' });
          throw error;
        }
      }),
  };
}

/** Says on the question's span what became of it in the cache. */
export function createTracedObserver(inner: CacheObserver, tracing: Tracing): CacheObserver {
  const noting = (what: keyof CacheObserver) => () => {
    inner[what]();
    tracing.note({ 'cuj_gate.cache': what });
  };
  return { hit: noting('hit'), miss: noting('miss'), coalesced: noting('coalesced') };
}

function attributesOf({ batch, canary, stable, fromMs, toMs, stepMs }: BatchQuery): TraceAttributes {
  return {
    'cuj_gate.batch': batch.id,
    'cuj_gate.buckets': Math.ceil((toMs - fromMs) / stepMs),
    'cuj_gate.bucket_seconds': stepMs / 1000,
    'cuj_gate.services': batch.services.length,
    'cuj_gate.groups': batch.services.reduce((sum, { resources }) => sum + resources.length, 0),
    'cuj_gate.canary': selectorText(canary),
    'cuj_gate.stable': stable === undefined ? 'the rest' : selectorText(stable),
  };
}
