import { describe, expect, it } from 'vitest';
import { judge } from '../../../src/domain/judge/judge.ts';
import { requestsToPass } from '../../../src/domain/judge/required-traffic.ts';
import { cujOf, defaultPolicy, endpointOf, measurementOf } from './journey.ts';

describe('the clean requests that a pass with limited evidence takes', () => {
  const gate = { ...defaultPolicy, passAfterMs: 480_000, rulesOutRate: 0.05 };

  it('rule out rulesOutRate, and are at least minRequests', () => {
    expect(requestsToPass(gate, 0.0005).limited).toBe(59);
    expect(requestsToPass({ ...gate, minRequests: 60 }, 0.0005).limited).toBe(60);
    expect(requestsToPass(gate, 0.0005, { sampleRate: 0.1, dispersion: 2 }).limited).toBe(1_169);
  });

  it('do not exist under strict, with a fixed window, or with a passAfter of more than maxWindow', () => {
    expect(requestsToPass({ ...gate, rule: 'strict' }, 0.0005).limited).toBe(Number.POSITIVE_INFINITY);
    expect(requestsToPass({ ...gate, window: 600_000 }, 0.0005).limited).toBe(Number.POSITIVE_INFINITY);
    expect(requestsToPass({ ...gate, maxWindowMs: 420_000 }, 0.0005).limited).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('the clean requests that a pass takes', () => {
  it.each([
    ['a rule that rules out a burn', {}, 0.0005, 415],
    ['minRequests, where that is more', { minRequests: 1_000 }, 0.0005, 1_000],
    ['one under strict', { rule: 'strict' as const }, 0.0005, 1],
    ['minRequests under strict', { rule: 'strict' as const, minRequests: 30 }, 0.0005, 30],
    ['a burn that no rate can reach', { ruleOutBurn: 1_000 }, 0.01, 1],
    [
      'the same under baseline, which rules half of what is left out',
      { rule: 'baseline' as const, ruleOutBurn: 1_000 },
      0.01,
      5,
    ],
  ])('are those of %s', (_, policy, budget, requests) => {
    expect(requestsToPass({ ...defaultPolicy, ...policy }, budget)).toEqual({
      proven: requests,
      limited: Number.POSITIVE_INFINITY,
    });
  });

  it.each([
    ['counted as they are', {}],
    ['sampled', { sampleRate: 0.1 }],
    ['in bursts', { dispersion: 3 }],
    ['sampled and in bursts, with a minimum', { sampleRate: 0.5, dispersion: 1.5 }],
  ])('lead the judge to a pass, and one fewer does not: %s', (_, counted) => {
    const cuj = cujOf({ gate: { minRequests: 300 } });
    const { proven } = requestsToPass(cuj.gate, 0.0005, { sampleRate: 1, dispersion: 1, ...counted });
    const verdictOn = (count: number) =>
      judge(
        cuj,
        measurementOf({
          availability: [
            endpointOf('GET /a', { total: [0, 0, count], bad: [] }, { total: [900], bad: [] }, counted),
          ],
        }),
        { registryDigest: 'sha256:0' },
      ).verdict;
    expect(verdictOn(proven)).toBe('pass');
    expect(verdictOn(proven - 1)).toBe('inconclusive');
  });
});
