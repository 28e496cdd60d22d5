import { durationText } from '../duration.ts';
import { restWords } from '../metrics/evaluation-request.ts';
import { oneLine } from '../outside-text.ts';
import { defaultMinFaultMs, type GatePolicy } from '../registry/model.ts';
import { allWords } from '../registry/own-words.ts';
import type { BackendWords, OwnWords } from '../registry/source-dialect.ts';
import { statusNameOf } from '../sli/failure.ts';
import { sliKinds } from '../sli/table.ts';
import type { Indistinguishable, NoDataCause } from './analysis-window.ts';
import type { MissingStatus, UnmetThreshold } from './data-quality.ts';
import type { EndpointVerdict } from './endpoint-verdicts.ts';
import type { SliVerdict } from './judge-sli.ts';
import { boundText, decimal, percent, plain, rolloutsOf } from './number-text.ts';
import type { Outcome, Reason, Traffic, VerdictStaleData } from './outcome.ts';
import type { Rule } from './rules/rule.ts';
import { rules } from './rules/table.ts';

/**
 * The summary of a verdict in one line, as kubectl, the Rollouts dashboard and the CLI show it. The verdict comes first. A
 * summary has at most 300 characters, no `< > &` (Argo would store them escaped) and no exponents.
 */

export interface SummaryFacts {
  readonly verdict: Outcome;
  readonly reason: Reason;
  /** The policy that was judged by, with its rule. */
  readonly policy: GatePolicy;
  /** The error budget policy replaced the registry's rule by the policy's. */
  readonly ruleChanged: boolean;
  readonly cuj: string;
  readonly canary: string;
  readonly stable: string;
  readonly slis: readonly SliVerdict[];
  readonly noDataCause?: NoDataCause;
  readonly staleData?: VerdictStaleData;
  /** By how many seconds `since` is ahead of the gate's clock, where it is. */
  readonly sinceAheadSeconds?: number;
  readonly indistinguishable?: Indistinguishable;
  readonly traffic?: Traffic;
  /** How often the canary came, where the reason is `canary_restarting`. */
  readonly attempts?: number;
  /** Minutes from the canary's first request in the window to its last one. */
  readonly minutesOfTraffic?: number;
  /** The error of the source, where there is no SLI. */
  readonly message?: string;
}

export const summaryLimit = 300;

const words: Readonly<Record<Outcome, string>> = { pass: 'PASS', fail: 'FAIL', inconclusive: 'INCONCLUSIVE' };

/** Any text as a summary: one printable line without the characters that Argo escapes, at most 300 long. */
export function summaryText(text: string): string {
  const safe = (isPlain(text) ? text : escaped(text)).trim();
  if (safe.length <= summaryLimit) return safe;
  // A character outside the basic plane has two code units: do not cut between them.
  return `${safe.slice(0, summaryLimit - 3).replace(/[\ud800-\udbff]$/, '')}...`;
}

/** Nearly every summary is plain ASCII. This check is much faster than Unicode's character classes. */
function isPlain(text: string): boolean {
  return !/[^ -~]|[<>&]| {2}/.test(text);
}

function escaped(text: string): string {
  return oneLine(text).replace(/</g, '(').replace(/>/g, ')').replace(/&/g, '+');
}

function badWord(sli: SliVerdict): string {
  return sliKinds[sli.sli].badWord;
}

function counts(sli: SliVerdict): string {
  const counted = sli.failure === undefined ? '' : ` by ${shortened(sli.failure)}`;
  const { events } = sliKinds[sli.sli];
  const requests = `${plain(sli.bad)} of ${plain(sli.total)} ${events} ${badWord(sli)}${counted}`;
  const value = sli.value === null ? '' : ` (${percent(sli.value)}, objective ${percent(sli.objective)}`;
  const burn = sli.burnRate !== null && sli.bad > 0 ? `, burn ${plain(sli.burnRate)}x` : '';
  const warmUp = sli.warmUpMinutes === undefined ? '' : ` after ${plain(sli.warmUpMinutes)} min of warm-up`;
  return value === '' ? `${requests}${warmUp}` : `${requests}${value}${burn})${warmUp}`;
}

/** A list of statuses may be longer than the rest of the line. */
function shortened(text: string): string {
  return text.length <= maxFailureText ? text : `${text.slice(0, maxFailureText - 3)}...`;
}

