import type { DialectsOfSources } from './dialects-of-sources.ts';
import type { Report } from './findings.ts';
import type { Cuj, Endpoint, Service } from './model.ts';

/** The CUJ that an endpoint stands in. */
export interface CujPlace {
  readonly file: string;
  /** Index in the file's `cujs`. */
  readonly index: number;
  readonly name: string;
}

/** An endpoint and where it stands. */
export interface RoutePlace {
  readonly endpoint: Endpoint;
  /** The route's path, where the endpoint is METHOD /path. */
  readonly path: string | undefined;
  readonly cuj: CujPlace;
  /** Index in `endpoints`. */
  readonly index: number;
}

const parameterTexts = { braces: '{id}', colons: ':id', brackets: '[id]' } as const;

interface RoutesOfService {
  /** By the backend's key, the first route that is stored so, as written: all that is kept of each route. */
  readonly byResource: Map<string, string>;
  braces: number;
  colons: number;
  firstBraces: RoutePlace | undefined;
  firstColons: RoutePlace | undefined;
  firstBrackets: RoutePlace | undefined;
  firstGraphql: RoutePlace | undefined;
  first: RoutePlace | undefined;
  /** Whose failures are told by the status of gRPC. */
  firstByGrpc: RoutePlace | undefined;
}

/**
 * Compares the routes of each service across all CUJs: two that the backend stores as one, and parameters
 * written as `{id}` here and as `:id` there, which means that one of the two was not copied from the framework.
 */
export class RouteCheck {
  readonly #services = new Map<string, RoutesOfService>();
  readonly #cujs: ReadonlyMap<string, Cuj>;
  readonly #report: Report;
  readonly #dialects: DialectsOfSources;
  #collisions = 0;

  /** `cujs` are those whose endpoints were added, the newest included. */
  constructor(cujs: ReadonlyMap<string, Cuj>, dialects: DialectsOfSources, report: Report) {
    this.#cujs = cujs;
    this.#dialects = dialects;
    this.#report = report;
  }

