/**
 * The sentences of docs/verdicts-reference.md that say over what, of what and in which order. Each test is decided by a number that the
 * other reading of the sentence would make another one.
 */
import { describe, expect, it } from 'vitest';
import { judge, type Verdict } from '../../../src/domain/judge/judge.ts';
import { bucketMs } from '../../../src/domain/metrics/metrics-source.ts';
import type { GatePolicy } from '../../../src/domain/registry/model.ts';
import { type Counts, cujOf, endpointOf, measurementOf, over, silent } from './journey.ts';

const options = { registryDigest: 'sha256:test' };
const fromMs = measurementOf({}).fromMs;

/** One after the other. */
function then(...parts: readonly Counts[]): Counts {
  const all = (of: (part: Counts) => ArrayLike<number>) => parts.flatMap((part) => Array.from(of(part)));
  return {
    total: all(({ total }) => total),
    bad: all(({ bad }) => bad),
    withStatus: all(({ total, withStatus = total }) => withStatus),
  };
}

const none = (minutes: number): Counts => over(minutes, 0, 0);

/** So many requests over so many minutes, of which so many failed and so many carry no status. */
function blind(minutes: number, total: number, bad: number, without: number): Counts {
  const lost = over(minutes, without, 0).total;
  const each = over(minutes, total, bad);
  return { ...each, withStatus: Array.from(each.total, (all, i) => all - (lost[i] as number)) };
}

function repeated(...parts: readonly (readonly [minutes: number, hits: number])[]): number[] {
  return parts.flatMap(([minutes, hits]) => Array<number>(minutes).fill(hits));
}

type Endpoints = NonNullable<Parameters<typeof measurementOf>[0]['availability']>;

function judged(
  availability: Endpoints,
  gate: Partial<GatePolicy> = {},
  more: Omit<Parameters<typeof measurementOf>[0], 'availability'> = {},
) {
  const endpoints = availability.map(({ label, service }) => ({ label, service }));
  return judge(cujOf({ gate, endpoints }), measurementOf({ availability, ...more }), options);
}

const outcome = ({ verdict, reason }: Verdict) => `${verdict} ${reason}`;

/** E of docs/verdicts-reference.md. */
function evidence(n: number, e: number, p = 0.0005): number {
  let sum = 0;
  for (let k = 2; k <= 1024; k *= 2) sum += Math.exp(e * Math.log(k) - n * Math.log1p((k - 1) * p));
  return sum / 10;
}

describe('the two versions are swapped', () => {
  /** Forty minutes: the canary in all of them, stable from minute `from` on. */
  const swapped = (
    canary: readonly number[],
    stable: readonly number[],
    more: { sinceMs?: number; sampleRate?: number } = {},
  ) => {
    const { sinceMs, ...sampled } = more;
    return judged(
      [endpointOf('GET /a', { total: canary, bad: [] }, { total: stable, bad: [] }, sampled)],
      {},
      sinceMs === undefined ? {} : { sinceMs },
    ).reason;
  };
  const always = repeated([40, 100]);

  it('where stable has had at most as many requests as the canary from its first one on', () => {
    expect(swapped(always, repeated([30, 0], [10, 100]))).toBe('canary_indistinguishable');
    // Far fewer than the canary over all that was queried, one more since its first one.
    expect(swapped(always, repeated([30, 0], [9, 100], [1, 101]))).toBe('within_slo');
  });

  it('where stable came no earlier than the minute before the one of since', () => {
    const since = (minute: number) => ({ sinceMs: fromMs + minute * bucketMs + 59_999 });
    const stable = repeated([10, 0], [30, 50]);
    expect(swapped(always, stable, since(11))).toBe('canary_indistinguishable');
    expect(swapped(always, stable, since(12))).toBe('within_slo');
    expect(swapped(always, stable)).toBe('canary_indistinguishable');
  });

  it('after a hundred requests of the canary that were seen before the first one of stable', () => {
    const seenFirst = (hits: number, sampleRate: number) =>
      swapped(repeated([10, hits], [30, 100_000]), repeated([10, 0], [30, 50_000]), { sampleRate });
    expect(seenFirst(1_000, 0.01)).toBe('canary_indistinguishable');
    expect(seenFirst(999, 0.01)).toBe('within_slo');
    expect(seenFirst(999, 0.1)).toBe('canary_indistinguishable');
  });
});

