import { durationText } from '../../domain/duration.ts';
import type { Verdict } from '../../domain/judge/judge.ts';
import type { SliVerdict } from '../../domain/judge/judge-sli.ts';
import { plain, rolloutsOf } from '../../domain/judge/number-text.ts';
import type { Outcome, Reason } from '../../domain/judge/outcome.ts';
import { rules } from '../../domain/judge/rules/table.ts';
import { defaultMinFaultMs, type GatePolicy } from '../../domain/registry/model.ts';
import { sliKinds } from '../../domain/sli/table.ts';

/** Sentences for people who look at a page. The summary of a verdict says the same for a terminal. */

export const outcomeWords: Readonly<Record<Outcome, string>> = {
  pass: 'PASS',
  fail: 'FAIL',
  inconclusive: 'INCONCLUSIVE',
};

const english = new Intl.NumberFormat('en-US', { maximumFractionDigits: 2 });

/** `1,234,567`; below 100 with one decimal where there is one. */
export function grouped(value: number): string {
  return english.format(Number(plain(value)));
}

/** A ratio as percent, with as many digits as its size asks for: `2.4%`, `0.05%`. */
export function ratioText(ratio: number): string {
  const value = ratio * 100;
  if (value === 0) return '0%';
  if (value >= 10) return `${Math.round(value * 10) / 10}%`;
  return `${Number(value.toPrecision(2))}%`;
}

/** An objective with all its digits: `99.95%`. */
export function objectiveText(ratio: number): string {
  return `${Number((ratio * 100).toPrecision(8))}%`;
}

/** The share of good requests with the objective's digits, two at least. It is rounded down, so that a missed objective never looks met. */
export function valueText(value: number, objective: number): string {
  const digits = Math.max(2, objectiveText(objective).split('.')[1]?.length ?? 0);
  const scale = 10 ** digits;
  return `${Math.floor(value * 100 * scale + 1e-6) / scale}%`;
}

/** `12:04:20`, UTC. */
export function clockText(ms: number): string {
  return new Date(ms).toISOString().slice(11, 19);
}

/** `2026-11-24`. */
export function dayText(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

/** `2026-11-24 12:04 UTC`. */
export function momentText(ms: number): string {
  const text = new Date(ms).toISOString();
  return `${text.slice(0, 10)} ${text.slice(11, 16)} UTC`;
}

/** `40 s`, `4 min`, `2 h 10 min`. */
export function spanText(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 100) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return minutes % 60 === 0 || hours >= 24 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
}

function counted({ sli, bad, total, failure }: SliVerdict): string {
  const { events, badVerb } = sliKinds[sli];
  return `${grouped(bad)} of ${grouped(total)} ${events} ${badVerb}${failure === undefined ? '' : ` by ${failure}`}`;
}

/** How unlikely it is without a fault, and when the gate aborts. */
export function surenessText(sli: SliVerdict, policy: GatePolicy): string {
  const { decidesBy } = rules[policy.rule];
  if (decidesBy.evidence === undefined) return `The rule ${policy.rule} ${decidesBy.counts(policy)}.`;
  const { expected, value } = decidesBy.evidence(sli);
  const rollouts = rolloutsOf(value, sli.evidenceThreshold);
  const checks = Math.round(sli.evidenceThreshold * policy.falseAbort);
  const shared =
    checks > 1
      ? ` (1 in ${grouped(1 / policy.falseAbort)} for ${checks === 2 ? 'both' : `all ${checks}`} checks together)`
      : '';
  const aborts = `we abort at 1 in ${grouped(sli.evidenceThreshold)}${shared}`;
  const who =
    expected === 'a service meeting its SLO'
      ? `A service meeting its ${objectiveText(sli.objective)} SLO`
      : `${expected.charAt(0).toUpperCase()}${expected.slice(1)}`;
  return rollouts < 2
    ? `That is usual for ${expected === 'a service meeting its SLO' ? `a service meeting its ${objectiveText(sli.objective)} SLO` : expected}; ${aborts}.`
    : `${who} does this in fewer than 1 of ${grouped(rollouts)} rollouts; ${aborts}.`;
}

