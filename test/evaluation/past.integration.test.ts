import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { simulateJourneys } from '../../src/demo/datadog/journeys.ts';
import { startDatadogSimulator } from '../../src/demo/datadog/simulator.ts';
import { CallerError } from '../../src/domain/errors.ts';
import { recentStepMs } from '../../src/domain/metrics/metrics-source.ts';
import { createEvaluator, type Evaluation } from '../../src/evaluation/evaluator.ts';
import { loadRegistry } from '../../src/registry-files/load.ts';
import { DatadogConnection } from '../../src/sources/datadog/api/connection.ts';
import { createDatadogSource } from '../../src/sources/datadog/api/source.ts';
import { createCachedSource } from '../../src/sources/decorators/cache.ts';

const noonMs = Date.UTC(2026, 5, 10, 12);
const minuteMs = 60_000;
const signal = new AbortController().signal;
const params = new Map([['version', 'v1.42.0']]);

/** A rollout over the simulator, and the evaluator that is asked during it. */
async function rollout({ seed, errorRate }: { seed: number; errorRate: number }) {
  const clock = { nowMs: noonMs };
  const datadog = await startDatadogSimulator({ now: () => clock.nowMs });
  const canaryStart = noonMs + 2 * minuteMs;
  const traffic = simulateJourneys({
    store: datadog.store,
    seed,
    start: noonMs - 20 * minuteMs,
    requestsPerSecond: 300,
    canaryStart,
    breakages: [{ route: 'POST /api/v1/signup/phone/verify', from: canaryStart + minuteMs, errorRate }],
  });
  const connection = new DatadogConnection({
    apiKey: 'a',
    appKey: 'b',
    url: datadog.url,
    epochNow: () => clock.nowMs,
  });
  const loaded = await loadRegistry('config/cujs.yaml', { backend: 'datadog' });
  if (!loaded.ok) throw new Error('the example is invalid');
  const source = createCachedSource(await createDatadogSource(connection), {
    ttlMs: 30_000,
    maxEntries: 1_000,
    maxBytes: 1e9,
    now: () => clock.nowMs,
    epochNow: () => clock.nowMs,
  });
  const evaluator = createEvaluator({ registry: () => loaded.registry, source, now: () => clock.nowMs });
  return {
    evaluator,
    datadog,
    advanceTo(ms: number) {
      clock.nowMs = ms;
      traffic.advanceTo(ms);
    },
    async close() {
      await connection.close();
      await datadog.stop();
    },
  };
}

/** The end of the data that was asked for. */
function endOf({ measurement }: Evaluation): number {
  return measurement === undefined ? Number.NaN : measurement.toMs + (measurement.incompleteMs ?? 0);
}

