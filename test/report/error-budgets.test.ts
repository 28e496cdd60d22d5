import { afterEach, describe, expect, it } from 'vitest';
import type { Simulator } from '../../src/demo/datadog/simulator.ts';
import type { Cuj, Registry } from '../../src/domain/registry/model.ts';
import type { RegistryDocument } from '../../src/domain/registry/schema.ts';
import { createErrorBudgets, type ErrorBudgets } from '../../src/error-budget/refresher.ts';
import { readBudgets } from '../../src/sources/datadog/api/error-budgets.ts';
import { MINUTE, NOON, simulatorAt } from '../demo/datadog/fixture.ts';
import { apiOf, closeAll, hits, registryOf, shopDocument } from '../doctor/clinic.ts';
import { plantSlo } from '../doctor/slo-of-cuj.ts';

afterEach(closeAll);

const dayMs = 1_440 * MINUTE;

/** The shop, whose CUJ `buy` is judged strictly below 50%, and by baseline below 0%. */
function gatedDocument(change: object = {}): RegistryDocument {
  const document = structuredClone(shopDocument());
  Object.assign(document.cujs?.[0] as object, {
    errorBudgetPolicy: [
      { below: '80%', action: 'Talk about it' },
      { below: '50%', action: 'Reliability work first', gate: 'strict' },
      { below: '0%', action: 'Freeze', gate: 'baseline' },
    ],
    ...change,
  });
  return document;
}

/** Requests to `buy` some days ago, of which so many fail. */
function orders(simulator: Simulator, total: number, failed: number, daysAgo = 10): void {
  const event = { ...hits, resource: 'POST /orders', version: 'v1', at: NOON - daysAgo * dayMs };
  simulator.store.recordRequests({ ...event, statusCode: 200, count: total - failed });
  if (failed > 0) simulator.store.recordRequests({ ...event, statusCode: 503, count: failed });
}

async function setUp(document = gatedDocument()) {
  const { simulator, clock } = await simulatorAt(NOON);
  const registry = registryOf(document);
  const warned: object[] = [];
  let current: Registry = registry;
  const budgets = createErrorBudgets({
    read: (cujs, untilMs, signal) => readBudgets(apiOf(simulator), cujs, untilMs, { recent: false, signal }),
    registry: () => current,
    now: () => clock.now,
    intervalMs: 5 * MINUTE,
    logger: { warn: (fields) => void warned.push(fields), error: (fields) => void warned.push(fields) },
  });
  const opinion = (name = 'buy') => budgets.opinion(current.cujs.get(name) as Cuj);
  return {
    simulator,
    clock,
    registry,
    budgets,
    warned,
    opinion,
    reload: (next: Registry) => {
      current = next;
    },
  };
}

describe('reading error budgets', () => {
  it('gives what is left, the value, and the burn of the last week, by our own name', async () => {
    const { simulator, registry } = await setUp();
    const sloId = plantSlo(simulator, registry, 'buy');
    orders(simulator, 100_000, 20, 10);
    orders(simulator, 100_000, 100, 3);
    const [buy] = await readBudgets(apiOf(simulator), [registry.cujs.get('buy') as Cuj], NOON, {
      recent: true,
    });
    const budget = buy?.slis.get('availability');
    // 120 of 200,000 failed where 100 may.
    expect(budget).toMatchObject({
      known: true,
      sloId,
      sloName: '[cuj-gate] buy availability',
      target: 99.95,
    });
    expect(budget).toHaveProperty('remaining', expect.closeTo(-0.2, 6));
    expect(budget).toHaveProperty('sli', expect.closeTo(0.9994, 9));
    expect(budget).toHaveProperty('recentBurn', expect.closeTo(2, 6));
  });

  it('takes one call for the SLOs and one for each history', async () => {
    const { simulator, registry } = await setUp();
    plantSlo(simulator, registry, 'buy');
    plantSlo(simulator, registry, 'search', 'latency');
    orders(simulator, 1_000, 0);
    await readBudgets(apiOf(simulator), [...registry.cujs.values()], NOON, { recent: false });
    expect(simulator.calls.map(({ path }) => path.replace(/[0-9a-f]{32}/, 'ID')).sort()).toEqual([
      '/api/v1/slo',
      '/api/v1/slo/ID/history',
      '/api/v1/slo/ID/history',
    ]);
    const [, history] = simulator.calls;
    expect(Number(history?.search.get('to_ts')) - Number(history?.search.get('from_ts'))).toBe(30 * 86_400);
  });

  it.each([
    ['there is no SLO', () => {}, /no SLO called "\[cuj-gate\] buy availability"/],
    [
      'nothing was asked of the CUJ in the window',
      (simulator: Simulator, registry: Registry) => void plantSlo(simulator, registry, 'buy'),
      /has no value over its window \(The denominator is zero valued\)/,
    ],
    [
      'the SLO has another window',
      (simulator: Simulator, registry: Registry) => {
        plantSlo(simulator, registry, 'buy', 'availability', { timeframe: '7d' });
        orders(simulator, 1_000, 0);
      },
      /has no target over 30d/,
    ],
    [
      'Datadog is down',
      (simulator: Simulator, registry: Registry) => {
        plantSlo(simulator, registry, 'buy');
        simulator.faults.push({ kind: 'status', status: 403, path: 'history' });
      },
      /could not be read \(source_rejected\): Datadog answered 403/,
    ],
    [
      'an answer is cut off',
      (simulator: Simulator, registry: Registry) => {
        plantSlo(simulator, registry, 'buy');
        simulator.faults.push({ kind: 'empty_body', path: 'history' });
      },
      /could not be read \(source_malformed\)/,
    ],
  ])('is unknown, with the reason, where %s', async (_, plant, why) => {
    const { simulator, registry } = await setUp();
    plant(simulator, registry);
    const [buy] = await readBudgets(apiOf(simulator), [registry.cujs.get('buy') as Cuj], NOON, {
      recent: false,
    });
    expect(buy?.slis.get('availability')).toEqual({ known: false, why: expect.stringMatching(why) });
  });
});

