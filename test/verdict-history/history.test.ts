import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Registry as MetricsRegistry } from 'prom-client';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { run } from '../../src/cli.ts';
import { judgeAgain, parseRecord } from '../../src/domain/judge/verdict-record.ts';
import type {
  AskedAbout,
  GivenEntry,
  Reading,
  VerdictHistory,
} from '../../src/domain/ports/verdict-history.ts';
import type { ChangeStore } from '../../src/verdict-history/change-store.ts';
import { FolderStore } from '../../src/verdict-history/folder-store.ts';
import { createVerdictHistory } from '../../src/verdict-history/history.ts';
import { createHistoryMetrics } from '../../src/verdict-history/metrics.ts';
import { capture } from '../commands/io.ts';
import { bench, broken, healthy, nowMs, snapshotOf } from '../http/fixture.ts';

const signup: AskedAbout = { kind: 'cuj', name: 'signup', params: { version: 'v2' } };

async function setUp(
  options: { store?: ChangeStore; maxBytes?: number; maxAgeMs?: number; readLimitMs?: number } = {},
) {
  const parent = mkdtempSync(path.join(tmpdir(), 'history-'));
  onTestFinished(() => rmSync(parent, { recursive: true, force: true }));
  const folder = path.join(parent, 'kept');
  const clock = { nowMs };
  const warnings: { fields: Record<string, unknown>; message: string }[] = [];
  const metrics = new MetricsRegistry();
  const now = () => clock.nowMs;
  const {
    store = new FolderStore({
      folder,
      maxBytes: options.maxBytes ?? 1e9,
      maxAgeMs: options.maxAgeMs ?? 1e12,
      now,
    }),
  } = options;
  const history = createVerdictHistory({
    now,
    logger: { warn: (fields, message) => void warnings.push({ fields: { ...fields }, message }) },
    changes: { store, metrics: createHistoryMetrics(metrics) },
    readLimitMs: options.readLimitMs ?? 30_000,
  });
  const { app, world } = await bench({ history }, 'uncached');
  const kept = async () =>
    Number(/^cuj_gate_history_kept_total (\d+)$/m.exec(await metrics.metrics())?.[1] ?? Number.NaN);
  return {
    history,
    folder,
    world,
    warnings,
    metrics,
    async ask(url: string, atMs: number = clock.nowMs) {
      clock.nowMs = atMs;
      world.nowMs = atMs;
      const answer = await app.inject(url);
      expect(answer.statusCode).toBe(200);
      return answer.body;
    },
    /** Waits for the writer. */
    async keeps(count: number) {
      await expect.poll(kept).toBe(count);
    },
    files: () =>
      readdirSync(folder).flatMap((day) =>
        readdirSync(path.join(folder, day)).map((name) => path.join(folder, day, name)),
      ),
  };
}

function found<T>(reading: Reading<T>): T {
  if (!reading.available) throw new Error(reading.unavailable);
  return reading.value;
}