const maxFailureText = 50;

function worst(sli: SliVerdict): string {
  const endpoint = sli.endpoints[0];
  if (endpoint === undefined || endpoint.bad === 0) return '';
  // If there is one endpoint only, it is the CUJ, unless others were left out.
  if (sli.endpoints.length < 2 && sli.unmetThreshold === undefined) return '';
  return `, worst ${endpoint.endpoint} ${plain(endpoint.bad)} of ${plain(endpoint.total)}`;
}

function unmet({ requests, latencyMs }: UnmetThreshold): string {
  return `none of ${plain(requests)} requests was within ${decimal(latencyMs)} ms`;
}

/** The threshold whose endpoints a fail leaves out, because no request of either side is within it. */
function leftOut({ unmetThreshold }: SliVerdict): string {
  return unmetThreshold === undefined ? '' : `; left out: ${unmet(unmetThreshold)}`;
}

/** A pass says nothing about an endpoint without requests. */
function missed(sli: SliVerdict): string {
  const { unreached = [] } = sli;
  const [first, ...others] = unreached;
  if (first === undefined) return unused(sli);
  const more = others.length === 0 ? '' : ` and of ${others.length} more`;
  const where = first.endpoint === '*' ? first.service : first.endpoint;
  return `, but none of about ${plain(first.predicted)} expected requests on ${where}${more}`;
}

/** Most likely its name is wrong: neither version had an event on it, so it was not judged. */
function unused(sli: SliVerdict): string {
  const [first, ...others] = unusedEndpoints(sli);
  if (first === undefined) return '';
  const more = others.length === 0 ? '' : ` and ${others.length} more`;
  return `; not judged: ${first.endpoint}${more}, without ${sliKinds[sli.sli].events} on either version`;
}

function unusedEndpoints({ endpoints }: SliVerdict): readonly EndpointVerdict[] {
  const unused = endpoints.filter((one) => one.total === 0 && one.stable.total === 0);
  return unused.length === endpoints.length ? [] : unused;
}

function stable(sli: SliVerdict): string {
  return sli.stable.total > 0
    ? `; stable ${plain(sli.stable.bad)} of ${plain(sli.stable.total)}`
    : '; stable has no traffic';
}

const sentences: Readonly<Partial<Record<Reason, (sli: SliVerdict, facts: SummaryFacts) => string>>> = {
  slo_violated: (sli, facts) =>
    `${counts(sli)}${worst(sli)}${stable(sli)}${leftOut(sli)}; ${grounds(sli, facts)}`,
  worse_than_stable: (sli, facts) =>
    `${counts(sli)}${worst(sli)}${stable(sli)}${leftOut(sli)}; ${grounds(sli, facts)}`,
  shared_cause: (sli) => `${counts(sli)}${worst(sli)}, but stable fails as well: ${failedOfStable(sli)}`,
  insufficient_traffic: (sli) =>
    `${counts(sli)}${worst(sli)}${sli.verdict === 'pass' ? missed(sli) : ''}${untilVerdict(sli)}`,
  within_noise: (sli, { policy: { rule, minFaultMs = defaultMinFaultMs } }) =>
    isEnough(sli, rules[rule])
      ? `${counts(sli)}${worst(sli)}, so far mostly within ${durationText(minFaultMs)}: fails if it lasts longer`
      : `${counts(sli)}${worst(sli)}, below the objective by no more than chance${untilVerdict(sli)}`,
  no_data: (sli) =>
    sliKinds[sli.sli].ofClient
      ? `the canary has requests, but none of its views and actions was counted on the client${stable(sli)}`
      : `the canary has requests, but no data for ${sli.sli}`,
  status_missing: ({ missingStatus }) => (missingStatus === undefined ? '' : unseen(missingStatus)),
  source_stale: (sli, { staleData }) =>
    `no data of canary and stable on ${staleData?.services.join(', ')} since ${staleData?.newest.slice(11, 16)} UTC: the newest is ${minutes(staleData?.ageSeconds ?? 0)} min old (${plain(sli.bad)} of ${plain(sli.total)} ${badWord(sli)} until then)`,
  threshold_unmet: ({ unmetThreshold }) =>
    unmetThreshold === undefined ? '' : `${unmet(unmetThreshold)}, canary and stable alike`,
  canary_indistinguishable: (sli, { indistinguishable, policy }) =>
    `${counts(sli)}, but ${
      indistinguishable === 'shared'
        ? 'the selectors of canary and stable match the same requests'
        : indistinguishable === 'swapped'
          ? 'stable began after the canary: check whether the two versions are swapped'
          : lacksConcurrentStable(sli, indistinguishable)
            ? `stable has no traffic in the same minutes, and the rule ${policy.rule} compares only those`
            : 'stable has no traffic: the selector of the canary matches both versions, or the rollout is over'
    }`,
  limited_evidence: (sli, facts) =>
    `${counts(sli)}${worst(sli)}${withoutMinutes(sli)}; rules out failure rates above ${boundText(sli.rulesOutRate)}${untilProven(sli, facts)}${unused(sli)}`,
  canary_restarting: (sli, { attempts = 0 }) =>
    `${counts(sli)}${worst(sli)}, but the canary went silent and came back ${plain(attempts - 1)} times: check its pods for crashes`,
  endpoint_unreached: (sli) => `${counts(sli)}${missed(sli)}: check its routes`,
  within_slo: (sli) => `${counts(sli)}${withoutMinutes(sli)}${missed(sli)}`,
  not_worse_than_stable: (sli) => `${counts(sli)}${stable(sli)}${missed(sli)}`,
};

