import { describe, expect, it } from 'vitest';
import { type JudgeOptions, judge, unknownVerdict } from '../../../src/domain/judge/judge.ts';
import type { Measurement } from '../../../src/domain/metrics/metrics-source.ts';
import type { GatePolicy } from '../../../src/domain/registry/model.ts';
import { cujOf, endpointOf, measurementOf, over, silent } from './journey.ts';

const options: JudgeOptions = { registryDigest: 'sha256:test' };

interface Case {
  readonly n: number;
  readonly e: number;
  readonly stable?: readonly [total: number, bad: number];
  readonly gate?: Partial<GatePolicy>;
  readonly minutes?: number;
  readonly before?: number;
}

/** One endpoint, n requests and e bad events over ten minutes that follow one in which only stable had traffic. */
function judged({ n, e, stable = [10_000, 0], gate = {}, minutes = 10, before = 0 }: Case) {
  const measurement = measurementOf({
    before,
    availability: [endpointOf('GET /a', over(minutes, n, e), over(minutes, stable[0], stable[1]))],
  });
  const verdict = judge(cujOf({ gate }), measurement, options);
  return { ...verdict, sli: verdict.slis[0] as (typeof verdict.slis)[number] };
}

describe('the rule confidence', () => {
  it.each<[string, Case, string, string]>([
    ['1: no events are no data', { n: 0, e: 0 }, 'inconclusive', 'no_data'],
    ['2: evidence of 20 fails', { n: 2000, e: 6 }, 'fail', 'slo_violated'],
    ['2: one bad event fewer does not', { n: 2000, e: 5 }, 'inconclusive', 'within_noise'],
    [
      '2: one unlucky request never fails, whatever its evidence',
      { n: 1, e: 1, minutes: 2 },
      'inconclusive',
      'insufficient_traffic',
    ],
    [
      '2: a stable that fails as well points to a shared cause',
      { n: 2000, e: 20, stable: [20_000, 200] },
      'inconclusive',
      'shared_cause',
    ],
    [
      '2: a stable that fails as well does not excuse a canary that fails far more',
      { n: 2000, e: 200, stable: [20_000, 40] },
      'fail',
      'slo_violated',
    ],
    [
      '2: a fail does not need a stable',
      { n: 2000, e: 6, stable: [0, 0], gate: { restartGapMs: 60_000 }, before: 2 },
      'fail',
      'slo_violated',
    ],
    [
      '3: 414 clean requests do not rule out a 14.4 times burn',
      { n: 414, e: 0 },
      'inconclusive',
      'insufficient_traffic',
    ],
    ['3: 415 clean requests do', { n: 415, e: 0 }, 'pass', 'within_slo'],
    [
      '3: fewer than minRequests never pass',
      { n: 499, e: 0, gate: { minRequests: 500 } },
      'inconclusive',
      'insufficient_traffic',
    ],
    ['3: minRequests pass', { n: 500, e: 0, gate: { minRequests: 500 } }, 'pass', 'within_slo'],
    [
      '3: minRequests does not hold up a fail',
      { n: 200, e: 9, gate: { minRequests: 500 } },
      'fail',
      'slo_violated',
    ],
    [
      '3: onLowTraffic can wave a clean canary through',
      { n: 10, e: 0, gate: { onLowTraffic: 'pass' } },
      'pass',
      'insufficient_traffic',
    ],
    [
      '3: onLowTraffic waves nothing through that is below its objective',
      { n: 10, e: 1, gate: { onLowTraffic: 'pass' } },
      'inconclusive',
      'within_noise',
    ],
    [
      '3: onLowTraffic does not make data of silence',
      { n: 0, e: 0, gate: { onLowTraffic: 'pass' } },
      'inconclusive',
      'no_data',
    ],
    ['4: below the objective is no pass', { n: 2000, e: 2 }, 'inconclusive', 'within_noise'],
    ['6: exactly on the objective is a pass', { n: 2000, e: 1 }, 'pass', 'within_slo'],
    [
      'a lower ruleOutBurn takes more traffic',
      { n: 415, e: 0, gate: { ruleOutBurn: 6 } },
      'inconclusive',
      'insufficient_traffic',
    ],
    [
      'a higher falseAbort fails sooner',
      { n: 2000, e: 5, gate: { falseAbort: 0.5 } },
      'fail',
      'slo_violated',
    ],
  ])('%s', (_, c, verdict, reason) => {
    expect(judged(c)).toMatchObject({ verdict, reason, ok: verdict === 'pass' });
  });

  it('asks for a fault that lasts: a burst within one minute neither fails nor passes, and says why', () => {
    const burst = (bad: readonly number[]) =>
      judge(
        cujOf(),
        measurementOf({
          availability: [endpointOf('GET /a', { total: [1000, 1000, 1000], bad }, over(3, 9000, 0))],
        }),
        options,
      );
    expect(burst([0, 40, 0])).toMatchObject({ verdict: 'inconclusive', reason: 'within_noise' });
    expect(burst([0, 40, 0]).summary).toContain('so far mostly within 30s: fails if it lasts longer');
    expect(burst([0, 40, 0]).slis[0]?.sustainedEvidence).toBeLessThan(1);
    // Ordinary errors of other minutes do not complete it: E(3000, 5) = 1.95, E(3000, 6) = 6.73.
    expect(burst([3, 40, 2])).toMatchObject({ verdict: 'inconclusive', reason: 'within_noise' });
    expect(burst([3, 40, 2]).slis[0]?.sustainedEvidence).toBeLessThan(2);
    expect(burst([3, 40, 3])).toMatchObject({ verdict: 'fail', reason: 'slo_violated' });
    expect(burst([3, 40, 3]).slis[0]?.sustainedEvidence).toBeGreaterThan(2);
  });

  it('does not take for a bad event in another minute what sums of fractions leave behind', () => {
    const rest = 0.1 + 0.2 - 0.3;
    expect(rest).toBeGreaterThan(0);
    const at = (bad: number) =>
      judge(
        cujOf(),
        measurementOf({
          availability: [endpointOf('GET /a', { total: [20, 20], bad: [20, bad] }, over(2, 9000, 0))],
        }),
        options,
      );
    expect(at(rest)).toMatchObject({ reason: 'within_noise' });
    expect(at(rest).slis[0]?.sustainedEvidence).toBe(at(0).slis[0]?.sustainedEvidence);
    expect(at(1)).toMatchObject({ verdict: 'fail' });
  });

  it('does not pass a CUJ whose small endpoint failed in one minute, though the total meets the SLO', () => {
    const measurement = measurementOf({
      availability: [
        endpointOf('GET /big', over(10, 100_000, 0), over(10, 900_000, 0)),
        endpointOf('POST /small', { total: [0, 20, 5], bad: [0, 20, 0] }, over(10, 180, 0)),
      ],
    });
    const verdict = judge(cujOf(), measurement, options);
    expect(verdict.slis[0]?.value).toBeGreaterThan(0.9995);
    expect(verdict).toMatchObject({ verdict: 'inconclusive', reason: 'within_noise' });
    expect(verdict.slis[0]?.requestsToVerdict).toBeNull();
  });

  it('takes a fault that began on both sides just now for a shared cause, whatever clean hours stable has behind it', () => {
    const clean = Array<number>(100).fill(0);
    const measurement = measurementOf({
      availability: [
        endpointOf(
          'GET /a',
          { total: [...clean, 200, 200, 200, 200, 200], bad: [...clean, 0, 0, 0, 4, 5] },
          { total: Array<number>(105).fill(1800), bad: [...clean, 0, 0, 0, 36, 38] },
        ),
      ],
    });
    const verdict = judge(cujOf(), measurement, options);
    // Over all that was queried stable is well within its objective.
    expect(verdict.slis[0]?.stable.value).toBeGreaterThan(0.9995);
    expect(verdict).toMatchObject({ verdict: 'inconclusive', reason: 'shared_cause' });
  });

  it('does not pass the old version, where the caller swapped the two', () => {
    const late = { total: [0, 0, 0, 0, 0, 0, 0, 0, 100, 100], bad: [] };
    const measurement = measurementOf({ availability: [endpointOf('GET /a', over(10, 5000, 0), late)] });
    const { verdict, reason, summary } = judge(cujOf(), measurement, options);
    expect({ verdict, reason }).toEqual({ verdict: 'inconclusive', reason: 'canary_indistinguishable' });
    expect(summary).toMatch(/stable began after the canary: check whether the two versions are swapped$/);
  });

  it('takes a few stray requests beside a canary that was always there for no stable', () => {
    expect(judged({ n: 5000, e: 0, stable: [50, 0] }).reason).toBe('canary_indistinguishable');
    expect(judged({ n: 5000, e: 0, stable: [51, 0] }).verdict).toBe('pass');
  });

  it('cannot pass but can fail a canary that nothing can be told apart from', () => {
    const stable = [0, 0] as const;
    expect(judged({ n: 5000, e: 0, stable })).toMatchObject({
      verdict: 'inconclusive',
      reason: 'canary_indistinguishable',
    });
    expect(judged({ n: 5000, e: 50, stable })).toMatchObject({ verdict: 'fail', reason: 'slo_violated' });
    expect(judged({ n: 5000, e: 0, stable, gate: { onLowTraffic: 'pass', minRequests: 9000 } }).verdict).toBe(
      'inconclusive',
    );
  });

  it('passes a canary that begins later than what was queried, though stable is silent', () => {
    const c = { n: 5000, e: 0, stable: [0, 0] as const, before: 6 };
    expect(judged(c)).toMatchObject({ verdict: 'pass', window: { start: 'first_hit' } });
  });
});

