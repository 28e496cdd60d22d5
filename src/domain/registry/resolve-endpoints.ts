import { type Failure, type FailureDocument, failureIn, failureOf } from '../sli/failure.ts';
import type { DialectsOfSources } from './dialects-of-sources.ts';
import type { CujPlace, RoutePlace } from './duplicate-routes.ts';
import type { Reporter } from './findings.ts';
import { isOfOperation, type Service, spansSource } from './model.ts';
import { checkFailure, failureProblemOf, type MeasuredBy, takesFailures } from './resolve-failures.ts';
import type { Named } from './resolve-services.ts';
import type { CujDocument, EndpointDocument } from './schema.ts';
import type { Source, SourceDialect } from './source-dialect.ts';

/** What the endpoints of a CUJ are read against. */
export interface EndpointScope {
  readonly services: Named<Service>;
  readonly serviceNames: readonly string[];
  readonly sources: Named<Source>;
  readonly dialects: DialectsOfSources;
  /** By client, the names of its views and actions so far. */
  readonly clientNames: Map<string, Map<string, string>>;
  /** False where some file could not be read, so that an unknown name proves nothing. */
  readonly complete: boolean;
}

interface Written {
  readonly service: string | undefined;
  readonly label: string;
  readonly resource: string;
  readonly path: string | undefined;
  readonly latencyMs: number | undefined;
  readonly failure: FailureDocument | undefined;
}

/**
 * The endpoints of a CUJ with their services and resource names; what could not be resolved is reported and left out.
 * `latencyMs` is the threshold as written: the endpoint's, else the CUJ's where the source has durations. `failure` is the
 * endpoint's, the CUJ's or the service's.
 */
export function readEndpoints(
  cuj: CujDocument,
  scope: EndpointScope,
  reporter: Reporter,
): readonly RoutePlace[] {
  const exists = serviceCheck(scope, reporter);
  const place: CujPlace = { file: reporter.file, index: Number(reporter.base[1]), name: cuj.name };
  if (cuj.service !== undefined) exists(cuj.service, ['service']);
  const isServer = serverCheck(scope, reporter);
  const ownFailure = cuj.failure === undefined ? undefined : failureOf(cuj.failure);
  checkCujFailure(cuj, scope, reporter);

  if (cuj.endpoints === '*') {
    if (cuj.service === undefined) {
      missingService(cuj, [], reporter);
      return [];
    }
    if (!exists(cuj.service, ['service']) || !isServer(cuj.service, ['service'])) return [];
    const latencyMs = hasDurations(cuj.service, scope) ? cuj.latencyMs : undefined;
    const failure = failureOfEndpoint(undefined, ownFailure, cuj.service, scope);
    const endpoint = { service: cuj.service, resource: '*', label: '*', latencyMs, ...failure };
    return [{ endpoint, path: undefined, cuj: place, index: 0 }];
  }

  const result: RoutePlace[] = [];
  const dialectOf = (service: string | undefined) => scope.dialects.ofService(service ?? cuj.service);
  const written = cuj.endpoints.map((document) =>
    readEndpoint(document, dialectOf(typeof document === 'string' ? undefined : document.service)),
  );
  if (cuj.service === undefined && written.every(({ service }) => service === undefined)) {
    missingService(cuj, [], reporter);
  }
  const seen = new Map<string, Written>();
  const ungrouped = new Set<string>();
  for (const [index, one] of written.entries()) {
    const service = one.service ?? cuj.service;
    checkResource(one, index, cuj.endpoints[index] as EndpointDocument, dialectOf(one.service), reporter);
    if (service === undefined) {
      if (written.some((other) => other.service !== undefined))
        missingService(cuj, ['endpoints', index], reporter);
      continue;
    }
    if (!scope.services.has(service)) {
      exists(service, ['endpoints', index, 'service']);
      continue;
    }
    if (!isServer(service, one.service === undefined ? ['service'] : ['endpoints', index, 'service']))
      continue;
    // Most endpoints are of the CUJ's own service: no new text is made for those.
    const key = service === cuj.service ? one.resource : `${service}\n${one.resource}`;
    const first = seen.get(key);
    if (first === undefined) seen.set(key, one);
    else if (first.label === one.label || one.path === undefined || first.path === undefined) {
      // Routes that differ in writing are reported across CUJs, by RouteCheck.
      const fix = 'Remove one of them: each request would count twice.';
      const message = `the endpoint "${one.label}" is in the CUJ "${cuj.name}" twice`;
      reporter.value(['endpoints', index], 'duplicate-endpoint', one.label, message, fix);
    }
    const source = sourceOf(service, scope);
    if (source !== 'trace') checkTemplateEndpoint(one, index, service, source, scope, ungrouped, reporter);
    const latencyMs = hasDurations(service, scope) ? (one.latencyMs ?? cuj.latencyMs) : undefined;
    checkFailure(one.failure, ['endpoints', index, 'failure'], measuredBy(service, scope), reporter);
    const failure = failureOfEndpoint(one.failure, ownFailure, service, scope);
    const endpoint = { service, resource: one.resource, label: one.label, latencyMs, ...failure };
    result.push({ endpoint, path: one.path, cuj: place, index });
  }
  return result;
}

