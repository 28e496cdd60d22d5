import { describe, expect, it } from 'vitest';
import { judge } from '../../../src/domain/judge/judge.ts';
import type { GatePolicy } from '../../../src/domain/registry/model.ts';
import { cujOf, endpointOf, measurementOf } from './journey.ts';

const gate = { passAfterMs: 360_000, rulesOutRate: 0.25, minRequests: 10 } as const;

/** Canary and stable by minute: requests, and how many of them fail. Six minutes of stable alone come first. */
function verdictOn(
  minutes: readonly { readonly canary: number; readonly stable: number }[],
  wishes: Partial<GatePolicy> = {},
  /** So much of the newest minute is over. */
  seconds = 60,
  recentBad?: readonly number[],
) {
  const lead = new Array<number>(6).fill(0);
  const bad = (side: 'canary' | 'stable') => [...lead, ...minutes.map((minute) => minute[side])];
  const endpoint = endpointOf(
    'GET /a',
    { total: [...lead, ...minutes.map(() => 50)], bad: bad('canary') },
    { total: [...lead.map(() => 150), ...minutes.map(() => 150)], bad: bad('stable') },
  );
  const measured = measurementOf({
    availability: [
      recentBad === undefined ? endpoint : { ...endpoint, recentBad: Float64Array.from(recentBad) },
    ],
  });
  return judge(
    cujOf({ gate: { ...gate, ...wishes } }),
    {
      ...measured,
      toMs: measured.toMs - (60 - seconds) * 1000,
      ...(recentBad === undefined ? {} : { recent: { firstMinute: lead.length, stepMs: 10_000 } }),
    },
    { registryDigest: 'sha256:test' },
  );
}

const quiet = { canary: 0, stable: 0 };
const incident = { canary: 10, stable: 30 };
const times = <T>(count: number, value: T): T[] => new Array<T>(count).fill(value);

describe('an incident that canary and stable share', () => {
  it('is a shared cause while it lasts, and until passAfter after its end', () => {
    expect(verdictOn(times(5, incident))).toMatchObject({ reason: 'shared_cause' });
    const soon = verdictOn([...times(5, incident), ...times(5, quiet)]);
    expect(soon).toMatchObject({ verdict: 'inconclusive', reason: 'shared_cause' });
    expect(soon.slis[0]).toMatchObject({ bad: 50, total: 500 });
    expect(soon.slis[0]).not.toHaveProperty('sharedUntil');
  });

  it('does not keep a good release from passing once it is over', () => {
    const verdict = verdictOn([...times(2, quiet), ...times(5, incident), ...times(6, quiet)]);
    expect(verdict).toMatchObject({ verdict: 'pass', reason: 'limited_evidence' });
    expect(verdict.slis[0]).toMatchObject({ bad: 0, total: 400, leftOutMinutes: 5 });
    expect(verdict.summary).toContain(', without 5 min in which stable failed as well; rules out');
  });

  it('does not keep a release from failing that does more than its share', () => {
    const broken = { canary: 25, stable: 0 };
    const verdict = verdictOn([...times(5, incident), ...times(2, quiet), ...times(2, broken)]);
    expect(verdict).toMatchObject({ verdict: 'fail', reason: 'slo_violated' });
  });

  it('does not excuse a release that goes on failing less than before', () => {
    // The bad events of the whole window do not single it out: 54 of 204 are near its share. A fail by the rest alone would
    // not be bounded by alpha.
    const verdict = verdictOn([...times(5, incident), ...times(8, { canary: 1, stable: 0 })]);
    expect(verdict).toMatchObject({ verdict: 'inconclusive', reason: 'shared_cause' });
  });

  it('is not over for an ordinary error of stable', () => {
    const ordinary = { canary: 0, stable: 1 };
    const verdict = verdictOn([...times(5, incident), ...times(6, quiet), ordinary, quiet]);
    expect(verdict).toMatchObject({ verdict: 'pass', reason: 'limited_evidence' });
    expect(verdict.slis[0]?.leftOutMinutes).toBe(5);
  });

  it('is not over for a minute that has just begun', () => {
    const over = [...times(2, quiet), ...times(5, incident)];
    // The two minutes before the incident, and those after it, are watched for long enough.
    const at = (quietMinutes: number, seconds: number) =>
      verdictOn([...over, ...times(quietMinutes, quiet)], { passAfterMs: 120_000 + seconds * 1000 }, seconds);
    expect(at(1, 20)).toMatchObject({ verdict: 'inconclusive', reason: 'shared_cause' });
    expect(at(1, 60)).toMatchObject({ verdict: 'pass', reason: 'limited_evidence' });
    expect(at(2, 20)).toMatchObject({ verdict: 'pass', reason: 'limited_evidence' });
  });

  it('goes on where it shows in the minute that has just begun', () => {
    const still = [...times(5, incident), ...times(7, quiet), incident];
    expect(verdictOn(still, {}, 10)).toMatchObject({ reason: 'shared_cause' });
  });

  it('takes the bad events of recent buckets out with their minutes', () => {
    // After the incident the canary fails for a moment: a blip, and no fault that lasts since the incident.
    const blip = { canary: 9, stable: 0 };
    const minutes = [...times(5, incident), ...times(7, quiet), blip, quiet];
    const recentBad = minutes.flatMap(({ canary }) => [0, canary / 2, canary / 2, 0, 0, 0]);
    const verdict = verdictOn(minutes, {}, 60, recentBad);
    expect(verdict).toMatchObject({ verdict: 'inconclusive', reason: 'shared_cause' });
    const fine = [...times(5, incident), ...times(8, quiet)];
    expect(
      verdictOn(
        fine,
        {},
        60,
        fine.flatMap(({ canary }) => [canary, 0, 0, 0, 0, 0]),
      ),
    ).toMatchObject({ verdict: 'pass', slis: [{ leftOutMinutes: 5, bad: 0 }] });
  });

  it('needs the proof of a pass where there is no limited one', () => {
    const over = [...times(5, incident), ...times(8, quiet)];
    expect(verdictOn(over, { passAfterMs: undefined })).toMatchObject({ reason: 'shared_cause' });
    const longer = [...times(5, incident), ...times(9, quiet)];
    expect(verdictOn(longer, { passAfterMs: undefined })).toMatchObject({ reason: 'within_slo' });
  });
});