function ruledOut({ rulesOutRate }: SliVerdict): string {
  return `Failure rates above ${ratioText(rulesOutRate)} are ruled out.`;
}

/** The endpoint that stands out, where there are others. */
export function worstText({ endpoints, sli }: SliVerdict): string | undefined {
  const [worst, ...others] = endpoints;
  if (worst === undefined || worst.bad === 0 || others.length === 0) return undefined;
  return `Worst: ${worst.endpoint}, ${grouped(worst.bad)} of ${grouped(worst.total)} ${sliKinds[sli].badVerb}.`;
}

/** What is still missing for a pass. `perMinute`: the canary's requests, where they are known. */
export function aheadText(
  { sli, requestsToVerdict, limitedPass }: SliVerdict,
  perMinute?: number,
): string | undefined {
  if (requestsToVerdict === null || requestsToVerdict === 0) return undefined;
  const takesMs =
    perMinute === undefined || perMinute <= 0 ? undefined : (60_000 * requestsToVerdict) / perMinute;
  const { events } = sliKinds[sli];
  const proven = `${grouped(requestsToVerdict)} more clean ${events}${takesMs === undefined ? '' : ` (about ${spanText(takesMs)} at this traffic)`}`;
  if (limitedPass === undefined) return `A pass needs ${proven}.`;
  const parts = [
    ...(limitedPass.requests > 0 ? [`${grouped(limitedPass.requests)} clean ${events}`] : []),
    ...(limitedPass.seconds > 0 ? [spanText(limitedPass.seconds * 1000)] : []),
  ];
  return parts.length === 0
    ? `A proven pass needs ${proven}.`
    : `A proven pass needs ${proven}. A weaker one, with limited evidence, needs ${parts.join(' and ')} without failures.`;
}

/** The canary's requests in a minute of the window. */
export function perMinute({ total }: SliVerdict, { window }: Verdict): number | undefined {
  return window === undefined || window.seconds <= 0 ? undefined : (60 * total) / window.seconds;
}

/** A summary without the numbers in brackets and what comes behind the first clause: for lists. */
export function shortReason(of: Pick<Verdict, 'summary'>): string {
  const [first = ''] = afterReason(of).split(';');
  return `${first.replace(/ \([^()]{0,200}\)/, '').replace(/\.$/, '')}.`;
}

/** What stable is, for people. */
export function stableText(stable: string): string {
  return stable === 'the rest' ? 'all other versions' : stable;
}

/** The share of an error budget that is left, with one decimal, rounded down, as the report has it. */
export function shareText(ratio: number): string {
  return `${Math.floor(ratio * 1000 + 1e-9) / 10}%`;
}

type Sentence = (verdict: Verdict, sli: SliVerdict | undefined, policy: GatePolicy) => string;

/** A sentence about the worst SLI; without one, the summary's. */
function of(say: (sli: SliVerdict, policy: GatePolicy, verdict: Verdict) => string): Sentence {
  return (verdict, sli, policy) => (sli === undefined ? afterReason(verdict) : say(sli, policy, verdict));
}

/** The part of a summary behind `FAIL signup (slo_violated): `. */
export function afterReason({ summary }: Pick<Verdict, 'summary'>): string {
  const at = summary.indexOf('): ');
  return at < 0 ? summary : `${summary.charAt(at + 3).toUpperCase()}${summary.slice(at + 4)}.`;
}

const bySource: Sentence = (verdict) => `The gate has no data to judge by. ${afterReason(verdict)}`;

