import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'undici';

export interface WaitOptions<T> {
  /** Read as "waited 30 s for <what>". */
  what: string;
  timeoutMs: number;
  everyMs?: number;
  /** When it is enough; by default, when the value is truthy. */
  until?: (value: T) => boolean;
  /** How a failure shows the last value; by default as JSON, cut. */
  show?: (value: T) => string;
  /** Ends the wait early, as with a child that died: a reason, or undefined to go on. */
  hopeless?: () => string | undefined;
}

/**
 * Asks `probe` again and again until its answer is enough, and resolves to that answer.
 * A probe that throws counts as not yet; the failure message carries the last answer or the last error.
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

/** Whether a GET of this address is answered with 200; throws when nobody listens. */
export async function answers(url: string): Promise<boolean> {
  const { statusCode, body } = await request(url, { headersTimeout: 5_000, bodyTimeout: 5_000 });
  await body.dump();
  return statusCode === 200;
}

function showValue(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 600 ? `${text.slice(0, 600)} …` : text;
}
