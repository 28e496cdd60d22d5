import { describe, expect, it } from 'vitest';
import { judge } from '../../../src/domain/judge/judge.ts';
import type { GatePolicy } from '../../../src/domain/registry/model.ts';
import { cujOf, endpointOf, measurementOf } from './journey.ts';

const gate = {
  passAfterMs: 360_000,
  rulesOutRate: 0.25,
  minRequests: 10,
  onUnreached: 'inconclusive',
} as const;

/** Requests of both sides a minute, and how many fail by minute of the rollout. Before it, an hour of stable alone. */
interface Traffic {
  readonly canary: number;
  readonly stable: number;
  readonly canaryBad?: Readonly<Record<number, number>>;
  readonly stableBad?: Readonly<Record<number, number>>;
  /** Of stable in every minute, also before the rollout. */
  readonly stableAlways?: number;
}

const lead = 60;

function verdictOn(minutes: number, endpoints: readonly Traffic[], wishes: Partial<GatePolicy> = {}) {
  const row = (of: (minute: number) => number) =>
    Array.from({ length: lead + minutes }, (_, i) => of(i - lead));
  const labels = endpoints.map((_, i) => `GET /${i}`);
  return judge(
    cujOf({ gate: { ...gate, ...wishes }, endpoints: labels }),
    measurementOf({
      availability: endpoints.map(({ canary, stable, canaryBad, stableBad, stableAlways = 0 }, i) =>
        endpointOf(
          labels[i] as string,
          {
            total: row((minute) => (minute < 0 ? 0 : canary)),
            bad: row((minute) => canaryBad?.[minute] ?? 0),
          },
          { total: row(() => stable), bad: row((minute) => stableBad?.[minute] ?? stableAlways) },
        ),
      ),
    }),
    { registryDigest: 'sha256:test' },
  );
}

describe('an incident of stable', () => {
  it('is not a single error of a quiet stable, which would excuse all that the canary did before', () => {
    // All 10 requests of one minute fail; a minute later one of 10 requests of stable fails.
    const verdict = verdictOn(9, [{ canary: 10, stable: 10, canaryBad: { 1: 10 }, stableBad: { 2: 1 } }]);
    expect(verdict).toMatchObject({ verdict: 'inconclusive', reason: 'within_noise' });
  });

  it('does not excuse what the canary did on another endpoint, where stable is healthy', () => {
    const verdict = verdictOn(16, [
      { canary: 2, stable: 18, canaryBad: { 1: 2, 3: 2, 4: 2, 6: 2 } },
      {
        canary: 20,
        stable: 180,
        canaryBad: { 2: 10, 3: 10, 4: 10, 5: 10, 6: 10, 7: 10 },
        stableBad: { 2: 90, 3: 90, 4: 90, 5: 90, 6: 90, 7: 90 },
      },
    ]);
    expect(verdict.verdict).not.toBe('pass');
  });

  it('does not excuse what the canary did in other minutes', () => {
    const verdict = verdictOn(14, [
      { canary: 50, stable: 50, canaryBad: { 1: 50 }, stableBad: { 5: 5, 6: 5 } },
    ]);
    expect(verdict).toMatchObject({ verdict: 'inconclusive', reason: 'within_noise' });
  });

  it('does not excuse a canary that fails far more than stable in the same minute', () => {
    const verdict = verdictOn(9, [{ canary: 285, stable: 15, canaryBad: { 1: 285 }, stableBad: { 1: 2 } }]);
    expect(verdict.verdict).not.toBe('pass');
  });

  it('leaves no pass that rests on onLowTraffic alone', () => {
    // 13 of 40 fail, 4 of 20 of stable: a shared cause, until one minute without errors.
    const verdict = verdictOn(
      10,
      [
        {
          canary: 4,
          stable: 20,
          canaryBad: { 0: 1, 1: 2, 2: 1, 3: 2, 4: 1, 5: 2, 6: 1, 7: 2, 8: 1 },
          stableBad: { 9: 0 },
          stableAlways: 4,
        },
      ],
      { onLowTraffic: 'pass' },
    );
    expect(verdict).toMatchObject({ verdict: 'inconclusive', reason: 'shared_cause' });
  });

  it('does not shorten the time in which an endpoint was not reached', () => {
    const verdict = verdictOn(12, [
      { canary: 10, stable: 40, canaryBad: { 1: 2, 2: 2 }, stableBad: { 1: 12, 2: 12, 3: 12, 4: 12 } },
      { canary: 0, stable: 9 },
    ]);
    expect(verdict.verdict).toBe('inconclusive');
  });

  it('is not over between two errors of a stable that always fails as often as the canary', () => {
    // Both always fail 1 request in 20. Stable's errors happen to leave out the last three minutes.
    const verdict = verdictOn(9, [
      {
        canary: 8,
        stable: 12,
        canaryBad: { 1: 1, 4: 1, 6: 1, 7: 2, 8: 1 },
        stableAlways: 0.6,
        stableBad: { 0: 1, 1: 0, 2: 1, 3: 1, 4: 1, 5: 2, 6: 0, 7: 0, 8: 0 },
      },
    ]);
    expect(verdict).toMatchObject({ verdict: 'inconclusive', reason: 'shared_cause' });
  });
});

