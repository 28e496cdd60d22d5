import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { generateCommand } from '../../src/commands/generate.ts';
import { formerManifestName, manifestName } from '../../src/commands/support/output-folder.ts';
import { capture } from './io.ts';

const registryText = (...names: string[]) =>
  `apiVersion: cuj-gate/v1
defaults: { slo: { availability: 99.9 } }
services:
  shop: { env: prod, operation: http.request, canary: "version:{version}" }
cujs:
${names.map((name) => `  - { name: ${name}, owner: team, service: shop, endpoints: [GET /${name}] }\n`).join('')}`;

let dir: string;
let registry: string;
let out: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cuj-gate-layout-'));
  registry = join(dir, 'cujs.yaml');
  out = join(dir, 'out');
  await writeFile(registry, registryText('login', 'signup'));
  await mkdir(out);
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function generate(...args: string[]) {
  const { io, stdout, stderr } = capture({ env: { CUJ_GATE_REGISTRY: registry } });
  const code = await generateCommand([...args, '--out', out], io);
  return { code, stdout: stdout(), stderr: stderr() };
}
const templates = (...args: string[]) => generate('analysis-templates', ...args);
const chart = (text = 'apiVersion: v2\nname: shop\nversion: 0.1.0\n') =>
  writeFile(join(out, 'Chart.yaml'), text);
const read = (path: string) => readFile(join(out, path), 'utf8');
const files = async () =>
  (await readdir(out, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(out.length + 1))
    .sort();

const three = ['cuj-login', 'cuj-signup', 'service-shop'].map((name) => `analysis-templates/${name}.yaml`);
const inChart = three.map((path) => `files/cuj-gate/${path}`);

describe('generate --layout helm', () => {
  it('writes the plain files, byte for byte, where a chart keeps data, and one template', async () => {
    await templates();
    const plain = await Promise.all(three.map(read));
    await chart();
    expect(await templates('--layout', 'helm')).toMatchObject({ code: 0 });
    expect(await files()).toEqual([manifestName, 'Chart.yaml', ...inChart, 'templates/cuj-gate.yaml'].sort());
    expect(await Promise.all(inChart.map(read))).toEqual(plain);
    expect((await templates('--layout', 'helm', '--check')).code).toBe(0);
  });

  it.each([
    ['no Chart.yaml', undefined, 'Chart.yaml does not exist. --layout helm adds files to an existing chart'],
    [
      'a library chart',
      'name: shop\ntype: library\n',
      'is a library chart: Helm renders none of its templates',
    ],
  ])('writes nothing into a folder with %s', async (_, text, message) => {
    if (text !== undefined) await chart(text);
    const { code, stderr } = await templates('--layout', 'helm');
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(message) });
    expect(stderr).toContain(join(out, 'Chart.yaml'));
    expect(await files()).toEqual(text === undefined ? [] : ['Chart.yaml']);
  });

  it("leaves the chart's own files alone", async () => {
    await chart();
    await mkdir(join(out, 'templates'));
    await writeFile(join(out, 'templates/rollout.yaml'), 'mine\n');
    await templates('--layout', 'helm');
    await writeFile(registry, registryText('login'));
    expect((await templates('--layout', 'helm')).stderr).toContain(`removed  ${inChart[1]}`);
    expect(await read('templates/cuj-gate.yaml')).not.toContain('signup');
    expect(await templates('--layout', 'plain')).toMatchObject({ code: 0 });
    expect(await files()).toEqual(
      [manifestName, 'Chart.yaml', 'templates/rollout.yaml', three[0], three[2]].sort(),
    );
  });

  it('does not replace a template of that name that somebody wrote', async () => {
    await chart();
    await mkdir(join(out, 'templates'));
    await writeFile(join(out, 'templates/cuj-gate.yaml'), 'mine\n');
    expect(await templates('--layout', 'helm')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('templates/cuj-gate.yaml exists and was not written by generate'),
    });
    expect(await files()).toEqual(['Chart.yaml', 'templates/cuj-gate.yaml']);
  });
});

describe('generate --layout kustomize', () => {
  const resources = async () => parse(await read('kustomization.yaml')).resources;

  it('names the objects of all generators, whatever each run generates', async () => {
    await templates('--layout', 'kustomize');
    expect(await resources()).toEqual(three);
    await generate('virtual-service', 'openslo', '--layout', 'kustomize');
    expect(await resources()).toEqual([...three, 'virtual-services/shop.yaml']);
    await generate('virtual-service', '--layout', 'kustomize', '--service', 'shop');
    expect(await resources()).toEqual([...three, 'virtual-services/shop.yaml']);
    expect((await templates('--layout', 'kustomize', '--check')).code).toBe(0);
    await writeFile(registry, registryText('login'));
    const { code, stdout } = await templates('--layout', 'kustomize', '--check');
    expect(code).toBe(1);
    expect(stdout).toContain('-  - analysis-templates/cuj-signup.yaml');
    await templates('--layout', 'kustomize');
    expect(await resources()).toEqual([three[0], three[2], 'virtual-services/shop.yaml']);
  });

  it.each(['kustomization.yaml', 'kustomization.yml', 'Kustomization'])(
    'leaves a %s alone that somebody wrote',
    async (name) => {
      await writeFile(join(out, name), 'resources: []\n');
      const { code, stderr } = await templates('--layout', 'kustomize');
      expect(code).toBe(2);
      expect(stderr).toContain(`${join(out, name)} exists and was not written by generate.`);
      expect(stderr).toContain(`such as ${join(out, 'cuj-gate')}, and add that to its resources`);
      expect(await files()).toEqual([name]);
    },
  );
});

