import type { Report } from './registry-findings.ts';
import type { Endpoint } from './registry-model.ts';

interface Place {
  readonly file: string;
  readonly cuj: number;
  readonly cujName: string;
  readonly endpoint: number;
  readonly label: string;
}

interface RoutesOfService {
  /** By resource_name, the first route that is stored so. */
  readonly byResource: Map<string, Place>;
  readonly styles: { braces: number; colons: number };
  firstBraces: Place | undefined;
  firstColons: Place | undefined;
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

  /** Takes one METHOD /path endpoint. `cuj` and `index` say where it stands. */
  add(endpoint: Endpoint, path: string, file: string, cuj: number, cujName: string, index: number): void {
    let routes = this.#services.get(endpoint.service);
    if (routes === undefined) {
      routes = {
        byResource: new Map(),
        styles: { braces: 0, colons: 0 },
        firstBraces: undefined,
        firstColons: undefined,
      };
      this.#services.set(endpoint.service, routes);
    }
    const place: Place = { file, cuj, cujName, endpoint: index, label: endpoint.label };
    const first = routes.byResource.get(endpoint.resource);
    if (first === undefined) routes.byResource.set(endpoint.resource, place);
    else if (first.label !== endpoint.label) this.#collision(endpoint, first, place);
    if (/\{[^{}/]*\}/.test(path)) {
      routes.styles.braces += 1;
      routes.firstBraces ??= place;
    }
    if (/\/:[A-Za-z_]/.test(path)) {
      routes.styles.colons += 1;
      routes.firstColons ??= place;
    }
  }

  /** Reports what only the whole of a service shows; one finding a service, at the rarer style. */
  finish(): void {
    for (const [service, { styles, firstBraces, firstColons }] of this.#services) {
      if (firstBraces === undefined || firstColons === undefined) continue;
      const rare = styles.braces < styles.colons ? firstBraces : firstColons;
      const usual = rare === firstBraces ? firstColons : firstBraces;
      this.#report({
        file: rare.file,
        path: ['cujs', rare.cuj, 'endpoints', rare.endpoint],
        at: 'value',
        rule: 'mixed-route-parameters',
        value: rare.label,
        message:
          `the routes of the service "${service}" mix {id} and :id: "${rare.label}" here, ` +
          `"${usual.label}" in the CUJ "${usual.cujName}"`,
        fix: "Write every route as the service's framework does: resource_name is made from that text.",
      });
    }
  }

  #collision(endpoint: Endpoint, first: Place, second: Place): void {
    this.#report({
      file: second.file,
      path: ['cujs', second.cuj, 'endpoints', second.endpoint],
      at: 'value',
      rule: 'same-resource-name',
      value: second.label,
      message:
        `"${second.label}" and "${first.label}" of the CUJ "${first.cujName}" are both stored as ` +
        `"${endpoint.resource}", so Datadog cannot tell them apart`,
      fix: 'If they are one endpoint, write both alike; if they are two, keep the one that matters.',
    });
  }
}
