import { spawnSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';

/** Debian packages that the run needs, each with a program that shows that it is installed. */
const programOf = {
  chromium: 'chromium',
  'etcd-server': 'etcd',
  prometheus: 'promtool',
  'redis-server': 'redis-server',
  'victoria-metrics': 'victoria-metrics',
} as const;

export type DebianPackage = keyof typeof programOf;

export const debianPackages = Object.keys(programOf) as readonly DebianPackage[];

/**
 * Installs the packages whose program is missing.
 * Throws an Error with the command to run by hand if this process may not install.
 */
export function ensureDebian(
  packages: readonly DebianPackage[],
  log: (line: string) => void = console.log,
): void {
  const missing = packages.filter((name) => !onPath(programOf[name]));
  if (missing.length === 0) return;
  const command = `apt-get update && apt-get install -y --no-install-recommends ${missing.join(' ')}`;
  if (process.getuid?.() !== 0 || !onPath('apt-get')) {
    const programs = missing.map((name) => programOf[name]).join(', ');
    throw new Error(
      `${programs} not found on the PATH. Install by hand, on Debian or Ubuntu: sudo sh -c '${command}'`,
    );
  }
  log(`installing ${missing.join(', ')}`);
  withoutStartingServices(() => {
    for (const args of [['update'], ['install', '-y', '--no-install-recommends', ...missing]]) {
      const done = spawnSync('apt-get', args, {
        encoding: 'utf8',
        env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      });
      if (done.status !== 0) {
        throw new Error(
          `apt-get ${args.join(' ')} ended with ${done.status ?? done.signal}:\n${done.stderr.slice(-2000)}`,
        );
      }
    }
  });
}

/** Debian starts a daemon when its package is installed, on ports that other programs may need; policy-rc.d forbids it. */
function withoutStartingServices(install: () => void): void {
  const policy = '/usr/sbin/policy-rc.d';
  const ours = !existsSync(policy);
  if (ours) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    install();
  } finally {
    if (ours) rmSync(policy, { force: true });
  }
}

/** Whether a program of this name can be started. */
export function onPath(program: string): boolean {
  return pathOf(program) !== undefined;
}

/** Where the program of this name is; undefined where it cannot be started. */
export function pathOf(program: string): string | undefined {
  const folder = (process.env.PATH ?? '')
    .split(':')
    .find((one) => one !== '' && existsSync(`${one}/${program}`));
  return folder === undefined ? undefined : `${folder}/${program}`;
}
