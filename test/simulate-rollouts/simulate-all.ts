import { fork } from 'node:child_process';
import type { CellTask } from './cell.ts';
import type { Cell } from './releases.ts';
import type { Ending } from './rollout.ts';

export interface Simulated {
  readonly cell: Cell;
  readonly endings: readonly Ending[];
}

/** Simulates cells in as many processes as wanted; the answer is in the cells' order. `progress` is told after each. */
export async function simulateAll(
  cells: readonly Cell[],
  task: Omit<CellTask, 'cell'>,
  processes: number,
  progress: (done: number) => void,
): Promise<readonly Simulated[]> {
  const found: Simulated[] = [];
  let next = 0;
  let done = 0;
  const one = () =>
    new Promise<void>((resolve, reject) => {
      const child = fork(new URL('./cell.ts', import.meta.url));
      let at = -1;
      const send = () => {
        const cell = cells[next];
        if (cell === undefined) {
          child.disconnect();
          return;
        }
        at = next;
        next += 1;
        child.send({ ...task, cell } satisfies CellTask);
      };
      child.on('message', (simulated) => {
        found[at] = simulated as Simulated;
        done += 1;
        progress(done);
        send();
      });
      child.on('error', reject);
      child.on('exit', (code) =>
        code === 0 ? resolve() : reject(new Error(`a process ended with ${code}`)),
      );
      send();
    });
  await Promise.all(Array.from({ length: Math.min(processes, cells.length) }, one));
  return found;
}
