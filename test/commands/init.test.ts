import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { run } from '../../src/cli.ts';
import { type Simulator, startDatadogSimulator } from '../../src/demo/datadog/simulator.ts';
import { loadRegistry } from '../../src/registry-files/load.ts';
import { capture, someTime } from './io.ts';

let folder: string;
let simulator: Simulator;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'init-'));
  simulator = await startDatadogSimulator({ now: () => someTime });
});
afterEach(async () => {
  await simulator.stop();
  await rm(folder, { recursive: true, force: true });
});

async function init(...args: string[]) {
  const written = capture({
    env: { DD_API_KEY: 'a'.repeat(32), DD_APP_KEY: 'b'.repeat(40), DD_URL: simulator.url },
  });
  const code = await run(['init', ...args], written.io);
  return { code, stdout: written.stdout(), stderr: written.stderr() };
}

/** The registry that a proposal is, as `validate` reads it. */
async function registryIn(text: string) {
  const path = join(folder, 'cujs.yaml');
  await writeFile(path, text);
  const loaded = await loadRegistry(path);
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  return loaded.registry;
}

function trade(
  operation: string,
  routes: Readonly<Record<string, number>>,
  change: { service?: string; env?: string } = {},
): void {
  for (const [resource, count] of Object.entries(routes)) {
    simulator.store.recordRequests({
      operation,
      env: 'production',
      service: 'shop',
      version: 'v7',
      resource,
      statusCode: 200,
      at: someTime - 5 * 3_600_000,
      count,
      ...change,
    });
  }
}

const traffic = { 'GET /api/v1/items/:id': 600, 'POST /api/v1/orders': 100, 'GET /healthz': 300 };

describe('cuj-gate init from Datadog', () => {
  it("proposes a registry that validates, under the operation that serves, with each route's share", async () => {
    trade('express.request', traffic);
    trade('http.request', { 'GET /charge': 5_000 });
    const { code, stdout } = await init('--service', 'shop');
    expect(code).toBe(0);
    const registry = await registryIn(stdout);
    expect(registry.services.get('shop')).toMatchObject({ operation: 'express.request', env: 'production' });
    expect(
      [...registry.cujs.values()].map(({ name, mode, endpoints }) => [name, mode, endpoints[0]?.resource]),
    ).toEqual([
      ['items', 'observe', 'get_/api/v1/items/:id'],
      ['orders', 'observe', 'post_/api/v1/orders'],
    ]);
    expect(stdout).toContain('- name: items # 60% of the traffic');
    expect(stdout).toContain('it also has hits under http.request');
    expect(stdout).toContain('versions of the last day: v7');
    expect(simulator.calls.map(({ path }) => path)).toEqual([
      '/api/v1/metrics',
      '/api/v2/query/timeseries',
      '/api/v2/query/timeseries',
    ]);
  });

  it('names the services that there are where the one that was given has no hits', async () => {
    trade('express.request', traffic);
    const { code, stdout, stderr } = await init('--service', 'shoop');
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain('shoop had no hits in production over the last day');
    expect(stderr).toContain('Services in production: shop.');
  });

  it('names the services of every operation, and the envs that the one that was given is in', async () => {
    trade('express.request', traffic);
    trade('http.request', { 'GET /charge': 5_000 }, { service: 'pay' });
    trade('http.request', { 'GET /charge': 10 }, { service: 'pay', env: 'staging' });
    const { stderr } = await init('--service', 'pay', '--env', 'prod');
    expect(stderr).toContain('It has traffic in production, staging: see --env.');
    const other = await init('--service', 'nope');
    expect(other.stderr).toContain('Services in production: pay, shop.');
  });

  it("passes on Datadog's refusal", async () => {
    simulator.faults.push({ kind: 'status', status: 403 });
    const { code, stderr } = await init('--service', 'shop');
    expect(code).toBe(2);
    expect(stderr).toMatch(/Datadog answered 403.*DD_API_KEY/);
  });

  it.each([
    [['--service', 'Shop {x}'], /service tag as Datadog stores it/],
    [['--service', 'shop', '--env', 'a,b'], /env tag as Datadog stores it/],
    [[], /required option '--service/],
  ])('refuses %j before it asks anybody', async (args, message) => {
    const { code, stderr } = await init(...args);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
    expect(simulator.calls).toEqual([]);
  });
});

describe('cuj-gate init from OpenAPI', () => {
  it.each([
    ['YAML', 'openapi: 3.0.3\ninfo: { title: Shop }\npaths:\n  /orders:\n    post: { tags: [Buying] }\n'],
    ['JSON', JSON.stringify({ openapi: '3.1.0', paths: { '/orders': { post: { tags: ['Buying'] } } } })],
  ])('proposes a registry from %s, offline', async (_, text) => {
    const path = join(folder, 'openapi.txt');
    await writeFile(path, text);
    const { code, stdout } = await init('--service', 'shop', '--openapi', path);
    expect(code).toBe(0);
    expect((await registryIn(stdout)).cujs.get('buying')?.endpoints[0]?.resource).toBe('post_/orders');
    expect(stdout).toContain('operation: http.request # CHECK');
    expect(simulator.calls).toEqual([]);
  });

  it('writes a new file where all goes well, and touches no other', async () => {
    const [description, out] = [join(folder, 'routes.yaml'), join(folder, 'proposed.yaml')];
    await writeFile(description, 'swagger: "2.0"\n');
    const propose = () => init('--service', 'shop', '--openapi', description, '--out', out);
    expect(await propose()).toMatchObject({ code: 2 });
    expect(existsSync(out)).toBe(false);
    await writeFile(description, 'openapi: 3.0.3\ninfo: {}\npaths:\n  /orders:\n    post: {}\n');
    expect(await propose()).toEqual({
      code: 0,
      stdout: '',
      stderr: `wrote ${out}; next: cuj-gate validate ${out}\n`,
    });
    const text = await readFile(out, 'utf8');
    expect((await registryIn(text)).cujs.size).toBe(1);
    expect(await propose()).toEqual({
      code: 2,
      stdout: '',
      stderr: `cuj-gate init: ${out} is there already: remove it, or name another file.\n`,
    });
    expect(await readFile(out, 'utf8')).toBe(text);
    expect(
      await init('--service', 'shop', '--openapi', description, '--out', join(folder, 'no/x')),
    ).toMatchObject({ code: 2, stderr: expect.stringMatching(/no\/x cannot be written: ENOENT/) });
  });

  it('says that the backend is not chosen, where only the address of Prometheus is set', async () => {
    const { io, stderr } = capture({ env: { CUJ_GATE_PROMETHEUS_URL: 'http://localhost:9090' } });
    expect(await run(['init'], io)).toBe(2);
    expect(stderr()).toBe(
      'cuj-gate init: CUJ_GATE_PROMETHEUS_URL is set and CUJ_GATE_BACKEND is not: export CUJ_GATE_BACKEND=prometheus. For datadog, the default, give --service.\n',
    );
  });

  it('says what is wrong with a file', async () => {
    const path = join(folder, 'openapi.yaml');
    await writeFile(path, 'swagger: "2.0"\n');
    const { code, stderr } = await init('--service', 'shop', '--openapi', path);
    expect(code).toBe(2);
    expect(stderr).toContain('Swagger 2.0; convert it to OpenAPI 3');
  });
});
