import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Backtest, backtest } from '../../src/backtest/backtest.ts';
import { scoreOf } from '../../src/backtest/score.ts';
import type { Simulator } from '../../src/demo/datadog/simulator.ts';
import { judge } from '../../src/domain/judge/judge.ts';
import type { RegistryDocument } from '../../src/domain/registry/schema.ts';
import { createDatadogApi, DatadogConnection } from '../../src/sources/datadog/api/connection.ts';
import { createDatadogSource } from '../../src/sources/datadog/api/source.ts';
import { versionHits } from '../../src/sources/datadog/api/version-hits.ts';
import { datadogDialect } from '../../src/sources/datadog/query/dialect.ts';
import { NOON } from '../demo/datadog/fixture.ts';
import { clinic, closeAll, limitedPass, provenOnly, registryOf, shopDocument } from '../doctor/clinic.ts';
import { cujOf, endpointOf, measurementOf } from '../domain/judge/journey.ts';
import { plant, plantMonth } from './planted.ts';

const HOUR = 3_600_000;
const begin = NOON - 11 * HOUR;

async function replayed(
  simulator: Simulator,
  document: RegistryDocument = shopDocument(provenOnly),
  more: { service?: string; maxRollouts?: number } = {},
): Promise<Backtest> {
  const connection = new DatadogConnection({ apiKey: 'a', appKey: 'b', url: simulator.url });
  try {
    const [api, source] = [createDatadogApi(connection), await createDatadogSource(connection)];
    return await backtest(
      registryOf(document),
      {
        fromMs: begin,
        toMs: NOON,
        service: more.service,
        maxRollouts: more.maxRollouts ?? 100,
        threshold: { ratio: 0.01, minRequests: 100 },
      },
      {
        versionHits: (...question) => versionHits(api, ...question),
        measure: (query) => source.measure(query, new AbortController().signal),
        onProgress: () => {},
      },
    );
  } finally {
    await connection.close();
  }
}

/** Minutes of data after which the judge first says so of counts that were never sent anywhere; the lag is 45 s. */
function minuteOf(outcome: 'fail' | 'pass', endpoints: { perMinute: number; badFrom?: number }[]): number {
  for (let minutes = 1; minutes < 60; minutes += 1) {
    const { verdict } = judge(
      cujOf(),
      measurementOf({
        before: 110,
        availability: endpoints.map(({ perMinute, badFrom = 99 }, i) =>
          endpointOf(
            `GET /${i}`,
            {
              total: Array(minutes).fill(perMinute),
              bad: Array.from({ length: minutes }, (_, m) => (m >= badFrom ? 1 : 0)),
            },
            { total: Array(minutes).fill(perMinute * 3), bad: [] },
          ),
        ),
      }),
      { registryDigest: '' },
    );
    if (verdict === outcome) return minutes + 1;
  }
  return Number.NaN;
}

describe('a backtest of rollouts that were planted', () => {
  let simulator: Simulator;
  let result: Backtest;
  beforeAll(async () => {
    simulator = await clinic();
    plantMonth(simulator, begin);
    result = await replayed(simulator);
  });
  afterAll(closeAll);

  it('finds every canary, each attempt for itself, and nothing else', () => {
    expect(
      result.rollouts.map(({ version, before, from, minutes, ending }) => [
        version,
        before,
        (Date.parse(from) - begin) / 60_000,
        minutes,
        ending,
      ]),
    ).toEqual([
      ['v2', 'v1', 190, 20, 'all_traffic'],
      ['v3', 'v2', 380, 15, 'withdrawn'],
      ['v3', 'v2', 403, 12, 'withdrawn'],
    ]);
  });

  it('takes one call to find them and one for each, and asks about v4, which took over within an hour', () => {
    const versions = simulator.calls.map(({ body }) => /version:(v\d)/.exec(JSON.stringify(body))?.[1]);
    expect(versions).toEqual([undefined, 'v2', 'v3', 'v4']);
  });

  it('passes what was good when the judge would have passed it', () => {
    const search = minuteOf('pass', [{ perMinute: 40 }]);
    const buy = minuteOf('pass', [{ perMinute: 50 }, { perMinute: 10 }]);
    expect([buy, search]).toEqual([8, 12]);
    expect(result.rollouts[0]).toMatchObject({ outcome: 'pass', minute: search, summary: null });
    expect(result.rollouts[0]?.cujs).toMatchObject([
      { cuj: 'buy', firstFail: null, firstPass: { minute: buy, reason: 'within_slo' } },
      { cuj: 'search', firstFail: null },
    ]);
  });

  it('aborts what was bad in the minute in which the judge knew, and sees no error before it happened', () => {
    const fails = minuteOf('fail', [{ perMinute: 50 }, { perMinute: 10, badFrom: 3 }]);
    const rollout = result.rollouts[1];
    expect(rollout).toMatchObject({ outcome: 'abort', minute: fails });
    expect(rollout?.summary).toMatch(/^FAIL buy \(slo_violated\): .* worst POST \/orders/);
    const buy = rollout?.cujs[0];
    expect(buy?.firstFail).toMatchObject({ minute: fails, reason: 'slo_violated' });
    expect(buy?.changes[0]).toEqual({ minute: 2, verdict: 'inconclusive', reason: 'insufficient_traffic' });
    expect(rollout?.cujs[1]).toMatchObject({ cuj: 'search', firstFail: null });
  });

  it('shows that the total error rate would have missed it', () => {
    expect(result.rollouts[1]?.total).toEqual({ requests: 1_500, failed: 12, ratio: 0.008, firstFail: null });
  });

  it('does not hold the first life of a version against its second', () => {
    expect(result.rollouts[2]).toMatchObject({ outcome: 'pass', minute: 12, total: { failed: 0 } });
  });

  it('counts what was caught, missed and falsely aborted by version', () => {
    const aborted = ({ outcome }: { outcome: string }) => outcome === 'abort';
    const storedAs = (_: string, version: string) => datadogDialect.storedTagValue(version);
    expect(scoreOf(result.rollouts, ['V3'], aborted, storedAs)).toEqual({
      score: { caught: ['v3'], missed: [], falselyAborted: [], letThrough: ['v2'] },
      unknown: [],
    });
    expect(scoreOf(result.rollouts, ['v2', 'v9'], aborted, storedAs)).toEqual({
      score: { caught: [], missed: ['v2'], falselyAborted: ['v3'], letThrough: [] },
      unknown: ['v9'],
    });
  });
});

