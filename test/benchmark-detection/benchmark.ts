/** Runs the detectors over good releases, tunes their thresholds on them, and runs them over faults. */
import { createHash } from 'node:crypto';
import { seededRandom } from '../../src/demo/datadog/random.ts';
import { abortMs, detectors, highestAborted, knownFaultReadings, type Reading } from './detectors.ts';
import { gateAbortMs, historyMs } from './gate-detector.ts';
import { type Cell, type Fault, horizonMs, ordinary, shapes, sizes } from './scenarios.ts';
import { drawRollout, failedBetween, type RolloutData, type RolloutOptions } from './traffic.ts';

/**
 * Good releases: none of them should be aborted. The detectors are tuned on the first two, which fail at a multiple of the allowed
 * rate. The others are what a tuned threshold does not know of.
 */
export const goodReleases = {
  at1: { multiple: 1 },
  'at0.2': { multiple: ordinary },
  dependency: { multiple: ordinary, dependencyFails: true },
  bursts: { multiple: 0.6, stableMultiple: 0.6, burst: 10 },
} as const satisfies Record<string, Partial<RolloutOptions>>;
export type GoodRelease = keyof typeof goodReleases;
export const goodIds = Object.keys(goodReleases) as GoodRelease[];

/**
 * `default`: as documented. `at1`, `at0.2`: with the most sensitive threshold at which it aborts no more of these good releases than
 * the gate does.
 */
export const settings = ['default', 'at1', 'at0.2'] as const;
export type Setting = (typeof settings)[number];
type TunedSetting = Exclude<Setting, 'default'>;
const tunedSettings = ['at1', 'at0.2'] as const satisfies readonly TunedSetting[];

export function isTunedOn(release: GoodRelease): release is TunedSetting {
  return (tunedSettings as readonly string[]).includes(release);
}

export const gateId = 'cuj-gate';
export const knownFaultId = 'known-fault';
export const gateName = '**cuj-gate**';
export const knownFaultName = 'known fault';

/** Every rollout has random numbers of its own: it is the same whatever else is simulated. */
function randomOf(seed: number, what: string, run: number) {
  return seededRandom(createHash('sha256').update(`${seed} ${what} ${run}`).digest().readUInt32LE(0));
}

/** Some good rollouts: for the gate, whether it aborted each; for the others, the threshold above which it is not aborted. */
export interface GoodRollouts {
  readonly requestsPerMinute: number;
  readonly release: GoodRelease;
  readonly gate: readonly boolean[];
  readonly detectors: Readonly<Record<string, readonly number[]>>;
  /** By size and shape of the fault that is looked for. Only of releases that are tuned on. */
  readonly knownFaults: Readonly<Record<string, readonly number[]>>;
}

export interface GoodTask {
  readonly kind: 'good';
  readonly requestsPerMinute: number;
  readonly release: GoodRelease;
  readonly firstRun: number;
  readonly runs: number;
  readonly seed: number;
}

const faultKey = ({ size, shape }: Pick<Fault, 'size' | 'shape'>) => `${size} ${shape}`;

/** Faults that the known-fault detector can look for. */
const knownFaults = sizes.flatMap((size) => shapes.map((shape) => ({ size, shape })));

export async function runGood(task: GoodTask): Promise<GoodRollouts> {
  const { requestsPerMinute, release, firstRun, runs, seed } = task;
  const multiple = isTunedOn(release) ? goodReleases[release].multiple : undefined;
  const gate: boolean[] = [];
  const highest = new Map<string, number[]>(detectors.map(({ id }) => [id, []]));
  const known = new Map<string, number[]>(knownFaults.map((fault) => [faultKey(fault), []]));
  for (let run = firstRun; run < firstRun + runs; run += 1) {
    const random = randomOf(seed, `good ${requestsPerMinute} ${release}`, run);
    const data = drawRollout({ requestsPerMinute, random, historyMs, ...goodReleases[release] });
    gate.push((await gateAbortMs(data)) !== undefined);
    for (const { id, readings, failureLimit } of detectors)
      highest.get(id)?.push(highestAborted(readings(data), failureLimit));
    if (multiple === undefined) continue;
    for (const fault of knownFaults)
      known.get(faultKey(fault))?.push(highestAborted(knownFaultReadings(data, fault, multiple), 0));
  }
  return {
    requestsPerMinute,
    release,
    gate,
    detectors: Object.fromEntries(highest),
    knownFaults: Object.fromEntries(known),
  };
}

/** A detector's threshold under one setting, and how many of the good rollouts it aborts. */
export interface Tuned {
  /** Null: above everything, it never aborts. */
  readonly threshold: number | null;
  readonly aborted: Readonly<Record<TunedSetting, number>>;
}

