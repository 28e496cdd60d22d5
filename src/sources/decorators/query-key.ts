import { createHash } from 'node:crypto';
import type { BatchQuery } from '../../domain/metrics/metrics-source.ts';
import type { QueryBatch } from '../../domain/registry/model.ts';
import { selectorText } from '../../domain/registry/selector.ts';

/** A batch may have hundreds of endpoints: its digest is taken once, not for every question. */
const batchKeys = new WeakMap<QueryBatch, string>();

/** The same object is asked about for a minute. */
const keys = new WeakMap<BatchQuery, string>();

/** All that the answer depends on. Not the registry: a reload that changes other services keeps the snapshots. */
export function questionKey(query: BatchQuery): string {
  let key = keys.get(query);
  if (key === undefined) {
    key = makeKey(query);
    keys.set(query, key);
  }
  return key;
}

function makeKey({ batch, canary, stable, fromMs, toMs }: BatchQuery): string {
  let batchKey = batchKeys.get(batch);
  if (batchKey === undefined) {
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
    batchKey = createHash('sha256').update(content).digest('base64url');
    batchKeys.set(batch, batchKey);
  }
  const rest = stable === undefined ? 'the rest' : selectorText(stable);
  return `${fromMs} ${toMs}\n${selectorText(canary)}\n${rest}\n${batchKey}`;
}
