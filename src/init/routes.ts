import { methods } from '../domain/registry/schema.ts';
import type { SourceDialect } from '../domain/registry/source-dialect.ts';
import { normalizeTagValue, resourceNameOf } from '../sources/datadog/query/tag-normalization.ts';
import { routeParametersOf } from '../sources/datadog/query/tracer-operations.ts';

/** A route that a registry may be proposed from. */
export interface FoundRoute {
  /** `GET /api/v1/me`, or the stored resource name where it cannot be written so. */
  readonly label: string;
  /** The upper-case method and the path; undefined for a resource that is not METHOD /path. */
  readonly route: { readonly method: string; readonly path: string } | undefined;
  /** As the backend stores it. */
  readonly resource: string;
  /** Share of the service's traffic; undefined where it was not measured. */
  readonly share: number | undefined;
  /** The tag that its authors gave it. */
  readonly tag: string | undefined;
}

/** A route that was left out of a proposal. */
export interface LeftOut {
  readonly label: string;
  readonly share: number | undefined;
  /** `deprecated`, `a health check`. */
  readonly why: string;
}

/** Monitoring and polling: busy, but not part of a journey. */
const chores =
  /(^|\/)(health\w*|livez?|liveness|readyz?|readiness|ping|metrics|actuator|favicon\.ico|robots\.txt)(\/|$)/i;

/** Splits routes into those for a registry and those that are best left out, each once. `isName`: of what is not METHOD /path. */
export function sortOut(
  routes: readonly FoundRoute[],
  { backend, isSafeTagValue }: SourceDialect,
  isName: (resource: string) => boolean = (resource) => /^[a-z]/.test(resource),
): { routes: FoundRoute[]; leftOut: LeftOut[] } {
  const kept = new Map<string, FoundRoute>();
  const leftOut: LeftOut[] = [];
  for (const found of routes) {
    const { label, share, resource, route } = found;
    const drop = (why: string) => leftOut.push({ label, share, why });
    const other = kept.get(resource);
    if (!isSafeTagValue(resource)) drop('its name contains characters that cannot be queried');
    else if (route === undefined && !isName(resource)) drop('its name is not a route');
    else if (chores.test(route?.path ?? (resource.startsWith('/') ? resource : '')))
      drop('a health check or the like');
    else if (route?.method === 'OPTIONS') drop('browsers send it automatically');
    else if (other !== undefined) drop(`${backend} stores it under the same name as ${other.label}`);
    else kept.set(resource, found);
  }
  const { rare, why } = rarerStyle([...kept.values()]);
  for (const { resource, label, share } of rare) {
    kept.delete(resource);
    leftOut.push({ label, share, why });
  }
  return { routes: [...kept.values()], leftOut };
}

/** What is stored for a parameter of Next.js: `_id_`, at the end of a name `_id`, and `_..._` and the like for the rest of a path. */
function withBrackets(path: string | undefined): string | undefined {
  return path
    ?.split('/')
    .map((segment) => segment.replace(/^_((?:\.\.\.)?[a-z0-9][a-z0-9_-]*?)_?$/, '[$1]'))
    .join('/');
}

/** A service's framework writes parameters in one way; a registry that mixes two is refused. */
function rarerStyle(routes: readonly FoundRoute[]): { rare: FoundRoute[]; why: string } {
  const having = (pattern: RegExp) => routes.filter(({ route }) => pattern.test(route?.path ?? ''));
  const braces = having(/\{[^{}/]*\}/);
  const colons = having(/\/:[A-Za-z_]/);
  if (braces.length === 0 || colons.length === 0) return { rare: [], why: '' };
  return braces.length < colons.length
    ? { rare: braces, why: 'it writes parameters as {id}, most others as :id' }
    : { rare: colons, why: 'it writes parameters as :id, most others as {id}' };
}

/**
 * A resource name of Datadog as a route: `get_/api/v1/me` is `GET /api/v1/me`, in the lower case that is stored. Of an operation
 * whose framework writes parameters in brackets, `get_/products/_id` is `GET /products/[id]`.
 */
export function routeOfResource(resource: string, share: number, operation?: string): FoundRoute {
  const match = /^([a-z]+)_(\/\S*)$/.exec(resource);
  const method = match?.[1]?.toUpperCase();
  const stored = match?.[2];
  const path =
    operation !== undefined && routeParametersOf(operation) === 'brackets' ? withBrackets(stored) : stored;
  const known = method !== undefined && (methods as readonly string[]).includes(method);
  if (known && path !== undefined && resourceNameOf(method, path) === resource) {
    return { label: `${method} ${path}`, route: { method, path }, resource, share, tag: undefined };
  }
  return { label: resource, route: undefined, resource: normalizeTagValue(resource), share, tag: undefined };
}