describe('changes of verdicts', () => {
  it('are kept once for each outcome, with the caller’s question, and listed newest first', async () => {
    const { ask, keeps, history, world, files } = await setUp();
    await ask('/cujs/signup/status?version=v2&since=2026-01-31T08:50:00Z');
    await ask('/cujs/signup/status?version=v2&since=2026-01-31T08:50:00Z', nowMs + 30_000);
    world.measure = async (query) => snapshotOf(query, broken, healthy);
    await ask('/cujs/signup/status?version=v2&since=2026-01-31T08:50:00Z', nowMs + 60_000);
    await ask('/cujs/signup/status?version=v2&since=2026-01-31T08:50:00Z', nowMs + 90_000);
    await keeps(2);
    expect(files()).toHaveLength(2);
    const span = { fromMs: nowMs, toMs: nowMs + 90_000, max: 10 };
    const { changes, more } = found(await history.changes({ cuj: 'signup', ...span }));
    expect(more).toBe(false);
    expect(changes).toMatchObject([
      {
        atMs: nowMs + 60_000,
        verdict: 'fail',
        reason: 'slo_violated',
        about: signup,
        since: '2026-01-31T08:50:00Z',
      },
      { atMs: nowMs, verdict: 'pass' },
    ]);
    expect(found(await history.changes({ cuj: 'login', ...span })).changes).toEqual([]);
    expect(found(await history.changes({ service: 'signup', ...span })).changes).toEqual([]);
    expect(found(await history.changes({ ...span, max: 1 }))).toMatchObject({
      changes: [{ verdict: 'fail' }],
      more: true,
    });
    expect(found(await history.changes({ ...span, toMs: nowMs + 59_999 })).changes).toMatchObject([
      { verdict: 'pass' },
    ]);
  });

  it('are files that evaluate --replay judges again to the bytes that were answered', async () => {
    const { ask, keeps, files, world } = await setUp();
    world.measure = async (query) => snapshotOf(query, broken, healthy);
    const cuj = await ask('/cujs/signup/status?version=v2');
    const service = await ask('/services/member-api/status?version=v2');
    await keeps(2);
    for (const [answer, pattern] of [
      [cuj, /_cuj_signup_/],
      [service, /_service_member-api_/],
    ] as const) {
      const file = files().find((name) => pattern.test(name)) as string;
      const streams = capture();
      const code = await run(['evaluate', '--replay', file, '--json'], streams.io);
      expect(JSON.stringify(JSON.parse(streams.stdout()))).toBe(answer.trimEnd());
      expect({ code, stderr: streams.stderr() }).toEqual({ code: 1, stderr: '' });
    }
  });

  it('of a CUJ that do not change the verdict about the service are kept with it', async () => {
    const { ask, keeps, history, world } = await setUp();
    const at = (resource: string) => async (query: Parameters<typeof snapshotOf>[0]) =>
      snapshotOf(query, healthy, healthy, { [resource]: broken });
    world.measure = at('post_/api/v1/signup');
    await ask('/services/member-api/status?version=v2');
    world.measure = async (query) =>
      snapshotOf(query, healthy, healthy, { 'post_/api/v1/signup': broken, 'post_/api/v1/login': broken });
    await ask('/services/member-api/status?version=v2', nowMs + 30_000);
    await keeps(2);
    const about: AskedAbout = { kind: 'service', name: 'member-api', params: { version: 'v2' } };
    const before = found(await history.givenAt(about, nowMs + 29_999));
    const after = found(await history.givenAt(about, nowMs + 30_000));
    const failing = (given: typeof before) =>
      given === undefined || !('cujs' in given.given)
        ? undefined
        : given.given.cujs.filter(({ verdict }) => verdict === 'fail').map(({ cuj }) => cuj);
    expect(failing(before)).toEqual(['signup']);
    expect(failing(after)).toEqual(['login', 'signup']);
    const span = { fromMs: nowMs, toMs: nowMs + 60_000, max: 10 };
    // In the list, the verdict about the service changed once.
    expect(found(await history.changes(span)).changes).toHaveLength(1);
  });

  it('are found as they were at a moment, with a record that gives the same bytes', async () => {
    const { ask, keeps, history, world } = await setUp();
    const first = await ask('/cujs/signup/status?version=v2');
    world.measure = async (query) => snapshotOf(query, broken, healthy);
    await ask('/cujs/signup/status?version=v2', nowMs + 60_000);
    await keeps(2);
    const given = found(await history.givenAt(signup, nowMs + 59_000));
    expect(`${JSON.stringify(given?.given)}\n`).toBe(first);
    expect(given?.record === undefined ? undefined : judgeAgain(given.record)).toMatchObject({ same: true });
    expect(found(await history.givenAt(signup, nowMs - 1))).toBeUndefined();
    expect(found(await history.givenAt(signup, nowMs + 61 * 60_000 + 1))).toBeUndefined();
    expect(found(await history.givenAt({ ...signup, params: { version: 'v3' } }, nowMs))).toBeUndefined();
  });

  it('that stay the same are kept again after half an hour, so that a look back finds them', async () => {
    const { ask, keeps, history } = await setUp();
    for (let minute = 0; minute <= 90; minute += 5)
      await ask('/cujs/signup/status?version=v2', nowMs + minute * 60_000);
    await keeps(4);
    const given = found(await history.givenAt(signup, nowMs + 110 * 60_000));
    expect(given).toMatchObject({ atMs: nowMs + 90 * 60_000 });
    const all = found(await history.changes({ fromMs: nowMs, toMs: nowMs + 1e8, max: 10 }));
    expect(all.changes).toMatchObject([{ atMs: nowMs }]);
  });

  it('without a measurement are kept without a record', async () => {
    const { ask, keeps, history, world } = await setUp();
    world.measure = async () => {
      throw new (await import('../../src/domain/errors.ts')).SourceError(
        'source_unavailable',
        'down',
        'wait',
      );
    };
    await ask('/cujs/signup/status?version=v2');
    await keeps(1);
    const given = found(await history.givenAt(signup, nowMs));
    expect(given).toMatchObject({ reason: 'source_unavailable', given: { verdict: 'inconclusive' } });
    expect(given).not.toHaveProperty('record');
  });

  it('hold nothing that the answer and the log do not', async () => {
    const { ask, keeps, files } = await setUp();
    await ask('/cujs/signup/status?version=v2');
    await keeps(1);
    const { given, ...record } = JSON.parse(readFileSync(files()[0] as string, 'utf8'));
    expect(Object.keys(given).sort()).toEqual(['about', 'at', 'id']);
    expect(Object.keys(record).sort()).toEqual(['cuj', 'format', 'measurement', 'options', 'verdict']);
    expect(parseRecord(JSON.stringify(record)).format).toBe('cuj-gate/verdict-record/v1');
  });
});