/** Nothing where the source of the service says itself which events are bad, or cannot tell these. */
function failureOfEndpoint(
  own: FailureDocument | undefined,
  ofCuj: Failure | undefined,
  service: string,
  scope: EndpointScope,
): { readonly failure?: Failure } {
  const measured = measuredBy(service, scope);
  if (!takesFailures(measured)) return {};
  const written = [own && failureOf(own), ofCuj, scope.services.get(service)?.failure];
  if (isOfOperation(measured.source)) return failureIn(...written);
  // 5XX is not what fails by default: the source says that.
  const failure = written.find((one) => one !== undefined);
  return failure === undefined || failureProblemOf(failure, measured) !== undefined ? {} : { failure };
}

/**
 * A CUJ may have endpoints of several services: its definition is for those whose sources do not say themselves which events are bad. Each
 * of them must be able to tell failures by it, unless all its endpoints have definitions of their own.
 */
function checkCujFailure(cuj: CujDocument, scope: EndpointScope, reporter: Reporter): void {
  const inheriting =
    typeof cuj.endpoints === 'string'
      ? [cuj.service]
      : cuj.endpoints.flatMap((endpoint) => {
          if (typeof endpoint === 'string') return [cuj.service];
          return endpoint.failure === undefined ? [endpoint.service ?? cuj.service] : [];
        });
  const names = inheriting.length === 0 ? [cuj.service] : inheriting;
  const all = [...new Set(names)].flatMap((name) => (name === undefined ? [] : measuredBy(name, scope)));
  const takers = all.filter(takesFailures);
  const { failure } = cuj;
  const broken = failure && takers.find((one) => failureProblemOf(failureOf(failure), one) !== undefined);
  const nowhere: MeasuredBy = { source: 'trace', template: undefined, dialect: scope.dialects.own };
  const fix =
    takers.length > 1 ? 'Write failure on the endpoints that it fits, and not on the CUJ.' : undefined;
  checkFailure(failure, ['failure'], broken ?? takers[0] ?? all[0] ?? nowhere, reporter, fix);
}

/** Says whether a service exists; the first place in a CUJ that names one without a definition is reported. */
function serviceCheck(scope: EndpointScope, reporter: Reporter) {
  const checked = new Set<string>();
  return (name: string, at: readonly (string | number)[]): boolean => {
    if (scope.services.has(name)) return true;
    if (!scope.complete || checked.has(name)) return false;
    checked.add(name);
    const fix = 'Define it under services, or correct the name.';
    reporter.unknown(
      at,
      'unknown-service',
      name,
      scope.serviceNames,
      `the service "${name}" is not defined`,
      fix,
    );
    return false;
  };
}

/** Says whether a service has endpoints; the first place in a CUJ that names a client in place of one is reported. */
function serverCheck({ services }: EndpointScope, reporter: Reporter) {
  const checked = new Set<string>();
  return (name: string, at: readonly (string | number)[]): boolean => {
    if (services.get(name)?.client === undefined) return true;
    if (checked.has(name)) return false;
    checked.add(name);
    reporter.value(
      at,
      'endpoint-of-client',
      name,
      `the service "${name}" is a client, which has no endpoints`,
      'Write its views and actions under client of the CUJ, and name the service that serves the endpoints here.',
    );
    return false;
  };
}

/** Checks the services that a CUJ names which did not pass the schema. */
export function checkNamedServices(cuj: unknown, scope: EndpointScope, reporter: Reporter): void {
  const { service, endpoints } = (cuj ?? {}) as { readonly service?: unknown; readonly endpoints?: unknown };
  const exists = serviceCheck(scope, reporter);
  if (typeof service === 'string' && service !== '') exists(service, ['service']);
  if (!Array.isArray(endpoints)) return;
  for (const [index, endpoint] of endpoints.entries()) {
    const named = (endpoint as { readonly service?: unknown } | null)?.service;
    if (typeof named === 'string' && named !== '') exists(named, ['endpoints', index, 'service']);
  }
}

/** Whether any endpoint can carry a latency threshold; a service that is broken or unknown might. */
export function mayHaveLatency(endpoints: readonly RoutePlace[], scope: EndpointScope): boolean {
  return endpoints.length === 0 || endpoints.some(({ endpoint }) => hasDurations(endpoint.service, scope));
}

/** Whether it is known of a service how long requests took; one that is wrong, or whose source is, causes no further findings. */
function hasDurations(service: string, scope: EndpointScope): boolean {
  const source = sourceOf(service, scope);
  if (source === 'trace') return true;
  if (source === spansSource) return false;
  const template = scope.sources.get(source);
  return template === undefined || template.hasDurations === true;
}

/** What to do about latency where no source has durations. `what` is to be removed otherwise. */
export function withoutDurationsFix({ addDurations }: SourceDialect, what: string): string {
  return addDurations === undefined
    ? `Remove ${what}: latency is judged on trace metrics only.`
    : `${addDurations} Or remove ${what}.`;
}

