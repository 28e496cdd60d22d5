import { editDistance, nearestBy } from '../../suggestions/nearest.ts';
import { type ProblemDocument, problem } from './problem.ts';

/** Every route, as find-my-way writes them. All take GET and HEAD, nothing else. */
export const routes = {
  cujStatus: '/cujs/:name/status',
  serviceStatus: '/services/:service/status',
  cujs: '/cujs',
  cuj: '/cujs/:name',
  registry: '/registry',
  metrics: '/metrics',
  healthz: '/healthz',
  readyz: '/readyz',
  openapi: '/openapi.json',
} as const;

/** Pages for browsers that have an address of their own. The others are at the address of their JSON. */
export const pageRoutes = {
  start: '/',
  report: '/report',
  cujLink: '/v/:name/:canary',
  cujLinkAt: '/v/:name/:canary/:at',
  serviceLink: '/r/:name/:canary',
  serviceLinkAt: '/r/:name/:canary/:at',
} as const;

/** Routes of probes and scrapers, which can be on a separate port. */
export const operationRoutes: readonly string[] = [routes.metrics, routes.healthz, routes.readyz];
export const questionRoutes: readonly string[] = Object.values(routes).filter(
  (route) => !operationRoutes.includes(route),
);

/** The problem document where no route matches: a wrong method, or an unknown path with the nearest ones. */
export function noRoute(method: string, url: string, known: readonly string[]): ProblemDocument {
  const templates = known.map((template) => template.slice(1).split('/'));
  const path = pathOf(url);
  const segments = path.slice(1).split('/');
  const exact = templates.some((template) => template.length === segments.length && fits(template, segments));
  if (exact && method !== 'GET' && method !== 'HEAD') {
    return problem('method_not_allowed', `${method} is not supported: the API is read-only.`, 'Use GET.', {
      allow: ['GET', 'HEAD'],
    });
  }
  const shown = path.length > 200 ? `${path.slice(0, 200)}...` : path;
  if (operationRoutes.includes(path) && !known.includes(path)) {
    return problem(
      'not_found',
      `Nothing is at ${path} on this port.`,
      'It is served on CUJ_GATE_ADMIN_PORT, over plain HTTP.',
      { nearest: [] },
    );
  }
  const [before, ...after] = path.split(';') as [string, ...string[]];
  const nearest = nearestRoutes(before.slice(1).split('/'), templates);
  if (after.length > 0 && nearest[0] === before) {
    return problem(
      'not_found',
      `Nothing is at ${shown}.`,
      `Parameters come after a question mark, not after a semicolon: ${`${before}?${after.join('&')}`.slice(0, 200)}`,
      { nearest },
    );
  }
  const all = known.includes(routes.openapi)
    ? 'GET /openapi.json describes every route.'
    : `This port has ${known.join(', ')}.`;
  return problem(
    'not_found',
    `Nothing is at ${shown}.`,
    nearest.length === 0 ? all : `Did you mean ${nearest.join(' or ')}? ${all}`,
    { nearest },
  );
}

function pathOf(url: string): string {
  const path = url.replace(/^https?:\/\/[^/?#]*/i, '').split(/[?#]/, 1)[0] as string;
  return path.startsWith('/') ? path : `/${path}`;
}

function fits(template: readonly string[], segments: readonly string[]): boolean {
  return template.every((part, i) => (part.startsWith(':') ? segments[i] !== '' : part === segments[i]));
}

function editsTo(part: string, segment: string): number {
  return segment.length > 2 && part.startsWith(segment) ? 1 : editDistance(segment, part);
}

/** At most two routes of a similar shape, with what the caller wrote in the place of their names. */
function nearestRoutes(segments: readonly string[], templates: readonly (readonly string[])[]): string[] {
  const given = segments.filter((segment) => segment !== '').slice(0, 6);
  const candidates = templates.map((template) => {
    let edits = 3 * Math.abs(template.length - given.length);
    const path = template.map((part, i) => {
      const segment = given[i];
      if (part.startsWith(':')) {
        return segment === undefined ? `{${part.slice(1)}}` : segment.slice(0, 100);
      }
      if (segment !== undefined) edits += editsTo(part, segment.slice(0, 100).toLowerCase());
      return part;
    });
    return { path: `/${path.join('/')}`, edits, length: path.join('').length };
  });
  return nearestBy(candidates, {
    differenceOf: ({ edits }) => edits,
    maxDifference: ({ length }) => Math.max(3, length / 3),
    max: 2,
  }).map(({ path }) => path);
}
