import { listed } from '../domain/name-lists.ts';
import type { BackendFacts, ServiceFacts } from '../domain/ports/backend-facts.ts';
import type { Endpoint, Registry, Service } from '../domain/registry/model.ts';
import { allWords } from '../domain/registry/own-words.ts';
import type { DoctorFinding } from './finding.ts';
import { filledRoutes, nearestRoutes, signaturesOf } from './nearest-routes.ts';
import { count, named, percent } from './words.ts';

/** Endpoints without traffic, each with the name that it most likely has, and busy routes that are in no CUJ. */
export function checkRoutes(
  registry: Registry,
  facts: BackendFacts,
  service: Service,
  found: ServiceFacts,
  top: number,
): DoctorFinding[] {
  const { routes } = found;
  if (routes === undefined) return [];
  const wanted = new Set<string>();
  const findings: DoctorFinding[] = [];
  for (const cuj of registry.cujs.values()) {
    const own = cuj.endpoints.filter((one) => one.service === service.name && one.resource !== '*');
    for (const { resource } of own) wanted.add(resource);
    const silent = own.filter(({ resource }) => !routes.has(resource));
    for (const endpoint of silent) {
      findings.push(silentEndpoint(cuj.name, service, endpoint, found, silent.length === own.length));
    }
    const everywhere = cuj.endpoints.every(
      ({ service: name, resource }) =>
        resource !== '*' && facts.services.get(name)?.routes?.has(resource) === false,
    );
    // Reported once for each CUJ, at the service of its first endpoint.
    if (everywhere && cuj.endpoints[0]?.service === service.name) findings.push(silentCuj(cuj.name));
  }
  const operation = outgoing(service, found, wanted);
  if (operation !== undefined) findings.push(operation);
  findings.push(...uncovered(service, found.routes as ReadonlyMap<string, number>, wanted, top));
  return findings;
}

/** A view or an action as the registry writes it: `view /signup`. */
function clientName(resource: string): string {
  return resource.replace(':', ' ');
}

function silentEndpoint(
  cuj: string,
  service: Service,
  { label, resource }: Endpoint,
  { routes = new Map() }: ServiceFacts,
  all: boolean,
): DoctorFinding {
  const about = `cuj ${cuj}: ${label}`;
  const verdict = all
    ? 'The CUJ is judged without it. A CUJ whose endpoints all lack traffic is inconclusive (no_data).'
    : 'The CUJ is judged without it: failures are not detected.';
  const nearest = nearestRoutes(resource, routes);
  if (service.client !== undefined) {
    const names = nearest.map((name) => `${clientName(name)} (${count(routes.get(name) ?? 0)} events)`);
    const event = resource.slice(0, resource.indexOf(':'));
    return {
      severity: nearest.length > 0 ? 'error' : 'warning',
      check: nearest.length > 0 ? 'endpoint-name' : 'endpoint-without-hits',
      about,
      message: `${label} had no events in the last day${nearest.length > 0 ? `; the nearest with events: ${listed(names)}` : ', and no view or action with events has a similar name'}`,
      verdict,
      fix: `Write the name as RUM's explorer shows it, under ${event}s of client. If it is right, apply what cuj-gate generate terraform writes: events are counted from then on.`,
    };
  }
  const signatures = signaturesOf(resource, routes);
  if (signatures.length > 0) {
    return {
      severity: 'error',
      check: 'graphql-signature',
      about,
      message: `${resource} had no hits in the last day, but names that begin with it did, such as ${listed(signatures, 3)}: the tracer names operations of GraphQL by their whole text`,
      verdict,
      fix: "Let the tracer use type and name alone: tracer.use('graphql', { signature: false }) in Node, DD_TRACE_GRAPHQL_SIMPLIFY_RESOURCE_NAME=true in Python. Or write the stored name with resource:, which changes whenever a client changes its query.",
    };
  }
  const filled = filledRoutes(resource, routes);
  if (filled.length > 0) {
    return {
      severity: 'error',
      check: 'raw-paths',
      about,
      message: `${resource} had no hits in the last day, but ${count(filled.length)} raw paths that match its placeholder did, such as ${listed(filled, 3)}`,
      verdict,
      fix: 'The application reports raw paths instead of routes. Make the tracer report the route (for most frameworks, enable their integration), so that all of them are one resource.',
    };
  }
  if (nearest.length > 0) {
    return {
      severity: 'error',
      check: 'endpoint-name',
      about,
      message: `${resource} had no hits in the last day; the nearest with traffic: ${listed(nearest.map((name) => `${name} (${count(routes.get(name) ?? 0)} hits)`))}`,
      verdict,
      // A stored name was written, with resource:.
      fix:
        label === resource
          ? `Write { resource: ${nearest[0]} } if that is meant.`
          : 'Write the route as the framework reports it, or give the stored name with resource:.',
    };
  }
  return {
    severity: 'warning',
    check: 'endpoint-without-hits',
    about,
    message: `${resource} had no hits in the last day, and no route with traffic has a similar name`,
    verdict,
    fix: `Remove it if it is gone; otherwise check the method and the path against ${allWords(service.dialect).namedIn}.`,
  };
}

function silentCuj(cuj: string): DoctorFinding {
  return {
    severity: 'error',
    check: 'cuj-without-hits',
    about: `cuj ${cuj}`,
    message: 'none of its endpoints had hits in the last day',
    verdict: 'Inconclusive (no_data), always.',
    fix: 'Correct the names of its endpoints, or its service.',
  };
}

/** The operation has hits, but none on an endpoint, and another operation has hits on the endpoints. */
function outgoing(
  service: Service,
  found: ServiceFacts,
  wanted: ReadonlySet<string>,
): DoctorFinding | undefined {
  const matching = (found.elsewhere ?? [])
    .map(({ operation, routes }) => ({
      operation,
      known: [...wanted].filter((one) => routes.has(one)).length,
    }))
    .sort((a, b) => b.known - a.known)[0];
  if (matching === undefined || matching.known === 0) return undefined;
  return {
    severity: 'error',
    check: 'operation-of-other-spans',
    about: named(service),
    message: `${service.operation} has hits of ${service.name}, but none on its endpoints; ${matching.operation} has ${matching.known} of ${wanted.size} of them`,
    verdict: 'Inconclusive (no_data), always: these are other spans, in Node those of outgoing requests.',
    fix: `Set operation: ${matching.operation}.`,
  };
}

function uncovered(
  service: Service,
  routes: ReadonlyMap<string, number>,
  wanted: ReadonlySet<string>,
  top: number,
): DoctorFinding[] {
  const total = [...routes.values()].reduce((sum, hits) => sum + hits, 0);
  const busy = [...routes].filter(([name]) => !wanted.has(name)).slice(0, top);
  if (busy.length === 0) return [];
  const isClient = service.client !== undefined;
  const shown = (name: string) => (isClient ? clientName(name) : name);
  const names = busy.map(([name, hits]) => `${shown(name)} (${percent(hits / total)})`);
  return [
    {
      severity: 'info',
      check: 'routes-in-no-cuj',
      about: named(service),
      message: `the busiest ${isClient ? 'views and actions' : 'routes'} that are in no CUJ, with their share of the traffic: ${listed(names, top)}`,
      verdict: 'None: no verdict uses them.',
      fix: isClient
        ? 'Add the views and actions that matter to users to the client of a CUJ.'
        : 'Add the routes that matter to users to a CUJ. Leave out health checks and polling.',
    },
  ];
}
