import { bucketMs, type Measurement } from '../metrics/metrics-source.ts';
import { joinedWords } from '../registry/backend-words.ts';
import { type Cuj, type GatePolicy, isReleasedWith, servicesReleasedWith } from '../registry/model.ts';
import { allWords } from '../registry/own-words.ts';
import type { RuleName } from '../registry/rules.ts';
import type { BackendWords } from '../registry/source-dialect.ts';
import { countsEndpoint } from '../sli/kind.ts';
import { type SliName, sliKinds, sliNames } from '../sli/table.ts';
import {
  isWarmingUp,
  type JudgedWindow,
  judgedWindow,
  type NoDataCause,
  noDataCauseOf,
  type WindowStart,
  windowOfClient,
  withoutWarmUp,
} from './analysis-window.ts';
import { isClockSkewed } from './clock-skew.ts';
import { type StaleData, staleDataOf } from './freshness.ts';
import { judgeSli, type SliVerdict } from './judge-sli.ts';
import {
  compareJudged,
  type Judged,
  type Outcome,
  type Reason,
  type Traffic,
  type VerdictStaleData,
} from './outcome.ts';
import { roundCount } from './rounding.ts';
import { serviceIncident } from './service-incident.ts';
import { type SilentBackend, silentBackendOf } from './silent-backends.ts';
import type { SliQuestion } from './sli-evidence.ts';
import { anyBackend, hintFor, type SelectorParams, type SummaryFacts, summarize } from './summary.ts';
import { unclassifiedIn, withUnclassifiedBad } from './unclassified.ts';

export interface VerdictWindow {
  /** RFC 3339, inclusive. */
  readonly from: string;
  /** RFC 3339, exclusive: the newest complete data's end. */
  readonly to: string;
  readonly seconds: number;
  /** Why the window starts where it does. */
  readonly start: WindowStart;
  /** Seconds after `to` that are left out, because counts of canary or stable have not arrived; absent where none are. */
  readonly incompleteSeconds?: number;
}

/** The gate's answer about one CUJ. The order of its members is the order in which a person reads them. */
export interface Verdict {
  readonly summary: string;
  readonly verdict: Outcome;
  /** True only for a pass. */
  readonly ok: boolean;
  readonly reason: Reason;
  /** What to check or do next, in one or two sentences. */
  readonly hint: string;
  readonly cuj: string;
  /** Which environment of the registry was judged; absent where it has none. */
  readonly environment?: string;
  readonly services: readonly string[];
  readonly owner: string;
  readonly runbook?: string;
  readonly mode: 'enforce' | 'observe';
  /** What the verdict would have been, where mode is `observe` and it was not a pass. */
  readonly wouldBe?: Judged;
  readonly rule: RuleName;
  /** Set where the error budget policy replaced the registry's rule: what it says and why. */
  readonly ruleChangedBy?: string;
  /** Set where the error budget policy could have replaced the rule but the budget is not known. */
  readonly budgetNote?: string;
  readonly canary: string;
  readonly stable: string;
  readonly window?: VerdictWindow;
  /** Set where the data has stopped. A fail that the older data proves stays a fail. */
  readonly staleData?: VerdictStaleData;
  /** How far the gate's clock is ahead of the source's (below 0: behind), where the reason is `clock_skew`. */
  readonly clockSkewSeconds?: number;
  /** Why there is no data, where the reason is `no_data`. */
  readonly noDataCause?: NoDataCause;
  readonly traffic?: Traffic;
  readonly slis: readonly SliVerdict[];
  /** Digest of the registry that the verdict is based on. */
  readonly registry: string;
}

export interface JudgeOptions {
  readonly registryDigest: string;
  /** As in the registry. */
  readonly environment?: string;
  /** How many SLIs the question covers: alpha is shared among them. Default: those judged here. */
  readonly sliCount?: number;
  /** The rule of the error budget policy that is due, and why. */
  readonly budgetRule?: { readonly rule: RuleName; readonly because: string };
  readonly budgetNote?: string;
  /** The one service that was asked about, where the CUJ has several. */
  readonly service?: string;
  /** What the texts call the backend that was asked. Default: {@link anyBackend}. */
  readonly backend?: BackendWords;
  /** That of each service, by its name; absent where all have the same. */
  readonly backendOf?: Readonly<Record<string, BackendWords>>;
  /** Absent in old records: hints then name no parameter. */
  readonly selectorParams?: SelectorParams;
}

