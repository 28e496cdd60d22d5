import { describe, expect, it } from 'vitest';
import {
  addIncrements,
  longestIntervalOf,
  scrapedTimesOf,
  scrapeIntervalOf,
} from '../../../src/sources/prometheus/api/counter-increments.ts';
import { findTargets } from '../../../src/sources/prometheus/api/target-restarts.ts';

const fromMs = Date.UTC(2026, 0, 31, 9, 0);

/** Seconds after the begin of the span, and values. Counts of four minutes. */
function counts(
  samples: readonly (readonly [seconds: number, value: number])[],
  {
    isBirth = true,
    restarts = [] as readonly number[],
    scrapes = [] as readonly number[],
    stepMs = 60_000,
  } = {},
): number[] {
  const at = (seconds: number) => fromMs + seconds * 1000;
  const buckets = new Float64Array(240_000 / stepMs);
  addIncrements(
    {
      times: Float64Array.from(samples, ([seconds]) => fromMs + seconds * 1000),
      values: Float64Array.from(samples, ([, value]) => value),
    },
    { fromMs, toMs: fromMs + 240_000, stepMs, gapMs: longestIntervalOf(15_000, stepMs) },
    () => isBirth,
    buckets,
    { scrapes: scrapes.map(at), restarts: restarts.map(at) },
  );
  return [...buckets];
}

const every = (seconds: number, from: number, ...values: number[]) =>
  values.map((value, i) => [from + i * seconds, value] as const);

describe('increments of a counter', () => {
  it('are counted at the scrape that first shows them, and at the end of a bucket within it', () => {
    expect(counts(every(15, -10, 100, 103, 104, 104, 104, 110))).toEqual([4, 6, 0, 0]);
    expect(
      counts([
        [0, 1],
        [60, 3],
        [120, 6],
      ]),
    ).toEqual([2, 3, 0, 0]);
  });

  it('before the span and after it are not in it', () => {
    expect(counts(every(15, -45, 1, 50, 90, 100, 101))).toEqual([1, 0, 0, 0]);
    expect(counts(every(15, 225, 5, 7, 9), { isBirth: false })).toEqual([0, 0, 0, 2]);
  });

  it('of an interval that begins before the span are all in it, so that two spans share none and lose none', () => {
    expect(
      counts([
        [-5, 10],
        [10, 20],
      ]),
    ).toEqual([10, 0, 0, 0]);
  });

  it('begin at 0 where the counter is new, and at the first sample where only counting is', () => {
    expect(counts(every(15, 70, 5, 6))).toEqual([0, 6, 0, 0]);
    expect(counts(every(15, 70, 5, 6), { isBirth: false })).toEqual([0, 1, 0, 0]);
  });

  it('begin again at 0 after a fall', () => {
    expect(counts(every(15, 0, 100, 110, 3, 5))).toEqual([15, 0, 0, 0]);
  });

  it('begin again at 0 after a restart that the counter itself does not show', () => {
    expect(counts(every(15, 0, 1, 1, 1, 1))).toEqual([0, 0, 0, 0]);
    expect(counts(every(15, 0, 1, 1, 1, 1), { restarts: [15, 45] })).toEqual([2, 0, 0, 0]);
    // It was not there at the scrape after the restart.
    expect(
      counts(
        [
          [0, 1],
          [45, 1],
        ],
        { restarts: [15] },
      ),
    ).toEqual([1, 0, 0, 0]);
  });

  it('of a gap between scrapes are spread over it, whole and each once', () => {
    expect(
      counts([
        [0, 0],
        [240, 10],
      ]),
    ).toEqual([2, 3, 2, 3]);
    expect(
      counts([
        [30, 0],
        [210, 6],
      ]),
    ).toEqual([1, 2, 2, 1]);
    expect(
      counts(
        [
          [0, 0],
          [60, 4],
        ],
        { stepMs: 30_000 },
      ),
    ).toEqual([2, 2, 0, 0, 0, 0, 0, 0]);
  });

  it('are no gap where the process was scraped and had no such counter', () => {
    const restarted = { restarts: [45], scrapes: [0, 15, 45, 150, 165] };
    expect(
      counts(
        [
          [15, 9],
          [165, 6],
        ],
        restarted,
      ),
    ).toEqual([9, 0, 6, 0]);
  });

  it('do not take a small fall of a great counter for a restart', () => {
    expect(counts(every(15, 0, 5_000, 4_998, 5_003))).toEqual([3, 0, 0, 0]);
  });

  it('are refused where a counter falls and recovers again and again: two processes write one series', () => {
    expect(() => counts(every(15, 0, 500, 20, 510, 25, 520, 30, 530))).toThrow('3 times');
    const falls = { restarts: [15, 45, 75] };
    expect(() => counts(every(15, 0, 500, 20, 510, 25, 520, 30, 530), falls)).toThrow('3 times');
    // A process that keeps crashing does not recover at once.
    expect(counts(every(15, 0, 50, 5, 9, 2, 7, 1))).toEqual([16, 1, 0, 0]);
  });
});

