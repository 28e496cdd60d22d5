import type { EvidenceProcess } from '../statistics/e-process.ts';
import { fromStartShare } from '../statistics/restartable-evidence.ts';

/** What the search for the abort threshold needs of an SLI: its endpoints and the evidence that fails it. */
export interface EvidenceThreshold {
  readonly endpoints: readonly ThresholdEndpoint[];
  readonly pooled: EvidenceProcess;
  readonly threshold: number;
  readonly minBadEvents: number;
  /** Whether bad events on these endpoints (by index) can lie so far apart that no short interval holds all of them. */
  readonly canOutlast: (endpoints: readonly number[]) => boolean;
  /** The least that evidence that can start again is worth, wherever in the window the bad events come. */
  readonly minRestartable: number;
}

export interface ThresholdEndpoint {
  readonly total: number;
  readonly scale: number;
  readonly measured: { readonly sampleRate: number };
  readonly process: EvidenceProcess;
}

/** With fewer bad events seen, no rate is demonstrably too high: one may be bad luck. */
export const minBadEvents = 2;

/** Evidence up to this is noise: it keeps no good release from a limited pass, and no blip from being one. */
export const noiseEvidence = 2;

/** Sums of fractions miss whole numbers by far less than this. Events that were seen are whole numbers. */
export const rounding = 1e-6;

/** Whether a seen count reaches a whole number; the error of binary fractions is allowed for. */
export function reaches(observed: number, min: number): boolean {
  return observed >= min - rounding;
}

/** Whether an observed count is more than a whole number, binary fractions aside. */
export function exceeds(observed: number, max: number): boolean {
  return observed > max + rounding;
}

/** The smallest whole number in [1, max] for which a rising predicate holds, or undefined. */
function minUpTo(max: number, holds: (value: number) => boolean): number | undefined {
  return minAbove(0, max, holds);
}

/** As `minUpTo`, where it is known not to hold at `low`. */
function minAbove(low: number, max: number, holds: (value: number) => boolean): number | undefined {
  const last = Math.floor(max);
  let below = low;
  for (let step = 1; below < last; step *= 2) {
    const next = Math.min(below + step, last);
    if (holds(next)) return between(below, next, holds);
    below = next;
  }
  return undefined;
}

/** The least whole number above `low`, for which the predicate does not hold, up to `high`, for which it does. */
function between(low: number, high: number, holds: (value: number) => boolean): number {
  let below = low;
  let above = high;
  while (above - below > 1) {
    const middle = Math.floor((below + above) / 2);
    if (holds(middle)) above = middle;
    else below = middle;
  }
  return above;
}

/** As `minUpTo`, by fewer questions where `guess` is near the answer. */
function minNear(guess: number, max: number, holds: (value: number) => boolean): number | undefined {
  if (guess > max) return minUpTo(max, holds);
  if (!holds(guess)) return minAbove(guess, max, holds);
  let high = guess;
  for (let step = 1; high - step > 0; step *= 2) {
    if (!holds(high - step)) return between(high - step, high, holds);
    high -= step;
  }
  return between(0, high, holds);
}

function sum(values: readonly number[]): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

/**
 * Spreads `bad` whole events over the endpoints as the traffic is, by Sainte-Laguë's divisors: one event more never
 * takes one away from any endpoint, so the evidence of a spread rises with it. (Webster; Balinski & Young 1982.)
 */
export function spread(totals: readonly number[], bad: number): number[] {
  const all = sum(totals);
  const out = new Array<number>(totals.length);
  let left = bad;
  for (let i = 0; i < totals.length; i += 1) {
    const total = totals[i] as number;
    const share = total < 1 ? 0 : Math.min(Math.floor(total), Math.round((bad * total) / all));
    out[i] = share;
    left -= share;
  }
  for (; left > 0; left -= 1) {
    let best = -1;
    let highest = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < out.length; i += 1) {
      const priority = (totals[i] as number) / (2 * (out[i] as number) + 1);
      if (priority <= highest || (out[i] as number) + 1 > (totals[i] as number)) continue;
      best = i;
      highest = priority;
    }
    if (best < 0) break;
    out[best] = (out[best] as number) + 1;
  }
  for (; left < 0; left += 1) {
    let worst = -1;
    let lowest = Number.POSITIVE_INFINITY;
    for (let i = 0; i < out.length; i += 1) {
      const priority = (totals[i] as number) / (2 * (out[i] as number) - 1);
      if (priority > lowest || (out[i] as number) <= 0) continue;
      worst = i;
      lowest = priority;
    }
    out[worst] = (out[worst] as number) - 1;
  }
  return out;
}

