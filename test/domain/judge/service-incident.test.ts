import { describe, expect, it } from 'vitest';
import { judge } from '../../../src/domain/judge/judge.ts';
import type { GatePolicy } from '../../../src/domain/registry/model.ts';
import { cujOf, endpointOf, measurementOf } from './journey.ts';

const gate = { passAfterMs: 360_000, rulesOutRate: 0.25, minRequests: 10 } as const;

interface Minute {
  /** Requests and failures on the CUJ's one endpoint. */
  readonly canary: readonly [total: number, bad: number];
  readonly own: readonly [total: number, bad: number];
  /** Stable's on the service's three other endpoints together, and the failures on each. */
  readonly others: readonly [total: number, ...bad: number[]];
}

const times = <T>(count: number, value: T): T[] => new Array<T>(count).fill(value);

const before: Minute = { canary: [0, 0], own: [4, 0], others: [120] };
const quiet: Minute = { canary: [2, 0], own: [3, 0], others: [90] };
/** One in five requests to every endpoint fails, on both sides: the canary's first one, and none of stable's few on the CUJ's. */
const hit: Minute = { canary: [2, 1], own: [3, 0], others: [90, 10, 5, 3] };
const incident: readonly Minute[] = [hit, { ...hit, canary: [2, 0] }, hit, { ...hit, canary: [2, 0] }];
/** The release fails alone. */
const broken: Minute = { canary: [2, 1], own: [3, 0], others: [90] };

/** An hour of stable alone comes first, unless it is given. */
function verdictOn(
  minutes: readonly Minute[],
  {
    lead = times(60, before),
    policy = {},
    isKnown = true,
    hits,
  }: {
    lead?: readonly Minute[];
    policy?: Partial<GatePolicy>;
    isKnown?: boolean;
    hits?: { canary: number[]; stable: number[] };
  } = {},
) {
  const all = [...lead, ...minutes];
  const series = (side: 'canary' | 'own') => ({
    total: all.map((minute) => minute[side][0]),
    bad: all.map((minute) => minute[side][1]),
  });
  const measurement = measurementOf({
    availability: [endpointOf('GET /a', series('canary'), series('own'))],
    ...(hits === undefined ? {} : { whole: hits }),
  });
  const total = all.map(({ own, others }) => own[0] + others[0]);
  const bad = [
    all.map(({ own }) => own[1]),
    ...[1, 2, 3].map((endpoint) => all.map(({ others }) => others[endpoint] ?? 0)),
  ];
  return judge(
    cujOf({ gate: { ...gate, ...policy } }),
    { ...measurement, ...(isKnown ? { stableOfServices: [{ service: 'shop', total, bad }] } : {}) },
    { registryDigest: 'sha256:test' },
  );
}

