import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { inputNames } from '../../src/pull-request/inputs.ts';
import { repository, writeFiles } from './repository.ts';

const root = path.join(import.meta.dirname, '../..');

interface ActionFile {
  readonly inputs: Readonly<Record<string, { readonly description: string; readonly default?: string }>>;
  readonly outputs: Readonly<Record<string, unknown>>;
  readonly runs: { readonly using: string; readonly main: string };
}
const action = parse(readFileSync(path.join(root, 'action.yml'), 'utf8')) as ActionFile;

/** The variables that the runner sets for a step with these inputs: the given ones, and the defaults of the rest. */
function inputVariables(given: Readonly<Record<string, string>>): Record<string, string> {
  const unknown = Object.keys(given).filter((name) => action.inputs[name] === undefined);
  if (unknown.length > 0) throw new Error(`Unexpected input(s) ${unknown.join(', ')}`);
  return Object.fromEntries(
    Object.entries(action.inputs).map(([name, { default: usual = '' }]) => [
      `INPUT_${name.replaceAll(' ', '_').toUpperCase()}`,
      given[name] ?? usual.replace(`\${{ github.token }}`, 'ghs_of-the-runner'),
    ]),
  );
}

async function runStep(inputs: Readonly<Record<string, string>>) {
  const text99 = `apiVersion: cuj-gate/v1
services: { shop: { env: prod, operation: http.request, canary: "version:{version}" } }
cujs:
  - { name: buy, owner: team, service: shop, slo: { availability: 99.9 }, endpoints: [GET /a] }
`;
  const repo = repository({ 'cujs.yaml': text99 }, { 'cujs.yaml': text99.replace('99.9', '99') });
  const workspace = repo.checkout();
  const temp = realpathSync(mkdtempSync(path.join(tmpdir(), 'cuj-gate-runner-')));
  onTestFinished(() => rmSync(temp, { recursive: true, force: true }));
  writeFiles(temp, { summary: '', output: '' });
  // Node 24 of the runner reads TypeScript itself. The loader is for older ones that run the tests.
  const loader = import.meta.resolve('tsx');
  const child = spawn(process.execPath, ['--import', loader, path.join(root, action.runs.main)], {
    cwd: temp,
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      GITHUB_WORKSPACE: workspace,
      GITHUB_EVENT_NAME: 'pull_request',
      GITHUB_EVENT_PATH: repo.payload('pull_request.opened'),
      GITHUB_REPOSITORY: 'example/shop',
      GITHUB_STEP_SUMMARY: path.join(temp, 'summary'),
      GITHUB_OUTPUT: path.join(temp, 'output'),
      RUNNER_TEMP: temp,
      ...inputVariables({ comment: 'false', ...inputs }),
    },
  });
  const [stdout, stderr, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise((resolve) => child.on('close', resolve)),
  ]);
  const read = (name: string) => readFileSync(path.join(temp, name), 'utf8');
  return { code, stdout, stderr, summary: read('summary'), output: read('output') };
}

describe('action.yml', () => {
  it('has the inputs that the command reads, each described', () => {
    expect(Object.keys(action.inputs)).toEqual([...inputNames]);
    for (const { description } of Object.values(action.inputs)) expect(description).toMatch(/\.$/);
  });

  it('runs its file with the inputs as the runner hands them over', async () => {
    const { code, stderr, summary, output } = await runStep({});
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(action.runs.using).toBe('node24');
    expect(summary).toContain('**99.9% → 99%**');
    const names = output
      .trimEnd()
      .split('\n')
      .map((line) => line.split('=')[0]);
    expect(names).toEqual(Object.keys(action.outputs));
  });

  it('fails the step where a check fails, and where an input is wrong', async () => {
    expect((await runStep({ registry: 'none.yaml' })).code).toBe(1);
    expect((await runStep({ comment: 'maybe' })).stdout).toContain(
      'comment: "maybe" is neither true nor false.',
    );
    expect(() => inputVariables({ registrys: 'x' })).toThrow('Unexpected input(s) registrys');
  });
});

