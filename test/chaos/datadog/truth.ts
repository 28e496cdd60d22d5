import { SLOT_MS } from '../../../src/demo/datadog/points.ts';
import type { EventStore } from '../../../src/demo/datadog/store.ts';
import type { Counted, Side } from '../evidence.ts';
import type { Route } from '../world.ts';

const slowSeconds = 0.3;

/** Counts in the event store. Counts of a span are cached: many answers have the same span. */
export class Truth {
  readonly #store: EventStore;
  readonly #counts = new Map<string, Counted>();

  constructor(store: EventStore) {
    this.#store = store;
  }

  /** From `fromMs` until before `toMs`, epoch ms. */
  count(route: Route, side: Side, fromMs: number, toMs: number): Counted {
    const key = [route.service, route.resource, side.version, side.others, fromMs, toMs].join('|');
    const before = this.#counts.get(key);
    if (before !== undefined) return before;
    const counted = this.#countAnew(route, side, fromMs, toMs);
    if (this.#counts.size > 20_000) this.#counts.clear();
    this.#counts.set(key, counted);
    return counted;
  }

  #countAnew({ service, operation, resource }: Route, side: Side, fromMs: number, toMs: number): Counted {
    const wanted = (tags: ReadonlyMap<string, string>) =>
      tags.get('service') === service &&
      tags.get('env') === 'production' &&
      tags.get('resource_name') === resource &&
      (tags.get('version') === side.version) === (side.others === undefined);
    let total = 0;
    let bad = 0;
    let slow = 0;
    const slots = [fromMs / SLOT_MS, toMs / SLOT_MS] as const;
    for (const { tags, points } of this.#store.metric(`trace.${operation}.hits`)?.series ?? []) {
      if (!wanted(tags)) continue;
      const failed = tags.get('http.status_code')?.startsWith('5') === true;
      points.forEach(...slots, (_, amount) => {
        total += amount;
        if (failed) bad += amount;
      });
    }
    for (const { tags, points } of this.#store.metric(`trace.${operation}`)?.series ?? []) {
      if (!wanted(tags)) continue;
      points.forEach(...slots, (_, amount, seconds) => {
        if (seconds > slowSeconds) slow += amount;
      });
    }
    return { total, bad, slow };
  }
}