describe('a thin CUJ in an incident that shows on the other endpoints of its service', () => {
  it('is not held against the canary', () => {
    const minutes = [...times(4, quiet), ...incident];
    expect(verdictOn(minutes, { isKnown: false })).toMatchObject({ verdict: 'fail' });
    const verdict = verdictOn(minutes);
    expect(verdict).toMatchObject({ verdict: 'inconclusive', reason: 'shared_cause' });
    // The minute before belongs to it, in which it may have begun.
    expect(verdict.slis[0]?.serviceIncident).toEqual({ minutes: 5, bad: 72, total: 465 });
    expect(verdict.summary).toContain('stable fails as well: 72 of 465 on all endpoints of the service');
  });

  it('is left out once it is over', () => {
    const over = [...times(4, quiet), ...incident, ...times(2, quiet)];
    expect(verdictOn(over)).toMatchObject({ reason: 'shared_cause' });
    const verdict = verdictOn([...over, ...times(6, quiet)]);
    expect(verdict).toMatchObject({ verdict: 'pass', reason: 'limited_evidence' });
    expect(verdict.slis[0]).toMatchObject({ leftOutMinutes: 6, bad: 0, total: 20 });
    expect(verdict.slis[0]).not.toHaveProperty('serviceIncident');
  });

  it('has no minutes in which a busy service has ordinary errors alone', () => {
    const busy = ({ canary, own, others: [, ...bad] }: Minute): Minute => ({
      canary,
      own,
      others: [9_000, ...(bad.length === 0 ? [1] : bad.map((events) => events * 100))],
    });
    const minutes = [...times(6, quiet), ...incident, ...times(8, quiet)].map(busy);
    const verdict = verdictOn(minutes, { lead: times(60, before).map(busy) });
    expect(verdict).toMatchObject({ verdict: 'pass', slis: [{ leftOutMinutes: 6 }] });
  });

  it('does not hold up a pass by a single failure either', () => {
    const once = incident.slice(0, 2);
    const minutes = [...times(8, quiet), ...once, ...times(8, quiet)];
    expect(verdictOn(minutes, { isKnown: false })).toMatchObject({ verdict: 'inconclusive' });
    expect(verdictOn(minutes)).toMatchObject({ verdict: 'pass', slis: [{ leftOutMinutes: 4 }] });
  });

  it('is seen while the canary has 95% of the traffic and stable next to none', () => {
    const bake: Minute = { canary: [40, 0], own: [1, 0], others: [6] };
    const failing: Minute = { canary: [40, 8], own: [1, 0], others: [6, 1] };
    const minutes = [...times(8, bake), ...times(2, failing)];
    const lead = times(60, { ...before, own: [20, 0], others: [120] } as Minute);
    const hits = {
      canary: [...lead.map(() => 0), ...minutes.map(() => 130)],
      stable: [...lead.map(() => 140), ...minutes.map(() => 7)],
    };
    expect(verdictOn(minutes, { lead, hits, isKnown: false })).toMatchObject({ verdict: 'fail' });
    expect(verdictOn(minutes, { lead, hits })).toMatchObject({ reason: 'shared_cause' });
    // Stray requests of stable excuse nothing.
    const stray = { ...hits, stable: [...lead.map(() => 140), ...minutes.map(() => 1)] };
    expect(verdictOn(minutes, { lead, hits: stray })).toMatchObject({ verdict: 'fail' });
  });
});