describe('what a verdict holds against an endpoint', () => {
  const cuj = cujOf();
  const row = (measurement: Measurement, label: string) =>
    judge(cuj, measurement, options).slis[0]?.endpoints.find(({ endpoint }) => endpoint === label);

  it("is stable's upper bound where stable demonstrably fails the endpoint itself", () => {
    const measurement = measurementOf({
      availability: [endpointOf('GET /flaky', over(10, 200, 2), over(10, 20_000, 200))],
    });
    // 200 of 20,000: the one-sided 95% upper bound is 0.01124.
    expect(row(measurement, 'GET /flaky')?.allowedRate).toBeCloseTo(0.01124, 5);
    expect(judge(cuj, measurement, options).verdict).not.toBe('fail');
  });

  it('stays the error budget where stable has merely seen too little of it', () => {
    const measurement = measurementOf({
      availability: [endpointOf('GET /rare', over(10, 100, 0), over(10, 20, 0))],
    });
    expect(row(measurement, 'GET /rare')?.allowedRate).toBe(0.0005);
  });

  it('stays the error budget where one bad event of stable proves nothing', () => {
    const measurement = measurementOf({
      availability: [endpointOf('GET /rare', over(10, 100, 0), over(10, 500, 1))],
    });
    expect(row(measurement, 'GET /rare')?.allowedRate).toBe(0.0005);
  });

  it('finds one broken endpoint of 1% of the traffic that the total hides', () => {
    const measurement = measurementOf({
      availability: [
        endpointOf('GET /big', over(10, 19_800, 0), over(10, 99_000, 30)),
        endpointOf('POST /small', over(10, 200, 8), over(10, 1000, 0)),
      ],
    });
    const verdict = judge(cuj, measurement, options);
    expect(verdict.slis[0]?.value).toBeGreaterThan(0.9995);
    expect(verdict).toMatchObject({ verdict: 'fail', reason: 'slo_violated' });
    expect(verdict.slis[0]?.endpoints[0]?.endpoint).toBe('POST /small');
    expect(verdict.summary).toContain('worst POST /small 8 of 200');
  });

  it('shows the endpoint with bad events before clean and silent ones, however little it proves', () => {
    const measurement = measurementOf({
      availability: [
        endpointOf('GET /silent', silent, over(10, 100, 0)),
        endpointOf('GET /clean', over(10, 3, 0), over(10, 100, 0)),
        endpointOf('GET /worst', over(10, 30_000, 3), over(10, 90_000, 40)),
      ],
    });
    const labels = judge(cuj, measurement, options).slis[0]?.endpoints.map(({ endpoint }) => endpoint);
    expect(labels).toEqual(['GET /worst', 'GET /clean', 'GET /silent']);
  });

  it('is told apart by service where two services have endpoints of one name, in any order', () => {
    const a = endpointOf('GET /me', over(10, 900, 0), over(10, 900, 0), { service: 'auth' });
    const b = endpointOf('GET /me', over(10, 900, 0), over(10, 900, 0), { service: 'shop' });
    const one = judge(cuj, measurementOf({ availability: [a, b] }), options);
    const other = judge(cuj, measurementOf({ availability: [b, a] }), options);
    expect(one).toEqual(other);
    expect(one.slis[0]?.endpoints.map(({ service }) => service)).toEqual(['auth', 'shop']);
  });

  it('has one abort threshold, whichever of two equally busy endpoints the registry names first', () => {
    // The odd event of three goes to one of them, and stable fails the second: what it proves there is less.
    const well = endpointOf('GET /a', over(4, 209, 0), over(4, 9000, 0));
    const flaky = endpointOf('GET /b', over(4, 209, 0), over(4, 1000, 20));
    const lineOf = (availability: Measurement['availability']) =>
      judge(cuj, measurementOf({ availability: availability ?? [] }), options).slis[0]?.failAtBadEvents;
    expect(lineOf([well, flaky])).toBe(3);
    expect(lineOf([flaky, well])).toBe(3);
  });

  it('never counts more bad events than requests, should an error arrive a moment before its request', () => {
    const measurement = measurementOf({
      availability: [endpointOf('GET /late', { total: [1, 1], bad: [2, 1] }, { total: [1, 2], bad: [3, 3] })],
    });
    const sli = judge(cuj, measurement, options).slis[0];
    expect(sli).toMatchObject({ good: 0, bad: 2, total: 2, stable: { good: 0, bad: 3, total: 3 } });
  });
});

