import type { Logger } from 'pino';
import type { judge } from '../domain/judge/judge.ts';
import type { MetricsSource } from '../domain/metrics/metrics-source.ts';
import type { Tracing } from '../domain/ports/tracing.ts';
import type { Redact } from '../domain/redact.ts';
import type { Evaluator } from '../evaluation/evaluator.ts';
import type { CacheObserver } from '../sources/decorators/cache.ts';

/** Wires what is traced. Part of the composition root. */

export interface Traces {
  readonly tracing: Tracing;
  /** Around everything that answers a question: the caches as well. */
  question(inner: MetricsSource): MetricsSource;
  /** Around what asks Datadog. */
  call(inner: MetricsSource): MetricsSource;
  cache(inner: CacheObserver): CacheObserver;
  evaluator(inner: Evaluator): Evaluator;
  readonly judge: typeof judge;
  /** Hands over what is left, for some seconds at most. */
  close(): Promise<void>;
}

/** Begins to trace. Nobody has to take the traces: a gate is not stopped by what looks on. */
export async function openTraces(url: string, logger: Logger, redact: Redact): Promise<Traces> {
  // Loaded here: a gate that is not traced has no use for any of it.
  const [{ openTelemetry }, source, evaluator] = await Promise.all([
    import('../tracing/open-telemetry.ts'),
    import('../sources/decorators/tracing.ts'),
    import('../tracing/traced-evaluator.ts'),
  ]);
  const tracing = openTelemetry({
    url,
    redact,
    onLost: (why) => logger.warn({ url, why }, 'traces cannot be handed over'),
  });
  return {
    tracing,
    question: (inner) => source.createTracedSource(inner, tracing, 'measure', 'internal'),
    call: (inner) => source.createTracedSource(inner, tracing, 'ask Datadog', 'client'),
    cache: (inner) => source.createTracedObserver(inner, tracing),
    evaluator: (inner) => evaluator.createTracedEvaluator(inner, tracing),
    judge: evaluator.createTracedJudge(tracing),
    close: () => tracing.close(),
  };
}
