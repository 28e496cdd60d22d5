import { EventEmitter, once } from 'node:events';
import { Registry as MetricsRegistry } from 'prom-client';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { judgeAgain } from '../../src/domain/judge/verdict-record.ts';
import type { AskedAbout, Reading } from '../../src/domain/ports/verdict-history.ts';
import { RedisStore } from '../../src/sources/redis-cache/redis-store.ts';
import { createSeal } from '../../src/sources/redis-cache/signed-envelope.ts';
import { createVerdictHistory } from '../../src/verdict-history/history.ts';
import { createHistoryMetrics } from '../../src/verdict-history/metrics.ts';
import { RedisChangeStore } from '../../src/verdict-history/redis-change-store.ts';
import { SignedStream } from '../../src/verdict-history/signed-stream.ts';
import { bench, broken, healthy, nowMs, snapshotOf } from '../http/fixture.ts';
import { RedisServer, redisProgram } from '../sources/redis-cache/redis-server.ts';

if (redisProgram === undefined) {
  console.warn(
    'redis.integration.test.ts needs redis-server or valkey-server on PATH: its tests are skipped',
  );
}

let server: RedisServer | undefined;

afterEach(() => server?.kill());

const signup: AskedAbout = { kind: 'cuj', name: 'signup', params: { version: 'v2' } };
const origin = 'https://api.datadoghq.com';
/** Redis takes the time of its own clock. */
const startMs = Date.now();
const shiftMs = startMs - nowMs;

interface ReplicaOptions {
  readonly secret?: string;
  readonly maxBytes?: number;
  readonly maxAgeMs?: number;
}

async function replica(url: string, { secret = 'key', maxBytes = 1e8, maxAgeMs = 1e9 }: ReplicaOptions = {}) {
  const news = new EventEmitter();
  let up = false;
  const store = new RedisStore({
    url,
    prefix: 'test:',
    commandTimeoutMs: 5_000,
    probeEveryMs: 10,
    onChange(is) {
      up = is;
      news.emit('change');
    },
  });
  const clock = { nowMs: startMs };
  const now = () => clock.nowMs;
  const common = { store, seal: createSeal(secret, origin), now };
  const changes = new SignedStream({ ...common, name: 'changes', maxBytes, maxAgeMs });
  const metrics = new MetricsRegistry();
  const warnings: object[] = [];
  const history = createVerdictHistory({
    now,
    logger: { warn: (fields) => void warnings.push(fields) },
    changes: { store: new RedisChangeStore(changes), metrics: createHistoryMetrics(metrics) },
    news: new SignedStream({ ...common, name: 'asked', maxBytes: 1e7, maxAgeMs: 1e8 }),
    every: () => () => {},
    readLimitMs: 2_000,
  });
  const { app, world } = await bench({ history, now }, 'uncached');
  onTestFinished(async () => {
    await history.close();
    store.close();
  });
  const count = async (line: string) => {
    const text = (await metrics.metrics()).split('\n').find((one) => one.startsWith(`${line} `));
    return Number(text?.slice(line.length + 1));
  };
  while (!up) await once(news, 'change');
  return {
    history,
    world,
    warnings,
    count,
    clock,
    async ask(url: string, atMs = clock.nowMs) {
      clock.nowMs = atMs;
      world.nowMs = atMs - shiftMs;
      const answer = await app.inject(url);
      expect(answer.statusCode).toBe(200);
      return answer.body;
    },
    keeps: (entries: number) => expect.poll(() => count('cuj_gate_history_kept_total')).toBe(entries),
  };
}

function found<T>(reading: Reading<T>): T {
  if (!reading.available) throw new Error(reading.unavailable);
  return reading.value;
}

