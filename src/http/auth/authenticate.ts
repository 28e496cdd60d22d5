import type { TLSSocket } from 'node:tls';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { visible } from '../../domain/outside-text.ts';
import type { Identification } from '../../domain/ports/authenticator.ts';
import type { GateMetrics } from '../operations/metrics.ts';
import { wantsPage } from '../pages/accept.ts';
import type { CommonPorts } from '../server/ports.ts';
import { jsonText, type ProblemDocument, problem } from '../server/problem.ts';
import { jsonType, type Respond, respondWithProblem, routeOf, wantsPretty } from '../server/respond.ts';
import { routes } from '../server/routes.ts';
import type { Failure } from '../status/fallback-verdict.ts';
import { notJudged } from './auth-unavailable.ts';
import { createRateLimiter } from './rate-limit.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /**
     * The caller, where the gate knows it: `token:<label>`, `oidc:<subject>`, `browser:<subject>`,
     * `certificate:<common name>`. */
    caller: string | undefined;
    /** Set where a question is answered at once, without measuring. */
    overloadFailure: Failure | undefined;
    /** How long it took to identify the caller, in ms. The question's deadline is shorter by it. */
    identifiedInMs: number;
  }
}

const callerHint = 'Send Authorization: Bearer with a configured token, or a JWT of a configured issuer.';
/** A person cannot send a header. */
const browserHint =
  "Open the gate at its public address, where a proxy signs you in, or sign in there again. If that does not help, ask the team that runs the gate: its log line 'caller turned away' says more.";

/** Runs before a route's handler: calls `next`, or answers. */
export type Guard = (request: FastifyRequest, reply: FastifyReply, next: (error?: Error) => void) => void;

/** Minimum interval of this log line: anyone who reaches the port can cause it. */
const complaintEveryMs = 10_000;

const probes: ReadonlySet<string> = new Set([routes.healthz, routes.readyz]);
const questions: ReadonlySet<string> = new Set([routes.cujStatus, routes.serviceStatus]);

/** A rollout's question, for which an error counts towards an abort. A person who opens the same address gets an error page. */
function isQuestion(request: FastifyRequest): boolean {
  return questions.has(routeOf(request)) && !wantsPage(request);
}

