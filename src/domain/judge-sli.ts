import { abortLine, endpointAbortLines, type Line, requestsUntil } from './abort-line.ts';
import type { EndpointMeasurement } from './metrics-source.ts';
import type { GatePolicy } from './registry-model.ts';
import type { SliName } from './registry-schema.ts';
import {
  EvidenceProcess,
  evidenceOf,
  logMixture,
  logShareEvidence,
  lowerBoundIsAbove,
  type ShareBucket,
  upperBound,
  upperBoundIsAtMost,
} from './sequential.ts';
import { burnRateOf, leastViolation, type Objective, sliOf, violates } from './slo.ts';
import type { Outcome, Reason } from './verdict.ts';
import type { JudgedWindow } from './window.ts';

/** Counts of one side as they are shown. */
export interface SideFacts {
  readonly good: number;
  readonly bad: number;
  readonly total: number;
  /** The SLI, a ratio, or null without events. */
  readonly value: number | null;
}

export interface EndpointVerdict extends SideFacts {
  readonly endpoint: string;
  readonly service: string;
  readonly resource: string;
  readonly latencyMs?: number;
  readonly evidence: number;
  /** The rate of bad events that is held against it: the error budget, or stable's own upper bound where stable fails it. */
  readonly allowedRate: number;
  /** How many bad events on this endpoint alone would fail the CUJ; null where its traffic cannot carry a fail. */
  readonly failAtBadEvents: number | null;
  /** Stable's counts over all that was queried. */
  readonly stable: SideFacts;
}

/** One SLI of a CUJ, judged. */
export interface SliVerdict extends SideFacts {
  readonly sli: SliName;
  readonly verdict: Outcome;
  readonly reason: Reason;
  /** A ratio. */
  readonly objective: number;
  readonly burnRate: number | null;
  /** At `evidenceToFail` and above the SLO is taken as violated. */
  readonly evidence: number;
  readonly evidenceToFail: number;
  /** One-sided 95% upper bound of the rate of bad events. */
  readonly upperBound: number;
  /** The abort line: the least bad events at this traffic, spread as the traffic is, that fail. Null: none can, yet. */
  readonly failAtBadEvents: number | null;
  /** Clean requests until a pass: 0 for a pass, null where traffic alone does not lead to one. */
  readonly requestsToVerdict: number | null;
  /** Buckets of a minute that hold bad events; a fail needs two. */
  readonly badMinutes: number;
  /** Stable over all that was queried; evidence is its own, against the same objective. */
  readonly stable: SideFacts & { readonly evidence: number };
  /** How strongly the bad events single out the canary against stable, over the canary's window. */
  readonly shareEvidence: number;
  /** Worst first. */
  readonly endpoints: readonly EndpointVerdict[];
}

export interface SliQuestion {
  readonly sli: SliName;
  readonly objective: Objective;
  readonly endpoints: readonly EndpointMeasurement[];
  readonly window: JudgedWindow;
  readonly policy: GatePolicy;
  /** How many SLIs share alpha. */
  readonly sliCount: number;
}

/** What a fail needs besides evidence: bad events that were really observed, in as many minutes. */
const leastBadEvents = 2;
const leastBadMinutes = 2;

interface EndpointSums {
  readonly measured: EndpointMeasurement;
  /** sampleRate / dispersion: what one counted event weighs in the formulas. */
  readonly scale: number;
  readonly total: number;
  readonly bad: number;
  readonly stableTotal: number;
  readonly stableBad: number;
  readonly allowedRate: number;
  readonly process: EvidenceProcess;
}

function sums(measured: EndpointMeasurement, window: JudgedWindow, objective: Objective): EndpointSums {
  let total = 0;
  let bad = 0;
  for (let i = window.first; i < window.end; i += 1) {
    total += measured.canary.total[i] ?? 0;
    bad += measured.canary.bad[i] ?? 0;
  }
  let stableTotal = 0;
  let stableBad = 0;
  for (let i = 0; i < measured.stable.total.length; i += 1) {
    stableTotal += measured.stable.total[i] ?? 0;
    stableBad += measured.stable.bad[i] ?? 0;
  }
  const scale = measured.sampleRate / measured.dispersion;
  // An endpoint that stable demonstrably fails as well is not the canary's fault: stable's own rate is the yardstick.
  const n = stableTotal * scale;
  const e = stableBad * scale;
  const allowedRate = lowerBoundIsAbove(n, e, objective.budget)
    ? Math.max(objective.budget, upperBound(n, e))
    : objective.budget;
  return {
    measured,
    scale,
    total,
    bad,
    stableTotal,
    stableBad,
    allowedRate,
    process: new EvidenceProcess(total * scale, allowedRate),
  };
}

