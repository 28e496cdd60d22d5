import { SourceError } from '../errors.ts';
import type { Cuj } from '../registry/model.ts';
import type { Snapshot } from './metrics-source.ts';

/** Why a CUJ cannot be judged by these snapshots: the source cannot count by one of its thresholds. */
export function refusedThresholdOf(
  { endpoints }: Pick<Cuj, 'endpoints'>,
  snapshots: readonly Pick<Snapshot, 'refusedThresholds'>[],
): SourceError | undefined {
  const refused = snapshots
    .flatMap(({ refusedThresholds = [] }) => refusedThresholds)
    .find((one) =>
      endpoints.some(({ service, latencyMs }) => service === one.service && latencyMs === one.latencyMs),
    );
  return refused && new SourceError('source_rejected', refused.message, refused.hint, { lasting: true });
}