/** What happened, for someone who has never seen the gate. */
/** What stable fails in a shared cause: of the CUJ, or of its services where only these show it. */
function failedOfStable({ stable, serviceIncident }: SliVerdict): string {
  return serviceIncident === undefined
    ? `${grouped(stable.bad)} of ${grouped(stable.total)}`
    : `${grouped(serviceIncident.bad)} of ${grouped(serviceIncident.total)} on all endpoints of the service, in ${grouped(serviceIncident.minutes)} min`;
}

const sentences: Readonly<Record<Reason, Sentence>> = {
  slo_violated: of((sli, policy) => `${counted(sli)} on the canary. ${surenessText(sli, policy)}`),
  worse_than_stable: of(
    (sli, policy) =>
      `${counted(sli)} on the canary; on stable, ${grouped(sli.stable.bad)} of ${grouped(sli.stable.total)}. ${surenessText(sli, policy)}`,
  ),
  within_slo: of((sli) => `${counted(sli)} on the canary: within the SLO. ${ruledOut(sli)}`),
  not_worse_than_stable: of(
    (sli) =>
      `${counted(sli)} on the canary; on stable, ${grouped(sli.stable.bad)} of ${grouped(sli.stable.total)}. The canary is not worse. ${ruledOut(sli)}`,
  ),
  limited_evidence: of(
    (sli) =>
      `${counted(sli)} on the canary. That is less than proof, and all that the traffic allows in this time. ${ruledOut(sli)}`,
  ),
  insufficient_traffic: of(
    (sli, _, verdict) =>
      `${counted(sli)} on the canary: too few to tell. ${aheadText(sli, perMinute(sli, verdict)) ?? ''}`,
  ),
  within_noise: of((sli, { minFaultMs = defaultMinFaultMs }, verdict) =>
    sli.sustainedEvidence === undefined
      ? `${counted(sli)} on the canary: below the SLO, but by no more than chance. ${aheadText(sli, perMinute(sli, verdict)) ?? ''}`
      : `${counted(sli)} on the canary, nearly all within ${durationText(minFaultMs)}. If they go on, the verdict becomes a fail; if not, it was a blip.`,
  ),
  no_data: (verdict) =>
    isUnknownCanary(verdict)
      ? `No request carries ${verdict.canary}. Either no traffic reaches the canary yet, or the version is written differently.`
      : afterReason(verdict),
  shared_cause: of(
    (sli) =>
      `${counted(sli)} on the canary, but stable fails as well: ${failedOfStable(sli)}. The cause is probably not this release.`,
  ),
  canary_indistinguishable: (verdict) => afterReason(verdict),
  canary_restarting: (verdict) => afterReason(verdict),
  endpoint_unreached: (verdict) => afterReason(verdict),
  status_missing: (verdict) => afterReason(verdict),
  threshold_unmet: (verdict) => afterReason(verdict),
  source_stale: (verdict) => afterReason(verdict),
  clock_skew: (verdict) => afterReason(verdict),
  observe_only: (verdict, sli, policy) =>
    `This CUJ only reports, so it passes. It would be ${outcomeWords[verdict.wouldBe?.verdict ?? 'pass']}: ${
      verdict.wouldBe === undefined ? '' : sentences[verdict.wouldBe.reason](verdict, sli, policy)
    }`,
  no_enforced_cujs: (verdict) => afterReason(verdict),
  retired: (verdict) => `This CUJ is retired, and is no longer judged. ${afterReason(verdict)}`,
  source_unavailable: bySource,
  source_rate_limited: bySource,
  source_timeout: bySource,
  source_rejected: bySource,
  source_malformed: bySource,
  gate_overloaded: bySource,
  auth_unavailable: bySource,
};

export function sentenceOf(verdict: Verdict, policy: GatePolicy): string {
  return sentences[verdict.reason](verdict, verdict.slis[0], policy).trim();
}

/** Whether no request carries the canary's version: commands about its rollout would reach another one. */
export function isUnknownCanary({ noDataCause }: Pick<Verdict, 'noDataCause'>): boolean {
  return noDataCause === 'no_canary_traffic' || noDataCause === 'unknown_tag';
}
