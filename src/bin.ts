#!/usr/bin/env node
import { isMainThread } from 'node:worker_threads';
import { run } from './cli.ts';
import { exitCodes } from './commands/support/io.ts';

if (isMainThread) {
  // A reader that stops early (`| head`) is not an error: the rest is discarded, and the exit code stays the command's.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') return;
      // Lost output is a failure: a full disk must not look like success.
      if (stream === process.stdout)
        process.stderr.write(`cuj-gate: writing the output failed: ${error.message}\n`);
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
  // In the bundle, the thread that reads large registries starts here too. Importing the module starts it.
  await import('./registry-files/worker.ts');
}