/** What stable fails in a shared cause: of the CUJ, or of its services where only these show it. */
function failedOfStable({ stable, serviceIncident }: SliVerdict): string {
  return serviceIncident === undefined
    ? `${plain(stable.bad)} of ${plain(stable.total)}`
    : `${plain(serviceIncident.bad)} of ${plain(serviceIncident.total)} on all endpoints of the service in ${plain(serviceIncident.minutes)} min`;
}

/** What a pass leaves out. */
function withoutMinutes({ leftOutMinutes }: SliVerdict): string {
  return leftOutMinutes === undefined
    ? ''
    : `, without ${plain(leftOutMinutes)} min in which stable failed as well`;
}

function minutes(seconds: number): string {
  return plain(Math.round(seconds / 60));
}

/** Whether stable can be distinguished from the canary, but has no traffic in the same minutes. */
function lacksConcurrentStable(
  { stable }: SliVerdict,
  indistinguishable: Indistinguishable | undefined,
): boolean {
  return indistinguishable === undefined && stable.total > 0;
}

function unseen({ side, service, endpoint, requests, total, other, failure }: MissingStatus): string {
  const beside = side === 'canary' ? 'stable' : 'the canary';
  const where = endpoint === '*' ? service : endpoint;
  return `${plain(requests)} of ${plain(total)} requests of ${side === 'canary' ? 'the canary' : 'stable'} on ${where} carry no ${statusNameOf(failure)} (${beside}: ${plain(other.requests)} of ${plain(other.total)}), so a ${failure === undefined ? '5XX' : 'failure'} among them cannot be seen`;
}

/** Why the rule fails the canary. Where the counts decide, the evidence is often low. */
function grounds(sli: SliVerdict, { policy, ruleChanged }: SummaryFacts): string {
  const { decidesBy } = rules[policy.rule];
  if (decidesBy.evidence !== undefined) {
    return `${evidenceText(decidesBy.evidence(sli), sli.evidenceThreshold)}; aborts at 1 in ${plain(sli.evidenceThreshold)}`;
  }
  return `the rule ${policy.rule}${ruleChanged ? ', set by the error budget policy,' : ''} ${decidesBy.counts(policy)}`;
}

/** What evidence means, for people. */
export function evidenceText(
  { expected, value }: { expected: string; value: number },
  threshold: number,
): string {
  const rollouts = rolloutsOf(value, threshold);
  return rollouts < 2
    ? `consistent with ${expected}`
    : `${expected} does this in fewer than 1 of ${rollouts} rollouts`;
}

/** Whether the evidence is enough for a fail, and only the fault is too short so far. */
function isEnough(sli: SliVerdict, { decidesBy }: Rule): boolean {
  return decidesBy.evidence !== undefined && decidesBy.evidence(sli).value >= sli.evidenceThreshold;
}

