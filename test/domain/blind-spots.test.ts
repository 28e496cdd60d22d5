import { describe, expect, it } from 'vitest';
import type { ServiceStatuses } from '../../src/domain/metrics-source.ts';
import type { GatePolicy } from '../../src/domain/registry-model.ts';
import { judge } from '../../src/domain/verdict.ts';
import { cujOf, endpointOf, measurementOf, over } from './journey.ts';

const options = { registryDigest: 'sha256:test' };
const minutes = 10;

function statusesOf(service: string, perMinute: number, withStatus: number): ServiceStatuses {
  const every = (count: number) => [0, ...new Array<number>(minutes).fill(count)];
  return { service, total: every(perMinute), withStatus: every(withStatus) };
}

/** 5,000 requests in ten minutes that follow one in which only stable had traffic. */
function judged(
  statuses: readonly ServiceStatuses[],
  { failed = 0, gate = {} }: { failed?: number; gate?: Partial<GatePolicy> } = {},
) {
  const measurement = measurementOf({
    before: 1,
    availability: [endpointOf('GET /a', over(minutes, 5_000, failed), over(minutes, 10_000, 0))],
    whole: { canary: statusesOf('shop', 500, 0).total, stable: new Array(minutes + 1).fill(1_000) },
  });
  return judge(cujOf({ gate }), { ...measurement, statuses }, options);
}

describe('requests without a status', () => {
  it('never pass, and the summary says how many there are and of which service', () => {
    const verdict = judged([statusesOf('api', 500, 500), statusesOf('shop', 500, 0)]);
    expect(verdict).toMatchObject({
      verdict: 'inconclusive',
      reason: 'status_missing',
      slis: [{ requestsToVerdict: null, statusGap: { service: 'shop', requests: 5_000, total: 5_000 } }],
    });
    expect(verdict.summary).toBe(
      "INCONCLUSIVE login (status_missing): 5000 of the canary's 5000 requests on shop carry no http.status_code, so a 5XX among them cannot be seen",
    );
    expect(verdict.hint).toMatch(/tracer.*gRPC/);
  });

  it.each<[string, Partial<GatePolicy>]>([
    ['confidence', {}],
    ['confidence, where little traffic may pass', { onLowTraffic: 'pass', minRequests: 9_000 }],
    ['strict', { rule: 'strict' }],
    ['baseline', { rule: 'baseline' }],
  ])('never pass under %s', (_, gate) => {
    expect(judged([statusesOf('shop', 500, 500)], { gate }).verdict).toBe('pass');
    expect(judged([statusesOf('shop', 500, 249)], { gate })).toMatchObject({
      verdict: 'inconclusive',
      reason: 'status_missing',
    });
  });

  it.each<[string, Partial<GatePolicy>]>([
    ['confidence', {}],
    ['strict', { rule: 'strict' }],
    ['baseline', { rule: 'baseline' }],
  ])('do not hide what others show: %s fails by the 5XX that are seen', (_, gate) => {
    expect(judged([statusesOf('shop', 500, 100)], { failed: 100, gate }).verdict).toBe('fail');
  });

  it('may be half of all, as where clients went away before an answer', () => {
    const verdict = judged([statusesOf('shop', 500, 250)]);
    expect(verdict.verdict).toBe('pass');
    expect(verdict.slis[0]).not.toHaveProperty('statusGap');
  });

  it('may be three, that came while the queries were evaluated', () => {
    const some = (requests: number) => ({
      ...statusesOf('shop', 0, 0),
      total: [...new Array<number>(minutes).fill(0), requests],
    });
    expect(judged([some(3)]).verdict).toBe('pass');
    expect(judged([some(4)]).reason).toBe('status_missing');
  });

  it('are told over the window alone: what the version before lacked does not count', () => {
    const before = {
      ...statusesOf('shop', 500, 500),
      total: [9_999, ...new Array<number>(minutes).fill(500)],
    };
    expect(judged([before]).verdict).toBe('pass');
  });

  it('of several services are told of the one with the most', () => {
    const verdict = judged([statusesOf('a', 10, 0), statusesOf('b', 20, 1), statusesOf('c', 15, 0)]);
    expect(verdict.slis[0]?.statusGap).toEqual({ service: 'b', requests: 190, total: 200 });
  });

  it('are nothing to latency, which needs no status', () => {
    const slow = endpointOf('GET /a', over(minutes, 5_000, 0), over(minutes, 10_000, 0), { latencyMs: 300 });
    const measurement = measurementOf({ before: 1, latency: [slow] });
    const cuj = cujOf({ latency: 99, endpoints: [{ label: 'GET /a', latencyMs: 300 }] });
    const verdict = judge(cuj, { ...measurement, statuses: [statusesOf('shop', 500, 0)] }, options);
    expect(verdict).toMatchObject({ verdict: 'pass', reason: 'within_slo' });
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