describe('the selectors match the same requests', () => {
  const shared = (both: readonly number[], stable: readonly number[], gate: Partial<GatePolicy> = {}) => {
    const canary = repeated([10, 0], [20, 50]);
    const measurement = measurementOf({
      availability: [endpointOf('GET /a', { total: canary, bad: [] }, { total: stable, bad: [] })],
    });
    const whole = { ...measurement.whole, unmatched: repeated([30, 0]), overlapping: both };
    return judge(cujOf({ gate }), { ...measurement, whole }, options).reason;
  };
  const few = repeated([30, 4]);

  it("where those of both are more than 5% of the canary's, however many are stable's", () => {
    expect(shared(repeated([28, 0], [2, 25]), few)).toBe('within_slo');
    expect(shared(repeated([28, 0], [1, 25], [1, 26]), few)).toBe('canary_indistinguishable');
    expect(shared(repeated([28, 0], [1, 25], [1, 26]), repeated([30, 9_000]))).toBe(
      'canary_indistinguishable',
    );
  });

  it('over all that was queried and all of the service, not in the window alone', () => {
    const before = repeated([10, 0], [1, 50], [1, 1], [18, 0]);
    expect(shared(before, few, { window: 10 * bucketMs })).toBe('canary_indistinguishable');
  });
});

describe("stable's own evidence", () => {
  it('is a mean over the endpoints that stable had in all that was queried, also where the window alone counts', () => {
    // GET /old failed for long, and nobody asks stable for it since the canary is there.
    const verdict = judged([
      endpointOf(
        'GET /a',
        then(none(80), over(10, 1_000, 0)),
        then(over(80, 80_000, 0), over(10, 10_000, 8)),
      ),
      endpointOf('GET /old', silent, then(over(80, 80_000, 8_000), none(10))),
      endpointOf('GET /never', silent, silent),
    ]);
    const minutes = over(10, 10_000, 8);
    const newest = [1, 2, 4, 8, 10, 10, 10].map((length) => {
      const sum = (of: ArrayLike<number>) =>
        Array.from(of)
          .slice(-length)
          .reduce((a, b) => a + b);
      return evidence(sum(minutes.total), sum(minutes.bad));
    });
    const all = evidence(10_000, 8);
    const mean = newest.reduce((a, b) => a + b) / 7;
    expect(verdict.slis[0]?.stable.evidence).toBeCloseTo((all / 2 + (all + 1) / 2 / 2) / 2 + mean / 2, 5);
  });

  it('excuses at 1/α, though it takes m/α to fail', () => {
    const latencyMs = 300;
    const of = (bad: number, stableBad: number) => [
      endpointOf('GET /a', over(10, 1_000, bad), over(10, 800, stableBad), { latencyMs }),
    ];
    const cuj = cujOf({ availability: 99.95, latency: 99, endpoints: [{ label: 'GET /a', latencyMs }] });
    const verdict = judge(cuj, measurementOf({ availability: of(9, 4), latency: of(0, 0) }), options);
    const [sli] = verdict.slis;
    expect(sli?.evidenceThreshold).toBe(40);
    expect(sli?.stable.evidence).toBeGreaterThan(20);
    expect(sli?.stable.evidence).toBeLessThan(40);
    expect(outcome(verdict)).toBe('inconclusive shared_cause');
  });
});

