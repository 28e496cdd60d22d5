import { describe, expect, it } from 'vitest';
import { judge } from '../../../src/domain/judge/judge.ts';
import type { GatePolicy } from '../../../src/domain/registry/model.ts';
import { type Counts, cujOf, endpointOf, measurementOf, over, seededRandom, silent } from './journey.ts';

const options = { registryDigest: 'sha256:test' };
const minutes = 10;

/** So many requests in ten minutes, so many of them failed, and so many without a status. */
function counted(total: number, bad: number, without: number): Counts {
  const each = over(minutes, total, bad);
  const none = over(minutes, without, 0);
  return { ...each, withStatus: Array.from(each.total, (all, i) => all - (none.total[i] as number)) };
}

type Side = readonly [total: number, bad: number, without: number];
const clean: Side = [10_000, 0, 0];

/** Endpoints over ten minutes that follow one in which only stable had traffic. */
function judged(
  endpoints: Readonly<Record<string, readonly [canary: Side, stable: Side]>>,
  gate: Partial<GatePolicy> = {},
) {
  const measurement = measurementOf({
    before: 1,
    availability: Object.entries(endpoints).map(([label, [canary, stable]]) =>
      endpointOf(label, counted(...canary), counted(...stable)),
    ),
  });
  return judge(cujOf({ gate, endpoints: Object.keys(endpoints) }), measurement, options);
}

const rules: [string, Partial<GatePolicy>][] = [
  ['confidence', {}],
  ['confidence, where little traffic may pass', { onLowTraffic: 'pass', minRequests: 9_000 }],
  ['strict', { rule: 'strict' }],
  ['baseline', { rule: 'baseline' }],
];

