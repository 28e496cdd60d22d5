import { afterEach, describe, expect, it } from 'vitest';
import type { Simulator } from '../../src/demo/datadog/simulator.ts';
import { judge } from '../../src/domain/judge/judge.ts';
import type { SideCounts } from '../../src/domain/metrics/metrics-source.ts';
import type { GateDocument, RegistryDocument } from '../../src/domain/registry/schema.ts';
import { levelsOf } from '../../src/plan/levels.ts';
import { planTraffic } from '../../src/plan/plan.ts';
import type { PlanEntry } from '../../src/plan/traffic-plan.ts';
import { hourlyTraffic } from '../../src/sources/datadog/api/hourly-traffic.ts';
import { MINUTE, NOON } from '../demo/datadog/fixture.ts';
import {
  apiOf,
  clinic,
  closeAll,
  hits,
  limitedPass,
  provenOnly,
  registryOf,
  shopDocument,
} from '../doctor/clinic.ts';
import { cujOf, endpointOf, measurementOf, over } from '../domain/judge/journey.ts';

afterEach(closeAll);

const HOUR = 3_600_000;
const days = 3;
const from = NOON - days * 24 * HOUR;

/** So many requests an hour, a tenth of them around 03:00 UTC; one afternoon is an outage without any traffic. */
function trade(simulator: Simulator, perHour: Record<string, number>, more: { version?: string } = {}): void {
  for (let hour = from; hour < NOON; hour += HOUR) {
    if (hour === from + 2 * HOUR) continue;
    const night = new Date(hour).getUTCHours() === 3;
    for (const [resource, all] of Object.entries(perHour)) {
      const count = night ? all / 10 : all;
      const event = { ...hits, version: 'v1', resource, ...more };
      // Spread over the hour, as traffic is.
      for (const at of [0, 20, 40]) {
        simulator.store.recordRequests({
          ...event,
          at: hour + at * 60_000,
          statusCode: 200,
          count: count / 3,
        });
      }
    }
  }
}

/** `wait` in minutes; by default longer than any of the longest windows. */
async function planOf(simulator: Simulator, document: RegistryDocument, weights: number[], wait = 600) {
  const registry = registryOf(document);
  const services = new Map<string, SideCounts>();
  for (const batch of registry.batches) {
    for (const [name, counts] of await hourlyTraffic(apiOf(simulator), batch, from, NOON))
      services.set(name, counts);
  }
  const plan = planTraffic(registry, { fromMs: from, toMs: NOON, services }, weights, wait);
  const entry = (cuj: string, sli = 'availability') =>
    plan.entries.find((one) => one.cuj === cuj && one.sli === sli) as PlanEntry;
  return { plan, entry };
}

describe('the levels of traffic', () => {
  it('are the median hour and the quietest hour of the day, which one outage is not', async () => {
    const hours = Float64Array.from({ length: 72 }, (_, i) => (i % 24 === 15 ? 120 : 600));
    hours[30] = 0;
    expect(levelsOf(hours, from)).toEqual({ median: 10, quietest: 2, quietestHour: 3 });
  });
});

