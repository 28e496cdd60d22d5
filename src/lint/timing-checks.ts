import { type RequiredRequests, requestsToPass } from '../domain/judge/required-traffic.ts';
import type { Cuj, Registry } from '../domain/registry/model.ts';
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

/** What one metric needs. */
interface Need {
  readonly requests: RequiredRequests;
  /** Of canary traffic, before a pass with limited evidence. */
  readonly passAfterSeconds: number;
  readonly lagSeconds: number;
  readonly maxWindowSeconds: number;
}

/** The lag of the data that a metric is about. */
export function lagOf(metric: Place, options: TimingOptions): number {
  const cujs = cujsOf(metric, options.registry);
  return cujs.length === 0 ? options.lagSeconds : Math.max(...cujs.map(({ gate }) => gate.lagMs)) / 1000;
}

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
  const looks = use === 'gate' ? Math.max(0, count - 1) * every : 0;
  const time = analysis.traffic.seconds + looks;
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
  if (time < need.lagSeconds + 60) {
    report(
      'error',
      'pause-too-short',
      where,
      `The canary has traffic for ${text(time)} before ${use === 'gate' ? 'the last measurement' : 'the steps end'}.`,
      `Data is complete ${text(need.lagSeconds)} late and arrives once a minute: there is no data yet.`,
      `Pause for ${text(need.lagSeconds + 240)} or more after setWeight.`,
    );
    return undefined;
  }
  return shortfallOf(
    { rollout, analysis, name, use, need, looks, time, where, report },
    options.requestsPerMinute,
  );
}

interface Question {
  readonly rollout: RolloutParts;
  readonly analysis: Analysis;
  readonly name: string;
  readonly use: UsedMetric['use'];
  readonly need: Need;
  /** Seconds between a gate's first and last measurement. */
  readonly looks: number;
  /** Seconds with canary traffic until the last measurement. */
  readonly time: number;
  readonly where: Place;
  readonly report: Report;
}

function shortfallOf(question: Question, requestsPerMinute: number | undefined): Shortfall | undefined {
  const { rollout, analysis, name, use, need, looks, time, where, report } = question;
  if (requestsPerMinute === undefined) return undefined;
  const partly = rollout.weights.map(({ percent }) => percent).filter((percent) => percent < 100);
  const weight = analysis.weight ?? Math.max(0, ...partly);
  // The last minutes before a measurement are not in the data yet.
  const full = analysis.traffic.fullSeconds + ((looks - need.lagSeconds) * weight) / 100;
  const requests = (full / 60) * requestsPerMinute;
  const { proven, limited } = need.requests;
  if (requests >= proven) return undefined;
  if (requests >= limited && time - need.lagSeconds >= need.passAfterSeconds) return undefined;
  const perSecond = (requestsPerMinute / 60) * (weight / 100);
  const limitedTime = Math.max(limited / perSecond, need.passAfterSeconds);
  const wanted = Math.min(proven / perSecond, limitedTime) + need.lagSeconds;
  const asked = limitedTime < proven / perSecond ? limited : proven;
  const much =
    asked / perSecond < need.passAfterSeconds && asked === limited
      ? `A pass of metric "${name}" with limited evidence takes ${text(wanted)} (passAfter, and the lag of the data)`
      : `${asked} clean requests of metric "${name}" take ${text(wanted)} at ${weight}% of ${requestsPerMinute} a minute`;
  if (wanted <= need.maxWindowSeconds) {
    return {
      seconds: wanted,
      say: () =>
        report(
          'error',
          'pause-too-short',
          where,
          `${much}; it has ${text(time)}.`,
          use === 'gate'
            ? 'The gate is inconclusive, and the rollout pauses for a person.'
            : 'The steps end before there is a verdict.',
          `Pause for ${text(wanted - looks)} or more, or raise the weight.`,
        ),
    };
  }
  const minutes = (need.maxWindowSeconds - need.lagSeconds) / 60;
  const enough = Math.ceil((Math.min(proven, limited) / requestsPerMinute / minutes) * 100);
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
          : 'The traffic is too low for this objective: lower the objective, raise ruleOutBurn, or set onLowTraffic: pass.',
      ),
  };
}

/** The greatest need of a metric's CUJs; undefined if all are in report-only mode. */
function needOf(metric: Place, options: TimingOptions): Need | undefined {
  const known = cujsOf(metric, options.registry);
  const cujs = known.filter(({ mode }) => mode === 'enforce');
  if (known.length > 0 && cujs.length === 0) return undefined;
  if (cujs.length === 0) {
    return {
      requests: requestsToPass(
        { ...builtInPolicy, ruleOutBurn: options.ruleOutBurn },
        objectiveOf(options.objective).budget,
      ),
      passAfterSeconds: (builtInPolicy.passAfterMs ?? 0) / 1000,
      lagSeconds: options.lagSeconds,
      maxWindowSeconds: options.maxWindowSeconds,
    };
  }
  const needs = cujs.flatMap(({ gate, objectives, services }) =>
    Object.values(objectives).map((objective): RequiredRequests => {
      if (gate.onLowTraffic === 'pass') {
        return { proven: Math.max(gate.minRequests, 1), limited: Number.POSITIVE_INFINITY };
      }
      // How several services share the traffic is unknown: this is a lower limit.
      const each = services.map((name) =>
        requestsToPass(gate, objective.budget, options.registry?.services.get(name)),
      );
      return {
        proven: Math.min(...each.map(({ proven }) => proven)),
        limited: Math.min(...each.map(({ limited }) => limited)),
      };
    }),
  );
  return {
    requests: {
      proven: Math.max(...needs.map(({ proven }) => proven)),
      // Where one CUJ has a proven pass with less, that is enough for it.
      limited: Math.max(...needs.map(({ proven, limited }) => Math.min(proven, limited))),
    },
    passAfterSeconds: Math.max(...cujs.map(({ gate }) => gate.passAfterMs ?? 0)) / 1000,
    lagSeconds: Math.max(...cujs.map(({ gate }) => gate.lagMs)) / 1000,
    maxWindowSeconds: Math.max(...cujs.map(({ gate }) => gate.maxWindowMs)) / 1000,
  };
}

/** The CUJs that a metric asks about, as far as the registry has them. */
function cujsOf(metric: Place, registry: Registry | undefined): readonly Cuj[] {
  const asked = gatePath(metric);
  if (registry === undefined || asked === undefined) return [];
  const cujs =
    asked.of === 'cuj'
      ? [registry.cujs.get(asked.name)]
      : [...registry.cujs.values()].filter((cuj) => cuj.services.includes(asked.name));
  return cujs.filter((cuj) => cuj !== undefined);
}

function text(duration: number): string {
  if (duration === Number.POSITIVE_INFINITY) return 'any time';
  const minutes = Math.ceil(duration / 60);
  if (duration < 120) return `${Math.round(duration)} s`;
  return minutes < 180 ? `${minutes} min` : `${Math.ceil(minutes / 60)} h`;
}
