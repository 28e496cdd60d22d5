#!/usr/bin/env node
import { isMainThread } from 'node:worker_threads';
import { run } from './cli.ts';

if (isMainThread) {
  process.exitCode = await run(process.argv.slice(2), {
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
  });
} else {
  // Bundled, the thread that reads large registries starts here as well; it serves by being loaded.
  await import('./adapters/registry/reader-thread.ts');
}