function measuredBy(service: string, scope: EndpointScope): MeasuredBy {
  const source = sourceOf(service, scope);
  return { source, template: scope.sources.get(source), dialect: scope.dialects.ofService(service) };
}

/** The source of a service; a service that is wrong counts as traced, so that it causes no further findings. */
function sourceOf(service: string, scope: EndpointScope): string {
  return scope.services.get(service)?.source ?? 'trace';
}

function readEndpoint(document: EndpointDocument, { endpointKey }: SourceDialect): Written {
  if (typeof document === 'string') {
    const space = document.indexOf(' ');
    const [first, rest] = [document.slice(0, space), document.slice(space + 1)];
    return {
      service: undefined,
      label: document,
      resource: endpointKey(first, rest),
      // An operation of GraphQL has none.
      path: rest.startsWith('/') ? rest : undefined,
      latencyMs: undefined,
      failure: undefined,
    };
  }
  const { service, latencyMs, failure } = document;
  if ('resource' in document) {
    const { resource } = document;
    return { service, label: resource, resource, path: undefined, latencyMs, failure };
  }
  const { method, path } = document;
  const label = `${method} ${path}`;
  return { service, label, resource: endpointKey(method, path), path, latencyMs, failure };
}

function missingService(cuj: CujDocument, path: readonly (string | number)[], reporter: Reporter): void {
  reporter.missing(
    path,
    'service-missing',
    `${path.length === 0 ? `the CUJ "${cuj.name}"` : 'this endpoint'} belongs to no service`,
    'Add service to the CUJ, or to each of its endpoints.',
  );
}

/** Where a query begins in what should be a route, or -1. `?` alone is some frameworks' sign for what may be left out. */
export function queryAt(path: string): number {
  // One step a character: a regular expression would look from each ? to the end.
  let question = -1;
  for (let i = 0; i < path.length; i += 1) {
    const character = path[i];
    if (character === '/') question = -1;
    else if (character === '?' && question < 0) question = i;
    else if (character === '=' && question >= 0) return question;
  }
  return -1;
}

/** Where an endpoint's route or resource is written. */
function placeOf(one: Written, index: number, document: EndpointDocument): (string | number)[] {
  const key = one.path === undefined ? 'resource' : 'path';
  return ['endpoints', index, ...(typeof document === 'string' ? [] : [key])];
}

function checkResource(
  one: Written,
  index: number,
  document: EndpointDocument,
  dialect: SourceDialect,
  reporter: Reporter,
): void {
  const query = one.path === undefined ? -1 : queryAt(one.path);
  if (query >= 0) {
    const route = one.label.slice(0, one.label.length - (one.path as string).length + query);
    const at = placeOf(one, index, document);
    const message = `"${one.label}" holds a query, which is no part of a route: no request would ever match it`;
    reporter.value(at, 'route-with-query', one.label, message, `Write the route alone: ${route}.`);
    return;
  }
  const stored = one.path === undefined ? dialect.storedTagValue(one.resource) : one.resource;
  if (stored === one.resource && dialect.isSafeTagValue(stored)) return;
  const shorthand = typeof document === 'string';
  const at = placeOf(one, index, document);
  const value = shorthand ? one.label : (one.path ?? one.resource);
  if (one.path === undefined && one.resource === '*') {
    const fix = 'For the whole service write endpoints: "*"; otherwise name one resource.';
    reporter.value(at, 'resource-not-stored', value, 'a resource cannot be "*"', fix);
  } else if (!dialect.isSafeTagValue(stored)) {
    reporter.value(
      at,
      'resource-unsafe',
      value,
      stored === ''
        ? `"${one.label}" holds nothing that ${dialect.backend} keeps in a ${dialect.endpointTag}`
        : `"${one.label}" is stored as "${stored}", which holds letters that cannot be put into a query safely`,
      `Only ${dialect.tagValueCharacters} can be asked for; rename the route, or give the span a resource name in ASCII.`,
    );
  } else {
    reporter.value(
      at,
      'resource-not-stored',
      value,
      `the resource "${one.resource}" is not as ${dialect.backend} stores it`,
      `Write what is stored: "${stored}".`,
    );
  }
}

function checkTemplateEndpoint(
  one: Written,
  index: number,
  service: string,
  source: string,
  scope: EndpointScope,
  ungrouped: Set<string>,
  reporter: Reporter,
): void {
  if (one.latencyMs !== undefined && !hasDurations(service, scope)) {
    reporter.key(
      ['endpoints', index, 'latencyMs'],
      'latency-on-template',
      one.latencyMs,
      `the service "${service}" is measured by the source "${source}", which has no durations`,
      withoutDurationsFix(scope.dialects.ofService(service), 'latencyMs'),
    );
  }
  const template = scope.sources.get(source);
  if (template === undefined || template.groupBy !== undefined || ungrouped.has(service)) return;
  ungrouped.add(service);
  reporter.value(
    ['endpoints', index],
    'endpoints-without-group-by',
    one.label,
    `the source "${source}" of the service "${service}" does not tell endpoints apart`,
    'Write endpoints: "*" to judge the whole service, or add groupBy to the source.',
  );
}
