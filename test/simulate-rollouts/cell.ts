/** A process of `npm run simulate:rollouts`: simulates the cells that it is sent, until its parent lets go of it. */
import type { Cell } from './releases.ts';
import { type Setup, type SetupOptions, setUp, simulateCell } from './simulate.ts';

export interface CellTask {
  readonly cell: Cell;
  readonly runs: number;
  readonly seed: number;
  readonly options: Omit<SetupOptions, 'sizedFor'>;
  /** Steps are sized to each cell's app. */
  readonly sized: boolean;
}

const setups = new Map<number | undefined, Promise<Setup>>();

process.on('message', async ({ cell, runs, seed, options, sized }: CellTask) => {
  const sizedFor = sized ? cell.requestsPerSecond : undefined;
  const setup =
    setups.get(sizedFor) ?? setUp({ ...options, ...(sizedFor === undefined ? {} : { sizedFor }) });
  setups.set(sizedFor, setup);
  process.send?.({ cell, endings: await simulateCell(await setup, cell, runs, seed) });
});
