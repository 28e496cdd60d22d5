import { fork } from 'node:child_process';

/**
 * Sends tasks to as many processes of a script as wanted, one at a time each. The answers are in the tasks' order. `progress` is
 * told after each.
 */
export async function inProcesses<Task, Answer>(
  script: URL,
  tasks: readonly Task[],
  processes: number,
  progress: (done: number) => void,
): Promise<readonly Answer[]> {
  const found: Answer[] = [];
  let next = 0;
  let done = 0;
  const one = () =>
    new Promise<void>((resolve, reject) => {
      const child = fork(script, { serialization: 'advanced' });
      let at = -1;
      const send = () => {
        if (next >= tasks.length) {
          child.disconnect();
          return;
        }
        at = next;
        next += 1;
        child.send(tasks[at] as object);
      };
      child.on('message', (answer) => {
        found[at] = answer as Answer;
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
  await Promise.all(Array.from({ length: Math.min(processes, tasks.length) }, one));
  return found;
}
