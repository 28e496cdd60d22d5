import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JudgedWindow } from '../../../src/domain/judge/analysis-window.ts';
import { judge } from '../../../src/domain/judge/judge.ts';
import { shortIntervals } from '../../../src/domain/judge/short-intervals.ts';
import { bucketMs, type RecentBuckets } from '../../../src/domain/metrics/metrics-source.ts';
import { minWindowMsOf } from '../../../src/domain/registry/rules.ts';
import { logEvidence } from '../../../src/domain/statistics/e-process.ts';
import { type FineTraffic, fineCujWith, fineFromMs, judgedAt } from '../metrics/fine-traffic.ts';
import { cujOf, endpointOf, measurementOf, over, silent } from './journey.ts';

const seeded = (numRuns: number) => ({ seed: 20260131, numRuns });

/** What each interval leaves out, as `endpoint:minute:bad`. Every list is one endpoint's, by minute and by recent bucket. */
function leftOut(
  rows: readonly {
    readonly minutes: readonly number[];
    readonly recent?: readonly number[];
    readonly recentLateMs?: number;
  }[],
  recent: RecentBuckets | undefined,
  minFaultMs = 30_000,
  first = 0,
): string[] {
  const endpoints = rows.map(({ minutes, recent: buckets, recentLateMs }, i) => ({
    measured: {
      ...endpointOf(`GET /${i}`, { total: minutes.map(() => 100), bad: minutes }),
      ...(buckets === undefined ? {} : { recentBad: Float64Array.from(buckets) }),
      ...(recentLateMs === undefined ? {} : { recentLateMs }),
    },
  }));
  const window: Pick<JudgedWindow, 'first' | 'end'> = { first, end: rows[0]?.minutes.length ?? 0 };
  return shortIntervals(endpoints, window, { recent, minFaultMs }).map((interval) =>
    interval.map(({ endpoint, minute, bad }) => `${endpoint}:${minute}:${bad}`).join(' '),
  );
}

