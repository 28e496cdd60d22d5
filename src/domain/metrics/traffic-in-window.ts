import { bucketMs, type Measurement } from './metrics-source.ts';

/** Requests of the whole services since a time, epoch ms: canary and stable over the same minutes. */
export function trafficInWindow(
  { whole, fromMs }: Pick<Measurement, 'whole' | 'fromMs'>,
  windowFromMs: number,
): { readonly canary: number; readonly stable: number } {
  const first = Math.max(0, Math.round((windowFromMs - fromMs) / bucketMs));
  const sum = (counts: readonly number[]) => counts.slice(first).reduce((all, count) => all + count, 0);
  return { canary: sum(whole.canary), stable: sum(whole.stable) };
}
