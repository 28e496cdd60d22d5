import { minutesMissingAtEnd } from '../../domain/judge/freshness.ts';
import { type BatchQuery, bucketMs, type Snapshot } from '../../domain/metrics/metrics-source.ts';

/** The counts of a span that ended so long ago hardly change any more. Agents flush within 30 s. */
const settledAfterMs = 8 * 60_000;

/** Questions about the past are the same for 5 minutes; a minute more covers replicas whose clocks differ. */
const settledTtlMs = 6 * 60_000;

/**
 * How long the answer to a question is kept, in ms: `ttlMs`, or 6 minutes if longer and the question is about minutes
 * that are settled. With a `ttlMs` of 0 nothing is kept. `nowMs` is epoch ms.
 */
export function timeToLiveMs({ toMs, stepMs }: BatchQuery, ttlMs: number, nowMs: number): number {
  const isSettled = stepMs === bucketMs && nowMs - toMs >= settledAfterMs;
  return isSettled && ttlMs > 0 ? Math.max(ttlMs, settledTtlMs) : ttlMs;
}

/**
 * Whether the data of a snapshot in minutes stops before its end. Ingestion may be so late, and what arrives then belongs into
 * the snapshot: it must not be kept for longer than others.
 */
export function hasStopped(snapshot: Snapshot): boolean {
  return minutesMissingAtEnd(snapshot) !== undefined;
}
