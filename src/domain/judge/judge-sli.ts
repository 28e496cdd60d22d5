import { bucketMs, type EndpointMeasurement, type Series } from '../metrics/metrics-source.ts';
import { defaultMinFaultMs, type GatePolicy } from '../registry/model.ts';
import { burnRateOf } from '../registry/objective.ts';
import { joinedTexts } from '../sli/failure.ts';
import type { SliName } from '../sli/table.ts';
import { upperBound } from '../statistics/clopper-pearson.ts';
import { evidenceOf } from '../statistics/e-process.ts';
import { requestsUntil } from './abort-threshold.ts';
import {
  type MissingStatus,
  missingStatusOf,
  missingStatusOfStable,
  type UnmetThreshold,
  type Unreached,
  unmetThresholdsOf,
  unreachedOf,
} from './data-quality.ts';
import { type EndpointVerdict, endpointVerdicts } from './endpoint-verdicts.ts';
import { type Explaining, type ExplainingIncident, explainingIncidentOf } from './explained-failures.ts';
import { type LimitedPassAhead, logAgainstLimitedPass, secondsToLimitedPass } from './limited-pass.ts';
import type { Outcome, Reason } from './outcome.ts';
import { isTrafficEnough, isTrafficForLimitedPass, type SeenTraffic } from './required-traffic.ts';
import { roundCount, type SideFacts, sideFacts, toSignificant } from './rounding.ts';
import {
  decide,
  hasEvidenceToFail,
  inconclusive,
  knowsSharedCauses,
  type Rule,
  type RuleContext,
} from './rules/rule.ts';
import { isBlockedByUnreached } from './rules/steps.ts';
import { rules } from './rules/table.ts';
import { withoutIncident } from './shared-incident.ts';
import { shortIntervals } from './short-intervals.ts';
import { type SliSums, sumSli } from './sli-counts.ts';
import { type Evidence, evidenceIn, type SliQuestion } from './sli-evidence.ts';
import { isSharedByStable } from './stable-baseline.ts';

/** An incident of the services: stable over all their endpoints in the registry, in its minutes of the window. */
export interface VerdictServiceIncident {
  readonly minutes: number;
  readonly bad: number;
  readonly total: number;
}

/** One SLI of a CUJ, judged. */
export interface SliVerdict extends SideFacts {
  readonly sli: SliName;
  readonly verdict: Outcome;
  readonly reason: Reason;
  /** What counts as a failure, in words: `5xx, 401; errors`. Absent where it is 5XX on all endpoints, or what sources say on all. */
  readonly failure?: string;
  /** A ratio. */
  readonly objective: number;
  readonly burnRate: number | null;
  /** At `evidenceThreshold` and above the SLO is taken as violated. */
  readonly evidence: number;
  readonly evidenceThreshold: number;
  /**
   * The failure rate above which every rate is ruled out: the one-sided 95% upper bound of the rate of bad events; under
   * a rule that compares of those beside stable.
   */
  readonly rulesOutRate: number;
  /**
   * The abort threshold: the least bad events at this traffic, spread over the endpoints as the traffic is, that fail where no two
   * of them lie in one interval shorter than `minFaultDuration` (unless stable shares the cause). Fewer never fail. Null: no number
   * does yet; and always under a rule that cannot say it.
   */
  readonly failAtBadEvents: number | null;
  /**
   * Clean requests until a proven pass: one that depends on neither `passAfter` nor `onLowTraffic`. 0 where none is missing; null after a fail, and where
   * requests alone do not lead to a pass.
   */
  readonly requestsToVerdict: number | null;
  /** Minutes of the canary's warm-up. All numbers of this SLI leave out what the canary did in them. */
  readonly warmUpMinutes?: number;
  /** Minutes of an incident that stable had as well. All numbers of this SLI leave out what the canary did in them. */
  readonly leftOutMinutes?: number;
  /** Set where the cause is shared by what stable fails on all endpoints of the services: their counts in the minutes of it. */
  readonly serviceIncident?: VerdictServiceIncident;
  /** What is missing for a limited pass; absent where it is no question of clean requests and time, and after one. */
  readonly limitedPass?: LimitedPassAhead;
  /**
   * The least evidence that remains with any one interval shorter than `minFaultDuration` left out. A fail needs it to be above 2
   * (noise). Set where the rule's evidence reaches `evidenceThreshold`.
   */
  readonly sustainedEvidence?: number;
  /** How bursty errors are, so that each proves less: the greatest of any endpoint's service. Absent where it is 1. */
  readonly dispersion?: number;
  /** Stable over all that was queried. Evidence is its own: over all of that, and over its newest minutes. */
  readonly stable: SideFacts & { readonly evidence: number };
  /**
   * How strongly the bad events single out the canary against stable, over the canary's window; under a rule that
   * compares over what it compares.
   */
  readonly shareEvidence: number;
  /** Set where so many requests carry no status that failures may be hidden among them. */
  readonly missingStatus?: MissingStatus;
  /**
   * Set where a threshold cannot be right: no request of either side is within it. With a fail, all other members are of the
   * endpoints that have other thresholds.
   */
  readonly unmetThreshold?: UnmetThreshold;
  /** Endpoints on which the canary should have had requests, and had none. */
  readonly unreached?: readonly Unreached[];
  /** Worst first. */
  readonly endpoints: readonly EndpointVerdict[];
}

