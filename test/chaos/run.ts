/**
 * npm run chaos [-- --backend datadog --seconds 60 --seed N --leak BYTES]: two gates under load while the backend, Redis, the
 * registry and the gates' own processes fail at random, and every answer is checked against the traffic itself. Exits 1 where
 * anything was wrong. The seed repeats the order of events; the machine decides how they interleave.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { seededRandom } from '../domain/judge/journey.ts';
import { buildGate } from '../e2e/gate-program.ts';
import { freePort } from '../free-ports.ts';
import { tryOnWire, wireCase } from '../http/wire-fuzz.ts';
import type { ChaosBackend } from './backend.ts';
import { Callers, fillingQuestions, question } from './callers.ts';
import { startDatadog } from './datadog/backend.ts';
import { DeafClients } from './deaf-clients.ts';
import { type Draw, pick } from './draw.ts';
import { Edits } from './edits.ts';
import { GateProcess, type HeapAfterCollection, RedisProcess } from './gates.ts';
import { HistoryFolder } from './history-folder.ts';
import { Inspector } from './inspector.ts';
import { checkLeftovers, checkMemory, type Reading, readMetrics } from './memory.ts';
import { isComparing, isSettledCalm, isSettledLate, minuteToCompare } from './phases.ts';
import { startPrometheus } from './prometheus/backend.ts';
import { RateLimitWatch } from './rate-limit.ts';

const backends = { datadog: startDatadog, prometheus: startPrometheus } as const;

const { values: args } = parseArgs({
  options: {
    backend: { type: 'string', default: 'datadog' },
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string' },
    leak: { type: 'string', default: '0' },
  },
});
const startBackend = Object.hasOwn(backends, args.backend)
  ? backends[args.backend as keyof typeof backends]
  : undefined;
const seconds = Number(args.seconds);
const seed = args.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(args.seed);
/** Bytes of every request that the steady gate is made to keep. */
const leakBytes = Number(args.leak);
/**
 * Later the canaries' begin, half an hour before the run, leaves `maxWindow` (2 h): the gate's windows and the oracle's
 * would no longer be the same.
 */
const maxSeconds = 5_000;
if (
  startBackend === undefined ||
  !(seconds >= 10 && seconds <= maxSeconds) ||
  !Number.isInteger(seed) ||
  !(leakBytes >= 0 && leakBytes % 8 === 0)
) {
  console.error(
    `usage: npm run chaos -- [--backend ${Object.keys(backends).join('|')}] [--seconds N (10 to 5000)] [--seed N] [--leak BYTES (a multiple of 8)]`,
  );
  process.exit(2);
}

/** Runs of so long compare quarters of their collections (memory.ts). */
const secondsOfQuarters = 480;
/** So often the filling questions are asked before such a run: they add about 1,600 SLIs and looks each time, of which 20,000 are kept. */
const fillingTimes = 10;
const drainDelayMs = 700;
/** Beyond what the gate tolerates (docs/verdicts-reference.md), and within the allowed error of a rollout's own clock. */
const wrongClocksMs = [-6 * 60_000, -2 * 60_000, 2 * 60_000, 6 * 60_000];
const say = (text: string) => console.log(text);

async function main(): Promise<number> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'cuj-gate-chaos-'));
  const cleanups: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true })];
  try {
    return await run(startBackend as Start, folder, cleanups);
  } finally {
    for (const cleanup of cleanups.reverse()) await cleanup();
  }
}

type Start = (typeof backends)[keyof typeof backends];