/**
 * SLIs of a CUJ, as far as it has an objective for them; where only one of its services is asked about, as far as that
 * service has endpoints for them.
 */
export function slisOf(cuj: Cuj, service?: string): SliName[] {
  const asked = cuj.endpoints.filter(
    (endpoint) => service === undefined || isReleasedWith(endpoint, service),
  );
  return sliNames.filter(
    (sli) =>
      cuj.objectives[sli] !== undefined && asked.some((endpoint) => countsEndpoint(sliKinds[sli], endpoint)),
  );
}

/**
 * Judges one CUJ by one measurement. A pure function: the same measurement, written down and read again, gives the
 * same bytes. The CUJ's verdict is the worst of its SLIs. The checks are in the order of docs/verdicts-reference.md.
 */
export function judge(cuj: Cuj, measurement: Measurement, options: JudgeOptions): Verdict {
  const { clockSkewMs } = measurement;
  if (isClockSkewed(clockSkewMs)) return skewedVerdict(cuj, measurement, clockSkewMs, options);
  const verdict = judgeCounts(cuj, measurement, options);
  if (restsOnUnclassified(verdict, cuj, measurement, options))
    return unclassifiedVerdict(cuj, measurement, options);
  const silent =
    options.backendOf === undefined || outcomeOf(verdict) !== 'pass'
      ? undefined
      : silentBackendOf(measurement, options.backendOf);
  return silent === undefined ? verdict : silentVerdict(cuj, measurement, silent, options);
}

function judgeCounts(cuj: Cuj, measurement: Measurement, options: JudgeOptions): Verdict {
  const window = judgedWindow(cuj.gate, measurement);
  const windowFor = (sli: SliName) => {
    const own = sliKinds[sli].ofClient ? windowOfClient(window, cuj.gate, measurement[sli] ?? []) : window;
    const warmUpMs = cuj.gate.warmUpMs?.[sli];
    return warmUpMs === undefined ? own : withoutWarmUp(own, warmUpMs, measurement);
  };
  const stale = staleDataOf(measurement);
  const names = slisOf(cuj, options.service);
  const policy = policyOf(cuj, options);
  const slis = names
    .map((sli) =>
      judgeSli({
        sli,
        objective: cuj.objectives[sli] as NonNullable<(typeof cuj.objectives)[typeof sli]>,
        endpoints: measurement[sli] ?? [],
        window: windowFor(sli),
        policy,
        sliCount: options.sliCount ?? names.length,
        recent: measurement.recent,
        isStale: stale !== undefined,
        ...incidentOf(sli, cuj, measurement, policy),
      }),
    )
    .sort(compareJudged);
  const worst = slis[0];
  const judged = {
    verdict: worst?.verdict ?? ('inconclusive' as const),
    reason: worst?.reason ?? ('no_data' as const),
  };
  // If another SLI has events, the canary is not silent.
  const noDataCause =
    stale === undefined && slis.every((sli) => sli.total <= 0)
      ? noDataCauseOf(names.map(windowFor).find(isWarmingUp) ?? window)
      : undefined;
  const suppressed = cuj.mode === 'observe' && judged.verdict !== 'pass';
  /** The least age of the newest data. */
  const ageMs = cuj.gate.lagMs + (measurement.incompleteMs ?? 0);
  const facts: SummaryFacts = {
    verdict: judged.verdict,
    reason: judged.reason,
    policy,
    ruleChanged: options.budgetRule !== undefined,
    cuj: cuj.name,
    canary: measurement.selectors.canary,
    stable: measurement.selectors.stable,
    slis,
    ...(noDataCause === undefined ? {} : { noDataCause }),
    ...aheadOf(measurement, ageMs),
    ...(stale === undefined ? {} : { staleData: staleDataIn(stale, ageMs) }),
    ...(window.attempts === undefined ? {} : { attempts: window.attempts }),
    minutesOfTraffic: window.watchedMs / bucketMs,
    ...(window.indistinguishable === undefined ? {} : { indistinguishable: window.indistinguishable }),
    traffic: {
      canary: roundCount(window.wholeCanary),
      stable: roundCount(window.wholeStable),
      ...(window.unmatchedRecently === undefined
        ? {}
        : { unmatchedRecently: roundCount(window.unmatchedRecently) }),
    },
  };
  return assemble(
    cuj,
    facts,
    suppressed,
    options,
    hintFor(facts, suppressed, wordsFor(options, stale?.services), options.selectorParams),
    windowOf(measurement, window),
  );
}