describe('a question as of a moment that is over', () => {
  it('gives the verdict that was given then, byte by byte', { timeout: 120_000 }, async () => {
    const found = { same: 0, other: 0, outcomes: new Set<string>() };
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 1_000 }),
        fc.constantFrom(0, 0.01, 0.2),
        fc.array(fc.integer({ min: 4, max: 31 }), { minLength: 22, maxLength: 22 }),
        async (seed, errorRate, pauses) => {
          const { evaluator, advanceTo, close } = await rollout({ seed, errorRate });
          try {
            let atMs = noonMs + 3 * minuteMs;
            const given: { atMs: number; one: Evaluation; all: string }[] = [];
            for (const seconds of pauses) {
              atMs += seconds * 1_000 + (seed % 1_000);
              advanceTo(atMs);
              const one = await evaluator.cuj({ cuj: 'signup', params }, signal);
              const { verdict } = await evaluator.service({ service: 'member-api', params }, signal);
              given.push({ atMs, one, all: JSON.stringify(verdict) });
              // What was asked as of earlier moments has no effect on what is asked now.
              if (given.length % 5 === 0)
                await evaluator.cuj({ cuj: 'signup', params, atMs: atMs - 90_000 }, signal);
            }
            advanceTo(atMs + 7 * minuteMs);
            for (const { atMs: then, one, all } of given) {
              found.outcomes.add(`${one.verdict.verdict} ${one.verdict.reason}`);
              const untilMs = endOf(one);
              const again = await evaluator.cuj({ cuj: 'signup', params, atMs: then, untilMs }, signal);
              expect(JSON.stringify(again.verdict)).toBe(JSON.stringify(one.verdict));
              const service = await evaluator.service(
                { service: 'member-api', params, atMs: then, untilMs },
                signal,
              );
              expect(JSON.stringify(service.verdict)).toBe(all);
              // Without the end, what was asked before is not known: the data may end up to 20 s earlier or later.
              const alone = await evaluator.cuj({ cuj: 'signup', params, atMs: then }, signal);
              expect(Math.abs(endOf(alone) - untilMs)).toBeLessThanOrEqual(20_000);
              if (endOf(alone) === untilMs) {
                expect(JSON.stringify(alone.verdict)).toBe(JSON.stringify(one.verdict));
                found.same += 1;
              } else found.other += 1;
            }
          } finally {
            await close();
          }
        },
      ),
      { numRuns: 2 },
    );
    expect([...found.outcomes].sort()).toEqual(expect.arrayContaining(['fail slo_violated']));
    expect(found.outcomes.size).toBeGreaterThan(2);
    expect(found.same).toBeGreaterThan(found.other);
  });

  it('is judged by what is known now: late data changes it', async () => {
    const { evaluator, advanceTo, datadog, close } = await rollout({ seed: 1, errorRate: 0 });
    const atMs = noonMs + 9 * minuteMs;
    advanceTo(atMs);
    const given = await evaluator.cuj({ cuj: 'signup', params }, signal);
    expect(given.verdict.verdict).toBe('pass');
    datadog.store.recordRequests({
      env: 'production',
      service: 'member-api',
      operation: 'http.request',
      resource: 'POST /api/v1/signup/phone/verify',
      version: 'v1.42.0',
      at: atMs - 4 * minuteMs,
      count: 200,
      statusCode: 500,
    });
    datadog.store.recordRequests({
      env: 'production',
      service: 'member-api',
      operation: 'http.request',
      resource: 'POST /api/v1/signup/phone/verify',
      version: 'v1.42.0',
      at: atMs - 3 * minuteMs,
      count: 200,
      statusCode: 500,
    });
    advanceTo(atMs + 15 * minuteMs);
    const again = await evaluator.cuj({ cuj: 'signup', params, atMs, untilMs: endOf(given) }, signal);
    expect(again.verdict.verdict).toBe('fail');
    await close();
  });

  it('asks for nothing newer than what was complete then, whatever end the caller names', async () => {
    const { evaluator, advanceTo, datadog, close } = await rollout({ seed: 1, errorRate: 0 });
    advanceTo(noonMs + 60 * minuteMs);
    const atMs = noonMs + 9 * minuteMs + 1_234;
    for (const untilMs of [undefined, atMs, atMs - 46_001, atMs + minuteMs, Number.NaN]) {
      const asked = datadog.calls.length;
      const { measurement } = await evaluator.cuj(
        { cuj: 'signup', params, atMs, ...(untilMs === undefined ? {} : { untilMs }) },
        signal,
      );
      expect(measurement?.toMs).toBeLessThanOrEqual(atMs - 45_000);
      expect((measurement?.toMs ?? 1) % recentStepMs).toBe(0);
      expect(datadog.calls.length - asked).toBeLessThanOrEqual(4);
    }
    await close();
  });

  it('refuses a rollout that had not begun', async () => {
    const { evaluator, advanceTo, close } = await rollout({ seed: 1, errorRate: 0 });
    advanceTo(noonMs + 60 * minuteMs);
    const since = new Date(noonMs + 30 * minuteMs).toISOString();
    const asked = evaluator.cuj({ cuj: 'signup', params, since, atMs: noonMs }, signal);
    await expect(asked).rejects.toThrow(CallerError);
    await close();
  });
});