describe('an interval shorter than minFaultDuration', () => {
  const tens = { firstMinute: 0, stepMs: 10_000 };

  it('touches four buckets of 10 s: a part of the first and of the last, and two between', () => {
    expect(leftOut([{ minutes: [31], recent: [1, 2, 4, 8, 16, 0] }], tens)).toEqual([
      '0:0:1 0:0:2 0:0:4 0:0:8',
      '0:0:2 0:0:4 0:0:8 0:0:16',
      '0:0:4 0:0:8 0:0:16',
      '0:0:8 0:0:16',
      '0:0:16',
    ]);
  });

  it.each([
    [20_000, [1, 2, 4], ['0:0:1 0:0:2 0:0:4', '0:0:2 0:0:4', '0:0:4']],
    [30_000, [1, 2], ['0:0:1 0:0:2', '0:0:2']],
  ])('touches as many buckets of %i ms as it can', (stepMs, buckets, expected) => {
    expect(leftOut([{ minutes: [7], recent: buckets }], { firstMinute: 0, stepMs })).toEqual(expected);
  });

  it('is one minute where nothing shorter is known, and two where it is longer than half a minute', () => {
    expect(leftOut([{ minutes: [1, 2, 4] }], undefined)).toEqual(['0:0:1', '0:1:2', '0:2:4']);
    expect(leftOut([{ minutes: [1, 2, 4] }], undefined, 31_000)).toEqual([
      '0:0:1 0:1:2',
      '0:1:2 0:2:4',
      '0:2:4',
    ]);
    expect(leftOut([{ minutes: [1, 2, 4] }], undefined, 61_000)).toEqual([
      '0:0:1 0:1:2 0:2:4',
      '0:1:2 0:2:4',
      '0:2:4',
    ]);
  });

  it('is one bucket that is at least twice as long', () => {
    expect(
      leftOut([{ minutes: [7], recent: [1, 2, 4] }], { firstMinute: 0, stepMs: 20_000 }, 10_000),
    ).toEqual(['0:0:1', '0:0:2', '0:0:4']);
  });

  it('touches two minutes of the past where recent buckets are known: they were left out together when they were new', () => {
    const recent = { firstMinute: 3, stepMs: 10_000 };
    expect(leftOut([{ minutes: [1, 2, 4, 0], recent: [0, 0, 0, 0, 0, 0] }], recent)).toEqual([
      '0:0:1 0:1:2',
      '0:1:2 0:2:4',
      '0:2:4',
    ]);
  });

  it('lies across the last minute of the past and the first recent buckets', () => {
    const recent = { firstMinute: 1, stepMs: 10_000 };
    expect(leftOut([{ minutes: [1, 30], recent: [2, 4, 8, 16, 0, 0] }], recent)[0]).toBe(
      '0:0:1 0:1:2 0:1:4 0:1:8',
    );
  });

  it('holds the events of all endpoints, also of one that is known by minutes only', () => {
    const rows = [{ minutes: [0, 3], recent: [0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 2] }, { minutes: [4, 8] }];
    expect(leftOut(rows, tens)).toEqual(['0:1:1 1:0:4 1:1:8', '0:1:1 1:1:8', '0:1:2 1:1:8']);
  });

  it('touches what is counted up to one scrape after it, on each endpoint by its own scrapes', () => {
    const fives = { firstMinute: 0, stepMs: 5_000 };
    // 12 buckets a minute; the last event is counted 40 or 45 s after the end of the first one's bucket.
    const apart = (buckets: number) =>
      Array.from({ length: 12 }, (_, i) => (i === 0 ? 1 : i === buckets ? 2 : 0));
    const late = { minutes: [3], recentLateMs: 10_000 };
    expect(leftOut([{ ...late, recent: apart(8) }], fives)).toEqual(['0:0:1 0:0:2', '0:0:2']);
    expect(leftOut([{ ...late, recent: apart(9) }], fives)).toEqual(['0:0:1', '0:0:2']);
    // On another endpoint, they are counted as they happen.
    const first = { ...late, recent: apart(12) };
    const at = (bucket: number) => ({
      minutes: [2],
      recent: Array.from({ length: 12 }, (_, i) => (i === bucket ? 2 : 0)),
    });
    expect(leftOut([first, at(6)], fives)).toEqual(['0:0:1 1:0:2', '1:0:2']);
    expect(leftOut([first, at(7)], fives)).toEqual(['0:0:1', '1:0:2']);
  });

  it('begins in the window, and counts no trace of binary fractions', () => {
    expect(leftOut([{ minutes: [9, 1, 1e-7] }], undefined, 30_000, 1)).toEqual(['0:1:1']);
    expect(leftOut([{ minutes: [5, 1], recent: [5, 0, 0, 0, 0, 0, 1] }], tens, 30_000, 1)).toEqual(['0:1:1']);
  });

  it('is shorter than the shortest window in which anything can fail', () => {
    const windows = [10_000, 30_000, 31_000, 60_000, 61_000, 600_000].map((minFaultMs) => [
      minWindowMsOf('confidence', minFaultMs) / bucketMs,
      minWindowMsOf('strict', minFaultMs) / bucketMs,
    ]);
    expect(windows).toEqual([
      [2, 1],
      [2, 1],
      [3, 1],
      [3, 1],
      [4, 1],
      [12, 1],
    ]);
  });
});

const tens = 10_000;

/** Two canary requests a second from the tenth minute on, of 14; all fail between two times (ms after the canary's begin). */
function failing(fromMs: number, toMs: number, ordinary: readonly number[] = [], minutes = 40): FineTraffic {
  const begin = 60;
  const buckets = Array.from({ length: minutes * 6 }, (_, i) => (i - begin) * tens);
  const perBucket = 20;
  const bad = buckets.map((atMs) => {
    const overlapMs = Math.min(atMs + tens, toMs) - Math.max(atMs, fromMs);
    const inFault = atMs < 0 ? 0 : Math.round((Math.max(0, overlapMs) / tens) * perBucket);
    return Math.min(perBucket, inFault + ordinary.filter((at) => at * tens === atMs).length);
  });
  return {
    canary: { total: buckets.map((atMs) => (atMs < 0 ? 0 : perBucket)), bad },
    stable: { total: buckets.map(() => 120), bad: buckets.map(() => 0) },
  };
}

