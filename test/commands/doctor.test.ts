import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { run } from '../../src/cli.ts';
import type { Simulator } from '../../src/demo/datadog/simulator.ts';
import { startDatadogSimulator } from '../../src/demo/datadog/simulator.ts';
import { hits, routes, shopDocument } from '../doctor/clinic.ts';
import { capture, someTime } from './io.ts';

let folder: string;
let simulator: Simulator;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'doctor-'));
  simulator = await startDatadogSimulator({ now: () => someTime });
});
afterEach(async () => {
  await simulator.stop();
  await rm(folder, { recursive: true, force: true });
});

async function doctor(document: unknown, args: string[] = [], env: Record<string, string | undefined> = {}) {
  const path = join(folder, 'cujs.json');
  await writeFile(path, JSON.stringify(document));
  const keys = { DD_API_KEY: 'a'.repeat(32), DD_APP_KEY: 'b'.repeat(40), DD_URL: simulator.url };
  const { io, stdout, stderr } = capture({ env: { ...keys, ...env } });
  const code = await run(['doctor', '--registry', path, ...args], io);
  return { code, stdout: stdout(), stderr: stderr() };
}

/** Two versions' requests, an hour ago. */
function trade(): void {
  for (const [resource, count] of Object.entries(routes)) {
    for (const version of ['v1', 'v2']) {
      const event = { ...hits, resource, version, at: someTime - 60 * 60_000 };
      simulator.store.recordRequests({ ...event, statusCode: 200, count });
      simulator.store.recordRequests({ ...event, statusCode: 500, count: 1 });
    }
  }
}

describe('cuj-gate doctor', () => {
  it('ends with 0 where there is no error, and says what it asked for on stderr', async () => {
    trade();
    const { code, stdout, stderr } = await doctor(shopDocument());
    expect(code).toBe(0);
    expect(stdout).toMatch(/info {4}service shop {2}routes-in-no-cuj\n {8}the busiest routes/);
    expect(stdout).toMatch(/0 errors, 0 warnings, 2 notes; 5 calls to Datadog\n$/);
    expect(stderr).toContain('querying the traffic of shop\n');
  });

  it('ends with 1 where there is an error, and says what it means and what to do', async () => {
    trade();
    const document = {
      ...shopDocument(),
      services: { shop: { ...shopDocument().services?.shop, operation: 'http.request' } },
    };
    const { code, stdout } = await doctor(document);
    expect(code).toBe(1);
    expect(stdout).toMatch(
      /error {3}service shop {2}operation-without-hits\n.*\n {8}verdict: Inconclusive.*\n {8}fix: Set operation: express\.request/,
    );
  });

  it('prints one JSON object for machines', async () => {
    trade();
    const { code, stdout } = await doctor(shopDocument(), ['--json', '--top', '1']);
    const report = JSON.parse(stdout);
    expect(code).toBe(0);
    expect(report).toMatchObject({ calls: 5, counts: { error: 0, warning: 0, info: 2 } });
    expect(report.registryDigest).toMatch(/^sha256:/);
    expect(report.findings[0]).toEqual({
      severity: 'info',
      check: 'routes-in-no-cuj',
      about: 'service shop',
      message: expect.stringMatching(/get_\/healthz \(46%\)$/),
      verdict: expect.any(String),
      fix: expect.any(String),
    });
  });

  it.each([
    ['without keys', shopDocument(), { DD_API_KEY: undefined }, /DD_API_KEY .*is not set/],
    [
      'with a registry that is not good',
      { apiVersion: 'cuj-gate/v1', cuj: [] },
      {},
      /no key "cuj"[\s\S]*cuj-gate validate/,
    ],
  ])('ends with 2 %s, and asks nobody', async (_, document, env, said) => {
    const { code, stderr, stdout } = await doctor(document, [], env);
    expect(code).toBe(2);
    expect(stderr).toMatch(said);
    expect(stdout).toBe('');
    expect(simulator.calls).toEqual([]);
  });
});
