/**
 * How soon evidence finds a fault, and how often it aborts a service that is exactly on its SLO: by the formulas of evidence alone,
 * for one endpoint, without the other steps of a rule and without the lag of the data.
 */
import { createHash } from 'node:crypto';
import { EvidenceProcess } from '../../src/domain/statistics/e-process.ts';
import {
  logWithRestarts,
  minuteWeight,
  RestartableEvidence,
} from '../../src/domain/statistics/restartable-evidence.ts';
import { seededRandom } from '../domain/judge/journey.ts';
import { events } from './events.ts';
import { budget } from './rollout.ts';

const maxMinutes = 120;
const logThreshold = Math.log(20);

/** A fault that begins in some minute of the window. */
export interface Fault {
  readonly id: string;
  readonly requestsPerMinute: number;
  /** Clean minutes before it, at 0.2 times the allowed rate. */
  readonly cleanMinutes: number;
  /** The rate of bad events from then on, as a multiple of the allowed one. */
  readonly multiple: number;
}

/** Requests a minute, and the multiple of the allowed rate at which they fail. */
export const faultShapes = [
  [2000, 5],
  [2000, 20],
  [200, 5],
  [200, 20],
  [50, 20],
  [20, 1 / budget],
] as const;

/** Clean minutes before the fault. */
export const onsets = [0, 10, 60] as const;

export function faultId(requestsPerMinute: number, multiple: number, cleanMinutes: number): string {
  return `fault-n${requestsPerMinute}-x${multiple}-after${cleanMinutes}`;
}

export const faults: readonly Fault[] = faultShapes.flatMap(([requestsPerMinute, multiple]) =>
  onsets.map((cleanMinutes) => ({
    id: faultId(requestsPerMinute, multiple, cleanMinutes),
    requestsPerMinute,
    cleanMinutes,
    multiple,
  })),
);

/** Analyses of a service exactly on its SLO. */
export interface Looks {
  readonly id: string;
  readonly requestsPerMinute: number;
  readonly looksPerMinute: number;
}

export const looks: readonly Looks[] = [5, 20, 50, 170, 1000].flatMap((requestsPerMinute) =>
  [1, 3].map((looksPerMinute) => ({
    id: `looks-n${requestsPerMinute}-${looksPerMinute}`,
    requestsPerMinute,
    looksPerMinute,
  })),
);

/** Minutes of data from the begin of the fault until evidence of 20: medians. `never`: rollouts without it in the window. */
export interface FaultTimes {
  readonly id: string;
  readonly fromStart: number | null;
  readonly both: number | null;
  /** A likelihood ratio that knows when the fault began and how great it is. */
  readonly known: number | null;
}

/** Rollouts in which evidence of 20 was ever reached. */
export interface Aborts {
  readonly id: string;
  readonly runs: number;
  readonly fromStart: number;
  readonly both: number;
}

/** Natural logs of the evidence over the first minutes of a window. */
function logsOf(total: readonly number[], bad: readonly number[], end: number) {
  let [n, e] = [0, 0];
  for (let i = 0; i < end; i += 1) {
    n += total[i] as number;
    e += bad[i] as number;
  }
  const fromStart = new EvidenceProcess(n, budget).log(e);
  const weight = minuteWeight(maxMinutes, end);
  const restartable = new RestartableEvidence({ total, bad, scale: 1 }, 0, end, budget, weight);
  return { fromStart, both: logWithRestarts(fromStart, restartable.value) };
}

function seedOf(seed: number, id: string, run: number): number {
  return createHash('sha256').update(`${seed} ${id} ${run}`).digest().readUInt32LE(0);
}

function median(values: readonly number[]): number | null {
  const middle = [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)] as number;
  return Number.isFinite(middle) ? middle : null;
}

export function timesOf(fault: Fault, runs: number, seed: number): FaultTimes {
  const { id, requestsPerMinute: n, cleanMinutes, multiple } = fault;
  const rate = Math.min(1, multiple * budget);
  const all = Array.from({ length: runs }, (_, run) => {
    const random = seededRandom(seedOf(seed, id, run));
    const total: number[] = [];
    const bad: number[] = [];
    const found = {
      fromStart: Number.POSITIVE_INFINITY,
      both: Number.POSITIVE_INFINITY,
      known: Number.POSITIVE_INFINITY,
    };
    let logKnown = 0;
    for (let minute = 1; minute <= maxMinutes; minute += 1) {
      const failed = events(random, n, minute <= cleanMinutes ? 0.2 * budget : rate);
      total.push(n);
      bad.push(failed);
      if (minute <= cleanMinutes) continue;
      const since = minute - cleanMinutes;
      logKnown += failed * Math.log(rate / budget);
      if (n > failed) logKnown += (n - failed) * Math.log((1 - rate) / (1 - budget));
      if (logKnown >= logThreshold) found.known = Math.min(found.known, since);
      // Without a bad event no evidence rises.
      if (failed === 0) continue;
      const { fromStart, both } = logsOf(total, bad, minute);
      if (fromStart >= logThreshold) found.fromStart = Math.min(found.fromStart, since);
      if (both >= logThreshold) found.both = Math.min(found.both, since);
      if (Math.max(found.fromStart, found.both, found.known) < Number.POSITIVE_INFINITY) break;
    }
    return found;
  });
  return {
    id,
    fromStart: median(all.map((one) => one.fromStart)),
    both: median(all.map((one) => one.both)),
    known: median(all.map((one) => one.known)),
  };
}

/** The newest minute is a part of one at most looks; its requests come evenly. */
export function abortsOf(
  { id, requestsPerMinute, looksPerMinute }: Looks,
  runs: number,
  seed: number,
): Aborts {
  const counts = { fromStart: 0, both: 0 };
  for (let run = 0; run < runs; run += 1) {
    const random = seededRandom(seedOf(seed, id, run));
    const total: number[] = [];
    const bad: number[] = [];
    const reached = { fromStart: false, both: false };
    let sum = 0;
    for (let minute = 0; minute < maxMinutes && !(reached.fromStart && reached.both); minute += 1) {
      total.push(0);
      bad.push(0);
      for (let look = 1; look <= looksPerMinute; look += 1) {
        const whole = Math.floor((requestsPerMinute * look) / looksPerMinute);
        const failed = events(random, whole - (total[minute] as number), budget);
        total[minute] = whole;
        bad[minute] = (bad[minute] as number) + failed;
        sum += failed;
        // One bad event never fails, and without a new one no evidence rises.
        if (failed === 0 || sum < 2) continue;
        const { fromStart, both } = logsOf(total, bad, minute + 1);
        if (fromStart >= logThreshold) reached.fromStart = true;
        if (both >= logThreshold) reached.both = true;
      }
    }
    if (reached.fromStart) counts.fromStart += 1;
    if (reached.both) counts.both += 1;
  }
  return { id, runs, ...counts };
}
