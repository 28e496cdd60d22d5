import { describe, expect, it } from 'vitest';
import { judge } from '../../../src/domain/judge/judge.ts';
import { requestsToPass } from '../../../src/domain/judge/required-traffic.ts';
import { cujOf, defaultPolicy, endpointOf, measurementOf } from './journey.ts';

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
    expect(requestsToPass({ ...defaultPolicy, ...policy }, budget)).toBe(requests);
  });

  it.each([
    ['counted as they are', {}],
    ['sampled', { sampleRate: 0.1 }],
    ['in bursts', { dispersion: 3 }],
    ['sampled and in bursts, with a minimum', { sampleRate: 0.5, dispersion: 1.5 }],
  ])('lead the judge to a pass, and one fewer does not: %s', (_, counted) => {
    const cuj = cujOf({ gate: { minRequests: 300 } });
    const requests = requestsToPass(cuj.gate, 0.0005, { sampleRate: 1, dispersion: 1, ...counted });
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
    expect(verdictOn(requests)).toBe('pass');
    expect(verdictOn(requests - 1)).toBe('inconclusive');
  });
});
