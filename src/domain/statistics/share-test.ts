/**
 * The share test between canary and stable: whether the bad events single out the canary. Counts may be fractional.
 * docs/verdicts-reference.md has the formulas ("The share test").
 */

import { logMeanExp } from './log-mean-exp.ts';

/** How many times stable's odds the share test considers: 2, 4 … 128. */
const shareMultiples = Array.from({ length: 7 }, (_, j) => 2 ** (j + 1));
const logShareMultiples = shareMultiples.map((r) => Math.log(r));

/** Counts of both sides, bucket by bucket. */
export interface BothSides {
  readonly canaryTotal: ArrayLike<number>;
  readonly canaryBad: ArrayLike<number>;
  readonly stableTotal: ArrayLike<number>;
  readonly stableBad: ArrayLike<number>;
}

/**
 * Natural log of E_share over the buckets [first, end): how strongly the bad events single out the canary, given its
 * share w of each bucket's traffic, of each service by itself. Buckets in which either side has no traffic are
 * left out, and so are those in which stable has no more than `minStable` times the canary's. Steps of the weight, and
 * services with different weights, do not change what it means.
 */
export function logShareEvidence(
  services: readonly BothSides[],
  first: number,
  end: number,
  minStable = 0,
): number {
  return logMeanExp(shareLogsOf(services, first, end, minStable));
}

/** The log evidence of {@link logShareEvidence} for every multiple; their mean is taken last. */
export function shareLogsOf(
  services: readonly BothSides[],
  first: number,
  end: number,
  minStable = 0,
): Float64Array {
  const shareLogs = new Float64Array(shareMultiples.length);
  for (const sides of services) addShareLogs(shareLogs, sides, first, end, minStable);
  return shareLogs;
}

/** Takes `bad` bad events of the canary in bucket `i` of a service out of what {@link shareLogsOf} gave. */
export function withdrawCanaryBad(
  shareLogs: Float64Array,
  { canaryTotal, stableTotal }: BothSides,
  i: number,
  bad: number,
  minStable = 0,
): void {
  addBucket(shareLogs, canaryTotal[i] as number, stableTotal[i] as number, -bad, 0, minStable);
}

/** Adds one service's log evidence for every multiple to `shareLogs`. */
function addShareLogs(
  shareLogs: Float64Array,
  sides: BothSides,
  first: number,
  end: number,
  minStable: number,
): void {
  for (let i = first; i < end; i += 1) {
    const canaryBad = sides.canaryBad[i] as number;
    const stableBad = sides.stableBad[i] as number;
    if (!(canaryBad > 0 || stableBad > 0)) continue;
    const canaryTotal = sides.canaryTotal[i] as number;
    addBucket(shareLogs, canaryTotal, sides.stableTotal[i] as number, canaryBad, stableBad, minStable);
  }
}

function addBucket(
  shareLogs: Float64Array,
  canaryTotal: number,
  stableTotal: number,
  canaryBad: number,
  stableBad: number,
  minStable: number,
): void {
  if (!(canaryTotal > 0 && stableTotal > minStable * canaryTotal)) return;
  const w = canaryTotal / (canaryTotal + stableTotal);
  for (let j = 0; j < shareLogs.length; j += 1) {
    // q/w = r/(1+(r-1)w) and (1-q)/(1-w) = 1/(1+(r-1)w).
    const log = Math.log1p(((shareMultiples[j] as number) - 1) * w);
    (shareLogs[j] as number) += canaryBad * ((logShareMultiples[j] as number) - log) - stableBad * log;
  }
}
