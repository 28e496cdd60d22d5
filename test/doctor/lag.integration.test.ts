import { afterEach, describe, expect, it } from 'vitest';
import type { AgentLateness } from '../../src/demo/datadog/agents.ts';
import type { Simulator, SimulatorOptions } from '../../src/demo/datadog/simulator.ts';
import { EventStore } from '../../src/demo/datadog/store.ts';
import { checkLag, type LagMeasurement } from '../../src/doctor/check-lag.ts';
import type { DoctorFinding } from '../../src/doctor/finding.ts';
import { callsOf, watchBuckets, watchTarget } from '../../src/doctor/watch-buckets.ts';
import type { GateDocument, RegistryDocument } from '../../src/domain/registry/schema.ts';
import { surveyDatadog } from '../../src/sources/datadog/api/doctor-survey.ts';
import { recentCounts } from '../../src/sources/datadog/api/version-hits.ts';
import { MINUTE, NOON, simulatorAt } from '../demo/datadog/fixture.ts';
import { apiOf, closeAll, hits, registryOf, shopDocument } from './clinic.ts';

afterEach(closeAll);

const SLOT = 10_000;
/** Not on a whole minute, nor on a whole bucket. */
const start = NOON + 17_300;

interface Setting {
  readonly lateness?: AgentLateness;
  readonly gate?: GateDocument;
  readonly document?: RegistryDocument;
  readonly watchMs?: number;
  readonly simulator?: Partial<SimulatorOptions>;
  /** Requests in 10 s of stable (v1) and of the canary (v2). */
  readonly perSlot?: { readonly v1: number; readonly v2: number };
  /** The error of doctor's clock, in ms. */
  readonly fastByMs?: number;
  /** Called before each question, with the time since the start. */
  readonly onTime?: (simulator: Simulator, elapsedMs: number) => void;
}

/** Plants traffic, watches it over HTTP with a clock that only sleep moves, and draws the conclusions. */
async function watched(
  setting: Setting = {},
): Promise<{ lag: LagMeasurement; findings: readonly DoctorFinding[] }> {
  const {
    lateness = { seed: 1, slowShare: 0 },
    perSlot = { v1: 90, v2: 30 },
    watchMs = 5 * MINUTE,
  } = setting;
  const clock = { now: start };
  const store = new EventStore({ now: () => clock.now, lateness });
  const { simulator } = await simulatorAt(start, { ...setting.simulator, store, now: () => clock.now });
  for (let at = NOON - 60 * MINUTE; at < start + watchMs + MINUTE; at += SLOT) {
    for (const [version, count] of Object.entries(perSlot)) {
      if (count === 0) continue;
      store.recordRequests({ ...hits, resource: 'GET /search', version, host: `${version}-node`, at, count });
    }
  }
  const registry = registryOf(setting.document ?? shopDocument(setting.gate));
  const api = apiOf(simulator);
  const facts = await surveyDatadog({ api, registry, now: () => clock.now });
  const target = watchTarget(registry, facts);
  if (target === undefined) throw new Error('no target');
  const watch = await watchBuckets(target, watchMs, {
    unit: 'buckets',
    read: (...question) => recentCounts(api, ...question),
    now: () => clock.now + (setting.fastByMs ?? 0),
    clockSkewMs: () => setting.fastByMs ?? 0,
    sleep: async (ms) => {
      clock.now += ms;
      setting.onTime?.(simulator, clock.now - start);
    },
  });
  return checkLag(registry, watch);
}

const checksOf = (findings: readonly DoctorFinding[]) =>
  findings.map(({ severity, check }) => `${severity} ${check}`);

