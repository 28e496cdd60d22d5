import { Counter, type Registry } from 'prom-client';

/** Why a verdict was not kept. */
export const dropReasons = ['queue_full', 'too_many', 'write_failed'] as const;
export type DropReason = (typeof dropReasons)[number];

export interface HistoryMetrics {
  kept(): void;
  dropped(reason: DropReason): void;
}

/** The metrics about the history of verdicts; registered only where changes are kept. */
export function createHistoryMetrics(registry: Registry): HistoryMetrics {
  const registers = [registry];
  const kept = new Counter({
    name: 'cuj_gate_history_kept_total',
    help: 'Verdicts that were written to the history.',
    registers,
  });
  const dropped = new Counter({
    name: 'cuj_gate_history_dropped_total',
    help: 'Verdicts that should have been kept and were not; answers are not affected.',
    labelNames: ['reason'],
    registers,
  });
  for (const reason of dropReasons) dropped.inc({ reason }, 0);
  return { kept: () => kept.inc(), dropped: (reason) => dropped.inc({ reason }) };
}
