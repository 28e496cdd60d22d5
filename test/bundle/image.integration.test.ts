import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { Spec, Validation } from '@cyclonedx/cyclonedx-library';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundle } from '../../src/bundle/bundle.ts';
import { execForm, finalCopies, stages } from '../../src/bundle/dockerfile.ts';
import { type ImageFiles, imageFiles } from '../../src/bundle/image-files.ts';
import { root } from './clients.ts';

let built: ImageFiles;
/** Stands for the image's `/`. */
let image: string;

/** What `docker build` would leave of the last stage's own, in a folder with nothing above it to import from. */
beforeAll(async () => {
  built = await imageFiles(root);
  image = await mkdtemp(path.join(os.tmpdir(), 'cuj-gate-image-'));
  for (const { from, to } of finalCopies(root)) {
    const wanted = path.posix.relative('/work/dist', from);
    const names = Object.keys(built.files).filter((name) => name === wanted || name.startsWith(`${wanted}/`));
    expect(names, `${from} is not among what the build makes`).not.toEqual([]);
    for (const name of names) {
      const target = path.join(image, to, path.posix.relative(wanted, name));
      await mkdir(path.dirname(target), { recursive: true });
      await writeFile(target, built.files[name] ?? '');
    }
  }
}, 60_000);

afterAll(() => rm(image, { recursive: true, force: true }));

