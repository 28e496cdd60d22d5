import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, unknown>>;
}

interface Job {
  readonly permissions?: Readonly<Record<string, string>>;
  readonly 'timeout-minutes'?: unknown;
  readonly needs?: string | readonly string[];
  readonly steps: readonly Step[];
}

interface Workflow {
  readonly on: Readonly<Record<string, unknown>>;
  readonly permissions?: unknown;
  readonly concurrency?: unknown;
  readonly jobs: Readonly<Record<string, Job>>;
}

const folder = path.join(import.meta.dirname, '../../.github/workflows');
const workflows = readdirSync(folder).map((file) => {
  const text = readFileSync(path.join(folder, file), 'utf8');
  return { file, text, workflow: parse(text) as Workflow };
});
const jobs = workflows.flatMap(({ file, workflow }) =>
  Object.entries(workflow.jobs).map(([name, job]) => ({ name: `${name} of ${file}`, job })),
);
const named = (file: string) => workflows.find((one) => one.file === file)!.workflow;

describe.each(workflows)('$file', ({ text, workflow }) => {
  it('pins every action to a commit and says which version that is', () => {
    // The action of this repository is the one of the same commit.
    const uses = text.split('\n').filter((line) => /^\s*(?:- )?uses: (?!\.\/ )/.test(line));
    expect(uses).not.toEqual([]);
    expect(uses.filter((line) => !/uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(line))).toEqual([]);
  });

  it('pins every image that it names by digest', () => {
    const images = text.match(/\b(?:docker|gcr|quay)\.io\/[^\s"]+/g) ?? [];
    expect(images.filter((image) => !/@sha256:[0-9a-f]{64}$/.test(image))).toEqual([]);
  });

  it('has no rights but those of its jobs, and runs once at a time', () => {
    expect(workflow.permissions).toEqual({});
    expect(workflow.concurrency).toBeDefined();
  });

  it('takes no secret, and runs nothing of a fork with rights', () => {
    expect(text).not.toMatch(/secrets\.|secrets:/);
    expect(Object.keys(workflow.on)).not.toContain('pull_request_target');
    expect(Object.keys(workflow.on)).not.toContain('workflow_run');
  });
});

it('one commit stands for one version of an action in all workflows', () => {
  const pins = new Map<string, Set<string>>();
  for (const { text } of workflows) {
    for (const [, action = '', pin = ''] of text.matchAll(/uses: ([\w./-]+)@(.+)$/gm)) {
      pins.set(action, (pins.get(action) ?? new Set()).add(pin));
    }
  }
  expect([...pins].filter(([, all]) => all.size > 1)).toEqual([]);
});

describe.each(jobs)('$name', ({ job }) => {
  it('says which rights it needs and how long it may take', () => {
    expect(job.permissions).toBeDefined();
    expect(job['timeout-minutes']).toBeDefined();
  });

  it('leaves no token in its checkout', () => {
    const checkouts = job.steps.filter(({ uses }) => uses?.startsWith('actions/checkout@'));
    for (const checkout of checkouts) expect(checkout.with).toMatchObject({ 'persist-credentials': false });
  });

  it('installs no packages where it may write, sign or publish', () => {
    const writes = Object.values(job.permissions ?? {}).includes('write');
    const installs = job.steps.filter(({ run }) =>
      /\bnpm (?:ci|i|install|test|run)\b|\bnpx\b/.test(run ?? ''),
    );
    if (writes) expect(installs).toEqual([]);
  });
});

describe('what runs when', () => {
  it('runs the command of the README on every push and pull request', () => {
    const { on, jobs: all } = named('ci.yml');
    expect(on).toMatchObject({ push: null, pull_request: null });
    const readme = readFileSync('README.md', 'utf8');
    const [, command = ''] = /^(npm test) +#/m.exec(readme) ?? [];
    expect(command).not.toBe('');
    expect(all.test?.steps.map(({ run }) => run)).toContain(command);
  });

  it('runs all checks every night', () => {
    const { on, jobs: all } = named('nightly.yml');
    expect(on).toHaveProperty('schedule');
    const matrix = (all.full as unknown as { strategy: { matrix: { include: { script: string }[] } } })
      .strategy.matrix;
    expect(matrix.include.map(({ script }) => script)).toEqual(['.ci/run', '.ci/nightly']);
  });

  it('publishes nothing that the job before did not build and test', () => {
    const { jobs: all } = named('release.yml');
    const needs = (name: string): string[] => {
      const direct = [all[name]?.needs ?? []].flat();
      return [...direct, ...direct.flatMap(needs)];
    };
    for (const name of ['image', 'chart', 'npm', 'publish-files']) expect(needs(name)).toContain('files');
    expect(all.files?.steps.map(({ run }) => run)).toContain('npm test');
    expect(all.files?.permissions).toEqual({ contents: 'read' });
  });

  it('publishes a site that was built and checked without rights', () => {
    const { on, jobs: all } = named('docs.yml');
    expect(on).toMatchObject({ push: { branches: ['main'] } });
    expect(all.build?.steps.map(({ run }) => run).join('\n')).toContain('npm run test:docs');
    expect(all.build?.permissions).toEqual({ contents: 'read' });
    expect(all.publish?.needs).toBe('build');
    expect(all.publish?.steps.map(({ run }) => run)).toEqual([undefined]);
    expect(all.publish?.permissions).toEqual({ 'id-token': 'write', pages: 'write' });
  });

  it('lints a chart with the version of Helm that the tests use', () => {
    const programs = readFileSync('test/e2e/programs.ts', 'utf8');
    const [, version] = /internal\/version\.version': '(v3[^']+)'/.exec(programs) ?? [];
    const helm = named('release.yml').jobs.chart?.steps.find(({ uses }) =>
      uses?.startsWith('azure/setup-helm@'),
    );
    expect(helm?.with?.version).toBe(version);
  });

  it('publishes with the Node that .nvmrc names', () => {
    const nvmrc = readFileSync('.nvmrc', 'utf8').trim();
    const setups = Object.values(named('release.yml').jobs).flatMap(({ steps }) =>
      steps.filter(({ uses }) => uses?.startsWith('actions/setup-node@')),
    );
    const versions = setups.map((step) => step.with?.['node-version'] ?? step.with?.['node-version-file']);
    // The job that publishes to npm has no checkout, so it names the version itself.
    expect(new Set(versions)).toEqual(new Set(['.nvmrc', nvmrc]));
  });
});
