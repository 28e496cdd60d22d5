import type { Server } from 'node:http';
import swagger from '@fastify/swagger';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { CallerError } from '../domain/errors.ts';
import { findCuj } from '../evaluate.ts';
import { answerProblem, createAnswer, jsonType } from './answer.ts';
import { cujEntry, cujList, registryDocument } from './catalog.ts';
import { noRoute, routes } from './known-routes.ts';
import { createMetrics } from './metrics.ts';
import { createOpenApi, describe, sharedSchemas, swaggerOptions } from './openapi.ts';
import { answeredWhileClosing, drainingProblem, notReadyProblem, readiness } from './operations.ts';
import type { AppPorts, RegistryState } from './ports.ts';
import { jsonText, ProblemError, problem, problemOf } from './problem.ts';
import { type Query, readPretty, readQuery } from './query.ts';
import { requestId } from './request-id.ts';
import { createSocketErrors } from './socket-errors.ts';
import { createStatusHandlers, type Load } from './status-routes.ts';

/** Longer than the 90 s after which Go's transport drops an idle connection: the side that asks must be the first. */
const keepAliveMs = 100_000;

const arrivalDefaults = { timeoutMs: 10_000, checkEveryMs: 2_000 };

/** The HTTP service, ready to listen or to be injected into. */
export type App = FastifyInstance<Server> & {
  /** Questions that wait for an answer. */
  readonly inflight: () => number;
};

/** Builds the HTTP service. It does not listen. */
export async function buildApp(ports: AppPorts): Promise<App> {
  const { logger, phase } = ports;
  const load: Load = { inflight: 0 };
  const metrics = createMetrics(ports, () => load.inflight);
  const answer = createAnswer(ports, metrics);
  const socketErrors = createSocketErrors(metrics);
  const arrival = ports.arrival ?? arrivalDefaults;
  const fail = (error: unknown, request: FastifyRequest, reply: FastifyReply) => {
    const document = problemOf(error);
    if (document.status >= 500) logger.error({ err: error, reqId: request.id }, 'request failed');
    else if (error instanceof CallerError) {
      // Argo throws the body of a refusal away: only here can the mistake of a template be read.
      const { code, detail, hint } = document;
      logger.warn({ reqId: request.id, url: request.url.slice(0, 500), code, detail, hint }, 'refused');
    }
    return answerProblem(answer, request, reply, document);
  };

  const app = Fastify({
    // One line a verdict is written by the routes; Fastify's own two a request would cost more than the rest.
    logger: false,
    genReqId: requestId(),
    keepAliveTimeout: keepAliveMs,
    requestTimeout: arrival.timeoutMs,
    http: {
      headersTimeout: arrival.timeoutMs,
      connectionsCheckingInterval: arrival.checkEveryMs,
      // Node would answer with an empty body; the hook below answers with a problem.
      requireHostHeader: false,
    },
    return503OnClosing: false,
    routerOptions: { maxParamLength: 500, querystringParser: readQuery as never },
    frameworkErrors: fail,
    clientErrorHandler: socketErrors.clientError,
    // `OPTIONS *` is the only target that is no path.
    rewriteUrl: ({ url }) => (url === undefined || url === '*' ? '/*' : url),
  }).withTypeProvider<TypeBoxTypeProvider>();
  socketErrors.listen(app.server);

  // Schemas describe; what they could check needs the registry, and what they could serialise is serialised once.
  app.setValidatorCompiler(() => () => true);
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
  app.decorate('inflight', () => load.inflight);
  app.decorateRequest('startedAt', 0);
  app.setErrorHandler(fail);
  app.setNotFoundHandler((request, reply) =>
    answerProblem(answer, request, reply, noRoute(request.method, request.url)),
  );

  app.addHook('onRequest', (request, reply, next) => {
    request.startedAt = performance.now();
    if (request.is404) {
      // Before anything reads a body.
      answerProblem(answer, request, reply, noRoute(request.method, request.url));
    } else if (request.raw.httpVersion === '1.1' && request.headers.host === undefined) {
      const detail = 'The Host header is missing.';
      answerProblem(answer, request, reply, problem('malformed_request', detail, 'HTTP/1.1 requires it.'));
    } else if (phase() === 'closing' && !answeredWhileClosing.has(request.routeOptions.url as string)) {
      answerProblem(answer, request, reply, drainingProblem());
    } else next();
  });

  await app.register(swagger, swaggerOptions);
  for (const schema of sharedSchemas) app.addSchema(schema);

  const status = createStatusHandlers(ports, load, metrics, answer);
  const ok = (request: FastifyRequest, reply: FastifyReply, body: (state: RegistryState) => object) => {
    const pretty = readPretty(request.query as Query);
    const state = ports.registry();
    if (state === undefined) throw new ProblemError(notReadyProblem());
    return answer(request, reply, 200, jsonType, jsonText(body(state), pretty));
  };
  const openApi = createOpenApi(() => app.swagger());

  app.get(routes.cujStatus, { schema: describe.cujStatus }, status.cuj);
  app.get(routes.serviceStatus, { schema: describe.serviceStatus }, status.service);
  app.get(routes.cujs, { schema: describe.cujs }, (request, reply) =>
    ok(request, reply, ({ registry }) => cujList(registry)),
  );
  app.get(routes.cuj, { schema: describe.cuj }, (request, reply) =>
    ok(request, reply, ({ registry }) => cujEntry(registry, findCuj(registry, request.params.name))),
  );
  app.get(routes.registry, { schema: describe.registry }, (request, reply) =>
    ok(request, reply, registryDocument),
  );
  app.get(routes.metrics, { schema: describe.metrics }, async (request, reply) =>
    answer(request, reply, 200, ports.metrics.contentType, await ports.metrics.metrics()),
  );
  app.get(routes.healthz, { schema: describe.healthz }, (request, reply) =>
    answer(request, reply, 200, jsonType, jsonText({ summary: 'alive', ok: true }, false)),
  );
  app.get(routes.readyz, { schema: describe.readyz }, (request, reply) => {
    const document = readiness(phase(), ports.registry());
    if (!document.ok)
      return answerProblem(answer, request, reply, document as ReturnType<typeof drainingProblem>);
    return answer(request, reply, 200, jsonType, jsonText(document, readPretty(request.query as Query)));
  });
  app.get(routes.openapi, { schema: describe.openapi }, (request, reply) => {
    const pretty = readPretty(request.query as Query);
    return answer(request, reply, 200, jsonType, jsonText(openApi(ports.registry()?.registry), pretty));
  });

  await app.ready();
  return app as unknown as App;
}
