import type { FastifyReply, FastifyRequest } from 'fastify';
import { durationText } from '../../domain/duration.ts';
import type { Verdict } from '../../domain/judge/judge.ts';
import type { ServiceVerdict } from '../../domain/judge/judge-service.ts';
import { askedAsOf } from '../../domain/judge/retired-verdict.ts';
import type { JudgedCuj } from '../../domain/judge/verdict-record.ts';
import type { AskedAbout } from '../../domain/ports/verdict-history.ts';
import { type AskedBackends, askedBackends } from '../../domain/registry/backend-words.ts';
import type { Cuj, Registry, Service } from '../../domain/registry/model.ts';
import { findCuj, serviceNotFound } from '../../evaluation/evaluator.ts';
import { notReadyProblem } from '../operations/health.ts';
import type { GateMetrics } from '../operations/metrics.ts';
import { withinDeadline } from '../server/deadline.ts';
import { type AppPorts, systemTimer } from '../server/ports.ts';
import { jsonText, ProblemError } from '../server/problem.ts';
import { jsonType, type Respond } from '../server/respond.ts';
import { explainCuj, explainService } from './explain.ts';
import { type Failure, unknownCuj, unknownService } from './fallback-verdict.ts';
import type { Load } from './load.ts';
import { createPastAnswers } from './past.ts';
import { ownOfCuj, ownOfService, type Question, readQuestion, readRetiredQuestion } from './question.ts';
import { createVerdictLinks } from './verdict-link.ts';
import { createVerdictTexts } from './verdict-texts.ts';

/** Minimum interval of this log line. */
const complaintEveryMs = 60_000;