describe('the rule strict', () => {
  const gate = { rule: 'strict' } as const;
  it.each<[string, Case, string, string]>([
    ['1 bad in 2,000 at 99.95% passes', { n: 2000, e: 1 }, 'pass', 'within_slo'],
    ['2 in 2,001 fail', { n: 2001, e: 2 }, 'fail', 'slo_violated'],
    ['2 in 4,000 pass: exactly on the SLO is not below it', { n: 4000, e: 2 }, 'pass', 'within_slo'],
    ['2 in 3,999 fail', { n: 3999, e: 2 }, 'fail', 'slo_violated'],
    ['one of one fails', { n: 1, e: 1, minutes: 2 }, 'fail', 'slo_violated'],
    ['one clean request passes', { n: 1, e: 0, minutes: 2 }, 'pass', 'within_slo'],
    ['no events are no data', { n: 0, e: 0 }, 'inconclusive', 'no_data'],
    [
      'fewer than minRequests are not judged',
      { n: 99, e: 99, gate: { minRequests: 100 } },
      'inconclusive',
      'insufficient_traffic',
    ],
    [
      'fewer, and clean, pass where the registry says so',
      { n: 10, e: 0, gate: { minRequests: 50, onLowTraffic: 'pass' } },
      'pass',
      'insufficient_traffic',
    ],
    [
      'fewer, and below the objective, do not',
      { n: 10, e: 1, gate: { minRequests: 50, onLowTraffic: 'pass' } },
      'inconclusive',
      'insufficient_traffic',
    ],
    [
      'a canary that nothing can be told apart from does not pass',
      { n: 99, e: 0, stable: [0, 0] },
      'inconclusive',
      'canary_indistinguishable',
    ],
  ])('%s', (_, c, verdict, reason) => {
    expect(judged({ ...c, gate: { ...gate, ...c.gate } })).toMatchObject({ verdict, reason });
  });

  it.each([
    [99.999, 1e9, 10_000, 10_001],
    [99.9, 3000, 3, 4],
    [99.95, 2_000_000, 1000, 1001],
    [99.7, 1000, 3, 4],
    [98.765, 200_000, 2470, 2471],
  ])('is exact at %f%%: of %i requests %i bad pass and %i fail', (availability, n, good, bad) => {
    const at = (e: number) =>
      judge(
        cujOf({ availability, gate }),
        measurementOf({ availability: [endpointOf('GET /a', over(2, n, e), over(2, n, 0))] }),
        options,
      );
    expect(at(good).verdict).toBe('pass');
    expect(at(bad).verdict).toBe('fail');
    expect(at(good).slis[0]?.failAtBadEvents).toBe(bad);
  });

  it('has no abort threshold while minRequests keep anything from failing', () => {
    expect(judged({ n: 99, e: 0, gate: { ...gate, minRequests: 100 } }).sli.failAtBadEvents).toBeNull();
    expect(judged({ n: 100, e: 0, gate: { ...gate, minRequests: 100 } }).sli.failAtBadEvents).toBe(1);
  });

  it('needs neither a fault that lasts nor a second event', () => {
    expect(judged({ n: 100, e: 1, gate, minutes: 1 }).verdict).toBe('fail');
  });
});

