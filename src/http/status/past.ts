import type { FastifyReply, FastifyRequest } from 'fastify';
import { CallerError } from '../../domain/errors.ts';
import type { Verdict } from '../../domain/judge/judge.ts';
import type { ServiceVerdict } from '../../domain/judge/judge-service.ts';
import { recomputedAt } from '../../domain/judge/recomputed.ts';
import { readMoment } from '../../domain/metrics/evaluation-request.ts';
import type { AskedAbout, VerdictHistory } from '../../domain/ports/verdict-history.ts';
import type { AskedBackends } from '../../domain/registry/backend-words.ts';
import type { AsOf } from '../../evaluation/evaluator.ts';
import { withinDeadline } from '../server/deadline.ts';
import { type AppPorts, systemTimer } from '../server/ports.ts';
import { jsonText } from '../server/problem.ts';
import { jsonType, type Respond } from '../server/respond.ts';
import type { Failure } from './fallback-verdict.ts';
import type { Load } from './load.ts';
import type { Question } from './question.ts';
import { logFields } from './verdict-log.ts';

/** So many questions about the past may wait for an answer. */
export const maxPastInflight = 20;
/** A look is of a moment where it was given within this time before it. */
const lookOfMomentMs = 60_000;

/** A question about the past, and how it is answered. */
export interface PastQuestion {
  readonly question: Question & { readonly at: string };
  readonly about: AskedAbout;
  readonly asked: AskedBackends;
  readonly start: (asOf: AsOf, signal: AbortSignal) => Promise<RecomputedVerdict>;
  readonly unknown: (failure: Failure) => Verdict | ServiceVerdict;
}

export interface RecomputedVerdict {
  readonly verdict: Verdict | ServiceVerdict;
  /** The members that `explain` adds. */
  readonly explained: () => object;
  /** What is said about a question by an alias. */
  readonly asked?: object;
}

type AnswerPast = (request: FastifyRequest, reply: FastifyReply, past: PastQuestion) => Promise<FastifyReply>;

/**
 * Answers questions as of a moment in the past. They count neither in the metrics of verdicts nor in the history. Throws CallerError:
 * `forbidden` for callers that the gate does not know, `invalid_request`, and `rate_limited` where too many wait.
 */
export function createPastAnswers(ports: AppPorts, respond: Respond, load: Pick<Load, 'past'>): AnswerPast {
  const { logger, now, deadlineMs, history } = ports;
  const timer = ports.timer ?? systemTimer;

  return async (request, reply, { question, about, asked, start, unknown }) => {
    refuseUnknownCaller(ports, request);
    const atMs = readMoment(question.at, now(), asked);
    const failed = (failure: Failure): RecomputedVerdict => ({
      verdict: unknown(failure),
      explained: () => ({}),
    });
    const recompute = async (signal: AbortSignal) => {
      const untilMs = await endOfLook(history, about, atMs);
      return start({ atMs, ...(untilMs === undefined ? {} : { untilMs }) }, signal);
    };
    if (load.past >= maxPastInflight) throw tooMany();
    load.past += 1;
    let of: RecomputedVerdict;
    try {
      of =
        request.overloadFailure === undefined
          ? await withinDeadline(
              timer,
              Math.max(1, deadlineMs - request.identifiedInMs),
              recompute,
              () => failed(late(asked)),
              (error) => logger.error({ err: error }, 'request failed after its deadline'),
            )
          : failed(request.overloadFailure);
    } finally {
      load.past -= 1;
    }
    const durationMs = Math.round((performance.now() - request.startedAt) * 1000) / 1000;
    const shown = recomputedAt(atMs, of.verdict);
    logger.info(
      { reqId: request.id, durationMs, caller: request.caller, at: shown.at, ...logFields(of.verdict) },
      'recomputed',
    );
    const recomputed = { ...of.verdict, ...of.asked, ...(question.explain ? of.explained() : {}) };
    return respond(request, reply, 200, jsonType, jsonText({ ...shown, recomputed }, question.pretty), {
      logged: true,
    });
  };
}

/** Throws CallerError `forbidden` for callers that may not ask about the past. */
export function refuseUnknownCaller(
  ports: Pick<AppPorts, 'allowUnauthenticatedPast'>,
  request: Pick<FastifyRequest, 'caller'>,
): void {
  if (!mayAskForPast(ports, request)) throw notAllowed();
}

/** Whether the caller may have a moment of the past computed: a known caller, unless the setting admits everyone. */
export function mayAskForPast(
  { allowUnauthenticatedPast }: Pick<AppPorts, 'allowUnauthenticatedPast'>,
  { caller }: Pick<FastifyRequest, 'caller'>,
): boolean {
  return caller !== undefined || allowUnauthenticatedPast === true;
}

/** The end of the data that the look at a moment was made of, where it is known: the same end gives the same verdict. */
export async function endOfLook(
  history: VerdictHistory | undefined,
  about: AskedAbout,
  atMs: number,
): Promise<number | undefined> {
  const looks = await history?.looksOf(about);
  if (looks?.available !== true) return undefined;
  // A time that people write has no milliseconds.
  const untilMs = Math.floor(atMs / 1_000) * 1_000 + 999;
  let latest: { givenMs: number; dataUntilMs: number } | undefined;
  for (const { atMs: firstMs, lastAtMs, dataUntilMs } of looks.value) {
    if (firstMs > untilMs || dataUntilMs === undefined) continue;
    const givenMs = Math.min(lastAtMs, untilMs);
    if (untilMs - givenMs > lookOfMomentMs || givenMs < (latest?.givenMs ?? 0)) continue;
    latest = { givenMs, dataUntilMs };
  }
  return latest?.dataUntilMs;
}

function notAllowed(): CallerError {
  return new CallerError(
    'forbidden',
    'Questions about the past are for callers that the gate knows: each may cost calls to the backend.',
    'Configure authentication (CUJ_GATE_AUTH_TOKENS_FILE, CUJ_GATE_AUTH_OIDC_ISSUER or CUJ_GATE_TLS_CLIENT_CA_FILE), or set CUJ_GATE_ALLOW_UNAUTHENTICATED_PAST=true.',
  );
}

function tooMany(): CallerError {
  return new CallerError(
    'rate_limited',
    `${maxPastInflight} questions about the past wait for an answer.`,
    'Ask again when they are answered.',
  );
}

function late({ backend }: AskedBackends): Failure {
  return {
    reason: 'source_timeout',
    message: `${backend} did not answer in time`,
    hint: `Ask again: questions about the past wait for those about now. If this lasts, check ${backend}'s status page and the network to it.`,
  };
}
