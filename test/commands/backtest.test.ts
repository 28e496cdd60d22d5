import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { backtestCommand } from '../../src/commands/backtest.ts';
import { retryOnRateLimit } from '../../src/commands/support/rate-limit-retry.ts';
import { type Simulator, startDatadogSimulator } from '../../src/demo/datadog/simulator.ts';
import { SourceError } from '../../src/domain/errors.ts';
import { plantMonth } from '../backtest/planted.ts';
import { limitedPass, shopDocument } from '../doctor/clinic.ts';
import { capture, someTime } from './io.ts';

const HOUR = 3_600_000;

let folder: string;
let simulator: Simulator;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'backtest-'));
  simulator = await startDatadogSimulator({ now: () => someTime });
  plantMonth(simulator, (Math.floor(someTime / HOUR) - 12) * HOUR);
});
afterEach(async () => {
  await simulator.stop();
  await rm(folder, { recursive: true, force: true });
});

async function backtest(...args: string[]) {
  const path = join(folder, 'cujs.json');
  await writeFile(path, JSON.stringify(shopDocument(limitedPass)));
  const { io, stdout, stderr } = capture({
    env: { DD_API_KEY: 'a'.repeat(32), DD_APP_KEY: 'b'.repeat(40), DD_URL: simulator.url },
  });
  let code: number | undefined;
  const waited: number[] = [];
  const command = backtestCommand(
    io,
    (value) => {
      code = value;
    },
    async (ms) => waited.push(ms),
  );
  command.configureOutput({ writeErr: (text) => void io.stderr.write(text) }).exitOverride();
  await command
    .parseAsync(['--registry', path, '--days', '1', ...args], { from: 'user' })
    .catch((error: { exitCode: number }) => {
      code = error.exitCode === 0 ? 0 : 2;
    });
  return { code, waited, stdout: stdout(), stderr: stderr() };
}

describe('cuj-gate backtest', () => {
  it('prints a block a rollout and what it adds up to, and ends with 0', async () => {
    const { code, stdout, stderr, waited } = await backtest();
    expect(stdout).toMatch(/^shop v2 {2}.* UTC, after v1: a canary for 20 min, then it had all traffic\n/);
    expect(stdout).toMatch(/\n {2}cuj-gate {10}PASSED after 9 min\n {2}total error rate {2}fine: 0 of 2000 /);
    expect(stdout).toMatch(/\n {2}cuj-gate {10}ABORTED after \d+ min: FAIL buy \(slo_violated\): /);
    expect(stdout).toMatch(/\n {2}x buy +never passed +failed after \d+ min \(slo_violated\)\n/);
    expect(stdout).toMatch(
      /\n3 rollouts from .* UTC: 1 would have been aborted, 2 passed, 0 inconclusive\na total error rate above 1% would have aborted 0\n$/,
    );
    expect(stderr).toContain('replaying 2 of 3: shop v3');
    // A second between calls.
    expect(waited).toEqual([1_000, 1_000, 1_000]);
    expect(code).toBe(0);
  });

  it('counts caught, missed and falsely aborted where the bad ones are named', async () => {
    const { code, stdout } = await backtest('--bad', 'v3', '--threshold', '0.5');
    expect(stdout).toMatch(/\ncuj-gate +1 +0 +0 +1\ntotal error rate +1 +0 +0 +1\n/);
    expect(code).toBe(0);
    const wrong = await backtest('--bad', 'v2');
    expect(wrong.stdout).toMatch(/\nmissed: v2\nfalsely aborted: v3\n$/);
    expect(wrong.code).toBe(1);
  });

  it('ends with 2 and names what it found where a named version was never rolled out', async () => {
    const { code, stderr } = await backtest('--bad', 'v33');
    expect(stderr).toContain('no rollout of v33 was found. Found: v2, v3.');
    expect(code).toBe(2);
  });

  it('is an object with --json', async () => {
    const { stdout } = await backtest('--json', '--bad', 'v3');
    const { rollouts, scores } = JSON.parse(stdout);
    expect(rollouts[0].cujs).toMatchObject([
      { cuj: 'buy', firstPass: { minute: 8, reason: 'within_slo' } },
      { cuj: 'search', firstPass: { minute: 9, reason: 'limited_evidence' } },
    ]);
    expect(rollouts.map(({ outcome }: { outcome: string }) => outcome)).toEqual(['pass', 'abort', 'pass']);
    expect(scores.gate).toEqual({ caught: ['v3'], missed: [], falselyAborted: [], letThrough: ['v2'] });
  });

  it('names the nearest service where there is none of the name', async () => {
    const { code, stderr } = await backtest('--service', 'shops');
    expect(stderr).toContain('No service is called "shops". Did you mean "shop"?');
    expect(code).toBe(2);
  });

  it.each([
    ['--days', '91'],
    ['--threshold', '0'],
    ['--bad', ''],
  ])('refuses %s %s', async (...args) => {
    expect((await backtest(...args)).code).toBe(2);
  });
});

describe('patience', () => {
  const limited = (seconds: number) =>
    new SourceError('source_rate_limited', 'later', 'wait', { retryAfterSeconds: seconds });
  const clock = () => {
    const waited: number[] = [];
    return {
      waited,
      ask: retryOnRateLimit(
        1_000,
        async (ms) => waited.push(ms),
        () => {},
      ),
    };
  };

  it('asks again after the reset, five times at most', async () => {
    const { waited, ask } = clock();
    let calls = 0;
    await expect(
      ask(async () => {
        calls += 1;
        throw limited(30);
      }),
    ).rejects.toThrow('later');
    expect(calls).toBe(6);
    expect(waited).toEqual([30_000, 30_000, 30_000, 30_000, 30_000]);
  });

  it('does not wait for what waiting does not fix, nor for longer than a quarter of an hour', async () => {
    const { waited, ask } = clock();
    await expect(ask(() => Promise.reject(limited(901)))).rejects.toThrow('later');
    await expect(
      ask(() => Promise.reject(new SourceError('source_rejected', 'keys', 'fix'))),
    ).rejects.toThrow('keys');
    expect(waited).toEqual([1_000]);
  });
});
