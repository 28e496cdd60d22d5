import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';

const script = path.join(import.meta.dirname, '../../.ci/install.mjs');

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'install-'));
  const packages = {
    '': { name: 'app' },
    'node_modules/a': {},
    'node_modules/a/node_modules/b': { os: [process.platform], cpu: [process.arch] },
    'node_modules/elsewhere': { os: [`!${process.platform}`] },
    'node_modules/other-processor': { cpu: ['none'] },
    'node_modules/other-libc': { libc: ['none'] },
  };
  writeFileSync(path.join(folder, 'package-lock.json'), JSON.stringify({ packages }));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Runs the installation with this shell script in place of npm. */
function install(npm: string) {
  mkdirSync(path.join(folder, 'bin'));
  writeFileSync(path.join(folder, 'bin/npm'), `#!/bin/sh\n${npm}\n`, { mode: 0o755 });
  const PATH = `${path.join(folder, 'bin')}:${process.env.PATH}`;
  return spawnSync(process.execPath, [script], { cwd: folder, env: { PATH }, encoding: 'utf8' });
}

it('counts the packages that this machine gets, and notes when they were installed', () => {
  const stamp = path.join(folder, 'node_modules/.package-lock.json');
  mkdirSync(path.dirname(stamp));
  writeFileSync(stamp, '{}');
  utimesSync(stamp, 0, 0);
  const { status, stderr, stdout } = install(
    'mkdir -p node_modules/a/node_modules/b && touch node_modules/a/package.json node_modules/a/node_modules/b/package.json && echo "$@"',
  );
  expect({ status, stdout }).toEqual({ status: 0, stdout: 'ci --no-audit --no-fund --loglevel=error\n' });
  expect(stderr).toMatch(/^Installing node_modules.*\nInstalled 2 of 2 packages, \d+ s\.\n$/);
  expect(statSync(stamp).mtimeMs).toBeGreaterThanOrEqual(
    statSync(path.join(folder, 'package-lock.json')).mtimeMs,
  );
});

it('ends as npm does where the installation fails', () => {
  const { status, stderr } = install('echo "no space left" >&2; exit 7');
  expect(status).toBe(7);
  expect(stderr).toContain('no space left\nnpm ci failed (exit code 7)');
  expect(stderr).not.toContain('Installed');
});
