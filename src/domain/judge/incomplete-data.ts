/**
 * Every agent sends what it counted by its own clock. The newest buckets may therefore hold the canary's requests and not yet
 * stable's: a fail would not be seen to be shared. A bucket decides when the counts of both sides in it have arrived.
 */

/** So much is left out at most: what arrives later than that did not happen. */
export const maxIncompleteMs = 60_000;

/** Before what may be incomplete, this much shows how many requests are usual. */
const referenceMs = 120_000;

/** What happens by chance in fewer than 1 of 100 cases is none. A wrong guess costs a minute at most. */
const minLogChance = Math.log(100);

/** Hits of both sides on a whole service in the newest buckets; both lists are equally long. */
export interface NewestHits {
  readonly canary: ArrayLike<number>;
  readonly stable: ArrayLike<number>;
  /** The length of a bucket, in ms. */
  readonly stepMs: number;
  /** That of the newest one, which may be shorter. */
  readonly newestMs: number;
  /** The part of the hits that was seen. */
  readonly sampleRate: number;
}

/** How many of the newest buckets are incomplete: while counts of one side are missing, one more is left out, up to 60 s. */
export function incompleteBuckets(hits: NewestHits): number {
  const { canary, stepMs } = hits;
  const max = Math.floor(maxIncompleteMs / stepMs);
  let leftOut = 0;
  while (leftOut < max && lacksCounts(hits, canary.length - leftOut)) leftOut += 1;
  return leftOut;
}

/** Hits of one side that were seen in some of the newest buckets, and how many are usual in as much time. */
interface Seen {
  readonly seen: number;
  readonly usual: number;
}

/**
 * Whether counts of one side are missing in the newest 1, 2, … buckets before `end`, up to 60 s. Where in any of these spans the
 * other side has them, none are: the weights were changed.
 */
function lacksCounts({ canary, stable, stepMs, newestMs, sampleRate }: NewestHits, end: number): boolean {
  const newest = Math.floor(maxIncompleteMs / stepMs);
  const reference = Math.floor(referenceMs / stepMs);
  const from = end - newest - reference;
  if (from < 0) return false;
  const lastMs = end === canary.length ? newestMs : stepMs;
  const spans = Array.from({ length: newest }, (_, i) => {
    const part = (i * stepMs + lastMs) / (reference * stepMs);
    const [own, other] = [canary, stable].map((counts) => ({
      seen: sumOf(counts, end - i - 1, end) * sampleRate,
      usual: sumOf(counts, from, from + reference) * sampleRate * part,
    }));
    return { canary: own as Seen, stable: other as Seen };
  });
  return (
    spans.some((span) => isLacking(span.canary, span.stable) || isLacking(span.stable, span.canary)) &&
    !spans.some((span) => hasMoved(span.canary, span.stable) || hasMoved(span.stable, span.canary))
  );
}

/**
 * A side lacks counts where it has fewer than half of its usual requests, and where chance explains neither this nor its part of
 * the requests of both sides: silence on both sides is no gap.
 */
function isLacking(own: Seen, other: Seen): boolean {
  if (!(own.seen < own.usual / 2) || isChance(own)) return false;
  const seen = own.seen + other.seen;
  const share = own.usual / (own.usual + other.usual);
  return divergence(own.seen, seen * share) + divergence(other.seen, seen * (1 - share)) >= minLogChance;
}

/** Whether the other side has at least half of the requests that one side has less than usual, by more than chance. */
function hasMoved(own: Seen, other: Seen): boolean {
  const less = own.usual - own.seen;
  return less > 0 && other.seen - other.usual >= less / 2 && !isChance(other);
}

/** By Chernoff's bound of the Poisson distribution's tails. */
function isChance({ seen, usual }: Seen): boolean {
  return divergence(seen, usual) + usual - seen < minLogChance;
}

/** x · ln(x / expected). */
function divergence(count: number, expected: number): number {
  return count > 0 ? count * Math.log(count / expected) : 0;
}

function sumOf(counts: ArrayLike<number>, first: number, end: number): number {
  let sum = 0;
  for (let i = first; i < end; i += 1) sum += counts[i] ?? 0;
  return sum;
}
