#!/usr/bin/env node
import { isMainThread } from 'node:worker_threads';
import { run } from './cli.ts';
import { exitCodes } from './commands/support/io.ts';

if (isMainThread) {
  // A reader that has seen enough (`| head`) is no error: the rest is said to nobody, and the exit code is the verb's.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') return;
      // What could not be said is no answer: a full disk must not read as one.
      if (stream === process.stdout)
        process.stderr.write(`cuj-gate: the answer cannot be written: ${error.message}\n`);
      process.exit(exitCodes.misuse);
    });
  }
  process.exitCode = await run(process.argv.slice(2), {
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    now: Date.now,
  });
} else {
  // Bundled, the thread that reads large registries starts here as well; it serves by being loaded.
  await import('./registry-files/worker.ts');
}
