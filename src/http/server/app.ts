import type { Server } from 'node:http';
import swagger from '@fastify/swagger';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { findCuj } from '../../evaluation/evaluator.ts';
import { createGuard } from '../auth/authenticate.ts';
import { cujEntry, cujList, registryDocument } from '../catalog/catalog.ts';
import { createOpenApi, describe, sharedSchemas, swaggerOptions } from '../openapi/openapi.ts';
import { notReadyProblem, readiness } from '../operations/health.ts';
import { createMetrics } from '../operations/metrics.ts';
import { wantsPage } from '../pages/accept.ts';
import { assets } from '../pages/assets.ts';
import { environmentsPage } from '../pages/environments-page.tsx';
import { createPages, type Page, type Pages } from '../pages/pages.ts';
import type { Load } from '../status/load.ts';
import { type Query, readPage, readPretty } from '../status/query-params.ts';
import { createStatusHandlers, type StatusHandlers } from '../status/routes.ts';
import { type InEnvironment, inEnvironment, mustChoose } from './environments.ts';
import { createFastify } from './fastify.ts';
import type { AppPorts, CommonPorts, GatePorts } from './ports.ts';
import { jsonText, type ProblemDocument, ProblemError } from './problem.ts';
import { createRespond, jsonType, type Respond, respondWithProblem } from './respond.ts';
import { noRoute, operationRoutes, pageRoutes, questionRoutes, routes } from './routes.ts';
import { createSocketErrors } from './socket-errors.ts';

/** The HTTP service, ready to listen or to be injected into. */
export type App = FastifyInstance<Server> & {
  /** Questions that wait for an answer. */
  readonly inflight: () => number;
  /** Connections with a request that is not answered to its last byte. */
  readonly busyConnections: () => number;
  /** Accepts pending connections, then stops listening. */
  readonly stopListening: () => Promise<void>;
};

/** What listens: the service, and where they are asked for apart, its probes and metrics. */
export interface Apps {
  readonly app: App;
  readonly admin: App | undefined;
}

/** Builds the HTTP service with everything on one port. It does not listen. */
export async function buildApp(ports: AppPorts | GatePorts): Promise<App> {
  return (await buildApps(ports)).app;
}

/** Builds the HTTP service. Neither part listens. */
export async function buildApps(ports: AppPorts | GatePorts): Promise<Apps> {
  const load: Load = { inflight: 0, past: 0, pages: 0 };
  const metrics = createMetrics(ports, () => load.inflight);
  const respond = createRespond(ports, metrics);
  const guard = createGuard(ports, metrics, respond);
  const createServer = (routesOfIt: readonly string[], tls: AppPorts['tls']) =>
    createFastify(ports, {
      respond,
      socketErrors: createSocketErrors(metrics, ports),
      guard,
      routes: routesOfIt,
      inflight: () => load.inflight,
      tls,
    });

  const apart = ports.operationsApart === true;
  const app = createServer(apart ? questionRoutes : [...questionRoutes, ...operationRoutes], ports.tls);
  await app.register(swagger, swaggerOptions(ports.authenticator !== undefined));
  for (const schema of sharedSchemas) app.addSchema(schema);
  const answers = inEnvironment(
    ports,
    (of): Answers => ({
      status: createStatusHandlers(of, load, metrics, respond),
      pages: createPages(of, respond, load),
      registry: of.registry,
    }),
  );
  addQuestions(app, ports, respond, answers);
  addPages(app, ports, respond, answers);
  if (!apart) addOperations(app, ports, respond);
  await app.ready();
  if (!apart) return { app: app as unknown as App, admin: undefined };

  // Probes and scrapers come from within the cluster, and have neither certificates nor our CA.
  const admin = createServer(operationRoutes, undefined);
  for (const schema of sharedSchemas) admin.addSchema(schema);
  addOperations(admin, ports, respond);
  await admin.ready();
  return { app: app as unknown as App, admin: admin as unknown as App };
}

type FastifyServer = ReturnType<typeof createFastify>;

/** What answers requests about one environment. */
interface Answers {
  readonly status: StatusHandlers;
  readonly pages: Pages;
  readonly registry: AppPorts['registry'];
}