describe('an incident of the service does not excuse', () => {
  it('a canary that fails wholly in a mild one', () => {
    // The CUJ's own counts do not single it out.
    const mild: Minute = { canary: [2, 2], own: [1, 0], others: [90, 2, 2, 1] };
    expect(verdictOn([...times(4, quiet), ...times(2, mild)])).toMatchObject({ reason: 'shared_cause' });
    const verdict = verdictOn([...times(4, quiet), ...times(3, mild)]);
    expect(verdict).toMatchObject({ verdict: 'fail' });
    expect(verdict.slis[0]?.shareEvidence).toBeLessThan(20);
  });

  it('a release that breaks only while it lasts', () => {
    const fragile: Minute = { canary: [10, 9], own: [1, 0], others: [90, 10, 5, 3] };
    const minutes = [...times(4, quiet), ...times(2, fragile)];
    const verdict = verdictOn(minutes);
    expect(verdict).toMatchObject({ verdict: 'fail' });
    expect(verdict.slis[0]?.shareEvidence).toBeLessThan(20);
    expect(verdictOn([...minutes, ...times(10, quiet)])).toMatchObject({ verdict: 'fail' });
  });

  it('a release that is broken beside it, once it is over', () => {
    const during = [...times(4, quiet), ...incident];
    expect(verdictOn(during)).toMatchObject({ reason: 'shared_cause' });
    for (let after = 1; after < 4; after += 1)
      expect(verdictOn([...during, ...times(after, broken)])).not.toMatchObject({ verdict: 'pass' });
    expect(verdictOn([...during, ...times(4, broken)])).toMatchObject({ verdict: 'fail' });
  });

  it('a release that was broken before it', () => {
    expect(verdictOn([...times(4, broken), ...incident])).toMatchObject({ verdict: 'fail' });
  });

  it('a broken release of a service one of whose endpoints always fails', () => {
    const always = ({ canary, own, others: [total] }: Minute): Minute => ({
      canary,
      own,
      others: [total, 30],
    });
    const minutes = [...times(4, quiet), ...times(4, broken)].map(always);
    expect(verdictOn(minutes, { lead: times(60, always(before)) })).toMatchObject({ verdict: 'fail' });
  });

  it('a broken release of a service that is always below its objective', () => {
    const below = ({ canary, own, others: [total] }: Minute): Minute => ({
      canary,
      own,
      others: [total, 2, 1, 1],
    });
    const minutes = [...times(4, quiet), ...times(4, broken)].map(below);
    expect(verdictOn(minutes, { lead: times(60, below(before)) })).toMatchObject({ verdict: 'fail' });
  });

  it('a broken release while one other endpoint fails on stable', () => {
    const elsewhere: Minute = { canary: [2, 1], own: [3, 0], others: [90, 40] };
    expect(verdictOn([...times(4, quiet), ...times(4, elsewhere)])).toMatchObject({ verdict: 'fail' });
  });

  it('anything where too little is known of what is usual', () => {
    const lead = times(20, before);
    expect(verdictOn([...times(4, quiet), ...incident], { lead })).toMatchObject({ verdict: 'fail' });
  });

  it('anything under a rule that does not know shared causes', () => {
    const minutes = [...times(4, quiet), ...incident];
    expect(verdictOn(minutes, { policy: { rule: 'strict' } })).toMatchObject({ verdict: 'fail' });
    const over = [...minutes, ...times(12, quiet)];
    const baseline = { rule: 'baseline' } as const;
    expect(verdictOn(over, { policy: baseline })).toEqual(
      verdictOn(over, { policy: baseline, isKnown: false }),
    );
  });
});

describe('an outage of the service before the rollout', () => {
  const outage: Minute = { canary: [0, 0], own: [4, 1], others: [120, 12, 8, 4] };
  const lead = [...times(40, before), ...times(5, outage), ...times(40, before)];

  it('does not raise what the canary is allowed', () => {
    const minutes = times(4, quiet);
    const [known, unknown] = [true, false].map((isKnown) => verdictOn(minutes, { lead, isKnown }));
    expect(unknown?.slis[0]?.endpoints[0]?.allowedRate).toBeGreaterThan(0.01);
    expect(known?.slis[0]?.endpoints[0]?.allowedRate).toBe(0.0005);
    // It is shown, and is no evidence that stable fails.
    expect(known?.slis[0]?.stable).toMatchObject({ total: 85 * 4 + 12, bad: 5 });
    expect(known?.slis[0]?.stable.evidence).toBeLessThan(2);
    expect(unknown?.slis[0]?.stable.evidence).toBeGreaterThan(20);
  });

  it('does not excuse a broken release', () => {
    const minutes = [quiet, ...times(2, { ...broken, canary: [4, 1] } as Minute)];
    expect(verdictOn(minutes, { lead, isKnown: false })).not.toMatchObject({ verdict: 'fail' });
    expect(verdictOn(minutes, { lead })).toMatchObject({ verdict: 'fail', reason: 'slo_violated' });
  });

  it('counts where chance may explain it', () => {
    const unlucky: Minute = { canary: [0, 0], own: [4, 1], others: [120, 1, 1] };
    const scattered = [...times(20, before), unlucky, ...times(30, before), unlucky, ...times(20, before)];
    const verdict = verdictOn(times(4, quiet), { lead: scattered });
    expect(verdict.slis[0]?.stable).toMatchObject({ bad: 2 });
    expect(verdict.slis[0]?.endpoints[0]?.allowedRate).toBeGreaterThan(0.01);
  });
});
