import { createServer as createHttpServer, type IncomingMessage, type Server } from 'node:http';
import { createServer as createHttpsServer, type ServerOptions as HttpsOptions } from 'node:https';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import Fastify, { type FastifyHttpOptions, type FastifyReply, type FastifyRequest } from 'fastify';
import { CallerError } from '../../domain/errors.ts';
import { paramsOf } from '../../domain/metrics/evaluation-request.ts';
import { environmentParam, reservedParams } from '../../domain/registry/selector.ts';
import { type Guard, throttled } from '../auth/authenticate.ts';
import { answeredWhileClosing, drainingProblem } from '../operations/health.ts';
import { noPagePorts } from '../pages/page-ports.ts';
import { loggedUrl, readQuery } from '../status/query-params.ts';
import type { RequestHandler } from './pipelines.ts';
import type { AppPorts, CommonPorts, RegistryState } from './ports.ts';
import { type ProblemDocument, problem, problemOf } from './problem.ts';
import { requestId } from './request-id.ts';
import { requestSpans } from './request-spans.ts';
import { type Respond, respondWithProblem } from './respond.ts';
import { noRoute } from './routes.ts';
import type { SocketErrors } from './socket-errors.ts';
import { stopListening } from './stop-listening.ts';
import { logHandshakes } from './tls-errors.ts';

/** Longer than the 90 s after which Go's transport drops an idle connection: the side that asks must be the first. */
const keepAliveMs = 100_000;

const arrivalDefaults = { timeoutMs: 10_000, checkEveryMs: 2_000 };

/** How many refusals are logged within ten seconds: those of all templates that are wrong at once, not those of an attack. */
const refusedLines = 20;

interface Refusal {
  readonly reqId: string;
  readonly url: string;
  readonly document: ProblemDocument;
}

export interface ServerParts {
  readonly respond: Respond;
  readonly socketErrors: SocketErrors;
  readonly guard: Guard | undefined;
  /** The templates of the routes that it will have. */
  readonly routes: readonly string[];
  readonly inflight: () => number;
  readonly tls: AppPorts['tls'];
}