describe('the abort threshold of a CUJ', () => {
  it('waits for a second minute where its events fall, not where any of the CUJ has traffic', () => {
    // As the traffic is, the first eleven events fall on GET /b, all of whose requests came in one minute.
    const at = (a: number, b: number) =>
      judge(
        cujOf({ endpoints: ['GET /a', 'GET /b'] }),
        measurementOf({
          before: 6,
          availability: [
            endpointOf('GET /a', { total: [0, 22], bad: [0, a] }),
            endpointOf('GET /b', { total: [492, 0], bad: [b, 0] }),
          ],
          whole: { canary: [0, 0, 0, 0, 0, 0, 492, 22], stable: [9, 9, 9, 9, 9, 9, 9, 9] },
        }),
        options,
      );
    expect(at(0, 0).slis[0]?.failAtBadEvents).toBe(12);
    expect(at(0, 11).verdict).toBe('inconclusive');
    expect(at(1, 11).verdict).toBe('fail');
  });
});

describe('the rule baseline', () => {
  const gate = { rule: 'baseline' } as const;
  it.each<[string, Case, string, string]>([
    [
      '10% of the traffic and 60% of the errors fail',
      { n: 1000, e: 60, stable: [9000, 40] },
      'fail',
      'worse_than_stable',
    ],
    [
      'a canary as bad as its stable passes, far below the SLO',
      { n: 5000, e: 50, stable: [45_000, 450] },
      'pass',
      'not_worse_than_stable',
    ],
    [
      'a violated SLO alone is no matter',
      { n: 20_000, e: 40, stable: [20_000, 40] },
      'pass',
      'not_worse_than_stable',
    ],
    [
      'too little traffic is told',
      { n: 20, e: 0, stable: [9000, 0] },
      'inconclusive',
      'insufficient_traffic',
    ],
    [
      'a stable that fails more than a fourteenth does not make one request enough',
      { n: 2, e: 2, stable: [9000, 720], minutes: 2 },
      'inconclusive',
      'insufficient_traffic',
    ],
    [
      'without stable there is nothing to compare with',
      { n: 5000, e: 0, stable: [0, 0] },
      'inconclusive',
      'canary_indistinguishable',
    ],
    ['no events are no data', { n: 0, e: 0 }, 'inconclusive', 'no_data'],
  ])('%s', (_, c, verdict, reason) => {
    expect(judged({ ...c, gate: { ...gate, ...c.gate } })).toMatchObject({ verdict, reason });
  });

  /** Stable alone for 40 minutes, then the canary for 20. */
  const rolledOut = (
    canary: readonly [number, number],
    before: readonly [number, number],
    beside: readonly [number, number],
  ) => {
    const [own, old, now] = [over(20, ...canary), over(40, ...before), over(20, ...beside)];
    const later = (counts: ArrayLike<number>) => [...Array(40).fill(0), ...Array.from(counts)];
    const both = (a: ArrayLike<number>, b: ArrayLike<number>) => [...Array.from(a), ...Array.from(b)];
    return judge(
      cujOf({ gate }),
      measurementOf({
        availability: [
          endpointOf(
            'GET /a',
            { total: later(own.total), bad: later(own.bad) },
            { total: both(old.total, now.total), bad: both(old.bad, now.bad) },
          ),
        ],
      }),
      options,
    );
  };

  it.each<[string, readonly [number, number], readonly [number, number]]>([
    ['fails a lot', [10_000, 1_200], [200_000, 2_000]],
    ['fails some', [2_010, 8], [200_000, 0]],
    ['is clean', [10_000, 0], [200_000, 0]],
  ])('passes no canary that %s beside no stable in the same minutes', (_, canary, before) => {
    const verdict = rolledOut(canary, before, [0, 0]);
    expect(verdict).toMatchObject({ verdict: 'inconclusive', reason: 'canary_indistinguishable' });
    expect(verdict.slis[0]?.requestsToVerdict).toBeNull();
    expect(verdict.summary).toContain('stable has no traffic in the same minutes');
    expect(verdict.hint).toContain('while stable still has traffic');
  });

  it('measures by what stable does beside the canary, not by what it did before', () => {
    // 300 clean requests rule nothing out at the SLO, and much at the 10% that stable failed before.
    expect(rolledOut([300, 0], [200_000, 20_000], [30_000, 0])).toMatchObject({
      reason: 'insufficient_traffic',
    });
    expect(rolledOut([300, 0], [200_000, 0], [30_000, 3_000])).toMatchObject({ verdict: 'pass' });
  });

  /** By minute: the canary's requests and bad ones, stable's requests and bad ones. */
  const byMinute = (...rows: readonly (readonly [number, number, number, number])[]) => {
    const column = (at: 0 | 1 | 2 | 3) => rows.map((row) => row[at]);
    return judge(
      cujOf({ gate }),
      measurementOf({
        before: 6,
        availability: [
          endpointOf('GET /a', { total: column(0), bad: column(1) }, { total: column(2), bad: column(3) }),
        ],
      }),
      options,
    );
  };
  /** 99.5% of the traffic is the canary's, and an outside fault fails 5%; the few requests of stable are lucky. */
  const hardlyBeside = [4_975, 249, 25, 0] as const;

  it('compares nothing in minutes in which stable has no more than 1% of the traffic of the canary', () => {
    const verdict = byMinute(...Array(10).fill(hardlyBeside));
    expect(verdict).toMatchObject({ verdict: 'inconclusive', reason: 'canary_indistinguishable' });
    // And shows what it went by.
    expect(verdict.slis[0]).toMatchObject({
      bad: 2_490,
      total: 49_750,
      shareEvidence: 1,
      rulesOutRate: 1,
      requestsToVerdict: null,
    });
    expect(verdict.summary).toContain('stable has no traffic in the same minutes');
  });

  it('takes its lasting fault and its two bad events from the minutes that it compares', () => {
    const minute = byMinute([500, 30, 500, 0], ...Array(5).fill(hardlyBeside));
    expect(minute).toMatchObject({ verdict: 'inconclusive', reason: 'within_noise' });
    expect(minute.slis[0]).toMatchObject({ sustainedEvidence: 1, bad: 30 + 5 * 249 });
    expect(minute.summary).toContain(', so far mostly within 30s: fails if it lasts longer');
    const lasting = byMinute([500, 29, 500, 0], [500, 3, 500, 0], hardlyBeside);
    expect(lasting).toMatchObject({ verdict: 'fail' });
    expect(lasting.slis[0]?.sustainedEvidence).toBeGreaterThan(2);
    // One of a hundredth of the traffic is evidence of 21, but one event.
    const event = byMinute([500, 1, 49_500, 0], ...Array(5).fill(hardlyBeside));
    expect(event.slis[0]?.shareEvidence).toBeGreaterThan(20);
    expect(event).toMatchObject({ verdict: 'inconclusive', reason: 'insufficient_traffic' });
  });

  it('shows the share evidence and the upper bound that decide, of what it compares', () => {
    const alone = byMinute([500, 0, 500, 0], [500, 2, 500, 1]);
    const followed = byMinute([500, 0, 500, 0], [500, 2, 500, 1], hardlyBeside, hardlyBeside);
    for (const name of ['shareEvidence', 'rulesOutRate', 'requestsToVerdict'] as const)
      expect(followed.slis[0]?.[name]).toBe(alone.slis[0]?.[name]);
    expect(followed.verdict).toBe(alone.verdict);
  });

  it('asks for a fault that lasts as well', () => {
    const at = (bad: readonly number[]) =>
      judge(
        cujOf({ gate }),
        measurementOf({ availability: [endpointOf('GET /a', { total: [500, 500], bad }, over(2, 9000, 4))] }),
        options,
      );
    expect(at([30, 0])).toMatchObject({ verdict: 'inconclusive', reason: 'within_noise' });
    expect(at([28, 2])).toMatchObject({ verdict: 'inconclusive', reason: 'within_noise' });
    expect(at([27, 3])).toMatchObject({ verdict: 'fail', reason: 'worse_than_stable' });
  });
});

