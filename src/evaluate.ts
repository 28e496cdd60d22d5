import { distance } from 'fastest-levenshtein';
import { LRUCache } from 'lru-cache';
import { type Ask, type CheckedAsk, checkAsk } from './domain/ask.ts';
import { floorMinute } from './domain/duration.ts';
import { CallerError, SourceError } from './domain/errors.ts';
import { measurementOf } from './domain/measurement.ts';
import {
  bucketMs,
  type Measurement,
  type MetricsSource,
  type ScopeQuery,
  type SentQuery,
  type Snapshot,
} from './domain/metrics-source.ts';
import type { Cuj, Registry, ScopeBatch } from './domain/registry-model.ts';
import type { RuleName } from './domain/registry-schema.ts';
import { selectorText } from './domain/selector.ts';
import { judgeService, type ServiceVerdict } from './domain/service-verdict.ts';
import { type JudgeOptions, judge, slisOf, unknownVerdict, type Verdict } from './domain/verdict.ts';

/** What the error budget says about a CUJ's rule right now. */
export interface BudgetOpinion {
  /** The rule of the policy entry that is due. */
  readonly rule?: { readonly rule: RuleName; readonly because: string };
  /** Why the budget is not known, where a policy could have changed the rule. */
  readonly note?: string;
}

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
export type ServiceAsk = Omit<Ask, 'cuj' | 'service'> & { readonly service: string };

export interface Evaluator {
  /** Throws CallerError for the caller's mistakes; the source's trouble is an `inconclusive` verdict. */
  cuj(ask: Ask, signal: AbortSignal): Promise<Evaluation>;
  service(ask: ServiceAsk, signal: AbortSignal): Promise<ServiceEvaluation>;
}

interface Remembered {
  readonly registry: Registry;
  readonly toMs: number;
  /** Only to see whether they are the same: how long they are kept is the cache's to say. */
  readonly snapshots: readonly WeakRef<Snapshot>[];
  readonly budget: string;
  readonly evaluation: Evaluation;
}

interface KnownAsk {
  readonly registry: Registry;
  readonly checked: CheckedAsk;
  /** Equal for equal questions. */
  readonly key: string;
}

/** By the object that put the question: who asks again and again may hand in the same, and is not checked again. */
const knownAsks = new WeakMap<Ask, KnownAsk>();

function knownAsk(registry: Registry, cuj: Cuj, ask: Ask, nowMs: number): KnownAsk {
  const before = knownAsks.get(ask);
  if (before?.registry === registry) return before;
  const checked = checkAsk(registry, cuj, ask, nowMs);
  const key = JSON.stringify([cuj.name, ask.service, ask.window, ask.since, [...ask.params].sort()]);
  const now = { registry, checked, key };
  knownAsks.set(ask, now);
  return now;
}