describe('error budgets that change rules', () => {
  it.each([
    ['leaves the rule while there is enough', 20, {}],
    [
      'changes the rule below the first entry with gate:',
      60,
      {
        rule: {
          rule: 'strict',
          because:
            'errorBudgetPolicy: 40% of the availability error budget is left, which is below 50%; agreed: Reliability work first',
        },
      },
    ],
    [
      'takes the most severe entry',
      120,
      {
        rule: {
          rule: 'baseline',
          because:
            'errorBudgetPolicy: -20% of the availability error budget is left, which is below 0%; agreed: Freeze',
        },
      },
    ],
  ])('%s', async (_, failed, opinion) => {
    const { simulator, registry, budgets, opinion: ofBuy } = await setUp();
    plantSlo(simulator, registry, 'buy');
    orders(simulator, 200_000, failed);
    await budgets.refresh();
    expect(ofBuy()).toEqual(opinion);
  });

  it('says why the budget is unknown, and changes no rule', async () => {
    const { budgets, opinion } = await setUp();
    expect(opinion()).toEqual({ note: expect.stringContaining('availability: it has not been read yet') });
    await budgets.refresh();
    expect(opinion()).toEqual({ note: expect.stringContaining('Datadog has no SLO called') });
  });

  it('lets an SLI that is known to be below change the rule while another is unknown', async () => {
    const { simulator, registry, budgets, opinion } = await setUp(
      gatedDocument({ slo: { latency: 99 }, latencyMs: 500 }),
    );
    plantSlo(simulator, registry, 'buy');
    orders(simulator, 200_000, 60);
    await budgets.refresh();
    expect(opinion()).toEqual({
      rule: expect.objectContaining({ rule: 'strict' }),
      note: expect.stringContaining('latency: Datadog has no SLO called'),
    });
  });

  it('asks for no CUJ without an entry with gate:, and nobody at all where there is none', async () => {
    const { simulator, budgets, opinion } = await setUp(shopDocument());
    await budgets.refresh();
    expect(simulator.calls).toEqual([]);
    expect(opinion()).toEqual({});
    expect(budgets.remaining()).toEqual([]);
  });

  it('keeps what it knows through a failure, for half an hour', async () => {
    const { simulator, clock, registry, budgets, warned, opinion } = await setUp();
    plantSlo(simulator, registry, 'buy');
    orders(simulator, 200_000, 60);
    await budgets.refresh();
    simulator.faults.push({ kind: 'status', status: 403 });
    clock.now = NOON + 30 * MINUTE;
    await budgets.refresh();
    expect(opinion().rule?.rule).toBe('strict');
    expect(warned).toMatchObject([{ cuj: 'buy', sli: 'availability', why: expect.stringContaining('403') }]);
    expect(budgets.remaining()).toEqual([{ cuj: 'buy', sli: 'availability', ratio: expect.closeTo(0.4, 6) }]);

    clock.now = NOON + 31 * MINUTE;
    expect(opinion()).toEqual({
      note: expect.stringContaining('it was last read at 2026-03-10T12:00:00.000Z'),
    });
    expect(budgets.remaining()).toEqual([]);

    simulator.faults.clear();
    await budgets.refresh();
    expect(opinion().rule?.rule).toBe('strict');
  });

  it('forgets a budget when the CUJ gets another objective', async () => {
    const { simulator, registry, budgets, opinion, reload } = await setUp();
    plantSlo(simulator, registry, 'buy');
    orders(simulator, 200_000, 60);
    await budgets.refresh();
    reload(registryOf(gatedDocument({ slo: { availability: 99.9 } })));
    expect(opinion()).toEqual({ note: expect.stringContaining('not been read yet') });
  });

  it('asks at the start and at every interval until it is stopped', async () => {
    const { simulator, registry } = await setUp();
    const ticks: (() => void)[] = [];
    let ended = 0;
    const budgets: ErrorBudgets = createErrorBudgets({
      read: (cujs, untilMs, signal) =>
        readBudgets(apiOf(simulator), cujs, untilMs, { recent: false, signal }),
      registry: () => registry,
      now: () => NOON,
      intervalMs: 5 * MINUTE,
      logger: { warn: () => {}, error: () => {} },
      every: (ms, task) => {
        expect(ms).toBe(5 * MINUTE);
        ticks.push(task);
        return () => {
          ended += 1;
        };
      },
    });
    budgets.start();
    budgets.start();
    await budgets.refresh();
    expect(simulator.calls).toHaveLength(1);
    ticks[0]?.();
    await budgets.refresh();
    expect(simulator.calls).toHaveLength(2);
    budgets.stop();
    expect([ticks.length, ended]).toEqual([1, 1]);
  });
});
