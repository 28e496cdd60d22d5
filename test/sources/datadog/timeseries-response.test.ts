import { describe, expect, it } from 'vitest';
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
    ['20 seconds for 10', every(20_000, 20 * minute), 10_000, '20 s, but buckets of 10 s'],
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
    expect(read(offsets, each)[0]?.get('')?.get('')).toHaveLength(120);
  });

  it('are not what an answer without any point has', () => {
    const empty = { series: [], times: [], values: [] };
    expect(readGroups([query], empty, from, from + 120 * minute)[0]?.size).toBe(0);
  });
});
