import { describe, expect, it } from 'vitest';
import { judge } from '../../../src/domain/judge/judge.ts';
import type { GatePolicy } from '../../../src/domain/registry/model.ts';
import { ruleNames } from '../../../src/domain/registry/rules.ts';
import { cujOf, endpointOf, measurementOf, over, silent } from './journey.ts';

/** A canary with `requests` on one endpoint, and none on another that has as much traffic of stable; eight minutes. */
function verdictOn(requests: number, gate: Partial<GatePolicy> = {}, expected = 200) {
  const lead = new Array<number>(6).fill(0);
  const later = ({ total, bad }: ReturnType<typeof over>) => ({
    total: [...lead, ...Array.from(total)],
    bad: [...lead, ...Array.from(bad)],
  });
  return judge(
    cujOf({ endpoints: ['GET /a', 'GET /lost'], gate: { onUnreached: 'inconclusive', ...gate } }),
    measurementOf({
      availability: [
        endpointOf('GET /a', later(over(8, requests, 0)), later(over(8, requests, 0))),
        endpointOf('GET /lost', silent, later(over(8, expected, 0))),
      ],
    }),
    { registryDigest: 'sha256:test' },
  );
}

describe.each(ruleNames)('an endpoint that the canary does not reach, under %s', (rule) => {
  it('keeps it from passing', () => {
    const verdict = verdictOn(1_000, { rule });
    expect(verdict).toMatchObject({ verdict: 'inconclusive', reason: 'endpoint_unreached' });
    expect(verdict.slis[0]?.requestsToVerdict).toBeNull();
    expect(verdict.summary).toContain(
      'but none of about 200 expected requests on GET /lost: check its routes',
    );
  });

  it('is no reason where routing differs on purpose', () => {
    expect(verdictOn(1_000, { rule, onUnreached: 'pass' }).verdict).toBe('pass');
    // A record from before the setting existed.
    expect(verdictOn(1_000, { rule, onUnreached: undefined }).verdict).toBe('pass');
  });

  it('is no reason below 20 expected requests, which chance may explain', () => {
    expect(verdictOn(1_000, { rule }, 19).verdict).toBe('pass');
    expect(verdictOn(1_000, { rule }, 20).reason).toBe('endpoint_unreached');
  });
});

describe('an endpoint that the canary does not reach', () => {
  it('is not reached by a failure that may be of another one', () => {
    const lost = [...new Array<number>(10).fill(0), 1, ...new Array<number>(3).fill(0)];
    const none = lost.map(() => 0);
    const served = { total: Array.from(over(14, 20_000, 0).total), bad: none };
    const verdict = judge(
      cujOf({ endpoints: ['GET /a', 'GET /lost'], gate: { onUnreached: 'inconclusive' } }),
      measurementOf({
        availability: [
          endpointOf('GET /a', served, served),
          endpointOf('GET /lost', { total: lost, bad: none, unclassified: lost }, served),
        ],
      }),
      { registryDigest: 'sha256:test' },
    );
    expect(verdict).toMatchObject({ verdict: 'inconclusive', reason: 'endpoint_unreached' });
  });

  it('keeps a limited pass back, and a pass by onLowTraffic', () => {
    const inTime = { passAfterMs: 480_000, rulesOutRate: 0.25 };
    expect(verdictOn(100, inTime).reason).toBe('endpoint_unreached');
    expect(verdictOn(100, { ...inTime, onUnreached: 'pass' }).reason).toBe('limited_evidence');
    expect(verdictOn(100, { onLowTraffic: 'pass' }).reason).toBe('endpoint_unreached');
  });

  it('says first that there is too little traffic', () => {
    const verdict = verdictOn(100);
    expect(verdict).toMatchObject({ reason: 'insufficient_traffic' });
    // Requests alone do not lead to a pass.
    expect(verdict.slis[0]?.requestsToVerdict).toBeNull();
  });
});

describe('an endpoint without a request on either version', () => {
  const passed = (...unused: readonly string[]) =>
    judge(
      cujOf({ endpoints: ['GET /a', ...unused] }),
      measurementOf({
        availability: [
          endpointOf('GET /a', over(8, 20_000, 0), over(8, 60_000, 0)),
          ...unused.map((name) => endpointOf(name, silent, silent)),
        ],
      }),
      { registryDigest: 'sha256:test' },
    );

  it('is named by a pass, because its name may be wrong', () => {
    expect(passed().hint).toBe('Nothing to do.');
    const { verdict, summary, hint } = passed('GET /b', 'GET /c');
    expect(verdict).toBe('pass');
    expect(summary).toMatch(/; not judged: GET \/b and 1 more, without requests on either version$/);
    expect(hint).toBe('Check the names of the endpoints that are not judged with cuj-gate doctor.');
  });
});
