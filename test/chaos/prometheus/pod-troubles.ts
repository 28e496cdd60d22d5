import type { ScrapedPod } from '../../../src/demo/prometheus/scraped-pods.ts';
import { type Draw, shuffled } from '../draw.ts';
import { floor } from '../evidence.ts';
import { isWithinMinute } from '../phases.ts';
import { versions } from '../world.ts';
import type { ScrapedWorld } from './scraped-world.ts';

const minuteMs = 60_000;
/**
 * In each minute, in ms. What happens to scrapes is seen a lag and up to 30 s later, so it ends before what the calm phase sees (phases.ts)
 * and begins behind it.
 */
const outage = { fromMs: 19_000, untilMs: 54_000 };
/** Whose processes restart, and whose scrapes fail: versions of which nothing is rare. */
const busyVersions = versions.filter(({ nature }) => ['stable', 'good', 'broken'].includes(nature));

/** What happens to single pods: their processes restart, and scrapes do not reach them for a while. */
export class PodTroubles {
  readonly #world: ScrapedWorld;
  readonly #pods: readonly ScrapedPod[];
  #unscraped: ScrapedPod | undefined;
  outages = 0;
  restarts = 0;

  constructor(world: ScrapedWorld, draw: Draw) {
    this.#world = world;
    const busy = busyVersions.map(({ name }) =>
      shuffled(
        draw,
        world.pods.pods.filter((pod) => pod.name.includes(`-${name}-`)),
      ),
    );
    // In turn, so that the restarts of a pod are far apart: one that restarts before it has counted as much as before is a known limit
    // (docs/prometheus.md).
    this.#pods = Array.from({ length: busy[0]?.length ?? 0 }, (_, i) => i).flatMap((i) =>
      busy.flatMap((pods) => pods[i] ?? []),
    );
  }

  /** From now on one pod is not scraped. Undefined where that would be seen by answers about the past. */
  beginOutage(sinceMs: number): ScrapedPod | undefined {
    if (isPastEnd(sinceMs, Date.now() + minuteMs)) return undefined;
    this.outages += 1;
    const pod = this.#pods[(this.outages * 5) % this.#pods.length] as ScrapedPod;
    this.#world.pods.setReachable([pod.name], false);
    this.#unscraped = pod;
    return pod;
  }

  endOutage(): void {
    if (this.#unscraped !== undefined) this.#world.pods.setReachable([this.#unscraped.name], true);
    this.#unscraped = undefined;
  }

  failScrapes(elapsedMs: number): void {
    if (!isWithinMinute(outage, elapsedMs)) this.endOutage();
    else if (this.#unscraped === undefined) this.beginOutage(Date.now());
  }

  restart(): void {
    const pod = this.#pods[this.restarts % this.#pods.length] as ScrapedPod;
    this.#world.restart(pod.name, Date.now());
    this.restarts += 1;
  }
}

/** Whether the past of answers ends between two times: what it lacks then, it lacks for five minutes. */
function isPastEnd(fromMs: number, toMs: number): boolean {
  return floor(toMs, 5 * minuteMs) >= fromMs;
}
