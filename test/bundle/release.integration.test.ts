import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { withoutBase } from '../../src/bundle/oci-layout.ts';
import { root } from './clients.ts';
import { startNpmRegistry } from './npm-registry.ts';

const run = promisify(execFile);
const { version } = packageJson;
/** 2026-01-01, as SOURCE_DATE_EPOCH. */
const epochSeconds = 1_767_225_600;
const example = path.join(root, 'config', 'cujs.yaml');

let dir: string;
/** What a release publishes. */
let out: string;

const dryRun = (target: string, ...args: string[]) =>
  run(process.execPath, ['--import', 'tsx', 'src/bundle/release.ts', '--out', target, ...args], {
    cwd: root,
    env: { ...process.env, SOURCE_DATE_EPOCH: String(epochSeconds) },
  });

beforeAll(async () => {
  dir = mkdtempSync(path.join(os.tmpdir(), 'cuj-gate-dry-run-'));
  out = path.join(dir, 'release');
  await dryRun(out);
}, 240_000);

afterAll(() => rm(dir, { recursive: true, force: true }), 240_000);

/** A folder in which nothing of the checkout is found. */
function fresh(name: string): string {
  const folder = path.join(dir, name);
  mkdirSync(folder);
  return folder;
}
const bare = { PATH: process.env.PATH };

describe('the dry run of a release', () => {
  it('has checksums of every file, and they are right', async () => {
    const { stdout } = await run('sha256sum', ['--check', '--strict', 'SHA256SUMS'], { cwd: out });
    const checked = stdout.trim().split('\n');
    const { stdout: found } = await run('find', ['.', '-type', 'f'], { cwd: out });
    expect(checked.length).toBe(found.trim().split('\n').length - 1);
    expect(checked.every((line) => line.endsWith(': OK'))).toBe(true);
  });

  it('makes the same bytes again', async () => {
    const again = path.join(dir, 'again');
    await dryRun(again);
    const sums = readFileSync(path.join(out, 'SHA256SUMS'), 'utf8');
    expect(sums.split('\n').length).toBeGreaterThan(12);
    expect(readFileSync(path.join(again, 'SHA256SUMS'), 'utf8')).toBe(sums);
  }, 240_000);

  it('refuses a folder that has something in it', async () => {
    await expect(dryRun(out)).rejects.toThrow(/is not empty: give another folder/);
  });
});

describe('a fresh folder', () => {
  it('installs the npm package, and its command validates a registry', async () => {
    const folder = fresh('npm');
    const registry = await startNpmRegistry(root);
    try {
      const archive = path.join(out, `cuj-gate-${version}.tgz`);
      const where = ['--registry', registry.url, '--cache', path.join(dir, 'npm-cache')];
      await run('npm', ['install', archive, ...where, '--no-audit', '--no-fund'], { cwd: folder });
    } finally {
      await registry.stop();
    }
    const command = path.join(folder, 'node_modules', '.bin', 'cuj-gate');
    expect((await run(command, ['--version'], { cwd: folder, env: bare })).stdout).toBe(`${version}\n`);
    const { stdout } = await run(command, ['validate', example], { cwd: folder, env: bare });
    expect(stdout).toMatch(/^ok: 10 CUJs/);
    expect(existsSync(path.join(folder, 'node_modules', 'cuj-gate', 'dist', 'bundle'))).toBe(false);
  }, 240_000);

  it('runs the single file, which needs nothing beside it to validate', async () => {
    const folder = fresh('single');
    cpSync(path.join(out, 'cuj-gate.mjs'), path.join(folder, 'cuj-gate.mjs'));
    const { stdout } = await run(process.execPath, ['cuj-gate.mjs', 'validate', example], {
      cwd: folder,
      env: bare,
    });
    expect(stdout).toMatch(/^ok: 10 CUJs/);
  });

  it('runs the standalone archive with the files that it reads', async () => {
    const folder = fresh('standalone');
    const archive = path.join(out, `cuj-gate-standalone-${version}.tar.gz`);
    await run('tar', ['-xzf', archive], { cwd: folder });
    await answersHealth([path.join(folder, 'cuj-gate.mjs'), 'serve'], folder);
  });

  it('has a chart with the version, and without files that Helm ignores', async () => {
    const folder = fresh('chart');
    await run('tar', ['-xzf', path.join(out, `cuj-gate-chart-${version}.tgz`)], { cwd: folder });
    const chart = readFileSync(path.join(folder, 'cuj-gate', 'Chart.yaml'), 'utf8');
    expect(chart).toContain(`version: ${version}`);
    const { stdout } = await run('diff', ['-r', path.join(root, 'helm', 'cuj-gate'), 'cuj-gate'], {
      cwd: folder,
    });
    expect(stdout).toBe('');
  });
});

