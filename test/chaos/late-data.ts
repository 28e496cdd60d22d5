import { SLOT_MS } from '../../src/demo/datadog/points.ts';
import type { EventStore } from '../../src/demo/datadog/store.ts';
import { afterglowMs, type Draw } from './faults.ts';

interface Delay {
  readonly fromMs: number;
  readonly untilMs: number;
  /** Where the data ends meanwhile, epoch ms. */
  readonly endMs: number;
}

/**
 * How late in turn, in minutes, from the least on without which a verdict may not do (docs/verdicts-reference.md). A silence of
 * `restartGap` (5 min) ends a window that goes by the canary's first hit, but not one that goes by `since`. After the last
 * nothing of a canary is left.
 */
const lateMinutes: readonly (readonly [least: number, most: number])[] = [
  [6, 6],
  [6, 12],
  [10, 25],
  [6, 6],
  [40, 70],
];

/**
 * Datadog's ingestion, which stops for everybody and catches up. A run has no time to wait until data has become old:
 * it is as if ingestion had stopped long ago, as it is for a gate that has just been started.
 */
export class LateData {
  readonly #store: EventStore;
  readonly #draw: Draw;
  readonly #delays: Delay[] = [];

  constructor(store: EventStore, draw: Draw) {
    this.#store = store;
    this.#draw = draw;
  }

  /** How often it stopped. */
  get times(): number {
    return this.#delays.length;
  }

  isStopped(nowMs: number): boolean {
    return nowMs < (this.#delays.at(-1)?.untilMs ?? 0);
  }

  stop(nowMs: number, forMs: number): void {
    const [least, most] = lateMinutes[this.#delays.length % lateMinutes.length] as readonly [number, number];
    const late = least + Math.floor(this.#draw() * (most - least));
    const untilMs = nowMs + forMs;
    this.#store.delayIngestion({ fromMs: nowMs - late * 60_000, untilMs });
    this.#delays.push({ fromMs: nowMs, untilMs, endMs: this.#store.visibleEndSlot * SLOT_MS });
  }

  /** Where data may have ended that an answer to a question of this moment rests on. */
  endsNear(startedMs: number, endedMs: number): number[] {
    return this.#delays
      .filter(({ fromMs, untilMs }) => fromMs <= endedMs && startedMs - afterglowMs <= untilMs)
      .map(({ endMs }) => endMs);
  }
}
