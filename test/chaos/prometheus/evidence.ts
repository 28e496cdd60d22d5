import type { ScrapedPod } from '../../../src/demo/prometheus/scraped-pods.ts';
import {
  type Asked,
  type Counted,
  type CountQuestion,
  callEndsOf,
  type Evidence,
  floor,
  givenBeginOf,
  maxIncompleteMs,
  pastEndOf,
  unique,
  usualTellingMs,
  type Window,
} from '../evidence.ts';
import { type Route, versions } from '../world.ts';
import { difference, type ScrapedWorld } from './scraped-world.ts';

const minuteMs = 60_000;
/** Of the registries. */
export const lagMs = 20_000;
export const maxWindowMs = 60 * minuteMs;
const bucketMs = 5_000;
/** The gate judges nothing where the newest sample of a pod that cannot be scraped is older than this, at the end of the data. */
export const silenceMs = 20_000;

type Bounds = readonly [least: Counted, most: Counted];

/**
 * Bounds of the counts that scrapes can show. The truth is what the pods themselves have served, which nothing of the gate is asked for.
 *
 * An exact count is no fact of the traffic: a request counts at the scrape that first shows it, what came in a gap is spread over the gap,
 * and what a process served between its last scrape and its end is lost. So each count lies between two truths. The lower one begins with
 * the last request that a scrape behind the window's begin may have hidden, and ends with the last scrape that is in Prometheus for sure;
 * the upper one begins at such a scrape, and ends with the first one that is surely behind the window's end. These bounds are a scrape or
 * two wide at each end of a window of half an hour. A canary behaves alike all the time, so that both truths get the same verdict, which
 * the oracle demands. What was lost with a restart may be missing from the lower bound as well.
 */
export class PrometheusEvidence implements Evidence {
  readonly maxWindowMs = maxWindowMs;
  readonly #world: ScrapedWorld;
  /** Whether answers until a time lack the series of a pod. */
  readonly #isForgotten: (pod: string, toMs: number) => boolean;

  constructor(world: ScrapedWorld, isForgotten: (pod: string, toMs: number) => boolean) {
    this.#world = world;
    this.#isForgotten = isForgotten;
  }

  windows(asked: Asked): Window[] {
    return callEndsOf(asked, lagMs).flatMap((callMs) => {
      const pastMs = pastEndOf(callMs);
      const ends: number[] = [];
      for (let leftOutMs = 0; leftOutMs <= maxIncompleteMs; leftOutMs += bucketMs)
        ends.push(callMs - leftOutMs);
      return unique(ends).map((toMs) => {
        const beganMs = Math.max(this.#world.canaryBeganMs, floor(toMs) - maxWindowMs);
        return { fromMs: givenBeginOf(asked, toMs, maxWindowMs) ?? beganMs, toMs, callMs, pastMs };
      });
    });
  }

  tellingMs({ callMs, pastMs }: Window): number {
    const isHalf = (toMs: number) => this.#world.pods.pods.some(({ name }) => this.#isForgotten(name, toMs));
    return isHalf(callMs) || isHalf(pastMs) ? 2 * usualTellingMs : usualTellingMs;
  }

  unseen(version: string, routes: readonly Route[], { callMs }: Window): string | undefined {
    const services = unique(routes.map(({ service }) => service));
    const down = this.#podsOf(services, [version]).find(
      ({ name }) => !this.#isForgotten(name, callMs) && this.#world.isKnownDown(name, silenceMs, callMs),
    );
    return down && `${down.name} could not be scraped`;
  }

  mayShow(shown: number, { asked, routes, side, what, window }: CountQuestion): boolean {
    const { fromMs, toMs, callMs } = window;
    const own = versions.filter(({ name }) => (name === side.version) === (side.others === undefined));
    // Each service has calls of its own, which may have come to another end behind that of the window.
    const calls = unique([callMs, ...callEndsOf(asked, lagMs).filter((ms) => ms > toMs)]);
    let sums: readonly [low: number, high: number][] = [[0, 0]];
    for (const service of unique(routes.map((route) => route.service))) {
      const pods = this.#podsOf(
        [service],
        own.map(({ name }) => name),
      );
      const may = calls.map((endMs) => this.#sumOf(pods, routes, what, fromMs, toMs, endMs));
      sums = sums.flatMap(([low, high]) => may.map(([least, most]) => [low + least, high + most] as const));
    }
    return sums.some(([low, high]) => low <= shown && shown <= high);
  }

  /** Bounds of what pods may show in a window, by calls of which the newer one ends at `callMs`. */
  #sumOf(
    pods: readonly ScrapedPod[],
    routes: readonly Route[],
    what: keyof Counted,
    fromMs: number,
    toMs: number,
    callMs: number,
  ): readonly [low: number, high: number] {
    const pastMs = pastEndOf(callMs);
    let [low, high] = [0, 0];
    for (const pod of pods) {
      const isInPast = !this.#isForgotten(pod.name, pastMs);
      const isInRecent = !this.#isForgotten(pod.name, callMs);
      const begin = isInPast ? fromMs : Math.max(fromMs, pastMs);
      const end = isInRecent ? toMs : Math.min(toMs, pastMs);
      if (begin >= end) continue;
      for (const [least, most] of this.#boundsOf(pod, routes, begin, end)) {
        low += least[what];
        high += most[what];
      }
    }
    return [low, high];
  }

  /** Of each route that the pod serves. */
  #boundsOf(pod: ScrapedPod, routes: readonly Route[], fromMs: number, toMs: number): Bounds[] {
    const world = this.#world;
    const [from, fromUntil] = [world.seenFrom(pod.name, fromMs), world.seenUntil(pod.name, fromMs)];
    const [to, toUntil] = [world.seenFrom(pod.name, toMs), world.seenUntil(pod.name, toMs)];
    return routes
      .filter(({ service }) => service === pod.labels.job)
      .map((route) => {
        const between = (beginMs: number, endMs: number) =>
          difference(world.served(pod, route, Math.max(beginMs, endMs)), world.served(pod, route, beginMs));
        return [
          difference(between(fromUntil, to), world.lost(pod, route, from, toUntil)),
          between(from, toUntil),
        ];
      });
  }

  #podsOf(services: readonly string[], names: readonly string[]): ScrapedPod[] {
    return this.#world.pods.pods.filter(({ name, labels }) =>
      names.some((version) => services.includes(labels.job) && name.startsWith(`${labels.job}-${version}-`)),
    );
  }
}