describe('what baseline compares', () => {
  const gate = { rule: 'baseline' } as const;
  /** Ten minutes beside stable, ten in which the canary is alone. */
  const late = (beside: readonly [number, number], alone: readonly [number, number]) =>
    judged(
      [
        endpointOf(
          'GET /a',
          then(none(5), over(10, ...beside), over(10, ...alone)),
          then(over(15, 150_000, 0), none(10)),
        ),
      ],
      gate,
    );

  it('is what rulesOutRate shows, and what is traffic enough', () => {
    const [sli] = late([1_000, 0], [9_000, 0]).slis;
    expect(sli?.rulesOutRate).toBeCloseTo(1 - 0.05 ** (1 / 1_000), 8);
    expect(sli).toMatchObject({ verdict: 'pass', total: 10_000 });
    // 414 of 10,414 are compared, and 415 clean ones rule out 14.4 times the error budget.
    expect(outcome(late([414, 0], [10_000, 0]))).toBe('inconclusive insufficient_traffic');
    expect(outcome(late([415, 0], [10_000, 0]))).toBe('pass not_worse_than_stable');
  });

  /** Two minutes beside stable, then one in which the canary is alone. */
  const beside = (bad: readonly number[], sampleRate = 1) => {
    const canary = then(none(5), { total: [100, 100, 100], bad });
    const stable = then(over(5, 9_000, 0), { total: [90_000, 90_000, 0], bad: [0, 0, 0] });
    const verdict = judged([endpointOf('GET /a', canary, stable, { sampleRate })], gate);
    return outcome(verdict);
  };

  it('is where a fault must last', () => {
    expect(beside([9, 0, 9])).toBe('inconclusive within_noise');
    expect(beside([8, 1, 9])).toBe('fail worse_than_stable');
  });

  it('is where two bad events have to be seen', () => {
    // Of events that are sampled at 10%, ten are one that was seen.
    expect(beside([5, 5, 90], 0.1)).not.toBe('fail worse_than_stable');
    expect(beside([10, 10, 90], 0.1)).toBe('fail worse_than_stable');
  });

  it("is a minute in which stable has more than 1% of the canary's requests", () => {
    const stableAt = (stable: number) =>
      outcome(
        judged(
          [
            endpointOf(
              'GET /a',
              then(none(5), over(1, 5_000, 0)),
              then(over(5, 9_000, 0), over(1, stable, 0)),
            ),
          ],
          gate,
        ),
      );
    expect(stableAt(50)).toBe('inconclusive canary_indistinguishable');
    expect(stableAt(51)).toBe('pass not_worse_than_stable');
  });
});

describe('stable has most of its requests without a status', () => {
  const failing = over(10, 1_000, 60);
  const against = (stable: Counts, other?: readonly [canary: Counts, stable: Counts]) =>
    outcome(
      judged(
        [
          endpointOf('GET /a', then(none(5), failing), stable),
          ...(other === undefined ? [] : [endpointOf('GET /b', then(none(5), other[0]), other[1])]),
        ],
        { rule: 'baseline' },
      ),
    );

  it('in the window, not over all that was queried', () => {
    expect(against(then(blind(5, 50_000, 0, 50_000), blind(10, 9_000, 40, 0)))).toBe(
      'fail worse_than_stable',
    );
    expect(against(then(blind(5, 50_000, 0, 0), blind(10, 9_000, 40, 4_501)))).toBe(
      'inconclusive status_missing',
    );
    expect(against(then(blind(5, 50_000, 0, 0), blind(10, 9_000, 40, 4_500)))).toBe('fail worse_than_stable');
  });

  it('on an endpoint on which the canary fails, or over all endpoints together', () => {
    const seen = then(none(5), over(10, 9_000, 40));
    const without = (total: number) => then(none(5), blind(10, total, 0, total));
    expect(against(seen, [over(10, 100, 0), without(8_999)])).toBe('fail worse_than_stable');
    expect(against(seen, [over(10, 100, 0), without(9_001)])).toBe('inconclusive status_missing');
    expect(against(seen, [over(10, 100, 1), without(900)])).toBe('inconclusive status_missing');
  });
});

describe('an endpoint that the canary was not asked for', () => {
  /** A tenth of GET /a, and of a service of which much else is asked. */
  const endpoints = (bad: number) => [
    endpointOf('GET /a', over(10, 1_000, bad), over(10, 9_000, 0)),
    endpointOf('POST /orders', silent, over(10, 7_200, 0)),
    endpointOf('GET /new', over(10, 5_000, 0), silent),
    endpointOf('GET /pay', over(10, 9_000, 0), over(10, 1_000, 0), { service: 'bank' }),
  ];
  const whole = { canary: repeated([10, 9_000]), stable: repeated([10, 9_000]) };

  it('is foretold by the endpoints of its service that both sides have, on every verdict', () => {
    for (const [bad, minRequests, expected] of [
      [0, 0, 'pass within_slo'],
      [400, 0, 'fail slo_violated'],
      [0, 90_000, 'inconclusive insufficient_traffic'],
    ] as const) {
      const verdict = judged(endpoints(bad), { minRequests }, { whole });
      expect(outcome(verdict)).toBe(expected);
      expect(verdict.slis[0]?.unreached).toEqual([
        { endpoint: 'POST /orders', service: 'shop', predicted: 800 },
      ]);
      expect(verdict.summary.includes('none of about 800 expected')).toBe(verdict.ok);
    }
  });
});

