import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { compose, type Gate } from '../../src/server/compose.ts';
import { readSettings, requiredToServe } from '../../src/settings/settings.ts';
import { simulatorAt, stopAll } from '../demo/datadog/fixture.ts';
import { Loopback, respond } from '../sources/datadog/loopback.ts';
import { RedisServer, redisProgram } from '../sources/redis-cache/redis-server.ts';

/** What replicas that measure with two backends share through a real Redis. */

const nowMs = Date.UTC(2026, 2, 10, 12, 0, 17);
const folder = mkdtempSync(join(tmpdir(), 'mixed-sharing-'));
const registry = {
  apiVersion: 'cuj-gate/v1',
  defaults: { slo: { availability: 99.9 } },
  sources: {
    counters: { backend: 'prometheus', total: 'a{job="{service}"}', bad: 'a{job="{service}",code="5"}' },
  },
  services: {
    web: { env: 'production', operation: 'http.request', canary: 'version:{version}' },
    ledger: { env: 'production', source: 'counters', canary: 'version:{version}' },
  },
  cujs: [
    { name: 'order', owner: 'team', service: 'web', endpoints: '*' },
    { name: 'book', owner: 'team', service: 'ledger', endpoints: '*' },
  ],
};
const gates: Gate[] = [];

afterEach(async () => {
  await Promise.all(gates.splice(0).map((gate) => gate.close()));
  await stopAll();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.runIf(redisProgram !== undefined)('replicas that measure with two backends', () => {
  const servers = [new Loopback(), new Loopback()] as const;
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await RedisServer.start();
    for (const server of servers) {
      await server.listen();
      server.reply(
        respond(
          200,
          { status: 'success', data: { resultType: 'matrix', result: [] } },
          { date: new Date(nowMs).toUTCString() },
        ),
      );
    }
  });
  afterAll(async () => {
    await redis.kill();
    for (const server of servers) await server.close();
  });

  /** Asks a new replica about both CUJs, and counts the queries that it sent to each backend. */
  async function callsOf(more: Record<string, string>): Promise<Record<string, number>> {
    const path = join(folder, 'cujs.json');
    writeFileSync(path, JSON.stringify(registry));
    const env = {
      DD_API_KEY: 'a'.repeat(32),
      DD_APP_KEY: 'b'.repeat(40),
      CUJ_GATE_PROMETHEUS_URL: servers[0].url,
      CUJ_GATE_PROMETHEUS_CACHE_KEY: 'c'.repeat(32),
      CUJ_GATE_REDIS_URL: redis.url,
      CUJ_GATE_REGISTRY: path,
      ...more,
    };
    const gate = await compose(readSettings(env, { required: requiredToServe }), {
      now: () => nowMs,
      logger: pino({ level: 'silent' }),
    });
    gates.push(gate);
    const text = async (url: string) => (await gate.app.inject({ url })).body;
    await expect.poll(() => text('/metrics'), { timeout: 10_000 }).toMatch(/^cuj_gate_shared_cache_up 1$/m);
    for (const name of ['order', 'book'])
      expect(JSON.parse(await text(`/cujs/${name}/status?version=v2`))).toMatchObject({ reason: 'no_data' });
    const metrics = await text('/metrics');
    return Object.fromEntries(
      ['datadog', 'prometheus'].map((backend) => [
        backend,
        Number(
          new RegExp(
            `^cuj_gate_source_request_duration_seconds_count\\{backend="${backend}",outcome="ok"\\} (\\d+)$`,
            'm',
          ).exec(metrics)?.[1] ?? 0,
        ),
      ]),
    );
  }

  it('share the answers of each backend with those that have its key and address, and of no other', async () => {
    const { simulator } = await simulatorAt(nowMs);
    const own = { DD_URL: simulator.url };
    // The past, and the newest data.
    expect(await callsOf(own)).toEqual({ datadog: 2, prometheus: 2 });
    expect(await callsOf(own)).toEqual({ datadog: 0, prometheus: 0 });
    // Another Prometheus, or another key: its part alone is asked again.
    const elsewhere = { ...own, CUJ_GATE_PROMETHEUS_URL: servers[1].url };
    expect(await callsOf(elsewhere)).toEqual({ datadog: 0, prometheus: 2 });
    // What asks for stores of Thanos is no query.
    expect(servers[1].requests.filter(({ method }) => method === 'POST')).toHaveLength(2);
    const otherKey = { ...own, CUJ_GATE_PROMETHEUS_CACHE_KEY: 'd'.repeat(32) };
    expect(await callsOf(otherKey)).toEqual({ datadog: 0, prometheus: 2 });
    expect(await callsOf({ ...own, DD_APP_KEY: 'e'.repeat(40) })).toEqual({ datadog: 2, prometheus: 0 });
  });
});