describe('requests without a status', () => {
  it('never pass, and the summary says how many there are, where, and what stable has', () => {
    const verdict = judged({ 'GET /a': [[5_000, 0, 0], clean], 'GET /b': [[1_000, 0, 1_000], clean] });
    expect(verdict).toMatchObject({
      verdict: 'inconclusive',
      reason: 'status_missing',
      slis: [
        {
          requestsToVerdict: null,
          missingStatus: {
            side: 'canary',
            service: 'shop',
            endpoint: 'GET /b',
            requests: 1_000,
            total: 1_000,
          },
        },
      ],
    });
    expect(verdict.summary).toBe(
      'INCONCLUSIVE login (status_missing): 1000 of 1000 requests of the canary on GET /b carry no status (stable: 0 of 10000), so a 5XX among them cannot be seen',
    );
    expect(verdict.hint).toMatch(/tracer.*gRPC/);
  });

  it.each(rules)('never pass under %s', (_, gate) => {
    expect(judged({ 'GET /a': [[5_000, 0, 0], clean] }, gate).verdict).toBe('pass');
    for (const stable of [clean, [10_000, 0, 10_000] as const]) {
      expect(judged({ 'GET /a': [[5_000, 0, 2_600], stable] }, gate)).toMatchObject({
        verdict: 'inconclusive',
        reason: 'status_missing',
      });
    }
  });

  it.each(rules)('never pass under %s where they are few, and stable has hardly any', (_, gate) => {
    // The tracers of some frameworks set no status on the requests that crash.
    expect(
      judged(
        {
          'GET /a': [
            [5_000, 0, 250],
            [10_000, 0, 10],
          ],
        },
        gate,
      ),
    ).toMatchObject({
      verdict: 'inconclusive',
      reason: 'status_missing',
    });
  });

  it.each(rules)(
    'never pass under %s where they are those of one endpoint, as few as the others have',
    (_, gate) => {
      const verdict = judged(
        {
          'GET /a': [
            [19_800, 0, 200],
            [178_200, 0, 1_800],
          ],
          'POST /pay': [
            [200, 0, 90],
            [1_800, 0, 20],
          ],
        },
        gate,
      );
      expect(verdict).toMatchObject({
        verdict: 'inconclusive',
        reason: 'status_missing',
        slis: [{ missingStatus: { endpoint: 'POST /pay', requests: 90, total: 200 } }],
      });
    },
  );

  it('are no more than three where binary fractions alone make them more', () => {
    // Seen are 0.1 · 7 and 0.1 · 23, which is above 3 in doubles.
    expect(0.1 * 7 + 0.1 * 23).toBeGreaterThan(3);
    const endpoint = (label: string, lost: number) =>
      endpointOf(label, counted(10_000, 0, lost), counted(90_000, 0, 0), { sampleRate: 0.1 });
    const labels = ['GET /a', 'POST /pay'];
    const measurement = measurementOf({
      before: 1,
      availability: [endpoint('GET /a', 7), endpoint('POST /pay', 23)],
    });
    const verdict = judge(cujOf({ endpoints: labels }), measurement, options);
    expect(verdict.reason).toBe('within_slo');
  });

  it.each(rules)('may be few under %s where stable has as many: clients go away', (_, gate) => {
    const verdict = judged(
      {
        'GET /a': [
          [5_000, 0, 250],
          [10_000, 0, 480],
        ],
      },
      gate,
    );
    expect(verdict.verdict).toBe('pass');
    expect(verdict.slis[0]).not.toHaveProperty('missingStatus');
  });

  it.each(rules.filter(([name]) => !name.includes('little')))(
    'do not hide what others show: %s fails by the 5XX that are seen',
    (_, gate) => {
      expect(judged({ 'GET /a': [[5_000, 100, 4_000], clean] }, gate).verdict).toBe('fail');
    },
  );

  it('may be three, that came while the queries were evaluated, if there are others', () => {
    const few = { rule: 'strict' as const, restartGapMs: 3_600_000 };
    expect(judged({ 'GET /a': [[4, 0, 3], clean] }, few).verdict).toBe('pass');
    expect(judged({ 'GET /a': [[5, 0, 4], clean] }, few).reason).toBe('status_missing');
    expect(judged({ 'GET /a': [[3, 0, 3], clean] }, few).reason).toBe('status_missing');
  });

  it('may be the only ones of an endpoint that hardly anybody asks', () => {
    const rare = judged({
      'GET /a': [[5_000, 0, 0], clean],
      'GET /rare': [
        [2, 0, 2],
        [10, 0, 1],
      ],
    });
    expect(rare.verdict).toBe('pass');
  });

  it('are told over the window alone', () => {
    const before = { total: [9_999, 500], bad: [0, 0], withStatus: [0, 500] };
    const measurement = measurementOf({
      availability: [endpointOf('GET /a', before, over(2, 900, 0))],
      whole: { canary: [9_999, 500], stable: [450, 450] },
      windowMs: 60_000,
    });
    expect(judge(cujOf(), measurement, options).verdict).toBe('pass');
  });

  it.each(rules)(
    'are held against what stable has beside the canary, not against what it had before: %s',
    (_, gate) => {
      // An aborted release that is a part of the rest lost them, too.
      const before = { total: [9_000, 9_000], bad: [0, 0], withStatus: [4_000, 9_000] };
      const beside = counted(9_000, 0, 0);
      const join = (of: 'total' | 'bad' | 'withStatus') => [
        ...before[of],
        ...Array.from(beside[of] as number[]),
      ];
      const stable = { total: join('total'), bad: join('bad'), withStatus: join('withStatus') };
      const canary = counted(1_000, 0, 50);
      const silence = [0, 0];
      const measurement = measurementOf({
        availability: [
          endpointOf(
            'GET /a',
            {
              total: [...silence, ...Array.from(canary.total)],
              bad: [...silence, ...Array.from(canary.bad)],
              withStatus: [...silence, ...Array.from(canary.withStatus as number[])],
            },
            stable,
          ),
        ],
      });
      expect(judge(cujOf({ gate }), measurement, options).reason).toBe('status_missing');
    },
  );

  it('are held against what stable did before where the canary has all traffic', () => {
    const alone = (without: number) => {
      const canary = counted(10_000, 0, without);
      const measurement = measurementOf({
        availability: [
          endpointOf(
            'GET /a',
            {
              ...canary,
              total: [0, ...Array.from(canary.total)],
              bad: [0, ...Array.from(canary.bad)],
              withStatus: [0, ...Array.from(canary.withStatus as number[])],
            },
            { total: [60_000], bad: [0], withStatus: [59_900] },
          ),
        ],
      });
      return judge(cujOf(), measurement, options).reason;
    };
    expect(alone(4_500)).toBe('status_missing');
    expect(alone(20)).toBe('within_slo');
  });

  it.each(rules)(
    'never pass under %s where the canary has all traffic and one endpoint loses them',
    (_, gate) => {
      // GET /big loses 2% on both sides; POST /pay has 2% of the traffic and loses 40% on the canary alone.
      const minute = (canary: boolean, total: number, without: number) => ({
        total: Array.from({ length: 15 }, () => (canary ? total : 0)),
        bad: [],
        withStatus: Array.from({ length: 15 }, () => (canary ? total - without : 0)),
      });
      const earlier = (total: number, without: number) => ({
        total: [total],
        bad: [],
        withStatus: [total - without],
      });
      const later = ({ total, withStatus }: { total: number[]; withStatus: number[] }, looks: number) => ({
        total: [0, ...total.slice(0, looks)],
        bad: [],
        withStatus: [0, ...withStatus.slice(0, looks)],
      });
      const reasonAt = (looks: number) =>
        judge(
          cujOf({ gate, endpoints: ['GET /big', 'POST /pay'] }),
          measurementOf({
            availability: [
              endpointOf('GET /big', later(minute(true, 4_900, 98), looks), earlier(49_000, 980)),
              endpointOf('POST /pay', later(minute(true, 100, 40), looks), earlier(1_000, 0)),
            ],
          }),
          options,
        ).reason;
      for (let looks = 1; looks <= 15; looks += 1)
        expect(reasonAt(looks), `look ${looks}`).toBe('status_missing');
    },
  );

  it.each(rules)(
    'never pass under %s though one lies on an endpoint that only the release has',
    (_, gate) => {
      const verdict = judged(
        {
          'GET /big': [
            [49_000, 0, 980],
            [49_000, 0, 980],
          ],
          'POST /pay': [
            [1_000, 0, 400],
            [1_000, 0, 0],
          ],
          'GET /new': [
            [50, 0, 1],
            [0, 0, 0],
          ],
        },
        gate,
      );
      expect(verdict).toMatchObject({ verdict: 'inconclusive', reason: 'status_missing' });
      expect(verdict.slis[0]?.missingStatus).toMatchObject({
        endpoint: 'POST /pay',
        requests: 400,
        total: 1_000,
      });
    },
  );

  it('of sampled requests count as seen', () => {
    const sampled = (seen: number) => ({
      ...endpointOf('GET /rare', counted(100 * seen, 0, 100 * seen), counted(...clean)),
      sampleRate: 0.01,
    });
    const verdictOn = (seen: number) =>
      judge(
        cujOf({ endpoints: ['GET /a', 'GET /rare'] }),
        measurementOf({
          before: 1,
          availability: [endpointOf('GET /a', counted(50_000, 0, 0), counted(...clean)), sampled(seen)],
        }),
        options,
      ).verdict;
    expect(verdictOn(3)).toBe('pass');
    expect(verdictOn(4)).toBe('inconclusive');
  });

  it("hold nothing against the canary where they are stable's, under baseline", () => {
    const blind: Side = [10_000, 0, 10_000];
    const verdict = judged({ 'GET /a': [[5_000, 100, 0], blind] }, { rule: 'baseline' });
    expect(verdict).toMatchObject({ verdict: 'inconclusive', reason: 'status_missing' });
    expect(verdict.summary).toContain('10000 of 10000 requests of stable on GET /a carry no');
    expect(judged({ 'GET /a': [[5_000, 100, 0], blind] }).verdict).toBe('fail');
    // A trifle on the canary does not hide it, nor do endpoints on which stable is not blind.
    const trifle = { 'GET /a': [[5_000, 100, 0], blind] as const, 'GET /b': [[4, 0, 4], clean] as const };
    expect(judged(trifle, { rule: 'baseline' }).verdict).toBe('inconclusive');
    const partly = {
      'GET /a': [
        [4_000, 80, 0],
        [36_000, 0, 36_000],
      ] as const,
      'GET /b': [
        [6_000, 0, 0],
        [54_000, 0, 0],
      ] as const,
    };
    expect(judged(partly, { rule: 'baseline' }).verdict).toBe('inconclusive');
  });
});

