import { describe, expect, it } from 'vitest';
import { judge } from '../../../src/domain/judge/judge.ts';
import type { GatePolicy } from '../../../src/domain/registry/model.ts';
import { type Counts, cujOf, endpointOf, measurementOf, over, silent } from './journey.ts';

const options = { registryDigest: 'sha256:test' };
const minutes = 10;
type Side = readonly [total: number, bad: number, without?: number];

function counted([total, bad, without = 0]: Side): Counts {
  const each = over(minutes, total, bad);
  const none = over(minutes, without, 0);
  return { ...each, withStatus: Array.from(each.total, (all, i) => all - (none.total[i] as number)) };
}

/** A CUJ over two services; of the second one nothing is released, so that all of its traffic is stable's. */
function judged(
  shop: { readonly canary: Side; readonly stable: Side },
  bank: { readonly stable: Side; readonly canary?: Side },
  gate: Partial<GatePolicy> = {},
) {
  const of = (label: string, service: string, canary: Counts, stable: Counts) =>
    endpointOf(label, canary, stable, { service });
  const measurement = measurementOf({
    before: 1,
    availability: [
      of('POST /orders', 'shop', counted(shop.canary), counted(shop.stable)),
      of('POST /charges', 'bank', bank.canary ? counted(bank.canary) : silent, counted(bank.stable)),
    ],
  });
  return judge(cujOf({ gate, endpoints: ['POST /orders', 'POST /charges'] }), measurement, options);
}

describe('a CUJ over two services, one of which is released,', () => {
  const alike = { canary: [500, 25], stable: [1_500, 75] } as const;
  const clean = { stable: [20_000, 0] } as const;

  it('is not aborted for what fails on both sides of that service alike', () => {
    expect(judged(alike, clean)).toMatchObject({ verdict: 'inconclusive', reason: 'shared_cause' });
    expect(judged(alike, clean, { rule: 'baseline' })).toMatchObject({
      verdict: 'pass',
      reason: 'not_worse_than_stable',
    });
  });

  it('is aborted for what its canary alone does', () => {
    const worse = { canary: [500, 25], stable: [1_500, 5] } as const;
    expect(judged(worse, clean)).toMatchObject({ verdict: 'fail', reason: 'slo_violated' });
    expect(judged(worse, clean, { rule: 'baseline' })).toMatchObject({
      verdict: 'fail',
      reason: 'worse_than_stable',
    });
  });

  it('is not excused by an outage of the other one', () => {
    const worse = { canary: [500, 25], stable: [1_500, 2] } as const;
    expect(judged(worse, { stable: [20_000, 2_000] })).toMatchObject({
      verdict: 'fail',
      reason: 'slo_violated',
    });
  });

  it('has no stable beside the canary where only the other one has', () => {
    expect(judged({ canary: [5_000, 0], stable: [0, 0] }, clean, { rule: 'baseline' })).toMatchObject({
      verdict: 'inconclusive',
      reason: 'canary_indistinguishable',
    });
  });

  it('may have requests without a status where the service has as many on stable', () => {
    const without = { canary: [5_000, 0, 250], stable: [15_000, 0, 750] } as const;
    expect(judged(without, { stable: [200_000, 0] }).verdict).toBe('pass');
    const more = { canary: [5_000, 0, 250], stable: [15_000, 0, 75] } as const;
    expect(judged(more, { stable: [200_000, 0] }).reason).toBe('status_missing');
  });
});
