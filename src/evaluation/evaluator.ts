import { LRUCache } from 'lru-cache';
import { durationMs, durationText, floorTo } from '../domain/duration.ts';
import { CallerError, SourceError } from '../domain/errors.ts';
import { isClockSkewed, worstSkew } from '../domain/judge/clock-skew.ts';
import { hasTraffic, minHistoryMs, minutesMissingAtEnd } from '../domain/judge/freshness.ts';
import { maxIncompleteMs } from '../domain/judge/incomplete-data.ts';
import { type JudgeOptions, judge, slisOf, unknownVerdict, type Verdict } from '../domain/judge/judge.ts';
import { judgeService, type ServiceVerdict } from '../domain/judge/judge-service.ts';
import { retiredVerdict } from '../domain/judge/retired-verdict.ts';
import type { SelectorParams } from '../domain/judge/summary.ts';
import { isSuspicious } from '../domain/judge/suspicion.ts';
import {
  type EvaluationRequest,
  paramsOf,
  type ResolvedRequest,
  refuseFuture,
  refuseLater,
  resolveRequest,
} from '../domain/metrics/evaluation-request.ts';
import { measuredUntil, measurementOf, type Snapshots } from '../domain/metrics/measurement.ts';
import {
  type BatchQuery,
  bucketMs,
  type Measurement,
  type MetricsSource,
  recentStepMs,
  type SentQuery,
  type Snapshot,
} from '../domain/metrics/metrics-source.ts';
import { refusedThresholdOf } from '../domain/metrics/refused-thresholds.ts';
import type { BudgetOpinion } from '../domain/ports/error-budget.ts';
import { haveSeveralBackends, wordsOf } from '../domain/registry/backend-words.ts';
import { type Cuj, cujCalled, type QueryBatch, type Registry } from '../domain/registry/model.ts';
import { type Selector, selectorText } from '../domain/registry/selector.ts';
import { allSlis } from '../domain/sli/by-sli.ts';
import { nearestNames } from '../suggestions/nearest.ts';

export interface EvaluatorPorts {
  /** The current registry. A question uses one registry from beginning to end. */
  readonly registry: () => Registry;
  readonly source: MetricsSource;
  /** Asked by questions as of a moment in the past; default: `source`. */
  readonly pastSource?: MetricsSource;
  /** Epoch ms. */
  readonly now: () => number;
  /** The error budget's opinion on a CUJ's rule. It is synchronous: no verdict waits for it. */
  readonly budget?: (cuj: Cuj) => BudgetOpinion;
  /** Replaces the judge, for example with a traced one. */
  readonly judge?: typeof judge;
  /** How many counts the memo of verdicts may hold, 8 bytes each. */
  readonly rememberedCounts?: number;
}

/** A verdict with the data it was made from. */
export interface Evaluation {
  readonly verdict: Verdict;
  readonly cuj: Cuj;
  readonly options: JudgeOptions;
  /** Absent where the source failed, and where the CUJ is retired. */
  readonly measurement?: Measurement;
  readonly queries: readonly SentQuery[];
  /** Whether this verdict was given before, and not judged anew. */
  readonly remembered: boolean;
}

export interface ServiceEvaluation {
  readonly verdict: ServiceVerdict;
  readonly evaluations: readonly Evaluation[];
}

/** A question about a whole service. */
export type ServiceRequest = Omit<EvaluationRequest, 'cuj' | 'service'> & { readonly service: string };

/**
 * A moment in the past that a question is asked as of, epoch ms. It is judged by the source's data, the registry and the error
 * budget of now, from the data that was complete at that moment.
 */
export interface AsOf {
  readonly atMs?: number;
  /**
   * The end of the data of a verdict that was given at that moment. The end depends on what was asked before it: within 30 s,
   * and within 20 s while bad events could become a fail. Ignored where it is no end of a bucket or was not complete at `atMs`.
   */
  readonly untilMs?: number;
}

export interface Evaluator {
  /**
   * Throws CallerError for the caller's mistakes; a failure of the source is an `inconclusive` verdict. Where the signal
   * has aborted already, nothing is sent: what can be answered from the source's cache is, the rest is `source_timeout`.
   * Questions as of a moment in the past leave no trace in the evaluator.
   */
  cuj(request: EvaluationRequest & AsOf, signal: AbortSignal): Promise<Evaluation>;
  service(request: ServiceRequest & AsOf, signal: AbortSignal): Promise<ServiceEvaluation>;
}