/** Canary and stable side by side in every bucket of the window, pooled over the endpoints and scaled. */
function* shareBuckets(endpoints: readonly EndpointSums[], window: JudgedWindow): Generator<ShareBucket> {
  for (let i = window.first; i < window.end; i += 1) {
    let canaryTotal = 0;
    let canaryBad = 0;
    let stableTotal = 0;
    let stableBad = 0;
    for (const { measured, scale } of endpoints) {
      canaryTotal += (measured.canary.total[i] ?? 0) * scale;
      canaryBad += (measured.canary.bad[i] ?? 0) * scale;
      stableTotal += (measured.stable.total[i] ?? 0) * scale;
      stableBad += (measured.stable.bad[i] ?? 0) * scale;
    }
    yield { canaryTotal, canaryBad, stableTotal, stableBad };
  }
}

function badMinutes(endpoints: readonly EndpointSums[], window: JudgedWindow): number {
  let minutes = 0;
  for (let i = window.first; i < window.end; i += 1) {
    if (endpoints.some(({ measured }) => (measured.canary.bad[i] ?? 0) > 0)) minutes += 1;
  }
  return minutes;
}

/** Removes what binary fractions add to sums of counts; never `-0`. */
function tidy(count: number): number {
  return Math.round(count * 1e6) / 1e6 + 0;
}

function sideFacts(total: number, bad: number): SideFacts {
  return { good: tidy(total - bad), bad: tidy(bad), total: tidy(total), value: sliOf(total, bad) };
}

/** Six significant digits: what evidence and bounds can honestly claim. */
function digits(value: number): number {
  return Number(value.toPrecision(6));
}

