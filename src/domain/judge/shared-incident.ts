import type { Objective } from '../registry/objective.ts';
import { logEvidence } from '../statistics/e-process.ts';
import { minBadEvents, reaches, rounding } from './abort-threshold.ts';
import { type JudgedWindow, minutesSinceFirstHit } from './analysis-window.ts';
import type { SliSums } from './sli-counts.ts';

/** An incident shows in its newest 1, 2 or 4 minutes. A longer span would count quiet minutes after it as well. */
const spans = [1, 2, 4] as const;

/**
 * The part of the window after the newest minute in which stable was demonstrably failing: with a bad event in the minute,
 * and at least two that were seen, and evidence of at least 1/alpha, over the 1, 2 or 4 minutes that end with it. Undefined where there is no such minute in the
 * window, or nothing after it.
 */
export function windowAfterIncident(
  { endpoints, minutes: { stableTotal, stableBad } }: SliSums,
  window: JudgedWindow,
  { budget }: Objective,
  logOne: number,
): JudgedWindow | undefined {
  const isFailing = (last: number) => {
    let total = 0;
    let bad = 0;
    let seen = 0;
    let from = last + 1;
    return spans.some((span) => {
      for (; from > 0 && from > last + 1 - span; from -= 1) {
        total += stableTotal[from - 1] as number;
        bad += stableBad[from - 1] as number;
        seen += badSeenIn(endpoints, from - 1);
      }
      return reaches(seen, minBadEvents) && logEvidence(total, Math.min(bad, total), budget) >= logOne;
    });
  };
  for (let last = window.end - 1; last >= window.first; last -= 1) {
    if (!((stableBad[last] as number) > 0 && isFailing(last))) continue;
    const first = last + 1;
    if (first >= window.end) return undefined;
    return { ...window, first, minutesSinceFirstHit: minutesSinceFirstHit(window.hits.canary, first) };
  }
  return undefined;
}

/** Bad events of stable that were seen in a minute. */
function badSeenIn(endpoints: SliSums['endpoints'], minute: number): number {
  let seen = 0;
  for (const { measured } of endpoints) {
    const bad = measured.stable.bad[minute] ?? 0;
    if (bad > rounding) seen += bad * measured.sampleRate;
  }
  return seen;
}
