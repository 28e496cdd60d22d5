/** One simulated rollout, judged every minute by the product's own judge. Seeded, so that each run gives the same. */

import { judge } from '../../src/domain/judge/judge.ts';
import { type WithoutDispersion, withDispersion } from '../../src/domain/metrics/estimated-dispersion.ts';
import type { Measurement, Series } from '../../src/domain/metrics/metrics-source.ts';
import { bucketMs } from '../../src/domain/metrics/metrics-source.ts';
import type { Cuj, GatePolicy } from '../../src/domain/registry/model.ts';
import { cujOf } from '../domain/judge/journey.ts';
import { badEvents, events } from './events.ts';

export const budget = 0.0005;
export const judgedRules = ['confidence', 'strict', 'baseline'] as const;
/** `threshold` is not a rule of the product: less than 99% good is a fail, from 100 requests on. */
export const rules = [...judgedRules, 'threshold'] as const;
export type Rule = (typeof rules)[number];

export interface SimulatedEndpoint {
  /** Its share of the traffic. */
  readonly share: number;
  /** The true rate of bad events in a minute of the rollout, from 1 on. */
  readonly canary: number | ((minute: number) => number);
  readonly stable: number | ((minute: number) => number);
}

export interface Scenario {
  readonly id: string;
  readonly name: string;
  /** Interim analyses, one a minute. */
  readonly looks: number;
  /** Canary requests in a minute. */
  readonly canaryRequests: number | ((minute: number) => number);
  readonly stableRequests: number | ((minute: number) => number);
  readonly endpoints: readonly SimulatedEndpoint[];
  /**
   * Minutes of stable before the rollout: their `stable` rates are those of minutes up to 0. Default: all of it in six, with the rate of
   * minute 0.
   */
  readonly historyMinutes?: number;
  /** The mean size of bursts of bad events; 1: no bursts. */
  readonly burst?: number;
  /** Default: estimated from stable. */
  readonly dispersion?: number;
  /** The share of requests that is seen; counts are scaled up again. */
  readonly seen?: number;
  /** That share in the registry. */
  readonly sampleRate?: number;
  /** The newest minute shows only this share of its events until the next analysis. */
  readonly newest?: number;
  /** An aborted first attempt before the rollout, followed by a silence: its minutes and its rate of bad events. */
  readonly firstAttempt?: { readonly minutes: number; readonly silence: number; readonly rate: number };
  readonly gate?: Partial<GatePolicy>;
}

export interface Ending {
  readonly outcome: 'fail' | 'pass' | 'inconclusive';
  /** The analysis that failed it, or the first pass of a run that ends with a pass. */
  readonly look: number;
  /** Canary requests until then. */
  readonly requests: number;
  /** The last analysis would have passed if evidence of a fault that may be a blip did not prevent it. */
  readonly heldBack: boolean;
}

function at(value: number | ((minute: number) => number), minute: number): number {
  return typeof value === 'number' ? value : value(minute);
}

/** Whole requests of a minute, so that parts of requests add up over the minutes. */
function wholeUntil(perMinute: number | ((minute: number) => number), share: number, minute: number): number {
  let sum = 0;
  if (typeof perMinute === 'number') sum = perMinute * minute;
  else for (let m = 1; m <= minute; m += 1) sum += perMinute(m);
  return Math.floor(sum * share + 1e-9);
}