describe('a plan from traffic that was planted', () => {
  it('counts every version once, in one call, and says how long a pass takes by day and at night', async () => {
    const simulator = await clinic();
    trade(simulator, { 'GET /items/:id': 2_400, 'POST /orders': 600, 'GET /search': 6_000 });
    trade(simulator, { 'GET /items/:id': 600 }, { version: 'v2' });
    const { plan, entry } = await planOf(simulator, shopDocument(provenOnly), [25]);
    expect(simulator.calls).toHaveLength(1);
    // 3,600 an hour, 360 at night. 415 clean requests at 15 a minute are 28 minutes, 45 s more until the data is there.
    expect(entry('buy')).toMatchObject({
      requestsPerMinute: { median: 60, quietest: 6, quietestHour: 3 },
      cleanRequests: 415,
      windowMinutes: 120,
      minWeight: { median: 6, quietest: 58 },
      weights: [
        {
          weight: 25,
          judgeable: 'by_day',
          median: { minutes: 29, fits: true, requests: 420 },
          quietest: { minutes: 278, fits: false, requests: 180 },
        },
      ],
    });
    expect(entry('buy').help).toEqual([
      'A weight of 58% or more.',
      'maxWindow: 5h, and a pause as long.',
      expect.stringMatching(/^ruleOutBurn: 33\.1:/),
      'Joined with search (10 requests per minute) in one CUJ; each endpoint keeps its own evidence.',
      'Rollouts at another time than around 03:00 UTC.',
      expect.stringMatching(/^onLowTraffic: pass/),
    ]);
    // Latency at 99% needs 20 requests: 14.4 x 1% is ruled out by that many.
    expect(entry('search', 'latency')).toMatchObject({
      cleanRequests: 20,
      weights: [{ judgeable: 'always' }],
    });
    expect(plan.notJudgeable).toEqual([]);
  });

  it('names the breakage that the judge fails in that time, and not one event less', async () => {
    const simulator = await clinic();
    trade(simulator, { 'GET /search': 6_000 });
    const document = shopDocument(provenOnly);
    document.cujs = [{ name: 'search', owner: 'x', service: 'shop', endpoints: ['GET /search'] }];
    const { entry } = await planOf(simulator, document, [25]);
    const { minutes, requests, failAtBadEvents, caughtBurn } = entry('search').weights[0]!.median;
    expect(minutes).toBe(17 + 1);
    expect(requests).toBe(425);
    const verdict = (bad: number) =>
      judge(
        cujOf(),
        measurementOf({
          before: 10,
          availability: [endpointOf('GET /a', over(17, 425, bad), over(17, 1_275, 0))],
        }),
        { registryDigest: '' },
      ).verdict;
    expect(verdict(failAtBadEvents as number)).toBe('fail');
    expect(verdict((failAtBadEvents as number) - 1)).not.toBe('fail');
    expect(caughtBurn).toBeCloseTo((failAtBadEvents as number) / 425 / 0.0005, 9);
  });

  it('counts what was observed of sampled and bursty services', async () => {
    const simulator = await clinic();
    trade(simulator, { 'GET /items/:id': 60_000 });
    const document = shopDocument(provenOnly);
    Object.assign(document.services?.shop as object, { sampleRate: 0.1, dispersion: 2 });
    const { entry } = await planOf(simulator, document, [50]);
    // Each counted request weighs a twentieth.
    const needed = entry('buy').cleanRequests as number;
    expect(needed).toBeGreaterThan(20 * 414);
    expect(needed).toBeLessThanOrEqual(20 * 415);
    expect(entry('buy').weights[0]?.median.minutes).toBe(Math.ceil(needed / 500) + 1);
  });

  it('says what cannot be judged, and what lives below its SLO', async () => {
    const simulator = await clinic();
    trade(simulator, { 'POST /orders': 60, 'GET /search': 6_000 });
    simulator.store.recordRequests({
      ...hits,
      version: 'v1',
      resource: 'GET /search',
      at: from,
      statusCode: 500,
      count: 2_000,
    });
    const document = shopDocument(provenOnly);
    document.cujs?.push({
      name: 'ghost',
      owner: 'x',
      service: 'shop',
      mode: 'observe',
      endpoints: ['GET /ghost'],
    });
    const { plan, entry } = await planOf(simulator, document, [5, 25]);
    expect(plan.notJudgeable).toEqual(['buy']);
    expect(entry('buy').weights.map(({ judgeable }) => judgeable)).toEqual(['never', 'never']);
    expect(entry('buy').minWeight).toEqual({ median: null, quietest: null });
    expect(entry('buy').help.join(' ')).not.toContain('A weight of');
    expect(entry('search').notes.join(' ')).toContain('below its objective of 99.95%');
    expect(entry('ghost').help.join(' ')).toContain('cuj-gate doctor');
    expect(entry('ghost').weights[0]?.median).toMatchObject({ minutes: null, fits: false });
  });

  it('knows what a pass takes under a rule that compares with stable', async () => {
    const simulator = await clinic();
    trade(simulator, { 'GET /items/:id': 3_600, 'GET /search': 6_000 });
    const planned = async (gate: GateDocument) =>
      (await planOf(simulator, shopDocument({ ...gate, rule: 'baseline' }), [25])).entry('buy');
    // Stable never fails here: a multiple of the budget is ruled out, as under confidence.
    expect(await planned(provenOnly)).toMatchObject({
      cleanRequests: 415,
      limitedRequests: null,
      weights: [{ judgeable: 'by_day', median: { minutes: 29 } }],
    });
    expect(await planned(limitedPass)).toMatchObject({
      limitedRequests: 60,
      weights: [{ judgeable: 'always', median: { minutes: 9, fits: true } }],
    });
    // The more stable fails, the fewer requests rule out a multiple of it.
    simulator.store.recordRequests({
      ...hits,
      version: 'v1',
      resource: 'GET /items/:id',
      at: from,
      statusCode: 500,
      count: 2_000,
    });
    expect((await planned(provenOnly)).cleanRequests).toBeLessThan(100);
  });

  it('calls a pass that only onLowTraffic gives unproven', async () => {
    const simulator = await clinic();
    trade(simulator, { 'POST /orders': 60, 'GET /search': 6_000 });
    const document = shopDocument(limitedPass);
    Object.assign(document.cujs?.[0] as object, { gate: { onLowTraffic: 'pass' } });
    const { plan, entry } = await planOf(simulator, document, [25]);
    expect(entry('buy').weights[0]?.judgeable).toBe('unproven');
    expect(plan.notJudgeable).toEqual([]);
  });

  it('reads sources other than traces, without their selector', async () => {
    const simulator = await clinic();
    const tags = { destination_service_name: 'shop', destination_version: 'v1' };
    for (let hour = from; hour < NOON; hour += HOUR) {
      simulator.store.addCount('mesh.requests', hour, 3_594, { ...tags, response_code: '200' });
      simulator.store.addCount('mesh.requests', hour, 6, { ...tags, response_code: '503' });
    }
    const filter = 'destination_service_name:{service},{selector}';
    const { entry } = await planOf(
      simulator,
      {
        apiVersion: 'cuj-gate/v1',
        sources: {
          mesh: {
            total: `sum:mesh.requests{${filter}}.as_count()`,
            bad: `sum:mesh.requests{${filter},response_code:5*}.as_count()`,
          },
        },
        services: { shop: { env: 'production', source: 'mesh', canary: 'destination_version:{version}' } },
        cujs: [
          {
            name: 'all',
            owner: 'x',
            service: 'shop',
            slo: { availability: 99.5 },
            gate: provenOnly,
            endpoints: '*',
          },
        ],
      },
      [25],
    );
    expect(entry('all')).toMatchObject({
      value: 3_594 / 3_600,
      requestsPerMinute: { median: 60 },
      cleanRequests: 41,
      weights: [{ judgeable: 'always', median: { minutes: 4 } }],
    });
  });
});

