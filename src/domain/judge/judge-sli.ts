import type { EndpointMeasurement, Series } from '../metrics/metrics-source.ts';
import type { GatePolicy } from '../registry/model.ts';
import { burnRateOf, leastViolation, type Objective, violates } from '../registry/objective.ts';
import type { SliName } from '../registry/schema.ts';
import {
  EvidenceProcess,
  evidenceOf,
  logMixture,
  logShareEvidence,
  upperBound,
} from '../statistics/e-process.ts';
import {
  type AbortLines,
  abortLines,
  type Line,
  leastBadEvents,
  reaches,
  requestsUntil,
} from './abort-threshold.ts';
import { type JudgedWindow, leastStableShare } from './analysis-window.ts';
import {
  type StatusGap,
  stableGapOf,
  statusGapOf,
  type UnmetThreshold,
  type Unreached,
  unmetThresholdsOf,
  unreachedOf,
} from './data-quality.ts';
import { type EndpointVerdict, endpointVerdicts } from './endpoint-verdicts.ts';
import type { Outcome, Reason } from './outcome.ts';
import { isTrafficEnough } from './required-traffic.ts';
import { digits, type SideFacts, sideFacts } from './rounding.ts';
import { type CanaryCounts, type SliSums, sumSli } from './sli-counts.ts';
import { besideStable, isStableBeside, logStableEvidence } from './stable-baseline.ts';

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
  /** One-sided 95% upper bound of the rate of bad events; under `baseline` of those beside stable. */
  readonly upperBound: number;
  /**
   * The abort line: the least bad events at this traffic, spread as the traffic is and over two minutes, that fail
   * (unless stable turns out to share the cause). Null: none can, yet; and always under `baseline`.
   */
  readonly failAtBadEvents: number | null;
  /**
   * Clean requests until a pass that owes nothing to `onLowTraffic`: 0 where nothing is missing, null after a fail and
   * where requests alone do not lead there.
   */
  readonly requestsToVerdict: number | null;
  /** Minutes that hold bad events, under `baseline` beside stable; a fail needs two. */
  readonly badMinutes: number;
  /** Stable over all that was queried. Evidence is its own: over all of that, and over its newest minutes. */
  readonly stable: SideFacts & { readonly evidence: number };
  /**
   * How strongly the bad events single out the canary against stable, over the canary's window; under `baseline` over what it
   * compares.
   */
  readonly shareEvidence: number;
  /** Set where requests carry no status, so that what fails among them is not seen, and it matters. */
  readonly statusGap?: StatusGap;
  /**
   * Set where a latency threshold cannot be right: neither side has a single request within it. With a fail, everything else
   * is of the endpoints that have other thresholds.
   */
  readonly unmetThreshold?: UnmetThreshold;
  /** Endpoints that the canary should have been asked for, and was not. */
  readonly unreached?: readonly Unreached[];
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

/** What a fail needs besides evidence and bad events: as many minutes that hold some. */
const leastBadMinutes = 2;

/** Judges one SLI of one CUJ. Pure. The rules are those of docs/verdicts.md, in its order. */
export function judgeSli(question: SliQuestion): SliVerdict {
  const { sli, objective, window, endpoints } = question;
  const sums = sumSli(endpoints, window, objective);
  const unreached = unreachedOf(sums, window);
  const unmet = sli === 'latency' ? unmetThresholdsOf(sums) : [];
  const [unmetThreshold] = unmet;
  if (unmetThreshold === undefined) return judgeSums(sums, question, { unreached });
  // A threshold that nothing is ever within says nothing about the release: no pass, and no fail either unless the rest of
  // the CUJ fails by itself. Stable beside the canary is no worse there, but it may be gone: the canary has all traffic in
  // the end.
  const leftOut = new Set(unmet.map(({ latencyMs }) => latencyMs));
  const isLeftOut = ({ latencyMs }: { readonly latencyMs?: number }) =>
    latencyMs !== undefined && leftOut.has(latencyMs);
  // As if nobody had asked for them: without them the mean over the endpoints would be another one, and could be greater.
  const others = endpoints.map((one) =>
    isLeftOut(one) ? { ...one, canary: silence, stable: silence } : one,
  );
  const rest = judgeSums(sumSli(others, window, objective), question, { unmetThreshold, unreached });
  if (rest.verdict === 'fail') return { ...rest, endpoints: rest.endpoints.filter((one) => !isLeftOut(one)) };
  return {
    ...judgeSums(sums, question, { unmetThreshold, unreached }),
    ...inconclusive('threshold_unmet'),
    requestsToVerdict: null,
  };
}

const silence: Series = { total: new Float64Array(0), bad: new Float64Array(0) };

