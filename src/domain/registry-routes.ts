import type { Report } from './registry-findings.ts';
import type { Endpoint } from './registry-model.ts';

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

interface RoutesOfService {
  /** By resource_name, the first route that is stored so. */
  readonly byResource: Map<string, RoutePlace>;
  braces: number;
  colons: number;
  firstBraces: RoutePlace | undefined;
  firstColons: RoutePlace | undefined;
}

/**
 * Compares the routes of each service across all CUJs: two that Datadog stores as one resource_name, and parameters
 * written as `{id}` here and as `:id` there, which means that one of the two was not copied from the framework.
 */
export class RouteCheck {
  readonly #services = new Map<string, RoutesOfService>();
  readonly #report: Report;

  constructor(report: Report) {
    this.#report = report;
  }

  /** Takes one endpoint; what is no METHOD /path is compared with nothing. */
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
      };
      this.#services.set(endpoint.service, routes);
    }
    const first = routes.byResource.get(endpoint.resource);
    if (first === undefined) routes.byResource.set(endpoint.resource, place);
    else if (first.endpoint.label !== endpoint.label) this.#collision(first, place);
    if (path.includes('{') && /\{[^{}/]*\}/.test(path)) {
      routes.braces += 1;
      routes.firstBraces ??= place;
    }
    if (path.includes('/:') && /\/:[A-Za-z_]/.test(path)) {
      routes.colons += 1;
      routes.firstColons ??= place;
    }
  }

  /** Reports what only the whole of a service shows; one finding a service, at the rarer style. */
  finish(): void {
    for (const [service, { braces, colons, firstBraces, firstColons }] of this.#services) {
      if (firstBraces === undefined || firstColons === undefined) continue;
      const rare = braces < colons ? firstBraces : firstColons;
      const usual = rare === firstBraces ? firstColons : firstBraces;
      this.#found(
        rare,
        'mixed-route-parameters',
        `the routes of the service "${service}" mix {id} and :id: "${rare.endpoint.label}" here, ` +
          `"${usual.endpoint.label}" in the CUJ "${usual.cuj.name}"`,
        "Write every route as the service's framework does: resource_name is made from that text.",
      );
    }
  }

  #collision(first: RoutePlace, second: RoutePlace): void {
    this.#found(
      second,
      'same-resource-name',
      `"${second.endpoint.label}" and "${first.endpoint.label}" of the CUJ "${first.cuj.name}" are both stored as ` +
        `"${second.endpoint.resource}", so Datadog cannot tell them apart`,
      'If they are one endpoint, write both alike; if they are two, keep the one that matters.',
    );
  }

  #found({ cuj, index, endpoint }: RoutePlace, rule: string, message: string, fix: string): void {
    const path = ['cujs', cuj.index, 'endpoints', index];
    this.#report({ file: cuj.file, path, at: 'value', rule, value: endpoint.label, message, fix });
  }
}