/** Judges one SLI of one CUJ. Pure. The rules are those of docs/verdicts-reference.md, in its order. */
export function judgeSli(asked: SliQuestion): SliVerdict {
  const question = withoutPastIncident(asked);
  const judged = judgeWithoutIncident(question);
  // A fail that old data proves stays proven. Nothing else is known while the newest data is missing.
  return question.isStale && judged.verdict !== 'fail' ? undecided(judged, 'source_stale') : judged;
}

/** What stable did in an incident of the services before this window is not usual, and must not allow the canary more. */
function withoutPastIncident(question: SliQuestion): SliQuestion {
  const { incident, window } = question;
  const unusual = [...(incident?.proven ?? [])].filter((i) => i < window.first);
  return unusual.length === 0 ? question : { ...question, window: { ...window, unusual: new Set(unusual) } };
}

/** The same numbers, with a reason that requests and time do not change. */
function undecided(
  { limitedPass: _, serviceIncident: __, ...numbers }: SliVerdict,
  reason: Reason,
): SliVerdict {
  return { ...numbers, ...inconclusive(reason), requestsToVerdict: null };
}

/**
 * An incident outside the release is over at some time, and its errors would keep a good release from passing until the window
 * has moved on. Only a pass comes of it: a part of the window that stable's errors choose would not bound false aborts.
 */
function judgeWithoutIncident(question: SliQuestion): SliVerdict {
  const explaining = explainingIncidentOf(question);
  const judged = judgeWithoutUnmet(question, explaining);
  const isShared = judged.reason === 'shared_cause';
  if (!isShared && !isHeldByFailures(judged, question)) return judged;
  const { endpoints, window, objective, policy, recent } = question;
  const ofServices = explaining()?.minutes;
  if (!isShared && ofServices === undefined) return judged;
  const sums = sumSli(endpoints, window, objective);
  const rest = withoutIncident(
    sums,
    window,
    objective,
    Math.log(1 / policy.falseAbort),
    recent,
    ofServices ?? new Set(),
  );
  if (rest === undefined || isHeldElsewhere(judged, policy)) return judged;
  // Nothing is known of the canary in the minutes that are left out.
  const watchedMs = Math.max(0, window.watchedMs - rest.minutes * bucketMs);
  const without = { ...question, endpoints: rest.endpoints, window: { ...window, watchedMs } };
  const now = judgeWithoutUnmet(without, explainingIncidentOf(without));
  // A pass by onLowTraffic alone would rest on nothing.
  if (now.verdict !== 'pass' || now.reason === 'insufficient_traffic') return judged;
  return { ...now, leftOutMinutes: rest.minutes };
}

/** Whether failures during an incident of the services may be what prevents a pass, although they are not enough to fail. */
function isHeldByFailures({ reason, bad }: SliVerdict, { incident, policy }: SliQuestion): boolean {
  return (
    (reason === 'within_noise' || reason === 'insufficient_traffic') &&
    bad > 0 &&
    incident !== undefined &&
    incident.minutes.size > 0 &&
    knowsSharedCauses(rules[policy.rule])
  );
}

/** Whether the whole window shows something that an incident does not explain, and that prevents a pass. */
function isHeldElsewhere({ unreached, missingStatus }: SliVerdict, { onUnreached }: GatePolicy): boolean {
  return (unreached !== undefined && onUnreached === 'inconclusive') || missingStatus?.side === 'canary';
}

