import { describe, expect, it } from 'vitest';
import type { CujBudget, SliBudget } from '../../src/domain/ports/error-budget.ts';
import type { Cuj } from '../../src/domain/registry/model.ts';
import type { SliName } from '../../src/domain/sli/table.ts';
import { percentText } from '../../src/error-budget/policy.ts';
import { markdownReport } from '../../src/report/markdown.ts';
import { budgetReport } from '../../src/report/report.ts';
import { NOON } from '../demo/datadog/fixture.ts';
import { registryOf } from '../doctor/clinic.ts';

const registry = registryOf({
  apiVersion: 'cuj-gate/v1',
  defaults: { slo: { availability: 99.95 } },
  services: { shop: { env: 'production', operation: 'express.request', canary: 'version:{version}' } },
  cujs: (['login', 'pay', 'browse', 'search', 'export', 'invite', 'chat'] as const).map((name, i) => ({
    name,
    title: name === 'pay' ? 'Pay | by card' : `The CUJ ${name}`,
    owner: `team-${name}`,
    tier: i < 2 ? 1 : 3,
    service: 'shop',
    ...(name === 'login' ? { runbook: 'https://wiki.example.com/login' } : {}),
    ...(name === 'search' ? { slo: { latency: 99 }, latencyMs: 300 } : {}),
    endpoints: [`GET /${name}`],
    ...(name === 'browse'
      ? {}
      : {
          errorBudgetPolicy: [
            { below: '50%', action: 'Raise it in the biweekly SLO meeting' },
            { below: '0%', action: 'Only reliability work ships', gate: 'strict' as const },
          ],
        }),
  })),
});

const known = (remaining: number, more: object = {}): SliBudget => ({
  known: true,
  remaining,
  sli: 1 - (1 - remaining) * 0.0005,
  recentBurn: 0.4,
  sloId: 'a'.repeat(32),
  sloName: 'x',
  target: 99.95,
  ...more,
});
const unknown: SliBudget = {
  known: false,
  why: 'Datadog has no SLO called "[cuj-gate] export availability"',
};

function budgetsOf(byName: Readonly<Record<string, readonly SliBudget[]>>): CujBudget[] {
  const slis: readonly SliName[] = ['availability', 'latency'];
  return Object.entries(byName).map(([name, budgets]) => ({
    cuj: registry.cujs.get(name) as Cuj,
    slis: new Map(budgets.map((budget, i) => [slis[i] as SliName, budget])),
  }));
}

const budgets = budgetsOf({
  login: [known(0.9)],
  pay: [known(-0.8, { recentBurn: 3.21 })],
  browse: [known(-0.01, { recentBurn: undefined })],
  search: [known(0.7), known(0.2, { target: 98 })],
  export: [unknown],
  invite: [known(1)],
  chat: [known(0.499)],
});
const report = budgetReport('sha256:0123', budgets, NOON);

describe('the report', () => {
  it('puts what is due first by what is left, then what nobody knows, then the rest', () => {
    expect(report.cujs.map(({ cuj, state }) => `${state} ${cuj}`)).toEqual([
      'due pay',
      'due browse',
      'due search',
      'due chat',
      'unknown export',
      'fine login',
      'fine invite',
    ]);
  });

  it('takes the tier where as much is left', () => {
    const same = budgetReport('x', budgetsOf({ chat: [known(0.4)], login: [known(0.4)] }), NOON);
    expect(same.cujs.map(({ cuj }) => cuj)).toEqual(['login', 'chat']);
  });

  it('names every agreed action that is due, the most severe first', () => {
    expect(report.cujs[0]?.due).toEqual([
      { below: 0, action: 'Only reliability work ships', gate: 'strict' },
      { below: 0.5, action: 'Raise it in the biweekly SLO meeting', gate: null },
    ]);
  });

  it('judges a CUJ by the SLI that has least left, and says which objective the budget is of', () => {
    const search = report.cujs.find(({ cuj }) => cuj === 'search');
    expect(search?.remaining).toBe(0.2);
    expect(search?.slis[1]).toMatchObject({
      sli: 'latency',
      objective: 99,
      datadogObjective: 98,
      remaining: 0.2,
    });
  });

  it('has nulls and a reason where a budget is not known, never a number', () => {
    expect(report.cujs.find(({ cuj }) => cuj === 'export')).toMatchObject({
      remaining: null,
      due: [],
      slis: [
        {
          remaining: null,
          value: null,
          burn: null,
          recentBurn: null,
          unknown: expect.stringMatching(/no SLO/),
        },
      ],
    });
  });

  it('is a page for the meeting in Markdown', async () => {
    await expect(markdownReport(report)).toMatchFileSnapshot('testdata/report.md');
  });
});

describe('percent of a budget', () => {
  it.each([
    [0.5, '50%'],
    [0.4999, '49.9%'],
    [-0.0001, '-0.1%'],
    [0, '0%'],
    [-0, '0%'],
    [0.29, '29%'],
    [-1.234, '-123.4%'],
  ])('%d is %s', (ratio, text) => {
    expect(percentText(ratio)).toBe(text);
  });
});
