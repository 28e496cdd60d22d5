import type { FoundRoute } from './routes.ts';

/** Routes that are proposed as one CUJ, busiest first. */
export interface RouteGroup {
  /** A DNS label of at most 50 characters, unique among the groups. */
  readonly name: string;
  readonly routes: readonly FoundRoute[];
  /** Share of the service's traffic; undefined where it was not measured. */
  readonly share: number | undefined;
}

/** A group of more routes is split into routes that read and routes that write: one journey rarely does both. */
const manyRoutes = 6;
/** Segments that say nothing about what a user does. */
const noise = /^(api|apis|rest|rpc|public|private|internal|external|web|mobile|app|v\d+(\.\d+)*)$/i;

/** Groups routes by the tag that their authors gave them, else by the first segment of the path that means something. */
export function groupRoutes(routes: readonly FoundRoute[]): RouteGroup[] {
  const byTopic = new Map<string, FoundRoute[]>();
  for (const route of routes) {
    const topic = slug(route.tag ?? topicOf(route));
    byTopic.set(topic, [...(byTopic.get(topic) ?? []), route]);
  }
  const groups = [...byTopic].flatMap(([topic, members]) => {
    const reads = members.filter(isRead);
    const writes = members.filter((route) => !isRead(route));
    if (members.length <= manyRoutes || reads.length === 0 || writes.length === 0)
      return [groupOf(topic, members)];
    return [groupOf(`${topic}-read`, reads), groupOf(`${topic}-write`, writes)];
  });
  return unique(groups).sort((a, b) => (b.share ?? 0) - (a.share ?? 0));
}

function groupOf(name: string, members: readonly FoundRoute[]): RouteGroup {
  const routes = [...members].sort((a, b) => (b.share ?? 0) - (a.share ?? 0));
  const measured = routes.some(({ share }) => share !== undefined);
  return {
    name,
    routes,
    share: measured ? routes.reduce((sum, { share }) => sum + (share ?? 0), 0) : undefined,
  };
}

function isRead({ route }: FoundRoute): boolean {
  return route?.method === 'GET' || route?.method === 'HEAD';
}

function topicOf({ route, resource }: FoundRoute): string {
  const segments = (route?.path ?? resource).split(/[/.]/).filter((segment) => segment !== '');
  const telling = segments.filter((segment) => !noise.test(segment) && !/^[:{_*<]|^\d+$/.test(segment));
  return telling[0] ?? 'home';
}

/** Letters, digits and hyphens, at most 44 characters: `-write` and a number still fit. */
function slug(text: string): string {
  const clean = text
    .replace(/([a-z0-9])([A-Z])/g, '$1-$2')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 41)
    .replace(/^-+|-+$/g, '');
  return clean === '' ? 'other' : clean;
}

/** `users-write` of a split group may be another topic's name. */
export function unique(groups: readonly RouteGroup[]): RouteGroup[] {
  const names = new Set<string>();
  return groups.map((group) => {
    let name = group.name;
    for (let number = 2; names.has(name); number += 1) name = `${group.name}-${number}`;
    names.add(name);
    return { ...group, name };
  });
}