describe('generate --layout', () => {
  it('refuses a layout that there is not, and needs a folder', async () => {
    expect(await templates('--layout', 'argocd')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('Allowed choices are plain, helm, kustomize'),
    });
    for (const layout of ['helm', 'kustomize']) {
      const { io, stdout, stderr } = capture({ env: { CUJ_GATE_REGISTRY: registry } });
      expect(await generateCommand(['analysis-templates', '--layout', layout], io)).toBe(2);
      expect(stdout()).toBe('');
      expect(stderr()).toContain(`--layout ${layout} requires --out DIR`);
    }
  });

  it('removes, when it changes, the files of the former layout, but none that was edited', async () => {
    await chart();
    await templates();
    await writeFile(join(out, three[0] as string), 'mine\n');
    const { code, stderr } = await templates('--layout', 'helm');
    expect(code).toBe(0);
    expect(stderr).toContain(`kept     ${three[0]}: no longer generated, but edited`);
    expect(stderr).toContain('4 written, 0 unchanged, 2 removed');
    await rm(join(out, three[0] as string));
    expect((await templates('--layout', 'kustomize')).stderr).toContain('5 written, 0 unchanged, 4 removed');
    expect((await templates('--layout', 'plain')).stderr).toContain('0 written, 3 unchanged, 2 removed');
    expect(await files()).toEqual([manifestName, 'Chart.yaml', ...three].sort());
  });

  it.each(['helm', 'kustomize'])('%s is not undone by a forgotten option', async (layout) => {
    await chart();
    await templates('--layout', layout);
    const before = await files();
    for (const args of [[], ['--check'], ['--force']]) {
      const { code, stderr } = await templates(...args);
      expect(code).toBe(2);
      expect(stderr).toContain(
        `${out} was written with --layout ${layout}. Give --layout ${layout} again, or --layout plain`,
      );
    }
    expect(await files()).toEqual(before);
  });

  it('shows with --check what another layout would change', async () => {
    await templates();
    const { code, stdout } = await templates('--layout', 'kustomize', '--check');
    expect(code).toBe(1);
    expect(stdout).toContain('+++ kustomization.yaml (generated)');
    expect(stdout).not.toContain('cuj-login-watch');
  });

  it.each([[['--layout', 'helm']], [['--layout', 'helm', '--check']]])(
    'does not leave a part of the files in another layout: %j',
    async (args) => {
      await chart();
      await generate('analysis-templates', 'virtual-service', 'openslo');
      const before = await files();
      const { code, stderr } = await templates(...args);
      expect(code).toBe(2);
      expect(stderr).toContain(
        'files of another layout that this command does not generate: virtual-services/shop.yaml. Generate virtual-service in the same command',
      );
      expect(await files()).toEqual(before);
      expect((await generate('analysis-templates', 'virtual-service', '--layout', 'helm')).code).toBe(0);
    },
  );
});

describe('a manifest of the former name', () => {
  beforeEach(async () => {
    await templates();
    await rename(join(out, manifestName), join(out, formerManifestName));
  });

  it('is moved, and protects as before', async () => {
    await writeFile(join(out, three[1] as string), 'mine\n');
    await writeFile(registry, registryText('login').replace('owner: team', 'owner: squad'));
    const { code, stderr } = await templates();
    expect(code).toBe(0);
    expect(stderr).toContain(`wrote    ${three[0]}`);
    expect(stderr).toContain(`kept     ${three[1]}`);
    expect(await files()).toEqual([manifestName, ...three].sort());
  });

  it('still refuses to replace a file that was edited', async () => {
    await writeFile(join(out, three[0] as string), 'mine\n');
    expect(await templates()).toMatchObject({ code: 2, stderr: expect.stringContaining('was edited since') });
    expect(await files()).toEqual([formerManifestName, ...three].sort());
  });

  it('is a difference for --check until it is moved', async () => {
    const { code, stdout } = await templates('--check');
    expect(code).toBe(1);
    expect(stdout).toContain(`--- ${formerManifestName} (on disk)`);
    expect(stdout).toContain(`+++ ${manifestName} (generated)`);
    await templates();
    expect((await templates('--check')).code).toBe(0);
  });

  it('is moved also where nothing else changes', async () => {
    expect((await templates()).stderr).toContain('0 written, 3 unchanged, 0 removed');
    expect(await files()).toEqual([manifestName, ...three].sort());
  });
});
