import { describe, expect, it } from 'vitest';
import { judge } from '../../../src/domain/judge/judge.ts';
import { type Counts, cujOf, endpointOf, measurementOf, over, silent } from './journey.ts';

const options = { registryDigest: 'sha256:test' };

/** One after the other. */
function then(...parts: readonly Counts[]): Counts {
  return {
    total: parts.flatMap(({ total }) => [...Array.from(total)]),
    bad: parts.flatMap(({ bad }) => [...Array.from(bad)]),
  };
}

const none = (minutes: number): Counts => over(minutes, 0, 0);

/** Two endpoints: what is told of the first; the second is clean on both sides, with as much traffic. */
function judged(canary: Counts, stable: Counts) {
  const clean = ({ total }: Counts): Counts => ({ total, bad: Array.from(total, () => 0) });
  const measurement = measurementOf({
    availability: [
      endpointOf('POST /orders', canary, stable),
      endpointOf('GET /a', clean(canary), clean(stable)),
    ],
  });
  const verdict = judge(cujOf({ endpoints: ['POST /orders', 'GET /a'] }), measurement, options);
  const orders = verdict.slis[0]?.endpoints.find(({ endpoint }) => endpoint === 'POST /orders');
  return { ...verdict, allowedRate: orders?.allowedRate };
}

describe('what stable did before, and does no more,', () => {
  /** Half an hour before the canary, stable failed a third of ten minutes: an aborted release is a part of the rest. */
  const stable = then(over(50, 20_000, 0), over(10, 4_000, 1_300), over(30, 12_000, 0), over(10, 4_000, 0));

  it('lets no endpoint fail more than the SLO allows', () => {
    const { verdict, reason, allowedRate } = judged(then(none(90), over(10, 90, 4)), stable);
    expect({ verdict, reason, allowedRate }).toEqual({
      verdict: 'fail',
      reason: 'slo_violated',
      allowedRate: 0.0005,
    });
  });

  it('is no shared cause', () => {
    // All traffic is the canary's from its fifth minute on, and then it breaks: nobody is beside it.
    const early = then(none(90), over(5, 500, 0), over(5, 2_000, 800));
    const gone = then(
      over(50, 20_000, 0),
      over(10, 4_000, 1_300),
      over(30, 12_000, 0),
      over(5, 1_500, 0),
      none(5),
    );
    expect(judged(early, gone)).toMatchObject({ verdict: 'fail', reason: 'slo_violated' });
    expect(
      judged(then(none(90), over(10, 4_000, 800)), then(over(90, 36_000, 1_300), none(10))),
    ).toMatchObject({
      verdict: 'fail',
      reason: 'slo_violated',
    });
  });

  it('is no shared cause for three stray requests', () => {
    const stray = then(over(90, 36_000, 1_300), { total: [1, 0, 0, 0, 1, 0, 0, 0, 0, 1], bad: [] });
    expect(judged(then(none(90), over(10, 4_000, 800)), stray).verdict).toBe('fail');
  });
});

describe('what stable does for ever', () => {
  it('is allowed to the canary, also before stable has failed again beside it', () => {
    const chronic = then(over(90, 36_000, 360), over(10, 240, 1));
    const { verdict, allowedRate } = judged(then(none(90), over(10, 100, 2)), chronic);
    expect(allowedRate).toBeGreaterThan(0.01);
    expect(verdict).not.toBe('fail');
  });

  it('is a shared cause where it fails the canary alike', () => {
    const both = judged(
      then(none(90), over(10, 4_000, 40)),
      then(over(90, 36_000, 360), over(10, 12_000, 120)),
    );
    expect(both.verdict).not.toBe('fail');
  });
});

describe('what stable has not been asked again', () => {
  it('is not over: an endpoint that has always failed is allowed to the canary', () => {
    const broken = then(over(60, 30, 30), none(4));
    const canary = then(none(60), { total: [1, 0, 1, 0], bad: [1, 0, 1, 0] });
    const measurement = measurementOf({
      availability: [
        endpointOf(
          'GET /a',
          then(none(60), over(4, 4_000, 0)),
          then(over(60, 540_000, 0), over(4, 36_000, 0)),
        ),
        endpointOf('GET /b', canary, broken),
      ],
    });
    const verdict = judge(cujOf({ endpoints: ['GET /a', 'GET /b'] }), measurement, options);
    expect(verdict.verdict).not.toBe('fail');
  });
});

describe('a route that only releases have', () => {
  /** Over 40 minutes stable alone, then 20 with a canary that has a quarter of the traffic; then what is told of the route. */
  function retried(before: Counts, canary: Counts) {
    const measurement = measurementOf({
      availability: [
        endpointOf('GET /a', then(none(40), over(20, 20_000, 0)), over(60, 180_000, 0)),
        endpointOf('POST /pay', then(none(60 - canary.total.length), canary), before),
      ],
    });
    const verdict = judge(cujOf({ endpoints: ['GET /a', 'POST /pay'] }), measurement, options);
    const pay = verdict.slis[0]?.endpoints.find(({ endpoint }) => endpoint === 'POST /pay');
    return { verdict: verdict.verdict, reason: verdict.reason, allowedRate: pay?.allowedRate };
  }
  const at = (minute: number, counts: Counts) => then(none(minute), counts);
  const convicted = { verdict: 'fail', reason: 'slo_violated', allowedRate: 0.0005 };

  it.each<[string, Counts, Counts]>([
    ['one request of an aborted release failed on it', at(10, over(1, 1, 1)), over(9, 9, 9)],
    ['five did in one minute', at(10, over(1, 5, 5)), over(9, 9, 9)],
    ['twenty did, and nobody but releases is asked for it', at(5, over(10, 20, 20)), over(10, 20, 20)],
    ['a third did', at(5, over(10, 30, 10)), over(9, 9, 7)],
    ['one of two did', at(10, over(2, 2, 1)), over(6, 6, 6)],
  ])('is not excused because %s', (_, before, canary) => {
    expect(retried(before, canary)).toEqual(convicted);
  });

  it('is excused where stable is asked for it so seldom that nobody can tell', () => {
    expect(retried(at(5, over(30, 30, 30)), over(4, 4, 4)).verdict).not.toBe('fail');
  });
});

describe('an outage that begins during the rollout', () => {
  it('is a shared cause though stable was worse for long before, and had got well', () => {
    const stable = then(over(30, 12_000, 3_000), over(60, 24_000, 0), over(7, 2_800, 0), over(3, 1_200, 60));
    const canary = then(none(90), over(7, 700, 0), over(3, 300, 15));
    expect(judged(canary, stable)).toMatchObject({ verdict: 'inconclusive', reason: 'shared_cause' });
  });

  it('is none where stable has no requests at all', () => {
    expect(judged(then(none(5), over(10, 4_000, 80)), silent).verdict).toBe('fail');
  });
});