describe('what was kept last', () => {
  it('takes little memory, however many CUJs the questions are about', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const clock = { nowMs };
    const store = { append: async () => {}, close: async () => {} } as unknown as ChangeStore;
    const changes = { store, metrics: createHistoryMetrics(new MetricsRegistry()) };
    const logger = { warn: vi.fn() };
    const history = createVerdictHistory({ now: () => clock.nowMs, logger, changes, every: () => () => {} });
    const give = async (question: number) => {
      clock.nowMs += 1_000;
      history.given(serviceEntry(clock.nowMs, `${question}`));
      await vi.advanceTimersByTimeAsync(100);
    };
    const heapMb = () => {
      collect();
      return process.memoryUsage().heapUsed / 1e6;
    };
    for (let i = 0; i < 300; i += 1) await give(i);
    const before = heapMb();
    for (let i = 300; i < 1_500; i += 1) await give(i);
    expect(heapMb() - before).toBeLessThan(3);
    expect(logger.warn).not.toHaveBeenCalled();
  });
});

/** About a service with 150 CUJs, without anything that was measured. */
function serviceEntry(atMs: number, since: string): GivenEntry {
  const common = { verdict: 'inconclusive', reason: 'source_unavailable', summary: 'down', slis: [] };
  const judged = Array.from({ length: 150 }, (_, i) => ({ verdict: { ...common, cuj: `journey-${i}` } }));
  const verdict = { ...common, service: 'member-api', cujs: [] };
  const about: AskedAbout = { kind: 'service', name: 'member-api', params: { version: 'v2' } };
  return { atMs, about, since, caller: undefined, verdict, judged } as unknown as GivenEntry;
}