type Handler = (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>;

export interface StatusHandlers {
  readonly cuj: Handler;
  readonly service: Handler;
}

/** A question by an alias, or about a retired CUJ. */
interface Outdated {
  readonly cuj: Cuj;
  /** The name or alias of the question. */
  readonly askedAs: string;
  /** What the answer says about an alias. */
  readonly answer: ReturnType<typeof askedAsOf>;
}

interface Judged {
  readonly verdict: Verdict | ServiceVerdict;
  /** Whether it was judged for an earlier question. */
  readonly cached: boolean;
  /** Whether the source was needed for it, and was not asked or failed. */
  readonly unmeasured: boolean;
  /** What the verdict was made of; empty where nothing was judged. */
  readonly evaluations: readonly JudgedCuj[];
  /** The members that `explain` adds. */
  readonly explained: () => object;
}

/** The two routes that Argo asks. */
export function createStatusHandlers(
  ports: AppPorts,
  load: Load,
  metrics: GateMetrics,
  respond: Respond,
): StatusHandlers {
  const { evaluator, logger, now, deadlineMs, maxInflight } = ports;
  const timer = ports.timer ?? systemTimer;
  const textsOf = createVerdictTexts(logger);
  const answerPast = createPastAnswers(ports, respond, load);
  const links = createVerdictLinks(ports);
  let complainedAtMs = Number.NEGATIVE_INFINITY;

  const overloaded = ({ backend }: AskedBackends): Failure => ({
    reason: 'gate_overloaded',
    message: `too many concurrent requests: ${maxInflight} are waiting (CUJ_GATE_MAX_INFLIGHT)`,
    hint: `Wait for the next measurement. If this lasts, check whether ${backend} is slow (cuj_gate_source_request_duration_seconds); otherwise run more replicas or raise CUJ_GATE_MAX_INFLIGHT.`,
  });
  const late = ({ backend }: AskedBackends): Failure => ({
    reason: 'source_timeout',
    message: `${backend} did not answer within ${durationText(deadlineMs)}`,
    hint: `Wait for the next measurement. If this lasts, check ${backend}'s status page and the network to it.`,
  });

  function registryNow(): Registry {
    const state = ports.registry();
    if (state === undefined) throw new ProblemError(notReadyProblem());
    return state.registry;
  }

  async function judged(
    request: FastifyRequest,
    asked: AskedBackends,
    start: (signal: AbortSignal) => Promise<Judged>,
    unknown: (failure: Failure) => Verdict | ServiceVerdict,
    explained: () => object,
  ): Promise<Judged> {
    const failed = (failure: Failure): Judged => ({
      verdict: unknown(failure),
      cached: false,
      unmeasured: true,
      evaluations: [],
      explained,
    });
    if (request.overloadFailure !== undefined) return failed(request.overloadFailure);
    if (load.inflight >= maxInflight) {
      // With this signal the source is not asked; what its cache has is answered all the same.
      const kept = await start(AbortSignal.abort());
      return kept.unmeasured ? failed(overloaded(asked)) : kept;
    }
    load.inflight += 1;
    try {
      return await withinDeadline(
        timer,
        // The time it took to identify the caller counts as well.
        Math.max(1, deadlineMs - request.identifiedInMs),
        start,
        () => failed(late(asked)),
        (error) => logger.error({ err: error }, 'request failed after its deadline'),
      );
    } finally {
      load.inflight -= 1;
    }
  }

  function send(
    request: FastifyRequest,
    reply: FastifyReply,
    about: AskedAbout,
    judged: Judged,
    question: Question,
    outdated?: Outdated,
  ): FastifyReply {
    const { verdict, cached, explained } = judged;
    const { explain, pretty } = question;
    const texts = textsOf(verdict, () => links.url(about));
    const durationMs = Math.round((performance.now() - request.startedAt) * 1000) / 1000;
    const { askedAs, aliasNote } = outdated?.answer ?? {};
    texts.logger.info(
      { reqId: request.id, durationMs, cached, caller: request.caller, ...(aliasNote && { askedAs }) },
      'verdict',
    );
    if (outdated !== undefined) metrics.askedOutdated(outdated.askedAs, verdict.environment);
    if (verdict.reason === 'source_rejected' && now() - complainedAtMs >= complaintEveryMs) {
      complainedAtMs = now();
      logger.error(
        { reqId: request.id, summary: verdict.summary, hint: verdict.hint },
        'the metrics backend rejected a query or its credentials: no verdict is possible',
      );
    }
    const { cuj, service } = texts.fields;
    metrics.verdictAnswered(cuj, service, verdict.verdict, verdict.reason, verdict.environment);
    const isPlain = !explain && !pretty && aliasNote === undefined;
    const body = isPlain
      ? texts.body
      : jsonText({ ...texts.shown, ...outdated?.answer, ...(explain ? explained() : {}) }, pretty);
    const answer = respond(request, reply, 200, jsonType, body, { logged: true });
    // A retired CUJ says nothing about a release.
    if (outdated?.cuj.retired === undefined) noteGiven(request, about, judged, question);
    return answer;
  }

  /** After the answer, which never depends on it. */
  function noteGiven(
    { caller }: FastifyRequest,
    about: AskedAbout,
    { verdict, evaluations }: Judged,
    { evaluationRequest: { window, since } }: Question,
  ): void {
    ports.history?.given({
      atMs: now(),
      about,
      ...(window === undefined ? {} : { window }),
      ...(since === undefined ? {} : { since }),
      caller,
      verdict,
      judged: evaluations,
      linkAt: (atMs) => links.url(about, atMs),
    });
  }

  return {
    async cuj(request, reply) {
      const registry = registryNow();
      const askedAs = (request.params as { name: string }).name;
      const cuj = findCuj(registry, askedAs);
      const services = cuj.services.map((name) => registry.services.get(name) as Service);
      const isRetired = cuj.retired !== undefined;
      const question = isRetired
        ? readRetiredQuestion(request, cuj)
        : readQuestion(request, services, ownOfCuj, cuj.name);
      const { evaluationRequest } = question;
      const answer = askedAsOf(cuj, askedAs);
      const outdated: Outdated | undefined =
        isRetired || answer.askedAs !== undefined ? { cuj, askedAs, answer } : undefined;
      const asked = askedBackends(registry, cuj.services);
      const { params, service: only } = evaluationRequest;
      const about = {
        kind: 'cuj',
        name: cuj.name,
        params: Object.fromEntries(params),
        ...(only === undefined ? {} : { service: only }),
      } as const;
      const unknown = (failure: Failure) => unknownCuj(registry, evaluationRequest, failure);
      const { at } = question;
      if (at !== undefined) {
        return answerPast(request, reply, {
          question: { ...question, at },
          about,
          asked,
          async start(asOf, signal) {
            const evaluation = await evaluator.cuj({ ...evaluationRequest, ...asOf }, signal);
            return {
              verdict: evaluation.verdict,
              explained: () => explainCuj(evaluation),
              asked: answer,
            };
          },
          unknown,
        });
      }
      const of = await judged(
        request,
        asked,
        async (signal) => {
          const evaluation = await evaluator.cuj(evaluationRequest, signal);
          const { verdict, remembered, measurement } = evaluation;
          metrics.judged(verdict);
          return {
            verdict,
            cached: remembered,
            unmeasured: measurement === undefined && !isRetired,
            evaluations: [evaluation],
            explained: () => explainCuj(evaluation),
          };
        },
        unknown,
        () => ({ queries: [] }),
      );
      return send(request, reply, about, of, question, outdated);
    },

    async service(request, reply) {
      const registry = registryNow();
      const name = (request.params as { service: string }).service;
      const service = registry.services.get(name);
      if (service === undefined) throw serviceNotFound(registry, name);
      const asked = askedBackends(registry, [name]);
      const question = readQuestion(request, [service], ownOfService, '*');
      const { cuj: _, ...part } = question.evaluationRequest;
      const serviceRequest = { ...part, service: name };
      const about = { kind: 'service', name, params: Object.fromEntries(part.params) } as const;
      const unknown = (failure: Failure) => unknownService(registry, serviceRequest, failure);
      const { at } = question;
      if (at !== undefined) {
        return answerPast(request, reply, {
          question: { ...question, at },
          about,
          asked,
          async start(asOf, signal) {
            const evaluation = await evaluator.service({ ...serviceRequest, ...asOf }, signal);
            return { verdict: evaluation.verdict, explained: () => explainService(evaluation) };
          },
          unknown,
        });
      }
      const of = await judged(
        request,
        asked,
        async (signal) => {
          const evaluation = await evaluator.service(serviceRequest, signal);
          const { verdict, evaluations } = evaluation;
          for (const one of evaluations) metrics.judged(one.verdict);
          return {
            verdict,
            cached: evaluations.length > 0 && evaluations.every(({ remembered }) => remembered),
            unmeasured: evaluations.some(({ measurement }) => measurement === undefined),
            evaluations,
            explained: () => explainService(evaluation),
          };
        },
        unknown,
        () => ({ verdicts: [] }),
      );
      return send(request, reply, about, of, question);
    },
  };
}