/** Checks who the caller is and how often it asks. Undefined where neither is configured. */
export function createGuard(ports: CommonPorts, metrics: GateMetrics, respond: Respond): Guard | undefined {
  const { logger, authenticator, rateLimitPerMinute = 0, authenticateMetrics = false } = ports;
  const limiter =
    rateLimitPerMinute > 0 ? createRateLimiter(rateLimitPerMinute, ports.monotonicMs) : undefined;
  const certificates = ports.tls?.ca !== undefined;
  if (authenticator === undefined && limiter === undefined && !certificates) return undefined;

  const complaint = throttled<object>(ports.now, (fields, suppressed) =>
    logger.warn({ ...fields, suppressed }, 'caller turned away'),
  );
  const complain = (request: FastifyRequest, code: string, detail: string, more: object = {}) =>
    complaint({
      reqId: request.id,
      route: routeOf(request),
      address: request.ip,
      ...(request.caller === undefined ? {} : { caller: request.caller }),
      code,
      detail,
      ...more,
    });

  function unauthorized(
    request: FastifyRequest,
    reply: FastifyReply,
    detail: string,
    error: string,
    more: object = {},
  ): void {
    complain(request, 'unauthorized', detail, more);
    reply.header('www-authenticate', `Bearer realm="cuj-gate"${error}`);
    const hint = wantsPage(request) ? browserHint : callerHint;
    respondWithProblem(respond, request, reply, problem('unauthorized', detail, hint));
  }

  function admit(request: FastifyRequest, reply: FastifyReply, next: () => void): void {
    const seconds = limiter?.take(request.caller ?? `address:${request.ip}`);
    if (seconds === undefined) {
      next();
      return;
    }
    const detail = `This caller sent more than ${rateLimitPerMinute} requests in a minute.`;
    complain(request, 'rate_limited', detail);
    if (isQuestion(request)) {
      // An error would count towards aborting the rollout; an inconclusive verdict does not.
      request.overloadFailure = {
        reason: 'gate_overloaded',
        message: `the caller sent more than ${rateLimitPerMinute} requests in a minute`,
        hint: 'Send fewer requests (interval), or raise CUJ_GATE_RATE_LIMIT.',
      };
      next();
      return;
    }
    reply.header('retry-after', String(seconds));
    respondWithProblem(
      respond,
      request,
      reply,
      problem('rate_limited', detail, 'Retry later, or raise CUJ_GATE_RATE_LIMIT.'),
    );
  }

  function unavailable(
    request: FastifyRequest,
    reply: FastifyReply,
    { message, hint }: { readonly message: string; readonly hint: string },
  ): void {
    complain(request, 'auth_unavailable', message);
    if (!isQuestion(request)) {
      reply.header('retry-after', '5');
      const document: ProblemDocument = problem('auth_unavailable', `${capital(message)}.`, hint);
      respondWithProblem(respond, request, reply, document);
      return;
    }
    const document = notJudged(message, hint);
    logger.info({ reqId: request.id, verdict: document.verdict, reason: document.reason }, 'verdict');
    metrics.verdictAnswered('*', '*', document.verdict, document.reason);
    respond(request, reply, 200, jsonType, jsonText(document, wantsPretty(request)), { logged: true });
  }

  function decide(
    of: Identification,
    request: FastifyRequest,
    reply: FastifyReply,
    next: (error?: Error) => void,
  ): void {
    if (of.outcome === 'known') {
      request.caller = of.caller;
      admit(request, reply, next);
    } else if (of.outcome === 'refused') {
      const error = `, error="invalid_token", error_description="${of.detail.replace(/["\\]/g, '')}"`;
      unauthorized(request, reply, of.detail, error, of.claim === undefined ? {} : { claim: of.claim });
    } else unavailable(request, reply, of);
  }

  return (request, reply, next) => {
    const route = request.routeOptions.url as string;
    if (probes.has(route) || (route === routes.metrics && !authenticateMetrics)) {
      next();
      return;
    }
    if (certificates) request.caller = certificateCaller(request.raw.socket as TLSSocket);
    if (authenticator === undefined) {
      admit(request, reply, next);
      return;
    }
    const token = bearerToken(request.headers.authorization);
    if (token === undefined) {
      unauthorized(request, reply, 'The request has no bearer token.', '');
      return;
    }
    const found = authenticator.identify(token);
    if (!(found instanceof Promise)) {
      decide(found, request, reply, next);
      return;
    }
    found.then((of) => {
      request.identifiedInMs = performance.now() - request.startedAt;
      decide(of, request, reply, next);
    }, next);
  };
}

/** RFC 9110, 11.1: the scheme's letter case does not matter. */
function bearerToken(authorization: string | undefined): string | undefined {
  return authorization === undefined ? undefined : /^bearer +(\S+) *$/i.exec(authorization)?.[1];
}

const callers = new WeakMap<object, string>();

/** TLS has verified the certificate. It is read once: a socket that has closed has none. */
function certificateCaller(socket: TLSSocket): string {
  let caller = callers.get(socket);
  if (caller === undefined) {
    const name = socket.getPeerCertificate?.().subject?.CN;
    caller = `certificate:${visible((Array.isArray(name) ? name.join() : (name ?? 'without-name')).slice(0, 128))}`;
    callers.set(socket, caller);
  }
  return caller;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Passes on at most `lines` within `complaintEveryMs`, with the number that was suppressed before. */
export function throttled<T>(
  now: () => number,
  pass: (of: T, suppressed: number) => void,
  lines = 1,
): (of: T) => void {
  let sinceMs = Number.NEGATIVE_INFINITY;
  let passed = 0;
  let suppressed = 0;
  return (of) => {
    const nowMs = now();
    // After the clock was set back, lines must not stop.
    if (nowMs - sinceMs >= complaintEveryMs || nowMs < sinceMs) {
      sinceMs = nowMs;
      passed = 0;
    }
    if (passed >= lines) {
      suppressed += 1;
      return;
    }
    passed += 1;
    const before = suppressed;
    suppressed = 0;
    pass(of, before);
  };
}