/** Good rollouts that nothing was tuned on: how many there are, and how many each detector aborts that was tuned at 1x. */
export interface Untuned {
  readonly runs: number;
  readonly gate: number;
  readonly detectors: Readonly<Record<string, number>>;
}

/** What was found on good rollouts of one traffic. */
export interface Tuning {
  readonly requestsPerMinute: number;
  /** Good rollouts of each kind that is tuned on. */
  readonly runs: number;
  readonly gate: Tuned['aborted'];
  readonly detectors: Readonly<Record<string, Readonly<Record<Setting, Tuned>>>>;
  readonly knownFaults: Readonly<Record<string, Readonly<Record<TunedSetting, number | null>>>>;
  readonly dependency: Untuned;
  readonly bursts: Untuned;
  /** Ordinary releases, by detectors that were tuned at the next greater traffic; null where there is none. */
  readonly lessTraffic: Untuned | null;
}

/** The least threshold that at most so many of some values are above; null where too many are infinite. */
export function thresholdFor(highest: readonly number[], allowed: number): number | null {
  const least = [...highest].sort((a, b) => b - a)[allowed] ?? Number.NEGATIVE_INFINITY;
  return least === Number.POSITIVE_INFINITY ? null : Math.max(least, -Number.MAX_VALUE);
}

const above = (values: readonly number[], threshold: number | null) =>
  values.filter((value) => value > (threshold ?? Number.POSITIVE_INFINITY)).length;

/** The good rollouts of one traffic, by release. */
class Good {
  readonly #of: readonly GoodRollouts[];

  constructor(requestsPerMinute: number, all: readonly GoodRollouts[]) {
    this.#of = all.filter((each) => each.requestsPerMinute === requestsPerMinute);
  }

  gate(release: GoodRelease): { readonly runs: number; readonly aborted: number } {
    const fails = this.#parts(release).flatMap(({ gate }) => gate);
    return { runs: fails.length, aborted: fails.filter((isAborted) => isAborted).length };
  }

  highest(release: GoodRelease, detector: string): readonly number[] {
    return this.#parts(release).flatMap(({ detectors: by }) => by[detector] ?? []);
  }

  highestOfKnown(release: GoodRelease, fault: string): readonly number[] {
    return this.#parts(release).flatMap(({ knownFaults: by }) => by[fault] ?? []);
  }

  #parts(release: GoodRelease): readonly GoodRollouts[] {
    return this.#of.filter((each) => each.release === release);
  }
}

function tuneOne(requestsPerMinute: number, good: Good): Omit<Tuning, 'lessTraffic'> {
  const both = <T>(of: (setting: TunedSetting) => T) => ({ at1: of('at1'), 'at0.2': of('at0.2') });
  const gate = both((setting) => good.gate(setting).aborted);
  const byDetector = Object.fromEntries(
    detectors.map(({ id, threshold }) => {
      const at = (to: number | null): Tuned => ({
        threshold: to,
        aborted: both((setting) => above(good.highest(setting, id), to)),
      });
      const tuned = both((setting) => at(thresholdFor(good.highest(setting, id), gate[setting])));
      return [id, { default: at(threshold), ...tuned }];
    }),
  );
  const byFault = Object.fromEntries(
    knownFaults.map((fault) => {
      const key = faultKey(fault);
      return [key, both((setting) => thresholdFor(good.highestOfKnown(setting, key), gate[setting]))];
    }),
  );
  return {
    requestsPerMinute,
    runs: good.gate('at1').runs,
    gate,
    detectors: byDetector,
    knownFaults: byFault,
    dependency: untuned(good, 'dependency', byDetector),
    bursts: untuned(good, 'bursts', byDetector),
  };
}

function untuned(good: Good, release: GoodRelease, tuned: Tuning['detectors']): Untuned {
  const { runs, aborted } = good.gate(release);
  return {
    runs,
    gate: aborted,
    detectors: Object.fromEntries(
      detectors.map(({ id }) => [id, above(good.highest(release, id), tuned[id]?.at1.threshold ?? null)]),
    ),
  };
}

/** Tunes every detector on the good rollouts of each traffic. Traffics are in ascending order. */
export function tune(traffics: readonly number[], all: readonly GoodRollouts[]): Tuning[] {
  const tuned = traffics.map((requestsPerMinute) => {
    const good = new Good(requestsPerMinute, all);
    return { good, tuning: tuneOne(requestsPerMinute, good) };
  });
  return tuned.map(({ good, tuning }, i) => {
    const next = tuned[i + 1]?.tuning.detectors;
    return { ...tuning, lessTraffic: next === undefined ? null : untuned(good, 'at0.2', next) };
  });
}

export interface Spread {
  readonly median: number;
  readonly p90: number;
}

