import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { diffLines } from 'diff';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { generateCommand } from '../../src/commands/generate.ts';
import { manifestName } from '../../src/commands/support/output-folder.ts';
import { capture } from '../commands/io.ts';
import { exampleDocument, examplePath, type Loose } from './example.ts';

const golden = 'test/generate/testdata/example';
let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cuj-gate-generate-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

async function generate(...args: string[]) {
  const { io, stdout, stderr } = capture();
  const code = await generateCommand(args, io);
  return { code, stdout: stdout(), stderr: stderr() };
}

/** All files that a document gives, by path. */
async function outputOf(name: string, document: Loose): Promise<Map<string, string>> {
  const registry = join(dir, `${name}.yaml`);
  const out = join(dir, name);
  await writeFile(registry, stringify(document));
  expect(await generate('all', '--registry', registry, '--out', out)).toMatchObject({ code: 0 });
  return filesIn(out);
}

async function filesIn(folder: string): Promise<Map<string, string>> {
  const { files } = JSON.parse(await readFile(join(folder, manifestName), 'utf8'));
  const paths = Object.keys(files);
  const texts = await Promise.all(paths.map((path) => readFile(join(folder, path), 'utf8')));
  return new Map(paths.map((path, i) => [path, texts[i] as string]));
}

describe('the whole output', () => {
  it('is, for the example registry, what lies in testdata (its README says how to renew it)', async () => {
    const { code, stdout } = await generate('all', '--registry', examplePath, '--out', golden, '--check');
    expect(stdout).toBe('');
    expect(code).toBe(0);
  });

  it('does not depend on the order in which developers wrote services, CUJs and endpoints', async () => {
    const document = exampleDocument();
    const straight = await outputOf('straight', document);
    const services = Object.fromEntries(Object.entries(document.services).reverse());
    const turned = await outputOf('turned', { ...document, services, cujs: [...document.cujs].reverse() });
    expect(turned).toEqual(straight);
  });

  it('has no time, no machine and no path in it', async () => {
    for (const [path, text] of await filesIn(golden)) {
      expect(text, path).not.toMatch(/\b20[2-9]\d-\d\d-\d\d|\/work\/|\/tmp\/|localhost/);
      expect(text.endsWith('\n'), path).toBe(true);
    }
  });

  it('changes, when a CUJ is added to the registry, only in what belongs to that CUJ', async () => {
    const document = exampleDocument();
    const before = await outputOf('before', document);
    const cuj = {
      name: 'memory',
      title: 'Memories',
      owner: 'team-matching',
      tier: 1,
      service: 'matching-api',
      slo: { latency: 99 },
      endpoints: [{ method: 'GET', path: '/api/v1/memories', latencyMs: 250 }],
    };
    const after = await outputOf('after', { ...document, cujs: [...document.cujs, cuj] });

    const added = [...after.keys()].filter((path) => !before.has(path));
    expect(added).toEqual([
      'analysis-templates/cuj-memory.yaml',
      'openslo/cuj-memory.yaml',
      'terraform/cuj-memory.tf.json',
    ]);
    expect([...before.keys()].filter((path) => !after.has(path))).toEqual([]);
    const changed = [...before.keys()].filter((path) => before.get(path) !== after.get(path));
    expect(changed).toEqual([
      'gate-terraform/gate-monitors.tf.json',
      'notifications/argo-rollouts-notification-configmap.yaml',
      'prometheus/cuj-gate.rules.yaml',
      'rollouts/matching-api.yaml',
      'terraform/cujs-dashboard.json.tftpl',
      'terraform/cujs-dashboard.tf.json',
    ]);
    for (const path of changed) {
      const parts = diffLines(before.get(path) as string, after.get(path) as string);
      expect(
        parts.filter(({ removed }) => removed),
        `${path} loses nothing`,
      ).toEqual([]);
      for (const { value } of parts.filter((part) => part.added)) {
        expect(value, path).toMatch(/memory|memories/i);
      }
    }
    const slos = (files: Map<string, string>) =>
      [...files]
        .filter(([path]) => path.endsWith('.tf.json'))
        .flatMap(([, text]) => {
          const { resource = {} } = JSON.parse(text);
          return Object.entries(resource).flatMap(([type, named]) =>
            Object.keys(named as object).map((name) => `${type}.${name}`),
          );
        });
    const planned = slos(after).filter((name) => !slos(before).includes(name));
    const others = planned.filter((name) => !name.includes('.cuj_memory_'));
    expect(others).toEqual(['datadog_monitor.cuj_gate_canary_never_seen_memory']);
    expect(planned).toHaveLength(11);
  });

  it('is compared to the last character: a drift of one in any file is found, and shown', async () => {
    const out = join(dir, 'drift');
    await generate('all', '--registry', examplePath, '--out', out);
    const files = await filesIn(out);
    for (const [path, text] of files) await writeFile(join(out, path), withOneOther(text));
    const { code, stdout } = await generate('all', '--registry', examplePath, '--out', out, '--check');
    expect(code).toBe(1);
    const patches = stdout.split(/^(?=--- )/m);
    expect(patches).toHaveLength(files.size);
    for (const [i, path] of [...files.keys()].entries()) {
      const lines = (patches[i] as string).split('\n');
      expect(lines[0]).toBe(`--- ${path} (on disk)`);
      expect(
        lines.slice(2).filter((line) => /^[-+]/.test(line)),
        path,
      ).toHaveLength(2);
    }
    for (const [path, text] of files) await writeFile(join(out, path), text);
    expect((await generate('all', '--registry', examplePath, '--out', out, '--check')).code).toBe(0);

    const manifest = await readFile(join(out, manifestName), 'utf8');
    await writeFile(join(out, manifestName), manifest.replace(/"sha256": ".(.*)"/, '"sha256": "x$1"'));
    const found = await generate('all', '--registry', examplePath, '--out', out, '--check');
    expect(found).toMatchObject({ code: 1, stdout: expect.stringContaining(`${manifestName} (on disk)`) });
  });
});

/** The text with one letter or digit near its middle replaced. */
function withOneOther(text: string): string {
  const middle = Math.floor(text.length / 2);
  const at = middle + text.slice(middle).search(/\w/);
  return `${text.slice(0, at)}${text[at] === 'x' ? 'y' : 'x'}${text.slice(at + 1)}`;
}
