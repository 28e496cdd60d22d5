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
  /** The registry now. One question uses one registry from beginning to end. */
  readonly registry: () => Registry;
  readonly source: MetricsSource;
  /** Epoch ms. */
  readonly now: () => number;
  /** The error budget's opinion on a CUJ's rule; it may not wait for anything. */
  readonly budget?: (cuj: Cuj) => BudgetOpinion;
  /** Instead of the judge itself: one that is traced, say. */
  readonly judge?: typeof judge;
  /** How many counts of judged questions are remembered, 8 bytes each. */
  readonly rememberedCounts?: number;
}

/** A verdict with what it was made of. */
export interface Evaluation {
  readonly verdict: Verdict;
  readonly cuj: Cuj;
  readonly options: JudgeOptions;
  /** Absent where the source could not be asked. */
  readonly measurement?: Measurement;
  readonly queries: readonly SentQuery[];
}

export interface ServiceEvaluation {
  readonly verdict: ServiceVerdict;
  readonly evaluations: readonly Evaluation[];
}

/** A question about a whole service. */
export type ServiceRequest = Omit<EvaluationRequest, 'cuj' | 'service'> & { readonly service: string };

export interface Evaluator {
  /** Throws CallerError for the caller's mistakes; the source's trouble is an `inconclusive` verdict. */
  cuj(ask: EvaluationRequest, signal: AbortSignal): Promise<Evaluation>;
  service(ask: ServiceRequest, signal: AbortSignal): Promise<ServiceEvaluation>;
  /** As `cuj`, at once, where all that it takes is at hand: undefined where somebody has to be asked. */
  keptCuj?(ask: EvaluationRequest): Evaluation | undefined;
}

interface Remembered {
  readonly registry: Registry;
  readonly toMs: number;
  /** Only to see whether they are the same: how long they are kept is the cache's to say. */
  readonly snapshots: readonly number[];
  readonly budget: string;
  readonly evaluation: Evaluation;
}

const snapshotIds = new WeakMap<Snapshot, number>();
let snapshotsSeen = 0;

/** A number that no other snapshot of this process has. */
function idOf(snapshot: Snapshot): number {
  let id = snapshotIds.get(snapshot);
  if (id === undefined) {
    snapshotsSeen += 1;
    id = snapshotsSeen;
    snapshotIds.set(snapshot, id);
  }
  return id;
}

/** A question that was checked, for as long as its registry is in force. */
interface KnownRequest {
  readonly registry: Registry;
  readonly checked: ResolvedRequest;
  /** Equal for equal questions. */
  readonly key: string;
  calls: MinuteCalls;
}

/** By the object that put the question: who asks again and again may hand in the same, and is not checked again. */
const knownRequests = new WeakMap<EvaluationRequest, KnownRequest>();

function knownRequest(registry: Registry, cuj: Cuj, ask: EvaluationRequest, nowMs: number): KnownRequest {
  const before = knownRequests.get(ask);
  if (before?.registry === registry) {
    if (nowMs < before.calls.fromMs || nowMs >= before.calls.untilMs)
      before.calls = minuteCalls(registry, before.checked, nowMs);
    return before;
  }
  const checked = resolveRequest(registry, cuj, ask);
  const key = JSON.stringify([cuj.name, ask.service, ask.window, ask.since, [...ask.params].sort()]);
  const now = { registry, checked, key, calls: minuteCalls(registry, checked, nowMs) };
  knownRequests.set(ask, now);
  return now;
}

const noOpinion: BudgetOpinion = {};

/** One question, as it is to be measured and judged. */
interface EvaluationContext {
  readonly registry: Registry;
  readonly cuj: Cuj;
  readonly sliCount: number | undefined;
  readonly nowMs: number;
  readonly known: KnownRequest;
  /** Those of the moment: `known` goes on to others with the minute. */
  readonly calls: MinuteCalls;
  readonly opinion: BudgetOpinion;
}

