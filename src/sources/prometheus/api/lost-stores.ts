import { hourMs } from '../../../domain/duration.ts';
import { identityOf } from './matrix-response.ts';
import type { ListedStore } from './store-list.ts';

/**
 * Thanos Query forgets a store: at once where DNS or a file names it no longer, otherwise after `--store.unhealthy-timeout`. Then nothing
 * tells that samples are missing. So the process remembers which external labels were there.
 */

/** External labels that stores had, and that no store has any more. */
export interface LostStore {
  readonly store: ListedStore;
  /** When it answered last, epoch ms. */
  readonly seenMs: number;
  /** Until when it is remembered, epoch ms. */
  readonly untilMs: number;
}

interface Remembered {
  readonly store: ListedStore;
  readonly seenMs: number;
  readonly missedMs: number | undefined;
}

/** From the first list without it: longer than most restarts, and the longest window that a verdict looks at by default. */
export const rememberedMs = hourMs;
const maxRemembered = 10_000;

/** The labels of one that asks others are theirs: they go where it loses one. Of others they change with configuration and old data. */
const asksOthers = 'query';

export class LostStores {
  readonly #known = new Map<string, Remembered>();

  /** What is lost by a new list, as of a time in epoch ms. */
  after(listed: readonly ListedStore[], nowMs: number): LostStore[] {
    const there = new Set(listed.flatMap(partsOf).map(({ key }) => key));
    const answering = listed.filter(({ error }) => error === undefined);
    const names = new Set(answering.map(nameOf));
    for (const [key, { store, seenMs, missedMs = nowMs }] of this.#known) {
      if (there.has(key)) {
        this.#known.set(key, { store, seenMs, missedMs: undefined });
      } else if (
        nowMs - missedMs >= rememberedMs ||
        (store.type !== asksOthers && names.has(nameOf(store)))
      ) {
        this.#known.delete(key);
      } else {
        this.#known.set(key, { store, seenMs, missedMs });
      }
    }
    for (const { key, store } of answering.flatMap(partsOf)) {
      // The oldest come first.
      this.#known.delete(key);
      this.#known.set(key, { store, seenMs: nowMs, missedMs: undefined });
    }
    for (const key of this.#known.keys()) {
      if (this.#known.size <= maxRemembered) break;
      this.#known.delete(key);
    }
    return [...this.#known.values()].flatMap(({ store, seenMs, missedMs }) =>
      missedMs === undefined ? [] : [{ store, seenMs, untilMs: missedMs + rememberedMs }],
    );
  }
}

/** A store for each set of its external labels: pods have other addresses when they come back, and the same labels. */
function partsOf(store: ListedStore): { readonly key: string; readonly store: ListedStore }[] {
  const { type, labelSets } = store;
  return (labelSets.length === 0 ? [{}] : labelSets).map((labels) => ({
    key: `${type} ${identityOf(labels)}`,
    store: { ...store, labelSets: labelSets.length === 0 ? [] : [labels] },
  }));
}

function nameOf({ type, name }: ListedStore): string {
  return `${type} ${name}`;
}
