/**
 * Every agent sends what it counted by its own clock. The newest buckets may therefore hold the canary's requests and not yet
 * stable's: a fail would not be seen to be shared. A bucket decides when the counts of both sides in it have arrived.
 */

/** So much is left out at most: what arrives later than that did not happen. */
export const maxIncompleteMs = 60_000;

/** Before what may be incomplete, this much shows how many requests are usual. */
const referenceMs = 120_000;

/** Fewer requests than usual are a gap where chance explains them in fewer than 1 of 1,000 cases. */
const minLogChance = Math.log(1000);

/**
 * How many of the newest buckets are incomplete. In one of the last 60 s one side has fewer than half of its usual requests, by more
 * than chance, and the other side does not have them: the weights have not been changed. `stepMs` is the length of a bucket.
 */
export function incompleteBuckets(
  canary: ArrayLike<number>,
  stable: ArrayLike<number>,
  stepMs: number,
): number {
  const max = Math.floor(maxIncompleteMs / stepMs);
  let leftOut = 0;
  while (leftOut < max && lacksCounts(canary, stable, canary.length - leftOut, stepMs)) leftOut += 1;
  return leftOut;
}

/** Whether counts of the newest buckets before `end` are missing. */
function lacksCounts(
  canary: ArrayLike<number>,
  stable: ArrayLike<number>,
  end: number,
  stepMs: number,
): boolean {
  const newest = Math.floor(maxIncompleteMs / stepMs);
  const reference = Math.floor(referenceMs / stepMs);
  const from = end - newest - reference;
  if (from < 0) return false;
  const sides = [canary, stable].map((counts) => ({ counts, usual: sumOf(counts, from, from + reference) }));
  for (let buckets = 1; buckets <= newest; buckets += 1) {
    const missing = sides.map(({ counts, usual }) => {
      const expected = (usual * buckets) / reference;
      return { expected, seen: sumOf(counts, end - buckets, end) };
    });
    const all = missing.reduce((sum, { expected, seen }) => sum + expected - seen, 0);
    const lacks = missing.some(({ expected, seen }) => isGap(expected, seen) && all >= (expected - seen) / 2);
    if (lacks) return true;
  }
  return false;
}

/** Chernoff's bound of the Poisson distribution's lower tail. */
function isGap(expected: number, seen: number): boolean {
  if (!(seen < expected / 2)) return false;
  return expected - seen + (seen > 0 ? seen * Math.log(seen / expected) : 0) >= minLogChance;
}

function sumOf(counts: ArrayLike<number>, first: number, end: number): number {
  let sum = 0;
  for (let i = first; i < end; i += 1) sum += counts[i] ?? 0;
  return sum;
}
