import type { Route } from './world.ts';

/** What the oracle asks about a backend: which spans an answer may be about, and which counts may be in it. */

/** So much may be left out at the end of the data, where counts of one side are missing. */
export const maxIncompleteMs = 60_000;

/** A question, and when it was asked and answered. */
export interface Asked {
  readonly kind: 'cuj' | 'service';
  readonly name: string;
  readonly version: string;
  /** Minutes of a fixed window. */
  readonly windowMinutes?: number;
  /** Epoch ms. */
  readonly sinceMs?: number;
  readonly startedMs: number;
  readonly endedMs: number;
}

/** Requests of a route and a side. */
export interface Counted {
  readonly total: number;
  readonly bad: number;
  readonly slow: number;
}

/** A version, or all others. */
export interface Side {
  readonly version: string;
  readonly others?: true;
}

/** What an answer may be about, epoch ms. */
export interface Window {
  readonly fromMs: number;
  readonly toMs: number;
  /** The end of its two calls. */
  readonly callMs: number;
  readonly pastMs: number;
}

export interface CountQuestion {
  readonly asked: Asked;
  /** The answer reports stale data, or cannot report it: a service's answer does not do so for each CUJ. */
  readonly isOld: boolean;
  readonly routes: readonly Route[];
  readonly side: Side;
  readonly what: keyof Counted;
  readonly window: Window;
}

export interface Evidence {
  /** The longest window of the registries, in ms. */
  readonly maxWindowMs: number;
  /** The possible windows of a request. Its data may have come to a new end before the answer. */
  windows(asked: Asked): Window[];
  /** In a window of so long, in ms, the nature of every canary is visible. */
  tellingMs(window: Window): number;
  /** Why there can be no verdict on a version and some routes in this window; undefined where there can. */
  unseen(version: string, routes: readonly Route[], window: Window): string | undefined;
  /** Whether an answer may show so many. */
  mayShow(shown: number, question: CountQuestion): boolean;
}

const minuteMs = 60_000;
/** Of all traffic. */
export const usualTellingMs = 4 * minuteMs;
/** While all is well, data ends at a multiple of this. */
const calmStepMs = 30_000;
/** Of an answer's two calls, that about the past ends at a multiple of 5 minutes, and at least so long before the other one. */
const pastStepMs = 5 * minuteMs;
const minRecentMs = 10 * minuteMs;
const bucketMs = 10_000;

/**
 * Where the data of an answer may end that is complete `lagMs` later, epoch ms. While bad events could become a fail it is asked for
 * anew once there are two buckets more.
 */
export function callEndsOf({ startedMs, endedMs }: Asked, lagMs: number): number[] {
  const endsAt = (completeMs: number) => {
    const newest = floor(completeMs, bucketMs);
    return [floor(completeMs, calmStepMs), newest, newest - bucketMs];
  };
  return unique([startedMs, endedMs].flatMap((ms) => endsAt(ms - lagMs)));
}

/** Where the call about the past ends beside one that ends then. */
export function pastEndOf(callMs: number): number {
  return floor(callMs - minRecentMs, pastStepMs);
}

/** Where a window that ends then begins; undefined where it begins with the canary. */
export function givenBeginOf(
  { sinceMs, windowMinutes }: Asked,
  toMs: number,
  maxWindowMs: number,
): number | undefined {
  const oldest = floor(toMs) - maxWindowMs;
  if (sinceMs !== undefined)
    return Math.min(toMs, Math.max(Math.ceil(sinceMs / minuteMs) * minuteMs, oldest));
  return windowMinutes === undefined ? undefined : floor(toMs) - windowMinutes * minuteMs;
}

export const floor = (ms: number, stepMs = minuteMs): number => Math.floor(ms / stepMs) * stepMs;

export function unique<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}
