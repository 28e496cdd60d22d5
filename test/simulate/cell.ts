/** A process of `npm run simulate`: simulates the scenarios that its parent sends, until the parent disconnects. */
import { scenarios } from './scenarios.ts';
import { simulate } from './simulate.ts';

process.on('message', ({ id, runs, seed }: { id: string; runs: number; seed: number }) => {
  const scenario = scenarios.find((each) => each.id === id);
  if (scenario === undefined) throw new Error(`no scenario is called ${id}`);
  process.send?.(simulate(scenario, runs, seed));
});
