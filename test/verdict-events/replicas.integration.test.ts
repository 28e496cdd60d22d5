import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { RedisStore } from '../../src/sources/redis-cache/redis-store.ts';
import { createSeal } from '../../src/sources/redis-cache/signed-envelope.ts';
import { sentInRedis } from '../../src/verdict-events/sent-verdicts.ts';
import { SignedStream } from '../../src/verdict-history/signed-stream.ts';
import { nowMs } from '../http/fixture.ts';
import { RedisServer, redisProgram } from '../sources/redis-cache/redis-server.ts';
import { minuteMs, replica, startIntake } from './world.ts';

if (redisProgram === undefined) {
  console.warn(
    'replicas.integration.test.ts needs redis-server or valkey-server on PATH: its tests are skipped',
  );
}

let server: RedisServer | undefined;

afterEach(() => server?.kill());

/** A replica of a gate with its own connection to Redis. */
async function start(url: string, redisUrl: string, atMs = nowMs) {
  const store = new RedisStore({ url: redisUrl, prefix: 'test:', commandTimeoutMs: 5_000, probeEveryMs: 10 });
  await expect.poll(() => store.up, { timeout: 10_000 }).toBe(true);
  const seal = createSeal('key', 'https://api.datadoghq.com');
  const news = new SignedStream({
    store,
    seal,
    now: () => nowMs,
    name: 'asked',
    maxBytes: 1e7,
    maxAgeMs: 1e12,
  });
  const gate = await replica(url, { atMs, sent: sentInRedis(store, `{${seal.namespace}}:`), news });
  onTestFinished(() => store.close());
  return gate;
}

const soon = { timeout: 5_000 };
const titlesOf = (intake: { readonly events: readonly { readonly title: string }[] }) =>
  intake.events.map(({ title }) => title.replace('[cuj-gate] signup version:v2: ', ''));

describe.skipIf(redisProgram === undefined)('the events of replicas', () => {
  it('are told once, whichever replica was asked, and also after one starts anew', async () => {
    server = await RedisServer.start();
    const intake = await startIntake();
    const [a, b] = [await start(intake.url, server.url), await start(intake.url, server.url)];
    for (let i = 0; i <= 3; i += 1) {
      await a.ask(nowMs + i * minuteMs, 'healthy');
      await b.ask(nowMs + i * minuteMs + 1_000, 'healthy');
    }
    await expect.poll(() => titlesOf(intake), soon).toEqual(['pass']);
    await b.close();
    const c = await start(intake.url, server.url, nowMs + 4 * minuteMs);
    for (let i = 4; i <= 7; i += 1) await c.ask(nowMs + i * minuteMs, 'healthy');
    await c.ask(nowMs + 8 * minuteMs, 'broken');
    await expect.poll(() => titlesOf(intake), soon).toEqual(['pass', 'pass -> fail, final']);
    await a.ask(nowMs + 8 * minuteMs, 'broken');
    await Promise.all([a.close(), c.close()]);
    expect(titlesOf(intake)).toEqual(['pass', 'pass -> fail, final']);
  });

  it('end once, by the replica that was asked last', async () => {
    server = await RedisServer.start();
    const intake = await startIntake();
    const [a, b] = [await start(intake.url, server.url), await start(intake.url, server.url)];
    for (let i = 0; i <= 3; i += 1) await a.ask(nowMs + i * minuteMs, 'healthy');
    // Each replica sends by itself: in what order is theirs.
    await expect.poll(() => titlesOf(intake), soon).toEqual(['pass']);
    for (let i = 4; i <= 9; i += 1) await b.ask(nowMs + i * minuteMs, 'silent');
    await expect.poll(() => titlesOf(intake), soon).toEqual(['pass', 'pass -> inconclusive']);
    // One exchange tells, the next one learns.
    await b.history.inProgress();
    const lastMs = nowMs + 9 * minuteMs;
    await a.sweepAt(lastMs + 5 * minuteMs);
    await a.sweepAt(lastMs + 11 * minuteMs);
    await b.sweepAt(lastMs + 11 * minuteMs);
    await expect
      .poll(() => titlesOf(intake), soon)
      .toEqual(['pass', 'pass -> inconclusive', 'inconclusive, final']);
    expect(intake.events.at(-1)?.timestamp).toBe(new Date(lastMs).toISOString());
    // The next rollout of this version begins anew.
    await a.ask(lastMs + 30 * minuteMs, 'broken');
    await expect.poll(() => titlesOf(intake).at(-1), soon).toBe('fail, final');
  });

  it('are told by each replica while Redis is away', async () => {
    server = await RedisServer.start();
    const intake = await startIntake();
    const [a, b] = [await start(intake.url, server.url), await start(intake.url, server.url)];
    await server.kill();
    await a.ask(nowMs, 'broken');
    await b.ask(nowMs, 'broken');
    await expect.poll(() => titlesOf(intake), { timeout: 10_000 }).toEqual(['fail, final', 'fail, final']);
    expect(new Set(intake.events.map((event) => event.aggregation_key)).size).toBe(1);
  });
});
