import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Fault, FaultedCall } from '../../src/demo/datadog/faults.ts';
import { compose, type Gate } from '../../src/server/compose.ts';
import { readSettings } from '../../src/settings/settings.ts';
import { MINUTE, simulatorAt, stopAll } from '../demo/datadog/fixture.ts';

/** The whole way from the simulator to the answer, where its data is late or the gate's clock is wrong. */

const at = (time: string) => Date.parse(`2026-03-10T${time}Z`);
const service = { env: 'production', operation: 'http.request', canary: 'version:{version}' };
const registry = {
  apiVersion: 'cuj-gate/v1',
  defaults: { slo: { availability: 99.95 } },
  services: { shop: service, talk: service },
  cujs: [
    { name: 'buy', owner: 'team-shop', service: 'shop', endpoints: ['POST /orders'] },
    { name: 'say', owner: 'team-talk', service: 'talk', endpoints: ['POST /messages'] },
  ],
};

/** Whether a call is about the newest data: the first of a question's two is about the past. */
const isRecent = ({ body }: FaultedCall) => JSON.stringify(body).includes('"interval":10000');

let folder: string;
let gate: Gate | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stale-'));
});
afterEach(async () => {
  await gate?.close();
  gate = undefined;
  await stopAll();
  await rm(folder, { recursive: true, force: true });
});

/**
 * The canary of `shop` begins at 07:39 with 500 clean requests a minute, and from 07:59 on every request fails. `talk`
 * has no traffic unless told. `shop` has none from `untilMs` on.
 */
async function shop({
  nowMs = at('08:19:40'),
  untilMs = Number.POSITIVE_INFINITY,
  gateBehindMs = 0,
  isTalking = false,
} = {}) {
  const { simulator, clock } = await simulatorAt(nowMs);
  const request = { env: 'production', operation: 'http.request', statusCode: 200 };
  for (let then = at('06:30:00'); then < nowMs; then += 6_000) {
    const orders = { ...request, at: then, service: 'shop', resource: 'POST /orders' };
    if (then < untilMs) simulator.store.recordRequests({ ...orders, version: 'v1', count: 450 });
    if (then < untilMs && then >= at('07:39:00')) {
      const statusCode = then < at('07:59:00') ? 200 : 500;
      simulator.store.recordRequests({ ...orders, version: 'v2', statusCode, count: 50 });
    }
    if (isTalking && then % MINUTE === 0)
      simulator.store.recordRequests({
        ...orders,
        service: 'talk',
        resource: 'POST /messages',
        version: 'v1',
        count: 3,
      });
  }
  const path = join(folder, 'cujs.json');
  await writeFile(path, JSON.stringify(registry));
  const env = { DD_API_KEY: 'a'.repeat(32), DD_APP_KEY: 'b'.repeat(40), DD_URL: simulator.url };
  const lines: Record<string, unknown>[] = [];
  const running = await compose(readSettings({ ...env, CUJ_GATE_REGISTRY: path, CUJ_GATE_CACHE_TTL: '0s' }), {
    now: () => clock.now - gateBehindMs,
    logger: pino({ base: null, timestamp: false }, { write: (line) => lines.push(JSON.parse(line)) }),
  });
  gate = running;
  const get = async (url: string) => {
    const { statusCode, body } = await running.app.inject({ url });
    return { statusCode, body: statusCode === 200 && url !== '/metrics' ? JSON.parse(body) : body };
  };
  const since = encodeURIComponent('2026-03-10T07:39:00Z');
  const buy = (more = `&since=${since}`) => get(`/cujs/buy/status?version=v2${more}`);
  return { simulator, clock, get, buy, lines };
}