function judgeWithoutUnmet(question: SliQuestion, explaining: Explaining): SliVerdict {
  const { objective, window, endpoints } = question;
  const sums = sumSli(endpoints, window, objective);
  const unreached = unreachedOf(sums, window);
  const unmet = unmetThresholdsOf(sums);
  const [unmetThreshold] = unmet;
  if (unmetThreshold === undefined) return judgeSums(sums, question, { unreached, explaining });
  // A threshold that no request is within says nothing about the release: it can neither pass nor fail, unless the rest of
  // the CUJ fails by itself. Comparison with stable does not help: at the end of a rollout stable has no traffic.
  const leftOut = new Set(unmet.map(({ latencyMs }) => latencyMs));
  const isLeftOut = ({ latencyMs }: { readonly latencyMs?: number }) =>
    latencyMs !== undefined && leftOut.has(latencyMs);
  // As if they had no requests. If they were left out, the mean over the endpoints would change, and could be greater.
  const others = endpoints.map((one) => (isLeftOut(one) ? withoutRequests(one) : one));
  const rest = judgeSums(sumSli(others, window, objective), question, {
    unmetThreshold,
    unreached,
    explaining,
  });
  if (rest.verdict === 'fail') return { ...rest, endpoints: rest.endpoints.filter((one) => !isLeftOut(one)) };
  return undecided(judgeSums(sums, question, { unmetThreshold, unreached, explaining }), 'threshold_unmet');
}

const noRequests: Series = { total: new Float64Array(0), bad: new Float64Array(0) };

function withoutRequests({ recentBad, ...endpoint }: EndpointMeasurement): EndpointMeasurement {
  return {
    ...endpoint,
    canary: noRequests,
    stable: noRequests,
    ...(recentBad === undefined ? {} : { recentBad: new Float64Array(recentBad.length) }),
  };
}

function judgeSums(
  sums: SliSums,
  question: SliQuestion,
  {
    unmetThreshold,
    unreached,
    explaining,
  }: {
    readonly unmetThreshold?: UnmetThreshold;
    readonly unreached: readonly Unreached[];
    readonly explaining: Explaining;
  },
): SliVerdict {
  const { sli, objective, window, policy } = question;
  const rule = rules[policy.rule];
  const evidence = evidenceIn(sums, question, rule.comparesStable);
  // Stable's status matters only for a fail by comparison.
  const missingOfStable =
    rule.comparesStable && hasEvidenceToFail(rule, evidence, policy)
      ? missingStatusOfStable(sums, window)
      : undefined;
  const limitedIn = secondsToLimitedPass(
    question,
    logAgainstLimitedPass(rule.logAgainst?.(evidence, policy), evidence, sums, objective),
  );
  const logSustained = hasEvidenceToFail(rule, evidence, policy)
    ? logSustainedOf(rule, sums, evidence, question)
    : undefined;
  const context: RuleContext = {
    sums,
    logSustained,
    evidence,
    question,
    unreached,
    missingStatus: missingOfStable ?? missingStatusOf(sums, window, evidence.logOne),
    isTrafficEnough: (more) => isTrafficEnough(trafficAfter(evidence, more), policy, evidence.referenceRate),
    isCauseShared: () => isSharedByStable(sums, evidence, window) || explaining() !== undefined,
    isLimitedPass: limitedIn === 0 && isTrafficForLimitedPass(trafficAfter(evidence, 0), policy),
  };
  const { missingStatus } = context;
  const failure = joinedTexts(sums.endpoints.map(({ measured }) => measured.failure));
  const { verdict, reason } = decide(rule, context);
  const ofServices =
    reason === 'shared_cause' && !isSharedByStable(sums, evidence, window)
      ? shownIncident(explaining())
      : undefined;
  const thresholds = rule.abortThresholds(context);
  const { counts } = evidence;
  const dispersion = Math.max(1, ...sums.endpoints.map(({ measured }) => measured.dispersion));
  const requestsToVerdict = cleanRequests(rule, context, reason);
  const limitedPass =
    verdict === 'inconclusive' && requestsToVerdict !== null && limitedIn !== undefined
      ? limitedPassAhead(context, limitedIn)
      : undefined;
  return {
    sli,
    verdict,
    reason,
    ...(failure === undefined ? {} : { failure }),
    objective: objective.ratio,
    ...(window.warmUpMinutes === undefined ? {} : { warmUpMinutes: window.warmUpMinutes }),
    ...sideFacts(sums.total, sums.bad),
    burnRate: sums.total > 0 ? toSignificant(burnRateOf(objective, sums.total, sums.bad) as number) : null,
    evidence: toSignificant(evidenceOf(evidence.logCanary)),
    evidenceThreshold: toSignificant(question.sliCount / policy.falseAbort),
    rulesOutRate: toSignificant(upperBound(counts.n, counts.e)),
    failAtBadEvents: thresholds.cuj,
    requestsToVerdict,
    ...(ofServices === undefined ? {} : { serviceIncident: ofServices }),
    ...(limitedPass === undefined ? {} : { limitedPass }),
    ...(logSustained === undefined ? {} : { sustainedEvidence: toSignificant(evidenceOf(logSustained)) }),
    ...(dispersion > 1 ? { dispersion: toSignificant(dispersion) } : {}),
    stable: {
      ...sideFacts(sums.stableTotal, sums.stableBad),
      evidence: toSignificant(evidenceOf(evidence.logStable)),
    },
    shareEvidence: toSignificant(evidenceOf(evidence.logShare)),
    ...(missingStatus === undefined ? {} : { missingStatus }),
    ...(unmetThreshold === undefined ? {} : { unmetThreshold }),
    ...(unreached.length === 0 ? {} : { unreached }),
    endpoints: endpointVerdicts(sums, evidence.logAlone, thresholds.endpoints),
  };
}

