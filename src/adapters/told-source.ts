import type { Logger } from 'pino';
import { SourceError } from '../domain/errors.ts';
import type { MetricsSource } from '../domain/metrics-source.ts';

/** The same trouble is told again after so long. */
const everyMs = 5 * 60_000;

/**
 * Tells the log when the source can no longer be asked, why, and when it can be again: the verdicts beside it say only
 * `source_unavailable`. At each change, not with every question. `now` is epoch ms.
 */
export function toldSource(inner: MetricsSource, logger: Logger, now: () => number): MetricsSource {
  let trouble: { code: string; sinceMs: number; toldMs: number; failures: number } | undefined;
  return {
    async measure(query, signal) {
      try {
        const snapshot = await inner.measure(query, signal);
        if (trouble !== undefined) {
          const { code, sinceMs, failures } = trouble;
          trouble = undefined;
          logger.info({ code, failures, seconds: (now() - sinceMs) / 1000 }, 'Datadog answers again');
        }
        return snapshot;
      } catch (error) {
        if (error instanceof SourceError) {
          const { code, message, hint } = error;
          const nowMs = now();
          if (trouble?.code !== code || nowMs - trouble.toldMs >= everyMs) {
            logger.warn({ code, detail: message, hint, batch: query.batch.id }, 'Datadog gives no answer');
            trouble = {
              code,
              sinceMs: trouble?.sinceMs ?? nowMs,
              toldMs: nowMs,
              failures: trouble?.failures ?? 0,
            };
          }
          trouble.failures += 1;
        }
        throw error;
      }
    },
  };
}
