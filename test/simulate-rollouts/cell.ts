/** A process of `npm run simulate:rollouts`: simulates the cells that it is sent, until its parent lets go of it. */
import type { Cell } from './releases.ts';
import { type Setup, type SetupOptions, setUp, simulateCell } from './simulate.ts';

export interface CellTask {
  readonly cell: Cell;
  readonly runs: number;
  readonly seed: number;
  readonly options: SetupOptions;
}

let setup: Promise<Setup> | undefined;

process.on('message', async ({ cell, runs, seed, options }: CellTask) => {
  setup ??= setUp(options);
  process.send?.({ cell, endings: await simulateCell(await setup, cell, runs, seed) });
});
