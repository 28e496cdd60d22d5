/**
 * Beyond this nothing is judged. The registry's lag is 90 s and agents flush within 30 s: a clock that is fast by less
 * still sees minutes that are nearly complete, and one that is slow by less is late by one minute.
 */
export const maxClockSkewMs = 60_000;

/**
 * How far this process's clock is ahead of the source's (below 0: behind), in ms: the least that explains a time of the
 * source's in whole seconds, which was told between `fromMs` and `toMs` of our own.
 */
export function clockSkewOf(sourceMs: number, fromMs: number, toMs: number): number {
  return minBetween(Math.min(fromMs, toMs) - (sourceMs + 1000), Math.max(fromMs, toMs) - sourceMs);
}

/** The number nearest to 0 between two others. */
export function minBetween(low: number, high: number): number {
  return low > 0 ? low : Math.min(high, 0);
}

/** Whether a clock is so wrong that what it takes for the newest complete minute is another one. */
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