describe.skipIf(redisProgram === undefined)('the history of replicas', () => {
  it('is one: what a replica was asked, the others show', async () => {
    server = await RedisServer.start();
    const [a, b] = [await replica(server.url), await replica(server.url)];
    const first = await a.ask('/cujs/signup/status?version=v2');
    await b.ask('/cujs/signup/status?version=v2', startMs + 10_000);
    a.world.measure = async (query) => snapshotOf(query, broken, healthy);
    await a.ask('/cujs/signup/status?version=v2', startMs + 40_000);
    await a.keeps(2);
    await b.keeps(1);
    b.clock.nowMs = startMs + 40_000;
    // The first exchange tells, the second one learns.
    await a.history.inProgress();
    await b.history.inProgress();
    for (const { history } of [a, b]) {
      expect(found(await history.inProgress())).toMatchObject([
        {
          about: signup,
          asked: 3,
          firstAskedMs: startMs,
          lastAskedMs: startMs + 40_000,
          latest: { verdict: 'fail' },
        },
      ]);
      expect(found(await history.looksOf(signup)).map(({ verdict, times }) => [verdict, times])).toEqual([
        ['pass', 2],
        ['fail', 1],
      ]);
      const span = { fromMs: startMs, toMs: startMs + 60_000, max: 10 };
      const { changes } = found(await history.changes(span));
      // Both replicas kept the pass.
      expect(changes.map(({ verdict, atMs }) => [verdict, atMs])).toEqual([
        ['fail', startMs + 40_000],
        ['pass', startMs],
      ]);
      const given = found(await history.givenAt(signup, startMs + 9_000));
      expect(`${JSON.stringify(given?.given)}\n`).toBe(first);
      expect(given?.record === undefined ? undefined : judgeAgain(given.record)).toMatchObject({
        same: true,
      });
    }
  });

  it('shows nothing that was written, changed or moved without the key', async () => {
    server = await RedisServer.start();
    const ours = await replica(server.url);
    ours.world.measure = async (query) => snapshotOf(query, broken, healthy);
    await ours.ask('/cujs/signup/status?version=v2');
    await ours.keeps(1);
    const foreign = await replica(server.url, { secret: 'another key' });
    await foreign.ask('/cujs/signup/status?version=v2');
    await foreign.keeps(1);
    await foreign.history.inProgress();
    const keys = (await server.command('KEYS', '*'))
      .split('\r\n')
      .filter((line) => line.startsWith('test:{'));
    const namespaces = new Set(keys.map((key) => key.slice(0, key.indexOf('}') + 1)));
    expect(namespaces.size).toBe(2);
    const [mine] = [createSeal('key', origin).namespace];
    const stream = `test:{${mine}}:changes`;
    // A value of the foreign replica under our name, and one that is no value at all.
    const theirs = keys.find((key) => key.endsWith(':changes') && key !== stream) as string;
    await server.command('RENAME', stream, 'test:ours');
    await server.command('COPY', theirs, stream);
    await server.command('XADD', stream, '*', 'v', '{"verdict":"pass"}', 'sum', 'x', 'id', 'y');
    await server.command('XADD', stream, '*', 'other', 'fields');
    const span = { fromMs: startMs - 1_000, toMs: startMs + 60_000, max: 10 };
    expect(found(await ours.history.changes(span))).toEqual({ changes: [], more: false });
    expect(found(await ours.history.givenAt(signup, startMs))).toBeUndefined();
    // What is ours is shown again, and a record of another verdict is not taken for this one's.
    await server.command('DEL', stream);
    await server.command('RENAME', 'test:ours', stream);
    expect(found(await ours.history.changes(span)).changes).toMatchObject([{ verdict: 'fail' }]);
    const [change] = found(await ours.history.changes(span)).changes;
    const bodies = `${stream}:bodies`;
    await server.command('HSET', bodies, change?.id as string, 'forged');
    expect(found(await ours.history.givenAt(signup, startMs))).toBeUndefined();
  });

  it('is bounded in bytes, with its records, and its keys end', async () => {
    server = await RedisServer.start();
    const one = await replica(server.url, { maxBytes: 8_000, maxAgeMs: 86_400_000 });
    for (let i = 0; i < 20; i += 1) await one.ask(`/cujs/signup/status?version=v${i}`, startMs + i);
    await one.keeps(20);
    const stream = `test:{${createSeal('key', origin).namespace}}:changes`;
    const length = Number((await server.command('XLEN', stream)).slice(1));
    expect(length).toBeGreaterThan(2);
    expect(length).toBeLessThan(15);
    expect(await server.command('HLEN', `${stream}:bodies`)).toBe(`:${length}\r\n`);
    for (const key of [stream, `${stream}:bodies`])
      expect(Number((await server.command('PTTL', key)).slice(1))).toBeGreaterThan(86_000_000);
    const { changes } = found(await one.history.changes({ fromMs: 0, toMs: startMs + 1_000, max: 100 }));
    expect(changes).toHaveLength(length);
    expect(changes[0]?.about.params.version).toBe('v19');
  });

  it('reads on page by page', async () => {
    server = await RedisServer.start();
    const one = await replica(server.url);
    for (let i = 0; i < 250; i += 1) await one.ask(`/cujs/signup/status?version=v${i}`, startMs + i);
    await expect.poll(() => one.count('cuj_gate_history_kept_total'), { timeout: 30_000 }).toBe(250);
    const all = { fromMs: startMs, toMs: startMs + 1_000 };
    const { changes, more } = found(await one.history.changes({ ...all, max: 1_000 }));
    expect([changes.length, more]).toEqual([200, true]);
    expect(
      found(await one.history.givenAt({ ...signup, params: { version: 'v3' } }, startMs + 500)),
    ).toMatchObject({
      atMs: startMs + 3,
    });
  });

  it('costs no answer while Redis is away, and goes on afterwards', async () => {
    server = await RedisServer.start();
    const one = await replica(server.url);
    await server.kill();
    await one.ask('/cujs/signup/status?version=v2');
    await expect.poll(() => one.count('cuj_gate_history_dropped_total{reason="write_failed"}')).toBe(1);
    expect(await one.history.changes({ fromMs: 0, toMs: startMs, max: 1 })).toMatchObject({
      available: false,
    });
    // What this replica knows is shown all the same.
    expect(found(await one.history.inProgress())).toMatchObject([{ about: signup }]);
    await server.start();
    await expect
      .poll(async () => {
        await one.ask('/cujs/signup/status?version=v2', one.clock.nowMs + 1_000);
        return one.count('cuj_gate_history_kept_total');
      })
      .toBe(1);
  });

  it('with a permission that is missing says why, and stays in use for the rest', async () => {
    server = await RedisServer.start();
    const one = await replica(server.url);
    await server.command('ACL', 'SETUSER', 'default', '-eval');
    await one.ask('/cujs/signup/status?version=v2');
    await expect.poll(() => one.count('cuj_gate_history_dropped_total{reason="write_failed"}')).toBe(1);
    expect(one.warnings).toMatchObject([{ why: expect.stringContaining('NOPERM') }]);
  });
});
