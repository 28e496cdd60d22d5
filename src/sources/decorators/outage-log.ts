import type { Logger } from 'pino';
import { SourceError } from '../../domain/errors.ts';
import { isClockSkewed } from '../../domain/judge/clock-skew.ts';
import type { MetricsSource } from '../../domain/metrics/metrics-source.ts';

/** The same trouble is told again after so long. */
const everyMs = 5 * 60_000;

/** What goes wrong with the questions of one batch. */
interface Trouble {
  /** Epoch ms; undefined while all is well. */
  sinceMs: number | undefined;
  failures: number;
  /** Whether the log has a line about it that is not answered by another. */
  isTold: boolean;
  /** Code → epoch ms of the latest line about it. */
  readonly toldMs: Map<string, number>;
}

/**
 * Tells the log when the source can no longer be asked, why, and when it can be again: the verdicts beside it say only
 * `source_unavailable`. Each batch for itself, and each kind of trouble once in five minutes, however often it comes and
 * goes. A clock that is so wrong that nothing is judged is told of as often. `now` is epoch ms.
 */
export function withOutageLog(inner: MetricsSource, logger: Logger, now: () => number): MetricsSource {
  // As many as the registry has batches, and those of registries before it.
  const troubles = new Map<string, Trouble>();
  let skewToldMs = Number.NEGATIVE_INFINITY;
  const tellSkew = (skewMs: number | undefined) => {
    if (!isClockSkewed(skewMs) || Math.abs(now() - skewToldMs) < everyMs) return;
    skewToldMs = now();
    const seconds = Math.trunc(skewMs / 1000);
    logger.error({ code: 'clock_skew', seconds }, "clock differs from Datadog's: no verdict is possible");
  };
  return {
    async measure(query, signal) {
      const batch = query.batch.id;
      try {
        const snapshot = await inner.measure(query, signal);
        tellSkew(snapshot.clockSkewMs);
        const trouble = troubles.get(batch);
        if (trouble?.sinceMs !== undefined) {
          if (trouble.isTold) {
            const { failures, sinceMs } = trouble;
            logger.info({ batch, failures, seconds: (now() - sinceMs) / 1000 }, 'Datadog answers again');
          }
          Object.assign(trouble, { sinceMs: undefined, failures: 0, isTold: false });
        }
        return snapshot;
      } catch (error) {
        if (error instanceof SourceError) {
          const { code, message, hint } = error;
          const nowMs = now();
          const trouble = troubles.get(batch) ?? {
            sinceMs: undefined,
            failures: 0,
            isTold: false,
            toldMs: new Map<string, number>(),
          };
          troubles.set(batch, trouble);
          trouble.sinceMs ??= nowMs;
          trouble.failures += 1;
          if (nowMs - (trouble.toldMs.get(code) ?? Number.NEGATIVE_INFINITY) >= everyMs) {
            trouble.toldMs.set(code, nowMs);
            trouble.isTold = true;
            logger.warn({ code, detail: message, hint, batch }, 'Datadog gives no answer');
          }
        }
        throw error;
      }
    },
  };
}