describe('requestsToVerdict', () => {
  const of = (n: number, gate: Partial<GatePolicy>, without = 0) => {
    const verdict = judged([endpointOf('GET /a', blind(10, n, 0, without), over(10, 9_000, 0))], gate);
    return [outcome(verdict), verdict.slis[0]?.requestsToVerdict];
  };

  it('leads to a pass that does not rest on onLowTraffic, also beside one that does', () => {
    const pass = 'pass insufficient_traffic';
    expect(of(100, { onLowTraffic: 'pass' })).toEqual([pass, 315]);
    expect(of(415, { onLowTraffic: 'pass', minRequests: 500 })).toEqual([pass, 85]);
    expect(of(100, { onLowTraffic: 'pass', rule: 'strict', minRequests: 500 })).toEqual([pass, 400]);
  });

  it('is null where no number of requests leads to a pass, under strict as well', () => {
    const low = { rule: 'strict', minRequests: 500 } as const;
    expect(of(100, low)).toEqual(['inconclusive insufficient_traffic', 400]);
    expect(of(100, low, 90)).toEqual(['inconclusive insufficient_traffic', null]);
  });
});

describe('unknown_tag', () => {
  const silence = (neither: readonly number[], more: { windowMs?: number; sinceMs?: number } = {}) => {
    const measurement = measurementOf({ availability: [endpointOf('GET /a', none(10), over(10, 900, 0))] });
    return judge(
      cujOf(),
      { ...measurement, ...more, whole: { ...measurement.whole, unmatched: neither } },
      options,
    ).noDataCause;
  };

  it('is told by the newest three minutes of what was queried, whatever the window is', () => {
    const third = repeated([7, 0], [1, 4], [2, 0]);
    const fourth = repeated([6, 9], [4, 0]);
    expect(silence(third)).toBe('unknown_tag');
    expect(silence(fourth)).toBe('canary_idle');
    expect(silence(third, { windowMs: 2 * bucketMs })).toBe('unknown_tag');
    expect(silence(third, { sinceMs: fromMs + 9 * bucketMs })).toBe('unknown_tag');
  });
});

describe('the order of the steps of strict', () => {
  const strict = (c: {
    bad?: number;
    without?: number;
    stable?: number;
    low?: GatePolicy['onLowTraffic'];
  }) => {
    const gate = {
      rule: 'strict',
      minRequests: c.low === undefined ? 0 : 5_000,
      onLowTraffic: c.low ?? 'inconclusive',
    } as const;
    const stable = over(10, c.stable ?? 9_000, 0);
    return outcome(
      judged([endpointOf('GET /a', blind(10, 1_000, c.bad ?? 0, c.without ?? 0), stable)], gate),
    );
  };
  const low = 'inconclusive insufficient_traffic';

  it.each<[string, Parameters<typeof strict>[0], string]>([
    ['minRequests before the objective', { low: 'inconclusive', bad: 500 }, low],
    ['minRequests before the objective, though little traffic may pass', { low: 'pass', bad: 500 }, low],
    ['minRequests before statuses', { low: 'inconclusive', without: 1_000, stable: 0 }, low],
    ['the objective before statuses', { bad: 100, without: 900, stable: 0 }, 'fail slo_violated'],
    ['statuses before stable', { without: 1_000, stable: 0 }, 'inconclusive status_missing'],
    [
      'statuses before a pass by onLowTraffic',
      { low: 'pass', without: 1_000 },
      'inconclusive status_missing',
    ],
    [
      'stable before a pass by onLowTraffic',
      { low: 'pass', stable: 0 },
      'inconclusive canary_indistinguishable',
    ],
    ['then a pass by onLowTraffic', { low: 'pass' }, 'pass insufficient_traffic'],
    ['then a pass', {}, 'pass within_slo'],
  ])('is %s', (_, c, expected) => {
    expect(strict(c)).toBe(expected);
  });
});