function judgeSums(
  sums: SliSums,
  question: SliQuestion,
  {
    unmetThreshold,
    unreached,
  }: { readonly unmetThreshold?: UnmetThreshold; readonly unreached: readonly Unreached[] },
): SliVerdict {
  const { sli, objective, window, policy } = question;
  const evidence = evidenceIn(sums, question);
  // Only a fail under `baseline` is held against stable.
  const stableGap =
    policy.rule === 'baseline' && isEnoughToFail(evidence, policy) ? stableGapOf(sums, window) : undefined;
  const statusGap = stableGap ?? statusGapOf(sums, window, evidence.logOne);
  const { verdict, reason } = decide(sums, evidence, question, statusGap);
  const lines = linesOf(sums, evidence.line, question);
  const { counts } = evidence;
  return {
    sli,
    verdict,
    reason,
    objective: objective.ratio,
    ...sideFacts(sums.total, sums.bad),
    burnRate: sums.total > 0 ? digits(burnRateOf(objective, sums.total, sums.bad) as number) : null,
    evidence: digits(evidenceOf(evidence.logCanary)),
    evidenceToFail: digits(question.sliCount / policy.falseAbort),
    upperBound: digits(upperBound(counts.n, counts.e)),
    failAtBadEvents: lines.cuj,
    // Where the canary is blind, requests alone do not lead to a pass.
    requestsToVerdict: statusGap?.side === 'canary' ? null : cleanRequests(sums, evidence, question, reason),
    badMinutes: counts.badMinutes,
    stable: {
      ...sideFacts(sums.stableTotal, sums.stableBad),
      evidence: digits(evidenceOf(evidence.logStable)),
    },
    shareEvidence: digits(evidenceOf(evidence.logShare)),
    ...(statusGap === undefined ? {} : { statusGap }),
    ...(unmetThreshold === undefined ? {} : { unmetThreshold }),
    ...(unreached.length === 0 ? {} : { unreached }),
    endpoints: endpointVerdicts(sums, evidence.logAlone, lines.endpoints),
  };
}

/** Natural logs of every evidence that the rules ask for, and what else a rule goes by. */
interface Evidence {
  readonly logCanary: number;
  /** Of each endpoint alone; ln 1 = 0 where it had no traffic. */
  readonly logAlone: readonly number[];
  readonly logStable: number;
  /** Under `baseline` over the minutes that it compares, else over all of the window. */
  readonly logShare: number;
  /** 1/alpha, and m/alpha where m SLIs share it. */
  readonly logOne: number;
  readonly line: Line;
  /** The canary's counts that the rule goes by: under `baseline` those beside stable, else all of the window. */
  readonly counts: CanaryCounts;
  /** What the upper bound is held against: under `baseline` what stable does beside the canary, where that is more. */
  readonly referenceRate: number;
}

function evidenceIn(sums: SliSums, { objective, policy, sliCount, window }: SliQuestion): Evidence {
  const pooled = new EvidenceProcess(sums.n, objective.budget);
  // Over all endpoints, reached or not: a mean over those with traffic would rise when a clean one joins them, and the
  // chance of ever reaching 1/alpha would no longer be bounded by alpha.
  const logAlone = sums.endpoints.map((endpoint) => endpoint.process.log(endpoint.bad * endpoint.scale));
  const beside = policy.rule === 'baseline' ? besideStable(sums, window) : undefined;
  return {
    logCanary: sums.total > 0 ? logMixture(pooled.log(sums.e), logAlone) : 0,
    logAlone,
    logStable: logStableEvidence(sums, window, objective, Math.log(1 / policy.falseAbort)),
    logShare: logShareEvidence(
      sums.byService,
      window.first,
      window.end,
      beside === undefined ? 0 : leastStableShare,
    ),
    logOne: Math.log(1 / policy.falseAbort),
    line: {
      endpoints: sums.endpoints,
      pooled,
      toFail: sliCount / policy.falseAbort,
      leastBadEvents,
    },
    counts: beside ?? sums,
    referenceRate: Math.max(objective.budget, beside?.stableRate ?? 0),
  };
}

interface Decision {
  readonly verdict: Outcome;
  readonly reason: Reason;
}

function inconclusive(reason: Reason): Decision {
  return { verdict: 'inconclusive', reason };
}

/** Whether the evidence that this rule fails by is there, how many minutes it spans aside. */
function isEnoughToFail({ counts, logCanary, logShare, line }: Evidence, policy: GatePolicy): boolean {
  if (policy.rule === 'strict' || !reaches(counts.badSeen, leastBadEvents)) return false;
  return (policy.rule === 'baseline' ? logShare : logCanary) >= Math.log(line.toFail);
}

