import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Verdict } from '../../src/domain/judge/judge.ts';
import { type BatchQuery, bucketMs } from '../../src/domain/metrics/metrics-source.ts';
import { createEvaluator, type Evaluator } from '../../src/evaluation/evaluator.ts';
import { createCachedSource } from '../../src/sources/decorators/cache.ts';
import { registryOf } from '../domain/judge/journey.ts';
import { type Rate, Rates } from './rates.ts';

/** With so little alpha, a rate of four times the budget never fails. */
const registryWith = ({ maxWindow = '20m', lag = '70s' } = {}) =>
  registryOf(`
  { "apiVersion": "cuj-gate/v1",
    "defaults": { "slo": { "availability": 99.95 }, "gate": { "maxWindow": "${maxWindow}", "falseAbort": 1e-15 } },
    "services": { "shop": { "env": "prod", "operation": "http.request", "canary": "version:{version}" } },
    "cujs": [
      { "name": "buy", "owner": "t", "service": "shop", "endpoints": ["POST /buy"] },
      { "name": "see", "owner": "t", "service": "shop", "endpoints": ["GET /see"] },
      { "name": "find", "owner": "t", "service": "shop", "gate": { "lag": "${lag}" }, "endpoints": ["GET /find"] } ] }`);

const signal = new AbortController().signal;
const params = new Map([['version', 'v2']]);
const startMs = Date.parse('2026-01-31T10:00:00Z');
/** The default, which is the least of the CUJs. */
const lagMs = 45_000;

type Ask = (evaluator: Evaluator) => Promise<Verdict[]>;

const cuj =
  (name: string): Ask =>
  async (evaluator) => [(await evaluator.cuj({ cuj: name, params }, signal)).verdict];

const service: Ask = async (evaluator) =>
  (await evaluator.service({ service: 'shop', params }, signal)).evaluations.map(({ verdict }) => verdict);

type RatesOf = (side: 'canary' | 'stable', resource: string, nowMs: number) => Rate;

/** A gate that keeps answers of its source for 30 s. */
class Gate {
  nowMs = startMs;
  /** Every call of the source. */
  readonly calls: (BatchQuery & { readonly atMs: number })[] = [];
  readonly source: Rates;
  readonly evaluator: Evaluator;
  /** The shortest buckets that the source has for a question, in ms. */
  stepOf: ((query: BatchQuery) => number) | undefined;

  constructor(rates: RatesOf, registry = registryWith()) {
    const now = () => this.nowMs;
    this.source = new Rates((side, _, resource) => rates(side, resource, this.nowMs));
    const counted = {
      measure: (query: BatchQuery) => {
        this.calls.push({ ...query, atMs: this.nowMs });
        if (this.stepOf !== undefined) this.source.minStepMs = this.stepOf(query);
        return this.source.measure(query);
      },
    };
    const limits = { ttlMs: 30_000, maxEntries: 1_000, maxBytes: 1e9 };
    const source = createCachedSource(counted, { ...limits, now, epochNow: now });
    this.evaluator = createEvaluator({ registry: () => registry, source, now });
  }

  /** Asks again and again for some minutes, every `intervalMs`; the verdicts of each time. */
  async run(minutes: number, intervalMs: number, ...questions: readonly Ask[]): Promise<Verdict[][]> {
    const answers: Verdict[][] = [];
    for (const endMs = this.nowMs + minutes * bucketMs; this.nowMs < endMs; this.nowMs += intervalMs)
      answers.push((await Promise.all(questions.map((ask) => ask(this.evaluator)))).flat());
    return answers;
  }

  callsSince(atMs: number): number {
    return this.calls.filter((call) => call.atMs >= atMs).length;
  }
}

const requests = { canary: { total: 1_000 }, stable: { total: 9_000 } };
const healthy: RatesOf = (side) => requests[side];
/** Four times the error budget. */
const undecided: RatesOf = (side, resource) => ({
  ...requests[side],
  bad: side === 'canary' && resource === 'post_/buy' ? 2 : 0,
});

const endOf = ({ window }: Verdict) => Date.parse(window?.to ?? '');