describe('the order of reasons between two SLIs', () => {
  type Pair = readonly [canary: Counts, stable: Counts];
  /** Reasons of both SLIs, the worse first, which is the verdict's. */
  const reasons = (a: Pair, l: Pair, gate: Partial<GatePolicy> = {}) => {
    const latencyMs = 300;
    const endpoints = [{ label: 'GET /a', latencyMs }];
    const verdict = judge(
      cujOf({ availability: 99.95, latency: 99.95, endpoints, gate }),
      measurementOf({
        availability: [endpointOf('GET /a', a[0], a[1])],
        latency: [endpointOf('GET /a', l[0], l[1], { latencyMs })],
      }),
      options,
    );
    expect(verdict.reason).toBe(verdict.slis[0]?.reason);
    return verdict.slis.map(({ sli, reason }) => `${sli} ${reason}`);
  };
  const beside = over(10, 20_000, 0);
  const clean: Pair = [over(10, 2_000, 0), beside];
  const shared: Pair = [over(10, 2_000, 40), over(10, 20_000, 400)];
  const lost: Pair = [blind(10, 2_000, 0, 2_000), beside];
  const unmet: Pair = [over(10, 2_000, 2_000), over(10, 20, 20)];
  const noise: Pair = [over(10, 2_000, 3), beside];
  const few: Pair = [over(10, 100, 0), beside];
  const nothing: Pair = [none(10), beside];
  const hardlyStable = over(10, 20, 0);

  it.each<[string, Pair, Pair, string[], Partial<GatePolicy>?]>([
    [
      'a fail before all doubts',
      lost,
      [over(10, 2_000, 40), beside],
      ['latency slo_violated', 'availability status_missing'],
    ],
    [
      'shared_cause before status_missing',
      lost,
      shared,
      ['latency shared_cause', 'availability status_missing'],
    ],
    [
      'status_missing before threshold_unmet',
      lost,
      unmet,
      ['availability status_missing', 'latency threshold_unmet'],
    ],
    [
      'threshold_unmet before canary_indistinguishable',
      [over(10, 2_000, 0), hardlyStable],
      unmet,
      ['latency threshold_unmet', 'availability canary_indistinguishable'],
    ],
    [
      'canary_indistinguishable before within_noise',
      [over(10, 2_000, 3), hardlyStable],
      [over(10, 2_000, 0), hardlyStable],
      ['latency canary_indistinguishable', 'availability within_noise'],
    ],
    [
      'within_noise before insufficient_traffic',
      few,
      noise,
      ['latency within_noise', 'availability insufficient_traffic'],
    ],
    [
      'insufficient_traffic before no_data',
      nothing,
      few,
      ['latency insufficient_traffic', 'availability no_data'],
    ],
    ['no_data before a pass', clean, nothing, ['latency no_data', 'availability within_slo']],
    [
      'a pass by onLowTraffic before a proven one',
      clean,
      few,
      ['latency insufficient_traffic', 'availability within_slo'],
      { onLowTraffic: 'pass' },
    ],
    [
      'availability before latency with the same reason',
      noise,
      noise,
      ['availability within_noise', 'latency within_noise'],
    ],
  ])('is %s', (_, a, l, expected, gate = {}) => {
    expect(reasons(a, l, gate)).toEqual(expected);
  });
});

