import { SourceError } from '../../../domain/errors.ts';
import type { QueryBatch } from '../../../domain/registry/model.ts';

/** Refuses services that Prometheus has no counter of. Throws SourceError source_rejected. */
export function refuseUnmeasurable({ template, services }: QueryBatch): void {
  if (template !== undefined) return;
  throw new SourceError(
    'source_rejected',
    `Prometheus has no trace metrics, by which ${services[0]?.service.name} is to be measured.`,
    'Define a source, such as total: preset:istio, and name it in the service: docs/prometheus-reference.md.',
  );
}
