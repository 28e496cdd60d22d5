import type { Call } from '../../src/demo/datadog/stand-in.ts';
import type { FaultGun } from './faults.ts';
import type { Inspector } from './inspector.ts';

/** The least that a reset says in a run (faults.ts): each 429 forbids its gate's calls for at least so long. */
const leastResetMs = 1_000;
/** The gate counts from when it read the answer, the stand-in from when the call came in; and calls cross on the way. */
const crossingMs = 120;

/** Every life of a gate has an API key of its own: whoever was told 429 may not ask that endpoint before the reset. */
export function checkHeldOff(inspector: Inspector, calls: readonly Call[], gun: FaultGun): void {
  const limitedAt = new Map<string, number>();
  const wrong: string[] = [];
  for (const call of calls) {
    if (!call.path.includes('/query')) continue;
    const life = String(call.headers['dd-api-key']);
    const key = `${life} ${call.path}`;
    const before = limitedAt.get(key);
    const afterMs = before === undefined ? Number.POSITIVE_INFINITY : call.at - before;
    if (afterMs > crossingMs && afterMs < leastResetMs - crossingMs)
      wrong.push(`${life} asked ${call.path} ${afterMs} ms after a 429`);
    // One that was delayed, or cut off, told the gate later or nothing.
    if (call.status === 429 && !gun.muddledAt(call.at)) limitedAt.set(key, call.at);
  }
  inspector.note('no call before the reset of a 429', ...wrong);
}
