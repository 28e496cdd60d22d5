import { describe, expect, test, vi } from 'vitest';
import { judge, type Verdict } from '../../src/domain/judge/judge.ts';
import { rules } from '../../src/domain/judge/rules/table.ts';
import type { Measurement } from '../../src/domain/metrics/metrics-source.ts';
import { type RuleName, ruleNames } from '../../src/domain/registry/rules.ts';
import { type Counts, cujOf, endpointOf, measurementOf, over, silent } from '../domain/judge/journey.ts';

/** What is not the product's: the two tables, changed as somebody who adds a rule changes them. */
vi.mock('../../src/domain/registry/rules.ts', async (original) => {
  const real = await original<typeof import('../../src/domain/registry/rules.ts')>();
  const { tripledFacts } = await import('./tripled-rule.ts');
  const ruleFacts = { ...real.ruleFacts, tripled: tripledFacts };
  return { ...real, ruleFacts, ruleNames: Object.keys(ruleFacts) };
});
vi.mock('../../src/domain/judge/rules/table.ts', async (original) => {
  const real = await original<typeof import('../../src/domain/judge/rules/table.ts')>();
  const { tripled } = await import('./tripled-rule.ts');
  return { rules: { ...real.rules, tripled } };
});

const tripled = 'tripled' as RuleName;

function judged(rule: RuleName, measurement: Measurement, ruleOutBurn = 3): Verdict {
  const cuj = cujOf({ gate: { rule, ...(rule === tripled ? { ruleOutBurn } : {}) } });
  return judge(cuj, measurement, { registryDigest: 'sha256:test' });
}

function measured(canary: Counts, stable: Counts, before = 6): Measurement {
  return measurementOf({ before, availability: [endpointOf('GET /a', canary, stable)] });
}

/** Most of the requests carry no status. */
function blind({ total, bad }: Counts): Counts {
  return { total, bad, withStatus: Array.from(total, (requests) => requests / 4) };
}

const situations: Readonly<Record<string, Measurement>> = {
  healthy: measured(over(10, 100_000, 0), over(10, 100_000, 0)),
  'little traffic': measured(over(4, 8, 0), over(4, 80, 0)),
  broken: measured(over(10, 10_000, 500), over(10, 100_000, 0)),
  'broken in one minute': measured({ total: [1000, 1000], bad: [500, 0] }, over(2, 10_000, 0)),
  'somewhat below its objective': measured(over(10, 10_000, 6), over(10, 100_000, 30)),
  'broken like stable': measured(over(10, 10_000, 500), over(10, 10_000, 500)),
  'without stable': measured(over(10, 10_000, 0), silent, 0),
  'without stable in the same minutes': measured(
    { total: [0, 0, 0, 0, 0, 0, 1000, 1000], bad: [0, 0, 0, 0, 0, 0, 0, 0] },
    { total: [1000, 1000, 1000, 1000, 1000, 1000, 0, 0], bad: [0, 0, 0, 0, 0, 0, 0, 0] },
    0,
  ),
  'a blind canary': measured(blind(over(10, 10_000, 0)), over(10, 10_000, 0)),
  'blind stable beside a broken canary': measured(over(10, 10_000, 500), blind(over(10, 10_000, 0))),
};

describe.each(ruleNames)('the rule %s', (name) => {
  test.each(Object.entries(situations))('names no other rule: %s', (_, measurement) => {
    const { summary, hint } = judged(name, measurement);
    const others = ruleNames.filter((other) => other !== name);
    expect(`${summary} ${hint}`).not.toMatch(new RegExp(`\\b(${others.join('|')})\\b`));
  });
});

describe.each(ruleNames.filter((name) => rules[name].comparesStable))(
  'the rule %s, which compares',
  (name) => {
    test('fails nothing by a stable that is blind', () => {
      expect(judged(name, measured(over(10, 10_000, 500), over(10, 10_000, 0))).verdict).toBe('fail');
      expect(judged(name, measured(over(10, 10_000, 500), blind(over(10, 10_000, 0))))).toMatchObject({
        verdict: 'inconclusive',
        reason: 'status_missing',
        slis: [{ requestsToVerdict: null, missingStatus: { side: 'stable' } }],
      });
    });
  },
);

describe('a rule that only the tables know', () => {
  test('says by its own name what it fails by, with numbers of the gate', () => {
    const { summary, hint } = judged(tripled, measured(over(10, 10_000, 500), over(10, 10_000, 100)));
    expect(summary).toMatch(/; the rule tripled fails above 3 times the rate of stable$/);
    expect(hint).toMatch(/^Abort or roll back\. /);
  });

  test('goes by numbers of the gate', () => {
    const twice = measured(over(10, 10_000, 250), over(10, 10_000, 100));
    expect(judged(tripled, twice).verdict).toBe('pass');
    expect(judged(tripled, twice, 2).verdict).toBe('fail');
  });

  test('says by its own name that it compares with stable', () => {
    expect(judged(tripled, situations['without stable in the same minutes'] as Measurement)).toMatchObject({
      reason: 'canary_indistinguishable',
      summary: expect.stringContaining('and the rule tripled compares only those'),
    });
  });

  test('goes by the rate of stable even where that is below the budget', () => {
    const stable = over(10, 100_000, 10);
    expect(judged(tripled, measured(over(10, 100_000, 30), stable)).verdict).toBe('pass');
    expect(judged(tripled, measured(over(10, 100_000, 31), stable)).verdict).toBe('fail');
  });
});
