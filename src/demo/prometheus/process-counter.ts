import { type Points, SLOT_MS } from '../datadog/points.ts';

/** The life of one process that is scraped. Epoch ms. */
export interface ProcessLife {
  readonly bornMs: number;
  /** Exclusive. */
  readonly diedMs: number;
  /** Its counters begin again at 0. */
  readonly restartsMs: readonly number[];
}

/** Which part of a slot's requests a process serves: it is the one of this rank of so many; undefined: none. */
export type ShareAt = (slot: number) => { readonly rank: number; readonly of: number } | undefined;

/**
 * The values of one process's counter at ascending times: all requests that ended since its last start. The requests of a slot end
 * one after the other, evenly. `phase`, from 0 to 1, is how early the first of them is.
 */
export function valuesAt(
  points: Points,
  shareAt: ShareAt,
  { restartsMs }: Pick<ProcessLife, 'restartsMs'>,
  timesMs: readonly number[],
  phase: number,
): number[] {
  const ended = endedUntil(points, shareAt, phase);
  const restarts = [...restartsMs].sort((a, b) => a - b);
  const atRestart = restarts.map(ended);
  return timesMs.map((atMs) => {
    const last = restarts.findLastIndex((restartMs) => restartMs <= atMs);
    return ended(atMs) - (atRestart[last] ?? 0);
  });
}

/** Requests of the process that ended until a time. */
function endedUntil(points: Points, shareAt: ShareAt, phase: number): (atMs: number) => number {
  const slots: number[] = [];
  /** Until the begin of the slot. */
  const before: number[] = [];
  const amounts: number[] = [];
  let sum = 0;
  points.forEach(0, Number.POSITIVE_INFINITY, (slot, amount) => {
    const share = shareAt(slot);
    const own = share === undefined ? 0 : partOf(amount, share, slot);
    if (own === 0) return;
    slots.push(slot);
    before.push(sum);
    amounts.push(own);
    sum += own;
  });
  return (atMs) => {
    const i = lastBegun(slots, atMs);
    if (i < 0) return 0;
    const passed = Math.min(1, (atMs - (slots[i] as number) * SLOT_MS) / SLOT_MS);
    return (before[i] as number) + Math.floor((amounts[i] as number) * passed + (passed > 0 ? phase : 0));
  };
}

function lastBegun(slots: readonly number[], atMs: number): number {
  let low = 0;
  let high = slots.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((slots[middle] as number) * SLOT_MS <= atMs) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Whole requests; what does not divide evenly goes round. */
function partOf(amount: number, { rank, of }: { rank: number; of: number }, slot: number): number {
  return Math.floor((amount + of - 1 - ((rank + slot) % of)) / of);
}
