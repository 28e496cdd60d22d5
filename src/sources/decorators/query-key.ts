import { createHash } from 'node:crypto';
import type { BatchQuery } from '../../domain/metrics/metrics-source.ts';
import { selectorText } from '../../domain/registry/selector.ts';

/** All that the answer depends on. Not the registry: a reload that changes other services keeps the snapshots. */
export function questionKey({ batch, canary, stable, fromMs, toMs }: BatchQuery): string {
  const content = JSON.stringify([
    batch.id,
    batch.env,
    batch.source,
    batch.template,
    batch.services.map(({ service, resources, thresholds }) => [
      service.name,
      service.operation,
      resources,
      thresholds.map((threshold) => [threshold.latencyMs, threshold.resources]),
    ]),
  ]);
  const batchKey = createHash('sha256').update(content).digest('base64url');
  const rest = stable === undefined ? 'the rest' : selectorText(stable);
  return `${fromMs} ${toMs}\n${selectorText(canary)}\n${rest}\n${batchKey}`;
}
