import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { compose, type Gate, openEvaluator } from '../../src/server/compose.ts';
import { readSettings } from '../../src/settings/settings.ts';
import { MINUTE, NOON, simulatorAt, stopAll } from '../demo/datadog/fixture.ts';
import { hits, registryOf, shopDocument } from '../doctor/clinic.ts';
import { plantSlo } from '../doctor/slo-of-cuj.ts';

let folder: string;
let gate: Gate | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'budget-'));
});
afterEach(async () => {
  await gate?.close();
  gate = undefined;
  await stopAll();
  await rm(folder, { recursive: true, force: true });
});

/** The shop with a policy, a canary of 2,000 requests of which 2 fail, and a budget of which so much is spent. */
async function setUp(plant: { failed: number } | undefined) {
  const { simulator } = await simulatorAt(NOON);
  const document = shopDocument();
  Object.assign(document.cujs?.[0] as object, {
    errorBudgetPolicy: [{ below: '50%', action: 'Reliability work first', gate: 'strict' }],
  });
  if (plant !== undefined) {
    plantSlo(simulator, registryOf(document), 'buy');
    const old = { ...hits, resource: 'POST /orders', version: 'v0', at: NOON - 5 * 1_440 * MINUTE };
    simulator.store.recordRequests({ ...old, statusCode: 200, count: 1_000_000 });
    simulator.store.recordRequests({ ...old, statusCode: 500, count: plant.failed });
  }
  for (const minutes of [8, 6]) {
    const event = { ...hits, resource: 'POST /orders', at: NOON - minutes * MINUTE };
    simulator.store.recordRequests({ ...event, version: 'v1', statusCode: 200, count: 9_000 });
    simulator.store.recordRequests({ ...event, version: 'v2', statusCode: 200, count: 999 });
    simulator.store.recordRequests({ ...event, version: 'v2', statusCode: 500, count: 1 });
  }
  const path = join(folder, 'cujs.json');
  await writeFile(path, JSON.stringify(document));
  const env = {
    DD_API_KEY: 'a'.repeat(32),
    DD_APP_KEY: 'b'.repeat(40),
    DD_URL: simulator.url,
    CUJ_GATE_REGISTRY: path,
  };
  return { simulator, env };
}

async function serve(env: Record<string, string>): Promise<Gate> {
  gate = await compose(readSettings(env), { now: () => NOON, logger: pino({ level: 'silent' }) });
  return gate;
}

const status = async ({ app }: Gate) =>
  (await app.inject({ url: '/cujs/buy/status?version=v2&window=10m' })).json();
const metrics = async ({ app }: Gate) => (await app.inject({ url: '/metrics' })).body;

describe('a gate whose error budget is spent', () => {
  it('judges by the rule of the policy, says so, and shows the budget in its metrics', async () => {
    const { env } = await setUp({ failed: 300 });
    const running = await serve(env);
    await expect
      .poll(() => metrics(running))
      .toMatch(/cuj_gate_error_budget_remaining_ratio\{cuj="buy",sli="availability"\} 0\.4/);
    const verdict = await status(running);
    // 2 of 2,000 at 99.95%: noise to the rule confidence, a fail to the rule strict.
    expect(verdict).toMatchObject({
      verdict: 'fail',
      reason: 'slo_violated',
      rule: 'strict',
      ruleChangedBy: expect.stringMatching(
        /of the availability error budget is left.*Reliability work first/,
      ),
    });
  });

  it('keeps its own rule while there is enough', async () => {
    const { env } = await setUp({ failed: 30 });
    const running = await serve(env);
    await expect.poll(() => metrics(running)).toMatch(/remaining_ratio\{cuj="buy",sli="availability"\} 0\.9/);
    const verdict = await status(running);
    expect(verdict).toMatchObject({ verdict: 'inconclusive', rule: 'confidence' });
    expect(verdict).not.toHaveProperty('budgetNote');
  });

  it('keeps its own rule where nobody knows, says so, and shows no number', async () => {
    const { env } = await setUp(undefined);
    const running = await serve(env);
    await expect.poll(async () => (await status(running)).budgetNote).toMatch(/Datadog has no SLO called/);
    expect(await status(running)).toMatchObject({ verdict: 'inconclusive', rule: 'confidence' });
    expect(await metrics(running)).not.toMatch(/remaining_ratio\{/);
  });

  it('is what evaluate sees from the command line as well', async () => {
    const { env } = await setUp({ failed: 300 });
    const opened = await openEvaluator(env, undefined, () => NOON);
    if ('problem' in opened) throw new Error(opened.problem);
    const request = { cuj: 'buy', params: new Map([['version', 'v2']]), window: '15m' };
    const { verdict } = await opened.evaluator.cuj(request, AbortSignal.timeout(8_000));
    await opened.close();
    expect(verdict).toMatchObject({ verdict: 'fail', rule: 'strict' });
  });
});