describe('questions while all is well', () => {
  it('share one answer of the source for 30 s, and its past for 5 minutes', async () => {
    const gate = new Gate(healthy);
    await gate.run(20, 5_000, cuj('buy'));
    const recent = gate.calls.filter(({ stepMs }) => stepMs === 10_000);
    expect(new Set(recent.map(({ toMs }) => toMs % 30_000))).toEqual(new Set([0]));
    expect(new Set(recent.map(({ toMs }) => toMs)).size).toBe(recent.length);
    expect(recent).toHaveLength(41);
    const past = gate.calls.filter(({ stepMs }) => stepMs === bucketMs);
    expect(past.map(({ atMs }) => (atMs - startMs) / bucketMs)).toEqual([0, 0.75, 5.75, 10.75, 15.75]);
  });

  it.each([
    ['a CUJ', [cuj('buy')]],
    ['three CUJs, each for itself', [cuj('buy'), cuj('see'), cuj('find')]],
    ['a service and one of its CUJs', [service, cuj('see')]],
  ])('about %s take at most 2.2 calls a minute', async (_, questions) => {
    const gate = new Gate(healthy);
    await gate.run(10, 20_000, ...questions);
    const fromMs = gate.nowMs;
    await gate.run(30, 20_000, ...questions);
    expect(gate.callsSince(fromMs)).toBe(30 * 2.2);
  });
});

describe('questions while bad events could become a fail', () => {
  it.each([
    ['a CUJ', [cuj('buy')]],
    ['three CUJs of which one is suspicious', [cuj('see'), cuj('buy'), cuj('find')]],
    ['a service of which one CUJ is suspicious', [service]],
  ])('about %s take at most 4 calls a minute', async (_, questions) => {
    const gate = new Gate(undecided);
    await gate.run(10, 20_000, ...questions);
    const fromMs = gate.nowMs;
    const answers = await gate.run(30, 20_000, ...questions);
    expect(new Set(answers.flat().map(({ verdict }) => verdict))).toContain('inconclusive');
    expect(gate.callsSince(fromMs) / 30).toBeGreaterThan(3);
    expect(gate.callsSince(fromMs) / 30).toBeLessThanOrEqual(4);
  });

  it('ask for 20 s more from the first bad event on, and on a grid of 30 s again when it is over', async () => {
    const badFromMs = startMs + 5 * bucketMs;
    const gate = new Gate((side) =>
      side === 'canary' ? { total: 60, bad: 60, badFromMs, badUntilMs: badFromMs + 1_000 } : { total: 9_000 },
    );
    const asked = await gate.run(15, 5_000, cuj('buy'), cuj('see'));
    const answers = asked.map(([buy]) => buy as Verdict);
    const ends = answers.map(endOf);
    const first = answers.findIndex(({ slis }) => (slis[0]?.bad ?? 0) > 0);
    expect(new Set(ends.slice(0, first).map((end) => end % 30_000))).toEqual(new Set([0]));
    const seconds = [...new Set(ends.slice(first))].map((end) => (end - badFromMs) / 1_000);
    // The bad event is new for three minutes.
    expect(seconds.slice(0, 13)).toEqual([30, 50, 70, 90, 110, 130, 150, 170, 190, 210, 230, 240, 270]);
    expect(new Set(seconds.slice(13).map((end) => end % 30))).toEqual(new Set([0]));
    // The other question is answered by the same data, and never by older data than before.
    const others = asked.map(([, see]) => endOf(see as Verdict));
    expect(others).toEqual(ends);
    expect(others).toEqual([...others].sort((a, b) => a - b));
  });
});

