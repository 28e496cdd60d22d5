import { LRUCache } from 'lru-cache';
import { durationMs, durationText, floorMinute } from '../domain/duration.ts';
import { CallerError, SourceError } from '../domain/errors.ts';
import { isClockSkewed, worstSkew } from '../domain/judge/clock-skew.ts';
import { minHistoryMs } from '../domain/judge/freshness.ts';
import { type JudgeOptions, judge, slisOf, unknownVerdict, type Verdict } from '../domain/judge/judge.ts';
import { judgeService, type ServiceVerdict } from '../domain/judge/judge-service.ts';
import {
  type EvaluationRequest,
  type ResolvedRequest,
  refuseFuture,
  resolveRequest,
} from '../domain/metrics/evaluation-request.ts';
import { measurementOf } from '../domain/metrics/measurement.ts';
import {
  type BatchQuery,
  bucketMs,
  type Measurement,
  type MetricsSource,
  type SentQuery,
  type Snapshot,
} from '../domain/metrics/metrics-source.ts';
import type { BudgetOpinion } from '../domain/ports/error-budget.ts';
import type { Cuj, QueryBatch, Registry, Service } from '../domain/registry/model.ts';
import { selectorText } from '../domain/registry/selector.ts';
import type { BackendWords } from '../domain/registry/source-dialect.ts';
import { allSlis } from '../domain/sli/by-sli.ts';
import { nearestNames } from '../suggestions/nearest.ts';

