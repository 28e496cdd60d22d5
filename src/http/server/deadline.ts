import type { Timer } from './ports.ts';

/** How long before the deadline the work is told to stop, so that what has arrived by then is still judged. */
export const graceMs = 250;

/**
 * Runs `start` and answers by the deadline in any case: with `late` where it has not settled. Its signal aborts
 * `graceMs` before that. What a straggler throws afterwards goes to `straggler`.
 */
export function withinDeadline<T>(
  timer: Timer,
  deadlineMs: number,
  start: (signal: AbortSignal) => Promise<T>,
  late: () => T,
  straggler: (error: unknown) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const controller = new AbortController();
    const grace = Math.min(graceMs, deadlineMs / 4);
    let over = false;
    let cancel = timer(deadlineMs - grace, () => {
      cancel = timer(grace, () => {
        over = true;
        try {
          resolve(late());
        } catch (error) {
          reject(error as Error);
        }
      });
      controller.abort(new DOMException('The deadline of the question has passed.', 'TimeoutError'));
    });
    start(controller.signal).then(
      (value) => {
        cancel();
        resolve(value);
      },
      (error: unknown) => {
        cancel();
        if (over) straggler(error);
        else reject(error as Error);
      },
    );
  });
}
