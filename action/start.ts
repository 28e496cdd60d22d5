/**
 * What GitHub runs for the action, with the runner's own Node: installs the dependencies that package-lock.json names, beside
 * the source of the commit that the workflow pins, and starts `cuj-gate github-action`. Nothing is imported from them before
 * they are there. Why: docs/adr/0027-action-runs-its-source.md.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';

const root = path.join(import.meta.dirname, '..');

function fail(message: string): never {
  process.stdout.write(`::error title=cuj-gate::${message}\n`);
  process.exit(2);
}

/** Secrets are not for npm, and scripts of packages do not run. */
function withoutSecrets(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(env).filter(([name]) => !/^(?:INPUT_|DD_|GITHUB_|ACTIONS_|GH_TOKEN$)/.test(name)),
  );
}

if (process.platform === 'win32') fail('The action runs on Linux and macOS, not on Windows.');
if (!existsSync(path.join(root, 'node_modules', '.package-lock.json'))) {
  // In the folder of the action: npm must not read the .npmrc of the repository that is checked.
  const args = ['ci', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  const { status, error } = spawnSync('npm', args, {
    cwd: root,
    env: withoutSecrets(process.env),
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (error) fail('npm cannot be started. Add a step with actions/setup-node before this one.');
  if (status !== 0) fail('npm could not install the dependencies of the action. The log has the reason.');
}
const { status, signal } = spawnSync(
  process.execPath,
  [...process.execArgv, path.join(root, 'src', 'bin.ts'), 'github-action'],
  { cwd: process.env.GITHUB_WORKSPACE ?? process.cwd(), stdio: ['ignore', 'inherit', 'inherit'] },
);
if (signal !== null) fail(`The action was ended by ${signal}.`);
process.exitCode = status ?? 2;
