import { describe, expect, it } from 'vitest';
import { type JudgeOptions, judge } from '../../../src/domain/judge/judge.ts';
import type { GatePolicy } from '../../../src/domain/registry/model.ts';
import { type Counts, cujOf, endpointOf, measurementOf, over } from './journey.ts';

const options: JudgeOptions = { registryDigest: 'sha256:test' };
const inTime = { passAfterMs: 480_000, rulesOutRate: 0.05, minRequests: 60 } as const;
const clean = over(8, 80, 0);
const stableOver = (minutes: number): Counts => ({ total: new Array(minutes).fill(90), bad: [] });

/** A canary from the seventh minute on, with stable beside it and before. */
function verdictOn(
  canary: Counts,
  gate: Partial<GatePolicy> = {},
  wishes: {
    readonly sinceMs?: number;
    readonly windowMs?: number | 'rollout';
    readonly stable?: Counts;
  } = {},
  /** So much of the newest minute is over. */
  seconds = 60,
) {
  const lead = new Array<number>(6).fill(0);
  const shifted = {
    total: [...lead, ...Array.from(canary.total)],
    bad: [...lead, ...Array.from(canary.bad)],
  };
  const measured = measurementOf({
    ...wishes,
    availability: [endpointOf('GET /a', shifted, wishes.stable ?? stableOver(shifted.total.length))],
  });
  return judge(
    cujOf({ gate: { ...inTime, ...gate } }),
    { ...measured, toMs: measured.toMs - (60 - seconds) * 1000 },
    options,
  );
}

function outcome({ verdict, reason }: { readonly verdict: string; readonly reason: string }): string {
  return `${verdict} ${reason}`;
}

describe('a limited pass', () => {
  it('comes passAfter after the first request of the canary, and not a minute earlier', () => {
    expect(outcome(verdictOn(over(7, 80, 0)))).toBe('inconclusive insufficient_traffic');
    expect(outcome(verdictOn(clean))).toBe('pass limited_evidence');
  });

  it('counts the seconds of a minute that is not over, to the second', () => {
    const at = (passAfterMs: number, seconds: number) => verdictOn(clean, { passAfterMs }, {}, seconds);
    // Seven minutes, and some seconds of the eighth.
    expect(outcome(at(430_000, 10))).toBe('pass limited_evidence');
    expect(outcome(at(431_000, 10))).toBe('inconclusive insufficient_traffic');
    for (const seconds of [10, 20, 30, 40, 50])
      expect(at(480_000, seconds).slis[0]?.limitedPass).toEqual({ requests: 0, seconds: 60 - seconds });
    expect(at(480_000, 40).summary).toContain(' or with limited evidence after 1 min');
  });

  it('says what it rules out, and what a proven pass takes', () => {
    const verdict = verdictOn(clean);
    expect(verdict.slis[0]).toMatchObject({ rulesOutRate: 0.0367542, requestsToVerdict: 335 });
    expect(verdict.slis[0]).not.toHaveProperty('limitedPass');
    expect(verdict.summary).toBe(
      'PASS login (limited_evidence): 0 of 80 requests failed (100%, objective 99.95%); rules out failure rates above 3.7%; proven after 335 more clean requests (about 34 min)',
    );
  });

  it.each([
    ['58 requests, which do not rule out 5%', over(8, 58, 0), { minRequests: 0 }],
    ['59 requests below minRequests', over(8, 59, 0), {}],
    ['passAfter: never', clean, { passAfterMs: undefined }],
    ['a record from before it existed', clean, { passAfterMs: undefined, rulesOutRate: undefined }],
  ])('does not come with %s', (_, canary, gate) => {
    expect(outcome(verdictOn(canary, gate))).toBe('inconclusive insufficient_traffic');
  });

  it('comes with 59 requests where minRequests asks for no more', () => {
    expect(outcome(verdictOn(over(8, 59, 0), { minRequests: 0 }))).toBe('pass limited_evidence');
  });

  it('is not asked for by a proven pass', () => {
    expect(outcome(verdictOn(over(8, 415, 0)))).toBe('pass within_slo');
  });

  it('passes below the objective where that is no evidence against the canary', () => {
    const bad = { total: over(8, 900, 0).total, bad: [0, 0, 1] };
    const verdict = verdictOn(bad);
    expect(verdict.slis[0]?.evidence).toBeLessThan(2);
    expect(outcome(verdict)).toBe('pass limited_evidence');
    expect(outcome(verdictOn(bad, { passAfterMs: undefined }))).toBe('inconclusive within_noise');
  });

  it('does not come where the evidence is above 2', () => {
    const verdict = verdictOn({ total: over(8, 100, 0).total, bad: [0, 0, 1] });
    expect(verdict.slis[0]?.evidence).toBeGreaterThan(2);
    expect(outcome(verdict)).toBe('inconclusive insufficient_traffic');
    expect(verdict.slis[0]).not.toHaveProperty('limitedPass');
  });

  it('never replaces a fail', () => {
    expect(outcome(verdictOn({ total: over(8, 80, 0).total, bad: [0, 2, 1] }))).toBe('fail slo_violated');
  });

  it('does not come where canary and stable cannot be told apart', () => {
    const whole = { total: new Array(14).fill(10), bad: [] };
    const verdict = judge(
      cujOf({ gate: inTime }),
      measurementOf({ availability: [endpointOf('GET /a', whole)] }),
      options,
    );
    expect(outcome(verdict)).toBe('inconclusive canary_indistinguishable');
  });

  it('does not come under strict', () => {
    expect(outcome(verdictOn(clean, { rule: 'strict', minRequests: 100 }))).toBe(
      'inconclusive insufficient_traffic',
    );
  });

  it('goes by the compared minutes under baseline', () => {
    const gate = { rule: 'baseline' } as const;
    expect(outcome(verdictOn(clean, gate))).toBe('pass limited_evidence');
    const besideOneMinute: Counts = { total: [...new Array(6).fill(90), 90], bad: [] };
    expect(outcome(verdictOn(clean, gate, { stable: besideOneMinute }))).toBe(
      'inconclusive insufficient_traffic',
    );
  });

  it('goes before a pass of onLowTraffic once it is due', () => {
    const gate = { onLowTraffic: 'pass' } as const;
    expect(outcome(verdictOn(over(7, 80, 0), gate))).toBe('pass insufficient_traffic');
    expect(outcome(verdictOn(clean, gate))).toBe('pass limited_evidence');
  });
});

