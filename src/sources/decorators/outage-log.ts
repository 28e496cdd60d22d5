import type { Logger } from 'pino';
import { SourceError } from '../../domain/errors.ts';
import { isClockSkewed } from '../../domain/judge/clock-skew.ts';
import type { MetricsSource } from '../../domain/metrics/metrics-source.ts';

/** The same code is logged again after this time. */
const everyMs = 5 * 60_000;

/** An outage of one batch. */
interface Outage {
  /** Epoch ms of the first failure; undefined while queries succeed. */
  sinceMs: number | undefined;
  failures: number;
  /** Whether the log has a line that says so, and none yet that says that it is over. */
  isLogged: boolean;
  /** Code → epoch ms of the latest line with it. */
  readonly loggedMs: Map<string, number>;
}

/**
 * Logs when queries of a batch begin to fail, why, and when they succeed again: the verdicts say only
 * `source_unavailable`. A batch logs each code at most once in five minutes, however often it comes and goes. A clock that
 * is so wrong that nothing is judged is logged as often. `now` is epoch ms.
 */
export function withOutageLog(inner: MetricsSource, logger: Logger, now: () => number): MetricsSource {
  // One entry for each batch of the registry and of the registries before it.
  const outages = new Map<string, Outage>();
  let skewLoggedMs = Number.NEGATIVE_INFINITY;
  const logSkew = (skewMs: number | undefined) => {
    if (!isClockSkewed(skewMs) || Math.abs(now() - skewLoggedMs) < everyMs) return;
    skewLoggedMs = now();
    const seconds = Math.trunc(skewMs / 1000);
    logger.error({ code: 'clock_skew', seconds }, "clock differs from Datadog's: no verdict is possible");
  };
  return {
    async measure(query, signal) {
      const batch = query.batch.id;
      try {
        const snapshot = await inner.measure(query, signal);
        logSkew(snapshot.clockSkewMs);
        const outage = outages.get(batch);
        if (outage?.sinceMs !== undefined) {
          if (outage.isLogged) {
            const { failures, sinceMs } = outage;
            logger.info(
              { batch, failures, seconds: (now() - sinceMs) / 1000 },
              'Datadog queries succeed again',
            );
          }
          Object.assign(outage, { sinceMs: undefined, failures: 0, isLogged: false });
        }
        return snapshot;
      } catch (error) {
        if (error instanceof SourceError) {
          const { code, message, hint } = error;
          const nowMs = now();
          const outage = outages.get(batch) ?? {
            sinceMs: undefined,
            failures: 0,
            isLogged: false,
            loggedMs: new Map<string, number>(),
          };
          outages.set(batch, outage);
          outage.sinceMs ??= nowMs;
          outage.failures += 1;
          if (nowMs - (outage.loggedMs.get(code) ?? Number.NEGATIVE_INFINITY) >= everyMs) {
            outage.loggedMs.set(code, nowMs);
            outage.isLogged = true;
            logger.warn({ code, detail: message, hint, batch }, 'Datadog query failed');
          }
        }
        throw error;
      }
    },
  };
}
