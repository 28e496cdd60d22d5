/**
 * With a greater skew nothing is judged. A clock that is fast by less ends the data earlier by as much (measurement.ts). A clock that
 * is slow by less is late by as much.
 */
export const maxClockSkewMs = 60_000;

/**
 * How far this process's clock is ahead of the source's (below 0: behind), in ms. It is the least skew that explains a time
 * of the source in whole seconds, which the source gave between `fromMs` and `toMs` of our clock.
 */
export function clockSkewOf(sourceMs: number, fromMs: number, toMs: number): number {
  return nearestToZero(Math.min(fromMs, toMs) - (sourceMs + 1000), Math.max(fromMs, toMs) - sourceMs);
}

/** The number nearest to 0 between two others. */
export function nearestToZero(low: number, high: number): number {
  return low > 0 ? low : Math.min(high, 0);
}

/** Whether a clock is so wrong that it takes another minute for the newest complete one. */
export function isClockSkewed(skewMs: number | undefined): skewMs is number {
  return skewMs !== undefined && Math.abs(skewMs) > maxClockSkewMs;
}

/** The furthest from 0; undefined where none is known. */
export function worstSkew(skewsMs: readonly (number | undefined)[]): number | undefined {
  return skewsMs.reduce(
    (worst, skew) =>
      skew !== undefined && (worst === undefined || Math.abs(skew) > Math.abs(worst)) ? skew : worst,
    undefined,
  );
}