/** How one detector under one setting did in a cell. */
export interface Tally {
  /** Aborted before the fault showed: a false abort. These rollouts are left out of the rest. */
  readonly early: number;
  /** Aborted within the hour after the fault began. */
  readonly aborted: number;
  /** Seconds from the first failed request to the abort, of all rollouts that are not left out; null: not within the hour. */
  readonly seconds: { readonly [of in keyof Spread]: number | null };
  /** The canary's failed requests on the CUJ from the begin of the fault to the abort, or to the end of the hour. */
  readonly failed: Spread;
}

export interface CellResult extends Cell {
  readonly runs: number;
  /** By detector, then by setting. */
  readonly tallies: Readonly<Record<string, { readonly [setting in Setting]?: Tally }>>;
}

export interface FaultTask {
  readonly kind: 'fault';
  readonly cell: Cell;
  readonly runs: number;
  readonly seed: number;
  readonly tuning: Tuning;
}

/** One rollout of one detector. */
interface Outcome {
  readonly seconds: number | null;
  readonly failed: number;
}

/** Undefined where it was aborted before the fault showed. */
function outcomeOf(data: RolloutData, abort: number | undefined): Outcome | undefined {
  const { fault, firstFailureMs = Number.POSITIVE_INFINITY } = data;
  const onsetMs = fault?.onsetMs ?? data.startMs;
  const endMs = onsetMs + horizonMs;
  if (abort !== undefined && abort < firstFailureMs) return undefined;
  const isAborted = abort !== undefined && abort <= endMs;
  return {
    seconds: isAborted ? (abort - firstFailureMs) / 1000 : null,
    failed: failedBetween(data, onsetMs, isAborted ? abort : endMs),
  };
}

/** The value that a share of some values does not exceed; null counts as more than any. */
function quantile(values: readonly (number | null)[], share: number): number | null {
  const sorted = values.map((value) => value ?? Number.POSITIVE_INFINITY).sort((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.POSITIVE_INFINITY;
  return Number.isFinite(value) ? Math.round(value) : null;
}

export function tallyOf(outcomes: readonly (Outcome | undefined)[]): Tally {
  const seen = outcomes.filter((outcome) => outcome !== undefined);
  const seconds = seen.map((outcome) => outcome.seconds);
  const failed = seen.map((outcome) => outcome.failed);
  return {
    early: outcomes.length - seen.length,
    aborted: seconds.filter((value) => value !== null).length,
    seconds: { median: quantile(seconds, 0.5), p90: quantile(seconds, 0.9) },
    failed: { median: quantile(failed, 0.5) ?? 0, p90: quantile(failed, 0.9) ?? 0 },
  };
}

/** `gateOnly`: without the other detectors. */
export async function runFault(
  { cell, runs, seed, tuning }: FaultTask,
  { gateOnly = false } = {},
): Promise<CellResult> {
  const { requestsPerMinute, size, shape, onsetMinutes } = cell;
  const outcomes = new Map<string, (Outcome | undefined)[]>();
  const note = (id: string, setting: Setting, data: RolloutData, abort: number | undefined) => {
    const key = `${id} ${setting}`;
    const known = outcomes.get(key) ?? [];
    known.push(outcomeOf(data, abort));
    outcomes.set(key, known);
  };
  for (let run = 0; run < runs; run += 1) {
    const random = randomOf(seed, `fault ${requestsPerMinute} ${size} ${shape} ${onsetMinutes}`, run);
    const data = drawRollout({ requestsPerMinute, random, historyMs, fault: cell });
    note(gateId, 'default', data, await gateAbortMs(data));
    if (gateOnly) continue;
    for (const { id, readings, failureLimit } of detectors) {
      const taken: readonly Reading[] = readings(data);
      for (const setting of settings) {
        const threshold = tuning.detectors[id]?.[setting].threshold ?? Number.POSITIVE_INFINITY;
        note(id, setting, data, abortMs(taken, threshold, failureLimit));
      }
    }
    for (const setting of tunedSettings) {
      const threshold = tuning.knownFaults[faultKey(cell)]?.[setting] ?? Number.POSITIVE_INFINITY;
      const taken = knownFaultReadings(data, cell, goodReleases[setting].multiple);
      note(knownFaultId, setting, data, abortMs(taken, threshold, 0));
    }
  }
  const ids = [knownFaultId, gateId, ...detectors.map(({ id }) => id)];
  const talliesOf = (id: string) =>
    Object.fromEntries(
      settings.flatMap((setting) => {
        const found = outcomes.get(`${id} ${setting}`);
        return found === undefined ? [] : [[setting, tallyOf(found)]];
      }),
    );
  return { ...cell, runs, tallies: Object.fromEntries(ids.map((id) => [id, talliesOf(id)])) };
}
