/** A process of `npm run simulate`: simulates what its parent asks for, until the parent disconnects. */
import { lineOf } from './simulate.ts';

process.on('message', ({ id, runs, seed }: { id: string; runs: number; seed: number }) => {
  process.send?.(lineOf(id, runs, seed));
});