/** Runs one rollout and returns how it ends under each of some rules. It ends once all of them have decided. */
export function rollOut(
  scenario: Scenario,
  random: () => number,
  some: readonly Rule[] = rules,
): Record<Rule, Ending> {
  const { burst = 1, seen = 1, newest = 1, firstAttempt, historyMinutes } = scenario;
  const before = historyMinutes ?? 6;
  const lead = before + (firstAttempt === undefined ? 0 : firstAttempt.minutes + firstAttempt.silence);
  const empty = (): Series => ({
    total: new Float64Array(lead + scenario.looks),
    bad: new Float64Array(lead + scenario.looks),
  });
  const series = scenario.endpoints.map(() => ({ canary: empty(), stable: empty() }));
  const whole = { canary: new Array<number>(lead).fill(0), stable: new Array<number>(lead).fill(0) };
  const history = Math.ceil((110 / lead) * at(scenario.stableRequests, 1));
  series.forEach(({ canary, stable }, i) => {
    const endpoint = scenario.endpoints[i] as SimulatedEndpoint;
    for (let m = 0; m < lead; m += 1) {
      const n = events(random, Math.round(history * endpoint.share), seen);
      stable.total[m] = n / seen;
      const rate = at(endpoint.stable, historyMinutes === undefined ? 0 : m - lead + 1);
      stable.bad[m] = badEvents(random, n, rate, burst) / seen;
      (whole.stable[m] as number) += n / seen;
      if (firstAttempt === undefined || m < before || m >= before + firstAttempt.minutes) continue;
      const tried = Math.round(at(scenario.canaryRequests, 1) * endpoint.share);
      canary.total[m] = tried;
      canary.bad[m] = events(random, tried, firstAttempt.rate);
      (whole.canary[m] as number) += tried;
    }
  });
  const measured: WithoutDispersion[] = series.map(({ canary, stable }, i) => ({
    service: 'shop',
    resource: `get_/${i}`,
    label: `GET /${i}`,
    sampleRate: scenario.sampleRate ?? 1,
    dispersion: scenario.dispersion,
    canary,
    stable,
  }));
  const cujs = judgedRules.map((rule): Cuj => cujOf({ gate: { ...scenario.gate, rule } }));
  const fate = Object.fromEntries(rules.map((rule) => [rule, undefined])) as Record<Rule, Ending | undefined>;
  const firstPass = Object.fromEntries(rules.map((rule) => [rule, undefined])) as Record<
    Rule,
    { look: number; requests: number } | undefined
  >;
  const late: { of: Series; total: number; bad: number }[] = [];
  let requests = 0;

  for (let look = 1; look <= scenario.looks; look += 1) {
    const minute = lead + look - 1;
    for (const { of, total, bad } of late.splice(0)) {
      of.total[minute - 1] = total;
      of.bad[minute - 1] = bad;
    }
    whole.canary[minute] = 0;
    whole.stable[minute] = 0;
    series.forEach((both, i) => {
      const endpoint = scenario.endpoints[i] as SimulatedEndpoint;
      for (const side of ['canary', 'stable'] as const) {
        const perMinute = side === 'canary' ? scenario.canaryRequests : scenario.stableRequests;
        const came =
          wholeUntil(perMinute, endpoint.share, look) - wholeUntil(perMinute, endpoint.share, look - 1);
        const n = seen === 1 ? came : events(random, came, seen);
        const bad = badEvents(random, n, at(endpoint[side], look), burst);
        const shownBad = newest === 1 ? bad : events(random, bad, newest);
        const shownGood = newest === 1 ? n - bad : events(random, n - bad, newest);
        both[side].total[minute] = (shownGood + shownBad) / seen;
        both[side].bad[minute] = shownBad / seen;
        if (newest !== 1) late.push({ of: both[side], total: n / seen, bad: bad / seen });
        (whole[side][minute] as number) += n / seen;
        if (side === 'canary') requests += came;
      }
    });
    const measurement: Measurement = {
      fromMs: 0,
      toMs: (minute + 1) * bucketMs,
      selectors: { canary: 'version:v2', stable: 'the rest' },
      availability: withDispersion(measured, 0),
      whole,
    };
    const note = (rule: Rule, outcome: Ending['outcome'], heldBack = false) => {
      if (outcome === 'fail') fate[rule] = { outcome, look, requests, heldBack: false };
      else if (outcome === 'pass') firstPass[rule] ??= { look, requests };
      if (outcome !== 'fail' && look === scenario.looks) {
        const when = (outcome === 'pass' ? firstPass[rule] : undefined) ?? { look, requests };
        fate[rule] = { outcome, ...when, heldBack };
      }
    };
    judgedRules.forEach((rule, i) => {
      if (fate[rule] !== undefined || !some.includes(rule)) return;
      const { verdict, reason, slis } = judge(cujs[i] as Cuj, measurement, { registryDigest: 'simulated' });
      const sli = slis[0];
      const heldBack =
        rule === 'confidence' &&
        reason === 'within_noise' &&
        sli?.sustainedEvidence !== undefined &&
        sli.sustainedEvidence <= 2 &&
        sli.bad <= budget * sli.total &&
        sli.rulesOutRate <= 14.4 * budget;
      note(rule, verdict, heldBack);
    });
    if (fate.threshold === undefined) note('threshold', threshold(series));
    if (some.every((rule) => fate[rule] !== undefined)) break;
  }
  return fate as Record<Rule, Ending>;
}

/** The result of a template with `successCondition: result >= 0.99` and a minimum sample, for all data that it sees. */
function threshold(series: readonly { readonly canary: Series }[]): Ending['outcome'] {
  let total = 0;
  let bad = 0;
  for (const { canary } of series) {
    for (let m = 0; m < canary.total.length; m += 1) {
      total += canary.total[m] as number;
      bad += canary.bad[m] as number;
    }
  }
  if (total < 100) return 'inconclusive';
  return bad > 0.01 * total ? 'fail' : 'pass';
}
