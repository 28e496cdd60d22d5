/**
 * How bursty errors are, from the counts of a service that is taken for healthy. docs/verdicts-reference.md has the definition ("The
 * dispersion").
 */

/** Minutes of a block. An incident spoils the blocks that it lies in, and the median does without them. */
const blockMinutes = 10;
/** With fewer blocks that have bad events, nothing is known. */
const minBlocks = 4;
/** Independent errors show less than this in 99 of 100 cases. */
const minDispersion = 1.5;
/** Much more is no burst of errors, and would blind the gate. */
export const maxDispersion = 10;

/** Events of one service that were seen, by minute. */
export interface SeenByMinute {
  readonly total: ArrayLike<number>;
  readonly bad: ArrayLike<number>;
}

/**
 * The variance of the bad events a minute over their mean, at least 1 and at most {@link maxDispersion}: the lower median over blocks
 * of ten minutes, so that one incident does not count. Each minute is compared with the one before, given the sum of both, so that the
 * rate may drift. 1 where chance explains it, and where too few blocks have bad events. `firstMinute` is the number of the first minute
 * since the epoch: blocks lie on the clock, so that they do not move as time goes on.
 */
export function estimateDispersion({ total, bad }: SeenByMinute, firstMinute: number): number {
  const estimates: number[] = [];
  let squares = 0;
  let expected = 0;
  const endBlock = () => {
    if (expected > 0) estimates.push(squares / expected);
    squares = 0;
    expected = 0;
  };
  for (let i = 1; i < total.length; i += 1) {
    if ((firstMinute + i) % blockMinutes === 0) {
      endBlock();
      continue;
    }
    const [before, now] = [total[i - 1] as number, total[i] as number];
    if (!(before > 0 && now > 0)) continue;
    const sum = Math.min(bad[i - 1] as number, before) + Math.min(bad[i] as number, now);
    const share = now / (before + now);
    squares += (Math.min(bad[i] as number, now) - sum * share) ** 2;
    expected += sum * share * (1 - share);
  }
  endBlock();
  if (estimates.length < minBlocks) return 1;
  estimates.sort((a, b) => a - b);
  const median = estimates[Math.floor((estimates.length - 1) / 2)] as number;
  return median < minDispersion ? 1 : Math.min(median, maxDispersion);
}
