import type { FastifyReply, FastifyRequest } from 'fastify';
import { durationText } from '../../domain/duration.ts';
import type { Verdict } from '../../domain/judge/judge.ts';
import type { ServiceVerdict } from '../../domain/judge/judge-service.ts';
import { type EvaluationRequest, paramsOf } from '../../domain/metrics/evaluation-request.ts';
import type { Registry, Service } from '../../domain/registry/model.ts';
import type { SourceDialect } from '../../domain/registry/source-dialect.ts';
import { type Evaluation, findCuj, serviceNotFound } from '../../evaluation/evaluator.ts';
import { notReadyProblem } from '../operations/health.ts';
import type { GateMetrics } from '../operations/metrics.ts';
import { withinDeadline } from '../server/deadline.ts';
import { type AppPorts, systemTimer } from '../server/ports.ts';
import { jsonText, ProblemError } from '../server/problem.ts';
import { type Answer, jsonType } from '../server/respond.ts';
import { explainCuj, explainService } from './explain.ts';
import { type Failure, unknownCuj, unknownService } from './fallback-verdict.ts';
import { canaryParams, hasCanaryHeader, type Query, readFlag, refuseUnknown } from './query-params.ts';
import { type Found, PreparedVerdicts } from './response-cache.ts';

const ownOfCuj: ReadonlySet<string> = new Set(['service', 'window', 'since', 'explain', 'pretty']);
const ownOfService: ReadonlySet<string> = new Set(['window', 'since', 'explain', 'pretty']);

/** How often at most the log says that the source rejects us: a standing fault, not one fault a question. */
const complaintEveryMs = 60_000;

