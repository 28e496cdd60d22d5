import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/demo/datadog/random.ts';
import { compare, confidenceLevels, rankSumTest } from './kayenta.ts';

interface Fixture {
  readonly quantiles: readonly (readonly [confidence: number, quantile: number])[];
  readonly samples: readonly {
    readonly name: string;
    readonly x: readonly number[];
    readonly y: readonly number[];
    readonly u: number;
    readonly pValue: number;
    readonly estimate: number;
    readonly intervals: readonly { confidence: number; lower: number; upper: number }[];
  }[];
}

const fixture = JSON.parse(readFileSync(new URL('testdata/wilcox.json', import.meta.url), 'utf8')) as Fixture;

function quantileOf(confidence: number): number {
  return fixture.quantiles.find(([level]) => level === confidence)?.[1] as number;
}

/** How often x is above y, ties half, by counting all pairs; standardised with ties and the continuity correction. */
function standardizedByPairs(x: readonly number[], y: readonly number[]): number {
  const u = x.flatMap((a) => y.map((b) => (Math.sign(a - b) + 1) / 2)).reduce((sum, pair) => sum + pair, 0);
  const all = [...x, ...y];
  const ties = [...new Set(all)].map((value) => all.filter((each) => each === value).length);
  const [m, n, size] = [x.length, y.length, x.length + y.length];
  const variance =
    ((m * n) / 12) * (size + 1 - ties.reduce((sum, t) => sum + t ** 3 - t, 0) / (size * (size - 1)));
  const beyond = u - (m * n) / 2;
  return (beyond - Math.sign(beyond) / 2) / Math.sqrt(variance);
}

describe("the rank sum test and R's wilcox.test", () => {
  it.each(fixture.samples)('have the same confidence intervals and estimate: $name', (sample) => {
    for (const { confidence, lower, upper } of sample.intervals) {
      const test = rankSumTest(sample.x, sample.y, quantileOf(confidence), { correctsEstimate: false });
      expect(test.lower, `lower ${confidence}`).toBeCloseTo(lower, 9);
      expect(test.upper, `upper ${confidence}`).toBeCloseTo(upper, 9);
      expect(test.estimate).toBeCloseTo(sample.estimate, 9);
      expect(test.z).toBeCloseTo(standardizedByPairs(sample.x, sample.y), 9);
    }
  });

  it('have the same quantiles', () => {
    for (const [confidence, quantile] of confidenceLevels)
      expect(quantile, String(confidence)).toBeCloseTo(quantileOf(confidence), 12);
  });
});

describe('the judge', () => {
  const random = seededRandom(1);
  const normal = () => random.next() - 0.5;
  const level = (confidence: number) => confidenceLevels.findIndex(([each]) => each === confidence);
  const isHigh = (canary: readonly number[], baseline: readonly number[], confidence = 0.98) =>
    compare(canary, baseline, normal).levels > level(confidence);
  const steady = Array.from({ length: 20 }, (_, i) => 10 + (i % 7) / 10);
  const times = (factor: number) => steady.map((value) => value * factor);

  it('finds a canary high that is far above its baseline, and not one that is below', () => {
    expect(isHigh(times(2), steady)).toBe(true);
    expect(isHigh(times(0.5), steady)).toBe(false);
    expect(isHigh(steady, steady)).toBe(false);
  });

  it('says nothing where one side has no minutes', () => {
    expect(compare([], steady, normal).levels).toBe(0);
    expect(compare(steady, [], normal).levels).toBe(0);
  });

  it('takes what does not overlap for high, however few minutes there are', () => {
    // No interval of 98% exists for three against three: R and Kayenta then answer with the end of all differences.
    expect(rankSumTest([20, 21, 22], [10, 11, 12], 2.33)).toMatchObject({ lower: 8, upper: 12 });
    expect(isHigh([20, 21, 22], [10, 11, 12])).toBe(true);
    expect(isHigh([11, 21, 22], [10, 11, 12])).toBe(false);
  });

  it('tells one value from another by adding noise to both', () => {
    const [all, none] = [new Array<number>(10).fill(100), new Array<number>(10).fill(0)];
    expect(isHigh(all, none)).toBe(true);
    expect(isHigh(none, all)).toBe(false);
    expect(isHigh(none, none)).toBe(false);
  });

  it('asks for a greater difference where more confidence is wanted', () => {
    const slightly = steady.map((value, i) => value + (i % 3 === 0 ? 0.2 : 0.05));
    const { levels } = compare(slightly, [...steady].reverse().slice(1), normal);
    expect(levels).toBeLessThan(compare(times(2), steady, normal).levels);
    expect(compare(times(2), steady, normal).levels).toBe(confidenceLevels.length);
  });

  it('says how many times the mean is, where there is a ratio', () => {
    expect(compare(times(2), steady, normal).increase).toBeCloseTo(2, 9);
    expect(compare(steady, new Array<number>(20).fill(0), normal).increase).toBeUndefined();
  });
});