/** A question about one CUJ, as it is needed to ask the source and to remember the verdict. */
interface AskedCuj {
  readonly registry: Registry;
  readonly cuj: Cuj;
  readonly plan: Plan;
  readonly sliCount: number | undefined;
  readonly opinion: BudgetOpinion;
  readonly key: string;
  readonly budget: string;
  readonly signal: AbortSignal;
}

/** An evaluation, and what it holds for. */
interface Remembered {
  readonly plan: Plan;
  readonly toMs: number;
  /** Compared by identity. Weak, so that the source's cache alone decides how long a snapshot is kept. */
  readonly snapshots: readonly WeakRef<Snapshot>[];
  readonly budget: string;
  readonly evaluation: Evaluation;
  readonly isUndecided: boolean;
}

type Judged = Pick<Remembered, 'evaluation' | 'isUndecided'>;

/**
 * Where the data that is asked for ends, and so how often the source is asked: all questions in between get the same snapshot. While all
 * is well, ends are on a grid, which all callers and replicas share.
 */
const calmStepMs = 30_000;

/**
 * While the newest bad events could become a fail, newer data is worth more calls: data ends at the last complete bucket, and so far
 * apart. A grid of this length would be up to so much behind at every question of a caller that asks as often.
 */
const suspiciousGapMs = 20_000;

/** How long newer data is asked for after a question that was worth it: for all questions about the same scope, which share its data. */
const suspicionMs = 60_000;

type Haste = 'calm' | 'suspicious';

/** The end of the data to ask for, epoch ms, where data is complete until `completeMs` and was asked for until `lastMs`, 0 for never. */
function nextEnd(completeMs: number, lastMs: number, haste: Haste): number {
  // A clock that was set back must not ask for data that is not complete.
  const last = lastMs <= completeMs ? lastMs : 0;
  if (haste === 'calm') return Math.max(floorTo(completeMs, calmStepMs), last);
  const newest = floorTo(completeMs, recentStepMs);
  return newest - last >= suspiciousGapMs ? newest : last;
}

/** How much is asked for in short buckets, at least. The rest moves every {@link pastStepMs}, so that its snapshot can be kept. */
const minRecentMs = 10 * 60_000;
const pastStepMs = 5 * 60_000;

/** Whether newer data could turn it into a fail. A fail is final. */
function isUndecided({ cuj, measurement, verdict }: Evaluation): boolean {
  return (
    measurement !== undefined &&
    (verdict.wouldBe ?? verdict).verdict !== 'fail' &&
    isSuspicious(cuj, measurement)
  );
}

/** What people know the backends by, and that of each service where they differ. */
function backendWords({ services }: ResolvedRequest): Pick<JudgeOptions, 'backend' | 'backendOf'> {
  return {
    backend: wordsOf(services),
    ...(haveSeveralBackends(services)
      ? { backendOf: Object.fromEntries(services.map((service) => [service.name, wordsOf([service])])) }
      : {}),
  };
}

/** What the caller chooses of the selectors, so that hints name nothing else. */
function selectorParamsOf({ services }: ResolvedRequest): SelectorParams {
  const { required, optional } = paramsOf(services);
  return { canary: required, stable: optional };
}

