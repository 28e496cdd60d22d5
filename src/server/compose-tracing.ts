import type { Logger } from 'pino';
import type { judge } from '../domain/judge/judge.ts';
import type { MetricsSource } from '../domain/metrics/metrics-source.ts';
import type { Tracing } from '../domain/ports/tracing.ts';
import type { Redact } from '../domain/redact.ts';
import type { Evaluator } from '../evaluation/evaluator.ts';
import type { CacheObserver } from '../sources/decorators/cache.ts';

/** Wires tracing. Part of the composition root. */

export interface Traces {
  readonly tracing: Tracing;
  /** Traces evaluations, caches included. */
  question(inner: MetricsSource): MetricsSource;
  /** Traces calls to Datadog. */
  call(inner: MetricsSource): MetricsSource;
  cache(inner: CacheObserver): CacheObserver;
  evaluator(inner: Evaluator): Evaluator;
  readonly judge: typeof judge;
  /** Exports the remaining spans, within a few seconds. */
  close(): Promise<void>;
}

/** Starts tracing. A collector that is down does not affect verdicts. */
export async function openTraces(url: string, logger: Logger, redact: Redact): Promise<Traces> {
  // Loaded on demand: a gate without tracing does not need it.
  const [{ openTelemetry }, source, evaluator] = await Promise.all([
    import('../tracing/open-telemetry.ts'),
    import('../sources/decorators/tracing.ts'),
    import('../tracing/traced-evaluator.ts'),
  ]);
  const tracing = openTelemetry({
    url,
    redact,
    onLost: (why) => logger.warn({ url, why }, 'trace export failed'),
  });
  return {
    tracing,
    question: (inner) => source.createTracedSource(inner, tracing, 'measure', 'internal'),
    call: (inner) => source.createTracedSource(inner, tracing, 'query Datadog', 'client'),
    cache: (inner) => source.createTracedObserver(inner, tracing),
    evaluator: (inner) => evaluator.createTracedEvaluator(inner, tracing),
    judge: evaluator.createTracedJudge(tracing),
    close: () => tracing.close(),
  };
}