/** A server without routes, in which nothing is answered that is not a JSON object. */
export function createFastify(ports: CommonPorts, parts: ServerParts) {
  const { logger, phase } = ports;
  const { basePath } = ports.pages ?? noPagePorts;
  const { respond, socketErrors, guard, tls } = parts;
  const arrival = ports.arrival ?? arrivalDefaults;
  const options = {
    keepAliveTimeout: keepAliveMs,
    requestTimeout: arrival.timeoutMs,
    headersTimeout: arrival.timeoutMs,
    connectionsCheckingInterval: arrival.checkEveryMs,
    // Node would answer with an empty body; the hook below answers with a problem.
    requireHostHeader: false,
  };
  const createServer = (handler: RequestHandler): Server =>
    tls === undefined
      ? createHttpServer(options, socketErrors.watched(handler))
      : createHttpsServer(
          { ...options, ...handshake(tls, arrival.timeoutMs) },
          socketErrors.watched(handler),
        );
  const refused = throttled<Refusal>(
    ports.now,
    ({ reqId, url, document: { code, detail, hint } }, suppressed) => {
      const shown = loggedUrl(url, namesOf(ports.registry()));
      logger.warn({ reqId, url: shown, code, detail, hint, suppressed }, 'refused');
    },
    refusedLines,
  );
  const fail = (error: unknown, request: FastifyRequest, reply: FastifyReply) => {
    const document = problemOf(error);
    if (document.status >= 500) logger.error({ err: error, reqId: request.id }, 'request failed');
    else if (error instanceof CallerError) {
      // Argo throws the body of a refusal away: only here can the mistake of a template be read.
      refused({ reqId: request.id, url: request.url, document });
    }
    return respondWithProblem(respond, request, reply, document);
  };
  const nothingThere = (request: FastifyRequest, reply: FastifyReply) =>
    respondWithProblem(respond, request, reply, noRoute(request.method, request.url, parts.routes));

  const app = Fastify({
    // One line a verdict is written by the routes; Fastify's own two a request would cost more than the rest.
    logger: false,
    genReqId: requestId(),
    serverFactory: createServer,
    return503OnClosing: false,
    routerOptions: { maxParamLength: 500, querystringParser: readQuery as never },
    frameworkErrors: fail,
    clientErrorHandler: (error, socket) => {
      // Before a handshake is done, what is written waits for it, and so would the connection's end.
      if (tls !== undefined && !/^(HPE_|ERR_HTTP_)/.test(error.code)) socket.destroy();
      else socketErrors.clientError(error, socket);
    },
    // `OPTIONS *` is the only target that is no path.
    rewriteUrl: ({ url }) => (url === undefined || url === '*' ? '/*' : withoutBase(url, basePath)),
  } as FastifyHttpOptions<Server>).withTypeProvider<TypeBoxTypeProvider>();
  socketErrors.listen(app.server);
  if (tls !== undefined) logHandshakes(app.server, ports);

  // Schemas describe; what they could check needs the registry, and what they could serialise is serialised once.
  app.setValidatorCompiler(() => () => true);
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
  app.decorate('inflight', parts.inflight);
  app.decorate('basePath', basePath);
  app.decorate('busyConnections', socketErrors.busy);
  app.decorate('stopListening', () => stopListening(app.server, socketErrors));
  app.decorateRequest('startedAt', 0);
  app.decorateRequest('caller', undefined);
  app.decorateRequest('overloadFailure', undefined);
  app.decorateRequest('identifiedInMs', 0);
  app.setErrorHandler(fail);
  app.setNotFoundHandler(nothingThere);

  if (ports.tracing !== undefined) app.addHook('onRequest', requestSpans(ports.tracing));
  app.addHook('onRequest', (request, reply, next) => {
    request.startedAt = performance.now();
    const hostProblem = problemOfHost(request.raw);
    if (hostProblem !== undefined) respondWithProblem(respond, request, reply, hostProblem);
    else if (request.is404) {
      // Before anything reads a body.
      nothingThere(request, reply);
    } else if (phase() === 'closing' && !answeredWhileClosing.has(request.routeOptions.url as string)) {
      respondWithProblem(respond, request, reply, drainingProblem());
    } else if (guard !== undefined) guard(request, reply, next);
    else next();
  });
  return app;
}

/** The path within the gate, whether or not a proxy has removed what comes before it. */
function withoutBase(url: string, basePath: string): string {
  if (basePath === '' || !url.startsWith(basePath)) return url;
  const rest = url.slice(basePath.length);
  if (rest === '' || rest.startsWith('?')) return `/${rest}`;
  return rest.startsWith('/') ? rest : url;
}

/** RFC 9112, 3.2: what follows from two of them, or from half of one, differs from reader to reader. */
function problemOfHost({ httpVersion, headers, rawHeaders }: IncomingMessage): ProblemDocument | undefined {
  const { host } = headers;
  if (host === undefined) {
    return httpVersion === '1.1'
      ? problem('malformed_request', 'The Host header is missing.', 'HTTP/1.1 requires it.')
      : undefined;
  }
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    if (name.length === 4 && name.toLowerCase() === 'host') hosts += 1;
  }
  if (hosts > 1) {
    return problem('malformed_request', 'The Host header is given more than once.', 'Send it once.');
  }
  return /^[\w.~%!$&'()*+,;=:[\]-]*$/.test(host)
    ? undefined
    : problem('malformed_request', 'The Host header is not a host and a port.', 'Send it as gate:8080.');
}

/** All that a question about anything may hold. */
function namesOf(state: RegistryState | undefined): ReadonlySet<string> {
  const { required, optional } = paramsOf([...(state?.registry.services.values() ?? [])]);
  return new Set([...reservedParams, environmentParam, ...required, ...optional]);
}

function handshake(tls: NonNullable<AppPorts['tls']>, timeoutMs: number): HttpsOptions {
  // With a client CA, a caller without a certificate of it gets no connection.
  const callers = tls.ca === undefined ? {} : { requestCert: true, rejectUnauthorized: true };
  return { ...tls, ...callers, handshakeTimeout: timeoutMs };
}