async function run(start: Start, folder: string, cleanups: (() => unknown)[]): Promise<number> {
  say(`chaos: ${args.backend}, ${seconds} s, seed ${seed}, Node ${process.version}`);
  // Each part has its own random numbers, so that one part does not shift those of another.
  let parts = 0;
  const drawOfPart = (): Draw => seededRandom(seed * 31 + ++parts);
  const file = await buildGate(path.join(folder, 'gate'));
  const backend: ChaosBackend = await start({ startMs: Date.now(), seconds, drawOfPart });
  cleanups.push(() => backend.stop());
  const redis = await startRedis(folder);
  if (redis !== undefined) cleanups.push(() => redis.kill());

  const history = new HistoryFolder(path.join(folder, 'history'));
  let registries = 0;
  const number = () => ++registries;
  const edits = new Map<GateProcess, Edits>();
  const gateOf = async (name: string, how: 'rename' | 'configmap') => {
    const own = new Edits(path.join(folder, `registry-${name}`), how, drawOfPart(), number, backend.dialect);
    const env = (life: string) => ({
      ...backend.gateEnv(life),
      CUJ_GATE_REGISTRY: own.path,
      // Full within seconds, so that what it holds does not grow for long.
      CUJ_GATE_CACHE_SIZE: '20',
      CUJ_GATE_DRAIN_DELAY: `${drainDelayMs}ms`,
      ...(redis === undefined ? {} : { CUJ_GATE_REDIS_URL: `redis://127.0.0.1:${redis.port}` }),
      ...(name === 'steady'
        ? { CUJ_GATE_HISTORY_PATH: history.path, CUJ_GATE_HISTORY_MAX_MIB: '1' }
        : redis === undefined
          ? {}
          : { CUJ_GATE_HISTORY: 'redis', CUJ_GATE_HISTORY_MAX_MIB: '1' }),
    });
    const cwd = path.dirname(file);
    const probed = name === 'steady';
    const gate = new GateProcess({
      name,
      file,
      cwd,
      port: await freePort(),
      env,
      probed,
      leakBytes: probed ? leakBytes : 0,
    });
    edits.set(gate, own);
    cleanups.push(() => gate.kill('SIGKILL'));
    return gate;
  };
  // One runs all the time, so that leaks are found; the other one is killed repeatedly.
  const steady = await gateOf('steady', 'configmap');
  const mortal = await gateOf('mortal', 'rename');
  let beganMs = Number.POSITIVE_INFINITY;
  let endMs = Number.POSITIVE_INFINITY;
  const inspector = new Inspector(
    {
      evidence: backend.evidence,
      variantOf: (owner) => [...edits.values()].map(({ variants }) => variants.get(owner)).find(Boolean),
      endpointOf: backend.dialect.endpointOf,
    },
    edits,
    {
      // Requests after the run have no phase.
      isCalm: (startedMs, endedMs) =>
        endedMs < endMs &&
        isSettledCalm(startedMs - beganMs, endedMs - beganMs) &&
        backend.isUp(startedMs, endedMs),
      isLate: (startedMs, endedMs) =>
        endedMs < endMs && isSettledLate(startedMs - beganMs, endedMs - beganMs),
      isDated: (startedMs, endedMs) => backend.isDated(startedMs, endedMs),
    },
  );
  for (const gate of [steady, mortal]) {
    const started = await gate.start();
    if (started !== 'ready')
      throw new Error(`${gate.name} ended with ${started}: ${gate.complaints.join('\n')}`);
  }

  const rateLimitWatch = new RateLimitWatch(backend, [steady, mortal]);
  cleanups.push(() => rateLimitWatch.stop());
  const callers = new Callers(drawOfPart(), (answered) => inspector.inspect(answered));
  const heaps: HeapAfterCollection[] = [];
  /** The gate remembers the same questions at every collection: what is alive after it can be compared. */
  const collect = async () => {
    const before = await readMetrics(steady.url);
    await callers.askAll(steady, fillingQuestions(Date.now()));
    const heap = await lowestOf(steady);
    const after = await readMetrics(steady.url);
    // A registry that was loaded meanwhile has made it forget them, which are up to 30 MB.
    if (heap !== undefined && before?.registryLoadedAt === after?.registryLoadedAt) heaps.push(heap);
  };
  if (seconds >= secondsOfQuarters) await fillHistory(callers, steady);
  await collect();
  await backend.settle();
  beganMs = Date.now();
  endMs = beganMs + seconds * 1000;
  const over = () => Date.now() >= endMs;
  const calling = [steady, steady, steady, mortal, mortal, mortal].map((gate) => callers.call(gate, 60));
  const readings: Reading[] = [];
  const tally = { kills: 0, terms: 0, wire: 0, freezes: 0, refusedStarts: 0, wrongClocks: 0 };

  const loop = async (pauseMs: number, draw: Draw, act: () => unknown) => {
    await sleep(pauseMs * draw());
    while (!over()) {
      await act();
      await sleep(Math.min(pauseMs * (0.5 + draw()), Math.max(0, endMs - Date.now())));
    }
  };
  const drawEdit = drawOfPart();
  const drawDeath = drawOfPart();
  const drawRedis = drawOfPart();
  const drawWire = drawOfPart();
  const drawDeaf = drawOfPart();
  const drawHistory = drawOfPart();
  const deaf = new DeafClients(steady.port);
  cleanups.push(() => deaf.leave());

  /** While the mortal gate is down, its registry is not edited: the one that it starts with must be known. */
  let away = false;

  async function mortalDies(): Promise<void> {
    const own = edits.get(mortal) as Edits;
    away = true;
    if (drawDeath() < 0.5) {
      inspector.excuses.set(mortal, { sinceMs: Date.now(), why: 'killed' });
      mortal.expectEnd();
      await mortal.kill('SIGKILL');
      tally.kills += 1;
    } else {
      await terminate();
      tally.terms += 1;
    }
    if (drawDeath() < 0.4) {
      const how = own.putBad();
      mortal.expectEnd();
      const code = await startExpectingEnd();
      inspector.note('a bad registry refuses to start with 2', ...(code === 2 ? [] : [`${how}: ${code}`]));
      tally.refusedStarts += 1;
    }
    own.putGood();
    // Every third start.
    const skewMs = (tally.kills + tally.terms) % 3 === 2 ? pick(drawDeath, wrongClocksMs) : 0;
    if (skewMs !== 0) tally.wrongClocks += 1;
    const started = await mortal.start(skewMs);
    if (started !== 'ready') mortal.deaths.push(`${mortal.life} did not start: ${started}`);
    // Sockets of its last process may still be reused once.
    await sleep(200);
    inspector.excuses.delete(mortal);
    away = false;
  }

  async function startExpectingEnd(): Promise<number | 'ready'> {
    const starting = mortal.start();
    mortal.expectEnd();
    return starting;
  }

  /** Requests are pending when the signal arrives; all requests until the end of the drain are answered. */
  async function terminate(): Promise<void> {
    const endSlow = backend.slowDown();
    for (let i = 0; i < 8; i += 1) void callers.ask(mortal, question(drawDeath, Date.now()));
    await sleep(30);
    const signalledMs = Date.now();
    inspector.excuses.set(mortal, { sinceMs: signalledMs + drainDelayMs, why: 'drained' });
    const code = await mortal.kill('SIGTERM');
    endSlow();
    const tookMs = Date.now() - signalledMs;
    inspector.note(
      'SIGTERM ends with 0, in time',
      ...(code === 0 && tookMs < 15_000 ? [] : [`${mortal.life} ended with ${code} after ${tookMs} ms`]),
    );
  }

  const chaos = [
    ...backend.troubles.map(({ pauseMs, draw, act }) => loop(pauseMs, draw, () => act(Date.now() - beganMs))),
    loop(5_000, drawEdit, () => {
      const gate = drawEdit() < 0.6 || away ? steady : mortal;
      if (gate === steady && isComparing(Date.now() - beganMs)) return;
      const own = edits.get(gate) as Edits;
      const what = drawEdit();
      if (what < 0.4) own.putBad();
      else if (what < 0.6 && gate === steady) own.putGoodUnreadable(1_200);
      else own.putGood();
    }),
    loop(7_000, drawDeath, mortalDies),
    loop(150, drawWire, async () => {
      const one = wireCase(drawWire);
      const wrong = await tryOnWire(steady.port, one);
      tally.wire += 1;
      const shown = JSON.stringify(one.bytes.toString('latin1').slice(0, 300));
      inspector.note(
        'every answer on a raw socket is a JSON object',
        ...wrong.map((text) => `${text}: ${shown}`),
      );
    }),
    loop(2_000, drawDeaf, () => deaf.come(drawDeaf)),
    loop(4_000, drawHistory, () => history.spoil(drawHistory)),
    loop(
      1_000,
      () => 0.5,
      async () => {
        const reading = await readMetrics(steady.url);
        if (reading !== undefined) readings.push(reading);
      },
    ),
    loop(
      500,
      () => 0.5,
      async () => {
        const minute = minuteToCompare(Date.now() - beganMs);
        if (minute !== undefined && heaps.length <= minute + 1) await collect();
      },
    ),
  ];
  if (redis !== undefined) {
    chaos.push(
      loop(6_000, drawRedis, async () => {
        if (drawRedis() < 0.3) {
          tally.freezes += 1;
          return redis.freeze(2_000);
        }
        await redis.kill();
        await sleep(1_500 * drawRedis());
        redis.start();
      }),
    );
  }
  await Promise.all(chaos);
  callers.stop();
  await Promise.all(calling);
  const waitedMs = Date.now();
  while (callers.waiting > 0 && Date.now() - waitedMs < 12_000) await sleep(50);
  await callers.close();
  deaf.leave();
  backend.calmDown();
  // Keep-alive connections of the load are gone by now on this side; the gate sees it at once.
  await sleep(1_500);
  const last = await readMetrics(steady.url);

  // A shorter run ends before the first comparison.
  if (seconds >= 60) checkMemory(inspector, heaps, readings);
  checkLeftovers(inspector, readings, last, callers.waiting);
  rateLimitWatch.check(inspector);
  for (const gate of [steady, mortal]) {
    inspector.note('no gate ends unexpectedly', ...gate.deaths);
    inspector.note('no unexpected message is logged', ...gate.complaints);
  }
  // A short run has no time for all of them.
  if (seconds >= 30) {
    const unstruck = backend.faultKinds.filter((kind) => !backend.struck.has(kind));
    inspector.note('every fault applied to a call', ...(unstruck.length === 0 ? [] : [unstruck.join()]));
  }
  for (const gate of [steady, mortal]) {
    const code = await gate.kill('SIGTERM');
    inspector.note(
      'SIGTERM ends with 0, in time',
      ...(code === 0 ? [] : [`${gate.life} ended with ${code}`]),
    );
  }

  // Before, the gate still removes what is too much.
  const kept = history.check(inspector);

  say(
    `\nanswers ${inspector.answers}, slowest ${inspector.slowestMs} ms, connections refused while a gate was away ${inspector.refusedConnections}`,
  );
  for (const [label, times] of inspector.answersByReason()) say(`  ${String(times).padStart(7)}  ${label}`);
  say(`\nfaults of ${backend.title}, over ${backend.calls.length} calls`);
  say(`  ${[...backend.struck].map(([kind, times]) => `${kind} ${times}`).join(', ')}`);
  for (const line of backend.report()) say(`  ${line}`);
  const all = [...edits.values()].map(({ counts }) => counts);
  const total = (of: 'good' | 'bad' | 'unreadable') => all.reduce((sum, counts) => sum + counts[of], 0);
  say(
    `registry: ${total('good')} good edits, ${total('bad')} bad, ${total('unreadable')} unreadable at first; gates: ${tally.kills} × SIGKILL, ${tally.terms} × SIGTERM, ${tally.refusedStarts} starts refused, ${tally.wrongClocks} lives with a wrong clock`,
  );
  say(
    redis === undefined
      ? 'Redis: no redis-server on PATH, gone without'
      : `Redis: killed ${redis.kills} times, frozen ${tally.freezes} times`,
  );
  say(`history: folder spoilt ${history.times} times; ${kept} records judged again`);
  say(`raw sockets: ${tally.wire} cases, ${deaf.count} clients that read no answer`);
  for (const gate of [steady, mortal])
    say(`${gate.name} logged: ${[...gate.logged].map(([text, times]) => `${times} × ${text}`).join('; ')}`);
  const { lines, passed, failed } = inspector.report();
  say(`\n${lines.join('\n')}\n\n${passed} passed, ${failed} failed`);
  if (failed > 0) say(`repeat with: npm run chaos -- --seconds ${seconds} --seed ${seed}`);
  return failed > 0 ? 1 : 0;
}