function addQuestions(
  app: FastifyServer,
  ports: CommonPorts,
  respond: Respond,
  answers: InEnvironment<Answers>,
): void {
  const stateOf = (registry: AppPorts['registry']) => {
    const state = registry();
    if (state === undefined) throw new ProblemError(notReadyProblem());
    return state;
  };
  const openApi = createOpenApi(() => app.swagger());

  app.get(routes.cujStatus, { schema: describe.cujStatus }, (request, reply) =>
    wantsPage(request)
      ? answers(request).pages.verdictOfCuj(request, reply)
      : answers(request).status.cuj(request, reply),
  );
  app.get(routes.serviceStatus, { schema: describe.serviceStatus }, (request, reply) =>
    wantsPage(request)
      ? answers(request).pages.verdictOfService(request, reply)
      : answers(request).status.service(request, reply),
  );
  app.get(routes.cujs, { schema: describe.cujs }, (request, reply) => {
    const { registry } = stateOf(answers(request).registry);
    const page = readPage(request.query as Query);
    const list = cujList(registry, page);
    return respond(request, reply, 200, jsonType, jsonText(list, page.pretty));
  });
  app.get(routes.cuj, { schema: describe.cuj }, (request, reply) => {
    const { pages, registry: of } = answers(request);
    if (wantsPage(request)) return pages.cuj(request, reply);
    const { registry } = stateOf(of);
    const pretty = readPretty(request.query as Query);
    const { name } = request.params;
    const entry = cujEntry(registry, findCuj(registry, name), name, ports.describeQueries);
    return respond(request, reply, 200, jsonType, jsonText(entry, pretty));
  });
  // About the files, which all environments share.
  app.get(routes.registry, { schema: describe.registry }, (request, reply) => {
    const pretty = readPretty(request.query as Query);
    return respond(
      request,
      reply,
      200,
      jsonType,
      jsonText(registryDocument(stateOf(ports.registry)), pretty),
    );
  });
  app.get(routes.openapi, { schema: describe.openapi }, (request, reply) => {
    const pretty = readPretty(request.query as Query);
    return respond(request, reply, 200, jsonType, openApi(ports.registry(), pretty));
  });
}

/** What only browsers get. Others are told that nothing is there. */
function addPages(
  app: FastifyServer,
  ports: AppPorts | GatePorts,
  respond: Respond,
  answers: InEnvironment<Answers>,
): void {
  const forBrowsers = (page: (pages: Pages) => Page) => (request: FastifyRequest, reply: FastifyReply) =>
    wantsPage(request)
      ? page(answers(request).pages)(request, reply)
      : respondWithProblem(respond, request, reply, noRoute(request.method, request.url, questionRoutes));
  /** Before a page that is about no CUJ, a person may choose the environment. */
  const chosen = (page: (pages: Pages) => Page) => (request: FastifyRequest, reply: FastifyReply) =>
    wantsPage(request) && mustChoose(request, ports)
      ? environmentsPage(ports, respond, request, reply)
      : forBrowsers(page)(request, reply);
  const hidden = { schema: { hide: true } };
  app.get(
    pageRoutes.start,
    hidden,
    chosen((pages) => pages.start),
  );
  app.get(
    pageRoutes.report,
    hidden,
    chosen((pages) => pages.report),
  );
  app.get(
    pageRoutes.cujLink,
    hidden,
    forBrowsers((pages) => pages.cujLink),
  );
  app.get(
    pageRoutes.cujLinkAt,
    hidden,
    forBrowsers((pages) => pages.cujLink),
  );
  app.get(
    pageRoutes.serviceLink,
    hidden,
    forBrowsers((pages) => pages.serviceLink),
  );
  app.get(
    pageRoutes.serviceLinkAt,
    hidden,
    forBrowsers((pages) => pages.serviceLink),
  );
  for (const { path, type, text } of assets) {
    app.get(path, hidden, (request, reply) => {
      reply.header('x-content-type-options', 'nosniff');
      return respond(request, reply, 200, type, text, {
        cacheControl: 'public, max-age=31536000, immutable',
      });
    });
  }
}

function addOperations(app: FastifyServer, ports: CommonPorts, respond: Respond): void {
  const open = ports.authenticateMetrics === true ? {} : { security: [] };
  app.get(routes.metrics, { schema: { ...describe.metrics, ...open } }, async (request, reply) =>
    respond(request, reply, 200, ports.metrics.contentType, await ports.metrics.metrics()),
  );
  app.get(routes.healthz, { schema: describe.healthz }, (request, reply) =>
    respond(request, reply, 200, jsonType, jsonText({ summary: 'alive', ok: true }, false)),
  );
  app.get(routes.readyz, { schema: describe.readyz }, (request, reply) => {
    const document = readiness(ports.phase(), ports.registry());
    if (!document.ok) return respondWithProblem(respond, request, reply, document as ProblemDocument);
    return respond(request, reply, 200, jsonType, jsonText(document, readPretty(request.query as Query)));
  });
}
