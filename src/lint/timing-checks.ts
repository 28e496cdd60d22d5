import { type RequiredRequests, requestsToPass } from '../domain/judge/required-traffic.ts';
import {
  type Cuj,
  cujCalled,
  defaultMinFaultMs,
  type GatePolicy,
  isJudgedInReleaseOf,
  type Registry,
} from '../domain/registry/model.ts';
import { objectiveOf } from '../domain/registry/objective.ts';
import { builtInPolicy } from '../domain/registry/resolve-defaults.ts';
import type { Report } from './finding.ts';
import { gatePath, numberOf, type UsedMetric } from './metric-checks.ts';
import { type Analysis, type RolloutParts, seconds } from './rollout-parts.ts';
import type { Place } from './yaml-node.ts';

/** What a verdict takes, besides traffic. */
export interface TimingOptions {
  readonly registry: Registry | undefined;
  /** Of the CUJ, canary and stable together. */
  readonly requestsPerMinute: number | undefined;
  /** Percent, where the registry is not given. */
  readonly objective: number;
  readonly ruleOutBurn: number;
  readonly lagSeconds: number;
  readonly maxWindowSeconds: number;
}

/** What a pass of one SLI takes. */
interface PassNeed extends RequiredRequests {
  /** Of canary traffic, before a pass with limited evidence. */
  readonly passAfterSeconds: number;
}

/** What one metric needs. */
interface Need {
  /** Of each SLI of each CUJ that it asks about. */
  readonly passes: readonly PassNeed[];
  readonly lagSeconds: number;
  readonly maxWindowSeconds: number;
}

/** With less data than this, nothing is decided. */
const minDataSeconds = defaultMinFaultMs / 1000;

/** Traffic that is missing for a verdict; said of the metric of an analysis that misses most. */
export interface Shortfall {
  readonly seconds: number;
  say(): void;
}

/**
 * Whether an analysis gets the time that data needs (reported) and the traffic that a verdict needs (returned). A watch
 * that accompanies a gate may end before there is a verdict: the gate is the proof.
 */
export function checkTiming(
  rollout: RolloutParts,
  analysis: Analysis,
  used: UsedMetric,
  options: TimingOptions,
  report: Report,
): Shortfall | undefined {
  const { place: metric, name, use } = used;
  if (use === 'watch' && rollout.analyses.some((other) => other.use === 'gate')) return undefined;
  if (use === 'gate' && analysis.weight === 0) {
    report(
      'error',
      'no-canary-traffic',
      analysis.place,
      `The analysis of Rollout "${rollout.name}" runs while the canary has no traffic.`,
      'There is nothing to judge: every result is inconclusive.',
      rollout.canary ? 'Put setWeight and a pause before it.' : 'Use postPromotionAnalysis.',
    );
    return undefined;
  }
  const need = needOf(metric, options);
  if (need === undefined) return undefined;
  const every = seconds(metric.at('interval').text ?? '') ?? 0;
  const count = numberOf(metric.at('count'), used) ?? 1;
  if (count === 'unknown') return undefined;
  const successes = use === 'gate' ? successesOf(used) : 1;
  const measurementSeconds = use === 'gate' ? Math.max(0, count - successes) * every : 0;
  const time = analysis.traffic.seconds + measurementSeconds;
  const delay = metric.at('initialDelay');
  const late = seconds(delay.text ?? '') ?? 0;
  const where = use === 'gate' ? analysis.place : rollout.place.at('spec', 'strategy', 'canary', 'steps');
  if (use === 'watch' && late >= time && time > 0) {
    report(
      'error',
      'delay-too-long',
      delay,
      `Metric "${name}" begins after ${text(late)}; the steps end after ${text(time)}.`,
      'It is never measured, and Argo calls a run without a measurement Successful.',
      'Shorten initialDelay or lengthen the pauses.',
    );
    return undefined;
  }
  if (time < need.lagSeconds + minDataSeconds) {
    report(
      'error',
      'pause-too-short',
      where,
      `The canary has traffic for ${text(time)} before ${use === 'gate' ? last(successes) : 'the steps end'}.`,
      `Data is complete ${text(need.lagSeconds)} late, and ${minDataSeconds} s of it are the least that shows anything: there is no data yet.`,
      `Pause for ${text(need.lagSeconds + 240)} or more after setWeight.`,
    );
    return undefined;
  }
  return shortfallOf(
    { rollout, analysis, name, use, need, successes, measurementSeconds, time, where, report },
    options.requestsPerMinute,
  );
}

