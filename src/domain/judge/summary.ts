import { oneLine } from '../outside-text.ts';
import type { RuleName } from '../registry/rules.ts';
import type { BackendWords } from '../registry/source-dialect.ts';
import { sliKinds } from '../sli/table.ts';
import type { Indistinguishable, NoDataCause } from './analysis-window.ts';
import type { MissingStatus, UnmetThreshold } from './data-quality.ts';
import type { SliVerdict } from './judge-sli.ts';
import { decimal, evidence, percent, plain } from './number-text.ts';
import type { Outcome, Reason, Traffic, VerdictStaleData } from './outcome.ts';
import { rules } from './rules/table.ts';

/**
 * The one-line summary: what kubectl, the Rollouts dashboard and a person at a terminal see. Verdict first, at most 300
 * characters, without `< > &` (which Argo would store escaped), without exponents.
 */

export interface SummaryFacts {
  readonly verdict: Outcome;
  readonly reason: Reason;
  readonly rule: RuleName;
  /** Whether the error budget policy replaced the registry's rule by this one. */
  readonly ruleChanged: boolean;
  readonly cuj: string;
  readonly canary: string;
  readonly stable: string;
  readonly slis: readonly SliVerdict[];
  readonly noDataCause?: NoDataCause;
  readonly staleData?: VerdictStaleData;
  /** Set where `since` lies ahead of the gate's clock by so many seconds. */
  readonly sinceAheadSeconds?: number;
  readonly indistinguishable?: Indistinguishable;
  readonly traffic?: Traffic;
  /** Why the source could not be asked, where there is no SLI. */
  readonly message?: string;
}

export const summaryLimit = 300;

const words: Readonly<Record<Outcome, string>> = { pass: 'PASS', fail: 'FAIL', inconclusive: 'INCONCLUSIVE' };

/** Makes any text fit for a summary: one line, printable, without the characters that Argo escapes, at most 300 long. */
export function summaryText(text: string): string {
  const safe = (isPlain(text) ? text : escaped(text)).trim();
  if (safe.length <= summaryLimit) return safe;
  // A character outside the first plane is two units: never cut between them.
  return `${safe.slice(0, summaryLimit - 3).replace(/[\ud800-\udbff]$/, '')}...`;
}

/** Nearly every summary is ASCII that needs no change, and this check is much faster than Unicode's classes. */
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
  const requests = `${plain(sli.bad)} of ${plain(sli.total)} requests ${badWord(sli)}`;
  const value = sli.value === null ? '' : ` (${percent(sli.value)}, objective ${percent(sli.objective)}`;
  const burn = sli.burnRate !== null && sli.bad > 0 ? `, burn ${plain(sli.burnRate)}x` : '';
  return value === '' ? requests : `${requests}${value}${burn})`;
}

function worst(sli: SliVerdict): string {
  const endpoint = sli.endpoints[0];
  if (endpoint === undefined || endpoint.bad === 0) return '';
  // If there is one endpoint only, it is the CUJ, unless others were left out.
  if (sli.endpoints.length < 2 && sli.unmetThreshold === undefined) return '';
  return `, worst ${endpoint.endpoint} ${plain(endpoint.bad)} of ${plain(endpoint.total)}`;
}

function unmet({ requests, latencyMs }: UnmetThreshold): string {
  return `not one of ${plain(requests)} requests was within ${decimal(latencyMs)} ms`;
}

/** What a fail does not include: endpoints whose threshold is unmet. */
function leftOut({ unmetThreshold }: SliVerdict): string {
  return unmetThreshold === undefined ? '' : `; left out: ${unmet(unmetThreshold)}`;
}

/** A pass says nothing about an endpoint without requests. */
function missed({ unreached = [] }: SliVerdict): string {
  const [first, ...others] = unreached;
  if (first === undefined) return '';
  const more = others.length === 0 ? '' : ` and of ${others.length} more`;
  const where = first.endpoint === '*' ? first.service : first.endpoint;
  return `, but none of some ${plain(first.predicted)} expected on ${where}${more}`;
}

function stable(sli: SliVerdict): string {
  return sli.stable.total > 0
    ? `; stable ${plain(sli.stable.bad)} of ${plain(sli.stable.total)}`
    : '; stable has no traffic';
}

