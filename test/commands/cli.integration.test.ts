import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { run } from '../../src/cli.ts';
import { capture } from './io.ts';

describe('the command line', () => {
  it.each([
    ['says what to type where nothing was typed', [], 2, '', 'Usage: cuj-gate <command>'],
    ['names the nearest command for an unknown one', ['evalute'], 2, '', 'Did you mean "evaluate"?'],
    [
      'guesses no command where none is near',
      ['frobnicate'],
      2,
      '',
      'unknown command "frobnicate". See cuj-gate --help.',
    ],
    ['lists every command in its help', ['--help'], 0, 'judge one CUJ, or all CUJs of a service, now', ''],
    ['says its version', ['--version'], 0, `${packageJson.version}\n`, ''],
    ['explains its exit codes in its help', ['--help'], 0, '1 a negative result', ''],
    ['shows the help of a command', ['evaluate', '--help'], 0, '--param <name=value>', ''],
    ['shows every setting in the help of serve', ['serve', '--help'], 0, 'CUJ_GATE_REGISTRY', ''],
    ['refuses an unknown option', ['evaluate', '--wrong'], 2, '', "unknown option '--wrong'"],
    ['refuses a port that is none', ['demo', '--port', '70000'], 2, '', '0 to 65535'],
  ] as const)('%s', async (_name, argv, code, stdout, stderr) => {
    const streams = capture();
    expect(await run(argv, streams.io)).toBe(code);
    expect(streams.stdout()).toContain(stdout);
    expect(streams.stderr()).toContain(stderr);
    if (stdout === '') expect(streams.stdout()).toBe('');
  });

  it('ends a process with its exit code and keeps stdout for answers', async () => {
    const argv = ['--import', 'tsx', 'src/bin.ts', 'validate', '/does/not/exist.yaml'];
    const failed = await promisify(execFile)(process.execPath, argv).catch((error: unknown) => error);
    expect(failed).toMatchObject({ code: 2, stdout: '' });
    expect((failed as { stderr: string }).stderr).toContain('/does/not/exist.yaml');
  });

  it('keeps its exit code where nobody reads to the end', async () => {
    const argv = ['--import', 'tsx', 'src/bin.ts', 'generate', 'all', '--registry', 'config/cujs.yaml'];
    const child = spawn(process.execPath, argv);
    child.stdout.destroy();
    const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, 'close')]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });

  it.skipIf(!existsSync('/dev/full'))('says so, with 2, where its answer cannot be written', async () => {
    const full = openSync('/dev/full', 'w');
    const child = spawn(process.execPath, ['--import', 'tsx', 'src/bin.ts', 'schema'], {
      stdio: ['ignore', full, 'pipe'],
    });
    const [stderr, [code]] = await Promise.all([text(child.stderr as Readable), once(child, 'close')]);
    closeSync(full);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^cuj-gate: writing the output failed: ENOSPC.*\n$/);
  });
});
