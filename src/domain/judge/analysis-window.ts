import {
  bucketMs,
  type EndpointMeasurement,
  type Measurement,
  type OverlappingService,
} from '../metrics/metrics-source.ts';
import type { GatePolicy } from '../registry/model.ts';
import { allSlis } from '../sli/by-sli.ts';

/** Why a window starts where it does. */
export type WindowStart = 'since' | 'first_hit' | 'after_gap' | 'max_window' | 'fixed';

/** What the whole service's traffic says where the canary is silent. */
export type NoDataCause =
  /** The service has traffic, but none of it is the canary's: no traffic is sent to it, or its tag is a different one. */
  | 'no_canary_traffic'
  /** All traffic of the service is stable's: no traffic is sent to the canary. */
  | 'canary_idle'
  /** The service has traffic that is neither the canary's nor stable's: a tag is a different one. */
  | 'unknown_tag'
  /** The canary has traffic, but none on this CUJ. */
  | 'cuj_not_reached'
  /** The service has no traffic at all: wrong env, service or operation. */
  | 'service_silent'
  /** The canary had traffic before, but none in the window that is judged. */
  | 'canary_stopped'
  /** The rollout is younger than the data: the newest complete data ends before it began. */
  | 'too_early'
  /** The canary warms up (`warmUp`), and is not judged yet. */
  | 'warming_up';

export interface JudgedWindow {
  /** Index of the first bucket that is judged. */
  readonly first: number;
  /** Index behind the last one. */
  readonly end: number;
  /** Index behind the last complete minute: `end`, or one less where the newest minute is not over. */
  readonly completeEnd: number;
  readonly start: WindowStart;
  /** Minutes before the window, by index, in which stable of the services had an incident. Absent where there are none. */
  readonly unusual?: ReadonlySet<number>;
  /** Index of the minute in which this rollout of the canary began; 0: before all that was queried. */
  readonly begin: number;
  /** How often the canary came, where it went silent and came back so often that it seems to crash. */
  readonly attempts?: number;
  /** Minutes after the canary's first hit that it leaves out: its warm-up. */
  readonly warmUpMinutes?: number;
  /** Whether it is all of this rollout: not a fixed span, and no `since` leaves out what the canary did before. */
  readonly isWholeRollout: boolean;
  /**
   * From the begin of the minute of the canary's first hit in the window on a whole service to the end of that of its last one, or to
   * the measurement's end, in ms; 0 without one. Time in which the canary is silent shows nothing.
   */
  readonly watchedMs: number;
  /** Hits on the whole services by bucket, over all that was queried. */
  readonly hits: { readonly canary: readonly number[]; readonly stable: readonly number[] };
  /** Hits of the canary on the whole services, inside the window and over all that was queried. */
  readonly wholeCanaryInWindow: number;
  readonly wholeCanary: number;
  readonly wholeStable: number;
  /** Hits of the newest minutes that neither selector matches; absent where that is not known. */
  readonly unmatchedRecently?: number;
  /** Why the two sides cannot be told apart, so that a broken canary would drown; undefined where they can. */
  readonly indistinguishable: Indistinguishable | undefined;
}

export type Indistinguishable =
  /** The canary was there from the very start of what was queried, and stable nowhere in it. */
  | 'alone'
  /** The same, and stable came later and has less: the canary is the old version and stable the new one. */
  | 'swapped'
  /** Both selectors match the same requests. */
  | 'shared';

/** At least so many requests of one side before the first one of the other are no chance. */
const minBefore = 100;

/** If stable matches more than this share of the canary's requests, late spans between two queries do not explain it. */
const sharedRequestsLimit = 0.05;

/** So few requests may arrive between two queries of one call, whatever share of a small service's they are. */
const toleratedShared = 3;

function isShared({ canary, overlapping }: OverlappingService): boolean {
  return sum(overlapping) > Math.max(toleratedShared, sharedRequestsLimit * sum(canary));
}

/** Stable's traffic below this share of the canary's is stray requests. */
export const minStableShare = 0.01;

/** Long enough for every pod to get a request, and too short for the version before stable to be seen. */
const latelyMinutes = 3;

export function sum(values: ArrayLike<number>, first = 0, end = values.length): number {
  let total = 0;
  for (let i = first; i < end; i += 1) total += values[i] ?? 0;
  return total;
}

/** A silence that is expected to hold so many requests is no chance: e^-7 is below 1 in 1,000. */
const minExpectedHits = 7;

/** The attempts of a canary, by its hits on the whole services. */
interface Attempts {
  /** The buckets in which an attempt begins: at the first hit, and behind every silence that ends an attempt. */
  readonly begins: readonly number[];
  /** The newest attempt is over: the silence goes on. */
  readonly hasEnded: boolean;
}

