import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, it, onTestFinished } from 'vitest';
import { startDatadogSimulator } from '../../src/demo/datadog/simulator.ts';
import { compose } from '../../src/server/compose.ts';
import { readSettings } from '../../src/settings/settings.ts';

const registry = {
  apiVersion: 'cuj-gate/v1',
  defaults: { slo: { availability: 99.95 } },
  services: { shop: { env: 'production', operation: 'http.request', canary: 'version:{version}' } },
  cujs: [{ name: 'buy', owner: 'team-shop', service: 'shop', endpoints: ['POST /orders'] }],
};
const keys = { api: 'a'.repeat(32), app: 'b'.repeat(40), events: 'e'.repeat(32) };
const nowMs = Date.parse('2026-03-10T08:19:40Z');

/** A gate as `serve` wires it, with a canary whose requests all fail. */
async function start(env: Record<string, string>) {
  const folder = mkdtempSync(join(tmpdir(), 'change-events-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const simulator = await startDatadogSimulator({
    now: () => nowMs,
    apiKey: keys.api,
    applicationKey: keys.app,
    eventsApiKey: keys.events,
  });
  onTestFinished(() => simulator.stop());
  for (let at = nowMs - 20 * 60_000; at < nowMs; at += 6_000) {
    const orders = {
      env: 'production',
      operation: 'http.request',
      at,
      service: 'shop',
      resource: 'POST /orders',
    };
    simulator.store.recordRequests({ ...orders, statusCode: 200, version: 'v1', count: 450 });
    simulator.store.recordRequests({ ...orders, statusCode: 500, version: 'v2', count: 50 });
  }
  const path = join(folder, 'cujs.json');
  writeFileSync(path, JSON.stringify(registry));
  const settings = readSettings({
    DD_API_KEY: keys.api,
    DD_APP_KEY: keys.app,
    DD_URL: simulator.url,
    CUJ_GATE_REGISTRY: path,
    CUJ_GATE_PUBLIC_URL: 'https://gate.example.com/releases',
    ...(env.CUJ_GATE_EVENTS_DD_API_KEY === undefined ? {} : { CUJ_GATE_EVENTS_URL: simulator.url }),
    ...env,
  });
  const lines: string[] = [];
  const gate = await compose(settings, {
    now: () => nowMs,
    logger: pino({ base: null, timestamp: false }, { write: (line) => void lines.push(line) }),
  });
  let isOpen = true;
  const close = async () => {
    if (isOpen) await gate.close();
    isOpen = false;
  };
  onTestFinished(close);
  const answer = await gate.app.inject({ url: '/cujs/buy/status?version=v2' });
  expect(JSON.parse(answer.body)).toMatchObject({ verdict: 'fail' });
  return { simulator, gate, lines, close };
}

it('a fail is an event of Datadog, sent with the key of events alone', async () => {
  const { simulator, gate } = await start({ CUJ_GATE_EVENTS_DD_API_KEY: keys.events });
  await expect.poll(() => simulator.events.length).toBe(1);
  expect(simulator.events[0]).toMatchObject({
    title: '[cuj-gate] buy version:v2: fail, final',
    attributes: {
      impacted_resources: [{ type: 'service', name: 'shop' }],
      // Without a history and without authentication, a page has no moment.
      change_metadata: { link: 'https://gate.example.com/releases/v/buy/v2' },
    },
  });
  // Counted once the intake's answer is read, which is after the intake has the event.
  const metrics = async () => (await gate.app.inject({ url: '/metrics' })).body;
  await expect.poll(metrics).toContain('cuj_gate_change_events_sent_total 1');
});

it('an event that is still waiting is sent while the gate ends', async () => {
  const { simulator, close } = await start({ CUJ_GATE_EVENTS_DD_API_KEY: keys.events });
  await close();
  expect(simulator.events).toHaveLength(1);
});

it('a wrong key is one line in the log, without the key, and costs no answer', async () => {
  const wrong = 'f'.repeat(32);
  const { lines } = await start({ CUJ_GATE_EVENTS_DD_API_KEY: wrong });
  const found = () => lines.filter((line) => line.includes('events about verdicts were not sent'));
  await expect.poll(() => found().length).toBe(1);
  expect(JSON.parse(found()[0] ?? '')).toMatchObject({
    level: 40,
    reason: 'rejected',
    why: 'Datadog answered 403: Forbidden',
    dropped: 1,
  });
  expect(lines.join('')).not.toContain(wrong);
});

it('nothing is sent, and no metric is there, without a key', async () => {
  const { simulator, gate } = await start({});
  await gate.app.inject({ url: '/cujs/buy/status?version=v2' });
  const { body } = await gate.app.inject({ url: '/metrics' });
  expect(body).not.toContain('cuj_gate_change_events');
  expect(simulator.calls.filter(({ path }) => path.includes('events'))).toEqual([]);
});