describe('a limited pass', () => {
  it('does not count the time in which the canary no longer has traffic', () => {
    // 14 requests in three minutes, then none while stable has 50 a minute.
    const total = [...new Array<number>(lead).fill(0), 5, 5, 4, 0, 0, 0, 0];
    const clean = new Array<number>(total.length).fill(0);
    const verdict = judge(
      cujOf({ gate }),
      measurementOf({
        availability: [
          endpointOf('GET /a', { total, bad: clean }, { total: total.map(() => 50), bad: clean }),
        ],
      }),
      { registryDigest: 'sha256:test' },
    );
    expect(verdict).toMatchObject({ verdict: 'inconclusive', reason: 'insufficient_traffic' });
  });

  it('does not come from a canary that fell silent long ago, whatever since says', () => {
    // 14 requests in three minutes, then none for half an hour. Without since it is no_data.
    const total = [...new Array<number>(lead).fill(0), 5, 5, 4, ...new Array<number>(30).fill(0)];
    const clean = new Array<number>(total.length).fill(0);
    const measured = measurementOf({
      availability: [endpointOf('GET /a', { total, bad: clean }, { total: total.map(() => 50), bad: clean })],
    });
    const verdict = judge(
      cujOf({ gate }),
      { ...measured, sinceMs: measured.fromMs + lead * 60_000 },
      { registryDigest: 'sha256:test' },
    );
    expect(verdict.verdict).not.toBe('pass');
  });

  it('is not weakened by a since that leaves out failures of the canary', () => {
    // 10 of 60 requests fail in the first six minutes, none in the next six.
    const total = [...new Array<number>(lead).fill(0), ...new Array<number>(12).fill(10)];
    const bad = total.map((_, i) => (i >= lead && i < lead + 5 ? 2 : 0));
    const measured = measurementOf({
      availability: [
        endpointOf(
          'GET /a',
          { total, bad },
          { total: total.map(() => 50), bad: new Array<number>(total.length).fill(0) },
        ),
      ],
    });
    const options = { registryDigest: 'sha256:test' };
    expect(judge(cujOf({ gate }), measured, options).verdict).toBe('fail');
    const later = judge(cujOf({ gate }), { ...measured, sinceMs: measured.toMs - 360_000 }, options);
    expect(later.verdict).not.toBe('pass');
  });

  it('under baseline does not rest on a comparison that could not show anything', () => {
    // 95% of the traffic: no number of errors singles the canary out quickly.
    const total = [...new Array<number>(lead).fill(0), ...new Array<number>(9).fill(19)];
    const bad = total.map((_, i) => ([61, 63, 65, 67].includes(i) ? 2 : 0));
    const stable = total.map((_, i) => (i < lead ? 20 : 1));
    const verdict = judge(
      cujOf({ gate: { ...gate, rule: 'baseline' } }),
      measurementOf({
        availability: [
          endpointOf(
            'GET /a',
            { total, bad },
            { total: stable, bad: new Array<number>(total.length).fill(0) },
          ),
        ],
      }),
      { registryDigest: 'sha256:test' },
    );
    expect(verdict).toMatchObject({ verdict: 'inconclusive', reason: 'insufficient_traffic' });
  });
});