describe('several SLIs', () => {
  const cuj = cujOf({ availability: 99.95, latency: 99, endpoints: [{ label: 'GET /a', latencyMs: 300 }] });
  const both = (availability: [number, number], latency: [number, number]) =>
    measurementOf({
      availability: [endpointOf('GET /a', over(10, ...availability), over(10, 90_000, 0))],
      latency: [endpointOf('GET /a', over(10, ...latency), over(10, 90_000, 0), { latencyMs: 300 })],
    });

  it.each([
    ['a fail of one is a fail of all', [2000, 0], [2000, 200], 'fail', 'slo_violated', 'latency'],
    [
      'a doubt about one is a doubt about all',
      [2000, 3],
      [2000, 0],
      'inconclusive',
      'within_noise',
      'availability',
    ],
    ['a fail goes before a doubt', [2000, 3], [2000, 200], 'fail', 'slo_violated', 'latency'],
    ['both must pass', [2000, 0], [2000, 0], 'pass', 'within_slo', 'availability'],
  ] as const)('%s', (_, a, l, verdict, reason, worst) => {
    const result = judge(cuj, both([...a], [...l]), options);
    expect(result).toMatchObject({ verdict, reason });
    expect(result.slis[0]?.sli).toBe(worst);
  });

  it('share alpha: each needs twice the evidence, and four sharing it four times', () => {
    const measurement = both([2000, 6], [2000, 0]);
    expect(judge(cuj, measurement, options).slis.map(({ evidenceThreshold }) => evidenceThreshold)).toEqual([
      40, 40,
    ]);
    const alone = judge(cujOf(), { ...measurement }, options);
    expect(alone.slis[0]).toMatchObject({ evidenceThreshold: 20, verdict: 'fail' });
    const evidence = alone.slis[0]?.evidence as number;
    const shared = judge(cujOf(), measurement, { ...options, sliCount: Math.floor(evidence / 20) + 1 });
    expect(shared.verdict).toBe('inconclusive');
    expect(judge(cujOf(), measurement, { ...options, sliCount: 4 }).slis[0]?.evidenceThreshold).toBe(80);
  });

  it('do not call the canary silent where only the timings are missing', () => {
    const verdict = judge(cuj, both([2000, 0], [0, 0]), options);
    expect(verdict).toMatchObject({ verdict: 'inconclusive', reason: 'no_data' });
    expect(verdict.noDataCause).toBeUndefined();
    expect(verdict.summary).toContain('no data for latency');
  });

  it('show a pass that rests on onLowTraffic as what it is, also beside a proven one', () => {
    const loose = cujOf({
      availability: 99.95,
      latency: 99,
      gate: { onLowTraffic: 'pass' },
      endpoints: [{ label: 'GET /a', latencyMs: 300 }],
    });
    const verdict = judge(loose, both([300, 0], [300, 0]), options);
    expect(verdict).toMatchObject({ verdict: 'pass', reason: 'insufficient_traffic' });
    expect(verdict.slis.map(({ sli, reason }) => [sli, reason])).toEqual([
      ['availability', 'insufficient_traffic'],
      ['latency', 'within_slo'],
    ]);
  });

  it('leave out latency where the service that was asked about has no threshold', () => {
    const two = cujOf({
      availability: 99.95,
      latency: 99,
      endpoints: [
        { label: 'GET /a', latencyMs: 300 },
        { label: 'GET /b', service: 'auth' },
      ],
    });
    const measurement = measurementOf({
      availability: [endpointOf('GET /b', over(10, 2000, 0), over(10, 9000, 0), { service: 'auth' })],
      latency: [],
    });
    const verdict = judge(two, measurement, { ...options, service: 'auth' });
    expect(verdict).toMatchObject({ verdict: 'pass', services: ['auth'] });
    expect(verdict.slis.map(({ sli, evidenceThreshold }) => [sli, evidenceThreshold])).toEqual([
      ['availability', 20],
    ]);
  });
});

