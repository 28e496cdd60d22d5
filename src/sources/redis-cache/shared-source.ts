import { createHash } from 'node:crypto';
import { isClockSkewed, nearestToZero } from '../../domain/judge/clock-skew.ts';
import type {
  BatchQuery,
  DescribeQueries,
  MetricsSource,
  Snapshot,
} from '../../domain/metrics/metrics-source.ts';
import { queryKey } from '../decorators/query-key.ts';
import { hasStopped, timeToLiveMs } from '../decorators/time-to-live.ts';
import type { SharedAnswers } from './shared-cache.ts';
import { readSnapshot, snapshotValue } from './snapshot-codec.ts';

/**
 * A MetricsSource that asks what no other replica has asked within `ttlMs`, or longer where that is settled
 * (time-to-live.ts): to be put between the cache of this process and the source itself. `now` is epoch ms. Throws what the
 * inner source throws.
 */
export function createSharedSource(
  inner: MetricsSource,
  answers: SharedAnswers,
  options: { readonly ttlMs: number; readonly now: () => number; readonly describe: DescribeQueries },
): MetricsSource {
  const { now } = options;
  /** A snapshot of another replica, with the skew of our own clock in the place of its. */
  const read = (value: unknown, query: BatchQuery, ttlMs: number): Snapshot | undefined => {
    const given = value as { readonly atMs?: number; readonly snapshot?: unknown } | undefined;
    const snapshot = readSnapshot(given?.snapshot, query);
    if (snapshot?.clockSkewMs === undefined) return snapshot;
    // Its clock was wrong, so it asked for another minute than it believed: ours may be right.
    if (isClockSkewed(snapshot.clockSkewMs)) return undefined;
    const sinceMs = now() - ((given?.atMs ?? Number.NaN) - snapshot.clockSkewMs);
    if (Number.isNaN(sinceMs)) return undefined;
    // It was made at any time within its life.
    return { ...snapshot, clockSkewMs: nearestToZero(sinceMs - ttlMs, sinceMs) };
  };
  return {
    measure(query, signal) {
      const ttlMs = timeToLiveMs(query, options.ttlMs, now());
      return answers.once<Snapshot>(
        {
          name: nameOf(query, options.describe),
          ttlMs,
          keptMs: (snapshot) => (hasStopped(snapshot) ? options.ttlMs : ttlMs),
          ask: () => inner.measure(query, signal),
          write: (snapshot) => ({ atMs: now(), snapshot: snapshotValue(snapshot) }),
          read: (value) => read(value, query, ttlMs),
        },
        signal,
      );
    },
  };
}

/** The queries' own texts are part of it: a replica of another version that asks otherwise shares nothing with this one. */
function nameOf(query: BatchQuery, describe: DescribeQueries): string {
  const content = JSON.stringify([
    queryKey(query),
    ...describe(query.batch, query.canary, query.stable).map(({ name, query: text }) => [name, text]),
  ]);
  return `snapshot:${createHash('sha256').update(content).digest('base64url')}`;
}