/** How far a limited pass is from a proven one, and how long that takes at the traffic so far. */
function untilProven(
  { sli, total, requestsToVerdict }: SliVerdict,
  { minutesOfTraffic = 0 }: SummaryFacts,
): string {
  if (requestsToVerdict === null) return '';
  const minutes = Math.ceil((requestsToVerdict / total) * minutesOfTraffic);
  return `; proven after ${plain(requestsToVerdict)} more clean ${sliKinds[sli].events}${minutes > 0 ? ` (about ${plain(minutes)} min)` : ''}`;
}

function limitedPassText({ sli, limitedPass, requestsToVerdict }: SliVerdict): string {
  if (limitedPass === undefined || limitedPass.requests >= (requestsToVerdict ?? 0)) return '';
  const { requests, seconds } = limitedPass;
  const parts = [
    ...(requests > 0 ? [`${plain(requests)} clean ${sliKinds[sli].events}`] : []),
    ...(seconds > 0 ? [`${plain(Math.ceil(seconds / 60))} min`] : []),
  ];
  return ` or with limited evidence after ${parts.join(' and ')}`;
}

function untilVerdict(sli: SliVerdict): string {
  const pass =
    sli.requestsToVerdict === null
      ? ''
      : `${sli.verdict === 'pass' ? 'proven' : 'passes'} after ${plain(sli.requestsToVerdict)} more clean ${sliKinds[sli.sli].events}${limitedPassText(sli)}`;
  const fail = sli.failAtBadEvents === null ? '' : `fails at ${plain(sli.failAtBadEvents)} ${badWord(sli)}`;
  const open = [pass, fail].filter((text) => text !== '').join(', ');
  return open === '' ? '' : `; ${open}`;
}

const noDataSentences: Readonly<Record<NoDataCause, (facts: SummaryFacts, words: OwnWords) => string>> = {
  no_canary_traffic: (facts) =>
    `no request matches the canary ${facts.canary}, the rest of the service had ${plain(facts.traffic?.stable ?? 0)}: check the selector and the traffic routing`,
  canary_idle: (facts) =>
    `no request reaches the canary ${facts.canary}: all ${plain(facts.traffic?.stable ?? 0)} requests of the service match stable ${facts.stable}`,
  unknown_tag: (facts, { tag }) =>
    `no request matches the canary ${facts.canary}, but ${plain(facts.traffic?.unmatchedRecently ?? 0)} requests of the newest minutes match neither it nor stable ${facts.stable}: check the version ${tag}`,
  cuj_not_reached: (facts) =>
    `the canary ${facts.canary} had ${plain(facts.traffic?.canary ?? 0)} requests, none of them on this CUJ`,
  service_silent: (_, { foundBy }) => `the service had no request: check ${foundBy}`,
  canary_stopped: (facts) => `the canary ${facts.canary} had requests earlier, but none in the window`,
  warming_up: () => 'the canary warms up (warmUp in the registry), and is not judged yet',
  too_early: ({ sinceAheadSeconds }) =>
    sinceAheadSeconds === undefined
      ? 'the rollout began after the newest complete data: query again in one or two minutes'
      : `since is in the future, at least ${plain(sinceAheadSeconds)} s ahead of the clock of this gate: query again later, or compare the clocks`,
};

/** Where only the client is asked about. */
function isClientAlone({ slis }: SummaryFacts): boolean {
  return slis.length > 0 && slis.every(({ sli }) => sliKinds[sli].ofClient);
}

/** What differs for a client, whose events are counted by metrics that somebody has to make. */
const clientSentences: Readonly<Partial<Record<NoDataCause, (facts: SummaryFacts) => string>>> = {
  no_canary_traffic: (facts) =>
    `no view or action on the client matches the canary ${facts.canary}, all others had ${plain(facts.traffic?.stable ?? 0)}`,
  canary_idle: (facts) =>
    `no view or action on the client matches the canary ${facts.canary}: all ${plain(facts.traffic?.stable ?? 0)} match stable ${facts.stable}`,
  service_silent: () => 'no view or action of the client was counted: its metrics have no data',
};

function body(facts: SummaryFacts, words: OwnWords): string {
  if (facts.message !== undefined) return facts.message;
  if (facts.noDataCause !== undefined) {
    const client = isClientAlone(facts) ? clientSentences[facts.noDataCause] : undefined;
    return (client ?? noDataSentences[facts.noDataCause])(facts, words);
  }
  const shown = facts.verdict === 'pass' ? facts.slis : facts.slis.slice(0, 1);
  return shown.map((sli) => (sentences[sli.reason] ?? counts)(sli, facts)).join('; ');
}

