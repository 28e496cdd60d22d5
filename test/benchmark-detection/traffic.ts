/** The counts of one simulated rollout, as the Datadog agent sends them: in buckets of 10 s, some time after their end. */
import type { Random } from '../../src/demo/datadog/random.ts';
import {
  budget,
  canaryShare,
  cujShare,
  endpoints,
  type Fault,
  faultRate,
  horizonMs,
  isAtFault,
  ordinary,
} from './scenarios.ts';

/** The agent's bucket. */
export const cellMs = 10_000;

/**
 * From a bucket's end until its counts can be queried. The agent holds a bucket and the one after it, and flushes on a tick of
 * 10 s: it sends a bucket 10 to 20 s after its end. Intake takes 5 to 15 s more. This is the latest of that.
 */
export const arrivalMs = 35_000;

/** A point in the counts: so many buckets have ended by it. */
export type Position = number;

/** Counts that are added up: from one position to another they are a difference. */
export interface Sums {
  readonly total: Float64Array;
  readonly bad: Float64Array;
}

interface Sides {
  readonly canary: Sums;
  readonly stable: Sums;
}

export interface RolloutData {
  /** Epoch ms of the first bucket, a whole hour: buckets of any width begin with it. Until `startMs` all traffic is stable's. */
  readonly originMs: number;
  /** When the canary gets its first traffic, and when the simulation ends. */
  readonly startMs: number;
  readonly endMs: number;
  /** Absent for a good release. */
  readonly fault: (Fault & { readonly onsetMs: number }) | undefined;
  /** The first request of the canary that failed by the fault; undefined where none did. */
  readonly firstFailureMs: number | undefined;
  /** In the order of `endpoints`. */
  readonly endpoints: readonly Sides[];
  /** The CUJ and the whole service. */
  readonly cuj: Sides;
  readonly service: Sides;
  /** Requests of the whole service, of both sides. */
  readonly allTraffic: Float64Array;
  /**
   * A baseline on the CUJ: stable pods that were started with the canary and get as much traffic. They are a part of stable.
   */
  readonly baseline: Sums;
}

export interface RolloutOptions {
  /** The canary's requests on the CUJ, a minute. */
  readonly requestsPerMinute: number;
  readonly random: Random;
  /** How long stable's traffic is known before the canary's first request. */
  readonly historyMs: number;
  /** What the canary fails at, as a multiple of the allowed rate, outside of the fault. */
  readonly multiple?: number;
  /** What stable fails at. */
  readonly stableMultiple?: number;
  readonly fault?: Fault;
  /** A dependency fails for five minutes, at some time: one in five requests to everything, on both sides. */
  readonly dependencyFails?: boolean;
  /** The mean size of bursts of failures within a bucket; 1: no bursts. */
  readonly burst?: number;
}

const hourMs = 3_600_000;

/** 09:20 of some day. */
const base = Date.UTC(2026, 0, 31, 9, 20);
const parts = 10;

/** The rates of a bucket's parts: they change within it. `sinceMs` is from the fault's begin to the bucket's, `otherwise` the rate without it. */
export function ratesWithin(
  fault: Pick<Fault, 'size' | 'shape'>,
  endpoint: number,
  sinceMs: number,
  otherwise: number,
): readonly number[] {
  return Array.from({ length: parts }, (_, i) =>
    Math.max(otherwise, faultRate(fault, endpoint, sinceMs + ((i + 0.5) * cellMs) / parts)),
  );
}

export function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

const added = (columns: readonly Float64Array[]): Float64Array => {
  const [first, ...rest] = columns;
  const sum = Float64Array.from(first as Float64Array);
  for (const column of rest)
    for (let i = 0; i < sum.length; i += 1) sum[i] = (sum[i] as number) + (column[i] as number);
  return sum;
};

/** A dependency's failure: how many requests fail by it, for how long, and when it begins at the earliest and at the latest. */
const dependency = { rate: 0.2, lastsMs: 5 * 60_000, fromMs: 5 * 60_000, untilMs: 50 * 60_000 } as const;

/** One bucket's requests. */
interface Drawn {
  readonly bad: number;
  readonly good: number;
}

const nothing: Drawn = { bad: 0, good: 0 };

class Column implements Sums {
  readonly total: Float64Array;
  readonly bad: Float64Array;

  constructor(cells: number) {
    this.total = new Float64Array(cells + 1);
    this.bad = new Float64Array(cells + 1);
  }

  /** Puts the counts of a bucket behind those before it. */
  add(cell: number, ...parts: readonly Drawn[]): void {
    let bad = this.bad[cell] as number;
    let total = this.total[cell] as number;
    for (const part of parts) {
      bad += part.bad;
      total += part.bad + part.good;
    }
    this.bad[cell + 1] = bad;
    this.total[cell + 1] = total;
  }
}

