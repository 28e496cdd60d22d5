import { Counter, type Registry } from 'prom-client';

/** Why an event was not sent. */
export const eventDropReasons = [
  'queue_full',
  'too_many',
  'rejected',
  'rate_limited',
  'unavailable',
  'shutdown',
] as const;
export type EventDropReason = (typeof eventDropReasons)[number];

export interface EventMetrics {
  sent(): void;
  dropped(reason: EventDropReason): void;
}

/** The metrics about events; registered only where events are sent. */
export function createEventMetrics(registry: Registry): EventMetrics {
  const registers = [registry];
  const sent = new Counter({
    name: 'cuj_gate_change_events_sent_total',
    help: 'Events about verdicts that Datadog accepted.',
    registers,
  });
  const dropped = new Counter({
    name: 'cuj_gate_change_events_dropped_total',
    help: 'Events about verdicts that were not sent; answers are not affected.',
    labelNames: ['reason'],
    registers,
  });
  for (const reason of eventDropReasons) dropped.inc({ reason }, 0);
  return { sent: () => sent.inc(), dropped: (reason) => dropped.inc({ reason }) };
}
