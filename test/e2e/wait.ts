import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'undici';

export interface WaitOptions<T> {
  /** Read as "waited 30 s for <what>". */
  what: string;
  timeoutMs: number;
  everyMs?: number;
  /** The condition for the value; default: it is truthy. */
  until?: (value: T) => boolean;
  /** Formats the last value for the failure message; default: shortened JSON. */
  show?: (value: T) => string;
  /** A reason to stop waiting, such as the exit of a child process; undefined to continue. */
  hopeless?: () => string | undefined;
}

/**
 * Calls `probe` repeatedly until its value meets the condition, and resolves to that value. An error of `probe` is a value
 * that does not; the failure message has the last value or the last error.
 */
export async function waitFor<T>(probe: () => T | Promise<T>, options: WaitOptions<T>): Promise<T> {
  const { what, timeoutMs, everyMs = 200, until = Boolean, show = showValue, hopeless } = options;
  const started = Date.now();
  let last = 'nothing yet';
  for (;;) {
    try {
      const value = await probe();
      if (until(value)) return value;
      last = show(value);
    } catch (error) {
      last = error instanceof Error ? error.message : String(error);
    }
    const reason = hopeless?.();
    if (reason) throw new Error(`gave up waiting for ${what}: ${reason}; last seen: ${last}`);
    if (Date.now() - started >= timeoutMs) {
      throw new Error(`waited ${Math.round(timeoutMs / 1000)} s for ${what}; last seen: ${last}`);
    }
    await sleep(everyMs);
  }
}

/** Whether a GET of this address returns 200; throws if nothing listens there. */
export async function answers(url: string): Promise<boolean> {
  const { statusCode, body } = await request(url, { headersTimeout: 5_000, bodyTimeout: 5_000 });
  await body.dump();
  return statusCode === 200;
}

function showValue(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 600 ? `${text.slice(0, 600)} …` : text;
}