describe('a threshold that nothing is within', () => {
  type Rule = GatePolicy['rule'];
  const slow = (
    label: string,
    canary: number,
    stable: number,
    more: { latencyMs: number; sampleRate?: number },
  ) => endpointOf(label, over(minutes, canary, canary), over(minutes, stable, stable), more);
  const quick = (canary: number, bad: number) =>
    endpointOf('GET /quick', over(minutes, canary, bad), over(minutes, 10_000, 20), { latencyMs: 300 });

  function judgedBy(endpoints: readonly ReturnType<typeof slow>[], gate: Partial<GatePolicy> = {}) {
    const measurement = measurementOf({ before: 1, latency: endpoints });
    const cuj = cujOf({
      latency: 99,
      endpoints: endpoints.map(({ label, latencyMs = 1 }) => ({ label, latencyMs })),
      gate,
    });
    return judge(cuj, measurement, options);
  }

  it.each<[string, Partial<GatePolicy>]>([
    ['confidence', {}],
    ['strict', { rule: 'strict' }],
    ['baseline', { rule: 'baseline' }],
  ])('neither fails nor passes under %s, alone or beside one that is met', (_, gate) => {
    const unmet = slow('GET /a', 5_000, 10_000, { latencyMs: 2 });
    for (const endpoints of [[unmet], [unmet, quick(5_000, 10)]]) {
      const verdict = judgedBy(endpoints, gate);
      expect(verdict).toMatchObject({
        verdict: 'inconclusive',
        reason: 'threshold_unmet',
        slis: [{ requestsToVerdict: null, unmetThreshold: { latencyMs: 2, requests: 15_000 } }],
      });
      expect(verdict.summary).toBe(
        'INCONCLUSIVE login (threshold_unmet): none of 15000 requests was within 2 ms, canary and stable alike',
      );
    }
  });

  it.each(['confidence', 'strict', 'baseline'] as const)(
    'does not fail under %s once the canary has all traffic either',
    (rule) => {
      const later = (counts: ArrayLike<number>) => [...Array(40).fill(0), ...Array.from(counts)];
      const slowAll = over(20, 2_000, 2_000);
      const alone = (label: string, latencyMs: number) =>
        endpointOf(label, { total: later(slowAll.total), bad: later(slowAll.bad) }, over(40, 4_000, 4_000), {
          latencyMs,
        });
      for (const endpoints of [[alone('GET /a', 1)], [alone('GET /a', 1), alone('GET /b', 2), quick(50, 0)]])
        expect(judgedBy(endpoints, { rule })).toMatchObject({
          verdict: 'inconclusive',
          reason: 'threshold_unmet',
        });
    },
  );

  it('does not hide what fails by another one', () => {
    const unmet = slow('GET /a', 50, 100, { latencyMs: 2 });
    for (const rule of ['confidence', 'strict'] as const)
      expect(judgedBy([unmet, quick(5_000, 2_500)], { rule }).verdict).toBe('fail');
  });

  /** GET /report has 95% of the traffic and is never within its threshold; POST /pay is as slow as is said. */
  const besideReport = (looks: number, pay: readonly [canary: number, stable: number], rule: Rule) =>
    judgedBy(
      [
        endpointOf(
          'GET /report',
          over(looks, 1_900 * looks, 1_900 * looks),
          over(looks, 17_100 * looks, 17_100 * looks),
          {
            latencyMs: 2,
          },
        ),
        endpointOf(
          'POST /pay',
          over(looks, 100 * looks, pay[0] * looks),
          over(looks, 900 * looks, pay[1] * looks),
          {
            latencyMs: 300,
          },
        ),
      ],
      { rule },
    );

  it.each<[Rule, string, string]>([
    [
      'confidence',
      'slo_violated',
      'a service meeting its SLO does this in fewer than 1 of 1000000 rollouts; aborts at 1 in 20',
    ],
    [
      'baseline',
      'worse_than_stable',
      'a canary no worse than stable does this in fewer than 1 of 1000000 rollouts; aborts at 1 in 20',
    ],
    ['strict', 'slo_violated', 'the rule strict fails below the objective'],
  ])('does not hide that the rest fails where the whole does not, under %s', (rule, reason, grounds) => {
    for (let looks = 2; looks <= 10; looks += 1) {
      const verdict = besideReport(looks, [100, 0], rule);
      expect(verdict, `look ${looks}`).toMatchObject({ verdict: 'fail', reason });
      // What is shown is what failed.
      const [sli] = verdict.slis;
      expect(sli).toMatchObject({
        bad: 100 * looks,
        total: 100 * looks,
        requestsToVerdict: null,
        stable: { bad: 0, total: 900 * looks },
        unmetThreshold: { latencyMs: 2, requests: 19_000 * looks },
        endpoints: [{ endpoint: 'POST /pay', bad: 100 * looks }],
      });
      expect(rule === 'baseline' ? sli?.shareEvidence : sli?.evidence).toBeGreaterThanOrEqual(20);
      if (rule !== 'baseline') expect(sli?.failAtBadEvents).toBeLessThanOrEqual(100 * looks);
      expect(verdict.summary).toBe(
        `FAIL login (${reason}): ${100 * looks} of ${100 * looks} requests slow (0%, objective 99%, burn 100x), worst POST /pay ${100 * looks} of ${100 * looks}; stable 0 of ${900 * looks}; left out: none of ${19_000 * looks} requests was within 2 ms; ${grounds}`,
      );
    }
    // One minute is one minute.
    if (rule !== 'strict') expect(besideReport(1, [100, 0], rule).reason).toBe('threshold_unmet');
  });

  it.each(['confidence', 'baseline'] as const)(
    'is no fail where stable is as slow on the rest, under %s',
    (rule) => {
      expect(besideReport(5, [50, 50 * 9], rule).reason).toBe('threshold_unmet');
      expect(besideReport(5, [0, 0], rule).reason).toBe('threshold_unmet');
    },
  );

  it('costs no false abort: left out, it never makes more evidence of what is left', () => {
    const random = seededRandom(5);
    let fails = 0;
    for (let round = 0; round < 200; round += 1) {
      const some = (most: number) => 1 + Math.floor(random() * most);
      const endpoints = [
        ...Array.from({ length: some(3) }, (_, i) =>
          slow(`GET /slow/${i}`, some(50), 20 + some(500), { latencyMs: 2 }),
        ),
        ...Array.from({ length: some(3) }, (_, i) => {
          const total = some(300);
          return endpointOf(
            `GET /other/${i}`,
            over(minutes, total, Math.floor(total * random() ** 4)),
            over(minutes, 9 * total, 0),
            { latencyMs: 300 },
          );
        }),
      ];
      const verdict = judgedBy(endpoints);
      if (verdict.verdict !== 'fail') continue;
      fails += 1;
      // The same counts without thresholds: what all of them show.
      const whole = judge(
        cujOf({ availability: 99, endpoints: endpoints.map(({ label }) => label) }),
        measurementOf({ before: 1, availability: endpoints.map(({ latencyMs: _, ...one }) => one) }),
        options,
      );
      expect(whole.slis[0]?.evidence).toBeGreaterThanOrEqual(verdict.slis[0]?.evidence as number);
      expect(whole.slis[0]?.sustainedEvidence).toBeGreaterThanOrEqual(
        verdict.slis[0]?.sustainedEvidence as number,
      );
    }
    expect(fails).toBeGreaterThan(40);
  });

  it('is shown as it was written, without an exponent', () => {
    const { summary } = judgedBy([slow('GET /a', 5_000, 10_000, { latencyMs: 0.0000005 })]);
    expect(summary).toContain('was within 0.0000005 ms,');
  });

  it('takes twenty requests of stable that were seen, and one of the canary', () => {
    expect(judgedBy([slow('GET /a', 20, 20, { latencyMs: 2 })]).reason).toBe('threshold_unmet');
    expect(judgedBy([slow('GET /a', 20, 19, { latencyMs: 2 })]).reason).not.toBe('threshold_unmet');
    expect(judgedBy([slow('GET /a', 20, 1_900, { latencyMs: 2, sampleRate: 0.01 })]).reason).not.toBe(
      'threshold_unmet',
    );
    expect(judgedBy([slow('GET /a', 0, 25, { latencyMs: 2 }), quick(5_000, 0)]).verdict).toBe('pass');
  });
});