const canaryBeginMs = fineFromMs + 60 * tens;

describe('a total failure of 25 s', () => {
  const offsets = fc.record({
    /** Long enough for ordinary errors to be noise, and so that it lies across the end of the past at some time. */
    fromMs: fc.integer({ min: 240_000, max: 480_000 }),
    ordinary: fc.array(fc.integer({ min: 0, max: 110 }), { maxLength: 3 }),
  });
  const isNoise = (ordinary: readonly number[], afterMs: number) =>
    logEvidence((afterMs / tens) * 20, ordinary.length, 0.0005) <= Math.log(2);

  it.each([10_000, 20_000, 30_000])(
    'never fails in buckets of %i ms, at any offset, beside ordinary errors, however old it gets',
    (stepMs) => {
      fc.assert(
        fc.property(offsets, ({ fromMs, ordinary }) => {
          fc.pre(isNoise(ordinary, fromMs));
          const traffic = failing(fromMs, fromMs + 25_000, ordinary);
          const first = Math.ceil(fromMs / tens);
          let held = 0;
          // Its end is seen, then it gets older than all recent buckets.
          for (let at = first; at < first + 110; at += at < first + 12 ? 1 : 7) {
            const verdict = judgedAt(traffic, canaryBeginMs + at * tens, { stepMs });
            expect(verdict.verdict, `${at * tens - fromMs} ms after its begin`).not.toBe('fail');
            if (verdict.reason === 'within_noise' && verdict.slis[0]?.sustainedEvidence !== undefined)
              held += 1;
          }
          expect(held).toBeGreaterThan(5);
        }),
        seeded(25),
      );
    },
  );

  it('never fails in minutes either, where it lies in one', () => {
    for (let second = 0; second <= 35; second += 5) {
      const fromMs = 300_000 + second * 1000;
      const traffic = failing(fromMs, fromMs + 25_000);
      for (let minute = 5; minute < 12; minute += 1)
        expect(judgedAt(traffic, canaryBeginMs + minute * bucketMs, { stepMs: bucketMs }).verdict).not.toBe(
          'fail',
        );
    }
  });

  it('fails where the errors beside it are more than noise by themselves', () => {
    const ordinary = [1, 4, 7, 10, 13];
    const traffic = failing(240_000, 265_000, ordinary);
    expect(judgedAt(traffic, canaryBeginMs + 300_000)).toMatchObject({ reason: 'slo_violated' });
  });
});

describe('a failure that lasts', () => {
  it.each([
    [10_000, 50_000],
    [20_000, 80_000],
    [30_000, 90_000],
  ])('fails in buckets of %i ms as soon as %i ms of it are known, at any offset', (stepMs, knownMs) => {
    fc.assert(
      fc.property(fc.integer({ min: 60_000, max: 400_000 }), (fromMs) => {
        const traffic = failing(fromMs, Number.POSITIVE_INFINITY);
        const atMs = Math.ceil((fromMs + knownMs) / tens) * tens;
        expect(judgedAt(traffic, canaryBeginMs + atMs, { stepMs }).verdict).toBe('fail');
      }),
      seeded(60),
    );
  });

  it('stays a fail when it is over, also when only its minutes are known, and is never a pass then', () => {
    for (let at = 45; at < 150; at += 5) {
      expect(judgedAt(failing(240_000, 420_000), canaryBeginMs + at * tens).verdict, `${at}`).toBe('fail');
      // Of two whole minutes nothing tells any more that they were not the two halves of a blip.
      const short = judgedAt(failing(240_000, 360_000), canaryBeginMs + at * tens);
      expect(short.reason, `${at}`).toBe(at < 120 ? 'slo_violated' : 'within_noise');
    }
  });

  it('is what minFaultDuration says', () => {
    const at = (minFaultMs: number, knownMs: number) =>
      judgedAt(failing(240_000, Number.POSITIVE_INFINITY), canaryBeginMs + 240_000 + knownMs, {
        cuj: fineCujWith({ minFaultMs }),
      }).verdict;
    // Two buckets, and one event outside of any interval that touches both.
    expect([20_000, 30_000].map((knownMs) => at(10_000, knownMs))).toEqual(['inconclusive', 'fail']);
    expect([130_000, 140_000].map((knownMs) => at(120_000, knownMs))).toEqual(['inconclusive', 'fail']);
  });

  it('says how long it must last where it has not yet', () => {
    const cuj = fineCujWith({ minFaultMs: 120_000 });
    const { summary } = judgedAt(failing(240_000, 300_000), canaryBeginMs + 300_000, { cuj });
    expect(summary).toContain('so far mostly within 2m: fails if it lasts longer');
  });
});

