/**
 * The phases of each minute of a run, in ms: faults of single calls, then also old data for all services, and at the end no
 * faults. The gate must then measure again, whatever was wrong before.
 */
const everyMs = 60_000;
const late = { fromMs: 18_000, untilMs: 38_000 };
const calm = { fromMs: 40_000, untilMs: 58_000 };
/** Earlier requests may wait for a call that hangs, until its deadline (8 s), and other requests join that call. */
const settledMs = 9_500;

/** Before memory is compared, and while it is. */
const comparing = { fromMs: 45_000, untilMs: everyMs };

type Phase = typeof late;

/** Whether no faults are fired at this time after the start of the run. */
export function isCalm(elapsedMs: number): boolean {
  return isWithinMinute(calm, elapsedMs);
}

/** Whether no fault can have affected a request that was sent and answered between these times. */
export function isSettledCalm(askedMs: number, answeredMs: number): boolean {
  return isWithin(calm, askedMs, answeredMs);
}

/** Whether the data was old for every request that was sent and answered between these times. */
export function isSettledLate(askedMs: number, answeredMs: number): boolean {
  return isWithin(late, askedMs, answeredMs);
}

/** For how many ms data has to be late from now on; undefined outside of that phase. */
export function lateForMs(elapsedMs: number): number | undefined {
  return isWithinMinute(late, elapsedMs) ? late.untilMs - (elapsedMs % everyMs) : undefined;
}

/** Whether memory is compared, or soon will be. A new registry would make the gate forget its verdicts, which are a part of it. */
export function isComparing(elapsedMs: number): boolean {
  return isWithinMinute(comparing, elapsedMs);
}

/** The minute of the run, counted from 0, close enough to its end to be compared with the ends of others; else undefined. */
export function minuteToCompare(elapsedMs: number): number | undefined {
  return elapsedMs % everyMs >= calm.fromMs + settledMs ? Math.floor(elapsedMs / everyMs) : undefined;
}

/** Whether a time after the start of the run is in a phase of its minute. */
export function isWithinMinute({ fromMs, untilMs }: Phase, elapsedMs: number): boolean {
  const at = elapsedMs % everyMs;
  return at >= fromMs && at < untilMs;
}

function isWithin({ fromMs, untilMs }: Phase, askedMs: number, answeredMs: number): boolean {
  const at = askedMs % everyMs;
  return at >= fromMs + settledMs && at + (answeredMs - askedMs) < untilMs;
}

/**
 * How long after a call an answer may be based on it: a request waits for a call at most until its deadline, and the cache
 * keeps the result for its TTL.
 */
export const afterglowMs = settledMs;

/** The same for a call about the past: its result is kept for six minutes. */
export const settledGlowMs = 6 * 60_000 + afterglowMs;