describe('ingestion that has stopped for everybody', () => {
  const stop = { fromMs: at('07:59:00') + 25_000, untilMs: at('08:30:00'), catchUpMs: 5 * MINUTE };

  it('makes no pass of 10,000 clean requests that were before', async () => {
    const { simulator, get, buy } = await shop();
    simulator.store.delayIngestion(stop);
    const { body } = await buy();
    expect(body).toMatchObject({
      verdict: 'inconclusive',
      reason: 'source_stale',
      window: { from: '2026-03-10T07:39:00.000Z', to: '2026-03-10T08:18:30.000Z' },
      staleData: { services: ['shop'], newest: '2026-03-10T07:59:00.000Z', ageSeconds: 19 * 60 + 30 + 45 },
      slis: [{ total: 10_000, bad: 0 }],
    });
    expect((await get('/services/shop/status?version=v2')).body).toMatchObject({
      verdict: 'inconclusive',
      reason: 'source_stale',
    });
    expect((await get('/metrics')).body).toContain(
      'cuj_gate_source_stale_seconds{cuj="buy",service="shop"} 1215',
    );
  });

  it('is over when the data has caught up: then the fail shows', async () => {
    const { simulator, clock, get, buy } = await shop({ nowMs: at('08:40:00') });
    simulator.store.delayIngestion(stop);
    clock.now = at('08:19:40');
    expect((await buy()).body.reason).toBe('source_stale');
    clock.now = at('08:36:00');
    expect((await buy()).body).toMatchObject({ verdict: 'fail', reason: 'slo_violated' });
    expect((await get('/metrics')).body).toContain(
      'cuj_gate_source_stale_seconds{cuj="buy",service="shop"} 0',
    );
  });

  it('leaves a fail that is proven already', async () => {
    const { simulator, buy } = await shop();
    simulator.store.delayIngestion({ ...stop, fromMs: at('08:05:25') });
    expect((await buy()).body).toMatchObject({
      verdict: 'fail',
      reason: 'slo_violated',
      staleData: { newest: '2026-03-10T08:05:00.000Z' },
    });
  });

  it('is told in one call as well, as a fault', async () => {
    const { simulator, buy } = await shop({ nowMs: at('07:59:40') });
    expect((await buy()).body.verdict).toBe('pass');
    simulator.faults.set((call) =>
      isRecent(call) ? { kind: 'newest_minutes_missing', minutes: 6 } : undefined,
    );
    expect((await buy()).body).toMatchObject({
      reason: 'source_stale',
      staleData: { newest: '2026-03-10T07:53:00.000Z' },
    });
  });

  it('is no pass where the call about the past has lost its newest minutes as well', async () => {
    const { simulator, buy } = await shop({ nowMs: at('07:59:40') });
    for (const minutes of [5, 6, 9, 30]) {
      simulator.faults.set((call) => ({
        kind: 'newest_minutes_missing',
        minutes: isRecent(call) ? 6 : minutes,
      }));
      expect((await buy()).body).toMatchObject({ verdict: 'inconclusive', reason: 'source_malformed' });
    }
  });

  it('is not taken for it where another service of the same call goes on: this one is silent', async () => {
    const silent = { untilMs: at('07:59:00') };
    expect((await (await shop(silent)).buy()).body.reason).toBe('source_stale');
    await gate?.close();
    expect((await (await shop({ ...silent, isTalking: true })).buy()).body.verdict).toBe('pass');
  });
});

describe('a clock that is wrong', () => {
  it('6 minutes behind makes no pass of the minutes before the fault', async () => {
    const { buy, get, lines } = await shop({ nowMs: at('08:04:40'), gateBehindMs: 6 * MINUTE });
    expect((await buy()).body).toMatchObject({
      verdict: 'inconclusive',
      reason: 'clock_skew',
      clockSkewSeconds: expect.closeTo(-360, -1),
    });
    expect(lines).toContainEqual(expect.objectContaining({ code: 'clock_skew', level: 50 }));
    expect((await get('/metrics')).body).toMatch(
      /^cuj_gate_source_clock_skew_seconds\{backend="datadog"\} -3(59|60)/m,
    );
  });

  it('is no 400 where the rollout begins at this moment: since is in the future by it', async () => {
    for (const behind of [6, 90]) {
      const { buy } = await shop({ gateBehindMs: behind * MINUTE });
      expect(await buy('&since=2026-03-10T08:19:40Z')).toMatchObject({
        statusCode: 200,
        body: { verdict: 'inconclusive', reason: 'clock_skew' },
      });
      await gate?.close();
      gate = undefined;
    }
  });

  it('of the caller that is 6 minutes fast is no 400 either', async () => {
    const { buy } = await shop();
    const { statusCode, body } = await buy('&since=2026-03-10T08:25:40Z');
    expect(statusCode).toBe(200);
    expect(body).toMatchObject({ verdict: 'inconclusive', reason: 'no_data', noDataCause: 'too_early' });
    expect(body.summary).toContain('at least 305 s ahead of the clock of this gate');
    expect((await buy('&since=2026-03-10T09:19:40Z')).statusCode).toBe(400);
  });

  it.each<[string, Fault]>([
    ['no Date', { kind: 'date_replaced', date: null }],
    ['a Date that is none', { kind: 'date_replaced', date: 'yesterday' }],
    ['an absurd one', { kind: 'date_replaced', date: 'Thu, 01 Jan 1970 00:00:00 GMT' }],
    [
      'two of them',
      { kind: 'date_replaced', date: 'Tue, 10 Mar 2026 07:00:00 GMT, Tue, 10 Mar 2026 07:00:00 GMT' },
    ],
    ['that of a copy', { kind: 'date_replaced', date: 'Tue, 10 Mar 2026 07:00:00 GMT', ageSeconds: 3_540 }],
    ['one that is half a minute off', { kind: 'date_shifted', offsetMs: 30_000 }],
  ])('is not known by %s: it is judged', async (_, fault) => {
    const { simulator, buy } = await shop({ nowMs: at('07:59:40') });
    simulator.faults.push(fault);
    expect((await buy()).body.verdict).toBe('pass');
  });

  it('is known by a Date that is off by more', async () => {
    const { simulator, buy } = await shop({ nowMs: at('07:59:40') });
    simulator.faults.push({ kind: 'date_shifted', offsetMs: -5 * MINUTE, times: 2 });
    expect((await buy()).body).toMatchObject({ reason: 'clock_skew', clockSkewSeconds: 299 });
    expect((await buy()).body.verdict).toBe('pass');
  });
});