const sentences: Readonly<Partial<Record<Reason, (sli: SliVerdict, facts: SummaryFacts) => string>>> = {
  slo_violated: (sli, facts) =>
    `${counts(sli)}${worst(sli)}${stable(sli)}; ${grounds(sli, facts)}${leftOut(sli)}`,
  worse_than_stable: (sli) =>
    `${counts(sli)}${worst(sli)}${stable(sli)}; share evidence ${evidence(sli.shareEvidence)}${leftOut(sli)}`,
  shared_cause: (sli) =>
    `${counts(sli)}${worst(sli)}, but stable fails as well: ${plain(sli.stable.bad)} of ${plain(sli.stable.total)}`,
  insufficient_traffic: (sli) =>
    `${counts(sli)}${worst(sli)}${sli.verdict === 'pass' ? missed(sli) : ''}${untilVerdict(sli)}`,
  within_noise: (sli, { rule }) =>
    isEnough(sli, rule)
      ? `${counts(sli)}${worst(sli)}, ${rules[rule].oneMinuteText}: fails as soon as a second minute has any`
      : `${counts(sli)}${worst(sli)}, below the objective by no more than chance${untilVerdict(sli)}`,
  no_data: (sli) => `nothing was measured for ${sli.sli}, though requests were`,
  status_missing: ({ missingStatus }) => (missingStatus === undefined ? '' : unseen(missingStatus)),
  source_stale: (sli, { staleData }) =>
    `no request of anybody on ${staleData?.services.join(', ')} since ${staleData?.newest.slice(11, 16)} UTC, canary and stable alike: the data has stopped and is ${minutes(staleData?.ageSeconds ?? 0)} min old (${plain(sli.bad)} of ${plain(sli.total)} ${badWord(sli)} until then)`,
  threshold_unmet: ({ unmetThreshold }) =>
    unmetThreshold === undefined ? '' : `${unmet(unmetThreshold)}, neither of the canary nor of stable`,
  canary_indistinguishable: (sli, { indistinguishable }) =>
    `${counts(sli)}, but ${
      indistinguishable === 'shared'
        ? 'the selectors of canary and stable match the same requests'
        : indistinguishable === 'swapped'
          ? 'stable came later than the canary: are the two versions swapped?'
          : isLeftAlone(sli, indistinguishable)
            ? 'stable has no traffic in the same minutes, and the rule baseline compares with nothing else'
            : "no traffic is stable's: the selector seems to match both sides, or the rollout is long over"
    }`,
  within_slo: (sli) => `${counts(sli)}${missed(sli)}`,
  not_worse_than_stable: (sli) => `${counts(sli)}${stable(sli)}${missed(sli)}`,
};

function minutes(seconds: number): string {
  return plain(Math.round(seconds / 60));
}

/** Whether stable can be told from the canary, but has no traffic beside it. */
function isLeftAlone({ stable }: SliVerdict, indistinguishable: Indistinguishable | undefined): boolean {
  return indistinguishable === undefined && stable.total > 0;
}

function unseen({ side, service, endpoint, requests, total, other }: MissingStatus): string {
  const beside = side === 'canary' ? 'stable' : 'the canary';
  const where = endpoint === '*' ? service : endpoint;
  return `${plain(requests)} of ${plain(total)} requests of ${side === 'canary' ? 'the canary' : 'stable'} on ${where} carry no http.status_code (${beside}: ${plain(other.requests)} of ${plain(other.total)}), so a 5XX among them cannot be seen`;
}

/** What proves a violation. Under `strict` evidence decides nothing, and is often very low. */
function grounds(sli: SliVerdict, { rule, ruleChanged }: SummaryFacts): string {
  const decisive = rules[rule].decidesBy?.(sli);
  if (decisive !== undefined) {
    return `${decisive.name} ${evidence(decisive.value)}, fails at ${plain(sli.evidenceThreshold)}`;
  }
  return `the rule strict${ruleChanged ? ', due by the error budget policy,' : ''} fails below the objective`;
}

/** Whether the evidence would fail it, and only a second bad minute is missing. */
function isEnough(sli: SliVerdict, rule: RuleName): boolean {
  return (rules[rule].decidesBy?.(sli).value ?? sli.evidence) >= sli.evidenceThreshold;
}

function untilVerdict(sli: SliVerdict): string {
  const pass =
    sli.requestsToVerdict === null
      ? ''
      : `${sli.verdict === 'pass' ? 'proven' : 'passes'} after ${plain(sli.requestsToVerdict)} clean requests more`;
  const fail = sli.failAtBadEvents === null ? '' : `fails at ${plain(sli.failAtBadEvents)} ${badWord(sli)}`;
  const open = [pass, fail].filter((text) => text !== '').join(', ');
  return open === '' ? '' : `; ${open}`;
}

const noDataSentences: Readonly<Record<NoDataCause, (facts: SummaryFacts) => string>> = {
  no_canary_traffic: (facts) =>
    `no request matches the canary ${facts.canary}, while the rest of the service had ${plain(facts.traffic?.stable ?? 0)}: wrong selector, or nothing sent to it?`,
  canary_idle: (facts) =>
    `no request reaches the canary ${facts.canary}: all ${plain(facts.traffic?.stable ?? 0)} of the service are those of stable ${facts.stable}`,
  unknown_tag: (facts) =>
    `no request matches the canary ${facts.canary}, but ${plain(facts.traffic?.unmatchedRecently ?? 0)} requests of the newest minutes are neither its nor those of stable ${facts.stable}: wrong version tag?`,
  cuj_not_reached: (facts) =>
    `the canary ${facts.canary} had ${plain(facts.traffic?.canary ?? 0)} requests, none of them on this CUJ`,
  service_silent: () => 'the service had no request at all: wrong env, service or operation?',
  canary_stopped: (facts) => `the canary ${facts.canary} had requests before, but none in the window`,
  too_early: ({ sinceAheadSeconds }) =>
    sinceAheadSeconds === undefined
      ? 'the rollout began after the newest complete minute: ask again in a minute or two'
      : `the rollout begins in the future (since), at least ${plain(sinceAheadSeconds)} s ahead of this gate's clock: ask again then, or compare the clocks`,
};

