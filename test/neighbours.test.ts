import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { compose, type Gate } from '../src/server/compose.ts';
import { readSettings } from '../src/settings/settings.ts';
import { MINUTE, NOON, simulatorAt, stopAll } from './demo/datadog/fixture.ts';

/** Two services whose CUJs are measured by one call. */
const registry = {
  apiVersion: 'cuj-gate/v1',
  defaults: { slo: { availability: 99.95 } },
  services: {
    shop: { env: 'production', operation: 'http.request', canary: 'version:{version}' },
    talk: { env: 'production', operation: 'http.request', canary: 'version:{version}' },
  },
  cujs: [
    { name: 'buy', owner: 'team-shop', service: 'shop', endpoints: ['POST /orders'] },
    {
      name: 'say',
      owner: 'team-talk',
      service: 'talk',
      slo: { latency: 99 },
      // Two seconds, the author thought.
      endpoints: [{ method: 'POST', path: '/messages', latencyMs: 2 }],
    },
  ],
};

let folder: string;
let gate: Gate | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'neighbours-'));
});
afterEach(async () => {
  await gate?.close();
  gate = undefined;
  await stopAll();
  await rm(folder, { recursive: true, force: true });
});

/** The answers on both CUJs, where `talk` has spans with or without a status, and how many calls they took. */
async function ask(talkStatus: number | undefined) {
  const { simulator } = await simulatorAt(NOON);
  for (let minute = 3; minute < 10; minute += 1) {
    for (const [version, count] of [
      ['v1', 3_000],
      ['v2', 1_000],
    ] as const) {
      const event = {
        env: 'production',
        operation: 'http.request',
        version,
        at: NOON - minute * MINUTE,
        count,
      };
      simulator.store.recordRequests({
        ...event,
        service: 'shop',
        resource: 'POST /orders',
        statusCode: 200,
      });
      const talk = talkStatus === undefined ? {} : { statusCode: talkStatus };
      simulator.store.recordRequests({ ...event, ...talk, service: 'talk', resource: 'POST /messages' });
    }
  }
  const path = join(folder, 'cujs.json');
  await writeFile(path, JSON.stringify(registry));
  const env = { DD_API_KEY: 'a'.repeat(32), DD_APP_KEY: 'b'.repeat(40), DD_URL: simulator.url };
  const running = await compose(readSettings({ ...env, CUJ_GATE_REGISTRY: path }), {
    now: () => NOON,
    logger: pino({ level: 'silent' }),
  });
  gate = running;
  const status = async (cuj: string) =>
    (await running.app.inject({ url: `/cujs/${cuj}/status?version=v2` })).json();
  return { say: await status('say'), buy: await status('buy'), calls: simulator.calls.length };
}

describe('what is wrong with one CUJ leaves those in the same call alone', () => {
  it('where nothing is ever within its threshold', async () => {
    const { say, buy, calls } = await ask(200);
    expect(say.summary).toBe(
      'INCONCLUSIVE say (threshold_unmet): none of 28000 requests was within 2 ms, canary and stable alike',
    );
    expect(say.hint).toContain('milliseconds');
    expect(buy).toMatchObject({ verdict: 'pass', reason: 'within_slo' });
    // The past and the newest data, in one call each.
    expect(calls).toBe(2);
  });

  it('where its spans have no status', async () => {
    const { say, buy, calls } = await ask(undefined);
    expect(say.slis).toMatchObject([
      { sli: 'availability', reason: 'status_missing', missingStatus: { service: 'talk', requests: 7_000 } },
      { sli: 'latency', reason: 'threshold_unmet' },
    ]);
    expect(say).toMatchObject({ verdict: 'inconclusive', reason: 'status_missing' });
    expect(buy).toMatchObject({ verdict: 'pass', reason: 'within_slo' });
    // The past and the newest data, in one call each.
    expect(calls).toBe(2);
  });
});
