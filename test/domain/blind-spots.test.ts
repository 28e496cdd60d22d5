import { describe, expect, it } from 'vitest';
import type { GatePolicy } from '../../src/domain/registry-model.ts';
import { judge } from '../../src/domain/verdict.ts';
import { type Counts, cujOf, endpointOf, measurementOf, over, silent } from './journey.ts';

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
          statusGap: { side: 'canary', service: 'shop', endpoint: 'GET /b', requests: 1_000, total: 1_000 },
        },
      ],
    });
    expect(verdict.summary).toBe(
      'INCONCLUSIVE login (status_missing): 1000 of 1000 requests of the canary on GET /b carry no http.status_code (stable: 0 of 10000), so a 5XX among them cannot be seen',
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
    expect(verdict.slis[0]).not.toHaveProperty('statusGap');
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

  it("hold nothing against the canary where they are stable's, under baseline", () => {
    const blind: Side = [10_000, 0, 10_000];
    const verdict = judged({ 'GET /a': [[5_000, 100, 0], blind] }, { rule: 'baseline' });
    expect(verdict).toMatchObject({ verdict: 'inconclusive', reason: 'status_missing' });
    expect(verdict.summary).toContain('10000 of 10000 requests of stable on GET /a carry no');
    expect(judged({ 'GET /a': [[5_000, 100, 0], blind] }).verdict).toBe('fail');
  });
});

describe('a threshold that nothing is within', () => {
  const timed = (latencyMs: number) =>
    endpointOf('GET /a', over(minutes, 5_000, 5_000), over(minutes, 10_000, 10_000), { latencyMs });

  function judgedBy(requests: number, gate: Partial<GatePolicy>, stable = 10_000, latencyMs = 2) {
    const slow = {
      ...timed(latencyMs),
      ...(stable === 0 ? { stable: endpointOf('GET /a', over(minutes, 0, 0)).canary } : {}),
    };
    const measurement = measurementOf({ before: 1, latency: [slow] });
    const cuj = cujOf({ latency: 99, endpoints: [{ label: 'GET /a', latencyMs }], gate });
    return judge(cuj, { ...measurement, unmetThresholds: [{ latencyMs, requests }] }, options);
  }

  it.each<[string, Partial<GatePolicy>, number]>([
    ['confidence', {}, 10_000],
    ['confidence, without stable', {}, 0],
    ['strict', { rule: 'strict' }, 10_000],
    ['baseline', { rule: 'baseline' }, 10_000],
  ])('neither fails nor passes under %s', (_, gate, stable) => {
    const verdict = judgedBy(15_000, gate, stable);
    expect(verdict).toMatchObject({
      verdict: 'inconclusive',
      reason: 'threshold_unmet',
      slis: [{ requestsToVerdict: null, unmetThreshold: { latencyMs: 2, requests: 15_000 } }],
    });
    expect(verdict.summary).toBe(
      'INCONCLUSIVE login (threshold_unmet): not one of 15000 requests was within 2 ms, neither of the canary nor of stable',
    );
  });

  it('is shown as it was written, without an exponent', () => {
    expect(judgedBy(15_000, {}, 0, 0.0000005).summary).toContain('was within 0.0000005 ms,');
  });

  it('takes twenty requests: fewer may all be slow by chance', () => {
    expect(judgedBy(20, {}).reason).toBe('threshold_unmet');
    expect(judgedBy(19, {}).reason).toBe('shared_cause');
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
      'PASS login (within_slo): 0 of 1000 requests failed (100%, objective 99.95%), but none of some 800 expected on POST /orders and of 1 more',
    );
  });

  it('is none where stable has none either, nor where there is nothing to tell its share by', () => {
    expect(judgedOf({ 'GET /a': [1_000, 9_000], 'GET /b': [0, 0] }).slis[0]).not.toHaveProperty('unreached');
    expect(judgedOf({ 'GET /a': [1_000, 0], 'GET /b': [0, 9_000] }).slis[0]).not.toHaveProperty('unreached');
  });
});
