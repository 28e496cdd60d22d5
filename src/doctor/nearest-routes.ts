import type { Shares } from '../domain/ports/backend-facts.ts';
import { editDistance, nearestBy } from '../suggestions/nearest.ts';

/** Names that differ in more than this share of their characters are another route's. */
const maxDifference = 0.3;
const maxNames = 3;

/** Resource names with traffic that are most similar to a wanted one, best first. */
export function nearestRoutes(wanted: string, routes: Shares): string[] {
  const shape = shapeOf(wanted);
  const differenceOf = (name: string) => {
    const other = shapeOf(name);
    if (other === shape) return 0;
    // Some frameworks name the route without its method.
    if (pathOf(other) === pathOf(shape)) return 0.1;
    return 0.1 + editDistance(shape, other) / Math.max(shape.length, other.length);
  };
  return nearestBy([...routes.keys()], {
    differenceOf,
    maxDifference: () => maxDifference,
    compareTied: (a, b) => (routes.get(b) ?? 0) - (routes.get(a) ?? 0),
    max: maxNames,
  });
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

/** Names with traffic that are the whole text of an operation of GraphQL, of which type and name are wanted. */
export function signaturesOf(wanted: string, routes: Shares): string[] {
  if (!/^(query|mutation|subscription)_/.test(wanted)) return [];
  return [...routes.keys()].filter((name) => name.startsWith(`${wanted}_`));
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
