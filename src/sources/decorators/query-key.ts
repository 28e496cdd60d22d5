import { createHash } from 'node:crypto';
import type { BatchQuery } from '../../domain/metrics/metrics-source.ts';
import type { QueryBatch } from '../../domain/registry/model.ts';
import { selectorText } from '../../domain/registry/selector.ts';

/** Kept for each batch: equal for every request until the registry is reloaded, and a tenth of the work of a request. */
const digests = new WeakMap<QueryBatch, string>();

function digestOf(batch: QueryBatch): string {
  const known = digests.get(batch);
  if (known !== undefined) return known;
  const content = JSON.stringify([
    batch.id,
    batch.env,
    batch.tags,
    batch.source,
    batch.template,
    // Two backends may write the same source.
    batch.services[0]?.service.dialect.backend,
    batch.services.map(({ service, asWhole, resources, thresholds, failures }) => [
      service.name,
      service.operation,
      asWhole,
      resources,
      ...(service.client === undefined ? [] : [service.client]),
      ...(service.spans === undefined ? [] : [service.spans]),
      thresholds.map((threshold) => [threshold.latencyMs, threshold.resources]),
      ...(failures === undefined ? [] : [failures.map((one) => [one.failure.text, one.resources])]),
    ]),
  ]);
  const digest = createHash('sha256').update(content).digest('base64url');
  digests.set(batch, digest);
  return digest;
}

/** All that the answer depends on. Not the registry: a reload that changes other services keeps the snapshots. */
export function queryKey({ batch, canary, stable, fromMs, toMs, stepMs }: BatchQuery): string {
  const rest = stable === undefined ? 'the rest' : selectorText(stable);
  return `${fromMs} ${toMs} ${stepMs}\n${selectorText(canary)}\n${rest}\n${digestOf(batch)}`;
}
