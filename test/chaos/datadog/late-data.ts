import { SLOT_MS } from '../../../src/demo/datadog/points.ts';
import type { EventStore } from '../../../src/demo/datadog/store.ts';
import type { Draw } from '../draw.ts';
import { afterglowMs, settledGlowMs } from '../phases.ts';

interface Delay {
  readonly fromMs: number;
  readonly untilMs: number;
  /** The end of the data during the delay, epoch ms. */
  readonly endMs: number;
}

/**
 * The delays in turn, in minutes. The smallest is the one that a verdict must report (docs/verdicts-reference.md). A
 * silence of `restartGap` (5 min) ends a window that begins at the canary's first hit, but not one that begins at `since`.
 * With the last delay, no data of a canary is left.
 */
const lateMinutes: readonly (readonly [least: number, most: number])[] = [
  [6, 6],
  [6, 12],
  [10, 25],
  [6, 6],
  [40, 70],
];

/**
 * Datadog's ingestion, which stops for all services and catches up. A run cannot wait until data becomes old, so it
 * simulates that ingestion stopped earlier, as a gate that has just started would see it.
 */
export class LateData {
  readonly #store: EventStore;
  readonly #draw: Draw;
  readonly #delays: Delay[] = [];

  constructor(store: EventStore, draw: Draw) {
    this.#store = store;
    this.#draw = draw;
  }

  /** How many times ingestion stopped. */
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

  /** Where the data of an answer to a request at this time may have ended, epoch ms. */
  endsNear(startedMs: number, endedMs: number, glowMs = afterglowMs): number[] {
    return this.#delays
      .filter(({ fromMs, untilMs }) => fromMs <= endedMs && startedMs - glowMs <= untilMs)
      .map(({ endMs }) => endMs);
  }

  /** The same of the call about its past, if that is kept. */
  pastEndsNear(startedMs: number, endedMs: number): number[] {
    return this.endsNear(startedMs, endedMs, settledGlowMs);
  }
}