/**
 * A silence of at least `gap` buckets ends an attempt, unless chance explains it: at the canary's mean rate since its first hit, it
 * should have held {@link minExpectedHits} seen requests. `undefined` where the canary has no hits.
 */
function attemptsOf(hits: readonly number[], gap: number, sampleRate: number): Attempts | undefined {
  const start = hits.findIndex((count) => count > 0);
  if (start < 0) return undefined;
  const perBucket = (sum(hits) * sampleRate) / (hits.length - start);
  const endsAttempt = (silent: number) => silent >= gap && silent * perBucket >= minExpectedHits;
  const begins = [start];
  let silent = 0;
  for (let i = start + 1; i < hits.length; i += 1) {
    if (!((hits[i] ?? 0) > 0)) {
      silent += 1;
      continue;
    }
    if (endsAttempt(silent)) begins.push(i);
    silent = 0;
  }
  return { begins, hasEnded: endsAttempt(silent) };
}

/** From this attempt on, a canary that goes silent and comes back is taken for one that crashes. */
const restartsFromAttempt = 3;

/**
 * Where the rollout of this canary began: with its newest attempt, or with the oldest one where there are so many that it seems to
 * crash. Its errors then count, whatever attempt they were in.
 */
function rolloutBegin({ begins, hasEnded }: Attempts, end: number): { first: number; start: WindowStart } {
  if (hasEnded) return { first: end, start: 'after_gap' };
  const [oldest = end] = begins;
  const first = begins.length >= restartsFromAttempt ? oldest : (begins.at(-1) ?? end);
  return { first, start: first > oldest ? 'after_gap' : first === 0 ? 'max_window' : 'first_hit' };
}

/** The part of a measurement that is judged. Pure. */
export function judgedWindow(policy: GatePolicy, measurement: Measurement): JudgedWindow {
  const { canary, stable, unmatched, overlapping = [], overlappingServices = [] } = measurement.whole;
  const lengthMs = measurement.toMs - measurement.fromMs;
  const buckets = Math.ceil(lengthMs / bucketMs);
  const completeEnd = Math.floor(lengthMs / bucketMs);
  const gap = Math.max(1, Math.ceil(policy.restartGapMs / bucketMs));
  const wanted = measurement.windowMs ?? policy.window;
  // A minute that is not over is not silent yet.
  const known = (canary[completeEnd] ?? 0) > 0 ? canary : canary.slice(0, completeEnd);
  const attempts = attemptsOf(known, gap, minSampleRate(measurement));
  const begin = attempts === undefined ? undefined : rolloutBegin(attempts, buckets);
  let first: number;
  let start: WindowStart;
  if (wanted !== 'rollout') {
    first = Math.max(0, completeEnd - Math.ceil(wanted / bucketMs));
    start = 'fixed';
  } else {
    const span = Math.ceil(policy.maxWindowMs / bucketMs);
    const oldest = Math.max(0, completeEnd - span);
    first = oldest;
    start = 'max_window';
    // The begin that the caller gives goes before what silence suggests: a paused canary is still the same rollout.
    if (measurement.sinceMs === undefined && begin !== undefined && begin.first > oldest) {
      first = begin.first;
      start = begin.start;
    }
  }
  if (measurement.sinceMs !== undefined) {
    // Rounded up: the minute in which the rollout began may hold errors of the rollout before.
    const since = Math.ceil((measurement.sinceMs - measurement.fromMs) / bucketMs);
    if (since >= first) {
      first = since;
      start = 'since';
    }
  }
  first = Math.min(Math.max(first, 0), buckets);
  const wholeCanary = sum(canary);
  const wholeStable = sum(stable);
  const firstHit = canary.findIndex((count) => count > 0);
  return {
    first,
    end: buckets,
    completeEnd,
    start,
    begin: start === 'since' ? first : (begin?.first ?? 0),
    isWholeRollout:
      wanted === 'rollout' && !(start === 'since' && newestAttempt(attempts, buckets) < first - 1),
    ...(attempts !== undefined &&
    attempts.begins.length >= restartsFromAttempt &&
    measurement.sinceMs === undefined
      ? { attempts: attempts.begins.length }
      : {}),
    watchedMs: watchedMs(canary, first, lengthMs),
    hits: { canary, stable },
    wholeCanaryInWindow: sum(canary, first, buckets),
    wholeCanary,
    wholeStable,
    ...(unmatched === undefined
      ? {}
      : { unmatchedRecently: sum(unmatched, Math.max(0, buckets - latelyMinutes)) }),
    indistinguishable:
      (wholeCanary > 0 && sum(overlapping) > sharedRequestsLimit * wholeCanary) ||
      overlappingServices.some(isShared)
        ? 'shared'
        : firstHit >= 0 && firstHit < gap
          ? alwaysThere(measurement, wholeCanary, wholeStable, gap, attempts)
          : undefined,
  };
}

