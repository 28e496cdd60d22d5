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

describe('what baseline counts of a CUJ over two services', () => {
  /** The canary of shop has stable beside it, that of bank has none: only the first is compared. */
  const counted = (
    requests: number,
    shop: { readonly sampleRate?: number; readonly dispersion?: number },
    bank: { readonly sampleRate?: number; readonly dispersion?: number },
  ) =>
    judge(
      cujOf({ availability: 99, gate: { rule: 'baseline', minRequests: 500 } }),
      measurementOf({
        before: 1,
        availability: [
          endpointOf('POST /orders', over(minutes, requests, 0), over(minutes, 9 * requests, 0), {
            service: 'shop',
            ...shop,
          }),
          endpointOf('POST /charges', over(minutes, 4_000, 0), silent, { service: 'bank', ...bank }),
        ],
      }),
      options,
    );

  it.each([
    ['in bursts elsewhere', {}, { dispersion: 10 }, 500],
    ['in bursts', { dispersion: 10 }, {}, 500],
    ['sampled elsewhere', {}, { sampleRate: 0.1 }, 500],
    ['sampled', { sampleRate: 0.1 }, {}, 5_000],
    ['sampled and in bursts', { sampleRate: 0.5, dispersion: 2 }, { sampleRate: 0.1, dispersion: 19 }, 1_000],
  ])('is what was seen beside stable: %s', (_, shop, bank, enough) => {
    expect(counted(enough, shop, bank)).toMatchObject({ verdict: 'pass', reason: 'not_worse_than_stable' });
    // Requests to come weigh what those compared weigh.
    const [sli] = counted(enough - 100, shop, bank).slis;
    expect(sli).toMatchObject({ reason: 'insufficient_traffic', requestsToVerdict: 100 });
  });

  it('is exact where both are compared, each with a sample rate of its own', () => {
    const of = (more: number) =>
      judge(
        cujOf({ availability: 99, gate: { rule: 'baseline', minRequests: 500 } }),
        measurementOf({
          before: 1,
          availability: [
            endpointOf('POST /orders', over(minutes, 300 + more, 0), over(minutes, 9_000, 0), {
              service: 'shop',
            }),
            endpointOf('POST /charges', over(minutes, 1_990, 0), over(minutes, 9_000, 0), {
              service: 'bank',
              sampleRate: 0.1,
              dispersion: 3,
            }),
          ],
        }),
        options,
      );
    expect(of(0).reason).toBe('insufficient_traffic');
    expect(of(1).verdict).toBe('pass');
  });
});