describe('what doctor measures of a service whose agents are late', () => {
  it('is the time after which buckets are complete, for canary and stable apart', async () => {
    const { lag } = await watched();
    expect(lag).toMatchObject({ service: 'shop', bucketSeconds: 10, calls: 61 });
    expect(lag.sides.map(({ side, buckets, leftOut }) => ({ side, buckets, leftOut }))).toEqual([
      { side: 'version:v1', buckets: 18, leftOut: 1 },
      { side: 'version:v2', buckets: 18, leftOut: 1 },
    ]);
    // Agents: 15 s to 35 s after the end of a bucket; a question every 5 s sees it up to 5 s later.
    for (const { halfSeconds, completeSeconds, slowestSeconds } of lag.sides) {
      expect(halfSeconds).toBeGreaterThanOrEqual(20);
      expect(completeSeconds).toBeGreaterThanOrEqual(halfSeconds);
      expect(slowestSeconds).toBeGreaterThanOrEqual(completeSeconds);
      expect(slowestSeconds).toBeLessThanOrEqual(40);
    }
  });

  it('shows one side that is later than the other, and recommends for the later one', async () => {
    const { lag, findings } = await watched({
      lateness: { seed: 1, slowShare: 0, intakeMs: [50_000, 60_000] },
      perSlot: { v1: 90, v2: 0 },
      gate: { lag: '85s' },
      onTime: ({ store }, elapsedMs) => {
        // The canary's bucket arrives a minute and more after its end, late and at once.
        const endMs = Math.floor((start + elapsedMs - 95_000) / SLOT) * SLOT;
        if (elapsedMs % SLOT !== 0) return;
        store.recordRequests({
          ...hits,
          resource: 'GET /search',
          version: 'v2',
          at: endMs - SLOT,
          count: 30,
        });
      },
    });
    const [stable, canary] = lag.sides;
    expect([stable?.side, canary?.side]).toEqual(['version:v1', 'version:v2']);
    expect(stable?.completeSeconds).toBeLessThanOrEqual(85);
    expect(canary?.completeSeconds).toBeGreaterThan(90);
    expect(lag.recommendedSeconds).toBeGreaterThanOrEqual(canary?.completeSeconds ?? Number.NaN);
    expect(checksOf(findings)).toEqual(['warning lag-too-short']);
    expect(findings[0]?.message).toMatch(
      /^lag is 85s \(buy, search\), and 18 of 18 buckets of version:v2 were still incomplete/,
    );
  });

  it('is the same where Datadog answers in buckets of 20 s or 60 s', async () => {
    const twenty = await watched({ simulator: { minIntervalMs: 20_000 }, watchMs: 10 * MINUTE });
    expect(twenty.lag).toMatchObject({ bucketSeconds: 20, sides: [{ buckets: 24 }, { buckets: 24 }] });
    const sixty = await watched({ simulator: { minIntervalMs: MINUTE }, watchMs: 15 * MINUTE });
    expect(sixty.lag).toMatchObject({ bucketSeconds: 60, sides: [{ buckets: 13 }, { buckets: 13 }] });
    for (const { slowestSeconds } of [...twenty.lag.sides, ...sixty.lag.sides]) {
      expect(slowestSeconds).toBeGreaterThanOrEqual(20);
      expect(slowestSeconds).toBeLessThanOrEqual(40);
    }
  });

  it('is that of the whole service where no tag tells the canary apart', async () => {
    const document = shopDocument({ lag: '60s' });
    Object.assign(document.services?.shop as object, { canary: 'service:shop-canary' });
    const { lag, findings } = await watched({ document });
    expect(lag.sides).toEqual([expect.objectContaining({ side: 'shop', buckets: 18 })]);
    expect(checksOf(findings)).toEqual(['info lag-fits']);
  });

  it("is that of the total of a source of one's own", async () => {
    const filter = 'service:{service},{selector}';
    const document = shopDocument({ lag: '60s' });
    Object.assign(document, {
      sources: {
        own: {
          total: `sum:trace.express.request.hits{${filter}}.as_count()`,
          bad: `sum:trace.express.request.hits{${filter},http.status_code:5*}.as_count()`,
        },
      },
      services: { shop: { env: 'production', source: 'own', canary: 'version:{version}' } },
      cujs: [{ name: 'shop', owner: 'team-shop', service: 'shop', endpoints: '*' }],
    });
    const { lag } = await watched({ document });
    expect(lag.sides.map(({ side }) => side)).toEqual(['version:v1', 'version:v2']);
    expect([35, 40]).toContain(lag.recommendedSeconds);
  });

  it("follows Datadog's clock where that of this machine is wrong", async () => {
    const right = await watched();
    const wrong = await watched({ fastByMs: 40_000 });
    expect(wrong.lag).toEqual(right.lag);
  });

  it('leaves one slow payload out, because how often that happens is not known from so few buckets', async () => {
    let isSent = false;
    const { lag, findings } = await watched({
      gate: { lag: '60s' },
      onTime: ({ store }, elapsedMs) => {
        if (isSent || elapsedMs < 4 * MINUTE) return;
        isSent = true;
        store.recordRequests({
          ...hits,
          resource: 'GET /search',
          version: 'v1',
          at: start + MINUTE,
          count: 30,
        });
      },
    });
    expect(lag.sides[0]?.slowestSeconds).toBeGreaterThan(150);
    expect(lag.sides[0]?.completeSeconds).toBeLessThanOrEqual(40);
    expect([35, 40]).toContain(lag.recommendedSeconds);
    expect(checksOf(findings)).toEqual(['info lag-fits']);
    expect(findings[0]?.message).toMatch(/all but 1 after \d+ s, the slowest after 1\d\d s/);
  });

  it('takes slow payloads seriously where more than 1% of the buckets have one', async () => {
    const { lag, findings } = await watched({
      lateness: { seed: 2, slowShare: 0.05, slowIntakeMs: [80_000, 90_000] },
      gate: { lag: '60s' },
      watchMs: 10 * MINUTE,
    });
    expect(lag.recommendedSeconds).toBeGreaterThan(85);
    expect(lag.recommendedSeconds).toBeLessThanOrEqual(115);
    expect(checksOf(findings)).toEqual(['warning lag-too-short']);
  });
});