describe('recent buckets of an endpoint that is left out', () => {
  it('are left out with it: a threshold that nothing is within keeps no other endpoint from failing by comparison', () => {
    const gate = { rule: 'baseline' as const };
    const labels = [
      { label: 'GET /slow', latencyMs: 2 },
      { label: 'GET /b', latencyMs: 300 },
    ];
    const minutes = [0, 0, 100, 100];
    const slow = endpointOf(
      'GET /slow',
      { total: minutes, bad: minutes },
      { total: [900, 900, 900, 900], bad: [900, 900, 900, 900] },
      { latencyMs: 2 },
    );
    const b = endpointOf('GET /b', { total: minutes, bad: [0, 0, 12, 3] }, over(4, 3_600, 0), {
      latencyMs: 300,
    });
    const recent = { firstMinute: 2, stepMs: 10_000 };
    const spread = (first: number, second: number) =>
      Float64Array.from([first, 0, 0, 0, 0, 0, second, 0, 0, 0, 0, 0]);
    const measured = measurementOf({
      latency: [
        { ...slow, recentBad: spread(100, 100) },
        { ...b, recentBad: spread(12, 3) },
      ],
    });
    const verdict = judge(
      cujOf({ latency: 99, endpoints: labels, gate }),
      { ...measured, recent },
      { registryDigest: 'sha256:test' },
    );
    expect(verdict).toMatchObject({ verdict: 'fail', reason: 'worse_than_stable' });
  });
});

describe('the abort threshold', () => {
  const at = (recent: RecentBuckets | undefined, total: readonly number[], lengthMs?: number) => {
    const one = endpointOf('GET /a', { total, bad: [] }, silent);
    const measurement = measurementOf({
      before: 2,
      availability: [
        recent === undefined
          ? one
          : {
              ...one,
              recentBad: new Float64Array(
                ((total.length + 2 - recent.firstMinute) * bucketMs) / recent.stepMs,
              ),
            },
      ],
    });
    const { slis } = judge(
      cujOf(),
      {
        ...measurement,
        ...(recent === undefined ? {} : { recent }),
        ...(lengthMs === undefined ? {} : { toMs: measurement.fromMs + lengthMs }),
      },
      { registryDigest: 'sha256:test' },
    );
    return slis[0]?.failAtBadEvents;
  };

  it('is none where two bad events cannot lie apart: in one minute, or in one half of one', () => {
    expect(at(undefined, [50])).toBeNull();
    expect(at(undefined, [25, 25])).toBe(2);
    expect(at({ firstMinute: 2, stepMs: 20_000 }, [50])).toBeNull();
    expect(at({ firstMinute: 2, stepMs: 20_000 }, [25, 25])).toBe(2);
    // 40 s lie between the first bucket of 10 s and the last one.
    expect(at({ firstMinute: 2, stepMs: 10_000 }, [50])).toBe(2);
    expect(at({ firstMinute: 3, stepMs: 10_000 }, [25, 25])).toBe(2);
    expect(at({ firstMinute: 4, stepMs: 10_000 }, [25, 25, 0])).toBeNull();
  });
});