/** The use case: find the CUJ, measure canary and stable, judge. */
export function createEvaluator(ports: EvaluatorPorts): Evaluator {
  const memory = new LRUCache<string, Remembered>({
    max: 2_000,
    // Bounded by size as well: callers choose how many different questions there are (since, window), and registries how
    // large each is.
    maxSize: ports.rememberedCounts ?? 4_000_000,
    sizeCalculation: ({ evaluation }) => countsOf(evaluation.measurement),
  });
  let remembersFor: Registry | undefined;
  /** By the key of the scope. */
  const lastAsked = new LRUCache<string, LastAsked>({ max: 2_000 });

  /** What is remembered belongs to one registry. An old verdict can never be used again, and would keep its registry alive. */
  function currentRegistry(): Registry {
    const registry = ports.registry();
    if (registry !== remembersFor) {
      memory.clear();
      remembersFor = registry;
    }
    return registry;
  }

  /** The registry may be replaced while a question waits for its counts. */
  function recall(registry: Registry, key: string): Remembered | undefined {
    return registry === remembersFor ? memory.get(key) : undefined;
  }

  /** The evaluation of what the source has of the data until the next end. */
  async function evaluateNow(question: AskedCuj, nowMs: number, haste: Haste): Promise<Judged> {
    const { registry, cuj, plan, key, budget, signal } = question;
    const { resolved, scopes } = plan;
    const ends = scopes.map((scope) => endOf(scope, nowMs, haste));
    const measured = await measureAll(ports.source, scopes, ends, signal);
    if (measured instanceof SourceError) return declined(question, measured);
    const snapshots = measured.flatMap(({ past, recent }) => [past, recent]);
    if (!isClockSkewed(worstSkew(snapshots.map(({ clockSkewMs }) => clockSkewMs))))
      refuseFuture(resolved, nowMs);
    const byService = snapshotsByService(scopes, measured);
    const span = measuredUntil(resolved, byService, nowMs - cuj.gate.lagMs);
    const { toMs } = span;
    // The same snapshots give the same verdict: a rollout's twenty CUJs are judged once for each of them, not once a question.
    const before = recall(registry, key);
    if (
      before !== undefined &&
      before.toMs === toMs &&
      before.budget === budget &&
      before.snapshots.length === snapshots.length &&
      before.snapshots.every((ref, i) => ref.deref() === snapshots[i])
    ) {
      return before;
    }
    const hole = holeIn(measured, plan.scopes);
    if (hole !== undefined) return declined(question, hole);
    const refused = refusedThresholdOf(
      cuj,
      measured.map(({ recent }) => recent),
    );
    if (refused !== undefined) return declined(question, refused);
    const judged = judgedOf(question, measured, measurementOf(resolved, byService, span));
    if (registry === remembersFor) {
      const refs = snapshots.map((snapshot) => new WeakRef(snapshot));
      const again = { ...judged, evaluation: { ...judged.evaluation, remembered: true } };
      memory.set(key, { plan, toMs, snapshots: refs, budget, ...again });
    }
    return judged;
  }

  function judgedOf(
    { registry, cuj, plan, opinion, sliCount }: AskedCuj,
    measured: readonly Required<Snapshots>[],
    measurement: Measurement,
  ): Judged {
    const options = optionsOf(registry, plan.resolved, opinion, sliCount);
    const evaluation: Evaluation = {
      verdict: (ports.judge ?? judge)(cuj, measurement, options),
      cuj,
      options,
      measurement,
      queries: measured.flatMap(({ recent }) => recent.queries),
      remembered: false,
    };
    return { evaluation, isUndecided: isUndecided(evaluation) };
  }

  /** The data until `ends`, one for each scope, as it was complete at `atMs`. Nothing of it is remembered. */
  async function evaluatePast(question: AskedCuj, atMs: number, ends: readonly number[]): Promise<Judged> {
    const { cuj, plan, signal } = question;
    const { resolved, scopes } = plan;
    const measured = await measureAll(ports.pastSource ?? ports.source, scopes, ends, signal);
    if (measured instanceof SourceError) return declined(question, measured);
    const hole = holeIn(measured, plan.scopes);
    if (hole !== undefined) return declined(question, hole);
    const refused = refusedThresholdOf(
      cuj,
      measured.map(({ recent }) => recent),
    );
    if (refused !== undefined) return declined(question, refused);
    const settled = measured.map(({ past, recent }) => ({ past, recent: withoutSkew(recent) }));
    const byService = snapshotsByService(scopes, settled);
    const span = measuredUntil(resolved, byService, atMs - cuj.gate.lagMs);
    return judgedOf(question, settled, measurementOf(resolved, byService, span));
  }

  async function evaluate(
    registry: Registry,
    request: EvaluationRequest & AsOf,
    sliCount: number | undefined,
    signal: AbortSignal,
  ): Promise<Evaluation> {
    const nowMs = ports.now();
    const cuj = findCuj(registry, request.cuj);
    const { service, window, since, params } = request;
    if (cuj.retired !== undefined) {
      const options = { registryDigest: registry.digest };
      return { verdict: retiredVerdict(cuj, params, options), cuj, options, queries: [], remembered: false };
    }
    const key = JSON.stringify([cuj.name, sliCount, service, window, since, ...params]);
    const plan = recall(registry, key)?.plan ?? planOf(registry, cuj, request);
    const { scopes } = plan;
    const opinion = ports.budget?.(cuj) ?? {};
    const budget = JSON.stringify(opinion);
    const question: AskedCuj = { registry, cuj, plan, sliCount, opinion, key, budget, signal };
    if (request.atMs !== undefined) return evaluateAsOf(question, request.atMs, request.untilMs);
    const isSuspected = scopes.some(
      ({ key }) => nowMs - (lastAsked.get(key)?.suspiciousMs ?? 0) < suspicionMs,
    );
    const first = await evaluateNow(question, nowMs, isSuspected ? 'suspicious' : 'calm');
    if (!first.isUndecided) return first.evaluation;
    for (const { key } of scopes) lastAsked.set(key, { toMs: 0, ...lastAsked.get(key), suspiciousMs: nowMs });
    if (isSuspected) return first.evaluation;
    const { evaluation } = await evaluateNow(question, nowMs, 'suspicious');
    return evaluation.measurement === undefined ? first.evaluation : evaluation;
  }

  /** By the same rules as {@link evaluate}, for a question before which nothing was asked. */
  async function evaluateAsOf(
    question: AskedCuj,
    atMs: number,
    untilMs: number | undefined,
  ): Promise<Evaluation> {
    const { resolved, scopes } = question.plan;
    refuseLater(resolved, atMs);
    const isGiven = ({ batch }: Scope) =>
      untilMs !== undefined && untilMs % recentStepMs === 0 && untilMs <= atMs - batch.lagMs;
    if (untilMs !== undefined && scopes.every(isGiven)) {
      const { evaluation } = await evaluatePast(
        question,
        atMs,
        scopes.map(() => untilMs),
      );
      return evaluation;
    }
    const calm = scopes.map(({ batch }) => nextEnd(atMs - batch.lagMs, 0, 'calm'));
    const first = await evaluatePast(question, atMs, calm);
    if (!first.isUndecided) return first.evaluation;
    const ends = scopes.map(({ batch }, i) => nextEnd(atMs - batch.lagMs, calm[i] as number, 'suspicious'));
    const { evaluation } = await evaluatePast(question, atMs, ends);
    return evaluation.measurement === undefined ? first.evaluation : evaluation;
  }

  /** No verdict is made of older data than the last one of its scope. */
  function endOf({ key, batch }: Scope, nowMs: number, haste: Haste): number {
    const last = lastAsked.get(key) ?? { toMs: 0, suspiciousMs: 0 };
    const toMs = nextEnd(nowMs - batch.lagMs, last.toMs, haste);
    if (toMs !== last.toMs) lastAsked.set(key, { ...last, toMs });
    return toMs;
  }

  return {
    cuj: (request, signal) => evaluate(currentRegistry(), request, undefined, signal),

    async service(request, signal) {
      const registry = currentRegistry();
      if (!registry.services.has(request.service)) throw serviceNotFound(registry, request.service);
      // A CUJ whose objectives all need a threshold, and whose endpoints here have none, says nothing about the service.
      const cujs = [...registry.cujs.values()].filter((cuj) => slisOf(cuj, request.service).length > 0);
      const enforced = cujs
        .filter((cuj) => cuj.mode === 'enforce')
        .reduce((sum, cuj) => sum + slisOf(cuj, request.service).length, 0);
      const evaluations = await Promise.all(
        cujs.map((cuj) =>
          evaluate(
            registry,
            { ...request, cuj: cuj.name, ...windowWithin(request.window, cuj, cujs) },
            cuj.mode === 'enforce' ? enforced : undefined,
            signal,
          ),
        ),
      );
      const verdict = judgeService(
        request.service,
        registry.digest,
        evaluations.map((evaluation) => evaluation.verdict),
      );
      return { verdict, evaluations };
    },
  };
}