function optionsOf({ registry, sliCount, known, opinion }: EvaluationContext): JudgeOptions {
  const { service } = known.checked;
  return {
    registryDigest: registry.digest,
    ...(sliCount === undefined ? {} : { sliCount }),
    ...(service === undefined ? {} : { service }),
    backend: wordsOf(known.checked),
    ...(opinion.rule === undefined ? {} : { budgetRule: opinion.rule }),
    ...(opinion.note === undefined ? {} : { budgetNote: opinion.note }),
  };
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
    // By size as well: callers choose how many questions there are (since, window), and registries how large they are.
    maxSize: ports.rememberedCounts ?? 4_000_000,
    sizeCalculation: ({ evaluation }) => countsOf(evaluation.measurement),
  });

  function pose(
    registry: Registry,
    cuj: Cuj,
    ask: EvaluationRequest,
    sliCount: number | undefined,
  ): EvaluationContext {
    const nowMs = ports.now();
    const known = knownRequest(registry, cuj, ask, nowMs);
    const { calls } = known;
    return { registry, cuj, sliCount, nowMs, known, calls, opinion: ports.budget?.(cuj) ?? noOpinion };
  }

  async function evaluate(
    registry: Registry,
    cuj: Cuj,
    ask: EvaluationRequest,
    sliCount: number | undefined,
    signal: AbortSignal,
  ): Promise<Evaluation> {
    const posed = pose(registry, cuj, ask, sliCount);
    let snapshots: Snapshot[];
    try {
      const { queries } = posed.calls;
      snapshots = await Promise.all(queries.map((query) => ports.source.measure(query, signal)));
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      const failure = { reason: error.code, message: error.message, hint: error.hint };
      const options = optionsOf(posed);
      return {
        verdict: unknownVerdict(cuj, failure, posed.known.checked.selectorTexts, options),
        cuj,
        options,
        queries: [],
      };
    }
    return conclude(posed, snapshots);
  }

  function conclude(posed: EvaluationContext, snapshots: readonly Snapshot[]): Evaluation {
    const { registry, cuj, sliCount, nowMs, known, calls, opinion } = posed;
    if (!isClockSkewed(worstSkew(snapshots.map(({ clockSkewMs }) => clockSkewMs))))
      refuseFuture(known.checked, nowMs);
    // The same snapshots give the same verdict: a rollout's twenty CUJs are judged once a minute, not once a question.
    const toMs = floorMinute(nowMs - cuj.gate.lagMs);
    const key = sliCount === undefined ? known.key : `${sliCount} ${known.key}`;
    const budget = opinion.rule === undefined && opinion.note === undefined ? '' : JSON.stringify(opinion);
    const before = memory.get(key);
    if (
      before !== undefined &&
      before.registry === registry &&
      before.toMs === toMs &&
      before.budget === budget &&
      before.snapshots.length === snapshots.length &&
      before.snapshots.every((id, i) => id === idOf(snapshots[i] as Snapshot))
    ) {
      return before.evaluation;
    }
    const byService = new Map<string, Snapshot>();
    calls.services.forEach((services, i) => {
      for (const name of services) byService.set(name, snapshots[i] as Snapshot);
    });
    const measurement = measurementOf(known.checked, byService, nowMs);
    const options = optionsOf(posed);
    const evaluation: Evaluation = {
      verdict: (ports.judge ?? judge)(cuj, measurement, options),
      cuj,
      options,
      measurement,
      queries: snapshots.flatMap((snapshot) => snapshot.queries),
    };
    memory.set(key, {
      registry,
      toMs,
      snapshots: snapshots.map(idOf),
      budget,
      evaluation,
    });
    return evaluation;
  }

  return {
    async cuj(ask, signal) {
      const registry = ports.registry();
      return evaluate(registry, findCuj(registry, ask.cuj), ask, undefined, signal);
    },

    keptCuj(ask) {
      if (ports.source.kept === undefined) return undefined;
      const registry = ports.registry();
      const posed = pose(registry, findCuj(registry, ask.cuj), ask, undefined);
      const snapshots = ports.source.kept(posed.calls.queries);
      return snapshots === undefined ? undefined : conclude(posed, snapshots);
    },

    async service(ask, signal) {
      const registry = ports.registry();
      if (!registry.services.has(ask.service)) throw serviceNotFound(registry, ask.service);
      // A CUJ whose objectives all need a threshold, and whose endpoints here have none, says nothing about the service.
      const cujs = [...registry.cujs.values()].filter(
        (cuj) => cuj.services.includes(ask.service) && slisOf(cuj, ask.service).length > 0,
      );
      const enforced = cujs
        .filter((cuj) => cuj.mode === 'enforce')
        .reduce((sum, cuj) => sum + slisOf(cuj, ask.service).length, 0);
      const evaluations = await Promise.all(
        cujs.map((cuj) =>
          evaluate(
            registry,
            cuj,
            { ...ask, cuj: cuj.name, ...windowWithin(ask.window, cuj, cujs) },
            cuj.mode === 'enforce' ? enforced : undefined,
            signal,
          ),
        ),
      );
      const verdict = judgeService(
        ask.service,
        registry.digest,
        evaluations.map((evaluation) => evaluation.verdict),
      );
      return { verdict, evaluations };
    },
  };
}