function decide(
  sums: SliSums,
  evidence: Evidence,
  question: SliQuestion,
  statusGap: StatusGap | undefined,
): Decision {
  const { objective, policy, window } = question;
  if (sums.total <= 0) return inconclusive('no_data');
  const below = violates(objective, sums.total, sums.bad);
  if (policy.rule === 'strict') {
    const lowTraffic = !reaches(sums.totalSeen, policy.minRequests);
    if (lowTraffic && (below || policy.onLowTraffic === 'inconclusive')) {
      return inconclusive('insufficient_traffic');
    }
    if (below) return { verdict: 'fail', reason: 'slo_violated' };
    if (statusGap !== undefined) return inconclusive('status_missing');
    if (window.indistinguishable !== undefined) return inconclusive('canary_indistinguishable');
    return { verdict: 'pass', reason: lowTraffic ? 'insufficient_traffic' : 'within_slo' };
  }

  const { counts } = evidence;
  const failing = isEnoughToFail(evidence, policy);
  if (failing && counts.badMinutes >= leastBadMinutes) {
    if (policy.rule === 'baseline') {
      return statusGap?.side === 'stable'
        ? inconclusive('status_missing')
        : { verdict: 'fail', reason: 'worse_than_stable' };
    }
    const { logStable, logShare, logOne } = evidence;
    return logStable >= logOne && logShare < logOne && isStableBeside(sums, window)
      ? inconclusive('shared_cause')
      : { verdict: 'fail', reason: 'slo_violated' };
  }
  // Evidence to fail that lies in one minute may be a blip; it is no ground for a pass either.
  if (failing) return inconclusive('within_noise');
  if (statusGap?.side === 'canary') return inconclusive('status_missing');
  // No number of requests would help. Nothing above failed it: that goes by the same minutes.
  if (policy.rule === 'baseline' && counts.total <= 0) return inconclusive('canary_indistinguishable');
  const lowTraffic = !isEnoughToPass(evidence, question, 0);
  if (lowTraffic && policy.onLowTraffic === 'inconclusive') return inconclusive('insufficient_traffic');
  if (policy.rule === 'confidence' && below) return inconclusive('within_noise');
  if (window.indistinguishable !== undefined) return inconclusive('canary_indistinguishable');
  if (lowTraffic) return { verdict: 'pass', reason: 'insufficient_traffic' };
  return { verdict: 'pass', reason: policy.rule === 'baseline' ? 'not_worse_than_stable' : 'within_slo' };
}

/** Whether `more` clean requests would be traffic enough for a pass, whatever the SLI is. */
function isEnoughToPass(
  { counts, line, referenceRate }: Evidence,
  { policy }: SliQuestion,
  more: number,
): boolean {
  const { total, n, e, totalSeen } = counts;
  // Requests to come weigh what those seen weigh on average; before the first one, what the least of them weigh.
  const weight = total > 0 ? n / total : Math.min(1, ...line.endpoints.map(({ scale }) => scale));
  const seen =
    total > 0 ? totalSeen / total : Math.min(1, ...line.endpoints.map(({ measured }) => measured.sampleRate));
  return isTrafficEnough({ seen: totalSeen + more * seen, n: n + more * weight, e }, policy, referenceRate);
}

function linesOf(sums: SliSums, line: Line, { objective, policy }: SliQuestion): AbortLines {
  if (policy.rule === 'confidence') return abortLines(line);
  const failAt =
    policy.rule === 'strict' && reaches(sums.totalSeen, policy.minRequests)
      ? (leastViolation(objective, sums.total) ?? null)
      : null;
  return {
    cuj: failAt,
    endpoints: sums.endpoints.map(({ total }) => (failAt !== null && failAt <= total ? failAt : null)),
  };
}

function cleanRequests(
  sums: SliSums,
  evidence: Evidence,
  question: SliQuestion,
  reason: Reason,
): number | null {
  const { objective, policy, window } = question;
  if (reason === 'within_slo' || reason === 'not_worse_than_stable') return 0;
  if (reason !== 'no_data' && reason !== 'insufficient_traffic' && reason !== 'within_noise') return null;
  if (window.indistinguishable !== undefined) return null;
  if (policy.rule === 'baseline' && evidence.counts.total <= 0) return null;
  if (isEnoughToFail(evidence, policy)) return null;
  return requestsUntil(
    (more) =>
      sums.total + more > 0 &&
      isEnoughToPass(evidence, question, more) &&
      (policy.rule === 'baseline' || !violates(objective, sums.total + more, sums.bad)),
  );
}