describe('a caller that asks every 20 s while bad events could become a fail', () => {
  it.each([0, 1, 5, 9, 10, 13, 19, 29])(
    'gets data that was complete at most 10 s ago, from %i s after a minute on',
    async (phase) => {
      const gate = new Gate(undecided);
      gate.nowMs += phase * 1_000;
      await gate.run(1, 20_000, cuj('buy'));
      for (let i = 0; i < 30; i += 1) {
        // The controller is some milliseconds late, each time.
        const [[verdict]] = (await gate.run(1 / 6_000, 10, cuj('buy'))) as [[Verdict]];
        const ageMs = gate.nowMs - 10 - endOf(verdict) - lagMs;
        expect(ageMs).toBeGreaterThanOrEqual(0);
        expect(ageMs).toBeLessThan(10_000);
        gate.nowMs += 20_000 + i;
      }
    },
  );

  it('takes no more calls where others ask in between', async () => {
    const gate = new Gate(undecided);
    await gate.run(10, 7_000, cuj('buy'), cuj('see'), service);
    const fromMs = gate.nowMs;
    await gate.run(30, 7_000, cuj('buy'), cuj('see'), service);
    expect(gate.callsSince(fromMs) / 30).toBeLessThanOrEqual(4);
  });
});

describe('a verdict', () => {
  it.each(['60m', '61m', '62m', '63m', '64m'])(
    'covers all of a maxWindow of %s, whenever it is',
    async (maxWindow) => {
      for (const lag of ['50s', '75s', '105s']) {
        const gate = new Gate(
          (side, _, nowMs) => (side === 'canary' ? { total: 100 } : { total: 900, untilMs: nowMs - 180_000 }),
          registryWith({ maxWindow, lag }),
        );
        const verdicts = (await gate.run(6, 5_000, cuj('buy'), cuj('find'))).flat();
        expect(new Set(verdicts.map(({ window }) => window?.start))).toEqual(new Set(['max_window']));
      }
    },
  );

  it('is never made of older data than the one before', async () => {
    const names = ['buy', 'see', 'find'];
    const resources = ['post_/buy', 'get_/see', 'get_/find'];
    const burst = fc.record({
      resource: fc.constantFrom(...resources),
      fromMs: fc.integer({ min: 0, max: 30 }).map((at) => startMs + at * 10_000),
      lengthMs: fc.constantFrom(1_000, 15_000, 60_000),
    });
    const cases = fc.record({
      lag: fc.constantFrom('50s', '75s', '105s'),
      minStepMs: fc.constantFrom(10_000, bucketMs),
      bursts: fc.array(burst, { maxLength: 3 }),
      /** How late stable's counts are, in steps of a second. */
      lateness: fc.array(fc.integer({ min: 0, max: 150 }), { minLength: 1, maxLength: 4 }),
      intervals: fc.array(fc.integer({ min: 1, max: 25 }), { minLength: 10, maxLength: 30 }),
    });
    await fc.assert(
      fc.asyncProperty(cases, async ({ minStepMs, bursts, lateness, intervals, lag }) => {
        let untilMs = 0;
        const gate = new Gate((side, resource, nowMs) => {
          const late = lateness[Math.floor((nowMs - startMs) / 120_000) % lateness.length] as number;
          // What has arrived stays.
          untilMs = Math.max(untilMs, nowMs - late * 1_000);
          if (side === 'stable') return { total: 900, untilMs };
          const own = bursts.find((one) => one.resource === resource);
          if (own === undefined) return { total: 100 };
          return { total: 100, bad: 100, badFromMs: own.fromMs, badUntilMs: own.fromMs + own.lengthMs };
        }, registryWith({ lag }));
        gate.source.minStepMs = minStepMs;
        const ends = new Map<string, number>();
        for (const seconds of intervals) {
          for (const verdict of (await gate.run(1 / 600, 100, ...names.map(cuj), service)).flat()) {
            const question = `${verdict.cuj} ${verdict.slis[0]?.evidenceThreshold}`;
            expect(endOf(verdict)).toBeGreaterThanOrEqual(ends.get(question) ?? 0);
            expect(endOf(verdict)).toBeGreaterThanOrEqual(gate.nowMs - 180_000);
            ends.set(question, endOf(verdict));
          }
          gate.nowMs += seconds * 1_000;
        }
      }),
      { numRuns: 25 },
    );
  });
});

