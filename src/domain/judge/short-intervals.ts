import { bucketMs, type EndpointMeasurement, type RecentBuckets } from '../metrics/metrics-source.ts';
import { blipReachMs } from '../registry/rules.ts';
import { rounding } from './abort-threshold.ts';
import type { JudgedWindow } from './analysis-window.ts';
import type { EndpointSums } from './sli-counts.ts';

/**
 * A blip is over before an abort could help. Evidence that comes from one interval shorter than `minFaultDuration` is therefore
 * no fail: more than noise must remain with any one such interval left out.
 */

/** Bad events of the canary on one endpoint in one minute, or in a part of it. */
export interface LeftOutEvents {
  /** In the order of the sums. */
  readonly endpoint: number;
  readonly minute: number;
  /** Counted. */
  readonly bad: number;
}

/** All bad events of the canary in the buckets that one interval touches. */
export type ShortInterval = readonly LeftOutEvents[];

/** The events happened from `beginMs` until `endMs`: ms after the begin of the measurement. */
interface BadBucket extends LeftOutEvents {
  readonly beginMs: number;
  readonly endMs: number;
}

/** How bad events are known in time. */
export interface BlipScale {
  readonly recent: RecentBuckets | undefined;
  readonly minFaultMs: number;
}

/**
 * Every interval shorter than `minFaultMs` in the window whose bad events are not part of another one's. It touches buckets of
 * which the last one begins less than {@link blipReachMs} after the first one ends.
 */
export function shortIntervals(
  endpoints: readonly Pick<EndpointSums, 'measured'>[],
  window: Pick<JudgedWindow, 'first' | 'end'>,
  scale: BlipScale,
): ShortInterval[] {
  const reachMs = reachMsOf(scale);
  const buckets = endpoints.map(({ measured }, endpoint) =>
    badBucketsOf(measured, endpoint, window, scale.recent),
  );
  const ends = [...new Set(buckets.flatMap((own) => own.map(({ endMs }) => endMs)))].sort((a, b) => a - b);
  const next = buckets.map(() => 0);
  // Of the buckets that an interval touches, one ends first: there is one longest interval for each end.
  return ends.map((endMs) =>
    buckets.flatMap((own, endpoint) => {
      let from = next[endpoint] as number;
      while (from < own.length && (own[from] as BadBucket).endMs < endMs) from += 1;
      next[endpoint] = from;
      let to = from;
      while (to < own.length && (own[to] as BadBucket).beginMs < endMs + reachMs) to += 1;
      return own.slice(from, to);
    }),
  );
}

function reachMsOf({ recent, minFaultMs }: BlipScale): number {
  return blipReachMs(minFaultMs, recent?.stepMs ?? bucketMs);
}

/** Buckets of the window with a bad event of the canary, in their order: recent ones where there are such, else minutes. */
function badBucketsOf(
  {
    canary,
    recentBad,
    recentStepMs,
    recentLateMs = 0,
  }: Pick<EndpointMeasurement, 'canary' | 'recentBad' | 'recentStepMs' | 'recentLateMs'>,
  endpoint: number,
  { first, end }: Pick<JudgedWindow, 'first' | 'end'>,
  recent: RecentBuckets | undefined,
): BadBucket[] {
  const found: BadBucket[] = [];
  const add = (bad: number, minute: number, beginMs: number, lengthMs: number) => {
    if (bad > rounding) found.push({ endpoint, minute, bad, beginMs, endMs: beginMs + lengthMs });
  };
  const isRecent = recent !== undefined && recentBad !== undefined;
  const byMinute = isRecent ? Math.min(end, recent.firstMinute) : end;
  for (let i = first; i < byMinute; i += 1) add(canary.bad[i] ?? 0, i, i * bucketMs, bucketMs);
  if (!isRecent) return found;
  const { firstMinute, stepMs: shortestMs } = recent;
  const stepMs = recentStepMs ?? shortestMs;
  recentBad.forEach((bad, i) => {
    const beginMs = firstMinute * bucketMs + i * stepMs;
    const minute = Math.floor(beginMs / bucketMs);
    if (minute >= first && minute < end) add(bad, minute, beginMs - recentLateMs, stepMs + recentLateMs);
  });
  return found;
}

/** When the first bucket ends and the last one begins in which the canary's traffic on an endpoint can lie. */
export interface LiveSpan {
  readonly firstEndMs: number;
  readonly lastBeginMs: number;
}

/** Precondition: there is traffic. */
export function liveSpanOf(
  { measured: { recentBad, recentStepMs, recentLateMs = 0 }, firstLive, lastLive }: EndpointSums,
  recent: RecentBuckets | undefined,
): LiveSpan {
  const isRecent = (minute: number) =>
    recent !== undefined && recentBad !== undefined && minute >= recent.firstMinute;
  const { firstMinute = 0, stepMs: shortestMs = bucketMs } = recent ?? {};
  const stepMs = recentStepMs ?? shortestMs;
  const lastRecent = firstMinute * bucketMs + ((recentBad?.length ?? 0) - 1) * stepMs;
  return {
    firstEndMs: firstLive * bucketMs + (isRecent(firstLive) ? stepMs : bucketMs),
    lastBeginMs: isRecent(lastLive)
      ? Math.min((lastLive + 1) * bucketMs - stepMs, lastRecent) - recentLateMs
      : lastLive * bucketMs,
  };
}

/** Whether two bad events that are as far apart as these spans allow do not lie in one short interval. */
export function canOutlast(spans: readonly LiveSpan[], scale: BlipScale): boolean {
  const firstEndMs = Math.min(...spans.map((span) => span.firstEndMs));
  return Math.max(...spans.map((span) => span.lastBeginMs)) - firstEndMs >= reachMsOf(scale);
}
