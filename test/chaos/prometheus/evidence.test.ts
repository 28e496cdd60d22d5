import { describe, expect, test } from 'vitest';
import { floor, pastEndOf } from '../evidence.ts';
import type { Route } from '../world.ts';
import { routes } from '../world.ts';
import { lagMs, PrometheusEvidence } from './evidence.ts';
import { ScrapedWorld, scrapeIntervalMs } from './scraped-world.ts';

const minuteMs = 60_000;
const startMs = Date.UTC(2026, 10, 26, 9, 0, 22);
/** The past ends two minutes before this. */
const callMs = floor(startMs) + 2 * minuteMs;
const pastMs = pastEndOf(callMs);
const version = 'v1.2.0';
const pod = `member-api-${version}-0`;
const [route] = routes as readonly [Route];
const asked = { kind: 'cuj', name: 'signup', version, startedMs: callMs, endedMs: callMs } as const;

/** All pods are scraped every 5 s, but one that is not from `unscrapedFromMs` on. */
function worldOf({ unscrapedFromMs = Number.POSITIVE_INFINITY, restartMs = 0 } = {}) {
  const world = new ScrapedWorld({ startMs, seconds: 600, historyMs: 40 * minuteMs }, () => 1);
  world.past(startMs, startMs, undefined, 0);
  for (const { name } of world.pods.pods)
    for (let atMs = startMs; atMs < callMs + minuteMs; atMs += scrapeIntervalMs)
      if (name !== pod || atMs < unscrapedFromMs) world.scraped(name, atMs + 3_210, atMs + 3_220);
  if (restartMs > 0) world.restart(pod, restartMs);
  return world;
}

const calm = worldOf();

function mayShow(
  shown: number,
  {
    world = calm,
    what = 'total',
    fromMs = callMs - 10 * minuteMs,
    isForgotten = () => false,
    endedMs = callMs,
    of = [route],
  }: {
    world?: ScrapedWorld;
    what?: 'total' | 'bad';
    fromMs?: number;
    isForgotten?: (pod: string, toMs: number) => boolean;
    /** When the question was answered. */
    endedMs?: number;
    of?: readonly Route[];
  } = {},
): boolean {
  const evidence = new PrometheusEvidence(world, isForgotten);
  const window = { fromMs, toMs: callMs, callMs, pastMs };
  return evidence.mayShow(shown, {
    asked: { ...asked, endedMs },
    isOld: false,
    routes: of,
    side: { version },
    what,
    window,
  });
}

/** What the pods of the version serve of the route in a span. */
function served(fromMs: number, toMs: number, pods: readonly number[] = [0, 1], of = route): number {
  const at = (ms: number) =>
    calm.pods.pods
      .filter(({ name }) => pods.some((nth) => name === `${of.service}-${version}-${nth}`))
      .reduce((sum, one) => sum + calm.served(one, of, ms).total, 0);
  return at(toMs) - at(fromMs);
}

const span = [callMs - 10 * minuteMs, callMs] as const;

describe('what scrapes may show', () => {
  test('is what was served, and not what was served in another minute more or less', () => {
    expect(mayShow(served(...span))).toBe(true);
    expect(mayShow(served(span[0], span[1] - minuteMs))).toBe(false);
    expect(mayShow(served(span[0] - minuteMs, span[1]))).toBe(false);
  });

  test('may miss the time since the last scrape of a pod, and no more', () => {
    const world = worldOf({ unscrapedFromMs: callMs - 2 * minuteMs });
    const lacking = served(...span) - served(callMs - 2 * minuteMs + 15_000, callMs, [0]);
    expect(mayShow(lacking, { world })).toBe(true);
    expect(mayShow(lacking)).toBe(false);
    expect(mayShow(served(...span) - served(callMs - 2 * minuteMs, callMs), { world })).toBe(false);
  });

  test('may miss what a pod served between its last scrape and a restart', () => {
    const restartMs = callMs - 40_000;
    const fewestOf = (world: ScrapedWorld) => {
      let shown = served(...span);
      while (mayShow(shown - 1, { world })) shown -= 1;
      return shown;
    };
    const lost = fewestOf(calm) - fewestOf(worldOf({ restartMs }));
    expect(lost).toBeGreaterThan(0);
    expect(lost).toBeLessThanOrEqual(served(restartMs - scrapeIntervalMs, restartMs, [0]));
  });

  test('lacks the pods of a forgotten store, in the call that lacks them', () => {
    const inPast = (name: string, toMs: number) => toMs === pastMs && name.endsWith('-1');
    const fromMs = pastMs - 10 * minuteMs;
    const shown = served(fromMs, callMs) - served(fromMs, pastMs, [1]);
    expect(mayShow(shown, { fromMs, isForgotten: inPast })).toBe(true);
    expect(mayShow(shown, { fromMs })).toBe(false);
    expect(mayShow(served(fromMs, callMs), { fromMs, isForgotten: inPast })).toBe(false);
  });

  test('comes from calls of one end or two where there are two services', () => {
    const other = routes.find(({ service }) => service !== route.service) as Route;
    const isForgotten = (name: string, toMs: number) => toMs === callMs && name.endsWith('-1');
    const fromMs = pastMs;
    const shown = served(fromMs, callMs) + served(fromMs, callMs, [0], other);
    const both = { fromMs, isForgotten, of: [route, other] };
    const laterEndMs = callMs + lagMs + 10_000;
    expect(mayShow(shown, { ...both, endedMs: laterEndMs })).toBe(true);
    expect(mayShow(shown, both)).toBe(false);
  });
});
