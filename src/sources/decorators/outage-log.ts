import type { Logger } from 'pino';
import { SourceError } from '../../domain/errors.ts';
import { isClockSkewed } from '../../domain/judge/clock-skew.ts';
import type { MetricsSource } from '../../domain/metrics/metrics-source.ts';

/** The least time between log lines about the same error. */
const everyMs = 5 * 60_000;

/** Failed queries of one batch. */
interface Outage {
  /** Epoch ms; undefined while queries succeed. */
  sinceMs: number | undefined;
  /** The bucket lengths of the queries that failed last: the past and the newest data are two queries of one question. */
  readonly failing: Set<number>;
  failures: number;
  /** Whether the log has a line about the failure, and none about the recovery yet. */
  isLogged: boolean;
  /** Error code → epoch ms of its latest log line. */
  readonly loggedMs: Map<string, number>;
}

/**
 * Logs when queries begin to fail, why, and when they succeed again; verdicts say only `source_unavailable`. Each batch
 * is logged by itself, and each kind of error at most once in five minutes. So is a clock that is so wrong that nothing
 * is judged. `now` is epoch ms, `backend` its name for people.
 */
export function withOutageLog(
  inner: MetricsSource,
  logger: Logger,
  now: () => number,
  backend: string,
): MetricsSource {
  // One for each batch of the registry and of previous registries.
  const outages = new Map<string, Outage>();
  let skewLoggedMs = Number.NEGATIVE_INFINITY;
  const logSkew = (skewMs: number | undefined) => {
    if (!isClockSkewed(skewMs) || Math.abs(now() - skewLoggedMs) < everyMs) return;
    skewLoggedMs = now();
    const seconds = Math.trunc(skewMs / 1000);
    logger.error({ code: 'clock_skew', seconds }, `clock differs from ${backend}'s; no verdicts possible`);
  };
  return {
    async measure(query, signal) {
      const batch = query.batch.id;
      try {
        const snapshot = await inner.measure(query, signal);
        logSkew(snapshot.clockSkewMs);
        const outage = outages.get(batch);
        outage?.failing.delete(query.stepMs);
        if (outage?.sinceMs !== undefined && outage.failing.size === 0) {
          if (outage.isLogged) {
            const { failures, sinceMs } = outage;
            logger.info(
              { batch, failures, seconds: (now() - sinceMs) / 1000 },
              `${backend} queries succeed again`,
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
            failing: new Set<number>(),
            failures: 0,
            isLogged: false,
            loggedMs: new Map<string, number>(),
          };
          outages.set(batch, outage);
          outage.sinceMs ??= nowMs;
          outage.failing.add(query.stepMs);
          outage.failures += 1;
          if (nowMs - (outage.loggedMs.get(code) ?? Number.NEGATIVE_INFINITY) >= everyMs) {
            outage.loggedMs.set(code, nowMs);
            outage.isLogged = true;
            logger.warn({ code, detail: message, hint, batch }, `${backend} query failed`);
          }
        }
        throw error;
      }
    },
  };
}