function optionsOf(
  registry: Registry,
  resolved: ResolvedRequest,
  opinion: BudgetOpinion,
  sliCount: number | undefined,
): JudgeOptions {
  const { service } = resolved;
  return {
    registryDigest: registry.digest,
    ...(registry.environment === undefined ? {} : { environment: registry.environment }),
    ...(sliCount === undefined ? {} : { sliCount }),
    ...(service === undefined ? {} : { service }),
    ...backendWords(resolved),
    selectorParams: selectorParamsOf(resolved),
    ...(opinion.rule === undefined ? {} : { budgetRule: opinion.rule }),
    ...(opinion.note === undefined ? {} : { budgetNote: opinion.note }),
  };
}

const none = new Float64Array();

/** A window that is longer than this CUJ's `maxWindow`, but not than that of every CUJ, becomes this CUJ's `maxWindow`. */
function windowWithin(
  window: string | undefined,
  cuj: Cuj,
  cujs: readonly Cuj[],
): Pick<EvaluationRequest, 'window'> {
  const ms = window === undefined ? undefined : durationMs(window);
  const { maxWindowMs } = cuj.gate;
  if (ms === undefined || ms <= maxWindowMs || cujs.every(({ gate }) => ms > gate.maxWindowMs)) return {};
  return { window: durationText(maxWindowMs) };
}