describe('a CUJ over two services that are measured by different calls', () => {
  const registry = registryOf(`
  { "apiVersion": "cuj-gate/v1",
    "defaults": { "slo": { "availability": 99.95 }, "gate": { "maxWindow": "20m", "falseAbort": 1e-15 } },
    "services": {
      "shop": { "env": "prod", "operation": "http.request", "canary": "version:{version}" },
      "till": { "env": "prod", "operation": "grpc.server", "canary": "version:{version}" } },
    "cujs": [
      { "name": "buy", "owner": "t", "endpoints": [
        { "service": "shop", "method": "POST", "path": "/buy" }, { "service": "till", "method": "POST", "path": "/pay" }] },
      { "name": "see", "owner": "t", "service": "shop", "endpoints": ["GET /see"] },
      { "name": "pay", "owner": "t", "service": "till", "endpoints": ["POST /pay"] } ] }`);

  it('is never judged by older data than before, whoever asks about one of them in between', async () => {
    const steps = fc.constantFrom(10_000, 20_000, 30_000, bucketMs);
    const cases = fc.record({
      shopStepMs: steps,
      tillStepMs: steps,
      badFromMs: fc.integer({ min: 0, max: 30 }).map((at) => startMs + at * 10_000),
      badMs: fc.constantFrom(1_000, 60_000, 600_000),
      asked: fc.array(
        fc.record({
          seconds: fc.integer({ min: 1, max: 25 }),
          name: fc.constantFrom('buy', 'buy', 'see', 'pay'),
        }),
        { minLength: 10, maxLength: 40 },
      ),
    });
    await fc.assert(
      fc.asyncProperty(cases, async ({ shopStepMs, tillStepMs, badFromMs, badMs, asked }) => {
        const gate = new Gate(
          (side) =>
            side === 'stable'
              ? { total: 900 }
              : { total: 100, bad: 2, badFromMs, badUntilMs: badFromMs + badMs },
          registry,
        );
        gate.stepOf = ({ batch }) => (batch.services[0]?.service.name === 'shop' ? shopStepMs : tillStepMs);
        const ends = new Map<string, number>();
        for (const { seconds, name } of asked) {
          const [[verdict]] = (await gate.run(1 / 600, 100, cuj(name))) as [[Verdict]];
          expect(endOf(verdict)).toBeGreaterThanOrEqual(ends.get(name) ?? 0);
          ends.set(name, endOf(verdict));
          gate.nowMs += seconds * 1_000;
        }
      }),
      { numRuns: 25 },
    );
  });
});

describe('a window of two hours', () => {
  /** Bytes of all arrays that a value holds, each buffer once. */
  function bytesOf(value: unknown, seen = new Set<unknown>()): number {
    if (typeof value !== 'object' || value === null || seen.has(value)) return 0;
    seen.add(value);
    if (ArrayBuffer.isView(value)) return bytesOf(value.buffer, seen);
    if (value instanceof ArrayBuffer) return value.byteLength;
    const parts = value instanceof Map ? [...value.values()] : Object.values(value);
    return parts.reduce<number>((sum, part) => sum + bytesOf(part, seen), 0);
  }

  // A snapshot of minutes alone holds three arrays of 120 numbers a series: all events, bad ones, and those with a status.
  const minutesAlone = 8 * 3 * 120 * Float64Array.BYTES_PER_ELEMENT;

  it.each([
    ['no endpoint fails', 0],
    ['every endpoint fails every minute', 60],
  ])('holds at most twice the counts that minutes alone take, where %s', async (_, bad) => {
    const registry = registryWith({ maxWindow: '2h' });
    const source = new Rates((side) => ({ ...requests[side], bad }));
    const kept: unknown[] = [];
    const keeping = {
      async measure(query: BatchQuery) {
        const snapshot = await source.measure(query);
        kept.push(snapshot);
        return snapshot;
      },
    };
    // The recent part is longest where the past is about to move.
    const now = () => startMs + 4.5 * bucketMs;
    const limits = { ttlMs: 30_000, maxEntries: 1_000, maxBytes: 1e9 };
    const cached = createCachedSource(keeping, { ...limits, now, epochNow: now });
    const evaluator = createEvaluator({ registry: () => registry, source: cached, now });
    const { evaluations } = await evaluator.service({ service: 'shop', params }, signal);
    const measurements = evaluations.map(({ measurement }) => measurement);
    expect(bytesOf([kept, measurements])).toBeLessThanOrEqual(2 * minutesAlone);
  });
});