describe('the knobs of the numbers', () => {
  const at = (n: number, e: number, more: { sampleRate?: number; dispersion?: number }, gate = {}) =>
    judge(
      cujOf({ gate }),
      measurementOf({ availability: [endpointOf('GET /a', over(10, n, e), over(10, 10 * n, 0), more)] }),
      options,
    ).slis[0];

  it('sampleRate scales the evidence and leaves the ratio alone', () => {
    const sampled = at(200_000, 600, { sampleRate: 0.01 });
    const whole = at(2000, 6, {});
    expect(sampled).toMatchObject({ value: 0.997, total: 200_000, bad: 600 });
    // How events lie in the minutes matters a little.
    expect((sampled?.evidence ?? 0) / (whole?.evidence ?? 1)).toBeCloseTo(1, 2);
    expect(sampled?.rulesOutRate).toBe(whole?.rulesOutRate);
    expect(sampled?.failAtBadEvents).toBeGreaterThan(500);
  });

  it('sampleRate asks for two events that were seen, not two that were counted', () => {
    // 100 counted at 1% are one event seen.
    expect(at(1000, 100, { sampleRate: 0.01 })?.verdict).toBe('inconclusive');
    expect(at(1000, 200, { sampleRate: 0.01 })?.verdict).toBe('fail');
  });

  it('sampleRate counts what was seen against minRequests, whole numbers in binary fractions included', () => {
    expect(at(99, 0, { sampleRate: 0.29 }, { minRequests: 29, rule: 'strict' })?.verdict).toBe(
      'inconclusive',
    );
    // 100 × 0.29 is 28.999999999999996 to a computer.
    expect(at(100, 0, { sampleRate: 0.29 }, { minRequests: 29, rule: 'strict' })?.verdict).toBe('pass');
  });

  it('sampleRate makes the way to a verdict longer, before the first request too', () => {
    expect(at(0, 0, {})?.requestsToVerdict).toBe(415);
    expect(at(0, 0, { sampleRate: 0.01 })?.requestsToVerdict).toBe(41_458);
    expect(at(0, 0, { sampleRate: 0.1 }, { minRequests: 1000 })?.requestsToVerdict).toBe(10_000);
  });

  it('dispersion divides what counts as evidence, and leaves what counts as seen', () => {
    const bursty = at(20_000, 60, { dispersion: 10 });
    expect((bursty?.evidence ?? 0) / (at(2000, 6, {})?.evidence ?? 1)).toBeCloseTo(1, 2);
    expect(bursty?.value).toBe(0.997);
    expect(at(1000, 2, { dispersion: 10 }, { minRequests: 1000, onLowTraffic: 'pass' })?.reason).toBe(
      'within_noise',
    );
  });

  it('burn rate is in tidy decimals', () => {
    expect(at(3000, 3, {})?.burnRate).toBe(2);
    expect(at(7000, 1, {})?.burnRate).toBe(0.285714);
  });
});

