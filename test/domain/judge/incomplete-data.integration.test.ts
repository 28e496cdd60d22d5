import { describe, expect, it } from 'vitest';
import { incompleteBuckets } from '../../../src/domain/judge/incomplete-data.ts';
import { bucketMs } from '../../../src/domain/metrics/metrics-source.ts';
import {
  type FineTraffic,
  fineCujWith,
  fineFromMs,
  judgedAt,
  measuredAt,
  type Side,
} from '../metrics/fine-traffic.ts';
import { seededRandom } from './journey.ts';

const tens = 10_000;
/** The canary comes after ten minutes, and something happens five minutes later. */
const begin = 60;
const change = 90;
const changeMs = fineFromMs + change * tens;
const buckets = 180;

type Random = () => number;

function poisson(random: Random, mean: number): number {
  let count = 0;
  for (let product = random(); product > Math.exp(-mean); product *= random()) count += 1;
  return count;
}

interface World {
  /** Requests of both sides in a bucket. */
  readonly perBucket: (bucket: number) => number;
  /** The canary's share of them. */
  readonly weight: (bucket: number) => number;
  /** The share of requests that fail, on both sides. */
  readonly rate?: (bucket: number) => number;
  readonly random?: Random;
}

function traffic({ perBucket, weight, rate = () => 0, random }: World): FineTraffic {
  const counts = (mean: number) => (random === undefined ? Math.round(mean) : poisson(random, mean));
  const side = (share: (bucket: number) => number) => {
    const total = Array.from({ length: buckets }, (_, i) => counts(perBucket(i) * share(i)));
    return {
      total,
      bad: total.map((requests, i) => Math.min(requests, counts(requests * rate(i)))),
    };
  };
  const canaryWeight = (i: number) => (i < begin ? 0 : weight(i));
  return { canary: side(canaryWeight), stable: side((i) => 1 - canaryWeight(i)) };
}

const steady: World = { perBucket: () => 100, weight: () => 0.25 };

/** What is left out at every question of 20 s in the minutes after the change, in seconds. */
function leftOut(of: FineTraffic, late: Partial<Record<Side, number>> = {}): number[] {
  return Array.from({ length: 15 }, (_, i) => changeMs + i * 20_000).map(
    (toMs) => (measuredAt(of, toMs, { lateMs: late }).incompleteMs ?? 0) / 1000,
  );
}

describe('counts of one side that have not arrived', () => {
  it.each<[Side, number]>([
    ['stable', 10_000],
    ['stable', 30_000],
    ['stable', 60_000],
    ['canary', 10_000],
    ['canary', 40_000],
    ['canary', 60_000],
  ])('of %s are left out with the other side’s, as much as is missing: %i ms', (side, lateMs) => {
    expect(leftOut(traffic(steady), { [side]: lateMs })).toEqual(Array(15).fill(lateMs / 1000));
  });

  it('are waited for a minute at most', () => {
    expect(leftOut(traffic(steady), { stable: 120_000 })).toEqual(Array(15).fill(60));
  });

  it('end the data before them: nothing newer is judged, and the answer says how much is left out', () => {
    const verdict = judgedAt(traffic(steady), changeMs, { lateMs: { stable: 30_000 } });
    expect(verdict.window).toMatchObject({
      to: new Date(changeMs - 30_000).toISOString(),
      incompleteSeconds: 30,
    });
    expect(judgedAt(traffic(steady), changeMs).window).not.toHaveProperty('incompleteSeconds');
  });

  it('are those of buckets of any length', () => {
    for (const stepMs of [20_000, 30_000])
      expect(measuredAt(traffic(steady), changeMs, { stepMs, lateMs: { stable: 60_000 } }).incompleteMs).toBe(
        60_000,
      );
    // Minutes are taken as they are.
    expect(
      measuredAt(traffic(steady), changeMs, { stepMs: bucketMs, lateMs: { stable: 60_000 } }),
    ).not.toHaveProperty('incompleteMs');
  });

  it('are none where little traffic explains the silence', () => {
    const quiet: World = { perBucket: () => 4, weight: () => 0.5 };
    expect(leftOut(traffic(quiet), { stable: 30_000 })).toEqual(Array(15).fill(0));
    // Down to what little traffic explains.
    expect(leftOut(traffic(quiet), { stable: 60_000 })).toEqual(Array(15).fill(30));
  });

  it('go by the requests that were seen', () => {
    const canary = new Array<number>(30).fill(100);
    const stable = canary.map((count, i) => (i < 27 ? count : 0));
    const of = (sampleRate: number) =>
      incompleteBuckets({ canary, stable, stepMs: tens, newestMs: tens, sampleRate });
    expect([1, 0.01, 0.001].map(of)).toEqual([3, 0, 0]);
  });

  it('are not those of a newest bucket that is shorter than the others', () => {
    const canary = [...new Array<number>(8).fill(300), 95];
    const stable = [...new Array<number>(8).fill(900), 290];
    expect(incompleteBuckets({ canary, stable, stepMs: 20_000, newestMs: 6_500, sampleRate: 1 })).toBe(0);
    // 20 s buckets of a snapshot that ends at :30 or :50.
    for (const stepMs of [20_000, 30_000])
      for (let at = change; at < change + 6; at += 1)
        expect(measuredAt(traffic(steady), fineFromMs + at * tens, { stepMs })).not.toHaveProperty(
          'incompleteMs',
        );
  });
});

