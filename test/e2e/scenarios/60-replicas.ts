import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../../free-ports.ts';
import { type Gate, startGate } from '../gate.ts';
import { everyBackend, startMetrics } from '../metrics-backend.ts';
import { runProgram } from '../run-program.ts';
import type { Scenario } from '../scenario.ts';
import { waitFor } from '../wait.ts';

const registryText = `
apiVersion: cuj-gate/v1
defaults: { slo: { availability: 99.9 } }
services:
  member-api: { env: production, operation: http.request, canary: "version:{version}" }
  matching-api: { env: production, operation: express.request, canary: "version:{version}" }
cujs:
  - { name: signup, owner: team-identity, service: member-api, endpoints: [POST /api/v1/signup] }
  - { name: like, owner: team-matching, service: matching-api, endpoints: ["POST /api/v1/users/:user_id/likes"] }
`;

const replicas = 10;
/** Long enough for a busy machine to ask all gates before the reset. */
const limitSeconds = 15;
const cujs = ['signup', 'like'];
/** No more than is asked for: ten gates that read the samples of all routes are slow to read Redis as well. */
const routes = {
  'member-api': ['POST /api/v1/signup'],
  'matching-api': ['POST /api/v1/users/:user_id/likes'],
};

interface Asked {
  readonly verdict: string;
  readonly reason: string;
  readonly seconds: number;
}

async function ask({ url }: Gate, cuj: string, version: string): Promise<Asked> {
  const began = performance.now();
  const response = await fetch(`${url}/cujs/${cuj}/status?version=${version}`);
  const { verdict, reason } = (await response.json()) as Asked;
  assert.equal(response.status, 200);
  return { verdict, reason, seconds: (performance.now() - began) / 1000 };
}

const askAll = (gates: readonly Gate[], version: string) =>
  Promise.all(gates.flatMap((gate) => cujs.map((cuj) => ask(gate, cuj, version))));

async function metricOf({ url }: Gate, name: string): Promise<number | undefined> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const value = new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1];
  return value === undefined ? undefined : Number(value);
}

/** Two counts are compared only while the end of the data stays: it moves every 30 s, and the lag is 45 s. */
async function awayFromTheTurn(byMs = 15_000): Promise<void> {
  const leftMs = 30_000 - ((Date.now() - 45_000) % 30_000);
  if (leftMs < byMs) await delay(leftMs + 100);
}

