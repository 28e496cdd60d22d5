import { describe, expect, test } from 'vitest';
import { seededRandom } from '../domain/judge/journey.ts';
import { growthOf } from './memory.ts';

/** Measured, in MB, one value a minute: runs of 500 s of one seed, without a leak and with `--leak 1024`. */
const healthy = [43.8, 50.3, 47.0, 50.0, 50.0, 49.3, 50.7, 48.8, 49.3];
const leaking = [44.3, 61.6, 70.3, 90.1, 95.0, 107.4, 128.0, 129.3, 143.1];

/** An hour of a gate whose collections find up to 14 MB that are under way, over a floor that `leakMb` a minute lifts. */
function hour(seed: number, leakMb: number): number[] {
  const draw = seededRandom(seed);
  return Array.from({ length: 61 }, (_, minute) =>
    minute === 0 ? 70 : 81.3 + 14 * draw() ** 3 + leakMb * minute,
  );
}

const seeds = Array.from({ length: 200 }, (_, i) => i + 1);

describe('memory after a collection', () => {
  test('is flat as measured of a gate without a leak, and not with one', () => {
    expect(growthOf(healthy)).toMatchObject({ isFlat: true, limitMb: 5 });
    expect(growthOf(leaking)).toMatchObject({ isFlat: false, limitMb: 5 });
  });

  test('is flat for an hour in which each collection finds something else under way', () => {
    expect(seeds.filter((seed) => !growthOf(hour(seed, 0)).isFlat)).toEqual([]);
  });

  test('is not flat after an hour in which 0.15 MB a minute leak, whatever is under way', () => {
    expect(seeds.filter((seed) => growthOf(hour(seed, 0.15)).isFlat)).toEqual([]);
  });

  test('shows a leak of 0.1 MB a minute in an hour where nothing else varies', () => {
    const series = Array.from({ length: 61 }, (_, minute) => 48 + 0.1 * minute);
    expect(growthOf(series).isFlat).toBe(false);
  });

  test('shows a leak of 1 MB a minute in ten minutes, whatever two collections of a quarter found under way', () => {
    const underWay = [0, 4, 4, 0, 4, 0, 4, 4, 0, 0, 0];
    const series = underWay.map((mb, minute) => 46 + mb + minute);
    expect(growthOf(series).isFlat).toBe(false);
    expect(growthOf(underWay.toReversed().map((mb) => 46 + mb))).toMatchObject({ isFlat: true });
  });

  test('does not count the warm-up of the first quarter', () => {
    expect(growthOf([30, 36, 46, 46, 46, 46, 46, 46, 46, 46, 46])).toMatchObject({
      fromMb: 46,
      isFlat: true,
    });
  });

  test('that one low minute in the middle does not hide a leak at the end', () => {
    expect(growthOf([40, 46, 46, 46, 46, 30, 51, 52, 53, 54, 55]).isFlat).toBe(false);
  });

  test.each([
    ['the last minute with the first', [40, 45, 47, 51], 6],
    ['the end with the beginning of a run of one minute', [40, 49.9], 10],
  ])('compares %s in a short run', (_, series, limitMb) => {
    const last = series.at(-1) as number;
    expect(growthOf(series)).toMatchObject({ isFlat: true, limitMb });
    expect(growthOf([...series.slice(0, -1), last + 0.2])).toMatchObject({ isFlat: false });
  });

  test.each([[[]], [[40]]])('is not called flat where too little was measured: %j', (series) => {
    expect(growthOf(series).isFlat).toBe(false);
  });
});
