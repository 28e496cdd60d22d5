import { addEvents, type CountedSpan, forEachIncrement } from './counter-increments.ts';
import type { CounterSamples } from './matrix-response.ts';
import { isDip, type TargetScrapes } from './target-restarts.ts';

/**
 * From the samples of a histogram to events by bucket of time: those within a threshold, and those above it. All buckets of a
 * histogram are counted together, so that a restart which one of them shows is one of all.
 */

/** How many events are within a threshold and how many above it, since the process began. Lists as long as those of the samples. */
export interface ThresholdSamples {
  /** NaN where it is not known at a time. */
  readonly within: Float64Array;
  /** NaN where it is not known at a time. Both together are fewer than all where a bucket lies across the threshold. */
  readonly above: Float64Array;
  /** The end of the bucket that lies across the threshold, and NaN where that has no events. Absent where none can. */
  readonly across?: Float64Array;
}

/** A histogram: its labels without `le`, and as values all of its events. */
export interface HistogramSamples extends CounterSamples {
  /** In the order of the plan's thresholds. Undefined: no bucket ends there. */
  readonly thresholds: readonly (ThresholdSamples | undefined)[];
}

/** Events by bucket of time. An event is in exactly one of the three. */
export interface DurationCounts {
  readonly within: Float64Array;
  readonly above: Float64Array;
  /** Neither is known. */
  readonly unknown: Float64Array;
}

/**
 * The events of a histogram for each of its thresholds, in the order of its list. `isBirth` is as for counters.
 * Throws TwoCountersInOne.
 */
export function durationCountsOf(
  { times, values, thresholds }: HistogramSamples,
  span: CountedSpan,
  isBirth: (firstMs: number) => boolean,
  target: TargetScrapes,
): DurationCounts[] {
  const buckets = Math.ceil((span.toMs - span.fromMs) / span.stepMs);
  const counts = thresholds.map(() => ({
    within: new Float64Array(buckets),
    above: new Float64Array(buckets),
    unknown: new Float64Array(buckets),
  }));
  const gained = (list: Float64Array, at: number, since: number | undefined) =>
    (list[at] as number) - (since === undefined ? 0 : (list[since] as number));
  const visit = (at: number, since: number | undefined, afterMs: number) => {
    const atMs = times[at] as number;
    const all = gained(values, at, since);
    counts.forEach((of, i) => {
      const samples = thresholds[i];
      const [within, above] =
        samples === undefined
          ? [Number.NaN, Number.NaN]
          : [gained(samples.within, at, since), gained(samples.above, at, since)];
      // A sample is missing, or buckets were merged or split in between.
      const isKnown =
        within >= 0 && above >= 0 && within + above <= all && hasSameBuckets(samples, at, since);
      addEvents(isKnown ? within : 0, afterMs, atMs, span, of.within);
      addEvents(isKnown ? above : 0, afterMs, atMs, span, of.above);
      addEvents(isKnown ? all - within - above : all, afterMs, atMs, span, of.unknown);
    });
  };
  // Where the count is as high as before, the events within a threshold may still show that the process began again.
  const isReset = (at: number, since: number) =>
    thresholds.some((samples) => {
      // Buckets of native histograms may be merged, and events within a threshold are then not known to be any more.
      if (samples === undefined || samples.across !== undefined) return false;
      const [before, now] = [samples.within[since] as number, samples.within[at] as number];
      return now < before && !isDip(before, now, values[since] as number);
    });
  forEachIncrement({ times, values }, span, isBirth, target, visit, isReset);
  return counts;
}

/** Whether the bucket across a threshold is the same at both times. One that had no event gave none to others. */
function hasSameBuckets(
  samples: ThresholdSamples | undefined,
  at: number,
  since: number | undefined,
): boolean {
  if (samples?.across === undefined || since === undefined) return true;
  const [before, now] = [samples.across[since] as number, samples.across[at] as number];
  return Number.isNaN(before) || before === now;
}