/** Starts what ENTRYPOINT says, with Node and nothing else on the machine to find. */
function start(args: readonly string[], env: Record<string, string> = {}): ChildProcess {
  const [node, program, ...more] = execForm(root, 'ENTRYPOINT');
  expect(node).toBe('/nodejs/bin/node');
  return spawn(process.execPath, [path.join(image, program ?? ''), ...more, ...args], {
    cwd: path.join(image, 'app'),
    env: { NODE_ENV: 'production', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

async function run(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = start(args);
  const [stdout, stderr] = await Promise.all([
    text(child.stdout!),
    text(child.stderr!),
    once(child, 'close'),
  ]);
  return { code: child.exitCode, stdout, stderr };
}

describe('the image', () => {
  it('holds the bundle, the license, those of its packages, bill of materials, example registry and what pages load, and nothing more', async () => {
    const found = await readdir(image, { recursive: true, withFileTypes: true });
    const files = found.filter((entry) => entry.isFile());
    const names = files.map((entry) => path.relative(image, path.join(entry.parentPath, entry.name)));
    expect(names.sort()).toEqual([
      'app/LICENSE',
      'app/THIRD-PARTY-LICENSES',
      'app/config/cujs-prometheus.yaml',
      'app/config/cujs.yaml',
      'app/config/pages/icon.svg',
      'app/config/pages/page.css',
      'app/config/pages/page.js',
      'app/cuj-gate.mjs',
      'app/sbom.cdx.json',
    ]);
  });

  it('stands where Node finds no packages', () => {
    for (let at = image; at !== path.dirname(at); at = path.dirname(at)) {
      expect(existsSync(path.join(at, 'node_modules'))).toBe(false);
    }
  });

  it('imports nothing but what Node has built in', async () => {
    const { metafile } = await bundle({ root });
    const imported = Object.values(metafile.outputs).flatMap(({ imports }) => imports);
    expect(imported.length).toBeGreaterThan(20);
    expect(imported.filter(({ path: name }) => !name.startsWith('node:') && !isBuiltin(name))).toEqual([]);
  });

  it('runs without a shell and not as root', () => {
    for (const name of ['ENTRYPOINT', 'CMD', 'HEALTHCHECK'])
      expect(execForm(root, name).length).toBeGreaterThan(0);
    const user = stages(root)
      .at(-1)
      ?.find(({ name }) => name === 'USER')?.text;
    expect(user).toMatch(/^[1-9]\d*:[1-9]\d*$/);
  });

  it('stands on bases that are named by a version and a digest', () => {
    const bases =
      stages(root)[0]?.filter(({ name, text }) => name === 'ARG' && /^(RUNTIME|BUILDER)=/.test(text)) ?? [];
    expect(bases).toHaveLength(2);
    for (const { text } of bases) expect(text).toMatch(/(node:24-|nodejs24-)/);
    for (const { text } of bases) expect(text).toMatch(/:[\w.-]+@sha256:[0-9a-f]{64}$/);
  });

  it('is built from what .dockerignore lets through', () => {
    const allowed = readFileSync(path.join(root, '.dockerignore'), 'utf8')
      .match(/^!.*$/gm)
      ?.map((line) => line.slice(1));
    const copied = stages(root)
      .slice(1, -1)
      .flat()
      .filter(({ name }) => name === 'COPY')
      .flatMap(({ text }) => text.split(/\s+/).slice(0, -1));
    expect(copied.sort()).toEqual(allowed?.sort());
  });
});

describe('the image, run', () => {
  it('shows help', async () => {
    const { code, stdout } = await run('--help');
    expect(stdout).toMatch(/serve .*validate /s);
    expect(code).toBe(0);
  });

  it('validates the example registry that it holds', async () => {
    expect(await run('validate', 'config/cujs.yaml')).toMatchObject({ code: 0 });
  });

  it("prints the registry's JSON Schema", async () => {
    const { code, stdout } = await run('schema');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ type: 'object' });
  });

  it('serves, is healthy by its own HEALTHCHECK, and ends when it is told to', async () => {
    const gate = await serve(path.join(image, 'app', 'config', 'cujs.yaml'));
    try {
      for (const route of ['/healthz', '/readyz', '/openapi.json', '/cujs', '/metrics']) {
        const answer = await fetch(gate.url + route);
        expect([route, answer.status]).toEqual([route, 200]);
        await answer.arrayBuffer();
      }
      expect(await healthcheck(gate.port)).toBe(0);
      expect(await healthcheck(gate.port, 'CUJ_GATE_ADMIN_PORT')).toBe(0);
      gate.child.kill('SIGTERM');
      expect(await gate.ended).toBe(0);
      expect(await healthcheck(gate.port)).toBe(1);
    } finally {
      gate.child.kill('SIGKILL');
    }
  });

  it('reads a large registry in a thread of its own, which is the bundle again', async () => {
    const registry = path.join(image, 'large.json');
    await writeFile(registry, JSON.stringify(largeRegistry()));
    // Node says so when a thread starts; without one the gate would read the file all the same.
    const spy = `process.on('worker', (thread) => thread.on('message', ({ kind }) => console.error('thread: ' + kind)))`;
    const gate = await serve(registry, {
      NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(spy)}`,
    });
    try {
      await writeFile(registry, JSON.stringify({ ...largeRegistry(), cujs: largeRegistry().cujs.slice(1) }));
      await gate.said(/thread: end/);
      expect(gate.stderr()).toMatch(/thread: good/);
    } finally {
      gate.child.kill('SIGKILL');
    }
  });

  async function serve(registry: string, env: Record<string, string> = {}) {
    const child = start(execForm(root, 'CMD'), {
      HOST: '127.0.0.1',
      PORT: '0',
      CUJ_GATE_REGISTRY: registry,
      CUJ_GATE_DRAIN_DELAY: '0s',
      DD_API_KEY: 'not-a-real-api-key',
      DD_APP_KEY: 'not-a-real-app-key',
      // Nothing is asked of Datadog here, and nothing outside could be.
      DD_URL: 'http://127.0.0.1:9',
      ...env,
    });
    let out = '';
    let err = '';
    const waiting = new Set<() => void>();
    child.stdout?.on('data', (chunk) => {
      out += chunk;
      for (const look of waiting) look();
    });
    child.stderr?.on('data', (chunk) => {
      err += chunk;
      for (const look of waiting) look();
    });
    const ended = once(child, 'exit').then(([code]) => code as number | null);
    const said = (pattern: RegExp) =>
      new Promise<RegExpExecArray>((resolve, reject) => {
        const look = () => {
          const match = pattern.exec(out + err);
          if (match === null) return;
          waiting.delete(look);
          resolve(match);
        };
        waiting.add(look);
        look();
        ended.then((code) => reject(new Error(`the gate ended with ${code}:\n${out}${err}`)));
      });
    const port = Number((await said(/127\.0\.0\.1:(\d+)/))[1]);
    return { child, port, url: `http://127.0.0.1:${port}`, ended, said, stderr: () => err };
  }

  async function healthcheck(port: number, setting = 'PORT'): Promise<number | null> {
    const [, ...args] = execForm(root, 'HEALTHCHECK');
    const child = spawn(process.execPath, args, { env: { [setting]: String(port) }, stdio: 'ignore' });
    const [code] = await once(child, 'exit');
    return code;
  }

  function largeRegistry() {
    return {
      apiVersion: 'cuj-gate/v1',
      defaults: { slo: { availability: 99.9 } },
      services: { shop: { env: 'production', operation: 'http.request', canary: 'version:{version}' } },
      cujs: Array.from({ length: 1000 }, (_, i) => ({
        name: `cuj-${i}`,
        owner: 'team-shop',
        description: 'x'.repeat(300),
        service: 'shop',
        endpoints: [`POST /things/${i}`],
      })),
    };
  }
});

describe('what is known of the contents', () => {
  it('is a valid CycloneDX 1.6 bill of materials of every package in the bundle', async () => {
    const sbom = built.files['sbom.cdx.json'] ?? '';
    const errors = await new Validation.JsonStrictValidator(Spec.Version.v1dot6).validate(sbom);
    expect(errors).toBeNull();
    const { components, dependencies } = JSON.parse(sbom);
    const listed = components.map((one: { 'bom-ref': string }) => one['bom-ref']);
    expect(listed.toSorted()).toEqual(built.packages.map(({ name, version }) => `${name}@${version}`).sort());
    expect(listed).toEqual(
      expect.arrayContaining([expect.stringMatching(/^fastify@/), expect.stringMatching(/^@datadog\//)]),
    );
    // Each is there because something that is there imports it.
    const imported = new Set(dependencies.flatMap((one: { dependsOn?: string[] }) => one.dependsOn ?? []));
    expect(listed.filter((ref: string) => !imported.has(ref))).toEqual([]);
  });

  it('leaves out what the trimmed client does not need', () => {
    const names = built.packages.map(({ name }) => name);
    for (const name of ['cross-fetch', 'node-fetch', 'pako', 'form-data', 'esbuild', 'tsx']) {
      expect(names).not.toContain(name);
    }
  });

  it('has the licence of every package', () => {
    const text = built.files['THIRD-PARTY-LICENSES'] ?? '';
    for (const { name, version, licenceTexts } of built.packages) {
      expect(text).toContain(`${name}@${version}\n`);
      for (const licence of licenceTexts) expect(licence.length).toBeGreaterThan(200);
    }
  });

  it('is the same each time it is made', async () => {
    const again = await imageFiles(root);
    expect(digests(again)).toEqual(digests(built));
  });

  /** Names and digests: a difference in megabytes of text would tell nobody anything. */
  function digests({ files }: ImageFiles): [string, string][] {
    return Object.entries(files).map(([name, content]) => [
      name,
      createHash('sha256').update(content).digest('hex'),
    ]);
  }
});