describe('the image', () => {
  const layout = () => path.join(out, 'image');
  const read = (file: string) => JSON.parse(readFileSync(path.join(layout(), file), 'utf8'));
  const blob = (digest: string) => path.join(layout(), 'blobs', ...digest.split(':'));

  interface Descriptor {
    readonly digest: string;
    readonly size: number;
    readonly platform?: { readonly architecture: string };
  }

  /** The content of a descriptor, as a tool reads it that trusts nothing. */
  function content({ digest, size }: Descriptor): Buffer {
    const bytes = readFileSync(blob(digest));
    expect(bytes.length).toBe(size);
    expect(`sha256:${createHash('sha256').update(bytes).digest('hex')}`).toBe(digest);
    return bytes;
  }

  it('is an OCI layout for both processors that names its base and says that its layers are missing', () => {
    expect(read('oci-layout')).toEqual({ imageLayoutVersion: '1.0.0' });
    const manifests: Descriptor[] = read('index.json').manifests;
    expect(manifests.map(({ platform }) => platform?.architecture)).toEqual(['amd64', 'arm64']);
    const [, base] =
      /^ARG RUNTIME=\S+@(sha256:[0-9a-f]{64})$/m.exec(readFileSync(path.join(root, 'Dockerfile'), 'utf8')) ??
      [];
    for (const one of manifests) {
      const { annotations, layers, config } = JSON.parse(content(one).toString());
      expect(layers).toHaveLength(1);
      expect(annotations['org.opencontainers.image.base.digest']).toBe(base);
      expect(annotations[withoutBase]).toMatch(/not included/);
      const { config: how, architecture, created } = JSON.parse(content(config).toString());
      expect([architecture, created]).toEqual([one.platform?.architecture, '2026-01-01T00:00:00.000Z']);
      expect(how).toMatchObject({
        User: '65532:65532',
        WorkingDir: '/app',
        Cmd: ['serve'],
        ExposedPorts: { '8080/tcp': {} },
        Env: ['NODE_ENV=production'],
        Labels: { 'org.opencontainers.image.version': version },
      });
    }
  });

  it('has a layer of files of nobody, which is run as its configuration says and answers', async () => {
    const [first] = read('index.json').manifests as [Descriptor];
    const { layers, config } = JSON.parse(content(first).toString());
    const { config: how, rootfs } = JSON.parse(content(config).toString());
    content(layers[0]);
    const folder = fresh('image');
    const layer = blob(layers[0].digest);
    const tar = path.join(dir, 'layer.tar');
    await run('sh', ['-c', `gzip -dc "$1" > "$2"`, 'sh', layer, tar]);
    const diffId = createHash('sha256').update(readFileSync(tar)).digest('hex');
    expect(rootfs.diff_ids).toEqual([`sha256:${diffId}`]);
    const { stdout } = await run('tar', ['--numeric-owner', '-tvf', tar]);
    for (const line of stdout.trim().split('\n')) expect(line).toMatch(/^(drwxr-xr-x|-rw-r--r--) 0\/0 /);
    await run('tar', ['-xf', tar, '-C', folder]);
    const [node, program, ...more] = how.Entrypoint as string[];
    expect(node).toBe('/nodejs/bin/node');
    await answersHealth(
      [path.join(folder, program ?? ''), ...more, ...how.Cmd],
      path.join(folder, how.WorkingDir),
    );
  });
});

/** Starts `serve` with the example registry, and asks for its health. */
async function answersHealth(args: string[], cwd: string): Promise<void> {
  const child: ChildProcess = spawn(process.execPath, args, {
    cwd,
    env: {
      ...{ HOST: '127.0.0.1', PORT: '0', CUJ_GATE_REGISTRY: 'config/cujs.yaml', CUJ_GATE_DRAIN_DELAY: '0s' },
      // Nothing is asked of Datadog here.
      ...{ DD_API_KEY: 'nobody', DD_APP_KEY: 'nobody', DD_URL: 'http://127.0.0.1:9' },
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    let port: string | undefined;
    for await (const line of createInterface({ input: child.stdout! })) {
      port = /127\.0\.0\.1:(\d+)/.exec(line)?.[1];
      if (port !== undefined) break;
    }
    const health = await fetch(`http://127.0.0.1:${port}/healthz`);
    expect(health.status).toBe(200);
    const page = await fetch(`http://127.0.0.1:${port}/`, { headers: { accept: 'text/html' } });
    expect([page.status, await page.text()]).toEqual([200, expect.stringContaining('<html')]);
    child.kill('SIGTERM');
    const [code] = await once(child, 'exit');
    expect(code).toBe(0);
  } finally {
    child.kill('SIGKILL');
  }
}