describe('the numbers beside a verdict', () => {
  it.each([
    [100, 2],
    [500, 3],
    [1000, 4],
    [2000, 6],
    [5000, 10],
    [10_000, 15],
    [20_000, 23],
    [50_000, 44],
  ])('at %i requests of a lone endpoint the abort threshold is %i', (n, line) => {
    expect(judged({ n, e: 0 }).sli.failAtBadEvents).toBe(line);
  });

  it('has no abort threshold where traffic lies in one minute, since a fail takes two', () => {
    expect(judged({ n: 5000, e: 0, minutes: 1 }).sli.failAtBadEvents).toBeNull();
    const measurement = measurementOf({
      availability: [
        endpointOf('GET /a', over(4, 4000, 0), over(4, 9000, 0)),
        endpointOf('GET /once', { total: [0, 90, 0, 0], bad: [] }, over(4, 900, 0)),
      ],
    });
    const [sli] = judge(cujOf(), measurement, options).slis;
    expect(sli?.failAtBadEvents).not.toBeNull();
    expect(sli?.endpoints.map(({ endpoint, failAtBadEvents }) => [endpoint, failAtBadEvents])).toEqual([
      ['GET /a', expect.any(Number)],
      ['GET /once', null],
    ]);
  });

  it('counts the clean requests to a pass: 0 for one, none after a fail', () => {
    expect(judged({ n: 100, e: 0 }).sli.requestsToVerdict).toBe(315);
    expect(judged({ n: 2000, e: 3 }).sli.requestsToVerdict).toBe(4000);
    expect(judged({ n: 5000, e: 0 }).sli.requestsToVerdict).toBe(0);
    expect(judged({ n: 2000, e: 20 }).sli.requestsToVerdict).toBeNull();
    expect(judged({ n: 2000, e: 20, stable: [20_000, 200] }).sli.requestsToVerdict).toBeNull();
  });
});