/**
 * The window without the canary's warm-up, which begins with its first hit on a whole service. Of a canary that was there before all that
 * was queried the warm-up is over.
 */
export function withoutWarmUp(
  window: JudgedWindow,
  warmUpMs: number,
  { fromMs, toMs }: Pick<Measurement, 'fromMs' | 'toMs'>,
): JudgedWindow {
  const { canary } = window.hits;
  const begin = canary.findIndex((count, i) => i >= window.begin && count > 0);
  if (begin <= 0) return window;
  const first = Math.min(window.end, Math.max(window.first, begin + Math.ceil(warmUpMs / bucketMs)));
  if (first === window.first) return window;
  return {
    ...window,
    first,
    warmUpMinutes: first - Math.max(window.first, begin),
    watchedMs: watchedMs(canary, first, toMs - fromMs),
    wholeCanaryInWindow: sum(canary, first, window.end),
  };
}

/** Where the newest attempt begins; `end` where it is over, or where there is none. */
function newestAttempt(attempts: Attempts | undefined, end: number): number {
  return attempts === undefined || attempts.hasEnded ? end : (attempts.begins.at(-1) ?? end);
}

function watchedMs(hits: readonly number[], first: number, lengthMs: number): number {
  const from = hits.findIndex((count, i) => i >= first && count > 0);
  if (from < 0) return 0;
  const end = hits.findLastIndex((count) => count > 0) + 1;
  return Math.min(end * bucketMs, lengthMs) - from * bucketMs;
}

/** The least share of requests that is seen, of any endpoint. */
function minSampleRate(measurement: Measurement): number {
  return Math.min(1, ...allSlis(measurement).map(({ sampleRate }) => sampleRate));
}

/**
 * The window of a client's SLI. The servers' traffic does not show that the client's own canary selector matches all versions: then it has
 * events from the very start of what was queried, and stable has none.
 */
export function windowOfClient(
  window: JudgedWindow,
  { restartGapMs }: GatePolicy,
  endpoints: readonly EndpointMeasurement[],
): JudgedWindow {
  const gap = Math.max(1, Math.ceil(restartGapMs / bucketMs));
  const canary = endpoints.reduce((all, one) => all + sum(one.canary.total), 0);
  const stable = endpoints.reduce((all, one) => all + sum(one.stable.total), 0);
  const isFromStart = endpoints.some((one) => sum(one.canary.total, 0, gap) > 0);
  const isAlone = isFromStart && stable <= minStableShare * canary;
  return isAlone && window.indistinguishable === undefined
    ? { ...window, indistinguishable: 'alone' }
    : window;
}

/** What is wrong with a canary that has hits from the very start of what was queried. */
function alwaysThere(
  measurement: Measurement,
  wholeCanary: number,
  wholeStable: number,
  gap: number,
  attempts: Attempts | undefined,
): Indistinguishable | undefined {
  const { whole, fromMs, sinceMs } = measurement;
  const { canary, stable } = whole;
  if (wholeStable <= minStableShare * wholeCanary) return 'alone';
  const stableFrom = stable.findIndex((count) => count > 0);
  // What began before this rollout is not part of it: an undo brings back a version that was stable a moment ago.
  const since = sinceMs === undefined ? 0 : Math.floor((sinceMs - fromMs) / bucketMs) - 1;
  const isSwapped =
    stableFrom >= Math.max(gap, since) &&
    attempts?.begins.length === 1 &&
    !attempts.hasEnded &&
    sum(canary, 0, stableFrom) * minSampleRate(measurement) >= minBefore &&
    sum(canary, stableFrom) >= sum(stable, stableFrom);
  return isSwapped ? 'swapped' : undefined;
}

/** Whether all of the window is the canary's warm-up. */
export function isWarmingUp({ warmUpMinutes, first, end }: JudgedWindow): boolean {
  return warmUpMinutes !== undefined && first >= end;
}

/** Why there is no data, for a CUJ without any event in its window. */
export function noDataCauseOf(window: JudgedWindow): NoDataCause {
  if (isWarmingUp(window)) return 'warming_up';
  if (window.wholeCanaryInWindow > 0) return 'cuj_not_reached';
  if (window.start === 'since' && window.first >= window.end) return 'too_early';
  if (window.wholeCanary > 0) return 'canary_stopped';
  if (window.unmatchedRecently !== undefined && window.unmatchedRecently > 0) return 'unknown_tag';
  if (window.wholeStable <= 0) return 'service_silent';
  return window.unmatchedRecently === undefined ? 'no_canary_traffic' : 'canary_idle';
}