interface Question {
  readonly rollout: RolloutParts;
  readonly analysis: Analysis;
  readonly name: string;
  readonly use: UsedMetric['use'];
  readonly need: Need;
  /** How many of a gate's measurements must pass in a row. */
  readonly successes: number;
  /** Seconds between a gate's first measurement and the latest that may be the first to pass. */
  readonly measurementSeconds: number;
  /** Seconds with canary traffic until that measurement, or until a watch ends. */
  readonly time: number;
  readonly where: Place;
  readonly report: Report;
}

function shortfallOf(question: Question, requestsPerMinute: number | undefined): Shortfall | undefined {
  const { rollout, analysis, name, use, need, successes, measurementSeconds, time, where, report } = question;
  if (requestsPerMinute === undefined) return undefined;
  const partly = rollout.weights.map(({ percent }) => percent).filter((percent) => percent < 100);
  const weight = analysis.weight ?? Math.max(0, ...partly);
  // The last minutes before a measurement are not in the data yet.
  const full = analysis.traffic.fullSeconds + ((measurementSeconds - need.lagSeconds) * weight) / 100;
  const requests = (full / 60) * requestsPerMinute;
  const isThere = ({ proven, limited, passAfterSeconds }: PassNeed) =>
    requests >= proven || (requests >= limited && time - need.lagSeconds >= passAfterSeconds);
  const perSecond = (requestsPerMinute / 60) * (weight / 100);
  const worst = need.passes
    .filter((pass) => !isThere(pass))
    .map((pass) => firstPass(pass, perSecond))
    .sort((a, b) => b.seconds - a.seconds)[0];
  if (worst === undefined) return undefined;
  const wanted = worst.seconds + need.lagSeconds;
  const much =
    worst.requests === undefined
      ? `A pass of metric "${name}" with limited evidence takes ${text(wanted)} (passAfter, and the lag of the data)`
      : `${worst.requests} clean requests of metric "${name}" take ${text(wanted)} at ${weight}% of ${requestsPerMinute} a minute`;
  // One measurement covers maxWindow, however old the data is.
  if (worst.seconds <= need.maxWindowSeconds) {
    return {
      seconds: wanted,
      say: () =>
        report(
          'error',
          'pause-too-short',
          where,
          `${much}; it has ${text(time)}${successes > 1 ? ` before ${last(successes)}, which must pass` : ''}.`,
          use === 'gate'
            ? 'The gate is inconclusive, and the rollout pauses for a person.'
            : 'The steps end before there is a verdict.',
          `Pause for ${text(wanted - measurementSeconds)} or more, or raise the weight.`,
        ),
    };
  }
  const minutes = need.maxWindowSeconds / 60;
  const enough = Math.ceil((worst.minRequestsOfPass / requestsPerMinute / minutes) * 100);
  return {
    seconds: wanted,
    say: () =>
      report(
        'error',
        'weight-too-low',
        rollout.weights.find(({ percent }) => percent === weight)?.place ?? where,
        `${much}; maxWindow is ${text(need.maxWindowSeconds)}.`,
        'It can never pass, however long the pause is.',
        enough <= 100
          ? `Set a weight of ${enough}% or more, or lengthen maxWindow.`
          : worst.isLimited
            ? 'The traffic is too low for limited evidence: lower minRequests and raise rulesOutRate, or set onLowTraffic: pass.'
            : 'The traffic is too low for this objective: lower the objective, raise ruleOutBurn, or set onLowTraffic: pass.',
      ),
  };
}