describe('observe mode', () => {
  const measurement = measurementOf({
    availability: [endpointOf('GET /a', over(10, 2000, 40), over(10, 9000, 0))],
  });

  it('never fails a rollout and says what it would have said', () => {
    expect(judge(cujOf({ mode: 'observe' }), measurement, options)).toMatchObject({
      verdict: 'pass',
      ok: true,
      reason: 'observe_only',
      wouldBe: { verdict: 'fail', reason: 'slo_violated' },
      summary: expect.stringMatching(/^PASS login \(observe_only, would be FAIL slo_violated\): 40 of 2000/),
    });
  });

  it('is a pass like any other where there is nothing to spare', () => {
    const clean = measurementOf({
      availability: [endpointOf('GET /a', over(10, 2000, 0), over(10, 9000, 0))],
    });
    const verdict = judge(cujOf({ mode: 'observe' }), clean, options);
    expect(verdict).toMatchObject({ verdict: 'pass', reason: 'within_slo' });
    expect(verdict.wouldBe).toBeUndefined();
  });
});

describe('a verdict', () => {
  it('is the same, byte for byte, when its measurement is written down and judged again', () => {
    const cuj = cujOf({
      availability: 99.95,
      latency: 99,
      endpoints: [{ label: 'GET /a', latencyMs: 300 }, 'GET /b'],
    });
    const measurement = measurementOf({
      before: 7,
      availability: [
        endpointOf('GET /a', over(9, 1234, 3), over(9, 9876, 5), { sampleRate: 0.3 }),
        endpointOf('GET /b', { total: [0.1, 0.2, 1e6], bad: [0.1, 0, 33] }, over(9, 11, 0), {
          dispersion: 3,
        }),
      ],
      latency: [endpointOf('GET /a', over(9, 1233, 30), over(9, 9876, 5), { latencyMs: 300 })],
      sinceMs: Date.UTC(2026, 0, 31, 9, 3, 20),
    });
    const first = JSON.stringify(judge(cuj, measurement, options));
    expect(JSON.stringify(judge(cuj, JSON.parse(JSON.stringify(measurement)), options))).toBe(first);
  });

  it('says what replaced its rule, and by which rule it was judged', () => {
    const measurement = measurementOf({
      availability: [endpointOf('GET /a', over(10, 2000, 2), over(10, 9000, 0))],
    });
    const because = 'less than 0% of the error budget is left';
    expect(
      judge(cujOf(), measurement, { ...options, budgetRule: { rule: 'strict', because } }),
    ).toMatchObject({
      verdict: 'fail',
      rule: 'strict',
      ruleChangedBy: because,
    });
  });

  it("judges the whole service where its endpoints are '*', as any endpoint", () => {
    const measurement = measurementOf({
      availability: [endpointOf('*', over(10, 2000, 6), over(10, 9000, 0))],
    });
    expect(judge(cujOf({ endpoints: ['*'] }), measurement, options).slis[0]?.endpoints[0]).toMatchObject({
      endpoint: '*',
      resource: '*',
      failAtBadEvents: 6,
    });
  });

  it('is inconclusive where the source could not be asked, with the reason of the source', () => {
    const failure = { reason: 'source_rate_limited', message: 'Datadog says 429', hint: 'Wait.' } as const;
    const selectors = { canary: 'version:v2', stable: 'the rest' };
    expect(unknownVerdict(cujOf(), failure, selectors, options)).toMatchObject({
      verdict: 'inconclusive',
      ok: false,
      reason: 'source_rate_limited',
      hint: 'Wait.',
      summary: 'INCONCLUSIVE login (source_rate_limited): Datadog says 429',
      slis: [],
    });
    expect(unknownVerdict(cujOf({ mode: 'observe' }), failure, selectors, options).ok).toBe(true);
  });
});