describe('counts that have arrived', () => {
  it.each<[string, Partial<World>]>([
    ['a weight that is doubled', { weight: (i) => (i < change ? 0.25 : 0.5) }],
    ['a weight of a half that becomes all but a twentieth', { weight: (i) => (i < change ? 0.5 : 0.95) }],
    ['an abort', { weight: (i) => (i < change ? 0.5 : 0) }],
    ['a burst of both sides', { perBucket: (i) => (i >= change && i < change + 3 ? 1_000 : 100) }],
    ['traffic that halves on both sides', { perBucket: (i) => (i < change ? 100 : 40) }],
    ['the end of a load test, or of the day', { perBucket: (i) => (i < change ? 100 : 0) }],
    ['a job that comes once in a minute', { perBucket: (i) => (i % 6 === 0 ? 600 : 0) }],
  ])('are no gap: %s', (_, world) => {
    const seconds = leftOut(traffic({ ...steady, ...world }));
    // When a change is nearly usual, what is left of it may look like a gap for a moment.
    expect(seconds.filter((one) => one > 0).length).toBeLessThanOrEqual(1);
    expect(Math.max(...seconds)).toBeLessThanOrEqual(20);
  });

  it('are rarely taken for a gap by chance', () => {
    const random = seededRandom(3);
    let gaps = 0;
    let questions = 0;
    for (const perBucket of [1, 5, 20, 60]) {
      for (let round = 0; round < 10; round += 1) {
        for (const seconds of leftOut(traffic({ ...steady, perBucket: () => perBucket, random }))) {
          questions += 1;
          if (seconds > 0) gaps += 1;
        }
      }
    }
    expect(questions).toBe(600);
    expect(gaps).toBeLessThan(18);
  });
});

describe('a canary that crashes', () => {
  /** Half of its requests fail for a minute, then it is gone; stable keeps its own. */
  const crashed = (): FineTraffic => {
    const { canary, stable } = traffic(steady);
    return {
      canary: {
        total: canary.total.map((count, i) => (i < change ? count : 0)),
        bad: canary.total.map((count, i) => (i >= change - 6 && i < change ? Math.floor(count / 2) : 0)),
      },
      stable,
    };
  };

  it('is held up for a minute at most, and its last errors still count', () => {
    const seconds = leftOut(crashed());
    expect(Math.max(...seconds)).toBe(60);
    expect(seconds.slice(0, 4)).toEqual([0, 20, 40, 60]);
    expect(seconds.at(-1)).toBe(0);
    for (let at = change; at < change + 30; at += 2)
      expect(judgedAt(crashed(), fineFromMs + at * tens).verdict).toBe('fail');
  });

  it('is seen to be silent for as long as it is, less a minute', () => {
    const cuj = fineCujWith({ restartGapMs: 120_000 });
    const start = (minutes: number) =>
      judgedAt(crashed(), changeMs + minutes * bucketMs, { cuj }).window?.start;
    expect([1, 2, 3, 4].map(start)).toEqual(['first_hit', 'first_hit', 'after_gap', 'after_gap']);
  });
});

describe('a fault outside the release, while the counts of stable arrive later than those of the canary', () => {
  const judgedAll = (world: World, lateMs: number) => {
    const of = traffic(world);
    const reasons: string[] = [];
    for (let at = change; at < change + 30; at += 2)
      reasons.push(judgedAt(of, fineFromMs + at * tens, { lateMs: { stable: lateMs } }).reason);
    return reasons;
  };

  it.each([10_000, 30_000, 60_000])('by %i ms, is never a fail of the release', (lateMs) => {
    const random = seededRandom(11);
    for (const perBucket of [40, 100, 500]) {
      for (const weight of [0.1, 0.25, 0.5]) {
        for (const rate of [0.3, 1]) {
          const world: World = {
            perBucket: () => perBucket,
            weight: () => weight,
            rate: (i) => (i < change ? 0.0001 : rate),
            random,
          };
          for (let round = 0; round < 3; round += 1) {
            const reasons = judgedAll(world, lateMs);
            expect(reasons, `${perBucket} ${weight} ${rate}`).not.toContain('slo_violated');
            expect(reasons).toContain('shared_cause');
          }
        }
      }
    }
  });

  it.each([10_000, 30_000, 60_000])('by %i ms, is none while the canary has nearly all traffic', (lateMs) => {
    const random = seededRandom(12);
    const world: World = {
      perBucket: () => 500,
      weight: () => 0.95,
      rate: (i) => (i < change ? 0.0001 : 1),
      random,
    };
    for (let round = 0; round < 10; round += 1)
      expect(judgedAll(world, lateMs)).not.toContain('slo_violated');
  });

  it('hides no fault of the release itself', () => {
    const { canary, stable } = traffic({ ...steady, rate: (i) => (i < change ? 0 : 0.3) });
    const of = { canary, stable: { ...stable, bad: stable.bad.map(() => 0) } };
    for (const lateMs of [10_000, 30_000, 60_000])
      expect(judgedAt(of, changeMs + 60_000 + lateMs, { lateMs: { stable: lateMs } }).verdict).toBe('fail');
  });
});
