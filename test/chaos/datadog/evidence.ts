import type { EventStore } from '../../../src/demo/datadog/store.ts';
import {
  type Asked,
  type CountQuestion,
  callEndsOf,
  type Evidence,
  floor,
  givenBeginOf,
  maxIncompleteMs,
  pastEndOf,
  unique,
  usualTellingMs,
  type Window,
} from '../evidence.ts';
import { routes } from '../world.ts';
import { Truth } from './truth.ts';

const minuteMs = 60_000;
const lagMs = 45_000;
/** After so long a silence a rollout begins anew. A past that stops so early is not kept. */
const restartGapMs = 5 * minuteMs;
const bucketMs = 10_000;
/**
 * By so many events the parts of an endpoint's requests may miss their total: they may have arrived between two queries
 * (docs/verdicts-reference.md, "Counts that do not add up").
 */
const driftEvents = 3;

/** The traffic, and what the simulator was made to do to its answers. */
export interface SimulatedFacts {
  readonly store: EventStore;
  /** Epoch ms of the minute in which every canary began. */
  readonly canaryBeganMs: number;
  /** The ends of calls that an answer may be based on and whose newest minute Datadog halved, epoch ms. */
  readonly halvedNear: (startedMs: number, endedMs: number) => readonly number[];
  /** Whether an answer may be based on a call that Datadog answered in buckets of 20 s or a minute. */
  readonly coarseNear: (startedMs: number, endedMs: number) => boolean;
  /** The ends of calls that an answer about this version may be based on and that lost some points of a series, epoch ms. */
  readonly lostNear: (version: string, startedMs: number, endedMs: number) => readonly number[];
  /** Other times at which the data of a call of an answer may have ended than the expected one, epoch ms. */
  readonly endsNear: (startedMs: number, endedMs: number) => readonly number[];
  /** The same of its call about the past, if that was kept. */
  readonly pastEndsNear: (startedMs: number, endedMs: number) => readonly number[];
}

/** Counts in the event store, and what single calls of the simulator may have lacked of them. */
export class DatadogEvidence implements Evidence {
  readonly maxWindowMs = 120 * minuteMs;
  readonly tellingMs = () => usualTellingMs;
  readonly unseen = () => undefined;
  readonly #known: SimulatedFacts;
  readonly #truth: Truth;

  constructor(known: SimulatedFacts) {
    this.#known = known;
    this.#truth = new Truth(known.store);
  }