describe('an endpoint that nobody asked the canary for', () => {
  const of = (canary: number, stable: number) =>
    endpointOf('', over(minutes, canary, 0), over(minutes, stable, 0));
  const judgedOf = (endpoints: Readonly<Record<string, readonly [number, number]>>) =>
    judge(
      cujOf({ endpoints: Object.keys(endpoints) }),
      measurementOf({
        before: 1,
        availability: Object.entries(endpoints).map(([label, [canary, stable]]) => ({
          ...endpointOf(label, silent, silent),
          canary: of(canary, stable).canary,
          stable: of(canary, stable).stable,
        })),
      }),
      options,
    );

  it('is told with a pass, most missed first, with how often it would have been', () => {
    const { verdict, summary, slis } = judgedOf({
      'GET /a': [1_000, 9_000],
      'POST /orders': [0, 7_200],
      'GET /b': [0, 180],
      'GET /rare': [0, 170],
    });
    expect(verdict).toBe('pass');
    expect(slis[0]?.unreached).toEqual([
      { endpoint: 'POST /orders', service: 'shop', predicted: 800 },
      { endpoint: 'GET /b', service: 'shop', predicted: 20 },
    ]);
    expect(summary).toBe(
      'PASS login (within_slo): 0 of 1000 requests failed (100%, objective 99.95%), but none of about 800 expected requests on POST /orders and of 1 more',
    );
  });

  it('is foretold by the share of its own service, minute by minute, and by what was seen', () => {
    const unreachedIn = (availability: ReturnType<typeof endpointOf>[]) =>
      judge(
        cujOf({ endpoints: availability.map(({ label, service }) => ({ label, service })) }),
        measurementOf({ availability }),
        options,
      ).slis[0]?.unreached;
    const shop = endpointOf('GET /a', over(minutes, 1_000, 0), over(minutes, 9_000, 0));
    // Another service, which has no canary; one that only the new version has; one that nobody asked while it had weight.
    const pay = endpointOf('POST /pay', silent, over(minutes, 8_000, 0), { service: 'pay' });
    const fresh = endpointOf('GET /new', over(minutes, 10_000, 0), silent);
    const rare = endpointOf('GET /rare', silent, over(minutes, 90, 0));
    expect(unreachedIn([shop, pay, fresh, rare])).toBeUndefined();
    const steps = endpointOf(
      'GET /a',
      { total: [10, 10, 500, 500], bad: [] },
      { total: [990, 990, 500, 500], bad: [] },
    );
    const batch = endpointOf('POST /batch', silent, { total: [150, 150, 0, 0], bad: [] });
    expect(unreachedIn([steps, batch])).toBeUndefined();
    const sampled = { sampleRate: 0.01 };
    expect(
      unreachedIn([
        endpointOf('GET /a', over(minutes, 1_000, 0), over(minutes, 9_000, 0), sampled),
        endpointOf('GET /b', silent, over(minutes, 300, 0), sampled),
      ]),
    ).toBeUndefined();
    // A route that moved: nothing on both sides tells the share.
    const moved = [
      endpointOf('POST /v2/orders', over(minutes, 704, 0), silent, { sampleRate: 0.1 }),
      endpointOf('POST /v1/orders', silent, over(minutes, 6_331, 0), { sampleRate: 0.1 }),
    ];
    expect(unreachedIn(moved)).toBeUndefined();
  });

  it('is none where stable has none either, nor where there is nothing to tell its share by', () => {
    expect(judgedOf({ 'GET /a': [1_000, 9_000], 'GET /b': [0, 0] }).slis[0]).not.toHaveProperty('unreached');
    expect(judgedOf({ 'GET /a': [1_000, 0], 'GET /b': [0, 9_000] }).slis[0]).not.toHaveProperty('unreached');
  });
});
