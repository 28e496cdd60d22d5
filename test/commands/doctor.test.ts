import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { run } from '../../src/cli.ts';
import type { Simulator } from '../../src/demo/datadog/simulator.ts';
import { startDatadogSimulator } from '../../src/demo/datadog/simulator.ts';
import { EventStore } from '../../src/demo/datadog/store.ts';
import { hits, routes, shopDocument } from '../doctor/clinic.ts';
import { capture, someTime } from './io.ts';

let folder: string;
let simulator: Simulator;
let nowMs: number;
beforeEach(async () => {
  nowMs = someTime;
  folder = await mkdtemp(join(tmpdir(), 'doctor-'));
  simulator = await startDatadogSimulator({
    now: () => nowMs,
    store: new EventStore({ now: () => nowMs, lateness: { seed: 1, slowShare: 0 } }),
  });
});
afterEach(async () => {
  await simulator.stop();
  await rm(folder, { recursive: true, force: true });
});

async function doctor(document: unknown, args: string[] = [], env: Record<string, string | undefined> = {}) {
  const path = join(folder, 'cujs.json');
  await writeFile(path, JSON.stringify(document));
  const keys = { DD_API_KEY: 'a'.repeat(32), DD_APP_KEY: 'b'.repeat(40), DD_URL: simulator.url };
  const { io, stdout, stderr } = capture({
    env: { ...keys, ...env },
    now: () => nowMs,
    sleep: async (ms) => {
      nowMs += ms;
    },
  });
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

  it('names all settings that are missing at once', async () => {
    const { io, stderr } = capture({ env: {} });
    expect(await run(['doctor'], io)).toBe(2);
    const names = stderr().matchAll(/^cuj-gate: (\w+).* is not set/gm);
    expect([...names].map(([, name]) => name)).toEqual(['DD_API_KEY', 'DD_APP_KEY', 'CUJ_GATE_REGISTRY']);
    expect(stderr()).toContain('--registry');
  });
});

describe('cuj-gate doctor --watch', () => {
  /** Canary and stable, ten minutes into the future. */
  const serve = () => {
    for (let at = someTime - 60 * 60_000; at < someTime + 10 * 60_000; at += 10_000)
      for (const [version, count] of [
        ['v1', 300],
        ['v2', 100],
      ] as const)
        simulator.store.recordRequests({
          ...hits,
          resource: 'GET /search',
          version,
          host: version,
          at,
          count,
        });
  };

  it('says how late the newest data is, of how many buckets, and what to set', async () => {
    serve();
    const { code, stdout, stderr } = await doctor(shopDocument({ lag: '2m' }), ['--watch', '5m']);
    // The endpoints of the other CUJ have no traffic here.
    expect(code).toBe(1);
    expect(nowMs).toBe(someTime + 5 * 60_000);
    expect(stderr).toContain('watching the newest data of shop for 5m: up to 61 calls to Datadog\n');
    expect(stdout).toMatch(
      /info {4}service shop {2}lag-too-long\n {8}lag is 120s \(buy, search\), .* version:v1: 18 buckets of 10s, half of them complete \d+ s after their end, all but 1 after \d+ s, the slowest after \d+ s; version:v2: 18 .*\n.*\n {8}fix: Set gate\.lag: (35|40)s/,
    );
    expect(stdout).toMatch(/; 66 calls to Datadog\n$/);
  });

  it('prints the measurement as JSON', async () => {
    serve();
    const { stdout } = await doctor(shopDocument({ lag: '60s' }), ['--watch', '5m', '--json']);
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({
      calls: 66,
      lag: {
        service: 'shop',
        bucketSeconds: 10,
        calls: 61,
        sides: [{ side: 'version:v1', buckets: 18, leftOut: 1 }, { side: 'version:v2' }],
      },
    });
    expect([35, 40]).toContain(report.lag.recommendedSeconds);
    expect(report.findings.map(({ check }: { check: string }) => check)).toContain('lag-fits');
  });

  it('does not watch where no service has traffic', async () => {
    const { stdout } = await doctor(shopDocument(), ['--watch', '5m', '--json']);
    const report = JSON.parse(stdout);
    expect(nowMs).toBe(someTime);
    expect(report.lag).toBeUndefined();
    expect(report.findings.at(-1)).toMatchObject({ check: 'lag-unknown', about: 'the lag' });
  });

  it.each(['3m', '31m', '5', 'ten', ''])('ends with 2 for a duration of %j', async (span) => {
    const { code, stderr } = await doctor(shopDocument(), ['--watch', span]);
    expect(code).toBe(2);
    expect(stderr).toContain('expected a duration from 4m to 30m, such as 5m.');
    expect(simulator.calls).toEqual([]);
  });
});