/** The summary of one CUJ's verdict. `suppressed`: the mode is observe, so the verdict is a remark after a PASS. */
export function summarize(
  facts: SummaryFacts,
  suppressed: boolean,
  spoken: BackendWords = anyBackend,
): string {
  const verdict = suppressed
    ? `PASS ${facts.cuj} (observe_only, would be ${words[facts.verdict]} ${facts.reason})`
    : `${words[facts.verdict]} ${facts.cuj} (${facts.reason})`;
  return summaryText(`${verdict}: ${body(facts, allWords(spoken))}`);
}

/** Words for a backend that is not named. */
export const anyBackend: BackendWords = {
  backend: 'the metrics backend',
  versionTag: 'the version',
  addressSetting: 'the address of the backend',
};

/** The parameters that a caller gives: those of the canary's selectors, and those that only stable's have. */
export interface SelectorParams {
  readonly canary: readonly string[];
  readonly stable: readonly string[];
}

/** What a hint may speak of. */
interface HintFacts extends Omit<BackendWords, 'words'>, OwnWords {
  readonly canary: string;
  readonly stable: string;
  /** Undefined where it is not known what the caller chooses. */
  readonly params: SelectorParams | undefined;
}

type HintOf = (facts: HintFacts) => string;

/**
 * The mistake of a template that passes another version than that of the new pods, as far as the caller chooses one: for
 * `role:canary` there is none.
 */
function otherVersion({ params, versionTag }: HintFacts): string {
  if (params?.canary.length === 0) return '';
  return ` If the template passes a label of the Rollout itself, the pods must report the same (${versionTag}): cuj-gate lint rollout compares them.`;
}

/** The canary that was asked about is the version before. */
function swappedHint(facts: HintFacts): string {
  const { canary, stable, params, versionTag, tags } = facts;
  if (params?.canary.length === 0) {
    return `The pods behind ${canary} are those of the version before: check which pods have these ${tags}.`;
  }
  if (stable !== restWords && params?.stable.length !== 0) {
    const names = params === undefined ? '' : ` (${[...params.canary, ...params.stable].join(', ')})`;
    return `Swap the two in the template${names}: ${canary} is the version before, ${stable} the new one.`;
  }
  return `${canary} is the version before: the template must pass that of the new pods (${versionTag}). If it passes a label of the Rollout itself, change that with every change of the pods: cuj-gate lint rollout compares them.`;
}

const noDataHints: Readonly<Record<NoDataCause, string | HintOf>> = {
  no_canary_traffic: (facts) =>
    `Compare the ${facts.tags} of the new pods' ${facts.tagged} in ${facts.backend} with ${facts.canary}.${otherVersion(facts)}`,
  canary_idle:
    'Check the traffic routing: the weight of the canary in the VirtualService, its Service and its pods.',
  unknown_tag: (facts) =>
    `Compare the ${facts.tags} of the service's ${facts.tagged} in ${facts.backend} with ${facts.canary} and ${facts.stable}.${otherVersion(facts) || ` cuj-gate doctor tells whether the metrics have such a ${facts.tag}.`}`,
  cuj_not_reached:
    'Wait for traffic on this CUJ, raise the canary weight, or check the endpoints with cuj-gate doctor.',
  service_silent: ({ foundBy }) => `Check ${foundBy} in the registry with cuj-gate doctor.`,
  canary_stopped: 'Check that the canary still receives traffic, or pass the start of the rollout as since.',
  warming_up: 'Wait: it is judged when the warm-up is over.',
  too_early: "Data is complete only after the registry's lag: wait for the next measurement.",
};