describe('where the dependencies are missing', () => {
  /** The action without its dependencies, with an npm that only writes down how it was called. */
  function bareAction() {
    const folder = realpathSync(mkdtempSync(path.join(tmpdir(), 'cuj-gate-bare-')));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    writeFiles(folder, {
      'action/action/start.ts': readFileSync(path.join(root, action.runs.main), 'utf8'),
      'action/src/bin.ts': "console.log('ran', process.argv.slice(2).join(' '), 'in', process.cwd());",
      'bin/npm': `#!/bin/sh\n{ pwd; echo "$@"; env; } > ${folder}/npm-call\nexit \${NPM_EXIT:-0}\n`,
      'workspace/.npmrc': 'registry=http://127.0.0.1:9/',
      'workspace/package.json': '{}',
    });
    chmodSync(path.join(folder, 'bin/npm'), 0o755);
    return folder;
  }

  async function start(folder: string, env: Readonly<Record<string, string>>) {
    const file = path.join(folder, 'action', action.runs.main);
    const child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), file], {
      cwd: path.join(folder, 'workspace'),
      env: { GITHUB_WORKSPACE: path.join(folder, 'workspace'), ...env },
    });
    const [stdout, code] = await Promise.all([text(child.stdout), once(child, 'close').then(([it]) => it)]);
    return { stdout, code };
  }

  it('npm installs them in the folder of the action, without scripts and without secrets', async () => {
    const folder = bareAction();
    const secrets = {
      INPUT_TOKEN: 'sekret-1',
      'INPUT_DD-API-KEY': 'sekret-2',
      DD_APP_KEY: 'sekret-3',
      ACTIONS_RUNTIME_TOKEN: 'sekret-4',
    };
    const { stdout, code } = await start(folder, { PATH: `${folder}/bin:${process.env.PATH}`, ...secrets });
    expect({ stdout, code }).toEqual({ stdout: `ran github-action in ${folder}/workspace\n`, code: 0 });
    const call = readFileSync(path.join(folder, 'npm-call'), 'utf8');
    const [cwd, args] = call.split('\n');
    expect([cwd, args]).toEqual([
      `${folder}/action`,
      expect.stringMatching(/^ci --omit=dev --ignore-scripts /),
    ]);
    expect(call).not.toContain('sekret');
  });

  it('says what to do where npm fails, or is not there', async () => {
    const folder = bareAction();
    expect(await start(folder, { PATH: `${folder}/bin:${process.env.PATH}`, NPM_EXIT: '1' })).toEqual({
      stdout: expect.stringContaining('::error title=cuj-gate::npm could not install the dependencies'),
      code: 2,
    });
    expect(await start(folder, { PATH: `${folder}/none` })).toEqual({
      stdout: expect.stringContaining('Add a step with actions/setup-node before this one.'),
      code: 2,
    });
  });
});

describe('docs/github-action.md', () => {
  const page = readFileSync(path.join(root, 'docs/github-action.md'), 'utf8');
  const workflows = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, yaml = '']) => yaml);

  it('lists every input and every output', () => {
    for (const name of [...Object.keys(action.inputs), ...Object.keys(action.outputs)])
      expect(page).toContain(`| \`${name}\` |`);
  });

  it('has examples that use inputs that exist, and never run on pull_request_target', () => {
    const steps = workflows
      .flatMap((yaml) => parseAllDocuments(yaml).map((document) => document.toJS()))
      .flatMap((workflow: { jobs?: Record<string, { steps: { uses?: string; with?: object }[] }> }) =>
        Object.values(workflow.jobs ?? {}).flatMap((job) => job.steps),
      )
      .filter(({ uses }) => uses?.startsWith('OWNER/cuj-gate@'));
    expect(steps.length).toBeGreaterThan(1);
    for (const step of steps)
      for (const name of Object.keys(step.with ?? {})) expect(Object.keys(action.inputs)).toContain(name);
    for (const yaml of workflows) expect(yaml).not.toContain('pull_request_target');
  });

  it('names files of the repository that exist', () => {
    expect(existsSync(path.join(root, action.runs.main))).toBe(true);
  });
});