describe('a plan with limited passes', () => {
  /** Of the CUJ `buy`: 60 requests a minute, 6 at night. */
  async function planOfBuy(gate: GateDocument, weight: number, perHour = 3_600) {
    const simulator = await clinic();
    trade(simulator, { 'GET /items/:id': perHour });
    return (await planOf(simulator, shopDocument(gate), [weight])).entry('buy');
  }

  it('comes passAfter after the switch, or when the requests are there', async () => {
    // 15 a minute by day: 60 are there before the 8 minutes are over. 1.5 at night: 60 take 40 minutes.
    expect(await planOfBuy(limitedPass, 25)).toMatchObject({
      cleanRequests: 415,
      limitedRequests: 60,
      minWeight: { median: 1, quietest: 9 },
      weights: [
        {
          judgeable: 'always',
          median: { minutes: 9, fits: true, requests: 120 },
          quietest: { minutes: 41, fits: true, requests: 60 },
        },
      ],
      help: [],
    });
  });

  it('says what each pass rules out, which the judge says of the same counts', async () => {
    const { median, quietest } = (await planOfBuy(limitedPass, 25)).weights[0]!;
    const gate = { passAfterMs: 8 * MINUTE, rulesOutRate: 0.05, minRequests: 60 };
    const verdict = (minutes: number, requests: number) =>
      judge(
        cujOf({ gate }),
        measurementOf({
          before: 10,
          availability: [endpointOf('GET /a', over(minutes, requests, 0), over(minutes, requests * 3, 0))],
        }),
        { registryDigest: '' },
      ).slis[0];
    expect(verdict(8, 120)).toMatchObject({ reason: 'limited_evidence', rulesOutRate: median.rulesOutRate });
    expect(verdict(7, 105)?.verdict).toBe('inconclusive');
    expect(verdict(40, 60)).toMatchObject({
      reason: 'limited_evidence',
      rulesOutRate: quietest.rulesOutRate,
    });
    expect(verdict(40, 59)?.verdict).toBe('inconclusive');
  });

  it('gives way to a proven pass that comes sooner', async () => {
    // 100 requests a minute: 415 take 5 minutes.
    const { weights } = await planOfBuy(limitedPass, 25, 24_000);
    expect(weights[0]?.median).toMatchObject({ minutes: 6, requests: 500 });
  });

  it.each([
    ['a fixed window', { ...limitedPass, window: '30m' }],
    ['the rule strict', { ...limitedPass, rule: 'strict' }],
    ['passAfter: never', { ...limitedPass, passAfter: 'never' }],
    ['a maxWindow below the default of passAfter', { maxWindow: '5m' }],
  ] satisfies [string, GateDocument][])('has none with %s', async (_, gate) => {
    const { limitedRequests, cleanRequests, weights } = await planOfBuy(gate, 25);
    expect(limitedRequests).toBeNull();
    expect(weights[0]?.median.minutes).toBe(Math.ceil((cleanRequests as number) / 15) + 1);
  });

  it('has one where maxWindow is as long as passAfter', async () => {
    const { limitedRequests, weights } = await planOfBuy({ ...limitedPass, maxWindow: '8m' }, 25);
    expect(limitedRequests).toBe(60);
    expect(weights[0]?.median).toMatchObject({ minutes: 9, fits: true });
  });

  it('asks a sampled service for what was observed', async () => {
    const simulator = await clinic();
    trade(simulator, { 'GET /items/:id': 3_600 });
    const document = shopDocument(limitedPass);
    Object.assign(document.services?.shop as object, { sampleRate: 0.5 });
    expect((await planOf(simulator, document, [25])).entry('buy').limitedRequests).toBe(120);
  });

  it('says what helps where even that is too much', async () => {
    // 0.25 a minute: 30 requests in the longest window.
    const { weights, help } = await planOfBuy(limitedPass, 25, 60);
    expect(weights[0]).toMatchObject({
      judgeable: 'never',
      median: { minutes: 241, fits: false, requests: 30 },
    });
    expect(help).toEqual([
      'A weight of 50% or more.',
      'maxWindow: 4h, and a pause as long.',
      // With 60 requests at least, no rate helps; and 5% takes 59. 30 clean requests rule out 1 - 0.05^(1/30) = 9.503%.
      'rulesOutRate: 9.6 together with minRequests: 30, neither alone: a pass with limited evidence then rules out only this failure rate.',
      expect.stringMatching(/^onLowTraffic: pass/),
      expect.stringMatching(/^mode: observe/),
    ]);
  });

  it.each([
    ['rulesOutRate', { minRequests: 30 }, /^rulesOutRate: 9\.6: a pass/],
    ['minRequests', { rulesOutRate: 10 }, /^minRequests: 30 or less: 60 is more/],
  ] satisfies [string, GateDocument, RegExp][])('names %s where it helps alone', async (_, gate, help) => {
    const settings = (await planOfBuy({ ...limitedPass, ...gate }, 25, 60)).help.filter((text) =>
      /rulesOutRate|minRequests/.test(text),
    );
    expect(settings).toEqual([expect.stringMatching(help)]);
  });

  it('does not name settings of a limited pass where there is none, or that the registry does not take', async () => {
    const never = await planOfBuy({ ...limitedPass, passAfter: 'never' }, 25, 60);
    expect(never.help.join()).not.toContain('rulesOutRate');
    // 4 requests rule out 52.7%, and the registry takes up to 50%.
    const four = await planOfBuy(limitedPass, 25, 8);
    expect(four.weights[0]?.median.requests).toBe(4);
    expect(four.help.join()).not.toContain('rulesOutRate');
  });

  it('proposes settings with which the plan fits', async () => {
    const { weights } = await planOfBuy({ ...limitedPass, rulesOutRate: 9.6, minRequests: 30 }, 25, 60);
    expect(weights[0]?.median).toMatchObject({ fits: true, requests: 30 });
  });
});