export interface EvaluatorPorts {
  /** The current registry. A question uses one registry from beginning to end. */
  readonly registry: () => Registry;
  readonly source: MetricsSource;
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
  /** Absent where the source failed. */
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

export interface Evaluator {
  /**
   * Throws CallerError for the caller's mistakes; a failure of the source is an `inconclusive` verdict. Where the signal
   * has aborted already, nothing is sent: what can be answered from the source's cache is, the rest is `source_timeout`.
   */
  cuj(request: EvaluationRequest, signal: AbortSignal): Promise<Evaluation>;
  service(request: ServiceRequest, signal: AbortSignal): Promise<ServiceEvaluation>;
}

/** An evaluation, and what it holds for. */
interface Remembered {
  readonly plan: Plan;
  readonly toMs: number;
  /** Compared by identity. Weak, so that the source's cache alone decides how long a snapshot is kept. */
  readonly snapshots: readonly WeakRef<Snapshot>[];
  readonly budget: string;
  readonly evaluation: Evaluation;
}

/** What people know the backend by. One process asks one backend, so all services have the same. */
function wordsOf({ services }: ResolvedRequest): BackendWords {
  const { backend, versionTag, addressSetting } = (services[0] as Service).dialect;
  return { backend, versionTag, addressSetting };
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

  async function evaluate(
    registry: Registry,
    request: EvaluationRequest,
    sliCount: number | undefined,
    signal: AbortSignal,
  ): Promise<Evaluation> {
    const nowMs = ports.now();
    const cuj = findCuj(registry, request.cuj);
    const { service, window, since, params } = request;
    const key = JSON.stringify([cuj.name, sliCount, service, window, since, ...params]);
    const plan = recall(registry, key)?.plan ?? planOf(registry, cuj, request);
    const { resolved, calls } = plan;
    const opinion = ports.budget?.(cuj) ?? {};
    let snapshots: Snapshot[];
    try {
      snapshots = await Promise.all(calls.map((call) => ports.source.measure(queryOf(call, nowMs), signal)));
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      const failure = { reason: error.code, message: error.message, hint: error.hint };
      const options = optionsOf(registry, resolved, opinion, sliCount);
      const verdict = unknownVerdict(cuj, failure, resolved.selectorTexts, options);
      return { verdict, cuj, options, queries: [], remembered: false };
    }
    if (!isClockSkewed(worstSkew(snapshots.map(({ clockSkewMs }) => clockSkewMs))))
      refuseFuture(resolved, nowMs);
    // The same snapshots give the same verdict: a rollout's twenty CUJs are judged once a minute, not once a question.
    const toMs = floorMinute(nowMs - cuj.gate.lagMs);
    const budget = JSON.stringify(opinion);
    const before = recall(registry, key);
    if (
      before !== undefined &&
      before.toMs === toMs &&
      before.budget === budget &&
      before.snapshots.length === snapshots.length &&
      before.snapshots.every((ref, i) => ref.deref() === snapshots[i])
    ) {
      return before.evaluation;
    }
    const byService = new Map<string, Snapshot>();
    calls.forEach(({ services }, i) => {
      for (const name of services) byService.set(name, snapshots[i] as Snapshot);
    });
    const measurement = measurementOf(resolved, byService, nowMs);
    const options = optionsOf(registry, resolved, opinion, sliCount);
    const evaluation: Evaluation = {
      verdict: (ports.judge ?? judge)(cuj, measurement, options),
      cuj,
      options,
      measurement,
      queries: snapshots.flatMap((snapshot) => snapshot.queries),
      remembered: false,
    };
    if (registry === remembersFor) {
      const refs = snapshots.map((snapshot) => new WeakRef(snapshot));
      const again = { ...evaluation, remembered: true };
      memory.set(key, { plan, toMs, snapshots: refs, budget, evaluation: again });
    }
    return evaluation;
  }

  return {
    cuj: (request, signal) => evaluate(currentRegistry(), request, undefined, signal),

    async service(request, signal) {
      const registry = currentRegistry();
      if (!registry.services.has(request.service)) throw serviceNotFound(registry, request.service);
      // A CUJ whose objectives all need a threshold, and whose endpoints here have none, says nothing about the service.
      const cujs = [...registry.cujs.values()].filter(
        (cuj) => cuj.services.includes(request.service) && slisOf(cuj, request.service).length > 0,
      );
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
    ...(sliCount === undefined ? {} : { sliCount }),
    ...(service === undefined ? {} : { service }),
    backend: wordsOf(resolved),
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
  for (const { canary, stable } of allSlis(measurement)) {
    // A view keeps its whole buffer, and the snapshot may be longer than this CUJ's span.
    for (const { total, bad, withStatus = none, unclassified = none } of [canary, stable])
      for (const { buffer } of [total, bad, withStatus, unclassified]) counts += buffer.byteLength / 8 + 20;
  }
  return counts;
}

/** A call of the source, and the services of the request that it is for. */
interface Call extends Pick<BatchQuery, 'batch' | 'canary' | 'stable'> {
  readonly services: string[];
}

/** What a request asks the source for. It follows from the registry and the request alone, at any time. */
interface Plan {
  readonly resolved: ResolvedRequest;
  readonly calls: readonly Call[];
}

/** Throws what `resolveRequest` throws. */
function planOf(registry: Registry, cuj: Cuj, request: EvaluationRequest): Plan {
  const resolved = resolveRequest(registry, cuj, request);
  return { resolved, calls: callsOf(registry, resolved) };
}

/** One call for each batch and pair of selectors among the request's services. */
function callsOf(registry: Registry, request: ResolvedRequest): Call[] {
  const calls = new Map<string, Call>();
  for (const { name } of request.services) {
    const batch = registry.batchOfService.get(name) as QueryBatch;
    const { canary, stable } = request.selectors.get(name) as NonNullable<
      ReturnType<typeof request.selectors.get>
    >;
    const key = `${batch.id}|${selectorText(canary)}|${stable === undefined ? '' : selectorText(stable)}`;
    const known = calls.get(key);
    if (known === undefined) calls.set(key, { batch, canary, stable, services: [name] });
    else known.services.push(name);
  }
  return [...calls.values()];
}

function queryOf({ batch, canary, stable }: Call, nowMs: number): BatchQuery {
  const toMs = floorMinute(nowMs - batch.lagMs);
  // The CUJ of the batch with the longest lag and window must find all of its span in the snapshot.
  const spanMs = Math.ceil(Math.max(batch.maxWindowMs, minHistoryMs) / bucketMs) * bucketMs;
  return { batch, canary, stable, fromMs: toMs - spanMs, toMs, stepMs: bucketMs };
}

/** The CUJ of a name. Throws CallerError `cuj_not_found` with the nearest names. */
export function findCuj(registry: Registry, name: string): Cuj {
  const cuj = registry.cujs.get(name);
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
