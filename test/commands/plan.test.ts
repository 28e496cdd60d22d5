import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { run } from '../../src/cli.ts';
import { type Simulator, startDatadogSimulator } from '../../src/demo/datadog/simulator.ts';
import type { GateDocument } from '../../src/domain/registry/schema.ts';
import { hits, limitedPass, provenOnly, shopDocument } from '../doctor/clinic.ts';
import { capture, someTime } from './io.ts';

let folder: string;
let simulator: Simulator;
let gate: GateDocument;
beforeEach(async () => {
  gate = limitedPass;
  folder = await mkdtemp(join(tmpdir(), 'plan-'));
  simulator = await startDatadogSimulator({ now: () => someTime });
});
afterEach(async () => {
  await simulator.stop();
  await rm(folder, { recursive: true, force: true });
});

async function plan(...args: string[]) {
  const path = join(folder, 'cujs.json');
  await writeFile(path, JSON.stringify(shopDocument(gate)));
  const { io, stdout, stderr } = capture({
    env: { DD_API_KEY: 'a'.repeat(32), DD_APP_KEY: 'b'.repeat(40), DD_URL: simulator.url },
  });
  return { code: await run(['plan', '--registry', path, ...args], io), stdout: stdout(), stderr: stderr() };
}

/** Two days and more of the same traffic. */
function trade(perHour: Record<string, number>): void {
  const hour = 3_600_000;
  for (let at = Math.floor(someTime / hour - 50) * hour; at < someTime + hour; at += hour) {
    for (const [resource, count] of Object.entries(perHour)) {
      simulator.store.recordRequests({ ...hits, version: 'v1', resource, at, statusCode: 200, count });
    }
  }
}

describe('cuj-gate plan', () => {
  it('prints a table a weight for people and ends with 0 where all can be judged', async () => {
    trade({ 'POST /orders': 3_600, 'GET /search': 6_000 });
    const { code, stdout, stderr } = await plan('--days', '2', '--weight', '5,25');
    expect(stdout).toMatch(/^Traffic of 2 days, .* UTC: requests a minute/);
    expect(stdout).toMatch(/ clean requests +or limited .*\nbuy \(shop\) .* 415 +60 +1% +1%\n/);
    expect(stdout).toMatch(
      /\nAt 5%\n.* pass after +rules out .*\nbuy \(shop\) +availability +yes +21 min +4\.9% /,
    );
    expect(stdout).toMatch(/\nAt 25%\n.*\nbuy \(shop\) +availability +yes +9 min +2\.5% +\d of 120 /);
    expect(stdout).toMatch(/all of 2 enforced CUJs can be judged\n$/);
    expect(stderr).toContain('querying the traffic of shop');
    expect(code).toBe(0);
  });

  it('ends with 1 where an enforced CUJ cannot be judged, and says what would help', async () => {
    trade({ 'POST /orders': 300, 'GET /search': 6_000 });
    const { code, stdout } = await plan('--days', '1', '--weight', '5');
    expect(stdout).toMatch(/\nbuy \(shop\) +availability +NO +\(4\.1 h\) /);
    expect(stdout).toMatch(
      /buy \(shop\) availability cannot be judged at 5%\n {2}what would help, any one of:\n {4}A weight of 10% or more\.\n/,
    );
    expect(stdout).toMatch(/\n1 of 2 enforced CUJs cannot be judged at any of the weights: buy\n$/);
    expect(code).toBe(1);
  });

  it('is an object with --json', async () => {
    trade({ 'POST /orders': 3_600, 'GET /search': 6_000 });
    const { code, stdout } = await plan('--days', '1', '--json');
    expect(JSON.parse(stdout)).toMatchObject({
      days: 1,
      notJudgeable: [],
      entries: [{ cuj: 'buy', cleanRequests: 415, limitedRequests: 60, minWeight: { median: 1 } }, {}, {}],
    });
    expect(code).toBe(0);
  });

  it('says of no limited pass that there is none', async () => {
    trade({ 'POST /orders': 3_600, 'GET /search': 6_000 });
    gate = provenOnly;
    const { code, stdout } = await plan('--days', '1', '--weight', '5');
    expect(stdout).toMatch(/\nbuy \(shop\) .* 415 +- +6% +6%\n/);
    expect(stdout).toMatch(/\nbuy \(shop\) +availability +NO +\(2\.4 h\) /);
    expect(code).toBe(1);
  });

  it('says what passes later than a rollout waits, with what would help', async () => {
    trade({ 'POST /orders': 360, 'GET /search': 60_000 });
    const { code, stdout } = await plan('--days', '1');
    expect(stdout).toMatch(
      /\nbuy \(shop\) availability passes after 41 min at 25%, and a rollout waits for 18 min\n {2}what would help, any one of:\n {4}A weight of 59% or more\.\n/,
    );
    expect(stdout).toMatch(
      /\nall of 2 enforced CUJs can be judged\n1 of 2 pass later than a rollout waits \(18 min\), which then pauses for a person: buy\n$/,
    );
    expect(code).toBe(0);
    const longer = await plan('--days', '1', '--wait', '41m');
    expect(longer.stdout).toMatch(/\n\nall of 2 enforced CUJs can be judged\n$/);
    expect((await plan('--wait', 'long')).stderr).toContain('expected a duration such as 20m');
  });

  it.each(['0', '101', 'half', '5,,25'])('refuses --weight %s', async (weight) => {
    const { code, stderr } = await plan('--weight', weight);
    expect(stderr).toContain('expected percentages above 0 and up to 100');
    expect(code).toBe(2);
  });

  it('ends with 2 and says why where Datadog cannot be asked', async () => {
    simulator.setFault(() => ({ kind: 'status', status: 403 }));
    const { code, stdout, stderr } = await plan();
    expect(stderr).toMatch(/cuj-gate plan: shop: .*403/);
    expect(stdout).toBe('');
    expect(stderr).toContain('all queries failed, there is no plan');
    expect(code).toBe(2);
  });
});