export interface AbortThresholds {
  /**
   * The CUJ's: the least bad events, spread over the endpoints as the traffic is, that fail where no two of them lie in one short
   * interval, whenever in the window they come. With any one of them left out, more than noise remains. Where they come within a few
   * minutes, fewer may fail. Null where none do.
   */
  readonly cuj: number | null;
  /**
   * Every endpoint's own, in the order given: the same of bad events on it alone, all others clean; null where its traffic cannot
   * carry a fail.
   */
  readonly endpoints: readonly (number | null)[];
}

/** The numbers of bad events at which the verdict becomes a fail. */
export function abortThresholdsOf(thresholdInput: EvidenceThreshold): AbortThresholds {
  const clean = thresholdInput.endpoints.map(({ process }) => process.of(0));
  return { cuj: cujThreshold(thresholdInput, clean), endpoints: endpointThresholds(thresholdInput, clean) };
}

/** The least evidence of a CUJ whose pool and endpoints have this much from the start, wherever in the window the bad events come. */
function minEvidence(pooled: number, endpoints: number, minRestartable: number): number {
  return (fromStartShare * (pooled + endpoints)) / 2 + (1 - fromStartShare) * minRestartable;
}

function cujThreshold(
  { endpoints, pooled, threshold, minBadEvents, canOutlast, minRestartable }: EvidenceThreshold,
  clean: readonly number[],
): number | null {
  if (endpoints.length === 0) return null;
  const evidenceOf = (weighed: number, alone: number) =>
    minEvidence(pooled.of(weighed), alone / endpoints.length, minRestartable);
  const totals = endpoints.map((endpoint) => endpoint.total);
  const maxBad = sum(totals.map((total) => (total < 1 ? 0 : Math.floor(total))));
  const holds = (bad: number): boolean => {
    const counts = spread(totals, bad);
    let scaled = 0;
    let observed = 0;
    let alone = 0;
    /** Each endpoint's evidence with one bad event less, and what the endpoint has more with it. */
    const less: { readonly scale: number; readonly gain: number }[] = [];
    const hit: number[] = [];
    for (let i = 0; i < counts.length; i += 1) {
      const count = counts[i] as number;
      if (count <= 0) {
        alone += clean[i] as number;
        continue;
      }
      const { scale, measured, process } = endpoints[i] as ThresholdEndpoint;
      hit.push(i);
      scaled += count * scale;
      observed += count * measured.sampleRate;
      const all = process.of(count * scale);
      alone += all;
      less.push({ scale, gain: all - process.of((count - 1) * scale) });
    }
    return (
      reaches(observed, minBadEvents) &&
      canOutlast(hit) &&
      evidenceOf(scaled, alone) >= threshold &&
      less.every(({ scale, gain }) => {
        // One event less takes no more than a factor of 1024 away from what a double cannot hold.
        const rest = alone === Number.POSITIVE_INFINITY ? alone : alone - gain;
        return evidenceOf(scaled - scale, rest) > noiseEvidence;
      })
    );
  };
  // Bad events that are spread out prove little on any one endpoint, so the pool alone is a good first guess.
  let counted = 0;
  let weighed = 0;
  for (const { total, scale } of endpoints) {
    counted += total;
    weighed += total * scale;
  }
  const weight = weighed / counted;
  const guess = minUpTo(maxBad, (bad) => evidenceOf(bad * weight, 0) >= threshold);
  return minNear(guess ?? maxBad + 1, maxBad, holds) ?? null;
}

function endpointThresholds(thresholdInput: EvidenceThreshold, clean: readonly number[]): (number | null)[] {
  const { endpoints, pooled, threshold, minRestartable } = thresholdInput;
  const allClean = sum(clean);
  // The thresholds of neighbouring endpoints are near each other.
  let guess = 1;
  return endpoints.map(({ total, scale, measured, process }, i) => {
    if (total < 1 || !thresholdInput.canOutlast([i])) return null;
    const others = allClean - (clean[i] as number);
    const evidenceOf = (bad: number) =>
      minEvidence(
        pooled.of(bad * scale),
        (others + process.of(bad * scale)) / endpoints.length,
        minRestartable,
      );
    const holds = (bad: number): boolean =>
      reaches(bad * measured.sampleRate, thresholdInput.minBadEvents) &&
      evidenceOf(bad) >= threshold &&
      evidenceOf(bad - 1) > noiseEvidence;
    const found = minNear(guess, Math.floor(total), holds);
    if (found === undefined) return null;
    guess = found;
    return found;
  });
}

/**
 * The number of further clean requests until `enough` holds; null beyond 10^12. Precondition: where it holds, it holds for
 * all greater numbers.
 */
export function requestsUntil(enough: (more: number) => boolean): number | null {
  if (enough(0)) return 0;
  return minUpTo(1e12, enough) ?? null;
}