/**
 * Stable of the services is counted by what fails; how slow it was is not known of endpoints without a threshold, and what servers fail
 * is no incident of clients: the servers' own SLI shows it.
 */
function incidentOf(
  sli: SliName,
  { objectives }: Cuj,
  { stableOfServices, ...measurement }: Measurement,
  { falseAbort }: GatePolicy,
): Pick<SliQuestion, 'incident'> {
  const budget = objectives[sli]?.budget;
  const { needsThreshold, ofClient = false } = sliKinds[sli];
  if (stableOfServices === undefined || budget === undefined || needsThreshold || ofClient) return {};
  const endpoints = measurement[sli] ?? [];
  const logOne = Math.log(1 / falseAbort);
  return { incident: serviceIncident(stableOfServices, endpoints, measurement, budget, logOne) };
}

/** The registry's policy, with the rule of the error budget policy where one is due. */
function policyOf({ gate }: Cuj, { budgetRule }: JudgeOptions): GatePolicy {
  return budgetRule === undefined ? gate : { ...gate, rule: budgetRule.rule };
}

/** How far `since` is ahead of now, which is at most a minute after the newest data is `ageMs` old. */
function aheadOf({ sinceMs, toMs }: Measurement, ageMs: number): Pick<SummaryFacts, 'sinceAheadSeconds'> {
  const aheadMs = (sinceMs ?? Number.NEGATIVE_INFINITY) - (toMs + ageMs + bucketMs);
  return aheadMs > 0 ? { sinceAheadSeconds: Math.ceil(aheadMs / 1000) } : {};
}

function staleDataIn({ services, newestMs, missingMs }: StaleData, ageMs: number): VerdictStaleData {
  return {
    services,
    newest: new Date(newestMs).toISOString(),
    ageSeconds: (missingMs + ageMs) / 1000,
  };
}

/** What the texts call the backend of some services; of all where none are given. */
function wordsFor({ backend = anyBackend, backendOf }: JudgeOptions, services: readonly string[] = []) {
  const all = services.flatMap((name) => backendOf?.[name] ?? []);
  return all.length === 0 ? backend : joinedWords(all);
}

/** By a wrong clock, the newest data is old, or not complete yet. */
function skewedVerdict(
  cuj: Cuj,
  { selectors, clockSkewServices }: Measurement,
  clockSkewMs: number,
  options: JudgeOptions,
): Verdict {
  const seconds = Math.trunc(clockSkewMs / 1000);
  const { backend, addressSetting } = wordsFor(options, clockSkewServices);
  const others =
    clockSkewServices === undefined
      ? ''
      : ` Where the other backends agree with the gate, it is the clock of ${backend} that is wrong.`;
  const failure = {
    reason: 'clock_skew' as const,
    message: `the clock of this gate is ${Math.abs(seconds)} s ${seconds < 0 ? 'behind' : 'ahead of'} ${backend}'s, so it cannot tell which data is complete`,
    hint: `Correct the clock of the gate's node (NTP). If ${addressSetting} is a proxy, it must not change the Date of ${backend}'s responses.${others}`,
  };
  return { ...unknownVerdict(cuj, failure, selectors, options), clockSkewSeconds: seconds };
}

/** Whether a pass or a fail changes if the unclassified requests of the side that it rests on were bad. */
function restsOnUnclassified(
  verdict: Verdict,
  cuj: Cuj,
  measurement: Measurement,
  options: JudgeOptions,
): boolean {
  const outcome = outcomeOf(verdict);
  if (outcome === 'inconclusive') return false;
  const worse = withUnclassifiedBad(measurement, outcome === 'pass' ? 'canary' : 'stable');
  return worse !== undefined && outcomeOf(judgeCounts(cuj, worse, options)) !== outcome;
}

