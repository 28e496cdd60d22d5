import type { CellTask } from './cell.ts';
import { inProcesses } from './in-processes.ts';
import type { Cell } from './releases.ts';
import type { Ending } from './rollout.ts';

export interface Simulated {
  readonly cell: Cell;
  readonly endings: readonly Ending[];
}

/** Simulates cells in as many processes as wanted; the answer is in the cells' order. `progress` is told after each. */
export function simulateAll(
  cells: readonly Cell[],
  task: Omit<CellTask, 'cell'>,
  processes: number,
  progress: (done: number) => void,
): Promise<readonly Simulated[]> {
  const tasks = cells.map((cell): CellTask => ({ ...task, cell }));
  return inProcesses(new URL('./cell.ts', import.meta.url), tasks, processes, progress);
}