/** The use case: find the CUJ, measure canary and stable, judge. */
export function createEvaluator(ports: EvaluatorPorts): Evaluator {
  const memory = new LRUCache<string, Remembered>({
    max: 2_000,
    // By size as well: callers choose how many questions there are (since, window), and registries how large they are.
    maxSize: ports.rememberedCounts ?? 4_000_000,
    sizeCalculation: ({ evaluation }) => countsOf(evaluation.measurement),
  });

  async function evaluate(
    registry: Registry,
    cuj: Cuj,
    ask: Ask,
    sliCount: number | undefined,
    signal: AbortSignal,
  ): Promise<Evaluation> {
    const nowMs = ports.now();
    const { checked, key: question } = knownAsk(registry, cuj, ask, nowMs);
    const opinion = ports.budget?.(cuj) ?? {};
    const options: JudgeOptions = {
      registryDigest: registry.digest,
      ...(sliCount === undefined ? {} : { sliCount }),
      ...(checked.service === undefined ? {} : { service: checked.service }),
      ...(opinion.rule === undefined ? {} : { budgetRule: opinion.rule }),
      ...(opinion.note === undefined ? {} : { budgetNote: opinion.note }),
    };
    const queries = scopeQueries(registry, checked, nowMs);
    let snapshots: Snapshot[];
    try {
      snapshots = await Promise.all(queries.map(({ query }) => ports.source.measure(query, signal)));
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      const failure = { reason: error.code, message: error.message, hint: error.hint };
      return {
        verdict: unknownVerdict(cuj, failure, checked.selectorTexts, options),
        cuj,
        options,
        queries: [],
      };
    }
    // The same snapshots give the same verdict: a rollout's twenty CUJs are judged once a minute, not once a question.
    const toMs = floorMinute(nowMs - cuj.gate.lagMs);
    const key = `${sliCount} ${question}`;
    const budget = JSON.stringify(opinion);
    const known = memory.get(key);
    if (
      known !== undefined &&
      known.registry === registry &&
      known.toMs === toMs &&
      known.budget === budget &&
      known.snapshots.length === snapshots.length &&
      known.snapshots.every((snapshot, i) => snapshot.deref() === snapshots[i])
    ) {
      return known.evaluation;
    }
    const byService = new Map<string, Snapshot>();
    queries.forEach(({ services }, i) => {
      for (const name of services) byService.set(name, snapshots[i] as Snapshot);
    });
    const measurement = measurementOf(checked, byService, nowMs);
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
      snapshots: snapshots.map((snapshot) => new WeakRef(snapshot)),
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

    async service(ask, signal) {
      const registry = ports.registry();
      if (!registry.services.has(ask.service)) throw serviceNotFound(registry, ask.service);
      const cujs = [...registry.cujs.values()].filter((cuj) => cuj.services.includes(ask.service));
      const enforced = cujs
        .filter((cuj) => cuj.mode === 'enforce')
        .reduce((sum, cuj) => sum + slisOf(cuj, ask.service).length, 0);
      const evaluations = await Promise.all(
        cujs.map((cuj) =>
          evaluate(
            registry,
            cuj,
            { ...ask, cuj: cuj.name },
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

/** How many numbers a measurement holds; objects around them count as some more. */
function countsOf(measurement: Measurement | undefined): number {
  if (measurement === undefined) return 100;
  const endpoints = (measurement.availability?.length ?? 0) + (measurement.latency?.length ?? 0);
  return (endpoints * 4 + 2) * (measurement.whole.canary.length + 20);
}

/** The calls that a question takes: one for each batch and pair of selectors among its services. */
function scopeQueries(
  registry: Registry,
  ask: CheckedAsk,
  nowMs: number,
): { query: ScopeQuery; services: string[] }[] {
  const calls = new Map<string, { query: ScopeQuery; services: string[] }>();
  for (const { name } of ask.services) {
    const batch = registry.batchOfService.get(name) as ScopeBatch;
    const { canary, stable } = ask.selectors.get(name) as NonNullable<ReturnType<typeof ask.selectors.get>>;
    const key = `${batch.id}|${selectorText(canary)}|${stable === undefined ? '' : selectorText(stable)}`;
    const known = calls.get(key);
    if (known !== undefined) {
      known.services.push(name);
      continue;
    }
    const toMs = floorMinute(nowMs - batch.lagMs);
    // The CUJ of the batch with the longest lag and window must find all of its span in the snapshot.
    const spanMs = Math.ceil(batch.maxWindowMs / bucketMs) * bucketMs;
    calls.set(key, { query: { batch, canary, stable, fromMs: toMs - spanMs, toMs }, services: [name] });
  }
  return [...calls.values()];
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

/** At most three known names within half of the wanted name's length in edits, nearest first. */
export function nearestNames(wanted: string, known: Iterable<string>): string[] {
  const text = wanted.slice(0, 100).toLowerCase();
  return [...known]
    .map((name) => ({
      name,
      edits: name.includes(text) && text.length > 2 ? 1 : distance(text, name.toLowerCase()),
    }))
    .filter(({ name, edits }) => edits <= Math.max(2, Math.floor(Math.min(text.length, name.length) / 2)))
    .sort((a, b) => a.edits - b.edits || (a.name < b.name ? -1 : 1))
    .slice(0, 3)
    .map(({ name }) => name);
}