const none = new Float64Array();

/** A span that some CUJ of the service is measured over is, for those that are measured over less, all of theirs. */
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

/** How many numbers a measurement keeps from being freed; objects around them count as some more. */
function countsOf(measurement: Measurement | undefined): number {
  if (measurement === undefined) return 100;
  let counts = 2 * (measurement.whole.canary.length + 20);
  for (const { canary, stable } of allSlis(measurement)) {
    // A view keeps all of what it is a view of, and the snapshot may be longer than this CUJ's span.
    for (const { total, bad, withStatus = none, unclassified = none } of [canary, stable])
      for (const { buffer } of [total, bad, withStatus, unclassified]) counts += buffer.byteLength / 8 + 20;
  }
  return counts;
}

/** The calls that a question takes, the same as long as the newest complete minute is. */
interface MinuteCalls {
  /** Epoch ms: from when, and until when, they are these. */
  readonly fromMs: number;
  readonly untilMs: number;
  readonly queries: readonly BatchQuery[];
  /** The services that each of them is for. */
  readonly services: readonly (readonly string[])[];
}

/** One call for each batch and pair of selectors among the question's services. */
function minuteCalls(registry: Registry, ask: ResolvedRequest, nowMs: number): MinuteCalls {
  const calls = new Map<string, { query: BatchQuery; services: string[] }>();
  let fromMs = Number.NEGATIVE_INFINITY;
  let untilMs = Number.POSITIVE_INFINITY;
  for (const { name } of ask.services) {
    const batch = registry.batchOfService.get(name) as QueryBatch;
    const { canary, stable } = ask.selectors.get(name) as NonNullable<ReturnType<typeof ask.selectors.get>>;
    const key = `${batch.id}|${selectorText(canary)}|${stable === undefined ? '' : selectorText(stable)}`;
    const known = calls.get(key);
    if (known !== undefined) {
      known.services.push(name);
      continue;
    }
    const toMs = floorMinute(nowMs - batch.lagMs);
    fromMs = Math.max(fromMs, toMs + batch.lagMs);
    untilMs = Math.min(untilMs, toMs + batch.lagMs + bucketMs);
    // The CUJ of the batch with the longest lag and window must find all of its span in the snapshot.
    const spanMs = Math.ceil(Math.max(batch.maxWindowMs, minHistoryMs) / bucketMs) * bucketMs;
    calls.set(key, { query: { batch, canary, stable, fromMs: toMs - spanMs, toMs }, services: [name] });
  }
  const all = [...calls.values()];
  return {
    fromMs,
    untilMs,
    queries: all.map(({ query }) => query),
    services: all.map(({ services }) => services),
  };
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
