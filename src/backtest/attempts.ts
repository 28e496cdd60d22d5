import { hourMs } from '../domain/duration.ts';
/**
 * Finds when a version was a canary in the past: first by the hour, over weeks, then by the minute, over hours. Pure.
 */

/** A version with fewer hits in total is stray traffic, not a rollout. */
export const minHits = 20;
/** The longest part of a rollout that is replayed. */
export const longestHours = 8;

/** A version that appears beside others, by the hour. Epoch ms, whole hours. */
export interface Candidate {
  readonly service: string;
  readonly version: string;
  /** The version with the most hits in the hour before, or in the same one. */
  readonly before: string;
  readonly fromMs: number;
  /** Exclusive: the end of the hour in which it was alone or gone, or of the last one that is replayed. */
  readonly toMs: number;
}

/** The appearances of every version of one service, oldest first; hits by version and hour, the first at `fromMs`. */
export function candidatesOf(
  service: string,
  hits: ReadonlyMap<string, ArrayLike<number>>,
  fromMs: number,
  hours: number,
): Candidate[] {
  const found: Candidate[] = [];
  const at = (version: string, hour: number) => hits.get(version)?.[hour] ?? 0;
  for (const version of hits.keys()) {
    const others = [...hits.keys()].filter((other) => other !== version);
    const isAlone = (hour: number) => others.every((other) => at(other, hour) <= 0);
    // What was there in the first hour began before it.
    for (let first = 1; first < hours; first += 1) {
      if (at(version, first) <= 0 || at(version, first - 1) > 0) continue;
      const score = (other: string) => at(other, first - 1) || at(other, first) / 1e6;
      const before = [...others].sort((a, b) => score(b) - score(a) || (a < b ? -1 : 1))[0];
      if (before === undefined || score(before) <= 0) continue;
      let last = first;
      let total = at(version, first);
      while (last + 1 < hours && at(version, last) > 0 && !isAlone(last)) {
        last += 1;
        total += at(version, last);
      }
      if (total < minHits) continue;
      const end = Math.min(last + 1, first + longestHours, hours);
      found.push({
        service,
        version,
        before,
        fromMs: fromMs + first * hourMs,
        toMs: fromMs + end * hourMs,
      });
    }
  }
  return found.sort((a, b) => a.fromMs - b.fromMs || (a.version < b.version ? -1 : 1));
}

/**
 * How an attempt ended: the version carried all traffic, or lost its own, or the span that was measured was over.
 */
export type Ending = 'all_traffic' | 'withdrawn' | 'still_canary';

/** One rollout of a version as a canary; indexes of minutes. */
export interface Attempt {
  readonly first: number;
  /** Exclusive: after the last minute in which it was a canary. */
  readonly end: number;
  readonly ending: Ending;
}

/** Up to this share of a minute's hits are stragglers: connections that outlive the switch. */
const stragglers = 0.01;
/** A version carries all traffic once it does so for as many minutes. */
const settledMinutes = 3;

/**
 * The attempts in a span of minutes, from `start` on. A gap of `gap` minutes without traffic ends an attempt, as in the
 * gate's window.
 */
export function attemptsOf(
  canary: ArrayLike<number>,
  others: ArrayLike<number>,
  start: number,
  gap: number,
): Attempt[] {
  const found: Attempt[] = [];
  const minutes = canary.length;
  const has = (i: number) => (canary[i] ?? 0) > 0;
  const isAll = (i: number) =>
    has(i) && (others[i] ?? 0) <= stragglers * ((canary[i] ?? 0) + (others[i] ?? 0));
  let i = start;
  while (i < minutes) {
    if (!has(i)) {
      i += 1;
      continue;
    }
    const first = i;
    let silent = 0;
    let settled = 0;
    let ending: Ending = 'still_canary';
    let end = minutes;
    for (; i < minutes; i += 1) {
      silent = has(i) ? 0 : silent + 1;
      settled = isAll(i) ? settled + 1 : 0;
      if (settled === settledMinutes) {
        ending = 'all_traffic';
        end = i + 1 - settledMinutes;
        break;
      }
      if (silent === gap) {
        ending = 'withdrawn';
        end = i + 1 - gap;
        break;
      }
    }
    // What had all the traffic from the start, and a lone version that paused, was never a canary.
    if (end > first) found.push({ first, end, ending });
    // Not a canary again before it was gone.
    if (ending === 'all_traffic') while (i < minutes && !isGone(canary, i, gap)) i += 1;
    else i += 1;
  }
  return found;
}

function isGone(canary: ArrayLike<number>, from: number, gap: number): boolean {
  for (let i = from; i < from + gap; i += 1) if ((canary[i] ?? 0) > 0 || i >= canary.length) return false;
  return true;
}