  /**
   * Whether the store has so many, or would have if for some of the services the newest minute of a call were halved, its past
   * had a hole at the end, or, where the answer says that it is old, its newest data were missing; or several of them. Points
   * with so few bad events that the gate cannot tell them from requests that have just arrived may be missing as well.
   */
  mayShow(shown: number, { asked, isOld, routes: own, side, what, window }: CountQuestion): boolean {
    const { fromMs, toMs, callMs, pastMs } = window;
    const { startedMs, endedMs } = asked;
    const isOfAnswer = (endMs: number) => endMs === callMs || endMs === pastMs;
    const halved = this.#known.halvedNear(startedMs, endedMs).filter(isOfAnswer);
    const losing = this.#known.lostNear(asked.version, startedMs, endedMs).some(isOfAnswer);
    const lost = what !== 'total' && losing ? driftEvents : 0;
    const near = this.#known.endsNear(startedMs, endedMs);
    // Without any of its newest data, what is known of the past is the end.
    const ends = [toMs, ...(isOld ? near.map((end) => Math.max(end, pastMs)) : [])];
    const holes = [pastMs, ...this.#holes(asked, pastMs)];
    const ranges = [...new Set(own.map(({ service }) => service))].map((service) => {
      const some = own.filter((route) => route.service === service);
      const count = (from: number, to: number) =>
        from >= to ? 0 : some.reduce((sum, route) => sum + this.#truth.count(route, side, from, to)[what], 0);
      // Each series is rounded down separately, in each of the six buckets of the minute, and good events may be the result of a
      // subtraction.
      const spare = 2 * 6 * some.length;
      return unique(ends.filter((end) => end <= toMs)).flatMap((end) =>
        unique(holes).flatMap((hole) => {
          const whole = count(fromMs, Math.min(hole, end)) + count(Math.max(fromMs, pastMs), end);
          const halves: number[] = [0];
          if (halved.includes(pastMs) && hole > fromMs)
            halves.push(count(Math.max(fromMs, floor(hole - 1)), hole) / 2);
          if (halved.includes(callMs) && end > pastMs)
            for (const half of [...halves])
              halves.push(
                half + count(Math.max(fromMs, pastMs, end - minuteMs), end) / 2,
                half + count(Math.max(fromMs, pastMs, callMs - minuteMs), end) / 2,
              );
          return halves.map((half): Range => {
            const exact = half === 0 ? 1e-3 : spare;
            return [whole - half - lost * some.length - exact, whole - half + exact];
          });
        }),
      );
    });
    return anySum(ranges).some(([low, high]) => low <= shown && shown <= high);
  }

  /** Where the data of the past may have ended before the past did, epoch ms: then it goes on behind a hole. */
  #holes({ startedMs, endedMs }: Asked, pastMs: number): number[] {
    const kept = this.#known.pastEndsNear(startedMs, endedMs).filter((end) => pastMs - end < restartGapMs);
    return [...this.#known.endsNear(startedMs, endedMs), ...kept].filter((end) => end < pastMs);
  }

  windows(asked: Asked): Window[] {
    const { startedMs, endedMs, version } = asked;
    // Counts of one side can only be missing where Datadog loses some.
    const isDamaged =
      this.#known.lostNear(version, startedMs, endedMs).length > 0 ||
      this.#known.halvedNear(startedMs, endedMs).length > 0;
    const mostMs = isDamaged ? maxIncompleteMs : 0;
    return callEndsOf(asked, lagMs).flatMap((callMs) => {
      const pastMs = pastEndOf(callMs);
      const ends = [callMs];
      for (let leftOutMs = bucketMs; leftOutMs <= mostMs; leftOutMs += bucketMs)
        ends.push(callMs - leftOutMs);
      if (this.#known.coarseNear(startedMs, endedMs)) ends.push(floor(callMs, 20_000), floor(callMs));
      return unique(ends).flatMap((toMs) =>
        this.#begins(asked, toMs, pastMs).map((fromMs) => ({ fromMs, toMs, callMs, pastMs })),
      );
    });
  }

  /** The first minute from then on in which the canary has a request: the small one has none in most. `fromMs` where there is none. */
  #firstTraffic({ version }: Asked, fromMs: number, toMs: number): number {
    for (let minute = fromMs; minute < toMs; minute += minuteMs)
      if (routes.some((route) => this.#truth.count(route, { version }, minute, minute + minuteMs).total > 0))
        return minute;
    return fromMs;
  }

  /** Where a window that ends then may begin. */
  #begins(asked: Asked, toMs: number, pastMs: number): number[] {
    const given = givenBeginOf(asked, toMs, this.maxWindowMs);
    if (given !== undefined) return [given];
    const began = Math.max(this.#known.canaryBeganMs, floor(toMs) - this.maxWindowMs);
    // A hole looks as if the canary had been silent, or had not been there before.
    const isReset = this.#holes(asked, pastMs).some((end) => pastMs - end >= restartGapMs - minuteMs);
    return isReset ? [began, this.#firstTraffic(asked, pastMs, toMs)] : [began];
  }
}

type Range = readonly [low: number, high: number];

/** The sums of all combinations of one range of each list. */
function anySum(lists: readonly (readonly Range[])[]): Range[] {
  return lists.reduce<Range[]>(
    (sums, ranges) => sums.flatMap(([a, b]) => ranges.map(([low, high]): Range => [a + low, b + high])),
    [[0, 0]],
  );
}
