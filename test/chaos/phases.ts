/**
 * What happens in each minute of a run, in ms: faults of single calls, then old data for everybody as well, and in the end
 * nothing at all, so that whatever was wrong before, the gate must measure again.
 */
const everyMs = 60_000;
const late = { fromMs: 18_000, untilMs: 38_000 };
const calm = { fromMs: 40_000, untilMs: 58_000 };
/** What was asked before may wait for a call that hangs, until its deadline (8 s), and others join it. */
const settledMs = 9_500;

type Phase = typeof late;

/** Whether faults rest, so long after the run began. */
export function isCalm(elapsedMs: number): boolean {
  const at = elapsedMs % everyMs;
  return at >= calm.fromMs && at < calm.untilMs;
}

/** Whether no fault can have anything to do with what was asked and answered between these moments. */
export function isSettledCalm(askedMs: number, answeredMs: number): boolean {
  return isWithin(calm, askedMs, answeredMs);
}

/** Whether the data was old for all that was asked and answered between these moments. */
export function isSettledLate(askedMs: number, answeredMs: number): boolean {
  return isWithin(late, askedMs, answeredMs);
}

/** For how many ms data has to be late from now on; undefined where it need not be. */
export function lateForMs(elapsedMs: number): number | undefined {
  const at = elapsedMs % everyMs;
  return at >= late.fromMs && at < late.untilMs ? late.untilMs - at : undefined;
}

/** The minute of the run, counted from 0, whose end is near enough to compare it with the ends of others; else undefined. */
export function minuteToCompare(elapsedMs: number): number | undefined {
  return elapsedMs % everyMs >= calm.fromMs + settledMs ? Math.floor(elapsedMs / everyMs) : undefined;
}

function isWithin({ fromMs, untilMs }: Phase, askedMs: number, answeredMs: number): boolean {
  const at = askedMs % everyMs;
  return at >= fromMs + settledMs && at + (answeredMs - askedMs) < untilMs;
}
