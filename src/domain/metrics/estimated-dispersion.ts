import { estimateDispersion } from '../statistics/dispersion.ts';
import { bucketMs, type EndpointMeasurement } from './metrics-source.ts';

/** An endpoint whose service may have no dispersion in the registry. */
export type WithoutDispersion = Omit<EndpointMeasurement, 'dispersion'> & {
  readonly dispersion: number | undefined;
};

/** Sums of binary fractions leave less than this behind. */
const rounding = 1e-6;

/**
 * The endpoints of one SLI, with the dispersion of their services: the registry's, or else what stable's errors show over all that
 * was measured, all endpoints of the service together. `fromMs` is the begin of the first minute, epoch ms.
 */
export function withDispersion(
  endpoints: readonly WithoutDispersion[],
  fromMs: number,
): EndpointMeasurement[] {
  const estimates = new Map<string, number>();
  return endpoints.map((endpoint) => {
    const { service } = endpoint;
    let { dispersion } = endpoint;
    if (dispersion === undefined) {
      dispersion =
        estimates.get(service) ??
        dispersionOf(
          endpoints.filter((one) => one.service === service),
          fromMs,
        );
      estimates.set(service, dispersion);
    }
    return { ...endpoint, dispersion };
  });
}

function dispersionOf(endpoints: readonly WithoutDispersion[], fromMs: number): number {
  const minutes = Math.max(...endpoints.map(({ stable }) => stable.total.length));
  const total = new Float64Array(minutes);
  const bad = new Float64Array(minutes);
  for (const { stable, sampleRate } of endpoints) {
    for (let i = 0; i < minutes; i += 1) {
      (total[i] as number) += (stable.total[i] ?? 0) * sampleRate;
      const failed = stable.bad[i] ?? 0;
      if (failed > rounding) (bad[i] as number) += failed * sampleRate;
    }
  }
  return estimateDispersion({ total, bad }, Math.round(fromMs / bucketMs));
}
