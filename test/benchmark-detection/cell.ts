/** A process of `npm run benchmark:detection`: does the tasks that it is sent, until its parent lets go of it. */
import { type FaultTask, type GoodTask, runFault, runGood } from './benchmark.ts';

process.on('message', async (task: GoodTask | FaultTask) => {
  process.send?.(task.kind === 'good' ? await runGood(task) : await runFault(task));
});