/** Judges one SLI of one CUJ. Pure. The rules are those of docs/verdicts.md, in its order. */
export function judgeSli({
  sli,
  objective,
  endpoints: measured,
  window,
  policy,
  sliCount,
}: SliQuestion): SliVerdict {
  const all = measured.map((endpoint) => sums(endpoint, window, objective));
  const seen = all.filter((endpoint) => endpoint.total > 0);
  const add = (pick: (endpoint: EndpointSums) => number) =>
    all.reduce((sum, endpoint) => sum + pick(endpoint), 0);
  const total = add((endpoint) => endpoint.total);
  const bad = add((endpoint) => endpoint.bad);
  // What the statistics may use: events really observed, thinned again where they come in bursts.
  const n = add((endpoint) => endpoint.total * endpoint.scale);
  const e = add((endpoint) => endpoint.bad * endpoint.scale);
  const observedTotal = add((endpoint) => endpoint.total * endpoint.measured.sampleRate);
  const observedBad = add((endpoint) => endpoint.bad * endpoint.measured.sampleRate);
  const stableTotal = add((endpoint) => endpoint.stableTotal);
  const stableBad = add((endpoint) => endpoint.stableBad);

  const logAlone = seen.map((endpoint) => endpoint.process.log(endpoint.bad * endpoint.scale));
  const pooled = new EvidenceProcess(n, objective.budget);
  const logCanary = total > 0 ? logMixture(pooled.log(e), logAlone) : 0;
  const logStable = stableEvidence(all, objective);
  const logShare = logShareEvidence(shareBuckets(all, window));
  const logAlpha = Math.log(1 / policy.falseAbort);
  const logToFail = Math.log(sliCount / policy.falseAbort);
  const minutes = badMinutes(all, window);
  const repeated = observedBad >= leastBadEvents && minutes >= leastBadMinutes;

  const decide = (): { verdict: Outcome; reason: Reason } => {
    if (total <= 0) return { verdict: 'inconclusive', reason: 'no_data' };
    switch (policy.rule) {
      case 'strict':
        if (observedTotal < policy.minRequests)
          return { verdict: 'inconclusive', reason: 'insufficient_traffic' };
        if (violates(objective, total, bad)) return { verdict: 'fail', reason: 'slo_violated' };
        break;
      case 'baseline':
        if (repeated && logShare >= logToFail) return { verdict: 'fail', reason: 'worse_than_stable' };
        break;
      case 'confidence':
        if (repeated && logCanary >= logToFail) {
          return stableTotal > 0 && logStable >= logAlpha && logShare < logAlpha
            ? { verdict: 'inconclusive', reason: 'shared_cause' }
            : { verdict: 'fail', reason: 'slo_violated' };
        }
        break;
    }
    let lowTraffic = false;
    if (policy.rule !== 'strict') {
      lowTraffic = !enough(0);
      if (lowTraffic && policy.onLowTraffic === 'inconclusive') {
        return { verdict: 'inconclusive', reason: 'insufficient_traffic' };
      }
      if (policy.rule === 'confidence' && violates(objective, total, bad)) {
        return { verdict: 'inconclusive', reason: 'within_noise' };
      }
    }
    if (window.indistinguishable || (policy.rule === 'baseline' && stableTotal <= 0)) {
      return { verdict: 'inconclusive', reason: 'canary_indistinguishable' };
    }
    if (lowTraffic) return { verdict: 'pass', reason: 'insufficient_traffic' };
    return { verdict: 'pass', reason: policy.rule === 'baseline' ? 'not_worse_than_stable' : 'within_slo' };
  };

  // Under `baseline` a service below its SLO is measured by what stable does.
  const yardstick =
    policy.rule === 'baseline' && stableTotal > 0
      ? Math.max(objective.budget, stableBad / stableTotal)
      : objective.budget;
  const scale = total > 0 ? n / total : leastScale(all);
  const observedShare = total > 0 ? observedTotal / total : 1;

  /** Whether `more` clean requests would be traffic enough for a pass, noise aside. */
  function enough(more: number): boolean {
    return (
      observedTotal + more * observedShare >= policy.minRequests &&
      upperBoundIsAtMost(n + more * scale, e, policy.ruleOutBurn * yardstick)
    );
  }

  const { verdict, reason } = decide();
  const lines: Line = { endpoints: seen, pooled, logToFail, leastBadEvents };
  return {
    sli,
    verdict,
    reason,
    objective: objective.ratio,
    ...sideFacts(total, bad),
    burnRate: burnRateOf(objective, total, bad),
    evidence: digits(evidenceOf(logCanary)),
    evidenceToFail: digits(sliCount / policy.falseAbort),
    upperBound: digits(upperBound(n, e)),
    failAtBadEvents: cujLine(),
    requestsToVerdict: cleanRequests(),
    badMinutes: minutes,
    stable: { ...sideFacts(stableTotal, stableBad), evidence: digits(evidenceOf(logStable)) },
    shareEvidence: digits(evidenceOf(logShare)),
    endpoints: endpointVerdicts(),
  };

  function cujLine(): number | null {
    if (policy.rule === 'strict') return leastViolation(objective, total) ?? null;
    return policy.rule === 'confidence' ? abortLine(lines) : null;
  }

  function cleanRequests(): number | null {
    if (reason === 'within_slo' || reason === 'not_worse_than_stable') return 0;
    if (window.indistinguishable || (policy.rule === 'baseline' && stableTotal <= 0)) return null;
    if (reason === 'no_data' || reason === 'insufficient_traffic' || reason === 'within_noise') {
      return requestsUntil((more) => {
        if (total + more <= 0) return false;
        if (policy.rule === 'strict')
          return (
            observedTotal + more * observedShare >= policy.minRequests &&
            !violates(objective, total + more, bad)
          );
        return enough(more) && (policy.rule === 'baseline' || !violates(objective, total + more, bad));
      });
    }
    return null;
  }

  function endpointVerdicts(): EndpointVerdict[] {
    const alone = policy.rule === 'confidence' ? endpointAbortLines(lines) : [];
    const strict = policy.rule === 'strict' ? leastViolation(objective, total) : undefined;
    const rows = all.map((endpoint) => {
      const at = seen.indexOf(endpoint);
      const own = strict !== undefined && strict <= endpoint.total ? strict : null;
      return {
        endpoint,
        alone: at < 0 ? 0 : (logAlone[at] as number),
        line: at < 0 ? null : (alone[at] ?? own),
      };
    });
    rows.sort(
      (a, b) =>
        b.alone - a.alone ||
        b.endpoint.bad - a.endpoint.bad ||
        b.endpoint.total - a.endpoint.total ||
        (a.endpoint.measured.label < b.endpoint.measured.label ? -1 : 1),
    );
    return rows.map(({ endpoint, alone, line }) => ({
      endpoint: endpoint.measured.label,
      service: endpoint.measured.service,
      resource: endpoint.measured.resource,
      ...(endpoint.measured.latencyMs === undefined ? {} : { latencyMs: endpoint.measured.latencyMs }),
      ...sideFacts(endpoint.total, endpoint.bad),
      evidence: digits(evidenceOf(alone)),
      allowedRate: digits(endpoint.allowedRate),
      failAtBadEvents: line,
      stable: sideFacts(endpoint.stableTotal, endpoint.stableBad),
    }));
  }
}

/** Stable's own evidence against the objective, over all that was queried. */
function stableEvidence(all: readonly EndpointSums[], objective: Objective): number {
  let n = 0;
  let e = 0;
  const logs: number[] = [];
  for (const endpoint of all) {
    if (endpoint.stableTotal <= 0) continue;
    const total = endpoint.stableTotal * endpoint.scale;
    const bad = endpoint.stableBad * endpoint.scale;
    n += total;
    e += bad;
    logs.push(new EvidenceProcess(total, objective.budget).log(bad));
  }
  return n > 0 ? logMixture(new EvidenceProcess(n, objective.budget).log(e), logs) : 0;
}

function leastScale(all: readonly EndpointSums[]): number {
  return all.reduce((least, endpoint) => Math.min(least, endpoint.scale), 1);
}