/** Undefined: it has answered already. */
type Handler = (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply> | undefined;

export interface StatusHandlers {
  readonly cuj: Handler;
  readonly service: Handler;
}

/** How many questions wait for an answer. */
export interface Load {
  inflight: number;
}

/** The names that a question about some services may use. */
interface Names {
  /** All that the query may hold. */
  readonly query: ReadonlySet<string>;
  /** What the selectors take. */
  readonly params: ReadonlySet<string>;
  /** Questions that were read before, by their query: a controller asks the same for as long as a rollout takes. */
  readonly questions: WeakMap<Query, Question>;
}

/** What a request asks, read and found to be well-formed. */
interface Question {
  readonly explain: boolean;
  readonly pretty: boolean;
  /** The same object for the same question, so that whoever gets it need not check it again. */
  readonly ask: EvaluationRequest;
}

interface Judged {
  readonly verdict: Verdict | ServiceVerdict;
  readonly found: Found;
  /** The members that `explain` adds. */
  readonly explained: () => object;
}

/** The two routes that Argo asks. */
export function createStatusHandlers(
  ports: AppPorts,
  load: Load,
  metrics: GateMetrics,
  answer: Answer,
): StatusHandlers {
  const { evaluator, logger, now, deadlineMs, maxInflight } = ports;
  const timer = ports.timer ?? systemTimer;
  const prepared = new PreparedVerdicts(logger, metrics);
  /** By the CUJ or service object itself, so that they live as long as its registry. */
  const known = new WeakMap<object, Names>();
  let complainedAtMs = Number.NEGATIVE_INFINITY;

  const overloaded = ({ backend }: SourceDialect): Failure => ({
    reason: 'gate_overloaded',
    message: `the gate has ${maxInflight} questions waiting and takes no more at the moment`,
    hint: `The next measurement asks again; if this lasts, see whether ${backend} is slow (cuj_gate_source_request_duration_seconds), else run more replicas or raise CUJ_GATE_MAX_INFLIGHT.`,
  });
  const late = ({ backend }: SourceDialect): Failure => ({
    reason: 'source_timeout',
    message: `${backend} did not answer within ${durationText(deadlineMs)}`,
    hint: `The next measurement asks again; if this lasts, look at ${backend}'s status page and at the network to it.`,
  });

  function registryNow(): Registry {
    const state = ports.registry();
    if (state === undefined) throw new ProblemError(notReadyProblem());
    return state.registry;
  }

  function namesOf(of: object, services: () => readonly Service[], own: ReadonlySet<string>): Names {
    let names = known.get(of);
    if (names === undefined) {
      const { required, optional } = paramsOf(services());
      const params = new Set([...required, ...optional]);
      names = { params, query: new Set([...params, ...own]), questions: new WeakMap() };
      known.set(of, names);
    }
    return names;
  }

  /** Reads a question about what is called `cuj`, or about a service. Throws CallerError. */
  function readQuestion(
    request: FastifyRequest,
    names: Names,
    own: ReadonlySet<string>,
    cuj: string,
  ): Question {
    const query = request.query as Query;
    const plain = !hasCanaryHeader(request.raw);
    const known = plain ? names.questions.get(query) : undefined;
    if (known !== undefined) return known;
    if (query.mistake !== undefined) throw query.mistake;
    refuseUnknown(query.values.keys(), names.query, 'query');
    const service = query.values.get('service');
    const window = query.values.get('window');
    const since = query.values.get('since');
    const question: Question = {
      explain: readFlag(query, 'explain'),
      pretty: readFlag(query, 'pretty'),
      ask: {
        cuj,
        params: canaryParams(query, request.raw, own, names.params),
        ...(service === undefined ? {} : { service }),
        ...(window === undefined ? {} : { window }),
        ...(since === undefined ? {} : { since }),
      },
    };
    if (plain) names.questions.set(query, question);
    return question;
  }

  function evaluated(evaluation: Evaluation): Judged {
    const { verdict } = evaluation;
    metrics.judged(verdict);
    return { verdict, found: prepared.cuj(evaluation), explained: () => explainCuj(evaluation) };
  }

  async function judged(
    request: FastifyRequest,
    dialect: SourceDialect,
    start: (signal: AbortSignal) => Promise<Judged>,
    unknown: (failure: Failure) => Judged,
  ): Promise<Judged> {
    if (request.shed !== undefined) return unknown(request.shed);
    if (load.inflight >= maxInflight) return unknown(overloaded(dialect));
    load.inflight += 1;
    try {
      return await withinDeadline(
        timer,
        // Finding out who asks was part of the answer's time.
        Math.max(1, deadlineMs - request.identifiedInMs),
        start,
        () => unknown(late(dialect)),
        (error) => logger.error({ err: error }, 'a question failed after its deadline'),
      );
    } finally {
      load.inflight -= 1;
    }
  }

  function send(
    request: FastifyRequest,
    reply: FastifyReply,
    { verdict, found, explained }: Judged,
    { explain, pretty }: { explain: boolean; pretty: boolean },
  ): FastifyReply {
    const durationMs = Math.round((performance.now() - request.startedAt) * 1000) / 1000;
    const facts = { reqId: request.id, durationMs, cached: found.cached };
    const { caller } = request;
    found.prepared.log.info(caller === undefined ? facts : { ...facts, caller }, 'verdict');
    if (verdict.reason === 'source_rejected' && now() - complainedAtMs >= complaintEveryMs) {
      complainedAtMs = now();
      logger.error(
        { reqId: request.id, hint: verdict.hint },
        'Datadog rejects the gate: no verdict is possible',
      );
    }
    found.prepared.tally.add();
    const body = explain ? jsonText({ ...verdict, ...explained() }, pretty) : found.prepared.body(pretty);
    return answer(request, reply, 200, jsonType, body, true);
  }

  return {
    cuj(request, reply) {
      const registry = registryNow();
      const cuj = findCuj(registry, (request.params as { name: string }).name);
      const services = () => cuj.services.map((name) => registry.services.get(name) as Service);
      const question = readQuestion(request, namesOf(cuj, services, ownOfCuj), ownOfCuj, cuj.name);
      const { ask } = question;
      // Whoever can be answered at once need not wait for anything, nor be counted among those who do.
      const kept = request.shed === undefined ? evaluator.keptCuj?.(ask) : undefined;
      if (kept !== undefined) {
        send(request, reply, evaluated(kept), question);
        return undefined;
      }
      // One process asks one backend, so all services have the same dialect.
      const { dialect } = registry.services.get(cuj.services[0] as string) as Service;
      return judged(
        request,
        dialect,
        async (signal) => evaluated(await evaluator.cuj(ask, signal)),
        (failure) => {
          const verdict = unknownCuj(registry, ask, failure);
          return {
            verdict,
            found: prepared.once(verdict),
            explained: () => ({ queries: [] }),
          };
        },
      ).then((of) => send(request, reply, of, question));
    },

    async service(request, reply) {
      const registry = registryNow();
      const name = (request.params as { service: string }).service;
      const service = registry.services.get(name);
      if (service === undefined) throw serviceNotFound(registry, name);
      const names = namesOf(service, () => [service], ownOfService);
      const question = readQuestion(request, names, ownOfService, '*');
      const { cuj: _, ...part } = question.ask;
      const ask = { ...part, service: name };
      const of = await judged(
        request,
        service.dialect,
        async (signal) => {
          const evaluation = await evaluator.service(ask, signal);
          for (const { verdict } of evaluation.evaluations) metrics.judged(verdict);
          return {
            verdict: evaluation.verdict,
            found: prepared.service(evaluation),
            explained: () => explainService(evaluation),
          };
        },
        (failure) => {
          const verdict = unknownService(registry, ask, failure);
          return {
            verdict,
            found: prepared.once(verdict),
            explained: () => ({ verdicts: [] }),
          };
        },
      );
      return send(request, reply, of, question);
    },
  };
}
