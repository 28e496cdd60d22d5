/**
 * What people use instead of the gate: each takes readings of a rollout at fixed times, and aborts once more of them than its
 * `failureLimit` are above a threshold (Argo's `failed > failureLimit`). So the threshold at which a rollout is just not aborted is
 * one of its readings, and a threshold can be tuned without simulating again.
 */
import { type Random, seededRandom } from '../../src/demo/datadog/random.ts';
import { compare, confidenceLevels } from './kayenta.ts';
import { budget, endpoints, type Fault, horizonMs, isAtFault } from './scenarios.ts';
import {
  arrivalMs,
  arrivedBy,
  cellMs,
  countsOf,
  meanOf,
  positionOf,
  type RolloutData,
  ratesWithin,
  type Sums,
} from './traffic.ts';

export interface Reading {
  readonly atMs: number;
  readonly value: number;
}

export interface Detector {
  readonly id: string;
  /** As tables and charts call it. */
  readonly name: string;
  readonly failureLimit: number;
  /** The threshold that its template or its documentation has. */
  readonly threshold: number;
  readonly readings: (data: RolloutData) => readonly Reading[];
  /** A threshold for people: a percentage, or as the detector is set. */
  readonly describe: (threshold: number) => string;
}

/** When more readings than the limit were above the threshold; undefined where they never are. */
export function abortMs(
  readings: readonly Reading[],
  threshold: number,
  failureLimit: number,
): number | undefined {
  let failed = 0;
  for (const { atMs, value } of readings) {
    if (value > threshold) failed += 1;
    if (failed > failureLimit) return atMs;
  }
  return undefined;
}

/** The least threshold at which these readings do not abort; below all where none does. */
export function highestAborted(readings: readonly Reading[], failureLimit: number): number {
  const values = readings.map(({ value }) => value).sort((a, b) => b - a);
  return values[failureLimit] ?? Number.NEGATIVE_INFINITY;
}

/** The times of an analysis that begins with the canary. */
function times({ startMs, endMs }: RolloutData, initialDelayMs: number, intervalMs: number): number[] {
  const found: number[] = [];
  for (let atMs = startMs + initialDelayMs; atMs <= endMs; atMs += intervalMs) found.push(atMs);
  return found;
}

const minuteMs = 60_000;

/** A rate of nothing is 0, as with `default(result, 0)`. */
function rateOf(sums: Sums, from: number, to: number): number {
  const { total, bad } = countsOf(sums, from, to);
  return total > 0 ? bad / total : 0;
}

const percent = (rate: number) => `${Number((100 * rate).toPrecision(3))}%`;

/** Which requests a threshold is about. */
type Scope = 'service' | 'cuj';

function errorRate(options: {
  readonly id: string;
  readonly name: string;
  readonly scope: Scope;
  readonly initialDelayMs: number;
  readonly intervalMs: number;
  readonly failureLimit: number;
  readonly threshold: number;
  /** Where the rate is measured, in positions, at a time. */
  readonly window: (data: RolloutData, nowMs: number) => readonly [from: number, to: number];
}): Detector {
  const { id, name, scope, initialDelayMs, intervalMs, failureLimit, threshold, window } = options;
  return {
    id,
    name,
    failureLimit,
    threshold,
    describe: percent,
    readings: (data) =>
      times(data, initialDelayMs, intervalMs).map((atMs) => ({
        atMs,
        value: rateOf(data[scope].canary, ...window(data, atMs)),
      })),
  };
}

/** The newest whole minute that has arrived. To its advantage: a query until now also sees a minute that is not complete. */
const newestMinute = (data: RolloutData, nowMs: number) => {
  const to = arrivedBy(data, nowMs);
  return [to - minuteMs / cellMs, to] as const;
};

/** What has arrived of the last five minutes: the provider asks from now - interval until now. */
const lastFiveMinutes = (data: RolloutData, nowMs: number) =>
  [positionOf(data, nowMs - 5 * minuteMs) + 1, arrivedBy(data, nowMs)] as const;

/** As in a talk: a background analysis asks once a minute, and the first rate above the limit aborts. */
const talk = (scope: Scope) =>
  errorRate({
    id: `talk-${scope}`,
    name: scope === 'service' ? 'threshold, service' : 'threshold, CUJ',
    scope,
    // Until a whole minute of the canary has arrived.
    initialDelayMs: 2 * minuteMs,
    intervalMs: minuteMs,
    failureLimit: 0,
    threshold: 0.0005,
    window: newestMinute,
  });

/** Argo's Datadog provider, as its documentation and its users have it: 1% over five minutes, three failures tolerated. */
const argo = (minutes: number, scope: Scope) =>
  errorRate({
    id: `argo-${minutes}m-${scope}`,
    name: `Argo ${minutes}m, ${scope === 'service' ? 'service' : 'CUJ'}`,
    scope,
    initialDelayMs: 0,
    intervalMs: minutes * minuteMs,
    failureLimit: 3,
    threshold: 0.01,
    window: lastFiveMinutes,
  });