describe('what a URL can do to a limited pass', () => {
  const start = measurementOf({ availability: [endpointOf('GET /a', clean)] }).fromMs;

  it('is only to ask for more: since begins the time anew', () => {
    const canary = over(9, 180, 0);
    expect(outcome(verdictOn(canary))).toBe('pass limited_evidence');
    expect(outcome(verdictOn(canary, {}, { sinceMs: start + 7 * 60_000 }))).toBe('pass limited_evidence');
    expect(outcome(verdictOn(canary, {}, { sinceMs: start + 8 * 60_000 }))).toBe(
      'inconclusive insufficient_traffic',
    );
    // Before the canary's first request nothing was watched.
    expect(outcome(verdictOn(over(7, 80, 0), {}, { sinceMs: start }))).toBe(
      'inconclusive insufficient_traffic',
    );
  });

  it('is only to ask for more: a fixed span has none, even where it is long enough', () => {
    expect(outcome(verdictOn(clean, {}, { windowMs: 720_000 }))).toBe('inconclusive insufficient_traffic');
    expect(outcome(verdictOn(clean, { window: 720_000 }))).toBe('inconclusive insufficient_traffic');
    expect(outcome(verdictOn(clean, { window: 720_000 }, { windowMs: 'rollout' }))).toBe(
      'pass limited_evidence',
    );
  });
});

describe('what is missing for a limited pass', () => {
  it('is said as clean requests and time', () => {
    const { summary, slis } = verdictOn(over(5, 20, 0));
    expect(slis[0]?.limitedPass).toEqual({ requests: 40, seconds: 180 });
    expect(summary).toContain(
      'passes after 395 more clean requests or with limited evidence after 40 clean requests and 3 min',
    );
  });

  it('is only time, or only requests, where that is all', () => {
    expect(verdictOn(over(7, 80, 0)).summary).toContain('or with limited evidence after 1 min');
    expect(verdictOn(over(9, 30, 0)).summary).toContain('or with limited evidence after 30 clean requests,');
  });

  it('leads there: so many clean requests pass, and one fewer does not', () => {
    const gate = { rulesOutRate: 0.01, minRequests: 0 };
    const canary = { total: over(9, 270, 0).total, bad: [] };
    const requests = verdictOn(canary, gate).slis[0]?.limitedPass?.requests as number;
    const verdictAfter = (more: number) =>
      verdictOn({ ...canary, total: [...Array.from(canary.total).slice(0, 8), 30 + more] }, gate).verdict;
    expect(requests).toBeGreaterThan(0);
    expect(verdictAfter(requests)).toBe('pass');
    expect(verdictAfter(requests - 1)).toBe('inconclusive');
  });

  it('is not said of data that has stopped, nor where no request is within a threshold', () => {
    const slow = over(8, 30, 30);
    const { slis } = judge(
      cujOf({ latency: 99, gate: inTime, endpoints: [{ label: 'GET /a', latencyMs: 1 }] }),
      measurementOf({
        before: 6,
        latency: [endpointOf('GET /a', slow, slow, { latencyMs: 1 })],
      }),
      options,
    );
    expect(slis[0]).toMatchObject({ reason: 'threshold_unmet' });
    expect(slis[0]).not.toHaveProperty('limitedPass');
  });
});

describe('a proven pass at a low objective', () => {
  const clean = (total: number) =>
    judge(
      cujOf({ availability: 90, gate: { rulesOutRate: 0.25, minRequests: 0 } }),
      measurementOf({
        before: 6,
        availability: [endpointOf('GET /a', over(2, total, 0), over(2, 900, 0))],
      }),
      options,
    ).verdict;

  it('rules out rulesOutRate at least: 14.4 times the error budget would be no rate at all', () => {
    expect(clean(10)).toBe('inconclusive');
    expect(clean(11)).toBe('pass');
  });

  it('is possible where stable uses nearly the whole error budget', () => {
    const verdict = judge(
      cujOf({ availability: 50, gate: { rulesOutRate: 0.25, minRequests: 0 } }),
      measurementOf({ before: 6, availability: [endpointOf('GET /a', over(2, 200, 80), over(2, 900, 360))] }),
      options,
    );
    expect(verdict).toMatchObject({ verdict: 'pass', reason: 'within_slo' });
  });
});
