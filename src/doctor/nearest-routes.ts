import { distance } from 'fastest-levenshtein';
import type { Shares } from '../domain/ports/backend-facts.ts';

/** Names that differ in more than this share of their characters are another route's. */
const maxDifference = 0.3;
const maxNames = 3;

/** Resource names with traffic that are most similar to a wanted one, best first. */
export function nearestRoutes(wanted: string, routes: Shares): string[] {
  const shape = shapeOf(wanted);
  return [...routes.keys()]
    .map((name) => {
      const other = shapeOf(name);
      if (other === shape) return { name, difference: 0 };
      // Some frameworks name the route without its method.
      if (pathOf(other) === pathOf(shape)) return { name, difference: 0.1 };
      return { name, difference: 0.1 + distance(shape, other) / Math.max(shape.length, other.length) };
    })
    .filter(({ difference }) => difference <= maxDifference)
    .sort((a, b) => a.difference - b.difference || (routes.get(b.name) ?? 0) - (routes.get(a.name) ?? 0))
    .slice(0, maxNames)
    .map(({ name }) => name);
}

/** Names with traffic that have ids in place of the placeholders of a wanted one: raw paths instead of routes. */
export function filledRoutes(wanted: string, routes: Shares): string[] {
  const segments = wanted.split('/');
  if (!segments.some(isPlaceholder)) return [];
  return [...routes.keys()].filter((name) => {
    const others = name.split('/');
    return (
      others.length === segments.length &&
      segments.every((segment, i) =>
        isPlaceholder(segment) ? isFilling(others[i] as string) : segment === others[i],
      )
    );
  });
}

/** The name with every placeholder, however it is written, and every id replaced by `*`. */
function shapeOf(name: string): string {
  return name
    .split('/')
    .map((segment) => (isPlaceholder(segment) || isFilling(segment) ? '*' : segment))
    .join('/');
}

function pathOf(name: string): string {
  return name.slice(Math.max(name.indexOf('/'), 0));
}

/** `:id`, `_id_` (from {id} or <id>), `_id` at an end. */
function isPlaceholder(segment: string): boolean {
  return /^:./.test(segment) || /^_.+$/.test(segment);
}

function isFilling(segment: string): boolean {
  return /^\d+$/.test(segment) || /^(?=.*\d)[0-9a-f-]{8,}$/.test(segment);
}