describe('a backtest', () => {
  afterEach(closeAll);

  it('shows what a CUJ that only observes would have said, and aborts nothing for it', async () => {
    const simulator = await clinic();
    plantMonth(simulator, begin);
    const document = shopDocument(provenOnly);
    Object.assign(document.cujs?.[0] as object, { mode: 'observe' });
    const { rollouts } = await replayed(simulator, document, { maxRollouts: 2 });
    expect(rollouts[0]).toMatchObject({ version: 'v3', outcome: 'pass', minute: 12 });
    expect(rollouts[0]?.cujs[0]).toMatchObject({ mode: 'observe', firstFail: { reason: 'slo_violated' } });
  });

  it('passes with limited evidence what would have passed later or never, at passAfter, and aborts the same', async () => {
    const simulator = await clinic();
    plantMonth(simulator, begin);
    const { rollouts } = await replayed(simulator, shopDocument(limitedPass));
    // 8 minutes of the canary and the lag. With these, buy has its proof already: 480 requests.
    expect(rollouts).toMatchObject([
      { version: 'v2', outcome: 'pass', minute: 9 },
      { version: 'v3', outcome: 'abort' },
      { version: 'v3', outcome: 'pass', minute: 9 },
    ]);
    expect(rollouts[0]?.cujs).toMatchObject([
      { cuj: 'buy', firstPass: { minute: 8, reason: 'within_slo' } },
      {
        cuj: 'search',
        firstPass: { minute: 9, reason: 'limited_evidence' },
        last: { reason: 'within_slo' },
      },
    ]);
    expect(rollouts[0]?.cujs[1]?.firstPass?.summary).toContain('rules out failure rates above');
  });

  it('holds what is withdrawn before passAfter', async () => {
    const simulator = await clinic();
    plant(simulator, begin, [
      { from: 0, to: 300, version: 'v1', share: 1 },
      { from: 130, to: 137, version: 'v2', share: 0.1 },
      { from: 200, to: 208, version: 'v3', share: 0.1 },
    ]);
    const { rollouts } = await replayed(simulator, shopDocument(limitedPass));
    expect(rollouts.map(({ version, outcome }) => [version, outcome])).toEqual([
      ['v2', 'held'],
      ['v3', 'pass'],
    ]);
  });

  it('holds what it could not know in time, and says what is missing', async () => {
    const simulator = await clinic();
    plant(simulator, begin, [
      { from: 0, to: 300, version: 'v1', share: 1 },
      { from: 130, to: 134, version: 'v2', share: 0.25 },
    ]);
    const { rollouts } = await replayed(simulator);
    expect(rollouts).toMatchObject([
      { version: 'v2', minutes: 4, ending: 'withdrawn', outcome: 'held', minute: null, summary: null },
    ]);
    expect(rollouts[0]?.cujs[0]).toMatchObject({
      firstPass: null,
      firstFail: null,
      last: { minute: 5, reason: 'insufficient_traffic' },
    });
  });

  it('judges by stable of the version before where the selector takes one', async () => {
    const simulator = await clinic();
    plantMonth(simulator, begin);
    const document = shopDocument(provenOnly);
    Object.assign(document.services?.shop as object, { stable: 'version:{stable_version}' });
    const { rollouts } = await replayed(simulator, document);
    expect(rollouts.map(({ version, outcome }) => [version, outcome])).toEqual([
      ['v2', 'pass'],
      ['v3', 'abort'],
      ['v3', 'pass'],
    ]);
    expect(JSON.stringify(simulator.calls[1]?.body)).toContain('version:v1');
  });

  it('says which services it cannot replay, and why, without a call', async () => {
    const simulator = await clinic();
    const document = shopDocument(provenOnly);
    Object.assign(document.services?.shop as object, { canary: 'role:canary' });
    const { rollouts, notTold } = await replayed(simulator, document);
    expect(rollouts).toEqual([]);
    expect(notTold).toEqual([{ service: 'shop', why: expect.stringContaining('role:canary') }]);
    expect(simulator.calls).toEqual([]);
  });

  it('takes the newest where there are more than asked for, and says how many it left out', async () => {
    const simulator = await clinic();
    plantMonth(simulator, begin);
    const { rollouts, leftOut } = await replayed(simulator, shopDocument(provenOnly), { maxRollouts: 2 });
    expect(rollouts.map(({ version }) => version)).toEqual(['v3', 'v3']);
    expect(leftOut).toBe(1);
  });
});