/** How many numbers a measurement keeps in memory, with an allowance for the objects around them. */
function countsOf(measurement: Measurement | undefined): number {
  if (measurement === undefined) return 100;
  let counts = 2 * (measurement.whole.canary.length + 20);
  for (const { total, bad } of measurement.stableOfServices ?? [])
    counts += (1 + bad.length) * (total.length + 20);
  for (const { canary, stable } of allSlis(measurement)) {
    // A view keeps its whole buffer, and the snapshot may be longer than this CUJ's span.
    for (const { total, bad, withStatus = none, unclassified = none } of [canary, stable])
      for (const { buffer } of [total, bad, withStatus, unclassified]) counts += buffer.byteLength / 8 + 20;
  }
  return counts;
}

/** A batch and a pair of selectors, and the services of the request that are measured by them. */
interface Scope {
  readonly key: string;
  readonly batch: QueryBatch;
  readonly canary: Selector;
  readonly stable: Selector | undefined;
  readonly services: string[];
}

/** What a request asks the source for. It follows from the registry and the request alone, at any time. */
interface Plan {
  readonly resolved: ResolvedRequest;
  readonly scopes: readonly Scope[];
}

/** Throws what `resolveRequest` throws. */
function planOf(registry: Registry, cuj: Cuj, request: EvaluationRequest): Plan {
  const resolved = resolveRequest(registry, cuj, request);
  return { resolved, scopes: scopesOf(registry, resolved) };
}

/** The scopes of the request's services. */
function scopesOf(registry: Registry, request: ResolvedRequest): Scope[] {
  const scopes = new Map<string, Scope>();
  for (const { name } of request.services) {
    const batch = registry.batchOfService.get(name) as QueryBatch;
    const { canary, stable } = request.selectors.get(name) as NonNullable<
      ReturnType<typeof request.selectors.get>
    >;
    const key = `${batch.id}|${selectorText(canary)}|${stable === undefined ? '' : selectorText(stable)}`;
    const known = scopes.get(key);
    if (known === undefined) scopes.set(key, { key, batch, canary, stable, services: [name] });
    else known.services.push(name);
  }
  return [...scopes.values()];
}

/** What was asked about a scope before. Epoch ms. */
interface LastAsked {
  /** The newest end. */
  readonly toMs: number;
  /** When a question last had bad events that could become a fail. */
  readonly suspiciousMs: number;
}

interface Queries {
  readonly past: BatchQuery;
  readonly recent: BatchQuery;
}

/** The two calls of the source for a scope. The past is the same for {@link pastStepMs}. */
function queriesOf({ batch, canary, stable }: Scope, toMs: number): Queries {
  const recentFromMs = floorTo(toMs - minRecentMs, pastStepMs);
  // The CUJ of the batch with the longest lag and window must find all of its span, also where the newest data is left out.
  const spanMs = Math.max(batch.maxWindowMs, minHistoryMs) + maxIncompleteMs;
  const fromMs = recentFromMs - Math.ceil((spanMs - minRecentMs) / pastStepMs) * pastStepMs;
  const query = { batch, canary, stable };
  return {
    past: { ...query, fromMs, toMs: recentFromMs, stepMs: bucketMs },
    recent: { ...query, fromMs: recentFromMs, toMs, stepMs: recentStepMs },
  };
}

