import { SLOT_MS } from '../../src/demo/datadog/points.ts';
import type { EventStore } from '../../src/demo/datadog/store.ts';
import { afterglowMs, type Draw } from './faults.ts';

interface Delay {
  readonly fromMs: number;
  readonly untilMs: number;
  /** Where the data ends meanwhile, epoch ms. */
  readonly endMs: number;
}

/** So many that a verdict may not do without them (docs/verdicts.md), and fewer than the canaries are old. */
const lateMinutes = [6, 26] as const;
/** Now and then so many that nothing of a canary is left. */
const veryLateMinutes = [40, 70] as const;

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
    const [least, most] = this.#delays.length % 4 === 3 ? veryLateMinutes : lateMinutes;
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