/** Kayenta's noise must not depend on what else was drawn. */
function normalOf(random: Random): () => number {
  return () => Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
}

const minuteCells = minuteMs / cellMs;
const kayentaWindow = 60;

/**
 * Percentages of failed requests, of the whole minutes of the last hour that have arrived, since the canary began. A minute without
 * requests has none, and is removed.
 */
function byMinute(data: RolloutData, sums: Sums, nowMs: number): number[] {
  const end = Math.floor(arrivedBy(data, nowMs) / minuteCells);
  const begin = Math.max(Math.ceil(positionOf(data, data.startMs) / minuteCells), end - kayentaWindow);
  const found: number[] = [];
  for (let minute = begin; minute < end; minute += 1) {
    const { total, bad } = countsOf(sums, minute * minuteCells, (minute + 1) * minuteCells);
    if (total > 0) found.push((100 * bad) / total);
  }
  return found;
}

/** Fewer minutes have no interval of 98%. */
const minMinutes = 5;

const documentedLevel = confidenceLevels.length - 1;
/** Above all numbers of levels. */
const increaseFrom = 100;

/**
 * Kayenta on the CUJ's failure rate: the last hour by minute, canary against baseline. Its documentation has one setting for how
 * sensitive it is, the allowed increase. A reading is therefore the increase, from 100 on, where the canary is High at the judge's 98%
 * (infinite where there is no ratio); else the number of lower confidence levels at which it is High. Only by these can it be made
 * more sensitive than documented.
 */
const kayenta = (id: string, name: string, intervalMs: number): Detector => ({
  id,
  name,
  failureLimit: 0,
  threshold: documentedLevel,
  describe: (threshold) => {
    if (threshold >= increaseFrom) return `98%, ${Number((threshold - increaseFrom).toPrecision(2))}×`;
    const [confidence] = confidenceLevels[Math.max(0, threshold)] as (typeof confidenceLevels)[number];
    return `${Math.round(100 * confidence)}%`;
  },
  readings: (data) => {
    const normal = normalOf(seededRandom(data.startMs % 2 ** 31));
    return times(data, intervalMs, intervalMs).map((atMs) => {
      const canary = byMinute(data, data.cuj.canary, atMs);
      const baseline = byMinute(data, data.baseline, atMs);
      const isEnough = canary.length >= minMinutes && baseline.length >= minMinutes;
      if (!isEnough || !canary.some((rate) => rate > 0)) return { atMs, value: 0 };
      const { levels, increase = Number.POSITIVE_INFINITY } = compare(canary, baseline, normal);
      return { atMs, value: levels > documentedLevel ? increaseFrom + increase : levels };
    });
  },
});

export const detectors: readonly Detector[] = [
  talk('service'),
  talk('cuj'),
  argo(5, 'service'),
  argo(1, 'service'),
  argo(1, 'cuj'),
  kayenta('kayenta-60m', 'Kayenta, hourly', 60 * minuteMs),
  kayenta('kayenta-1m', 'Kayenta, every minute', minuteMs),
];

/**
 * The limit: it knows the fault's size, its shape and the moment at which it began, and looks at every bucket that arrives. It is
 * Wald's sequential probability ratio test of the fault against a release at `multiple` times the allowed rate, which needs the
 * fewest requests of all tests with as few false aborts. A reading is the natural log of the likelihood ratio.
 */
export function knownFaultReadings(
  data: RolloutData,
  fault: Pick<Fault, 'size' | 'shape'>,
  multiple: number,
): readonly Reading[] {
  const onsetMs = data.fault?.onsetMs ?? data.startMs;
  const p0 = multiple * budget;
  // A fault has the same rate on every endpoint that it is on.
  const faulty = endpoints.flatMap((_, i) => (isAtFault(fault.size, i) ? [i] : []));
  const [one = 0] = faulty;
  const sums = faulty.length === endpoints.length ? data.cuj.canary : (data.endpoints[one]?.canary as Sums);
  const found: Reading[] = [];
  let log = 0;
  const end = positionOf(data, Math.min(data.endMs, onsetMs + horizonMs) - arrivalMs);
  for (let cell = positionOf(data, onsetMs); cell < end; cell += 1) {
    const fromMs = data.originMs + cell * cellMs;
    const p1 = Math.min(1 - 1e-9, meanOf(ratesWithin(fault, one, fromMs - onsetMs, p0)));
    // While it does not fail, it is as any release, and nothing is learnt.
    if (p1 > p0) {
      const { total, bad } = countsOf(sums, cell, cell + 1);
      log += bad * Math.log(p1 / p0) + (total - bad) * Math.log1p((p0 - p1) / (1 - p0));
    }
    found.push({ atMs: fromMs + cellMs + arrivalMs, value: log });
  }
  return found;
}