export const scenario: Scenario = {
  name: 'replicas',
  what: `${replicas} gates around one Redis cost the metrics backend what one costs; a 429 stops all of them; without Redis, and with a forged one, the verdicts go on`,
  backends: everyBackend,
  // A slow Redis is skipped, and every skip is a call to the backend: on a busy machine the counts mean little.
  alone: true,
  timeoutMs: 480_000,
  async run(context) {
    const { dir, start, log } = context;
    const file = path.join(dir, 'cujs.yaml');
    writeFileSync(file, registryText);
    const metrics = await startMetrics(context, { isRefusable: true });
    const registry = metrics.registryOf(file);
    let versions = 0;
    /** One that no gate was asked about. */
    const newVersion = async () => {
      versions += 1;
      const version = `v${versions}`;
      for (const [service, only] of Object.entries(routes)) {
        const flow = { service, version, routes: only, from: -120, to: 10, appRequestsPerMinute: 15_000 };
        metrics.traffic(flow);
      }
      await metrics.untilStored();
      return version;
    };
    // Stable, to those that follow.
    await newVersion();
    const source = {
      ...metrics.gateEnv,
      // It has no credentials that replicas could sign with.
      ...(metrics.name === 'datadog' ? {} : { CUJ_GATE_PROMETHEUS_CACHE_KEY: 'e2e-cache-key-of-nobody' }),
    };
    const port = await freePort();
    const redis = start({
      name: 'redis',
      command: 'redis-server',
      args: ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'],
      cwd: dir,
    });
    const startOne = (name: string, env: Record<string, string>) =>
      startGate(context, { registry, source, name, env });
    const alone = await startOne('alone', {});
    const gates = await Promise.all(
      Array.from({ length: replicas }, (_, i) =>
        startOne(`replica-${i}`, { CUJ_GATE_REDIS_URL: `redis://127.0.0.1:${port}` }),
      ),
    );
    const allUp = (is: number) =>
      waitFor(
        async () =>
          (await Promise.all(gates.map((gate) => metricOf(gate, 'cuj_gate_shared_cache_up')))).every(
            (up) => up === is,
          ),
        { what: `the shared cache to be ${is === 1 ? 'up' : 'down'}`, timeoutMs: 30_000 },
      );
    await allUp(1);
    const callsOf = async <T>(question: () => Promise<T>) => {
      await awayFromTheTurn();
      const before = await metrics.queries();
      const answered = await question();
      return { answered, calls: (await metrics.queries()) - before };
    };
    const allPass = (answers: readonly Asked[]) => {
      for (const { verdict, reason } of answers) assert.equal(`${verdict} ${reason}`, 'pass within_slo');
    };

    const lost = (gate: Gate) => gate.log().filter(({ msg }) => /^shared cache connection lost/.test(msg));
    const allLost = () => gates.reduce((sum, gate) => sum + lost(gate).length, 0);

    const ofOne = await newVersion();
    const one = await callsOf(() => askAll([alone], ofOne));
    allPass(one.answered);
    assert.ok(one.calls > 0);
    /** On a busy machine, Redis may be too slow for one of the gates, which then asks by itself: everything is tried again. */
    const undisturbed = async <T>(attempt: () => Promise<T>): Promise<T> => {
      for (let triesLeft = 4; ; triesLeft -= 1) {
        const lostBefore = allLost();
        try {
          return await attempt();
        } catch (error) {
          if (triesLeft === 0 || allLost() === lostBefore) throw error;
          log('a gate found Redis too slow: once more');
          // A limit is over by then.
          await delay(limitSeconds * 1000 + 1_500);
        }
      }
    };
    /** All gates together cost what one costs. */
    const costWhatOneCosts = async (version: string) => {
      await allUp(1);
      const ten = await callsOf(() => askAll(gates, version));
      allPass(ten.answered);
      log(`one gate: ${one.calls} calls; ${replicas} replicas: ${ten.calls}`);
      assert.equal(ten.calls, one.calls);
    };
    const shared = await undisturbed(async () => {
      const version = await newVersion();
      await costWhatOneCosts(version);
      return version;
    });

    // Gates must not use values that another program wrote to Redis.
    const cli = (...args: string[]) => runProgram('redis-cli', ['-p', String(port), ...args]);
    const { stdout } = await cli('--scan', '--pattern', 'cuj-gate:*:snapshot:*');
    const names = stdout.split('\n').filter((name) => name !== '');
    assert.ok(names.length >= one.calls, stdout);
    // The value is as a gate wrote it except for the HMAC, which follows the eight bytes of the format.
    const forge =
      "local v = redis.call('GET', KEYS[1]) " +
      "redis.call('SET', KEYS[1], v:sub(1, 8) .. ('x'):rep(32) .. v:sub(41), 'KEEPTTL')";
    await Promise.all(names.map((name) => cli('EVAL', forge, '1', name)));
    // The running processes have the answers in their caches; a new process has only what is in Redis.
    const late = await startOne('late', { CUJ_GATE_REDIS_URL: `redis://127.0.0.1:${port}` });
    await waitFor(() => metricOf(late, 'cuj_gate_shared_cache_up'), {
      what: 'it to be up',
      timeoutMs: 30_000,
    });
    allPass(await askAll([late], shared));
    const ignored = (await metricOf(late, 'cuj_gate_shared_cache_ignored_total')) ?? 0;
    log(`forged: ${ignored} values ignored`);
    assert.ok(ignored >= one.calls, 'a value that somebody else wrote must not be believed');

    // One replica gets 429; none may query before the reset. Do not wait for the next minute here: the reset would pass.
    await undisturbed(async () => {
      const refused = await newVersion();
      await allUp(1);
      await awayFromTheTurn(30_000);
      const limitedMs = Date.now();
      const fix = metrics.refuse({ kind: 'rate_limited', resetSeconds: limitSeconds });
      const limited = await callsOf(() => ask(gates[0] as Gate, 'signup', refused));
      fix();
      assert.equal(limited.answered.reason, 'source_rate_limited');
      // Both calls of a question are under way together.
      assert.ok(limited.calls === 1 || limited.calls === 2, `${limited.calls} calls`);
      // The replica that got the 429 responds first and shares it with the others then.
      await waitFor(async () => (await cli('--scan', '--pattern', 'cuj-gate:*:limit')).stdout.trim(), {
        what: 'the limit to be known to all',
        timeoutMs: 5_000,
        everyMs: 50,
      });
      const during = await callsOf(() => askAll(gates, refused));
      assert.deepEqual([...new Set(during.answered.map(({ reason }) => reason))], ['source_rate_limited']);
      assert.equal(during.calls, 0);
      await delay(limitedMs + limitSeconds * 1000 + 2_000 - Date.now());
      await costWhatOneCosts(refused);
    });

    const [unfinished, unshared] = [await newVersion(), await newVersion()];
    await allUp(1);
    // Some may have lost it before because it was slow.
    const lostBefore = gates.map((gate) => lost(gate).length);
    // Redis is killed while all of them get requests.
    const cut = askAll(gates, unfinished);
    await redis.kill();
    const midway = await cut;
    allPass(midway);
    await allUp(0);
    const without = await callsOf(() => askAll(gates, unshared));
    allPass(without.answered);
    log(`without Redis: ${without.calls} calls`);
    assert.equal(without.calls, one.calls * replicas);
    const slowest = Math.max(...[...midway, ...without.answered].map(({ seconds }) => seconds));
    assert.ok(slowest < 8, `an answer took ${slowest} s`);
    for (const [i, gate] of gates.entries()) {
      const said = lost(gate).slice(lostBefore[i]);
      assert.equal(said.length, 1);
      assert.equal(said[0]?.level, 'warn');
    }

    redis.start();
    await undisturbed(async () => costWhatOneCosts(await newVersion()));
  },
};