/** What was measured of all scopes, or why it was not. */
async function measureAll(
  source: MetricsSource,
  scopes: readonly Scope[],
  ends: readonly number[],
  signal: AbortSignal,
): Promise<Required<Snapshots>[] | SourceError> {
  try {
    return await Promise.all(
      scopes.map((scope, i) => measure(source, queriesOf(scope, ends[i] as number), signal)),
    );
  } catch (error) {
    if (error instanceof SourceError) return error;
    throw error;
  }
}

/** Of a question that could not be measured. */
function declined({ registry, cuj, plan, opinion, sliCount }: AskedCuj, error: SourceError): Judged {
  const { resolved } = plan;
  const failure = { reason: error.code, message: error.message, hint: error.hint };
  const options = optionsOf(registry, resolved, opinion, sliCount);
  const verdict = unknownVerdict(cuj, failure, resolved.selectorTexts, options);
  const evaluation = { verdict, cuj, options, queries: [], remembered: false };
  return { evaluation, isUndecided: false };
}

function snapshotsByService(
  scopes: readonly Scope[],
  measured: readonly Required<Snapshots>[],
): Map<string, Snapshots> {
  const byService = new Map<string, Snapshots>();
  scopes.forEach(({ services }, i) => {
    for (const name of services) byService.set(name, measured[i] as Snapshots);
  });
  return byService;
}

/** The caller names the moment: what the clock of this process says does not matter. */
function withoutSkew({ clockSkewMs: _, ...snapshot }: Snapshot): Snapshot {
  return snapshot;
}

async function measure(
  source: MetricsSource,
  queries: Queries,
  signal: AbortSignal,
): Promise<Required<Snapshots>> {
  const [past, recent] = await Promise.all([
    source.measure(queries.past, signal),
    source.measure(queries.recent, signal),
  ]);
  return { past, recent };
}

/**
 * Why a verdict cannot be made of a past whose data stops before its end while the recent part has data: counts are missing. The
 * minutes before a silence show what it should have been like. With a hole in them, data that has stopped looks like a silence.
 */
function holeIn(measured: readonly Required<Snapshots>[], scopes: readonly Scope[]): SourceError | undefined {
  for (const [i, { past, recent }] of measured.entries()) {
    const minutes = minutesMissingAtEnd(past);
    if (minutes === undefined || !hasTraffic(recent)) continue;
    // Of several calls, the others may have all of their counts.
    const of = scopes.length === 1 ? '' : ` that is measured with ${scopes[i]?.services.join(', ')}`;
    const at = (ms: number) => new Date(ms).toISOString().slice(11, 16);
    return new SourceError(
      'source_malformed',
      `no service${of} has a request from ${at(past.toMs - minutes * bucketMs)} to ${at(past.toMs)} UTC, but there are some since: counts are missing`,
      'If it happens once, do nothing: the gate asks again. If all services were down in these minutes, it is over within 5 minutes.',
    );
  }
  return undefined;
}

/** The CUJ of a name or an alias, which may be retired. Throws CallerError `cuj_not_found` with the nearest names. */
export function findCuj(registry: Registry, name: string): Cuj {
  const cuj = cujCalled(registry, name);
  if (cuj !== undefined) return cuj;
  const nearest = nearestNames(name, registry.cujs.keys());
  throw new CallerError(
    'cuj_not_found',
    `No CUJ is called "${name}".`,
    notFoundHint(nearest, 'GET /cujs lists all of them.'),
    { nearest },
  );
}

/** CallerError `service_not_found` with the nearest names. */
export function serviceNotFound(registry: Registry, name: string): CallerError {
  const nearest = nearestNames(name, registry.services.keys());
  return new CallerError(
    'service_not_found',
    `No service is called "${name}".`,
    notFoundHint(nearest, 'GET /cujs shows the services of every CUJ.'),
    { nearest },
  );
}

function notFoundHint(nearest: readonly string[], otherwise: string): string {
  return nearest.length === 0
    ? otherwise
    : `Did you mean ${nearest.map((name) => `"${name}"`).join(' or ')}? ${otherwise}`;
}