describe('what doctor says of the lag of a registry', () => {
  it('warns of one that is too short, and says what to set', async () => {
    const { findings, lag } = await watched({
      gate: { lag: '60s' },
      lateness: { seed: 5, slowShare: 0, intakeMs: [55_000, 65_000] },
    });
    expect(checksOf(findings)).toEqual(['warning lag-too-short']);
    expect(lag.recommendedSeconds).toBeGreaterThanOrEqual(80);
    expect(lag.recommendedSeconds).toBeLessThanOrEqual(90);
    expect(findings[0]?.message).toMatch(
      /^lag is 60s \(buy, search\), and \d+ of 18 buckets of version:v[12] were still incomplete at that age\. version:v1: 18 buckets of 10s, half of them complete \d+ s after their end, all but 1 after \d+ s, the slowest after \d+ s; version:v2: 18 /,
    );
    expect(findings[0]?.fix).toBe(`Set gate.lag: ${lag.recommendedSeconds}s, in defaults or for these CUJs.`);
  });

  it('reports one that is needlessly long', async () => {
    const { findings } = await watched({ gate: { lag: '3m' } });
    expect(checksOf(findings)).toEqual(['info lag-too-long']);
    expect(findings[0]?.verdict).toMatch(/comes 1(40|45)s later than the data allows/);
    expect(findings[0]?.fix).toMatch(/^Set gate\.lag: (35|40)s, in .* CUJs\.$/);
  });

  it('has nothing to do for one that fits, and asks for a rollout where there is one version only', async () => {
    const { findings } = await watched({ gate: { lag: '60s' }, perSlot: { v1: 90, v2: 0 } });
    expect(checksOf(findings)).toEqual(['info lag-fits']);
    expect(findings[0]?.fix).toBe('Nothing to do.');
    expect(findings[0]?.message).toContain('Only one value of version had enough traffic');
  });

  it('speaks of each lag that CUJs have', async () => {
    const document = shopDocument({ lag: '60s' });
    Object.assign(document.cujs?.[1] as object, { gate: { lag: '2m' } });
    const { findings } = await watched({
      document,
      lateness: { seed: 5, slowShare: 0, intakeMs: [55_000, 65_000] },
    });
    expect(findings.map(({ check, message }) => [check, message.split(',')[0]])).toEqual([
      ['lag-too-short', 'lag is 60s (buy)'],
      ['lag-too-long', 'lag is 120s (search)'],
    ]);
  });
});

describe('what doctor cannot say', () => {
  it('with few requests: hosts without a request in a bucket make it seem complete', async () => {
    const { findings, lag } = await watched({ perSlot: { v1: 3, v2: 1 } });
    expect(checksOf(findings)).toEqual(['info lag-unknown']);
    expect(findings[0]?.message).toContain('version:v1 has 3 requests in a bucket of 10s');
    expect(lag.recommendedSeconds).toBeUndefined();
  });

  it('with few buckets: it says how long to watch', async () => {
    const { findings } = await watched({ simulator: { minIntervalMs: MINUTE }, watchMs: 4 * MINUTE });
    expect(checksOf(findings)).toEqual(['info lag-unknown']);
    expect(findings[0]?.message).toMatch(/^[12] buckets of 1m were watched to their end; .* takes 12$/);
    const again = /--watch (\d+)m/.exec(findings[0]?.fix ?? '');
    const { lag } = await watched({
      simulator: { minIntervalMs: MINUTE },
      watchMs: Number(again?.[1]) * MINUTE,
    });
    expect([35, 40]).toContain(lag.recommendedSeconds);
  });

  it('where Datadog fails three times in a row: it stops asking, and uses what it saw', async () => {
    const { findings, lag } = await watched({
      gate: { lag: '60s' },
      onTime: ({ setFault }, elapsedMs) => {
        if (elapsedMs >= 4.5 * MINUTE) setFault(() => ({ kind: 'status', status: 403 }));
      },
    });
    expect(lag.calls).toBe(54 + 3);
    expect(lag.sides[0]?.buckets).toBeGreaterThanOrEqual(12);
    expect(checksOf(findings)).toEqual(['warning lag-watch-failed', 'info lag-fits']);
    expect(findings[0]?.message).toContain('after 57 calls');
  });

  it('and goes on after one failure', async () => {
    const { findings, lag } = await watched({
      gate: { lag: '60s' },
      onTime: ({ setFault }, elapsedMs) => {
        const fails = elapsedMs >= MINUTE && elapsedMs < MINUTE + 10_000;
        setFault(fails ? () => ({ kind: 'status', status: 403 }) : undefined);
      },
    });
    expect(lag.calls).toBe(61);
    expect(checksOf(findings)).toEqual(['info lag-fits']);
  });
});

describe('the number of calls', () => {
  it('is bounded by the length of the watch', () => {
    expect([4, 5, 30].map((minutes) => callsOf(minutes * MINUTE))).toEqual([49, 61, 361]);
  });
});