/** The least evidence against the canary with any one short interval left out, as a natural log. */
function logSustainedOf(
  { minLogAgainstWithout }: Rule,
  sums: SliSums,
  evidence: Evidence,
  { window, recent, policy: { minFaultMs = defaultMinFaultMs } }: SliQuestion,
): number | undefined {
  return minLogAgainstWithout?.(evidence, shortIntervals(sums.endpoints, window, { recent, minFaultMs }));
}

function shownIncident(incident: ExplainingIncident | undefined): VerdictServiceIncident | undefined {
  return (
    incident && {
      minutes: incident.minutes.size,
      bad: roundCount(incident.bad),
      total: roundCount(incident.total),
    }
  );
}

/** The traffic after `more` clean requests. */
function trafficAfter({ counts, thresholdInput }: Evidence, more: number): SeenTraffic {
  const { total, n, e, totalSeen } = counts;
  // Further requests are taken to weigh what those seen weigh on average; before the first one, the least weight.
  const weight = total > 0 ? n / total : Math.min(1, ...thresholdInput.endpoints.map(({ scale }) => scale));
  const seen =
    total > 0
      ? totalSeen / total
      : Math.min(1, ...thresholdInput.endpoints.map(({ measured }) => measured.sampleRate));
  return { seen: totalSeen + more * seen, n: n + more * weight, e };
}

function limitedPassAhead(
  { sums, evidence, question }: RuleContext,
  seconds: number,
): LimitedPassAhead | undefined {
  const requests = requestsUntil(
    (more) => sums.total + more > 0 && isTrafficForLimitedPass(trafficAfter(evidence, more), question.policy),
  );
  return requests === null ? undefined : { requests, seconds };
}

/** Reasons after which clean requests can lead to a proven pass. */
const opensToPass: ReadonlySet<Reason> = new Set([
  'no_data',
  'insufficient_traffic',
  'within_noise',
  'limited_evidence',
]);

function cleanRequests(rule: Rule, context: RuleContext, reason: Reason): number | null {
  const { sums, evidence, question, missingStatus } = context;
  const { objective, window } = question;
  // Where the canary is blind, requests alone do not lead to a pass.
  if (missingStatus?.side === 'canary') return null;
  if (reason === 'within_slo' || reason === 'not_worse_than_stable') return 0;
  if (!opensToPass.has(reason)) return null;
  if (window.indistinguishable !== undefined || window.attempts !== undefined) return null;
  if (isBlockedByUnreached(context)) return null;
  if (rule.comparesStable && evidence.counts.total <= 0) return null;
  if (hasEvidenceToFail(rule, evidence, question.policy)) return null;
  return requestsUntil(
    (more) =>
      sums.total + more > 0 &&
      context.isTrafficEnough(more) &&
      rule.mayPassAt(objective, sums.total + more, sums.bad),
  );
}