describe('a fault that lasts', () => {
  const burst = (label: string, service: string, bad: readonly number[]) =>
    endpointOf(label, { total: [500, 500, 500], bad }, over(3, 9_000, 0), { service });

  it('goes by the clock: endpoints and services that fail in the same minute are one blip', () => {
    const one = [0, 20, 0];
    const verdict = judged([
      burst('GET /a', 'shop', one),
      burst('GET /b', 'shop', one),
      burst('POST /c', 'bank', one),
    ]);
    expect(outcome(verdict)).toBe('inconclusive within_noise');
    expect(verdict.slis[0]?.sustainedEvidence).toBeLessThan(1);
  });

  it('is one where another endpoint or service takes over', () => {
    for (const [label, service] of [
      ['GET /b', 'shop'],
      ['POST /c', 'bank'],
    ] as const) {
      const verdict = judged([
        burst('GET /a', 'shop', [0, 20, 0]),
        burst(label, service, [0, 0, 20]),
        burst('GET /d', 'shop', [0, 0, 0]),
      ]);
      expect(outcome(verdict)).toBe('fail slo_violated');
    }
  });

  it('needs two bad events that were seen', () => {
    const of = (bad: readonly number[], sampleRate: number) =>
      outcome(judged([endpointOf('GET /a', { total: [40, 40], bad }, over(2, 900, 0), { sampleRate })]));
    expect(of([10, 10], 0.1)).toBe('fail slo_violated');
    expect(of([9, 10], 0.1)).not.toBe('fail slo_violated');
  });
});

describe('the window', () => {
  const windowOf = (canary: readonly number[], gate: Partial<GatePolicy>, more: { sinceMs?: number } = {}) =>
    judged(
      [endpointOf('GET /a', { total: canary, bad: [] }, { total: repeated([canary.length, 90]), bad: [] })],
      gate,
      more,
    ).window;

  it('does not look for noDataSentences where since is given, though it lies before all that was queried', () => {
    const paused = repeated([5, 9], [20, 0], [5, 9]);
    expect(windowOf(paused, {})).toMatchObject({ start: 'after_gap', seconds: 300 });
    expect(windowOf(paused, {}, { sinceMs: fromMs - bucketMs })).toMatchObject({
      start: 'max_window',
      seconds: 1_800,
    });
    expect(windowOf(paused, {}, { sinceMs: fromMs })).toMatchObject({ start: 'since', seconds: 1_800 });
  });

  it('begins with the earlier rollout until the silence between two hits is restartGap long', () => {
    expect(windowOf(repeated([3, 0], [1, 9], [4, 0], [2, 9]), {})).toMatchObject({
      start: 'first_hit',
      seconds: 420,
    });
    expect(windowOf(repeated([3, 0], [1, 9], [5, 0], [2, 9]), {})).toMatchObject({
      start: 'after_gap',
      seconds: 120,
    });
  });
});

describe('requests without a status', () => {
  it('single the canary out at 1/α, whatever number of SLIs is asked about', () => {
    const lost = (sliCount: number) =>
      judge(
        cujOf(),
        measurementOf({
          before: 1,
          availability: [endpointOf('GET /a', blind(10, 5_000, 0, 19), blind(10, 45_000, 0, 60))],
        }),
        { ...options, sliCount },
      ).reason;
    expect([lost(1), lost(50)]).toEqual(['status_missing', 'status_missing']);
  });

  it('are no more than half where they are half', () => {
    const of = (without: number) =>
      judged(
        [endpointOf('GET /a', blind(10, 1_000, 0, without), blind(10, 9_000, 0, 5_400))],
        { restartGapMs: bucketMs },
        { before: 2 },
      ).reason;
    expect([of(500), of(501)]).toEqual(['within_slo', 'status_missing']);
  });

  it('name the endpoint in the answer to a fail as well', () => {
    const { reason, slis } = judged([endpointOf('GET /a', blind(10, 1_000, 90, 600), over(10, 9_000, 0))]);
    expect(reason).toBe('slo_violated');
    expect(slis[0]?.missingStatus).toMatchObject({ side: 'canary', requests: 600, total: 1_000 });
  });
});

describe('an unmet threshold', () => {
  it('is unmet on all of its endpoints, by what stable did in all that was queried', () => {
    const unmet = (stable: Counts, more: ReturnType<typeof endpointOf>[] = []) =>
      judge(
        cujOf({ latency: 99, endpoints: [{ label: 'GET /a', latencyMs: 2 }] }),
        measurementOf({
          latency: [
            endpointOf('GET /a', then(none(5), over(10, 500, 500)), stable, { latencyMs: 2 }),
            ...more,
          ],
        }),
        options,
      ).reason;
    expect(unmet(then(over(5, 20, 20), none(10)))).toBe('threshold_unmet');
    expect(unmet(then(over(5, 20, 19), over(10, 90, 90)))).not.toBe('threshold_unmet');
    const met = endpointOf('GET /b', then(none(5), over(10, 2, 1)), silent, { latencyMs: 2 });
    expect(unmet(then(over(5, 20, 20), none(10)), [met])).not.toBe('threshold_unmet');
  });
});

