import { type BySli, mapSlis } from '../sli/by-sli.ts';
import { bucketMs, type EndpointMeasurement, type Measurement, type Series } from './metrics-source.ts';

/**
 * The measurement as it was at an earlier minute, by the data of now: what arrived late is in it, dispersion is estimated from all of
 * it, and buckets shorter than a minute are only those that are still kept. Its span begins where the measurement's does. `toMs` is a
 * whole minute of the measurement, epoch ms.
 */
export function measurementUntil(measurement: Measurement, toMs: number): Measurement {
  const minutes = Math.round((toMs - measurement.fromMs) / bucketMs);
  const { incompleteMs: _, recent, whole, stableOfServices, sourceTraffic, ...rest } = measurement;
  const cut = (counts: readonly number[]) => counts.slice(0, minutes);
  const recentBuckets = (stepMs: number) =>
    Math.round(((minutes - (recent?.firstMinute ?? 0)) * bucketMs) / stepMs);
  const isRecentLeft = recent !== undefined && recent.firstMinute < minutes;
  return {
    ...rest,
    ...mapSlis<readonly EndpointMeasurement[], readonly EndpointMeasurement[]>(measurement, (endpoints) =>
      endpoints.map(({ recentBad, ...endpoint }) => ({
        ...endpoint,
        canary: seriesUntil(endpoint.canary, minutes),
        stable: seriesUntil(endpoint.stable, minutes),
        ...(isRecentLeft && recentBad !== undefined
          ? { recentBad: recentBad.subarray(0, recentBuckets(endpoint.recentStepMs ?? recent.stepMs)) }
          : {}),
      })),
    ),
    toMs,
    ...(isRecentLeft ? { recent } : {}),
    whole: {
      canary: cut(whole.canary),
      stable: cut(whole.stable),
      ...(whole.unmatched === undefined ? {} : { unmatched: cut(whole.unmatched) }),
      ...(whole.overlapping === undefined ? {} : { overlapping: cut(whole.overlapping) }),
      ...(whole.overlappingServices === undefined
        ? {}
        : {
            overlappingServices: whole.overlappingServices.map(({ service, canary, overlapping }) => ({
              service,
              canary: cut(canary),
              overlapping: cut(overlapping),
            })),
          }),
    },
    ...(stableOfServices === undefined
      ? {}
      : {
          stableOfServices: stableOfServices.map(({ service, total, bad }) => ({
            service,
            total: cut(total),
            bad: bad.map(cut),
          })),
        }),
    ...(sourceTraffic === undefined
      ? {}
      : {
          sourceTraffic: sourceTraffic.map(({ services, hits }) => ({
            services,
            hits: hits.slice(0, hits.length - (measurement.whole.canary.length - minutes)),
          })),
        }),
  } satisfies Omit<Measurement, keyof BySli<never>> as Measurement;
}

function seriesUntil({ total, bad, withStatus, unclassified }: Series, minutes: number): Series {
  return {
    total: total.subarray(0, minutes),
    bad: bad.subarray(0, minutes),
    ...(withStatus === undefined ? {} : { withStatus: withStatus.subarray(0, minutes) }),
    ...(unclassified === undefined ? {} : { unclassified: unclassified.subarray(0, minutes) }),
  };
}
