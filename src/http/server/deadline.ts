import type { Timer } from './ports.ts';

/** The work is aborted this long before the deadline, so that the data that has arrived is still judged. */
export const graceMs = 250;

/**
 * Runs `start`, and answers with `late` where it has not settled by the deadline. Its signal aborts `graceMs` before
 * that. An error that is thrown after the deadline goes to `straggler`.
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
      controller.abort(new DOMException('The deadline of the request has passed.', 'TimeoutError'));
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