describe('an endpoint that stable has failed and is no longer asked for', () => {
  it('is told by the hits on the whole services, not by those of the endpoint', () => {
    const of = (hits: number) => {
      const verdict = judged(
        [
          endpointOf('GET /a', then(none(10), over(10, 1_000, 0)), over(20, 20_000, 0)),
          endpointOf('GET /old', then(none(10), over(10, 10, 0)), then(over(10, 90, 9), none(10))),
        ],
        {},
        { whole: { canary: repeated([10, 0], [10, hits]), stable: repeated([20, 1_000]) } },
      );
      return verdict.slis[0]?.endpoints.find(({ endpoint }) => endpoint === 'GET /old')?.allowedRate;
    };
    // Ten requests, all the canary's, by a share of a half each: 1/1024. Of more than that: nothing strange.
    expect(of(1_000)).toBe(0.0005);
    expect(of(1_010)).toBeGreaterThan(0.1);
  });
});

describe('the endpoints of an SLI', () => {
  it('are shown by evidence, then by bad events, by requests and by name', () => {
    const row = (label: string, total: number, bad: number, more: { dispersion?: number } = {}) =>
      endpointOf(label, over(10, total, bad), over(10, 90_000, 0), more);
    const { slis } = judged([
      row('GET /z', 500, 0),
      row('GET /b', 500, 0),
      row('GET /many', 9_000, 0),
      row('GET /weak', 50_000, 9),
      row('GET /strong', 100, 3),
      row('GET /twin', 200, 6, { dispersion: 2 }),
    ]);
    expect(slis[0]?.endpoints.map(({ endpoint }) => endpoint)).toEqual([
      'GET /twin',
      'GET /strong',
      'GET /weak',
      'GET /many',
      'GET /b',
      'GET /z',
    ]);
  });
});

describe('endpoints with the same evidence', () => {
  it('are in the order of their bad events, whatever binary fractions make of it', () => {
    // Stable fails all of both, so that nothing that the canary does there proves anything: E is 1.
    const row = (label: string, total: number) =>
      endpointOf(label, over(10, total, total), over(10, 900, 900));
    for (const [less, more] of [
      [9, 10],
      [834, 27_614],
      [542, 27_508],
    ] as const) {
      const { slis } = judged([row('GET /a', less), row('GET /b', more)]);
      expect(slis[0]?.endpoints.map(({ endpoint, evidence }) => [endpoint, evidence])).toEqual([
        ['GET /b', 1],
        ['GET /a', 1],
      ]);
    }
  });
});

describe("what stable's late errors are counted as", () => {
  it('is at most as many as its requests on the endpoint, also where it is asked whether they are over', () => {
    // Three errors of GET /b came before their requests. Without them GET /a is what it was, and nothing is over.
    const { slis } = judged([
      endpointOf('GET /a', then(none(20), over(10, 100, 0)), then(over(20, 26, 3), over(10, 34, 3))),
      endpointOf('GET /b', silent, then({ total: [0], bad: [40] }, none(29))),
    ]);
    expect(slis[0]?.stable).toMatchObject({ bad: 6, total: 60 });
    expect(slis[0]?.stable.evidence).toBeGreaterThan(1e6);
  });
});

describe('the abort threshold of an endpoint under strict', () => {
  it("is the CUJ's, where the endpoint has as many requests", () => {
    const { slis } = judged(
      [
        endpointOf('GET /a', over(10, 6_990, 0), over(10, 9_000, 0)),
        endpointOf('GET /b', over(10, 3, 0), over(10, 9, 0)),
      ],
      { rule: 'strict' },
    );
    expect(slis[0]?.failAtBadEvents).toBe(4);
    expect(slis[0]?.endpoints.map(({ failAtBadEvents }) => failAtBadEvents)).toEqual([4, null]);
  });
});