  /** Adds one endpoint. Endpoints that are not METHOD /path are not compared. */
  add(place: RoutePlace): void {
    const { endpoint, path } = place;
    if (path === undefined) return;
    let routes = this.#services.get(endpoint.service);
    if (routes === undefined) {
      routes = {
        byResource: new Map(),
        braces: 0,
        colons: 0,
        firstBraces: undefined,
        firstColons: undefined,
        firstBrackets: undefined,
        firstGraphql: undefined,
        first: undefined,
        firstByGrpc: undefined,
      };
      this.#services.set(endpoint.service, routes);
    }
    routes.first ??= place;
    if (endpoint.failure?.by.kind === 'grpc') routes.firstByGrpc ??= place;
    const first = routes.byResource.get(endpoint.resource);
    if (first === undefined) routes.byResource.set(endpoint.resource, endpoint.label);
    else if (first !== endpoint.label) this.#collision(first, place);
    if (path.includes('{') && /\{[^{}/]*\}/.test(path)) {
      routes.braces += 1;
      routes.firstBraces ??= place;
    }
    if (path.includes('/:') && /\/:[A-Za-z_]/.test(path)) {
      routes.colons += 1;
      routes.firstColons ??= place;
    }
    if (path.includes('/[') && /\/\[[^\]/]+\]/.test(path)) routes.firstBrackets ??= place;
    if (path.endsWith('/graphql')) routes.firstGraphql ??= place;
  }

  /**
   * Reports what only all routes of a service show: one finding for a service, at the rarer style. Warns of routes that
   * are all written as the framework of the service's operation does not write them, of GraphQL over HTTP, and of routes
   * in a service of gRPC.
   */
  finish(services: ReadonlyMap<string, Service | undefined>, warn: Report): void {
    for (const [service, routes] of this.#services) {
      const { braces, colons, firstBraces, firstColons, firstGraphql } = routes;
      const { operation, spans } = services.get(service) ?? {};
      if (firstGraphql !== undefined && operation !== undefined) this.#warnOfGraphql(firstGraphql, warn);
      // A tag of the application may hold routes, whatever the protocol.
      if (operation !== undefined && spans?.endpointTag === undefined)
        this.#warnOfGrpc(service, operation, routes, warn);
      if (firstBraces === undefined || firstColons === undefined) {
        this.#checkStyle(service, operation, routes, warn);
        continue;
      }
      const rare = braces < colons ? firstBraces : firstColons;
      const usual = rare === firstBraces ? firstColons : firstBraces;
      this.#found(
        rare,
        'mixed-route-parameters',
        `the routes of the service "${service}" mix {id} and :id: "${rare.endpoint.label}" here, ` +
          `"${usual.endpoint.label}" in the CUJ "${usual.cuj.name}"`,
        `Write every route as the service's framework does: ${this.#dialects.ofService(service).endpointTag} is made from that text.`,
      );
    }
  }

  #warnOfGraphql(place: RoutePlace, warn: Report): void {
    this.#found(
      place,
      'graphql-over-http',
      `"${place.endpoint.label}" is GraphQL over HTTP, which answers most failures with 200: they are no 5XX, and never fail a release`,
      'Judge the operations instead: the operation of the tracer for GraphQL (graphql.execute in Node), failure: errors, and endpoints such as "query Search".',
      warn,
    );
  }

  /** No more than a warning: an application may name its spans itself, as a gateway that translates HTTP into gRPC does. */
  #warnOfGrpc(
    service: string,
    operation: string,
    { first, firstByGrpc }: RoutesOfService,
    warn: Report,
  ): void {
    const { backend, statusOf, storedTagValue } = this.#dialects.ofService(service);
    const status = statusOf?.(operation);
    // Of an operation of HTTP, the definition is reported instead.
    const place = status === 'grpc' ? first : status === undefined ? firstByGrpc : undefined;
    if (place === undefined) return;
    const { path = '', endpoint } = place;
    const example = /^\/[\w.]+\/\w+$/.test(path) ? storedTagValue(path) : '/ledger.v1.ledger/transfer';
    this.#found(
      place,
      'route-of-grpc-service',
      `"${endpoint.label}" is a route of HTTP, and ${status === 'grpc' ? `the operation "${operation}" is gRPC's` : `its failures are told by the status of gRPC`}: such requests are named by service and method, so it most likely matches nothing, and its failures are not seen`,
      `Write { resource: NAME } with the name that ${backend} stores, such as ${example}. If a gateway translates HTTP into gRPC, the route is the gateway's: judge it by a service of its own, with failures by the status of HTTP.`,
      warn,
    );
  }

  #checkStyle(
    service: string,
    operation: string | undefined,
    { firstBraces, firstColons, firstBrackets }: RoutesOfService,
    warn: Report,
  ): void {
    const { endpointTag, routeParameters } = this.#dialects.ofService(service);
    const own = operation === undefined ? undefined : routeParameters?.(operation);
    if (own === undefined) return;
    const styles = { braces: firstBraces, colons: firstColons, brackets: firstBrackets };
    for (const [style, place] of Object.entries(styles)) {
      if (place === undefined || style === own) continue;
      this.#found(
        place,
        'routes-of-other-framework',
        `"${place.endpoint.label}" has a parameter as ${parameterTexts[style as keyof typeof styles]}, and the framework of the operation "${operation}" writes ${parameterTexts[own]}`,
        `Write every route as the framework does: ${endpointTag} is made from that text. Or correct the operation.`,
        warn,
      );
    }
  }

  #collision(first: string, second: RoutePlace): void {
    const { service, resource, label } = second.endpoint;
    this.#collisions += 1;
    this.#found(
      second,
      'same-resource-name',
      `"${label}" and "${first}"${this.#ownerOf(service, first)} are both stored as "${resource}", ` +
        'so the backend cannot tell them apart',
      'If they are one endpoint, write both alike; if they are two, keep the one that matters.',
    );
  }

  /** Computed on demand, since collisions are rare and a registry may have a hundred thousand routes. */
  #ownerOf(service: string, label: string): string {
    if (this.#collisions > 100) return '';
    for (const cuj of this.#cujs.values()) {
      const has = cuj.endpoints.some((one) => one.service === service && one.label === label);
      if (has) return ` of the CUJ "${cuj.name}"`;
    }
    return '';
  }

  #found(
    { cuj, index, endpoint }: RoutePlace,
    rule: string,
    message: string,
    fix: string,
    report = this.#report,
  ): void {
    const path = ['cujs', cuj.index, 'endpoints', index];
    report({ file: cuj.file, path, at: 'value', rule, value: endpoint.label, message, fix });
  }
}
