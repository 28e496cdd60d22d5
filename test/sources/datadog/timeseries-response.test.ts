import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bucketMs, recentStepMs } from '../../../src/domain/metrics/metrics-source.ts';
import { readGroups } from '../../../src/sources/datadog/api/timeseries-response.ts';
import type { PlannedQuery } from '../../../src/sources/datadog/query/query-plan-types.ts';

const minute = 60_000;
const from = Date.UTC(2026, 0, 31, 10, 0);
const query: PlannedQuery = {
  name: 'hits',
  query: 'sum:hits{*}.as_count()',
  serviceKey: undefined,
  resourceKey: undefined,
  services: undefined,
  resources: undefined,
};

/** What is read of one series with so many events at each of these times, after the span's begin. */
function read(offsetsMs: readonly number[], each: number, spanMs = 120 * minute, everyMs = minute) {
  const times = offsetsMs.map((offset) => from + offset);
  const series = [{ group_tags: [], query_index: 0 }];
  return readGroups(
    [query],
    { series, times, values: [times.map(() => each)] },
    from,
    from + spanMs,
    everyMs,
  );
}

function every(stepMs: number, untilMs: number): number[] {
  return Array.from({ length: Math.floor(untilMs / stepMs) }, (_, i) => i * stepMs);
}

describe('points of a wider interval than was asked for', () => {
  it.each<[string, readonly number[], number, string]>([
    ['2 minutes', every(2 * minute, 120 * minute), minute, '120 s, but buckets of 60 s'],
    ['5 minutes', every(5 * minute, 120 * minute), minute, '300 s, but buckets of 60 s'],
    ['5 minutes over half an hour', every(5 * minute, 30 * minute), minute, '300 s, but buckets of 60 s'],
    ['2 minutes over 25', every(2 * minute, 25 * minute), minute, '120 s, but buckets of 60 s'],
    [
      '4 hours for one',
      every(4 * 60 * minute, 3 * 24 * 60 * minute).map((offset) => offset + 120 * minute),
      60 * minute,
      '14400 s, but buckets of 3600 s',
    ],
  ])('are not believed: %s', (_, offsets, everyMs, words) => {
    expect(() => read(offsets, 100, 7 * 24 * 60 * minute, everyMs)).toThrow(words);
  });

  it.each<[string, readonly number[], number]>([
    ['as asked for', every(minute, 120 * minute), 100],
    ['one of them off the grid', [...every(5 * minute, 60 * minute), 61 * minute], 100],
    ['a single point', [0], 10_000],
    ['two bursts, ten minutes apart', [0, 10 * minute], 10_000],
    ['requests of a quiet time, all of them in even minutes', every(2 * minute, 24 * minute), 1],
  ])('may not be what they look like: %s', (_, offsets, each) => {
    const { stepMs, groups } = read(offsets, each);
    expect(stepMs).toBe(minute);
    expect(groups[0]?.get('')?.get('')).toHaveLength(120);
  });

  it('are not what an answer without any point has', () => {
    const empty = { series: [], times: [], values: [] };
    for (const everyMs of [bucketMs, recentStepMs]) {
      const { stepMs, groups } = readGroups([query], empty, from, from + 120 * minute, everyMs);
      expect([stepMs, groups[0]?.size]).toEqual([everyMs, 0]);
    }
  });
});

describe('buckets of 10 s, where Datadog may use a longer interval and does not say so', () => {
  /** 12 minutes and a half. */
  const spanMs = 12.5 * minute;

  it.each<[string, readonly number[], number, number]>([
    ['10 s, as asked for', every(10_000, spanMs), 10_000, 75],
    ['20 s, the last one cut off', every(20_000, spanMs), 20_000, 38],
    ['30 s', every(30_000, spanMs), 30_000, 25],
    ['a minute, the last one cut off', every(minute, spanMs), minute, 13],
    ['2 minutes, which fit a minute', every(2 * minute, spanMs), minute, 13],
    ['10 s in one place', [0, minute, 2 * minute, 190_000], 10_000, 75],
    ['20 s by the bucket after the end, which is dropped', [0, minute, 760_000], 20_000, 38],
    // Nothing tells 10 s from a minute here: the longer one is right in both cases.
    ['any interval, from a single point', [3 * minute], minute, 13],
  ])('are %s', (_, offsets, stepMs, buckets) => {
    const answer = read(offsets, 7, spanMs, recentStepMs);
    const counts = answer.groups[0]?.get('')?.get('') as Float64Array;
    expect([answer.stepMs, counts.length]).toEqual([stepMs, buckets]);
    const inSpan = offsets.filter((offset) => offset < spanMs);
    expect(inSpan.map((offset) => counts[offset / stepMs])).toEqual(inSpan.map(() => 7));
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(7 * inSpan.length);
  });

  it('are never refused for traffic that comes at regular times', () => {
    for (const periodMs of [40_000, 50_000, 90_000, 2 * minute, 5 * minute])
      expect(() => read(every(periodMs, 15 * minute), 100, 15 * minute, recentStepMs)).not.toThrow();
  });

  it('lie at multiples of 10 s all the same', () => {
    expect(() => read([0, 5_000], 1, spanMs, recentStepMs)).toThrow('not at a multiple of 10 s');
  });

  it('hold each event within their bounds, and the sum of each minute, whatever the interval', () => {
    const slot = fc.tuple(fc.integer({ min: 0, max: 74 }), fc.integer({ min: 1, max: 50 }));
    fc.assert(
      fc.property(
        fc.array(slot, { minLength: 1, maxLength: 30 }),
        fc.constantFrom(10_000, 20_000, 30_000, minute),
        (events, usedMs) => {
          const counts = new Map<number, number>();
          for (const [at, count] of events) {
            const offset = Math.floor((at * 10_000) / usedMs) * usedMs;
            counts.set(offset, (counts.get(offset) ?? 0) + count);
          }
          const times = [...counts.keys()].sort((a, b) => a - b);
          const answer = readGroups(
            [query],
            {
              series: [{ group_tags: [], query_index: 0 }],
              times: times.map((offset) => from + offset),
              values: [times.map((offset) => counts.get(offset))],
            },
            from,
            from + spanMs,
            recentStepMs,
          );
          const { stepMs } = answer;
          expect([stepMs % usedMs, bucketMs % stepMs]).toEqual([0, 0]);
          const read = answer.groups[0]?.get('')?.get('') as Float64Array;
          const expected = new Float64Array(Math.ceil(spanMs / stepMs));
          for (const [at, count] of events) expected[Math.floor((at * 10_000) / stepMs)]! += count;
          expect(read).toEqual(expected);
        },
      ),
    );
  });
});