/** From the beginning of the run, the history keeps about as many looks as it may (asked-releases.ts). */
async function fillHistory(callers: Callers, gate: GateProcess): Promise<void> {
  for (let times = 0; times < fillingTimes; times += 1)
    await callers.askAll(gate, fillingQuestions(Date.now()));
}

/** The lowest of some collections in a row: requests under way add to each of them, answers of megabytes most of all. */
async function lowestOf(gate: GateProcess): Promise<HeapAfterCollection | undefined> {
  const found: HeapAfterCollection[] = [];
  for (let times = 0; times < 4; times += 1) {
    found.push(...[await gate.collect()].filter((heap) => heap !== undefined));
    await sleep(250);
  }
  const sizeOf = ({ heapMb, externalMb }: HeapAfterCollection) => heapMb + externalMb;
  return found.sort((one, other) => sizeOf(one) - sizeOf(other))[0];
}

async function startRedis(folder: string): Promise<RedisProcess | undefined> {
  const program = ['redis-server', 'valkey-server'].find((name) => {
    try {
      execFileSync(name, ['--version'], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  });
  if (program === undefined) return undefined;
  const own = path.join(folder, 'redis');
  mkdirSync(own);
  const redis = new RedisProcess(program, await freePort(), own);
  redis.start();
  return redis;
}

process.exitCode = await main();
