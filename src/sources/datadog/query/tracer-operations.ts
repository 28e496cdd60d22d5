/**
 * Operations (span names) that Datadog's tracers set. A tracer may have more, and an application may set its own: a name that is
 * not here is not wrong. Sources, all public:
 *
 * - https://docs.datadoghq.com/tracing/guide/configuring-primary-operation and
 *   https://docs.datadoghq.com/opentelemetry/migrate/migrate_operation_names (OpenTelemetry)
 * - DataDog/dd-trace-java: internal-api/…/naming/v0/ServerNamingV0.java
 * - DataDog/dd-trace-js: packages/dd-trace/src/service-naming/schemas/v0/web.js and graphql.js, packages/datadog-plugin-*
 * - DataDog/dd-trace-go: internal/namingschema/op_client_server.go
 * - DataDog/dd-trace-dotnet: tracer/src/Datadog.Trace/Configuration/Schema/ServerSchema.cs
 * - DataDog/dd-trace-py and dd-trace-rb: the span names of their integrations
 */
export const servingOperations: readonly string[] = [
  // Schema v1 of the tracers, and OpenTelemetry.
  'http.server.request',
  // Go: net/http, gin, echo, chi, fiber. (In Node it is the span of an outgoing request.)
  'http.request',
  // Node. web.request is PHP's as well.
  'web.request',
  'express.request',
  'koa.request',
  'fastify.request',
  'hapi.request',
  'restify.request',
  'connect.request',
  'next.request',
  // Java. Spring, Tomcat and Jetty serve by servlet.request.
  'servlet.request',
  'netty.request',
  'akka-http.request',
  'pekko-http.request',
  'undertow-http.request',
  'spray-http.request',
  'restlet-http.request',
  'finatra.request',
  'axway-http.request',
  'synapse.request',
  'play.request',
  // Python.
  'aiohttp.request',
  'asgi.request',
  'bottle.request',
  'cherrypy.request',
  'django.request',
  'falcon.request',
  'fastapi.request',
  'flask.request',
  'pyramid.request',
  'sanic.request',
  'starlette.request',
  'tornado.request',
  'wsgi.request',
  // Ruby. Rails serves by rack.request.
  'rack.request',
  'sinatra.request',
  // .NET.
  'aspnet_core.request',
  'aspnet.request',
  'aspnet-mvc.request',
  'aspnet-webapi.request',
  'wcf.request',
  // PHP.
  'laravel.request',
  'lumen.request',
  'symfony.request',
];

/** Frameworks that have no operation of their own name, with the one that serves their requests. */
export const operationOfFramework: ReadonlyMap<string, string> = new Map([
  ...['gin', 'echo', 'chi', 'fiber', 'gorilla', 'mux', 'go', 'golang'].map(by('http.request')),
  ...['nest', 'nestjs', 'expressjs'].map(by('express.request')),
  ...['nextjs'].map(by('next.request')),
  ...['spring', 'springboot', 'spring-boot', 'spring_boot', 'tomcat', 'jetty'].map(by('servlet.request')),
  ...['rails', 'ruby-on-rails', 'puma'].map(by('rack.request')),
  ...['dotnet', 'asp', 'kestrel'].map(by('aspnet_core.request')),
]);

function by(operation: string) {
  return (framework: string): readonly [string, string] => [framework, operation];
}

/** The protocol of an operation whose spans carry no `http.status_code`; undefined for all others. */
export function protocolWithoutStatus(operation: string): 'gRPC' | 'GraphQL' | undefined {
  // grpc.server (Go, Java, Node), grpc.request (.NET), grpc.service (Ruby), grpc (Python), grpc.server.request (schema v1).
  if (/^grpc(\.|$)/.test(operation)) return 'gRPC';
  // graphql.execute (Node, .NET, Ruby, Python), graphql.request (Java, Go), graphql.server.request (schema v1).
  return /^(graphql(\.|$)|apollo\.gateway\.)/.test(operation) ? 'GraphQL' : undefined;
}

const serving = new Set(servingOperations);

/** Which status the spans of an operation carry; undefined for operations that no tracer sets. */
export function statusOfOperation(operation: string): 'http' | 'grpc' | 'none' | undefined {
  const protocol = protocolWithoutStatus(operation);
  if (protocol !== undefined) return protocol === 'gRPC' ? 'grpc' : 'none';
  return serving.has(operation) ? 'http' : undefined;
}

const stores =
  'postgres|pg|mysql|mariadb|sql|sql-server|oracle|mongodb|redis|memcached|elasticsearch|cassandra';
const outgoing = new RegExp(
  `^(http\\.client\\.request|undici\\.request|requests\\.request|aws\\.request|(${stores})\\.(query|command|cmd))$`,
);

/** Whether an operation is that of calls that the service makes, not of those that it serves. */
export function isOutgoing(operation: string): boolean {
  return outgoing.test(operation);
}

const colons = new Set(['express.request', 'koa.request', 'fastify.request', 'restify.request']);
const braces = new Set(['fastapi.request', 'starlette.request', 'aspnet_core.request']);

/**
 * How the framework of an operation writes a parameter of a route, and so the resource: `{id}`, `:id`, or `[id]` (Next.js);
 * undefined for others.
 */
export function routeParametersOf(operation: string): 'braces' | 'colons' | 'brackets' | undefined {
  if (operation === 'next.request') return 'brackets';
  return colons.has(operation) ? 'colons' : braces.has(operation) ? 'braces' : undefined;
}