/** Where one of several backends knows of no event, the others' are no pass. */
function silentVerdict(
  cuj: Cuj,
  { selectors }: Measurement,
  { backend: { backend }, services }: SilentBackend,
  options: JudgeOptions,
): Verdict {
  const failure = {
    reason: 'no_data',
    message: `${backend} counted nothing of canary and stable on ${services.join(', ')}, and what other backends counted is only a part of the CUJ`,
    hint: `See that ${backend} still gets the data of ${services.join(', ')}, and that the registry names it as it is stored. If only one service is released, ask with service=NAME.`,
  } as const;
  return unknownVerdict(cuj, failure, selectors, options);
}

/** The outcome before mode `observe` replaced it. */
function outcomeOf({ verdict, wouldBe }: Verdict): Outcome {
  return wouldBe?.verdict ?? verdict;
}

function unclassifiedVerdict(cuj: Cuj, measurement: Measurement, options: JudgeOptions): Verdict {
  const count = roundCount(unclassifiedIn(measurement));
  const failure = {
    reason: 'source_malformed',
    message: `it is not known of ${count} requests whether they were good or bad, so the verdict is undecided`,
    hint: `If it happens once, do nothing: the requests arrived while the queries were answered. Otherwise run the same queries by hand (GET /cujs/<name> shows them): they must count the same requests. A histogram of durations needs a bucket that ends at latencyMs, in every version. Failures need ${allWords(wordsFor(options)).endpointBy}.`,
  } as const;
  return unknownVerdict(cuj, failure, measurement.selectors, options);
}

/** The verdict where the source could not be asked: inconclusive, and never a fail. */
export function unknownVerdict(
  cuj: Cuj,
  failure: { readonly reason: Reason; readonly message: string; readonly hint: string },
  selectors: { readonly canary: string; readonly stable: string },
  options: JudgeOptions,
): Verdict {
  const facts: SummaryFacts = {
    verdict: 'inconclusive',
    reason: failure.reason,
    policy: policyOf(cuj, options),
    ruleChanged: options.budgetRule !== undefined,
    cuj: cuj.name,
    canary: selectors.canary,
    stable: selectors.stable,
    slis: [],
    message: failure.message,
  };
  return assemble(cuj, facts, cuj.mode === 'observe', options, failure.hint);
}

function assemble(
  cuj: Cuj,
  facts: SummaryFacts,
  suppressed: boolean,
  options: JudgeOptions,
  hint: string,
  window?: VerdictWindow,
): Verdict {
  const { verdict, reason, noDataCause, staleData, traffic } = facts;
  const outcome: Outcome = suppressed ? 'pass' : verdict;
  return {
    summary: summarize(facts, suppressed, wordsFor(options)),
    verdict: outcome,
    ok: outcome === 'pass',
    reason: suppressed ? 'observe_only' : reason,
    hint,
    cuj: cuj.name,
    ...(options.environment === undefined ? {} : { environment: options.environment }),
    services: options.service === undefined ? cuj.services : servicesReleasedWith(cuj, options.service),
    owner: cuj.owner,
    ...(cuj.runbook === undefined ? {} : { runbook: cuj.runbook }),
    mode: cuj.mode,
    ...(suppressed ? { wouldBe: { verdict, reason } } : {}),
    rule: facts.policy.rule,
    ...(options.budgetRule === undefined ? {} : { ruleChangedBy: options.budgetRule.because }),
    ...(options.budgetNote === undefined ? {} : { budgetNote: options.budgetNote }),
    canary: facts.canary,
    stable: facts.stable,
    ...(window === undefined ? {} : { window }),
    ...(staleData === undefined ? {} : { staleData }),
    ...(noDataCause === undefined ? {} : { noDataCause }),
    ...(traffic === undefined ? {} : { traffic }),
    slis: facts.slis,
    registry: options.registryDigest,
  };
}

function windowOf(measurement: Measurement, window: JudgedWindow): VerdictWindow {
  // An empty window begins at its end, also where the newest minute is not over.
  const fromMs = Math.min(measurement.fromMs + window.first * bucketMs, measurement.toMs);
  return {
    from: new Date(fromMs).toISOString(),
    to: new Date(measurement.toMs).toISOString(),
    seconds: (measurement.toMs - fromMs) / 1000,
    start: window.start,
    ...(measurement.incompleteMs === undefined ? {} : { incompleteSeconds: measurement.incompleteMs / 1000 }),
  };
}