function body(facts: SummaryFacts): string {
  if (facts.message !== undefined) return facts.message;
  if (facts.noDataCause !== undefined) return noDataSentences[facts.noDataCause](facts);
  const shown = facts.verdict === 'pass' ? facts.slis : facts.slis.slice(0, 1);
  return shown.map((sli) => (sentences[sli.reason] ?? counts)(sli, facts)).join('; ');
}

/** The summary of one CUJ's verdict. `suppressed`: the CUJ is report-only, so it passes, and the
 * summary says what it would be. */
export function summarize(facts: SummaryFacts, suppressed: boolean): string {
  const verdict = suppressed
    ? `PASS ${facts.cuj} (observe_only, would be ${words[facts.verdict]} ${facts.reason})`
    : `${words[facts.verdict]} ${facts.cuj} (${facts.reason})`;
  return summaryText(`${verdict}: ${body(facts)}`);
}

/** Words for a backend that is not named. */
export const anyBackend: BackendWords = {
  backend: 'the metrics backend',
  versionTag: 'the version',
  addressSetting: 'the address of the backend',
};

type HintOf = (words: BackendWords) => string;

const noDataHints: Readonly<Record<NoDataCause, string | HintOf>> = {
  no_canary_traffic: ({ backend, versionTag }) =>
    `Compare the canary's tags in ${backend} with the selector: ${versionTag} of the new pods.`,
  canary_idle:
    'Look at what routes the traffic: the weight of the canary in the VirtualService, its Service and its pods.',
  unknown_tag: ({ backend, versionTag }) =>
    `Compare the tags of the service's requests in ${backend} with both selectors: ${versionTag} of the pods.`,
  cuj_not_reached:
    'Wait for members to take this CUJ, raise the canary weight, or check the endpoints with cuj-gate doctor.',
  service_silent: 'Check env, service name and operation in the registry with cuj-gate doctor.',
  canary_stopped:
    'Check that the canary still receives traffic, or pass since= with the begin of the rollout.',
  too_early: "Data is complete only after the registry's lag; the next measurement will see more.",
};

const hints: Readonly<Partial<Record<Reason, string | HintOf>>> = {
  within_slo: 'Nothing to do.',
  not_worse_than_stable: 'Nothing to do.',
  slo_violated: 'Abort or roll back; start with the worst endpoint and the runbook.',
  worse_than_stable: 'Abort or roll back; the canary has far more than its share of the bad events.',
  shared_cause: 'Look for a cause outside the release, such as a dependency: aborting would not fix it.',
  within_noise: 'Wait: more traffic will tell a violation from chance.',
  no_data: "Check this SLI's metric and thresholds with cuj-gate doctor.",
  insufficient_traffic:
    'Wait, or raise the canary weight; requestsToVerdict says how many requests it takes.',
  status_missing:
    'If only the new version lost it, hold the release and fix its tracer. If no version has it (gRPC), give the service a source of its own.',
  source_stale: ({ backend }) =>
    `Wait: the gate judges again as soon as data comes in. Look at ${backend}'s status page and at the agents of these services. If nobody sends requests any more, wait until somebody does.`,
  threshold_unmet:
    'Correct latencyMs in the registry: it is in milliseconds. If it is right, look for a cause outside the release.',
  canary_indistinguishable: ({ backend, versionTag }) =>
    `Let canary and stable differ in a tag that ${backend} stores, for example ${versionTag}, set to the pod template hash.`,
};

/** What to look at or to do. `suppressed`: the CUJ is report-only, so a fail aborts nothing. */
export function hintFor(facts: SummaryFacts, suppressed: boolean, words = anyBackend): string {
  if (suppressed && facts.verdict === 'fail') return 'Nothing now; set mode: enforce once it is trusted.';
  if (facts.noDataCause !== undefined) return hintText(noDataHints[facts.noDataCause], words);
  const [worst] = facts.slis;
  if (facts.reason === 'canary_indistinguishable' && worst && isLeftAlone(worst, facts.indistinguishable))
    return 'Ask while stable still has a part of the traffic, or judge this CUJ by the rule confidence.';
  if (facts.reason === 'canary_indistinguishable' && facts.indistinguishable === 'swapped') {
    return "Swap the two in the template: the canary's parameter (version) takes the new version, stable's (stable_version) the old one.";
  }
  return hintText(hints[facts.reason] ?? '', words);
}

function hintText(hint: string | HintOf, words: BackendWords): string {
  return typeof hint === 'string' ? hint : hint(words);
}