const hints: Readonly<Partial<Record<Reason, string | HintOf>>> = {
  within_slo: 'Nothing to do.',
  not_worse_than_stable: 'Nothing to do.',
  slo_violated: 'Abort or roll back. Start with the worst endpoint and the runbook.',
  worse_than_stable:
    'Abort or roll back. Stable does better in the same minutes, so start with what the release changes.',
  shared_cause:
    'Look for a cause outside the release, such as a dependency. An abort would not fix it. If the service is always like this, lower its objective, or judge it by comparison with stable.',
  within_noise: 'Wait: more time and traffic distinguish a violation from chance and from a blip.',
  no_data: "Check this SLI's metric and thresholds with cuj-gate doctor.",
  limited_evidence:
    'Continue the rollout, and keep the background analysis running: the traffic is too low to rule out more in this time.',
  canary_restarting:
    "Look at the restarts of the canary's pods. If the rollout was only retried under the same version, pass its start as since.",
  endpoint_unreached:
    'Check the routes of the new version, and that requests reach it. If it no longer has this endpoint, remove it from the registry; if clients reach it in another way, set onUnreached: pass.',
  insufficient_traffic:
    'Wait, or raise the canary weight. requestsToVerdict is the number of requests needed.',
  status_missing: ({ statusFix }) => statusFix,
  source_stale: ({ dataFrom }) =>
    `Wait: the gate judges again as soon as data arrives. Check ${dataFrom}. If the services get no requests any more, wait until they do.`,
  threshold_unmet:
    'Correct latencyMs in the registry: it is in milliseconds. If it is right, look for a cause outside the release.',
  canary_indistinguishable: ({ backend, versionTag, tag }) =>
    `Make canary and stable differ in a ${tag} that ${backend} stores: for example, set ${versionTag} to the pod template hash.`,
};

const missingClientMetrics: HintOf = ({ backend }) =>
  `Apply the output of cuj-gate generate terraform: it makes the metrics of this client in ${backend}, which count from then on. If that is done, check the application and the names of views and actions with cuj-gate doctor.`;

const otherClientVersion: HintOf = ({ canary }) =>
  `Compare the version that the client reports (version of its RUM SDK) with ${canary}. If this rollout does not change the client, ask with service=NAME, the service that it releases.`;

const clientHints: Readonly<Partial<Record<NoDataCause, HintOf>>> = {
  no_canary_traffic: otherClientVersion,
  canary_idle: otherClientVersion,
  unknown_tag: otherClientVersion,
  service_silent: missingClientMetrics,
};

/** What to check or do next. `suppressed`: the mode is observe, so the rollout is not aborted. */
export function hintFor(
  facts: SummaryFacts,
  suppressed: boolean,
  words: BackendWords = anyBackend,
  params?: SelectorParams,
): string {
  const { canary, stable } = facts;
  const { words: _, ...named } = words;
  const spokenOf: HintFacts = { ...named, ...allWords(words), canary, stable, params };
  if (suppressed && facts.verdict === 'fail') return 'Nothing now. Set mode: enforce once you trust the CUJ.';
  const [worst] = facts.slis;
  if (facts.noDataCause !== undefined) {
    const client = isClientAlone(facts) ? clientHints[facts.noDataCause] : undefined;
    return hintText(client ?? noDataHints[facts.noDataCause], spokenOf);
  }
  if (facts.reason === 'no_data' && worst !== undefined && sliKinds[worst.sli].ofClient)
    return hintText(worst.stable.total > 0 ? otherClientVersion : missingClientMetrics, spokenOf);
  if (
    facts.reason === 'canary_indistinguishable' &&
    worst &&
    lacksConcurrentStable(worst, facts.indistinguishable)
  )
    return 'Query while stable still has traffic, or choose a rule for this CUJ that does not compare with stable.';
  if (facts.reason === 'canary_indistinguishable' && facts.indistinguishable === 'swapped') {
    return swappedHint(spokenOf);
  }
  if (facts.reason === 'within_slo' && facts.slis.some((sli) => unusedEndpoints(sli).length > 0))
    return 'Check the names of the endpoints that are not judged with cuj-gate doctor.';
  if (facts.reason === 'within_noise' && worst && isStableBelow(worst, facts.policy)) return belowHint;
  return hintText(hints[facts.reason] ?? '', spokenOf);
}

const belowHint =
  'Stable does not meet the objective either, so the release is most likely not the cause. If the service is always like this, lower its objective, or judge it by comparison with stable (rule: baseline).';

/** Whether stable demonstrably fails the objective. */
function isStableBelow({ stable }: SliVerdict, { falseAbort }: GatePolicy): boolean {
  return stable.evidence >= 1 / falseAbort;
}

function hintText(hint: string | HintOf, facts: HintFacts): string {
  return typeof hint === 'string' ? hint : hint(facts);
}