describe('a plan of rollouts that do not wait for ever', () => {
  async function planOfBuy(perHour: number, gate: GateDocument, wait: number, weights = [25]) {
    const simulator = await clinic();
    trade(simulator, { 'GET /items/:id': perHour, 'GET /search': 60_000 });
    const { plan, entry } = await planOf(simulator, shopDocument({ lag: '90s', ...gate }), weights, wait);
    return { plan, buy: entry('buy'), at: entry('buy').weights.at(-1)! };
  }

  it('names what passes in time by day and not at night, with what helps', async () => {
    // 60 requests take 40 minutes at 1.5 a minute, and 8 by passAfter at 15; data is 90 s late.
    const { plan, buy, at } = await planOfBuy(3_600, limitedPass, 18);
    expect(at).toMatchObject({ judgeable: 'always', median: { inTime: true }, quietest: { inTime: false } });
    expect(plan.late).toEqual([]);
    expect(buy.help).toEqual([
      // 60 requests in 16 minutes of 6 a minute.
      'A weight of 63% or more.',
      'Steps sized to the traffic: cuj-gate generate rollout analysis-templates --requests-per-minute shop=6. The inline analysis step then waits for up to 60 minutes.',
      'Rollouts at another time than around 03:00 UTC.',
      expect.stringMatching(/^onLowTraffic: pass/),
    ]);
    const enough = await planOfBuy(3_600, limitedPass, 18, [63]);
    expect(enough.at.quietest.inTime).toBe(true);
    expect(enough.buy.help).toEqual([]);
    expect((await planOfBuy(3_600, limitedPass, 18, [62])).at.quietest.inTime).toBe(false);
  });

  it('counts what passes too late at any weight, also in the median hour', async () => {
    // 1.5 requests a minute at 25%: 60 take 40 minutes, and 415 more than two hours.
    const { plan, buy, at } = await planOfBuy(360, limitedPass, 18, [5, 25]);
    expect(at).toMatchObject({ judgeable: 'by_day', median: { fits: true, inTime: false } });
    expect(plan).toMatchObject({ notJudgeable: [], late: ['buy'], waitMinutes: 18 });
    expect(buy.help[0]).toBe('A weight of 63% or more.');
    expect(buy.help.at(-1)).toMatch(/^mode: observe/);
    expect((await planOfBuy(360, limitedPass, 18, [5, 63])).plan.late).toEqual([]);
    expect((await planOfBuy(360, limitedPass, 41)).plan.late).toEqual(['buy']);
    expect((await planOfBuy(360, limitedPass, 41.5)).plan.late).toEqual([]);
  });

  it('does not call late what cannot be judged, and what a rollout does not wait for', async () => {
    expect((await planOfBuy(60, limitedPass, 18)).plan).toMatchObject({ notJudgeable: ['buy'], late: [] });
    const passing = await planOfBuy(360, { ...limitedPass, onLowTraffic: 'pass' }, 18);
    expect(passing.plan.late).toEqual([]);
    expect(passing.at.median.inTime).toBe(true);
  });

  it('says so where passAfter alone is longer', async () => {
    const { plan, buy } = await planOfBuy(3_600, { ...limitedPass, passAfter: '20m' }, 18);
    expect(plan.late).toEqual(['buy']);
    expect(buy.help).toContain('passAfter: 16m: it is longer than the inline analysis step waits.');
  });
});