describe('restarts of a process', () => {
  const samples = (code: string, seconds: readonly number[], values: readonly number[], instance = 'a') => ({
    labels: { instance, code },
    times: Float64Array.from(seconds, (one) => fromMs + one * 1000),
    values: Float64Array.from(values),
  });

  it('are seen by a counter that falls, for those that are as high as before or not there yet', () => {
    const good = samples('200', [0, 15, 30, 45], [90, 100, 4, 8]);
    const bad = samples('500', [0, 15, 45], [1, 1, 1]);
    const targetOf = findTargets([good, bad]);
    expect(targetOf(bad).restarts).toEqual([fromMs + 30_000]);
    expect(targetOf(good)).toEqual({
      scrapes: [0, 15, 30, 45].map((seconds) => fromMs + seconds * 1000),
      restarts: [fromMs + 30_000],
    });
  });

  it('take the counters of one process for each other, where one of them is not there all the time', () => {
    const [good, bad] = [samples('200', [0, 15, 30], [1, 2, 3]), samples('500', [0, 30], [1, 1])];
    expect(findTargets([good, bad])(bad)).toEqual({
      scrapes: [0, 15, 30].map((seconds) => fromMs + seconds * 1000),
      restarts: [],
    });
  });

  it('are not seen where a great counter falls a little: two replicas of Prometheus are read as one', () => {
    const good = samples('200', [0, 15, 30], [5_000, 4_998, 5_003]);
    const bad = samples('500', [0, 15, 30], [60, 60, 60]);
    expect(findTargets([good, bad])(bad).restarts).toEqual([]);
  });

  it('are not those of another pod behind the same collector', () => {
    const of = (labels: Record<string, string>, code: string, values: readonly number[]) => {
      const one = samples(code, [0, 15, 30], values, 'collector:8889');
      return { ...one, labels: { ...one.labels, ...labels } };
    };
    for (const label of ['pod', 'exported_instance', 'version']) {
      const restarted = of({ [label]: 'a' }, '200', [90, 3, 9]);
      const steady = of({ [label]: 'b' }, '500', [40, 40, 40]);
      const targetOf = findTargets([restarted, steady], ['version']);
      expect(targetOf(restarted).restarts).toEqual([fromMs + 15_000]);
      expect(targetOf(steady).restarts).toEqual([]);
    }
  });

  it('are not seen where most counters go on, nor on another instance, nor where no instance is known', () => {
    const broken = samples('404', [0, 15, 30], [9, 3, 4]);
    const others = ['200', '201', '204'].map((code) => samples(code, [0, 15, 30], [90, 100, 110]));
    expect(findTargets([broken, ...others])(broken).restarts).toEqual([]);
    const elsewhere = samples('500', [0, 15, 30], [1, 1, 1], 'b');
    expect(findTargets([samples('200', [0, 15, 30], [9, 1, 2]), elsewhere])(elsewhere).restarts).toEqual([]);
    const nameless = samples('200', [0, 15], [9, 1], '');
    expect(findTargets([nameless])(nameless).restarts).toEqual([]);
  });
});

describe('the time between scrapes', () => {
  it('is the usual one, whatever gaps there are', () => {
    expect(scrapeIntervalOf(Float64Array.of(0, 15_000, 30_002, 90_000, 105_000))).toBe(15_000);
    expect(scrapeIntervalOf(Float64Array.of(0, 15_000))).toBeUndefined();
  });

  it('says how long before its bucket an event may have happened', () => {
    expect([1_000, 5_010, 10_010, 14_996, 15_003, 30_000, 60_000].map(scrapedTimesOf)).toEqual([
      { stepMs: 5_000, lateMs: 0 },
      { stepMs: 5_000, lateMs: 0 },
      { stepMs: 5_000, lateMs: 5_000 },
      { stepMs: 5_000, lateMs: 10_000 },
      { stepMs: 5_000, lateMs: 10_000 },
      { stepMs: 5_000, lateMs: 25_000 },
      { stepMs: 5_000, lateMs: 55_000 },
    ]);
  });

  it('makes an interval a gap where more than one scrape is missing, and none where minutes are scraped', () => {
    expect(longestIntervalOf(15_000, 5_000)).toBeCloseTo(33_000);
    expect(longestIntervalOf(15_000, 60_000)).toBeCloseTo(66_000);
    expect(longestIntervalOf(60_000, 60_000)).toBeCloseTo(66_000);
  });
});