/** The first pass of a clean canary with so many requests a second. */
interface FirstPass {
  /** Of canary traffic. */
  readonly seconds: number;
  /** The requests that take this long; undefined where it is `passAfter` that does. */
  readonly requests: number | undefined;
  /** The minimum of requests of any pass, and whether its evidence is limited. */
  readonly minRequestsOfPass: number;
  readonly isLimited: boolean;
}

function firstPass({ proven, limited, passAfterSeconds }: PassNeed, perSecond: number): FirstPass {
  const inTime = Math.max(limited / perSecond, passAfterSeconds);
  const base = { minRequestsOfPass: Math.min(proven, limited), isLimited: limited < proven };
  if (proven / perSecond <= inTime) return { ...base, seconds: proven / perSecond, requests: proven };
  const waits = limited / perSecond < passAfterSeconds;
  return { ...base, seconds: inTime, requests: waits ? undefined : limited };
}

/** What the CUJs of a metric need; undefined if all are in report-only mode. */
function needOf(metric: Place, options: TimingOptions): Need | undefined {
  const known = cujsOf(metric, options.registry);
  if (known.some(({ retired }) => retired !== undefined)) return undefined;
  const cujs = known.filter(({ mode }) => mode === 'enforce');
  if (known.length > 0 && cujs.length === 0) return undefined;
  if (cujs.length === 0) {
    const policy = {
      ...builtInPolicy,
      ruleOutBurn: options.ruleOutBurn,
      maxWindowMs: options.maxWindowSeconds * 1000,
    };
    const requests = requestsToPass(policy, objectiveOf(options.objective).budget);
    return {
      passes: [{ ...requests, passAfterSeconds: passAfterSeconds(policy) }],
      lagSeconds: options.lagSeconds,
      maxWindowSeconds: options.maxWindowSeconds,
    };
  }
  const passes = cujs.flatMap(({ gate, objectives, services }) =>
    Object.values(objectives).map((objective): PassNeed => {
      const after = passAfterSeconds(gate);
      if (gate.onLowTraffic === 'pass') {
        const proven = Math.max(gate.minRequests, 1);
        return { proven, limited: Number.POSITIVE_INFINITY, passAfterSeconds: after };
      }
      // How several services share the traffic is unknown: this is a lower limit.
      const each = services.map((name) =>
        requestsToPass(gate, objective.budget, options.registry?.services.get(name)),
      );
      return {
        proven: Math.min(...each.map(({ proven }) => proven)),
        limited: Math.min(...each.map(({ limited }) => limited)),
        passAfterSeconds: after,
      };
    }),
  );
  return {
    passes,
    lagSeconds: Math.max(...cujs.map(({ gate }) => gate.lagMs)) / 1000,
    maxWindowSeconds: Math.max(...cujs.map(({ gate }) => gate.maxWindowMs)) / 1000,
  };
}

function passAfterSeconds({ passAfterMs = 0 }: GatePolicy): number {
  return passAfterMs / 1000;
}

/** The CUJs that a metric asks about, as far as the registry has them. */
function cujsOf(metric: Place, registry: Registry | undefined): readonly Cuj[] {
  const asked = gatePath(metric);
  if (registry === undefined || asked === undefined) return [];
  const cujs =
    asked.of === 'cuj'
      ? [cujCalled(registry, asked.name)]
      : [...registry.cujs.values()].filter((cuj) => isJudgedInReleaseOf(cuj, asked.name));
  return cujs.filter((cuj) => cuj !== undefined);
}

/** How many measurements must pass in a row; at least 1, also where the number cannot be seen in these files. */
function successesOf(used: UsedMetric): number {
  const limit = numberOf(used.place.at('consecutiveSuccessLimit'), used) ?? 1;
  return limit === 'unknown' ? 1 : Math.max(1, limit);
}

function last(measurements: number): string {
  return measurements > 1 ? `the last ${measurements} measurements` : 'the last measurement';
}

function text(duration: number): string {
  if (duration === Number.POSITIVE_INFINITY) return 'any time';
  const minutes = Math.ceil(duration / 60);
  if (duration < 120) return `${Math.round(duration)} s`;
  return minutes < 180 ? `${minutes} min` : `${Math.ceil(minutes / 60)} h`;
}
