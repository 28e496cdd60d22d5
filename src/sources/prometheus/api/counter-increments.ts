import { bucketMs } from '../../../domain/metrics/metrics-source.ts';
import type { CounterSamples } from './matrix-response.ts';
import { isDip, type TargetScrapes } from './target-restarts.ts';

/**
 * From the samples of a counter to events by bucket. An event is counted at the scrape that first shows it, so that a bucket is
 * complete as soon as the scrapes in it have arrived. docs/adr/0030-counts-from-raw-samples.md and 0038 give the reasons.
 */

/** Where counts go. Epoch ms. */
export interface CountedSpan {
  readonly fromMs: number;
  /** Exclusive. */
  readonly toMs: number;
  readonly stepMs: number;
  /** An interval between two samples that is longer is a gap. */
  readonly gapMs: number;
}

/** So often a counter may fall and be above its old value again one scrape later. Then two processes write one series. */
const maxRecoveries = 2;

/** Scrapes are a little early or late. */
const lateScrape = 1.1;

/** What is wrong with the samples as those of one counter; the end of a sentence. */
export class TwoCountersInOne extends Error {
  override readonly name = 'TwoCountersInOne';
}

/**
 * Adds the increments of a counter to `buckets`. What came in a gap is spread over it, in whole events. Throws TwoCountersInOne.
 */
export function addIncrements(
  samples: Pick<CounterSamples, 'times' | 'values'>,
  span: CountedSpan,
  isBirth: (firstMs: number) => boolean,
  buckets: Float64Array,
  target: TargetScrapes,
): void {
  const { times, values } = samples;
  forEachIncrement(samples, span, isBirth, target, (at, since, afterMs) => {
    const events = (values[at] as number) - (since === undefined ? 0 : (values[since] as number));
    addEvents(events, afterMs, times[at] as number, span, buckets);
  });
}

/** `at`: the sample that shows the increment. `since`: the one that it is counted from; undefined: from 0. Events are of after `afterMs`. */
type VisitIncrement = (at: number, since: number | undefined, afterMs: number) => void;

/**
 * Calls `visit` for each increment of a counter, in the order of time. A fall is a reset: the process began again at 0. `isBirth`
 * tells whether a first sample at this time is that of a new counter, which began at 0; otherwise it is only where counting begins.
 * `isReset` tells of resets that the counter itself does not show. Throws TwoCountersInOne.
 */
export function forEachIncrement(
  { times, values }: Pick<CounterSamples, 'times' | 'values'>,
  span: Pick<CountedSpan, 'fromMs'>,
  isBirth: (firstMs: number) => boolean,
  { restarts, scrapes }: TargetScrapes,
  visit: VisitIncrement,
  isReset: (at: number, since: number) => boolean = () => false,
): void {
  let restart = 0;
  let scrape = 0;
  const firstMs = times[0] as number;
  let since = 0;
  if (firstMs > span.fromMs && isBirth(firstMs)) visit(0, undefined, firstMs);
  let fallenFrom: number | undefined;
  let recoveries = 0;
  for (let i = 1; i < times.length; i += 1) {
    const atMs = times[i] as number;
    const value = values[i] as number;
    const beforeMs = times[since] as number;
    const before = values[since] as number;
    if (fallenFrom !== undefined && value >= fallenFrom && fallenFrom > 0) {
      recoveries += 1;
      if (recoveries > maxRecoveries) {
        throw new TwoCountersInOne(`it falls and is as high as before one scrape later, ${recoveries} times`);
      }
    }
    while ((restarts[restart] ?? Number.POSITIVE_INFINITY) <= beforeMs) restart += 1;
    const isRestart = (restarts[restart] ?? Number.POSITIVE_INFINITY) <= atMs || isReset(i, since);
    const isFall = isRestart || value < before;
    fallenFrom = value < before ? before : undefined;
    if (isFall && !isRestart && isDip(before, value)) {
      // The highest value stays what the next one is compared with.
      fallenFrom = undefined;
      continue;
    }
    while ((scrapes[scrape + 1] ?? Number.POSITIVE_INFINITY) < atMs) scrape += 1;
    // Where others of the process were scraped in between, this one was not there: then nothing had happened yet.
    const afterMs = Math.max(beforeMs, Math.min(scrapes[scrape] ?? beforeMs, atMs));
    visit(i, isFall ? undefined : since, afterMs);
    since = i;
  }
}

/** Events between two samples. Those of an interval that begins before the span, and ends in it, all are in the span. */
export function addEvents(
  events: number,
  afterMs: number,
  atMs: number,
  { fromMs, toMs, stepMs, gapMs }: CountedSpan,
  buckets: Float64Array,
): void {
  if (events === 0 || atMs <= fromMs || atMs > toMs) return;
  const last = Math.ceil((atMs - fromMs) / stepMs) - 1;
  const beginMs = Math.max(afterMs, fromMs);
  const lengthMs = atMs - beginMs;
  if (lengthMs <= gapMs) {
    buckets[last] = (buckets[last] as number) + events;
    return;
  }
  let given = 0;
  for (let i = Math.floor((beginMs - fromMs) / stepMs); i <= last; i += 1) {
    const endMs = Math.min(fromMs + (i + 1) * stepMs, atMs);
    const until = i === last ? events : Math.floor((events * (endMs - beginMs)) / lengthMs);
    buckets[i] = (buckets[i] as number) + until - given;
    given = until;
  }
}

/** The usual time between two samples, in ms; undefined with fewer than three samples. */
export function scrapeIntervalOf(times: Float64Array): number | undefined {
  if (times.length < 3) return undefined;
  const gaps = times.slice(1).map((atMs, i) => atMs - (times[i] as number));
  gaps.sort();
  return gaps[Math.floor((gaps.length - 1) / 2)];
}

/** The buckets of the newest data. Scrapes are at times of their own, so that finer ones would not tell more. */
const shortStepMs = 5_000;

/** How well scrapes tell when an event happened. */
export interface ScrapedTimes {
  /** The length of a bucket, in ms. */
  readonly stepMs: number;
  /** An event may have happened so long before its bucket, in ms. */
  readonly lateMs: number;
}

/**
 * The shortest buckets for scrapes so far apart. An event is counted at the scrape that first shows it, and so happened up to one
 * scrape before. Its bucket is taken to end with that scrape.
 */
export function scrapedTimesOf(intervalMs: number): ScrapedTimes {
  // Scrapes are a few milliseconds early or late.
  const usualMs = Math.round(intervalMs / 1000) * 1000;
  return { stepMs: shortStepMs, lateMs: Math.max(0, usualMs - shortStepMs) };
}

/** The longest interval between two samples that is no gap, in ms: one scrape may fail, and no minute may be left empty. */
export function longestIntervalOf(intervalMs: number, stepMs: number): number {
  return lateScrape * Math.max(stepMs, Math.min(2 * intervalMs, bucketMs));
}