describe('a folder', () => {
  it('is bounded in size: the oldest go', async () => {
    const { ask, keeps, files } = await setUp({ maxBytes: 20_000 });
    for (let i = 0; i < 12; i += 1) await ask(`/cujs/signup/status?version=v${i}`, nowMs + i * 1_000);
    await keeps(12);
    const sizes = files().map((file) => readFileSync(file).length);
    const total = sizes.reduce((sum, size) => sum + size, 0);
    expect(total).toBeLessThanOrEqual(20_000);
    expect(total).toBeGreaterThan(20_000 - 2 * Math.max(...sizes));
    expect(JSON.parse(readFileSync(files().sort().at(-1) as string, 'utf8')).given.about.params.version).toBe(
      'v11',
    );
  });

  it('is bounded in age, over restarts as well, and leaves what is none of its own', async () => {
    const first = await setUp();
    await first.ask('/cujs/signup/status?version=old');
    await first.keeps(1);
    writeFileSync(path.join(first.folder, 'notes.txt'), 'mine');
    const clock = nowMs + 3 * 86_400_000;
    const store = new FolderStore({
      folder: first.folder,
      maxBytes: 1e9,
      maxAgeMs: 2 * 86_400_000,
      now: () => clock,
    });
    const second = await setUp({ store });
    await second.ask('/cujs/signup/status?version=new', clock);
    await second.keeps(1);
    expect(readdirSync(first.folder).sort()).toEqual([
      new Date(clock).toISOString().slice(0, 10),
      'notes.txt',
    ]);
  });

  it('with files that are damaged, foreign or half written shows the others', async () => {
    const { ask, keeps, files, history } = await setUp();
    for (let i = 0; i < 4; i += 1) await ask(`/cujs/signup/status?version=v${i}`, nowMs + i * 1_000);
    await keeps(4);
    const [a, b, c] = files().sort() as [string, string, string];
    writeFileSync(a, readFileSync(a, 'utf8').slice(0, 100));
    writeFileSync(b, JSON.stringify({ given: { at: 'never', about: 7 }, verdict: { verdict: 'pass' } }));
    writeFileSync(path.join(path.dirname(c), 'junk.json'), '{}');
    const { changes } = found(await history.changes({ fromMs: 0, toMs: 1e15, max: 10 }));
    expect(changes.map(({ about }) => about.params.version)).toEqual(['v3', 'v2']);
  });

  it('that cannot be written to costs no answer, is counted and logged once a minute, and is used again', async () => {
    const { ask, keeps, folder, warnings, metrics, history } = await setUp();
    writeFileSync(folder, 'a file');
    const answers: string[] = [];
    for (let i = 0; i < 5; i += 1)
      answers.push(await ask('/cujs/signup/status?version=v2', nowMs + i * 1_000));
    expect(new Set(answers).size).toBe(1);
    await expect
      .poll(async () => /dropped_total\{reason="write_failed"\} (\d+)/.exec(await metrics.metrics())?.[1])
      .not.toBe('0');
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatchObject({
      message: 'verdicts were not kept in the history',
      fields: { reason: 'write_failed' },
    });
    expect(await history.changes({ fromMs: 0, toMs: 1e15, max: 10 })).toMatchObject({
      available: false,
      unavailable: expect.stringContaining('ENOTDIR'),
    });
    rmSync(folder);
    await ask('/cujs/signup/status?version=v2', nowMs + 90_000);
    await keeps(1);
    expect(existsSync(folder)).toBe(true);
  });
});

describe('a store that hangs', () => {
  const never = new Promise<never>(() => {});
  const hanging: ChangeStore = {
    append: () => never,
    list: () => never,
    latest: () => never,
    close: async () => {},
  };

  it('costs no answer; what it has no room for is counted', async () => {
    const { ask, metrics } = await setUp({ store: hanging });
    for (let i = 0; i < 310; i += 1) await ask(`/cujs/signup/status?version=v${i}`);
    expect(await metrics.metrics()).toMatch(/dropped_total\{reason="queue_full"\} [1-9]/);
  });

  it('is unavailable to those who read, within the limit, and does not keep the process', async () => {
    const store: ChangeStore = { ...hanging, list: (_, signal) => aborted(signal) };
    const { ask, history } = await setUp({ store, readLimitMs: 20 });
    await ask('/cujs/signup/status?version=v2');
    expect(await history.changes({ fromMs: 0, toMs: 1e15, max: 10 })).toEqual({
      available: false,
      unavailable: 'the history did not answer within 0.02 s',
    });
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const closed = history.close();
    await vi.advanceTimersByTimeAsync(1_000);
    await closed;
  });
});

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason));
  });
}

describe('a gate without a store', () => {
  it('says so, and knows what is in progress', async () => {
    const history: VerdictHistory = createVerdictHistory({ now: () => nowMs, logger: { warn: () => {} } });
    const { app } = await bench({ history });
    await app.inject('/cujs/signup/status?version=v2');
    expect(await history.givenAt(signup, nowMs)).toMatchObject({ available: false });
    expect(found(await history.inProgress())).toMatchObject([
      {
        about: signup,
        services: ['member-api'],
        canary: 'version:v2',
        asked: 1,
        latest: { verdict: 'pass', canaryShare: expect.closeTo(0.5, 0.5) },
      },
    ]);
    expect(found(await history.looksOf(signup))).toHaveLength(1);
  });

  it('does not note questions that are the caller’s mistake', async () => {
    const history = createVerdictHistory({ now: () => nowMs, logger: { warn: () => {} } });
    const { app } = await bench({ history });
    expect((await app.inject('/cujs/signup/status?version=')).statusCode).toBe(400);
    expect((await app.inject('/cujs/nothing/status?version=v2')).statusCode).toBe(404);
    expect(found(await history.inProgress())).toEqual([]);
  });
});
