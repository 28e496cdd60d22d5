/**
 * The last part of every minute of a run goes without faults: whatever was wrong before, the gate must measure again. In ms.
 */
const everyMs = 60_000;
const fromMs = 40_000;
const untilMs = 58_000;
/** What was asked before the calm may wait for a call that hangs, until its deadline (8 s), and others join it. */
const settledMs = 9_500;

/** Whether faults rest, so long after the run began. */
export function isCalm(elapsedMs: number): boolean {
  const at = elapsedMs % everyMs;
  return at >= fromMs && at < untilMs;
}

/** Whether no fault can have anything to do with what was asked and answered between these moments. */
export function isSettled(askedMs: number, answeredMs: number): boolean {
  const at = askedMs % everyMs;
  return at >= fromMs + settledMs && at + (answeredMs - askedMs) < untilMs;
}