/** Draws a rollout. Requests are independent of each other, but for bursts. */
export function drawRollout(options: RolloutOptions): RolloutData {
  const { requestsPerMinute, random, historyMs, fault, burst = 1 } = options;
  const { multiple = ordinary, stableMultiple = ordinary, dependencyFails = false } = options;
  const startMs = base + Math.floor(random.next() * 60_000);
  const onsetMs = startMs + (fault?.onsetMinutes ?? 0) * 60_000;
  const endMs = onsetMs + horizonMs;
  const originMs = Math.floor((startMs - historyMs) / hourMs) * hourMs;
  const cells = Math.ceil((endMs - originMs) / cellMs);
  const perCell = (requestsPerMinute / canaryShare / 60_000) * cellMs;
  const good = multiple * budget;
  const outageMs = dependencyFails
    ? startMs + dependency.fromMs + random.next() * (dependency.untilMs - dependency.fromMs)
    : Number.POSITIVE_INFINITY;
  let firstFailureMs: number | undefined;

  const failures = (mean: number) => {
    if (burst <= 1) return random.poisson(mean);
    let bad = 0;
    for (let left = random.poisson(mean / burst); left > 0; left -= 1)
      bad += 1 + Math.floor(Math.log(1 - random.next()) / Math.log(1 - 1 / burst));
    return bad;
  };
  const requests = (mean: number, rate: number): Drawn =>
    mean > 0 ? { bad: failures(mean * rate), good: random.poisson(mean * (1 - rate)) } : nothing;
  /** A rate, and what the dependency adds to it in a bucket. */
  const withOutage = (rate: number, fromMs: number) => {
    const lastsMs = Math.min(fromMs + cellMs, outageMs + dependency.lastsMs) - Math.max(fromMs, outageMs);
    return lastsMs <= 0 ? rate : rate + ((1 - rate) * dependency.rate * lastsMs) / cellMs;
  };

  const draw = (share: number, endpoint: number | undefined) => {
    const [canary, stable, baseline] = [new Column(cells), new Column(cells), new Column(cells)];
    const isFaulty = fault !== undefined && endpoint !== undefined && isAtFault(fault.size, endpoint);
    for (let cell = 0; cell < cells; cell += 1) {
      const fromMs = originMs + cell * cellMs;
      const isThere = Math.min(1, Math.max(0, (fromMs + cellMs - startMs) / cellMs));
      const ofCanary = share * perCell * canaryShare * isThere;
      const stableRate = withOutage(stableMultiple * budget, fromMs);
      const ofBaseline = requests(ofCanary, stableRate);
      baseline.add(cell, ofBaseline);
      stable.add(cell, ofBaseline, requests(share * perCell - 2 * ofCanary, stableRate));
      if (!isFaulty || fromMs + cellMs <= onsetMs) {
        canary.add(cell, requests(ofCanary, withOutage(good, fromMs)));
        continue;
      }
      const rates = ratesWithin(fault, endpoint, fromMs - onsetMs, good);
      const drawn = requests(ofCanary, meanOf(rates));
      canary.add(cell, drawn);
      if (firstFailureMs !== undefined && firstFailureMs <= fromMs) continue;
      for (let i = 0; i < drawn.bad; i += 1) {
        const atMs = fromMs + timeWithin(rates, random);
        if (atMs >= onsetMs && atMs < (firstFailureMs ?? Number.POSITIVE_INFINITY)) firstFailureMs = atMs;
      }
    }
    return { canary, stable, baseline };
  };

  const own = endpoints.map(({ share }, i) => draw(share, i));
  const rest = draw(1 / cujShare - 1, undefined);
  const sumOf = (of: readonly Sums[]): Sums => ({
    total: added(of.map(({ total }) => total)),
    bad: added(of.map(({ bad }) => bad)),
  });
  const both = (of: readonly Sides[]): Sides => ({
    canary: sumOf(of.map(({ canary }) => canary)),
    stable: sumOf(of.map(({ stable }) => stable)),
  });
  const service = both([...own, rest]);
  return {
    originMs,
    startMs,
    endMs,
    fault: fault === undefined ? undefined : { ...fault, onsetMs },
    firstFailureMs,
    endpoints: own,
    cuj: both(own),
    service,
    allTraffic: added([service.canary.total, service.stable.total]),
    baseline: sumOf(own.map(({ baseline }) => baseline)),
  };
}

/** When in a bucket a failure was, by the rates of its parts. */
function timeWithin(rates: readonly number[], random: Random): number {
  const left = random.next() * rates.reduce((sum, rate) => sum + rate, 0);
  let before = 0;
  for (const [i, rate] of rates.entries()) {
    if (before + rate >= left) return ((i + (left - before) / rate) * cellMs) / rates.length;
    before += rate;
  }
  return cellMs;
}

export interface Counts {
  readonly total: number;
  readonly bad: number;
}

/** What was counted from one position to another. */
export function countsOf({ total, bad }: Sums, from: Position, to: Position): Counts {
  const first = Math.max(0, from);
  const end = Math.max(first, to);
  return {
    total: (total[end] as number) - (total[first] as number),
    bad: (bad[end] as number) - (bad[first] as number),
  };
}

/** The position of a time, which is rounded down to a bucket's end. */
export function positionOf({ originMs }: RolloutData, atMs: number): Position {
  return Math.floor((atMs - originMs) / cellMs);
}

/** How far the counts can be queried at a time. */
export function arrivedBy(data: RolloutData, nowMs: number): Position {
  const { total } = data.cuj.canary;
  return Math.min(total.length - 1, positionOf(data, nowMs - arrivalMs));
}

/** The canary's failed requests on the CUJ between two times; a part of a bucket counts by its length. */
export function failedBetween(data: RolloutData, fromMs: number, toMs: number): number {
  const { bad } = data.cuj.canary;
  const at = (ms: number) => {
    const exact = Math.min(bad.length - 1, Math.max(0, (ms - data.originMs) / cellMs));
    const whole = Math.floor(exact);
    const below = bad[whole] as number;
    return below + ((bad[whole + 1] ?? below) - below) * (exact - whole);
  };
  return at(toMs) - at(fromMs);
}
