import { floorMinute } from '../duration.ts';
import { worstSkew } from '../judge/clock-skew.ts';
import { minHistoryMs } from '../judge/freshness.ts';
import { compareEndpoints } from '../registry/endpoint-order.ts';
import type { Endpoint, Service } from '../registry/model.ts';
import { mapSlis } from '../sli/by-sli.ts';
import { countsEndpoint, type SliKind } from '../sli/kind.ts';
import { sliKinds } from '../sli/table.ts';
import type { ResolvedRequest } from './evaluation-request.ts';
import {
  bucketMs,
  type EndpointMeasurement,
  type Measurement,
  type Series,
  type SideCounts,
  type Snapshot,
  type SourceTraffic,
} from './metrics-source.ts';

/**
 * Cuts what one verdict needs out of the snapshots that were taken for its scopes: the CUJ's endpoints, over the CUJ's
 * own span, so that a verdict never depends on what other CUJs asked for.
 */
export function measurementOf(
  request: ResolvedRequest,
  snapshots: ReadonlyMap<string, Snapshot>,
  nowMs: number,
): Measurement {
  const { cuj } = request;
  const toMs = floorMinute(nowMs - cuj.gate.lagMs);
  const { window, maxWindowMs } = cuj.gate;
  const spanMs = window === 'rollout' ? maxWindowMs : Math.max(window, maxWindowMs);
  const fromMs = toMs - Math.ceil(spanMs / bucketMs) * bucketMs;
  const services = new Map(request.services.map((service) => [service.name, service]));
  const buckets = Math.round((toMs - fromMs) / bucketMs);
  const zeros = new Float64Array(buckets);
  const noRequests: Series = { total: zeros, bad: zeros };
  const part = (values: Float64Array, snapshot: Snapshot) =>
    bucketsOf(values, Math.round((fromMs - snapshot.fromMs) / bucketMs), buckets);
  const cut = (series: Series | undefined, snapshot: Snapshot): Series =>
    series === undefined
      ? noRequests
      : {
          total: part(series.total, snapshot),
          bad: part(series.bad, snapshot),
          ...(series.withStatus === undefined ? {} : { withStatus: part(series.withStatus, snapshot) }),
          ...(series.unclassified === undefined ? {} : { unclassified: part(series.unclassified, snapshot) }),
        };
  const measured = (endpoint: Endpoint, kind: SliKind): EndpointMeasurement => {
    const service = services.get(endpoint.service) as Service;
    const snapshot = snapshots.get(endpoint.service) as Snapshot;
    const counts = snapshot.services.get(endpoint.service);
    const { latencyMs } = endpoint;
    const side = (of: SideCounts | undefined) =>
      cut(of === undefined ? undefined : kind.seriesOf(of, endpoint), snapshot);
    return {
      service: endpoint.service,
      resource: endpoint.resource,
      label: endpoint.label,
      ...(kind.needsThreshold && latencyMs !== undefined ? { latencyMs } : {}),
      sampleRate: service.sampleRate,
      dispersion: service.dispersion,
      canary: side(counts?.canary),
      stable: side(counts?.stable),
    };
  };
  const endpoints = [...cuj.endpoints]
    .sort(compareEndpoints)
    .filter((endpoint) => services.has(endpoint.service));
  const whole = (side: 'canary' | 'stable') => {
    const hits = new Array<number>(buckets).fill(0);
    for (const name of services.keys()) {
      const snapshot = snapshots.get(name) as Snapshot;
      const own = cut(snapshot.services.get(name)?.[side].whole, snapshot).total;
      for (let i = 0; i < buckets; i += 1) hits[i] = (hits[i] as number) + (own[i] ?? 0);
    }
    return hits;
  };
  const sides = { canary: whole('canary'), stable: whole('stable') };
  const allTraffic = (): number[] | undefined => {
    const hits = new Array<number>(buckets).fill(0);
    for (const name of services.keys()) {
      const snapshot = snapshots.get(name) as Snapshot;
      const own = snapshot.services.get(name)?.allTraffic;
      if (own === undefined) return undefined;
      part(own, snapshot).forEach((count, i) => {
        hits[i] = (hits[i] as number) + count;
      });
    }
    return hits;
  };
  const all = allTraffic();
  /** The hits of all traffic that neither side has (1), or those that both sides have (-1). */
  const beyond = (sign: 1 | -1) =>
    all?.map((hits, i) => {
      const left = sign * (hits - (sides.canary[i] as number) - (sides.stable[i] as number));
      // Backends add up floats.
      return left > hits * 1e-6 ? left : 0;
    });
  const unmatched = beyond(1);
  const overlapping = beyond(-1);
  const asked = new Set([...services.keys()].map((name) => snapshots.get(name) as Snapshot));
  const clockSkewMs = worstSkew([...asked].map((snapshot) => snapshot.clockSkewMs));
  return {
    fromMs,
    toMs,
    ...(request.sinceMs === undefined ? {} : { sinceMs: request.sinceMs }),
    ...(request.windowMs === undefined ? {} : { windowMs: request.windowMs }),
    ...(clockSkewMs === undefined ? {} : { clockSkewMs }),
    selectors: request.selectorTexts,
    ...mapSlis(cuj.objectives, (_, sli) =>
      endpoints
        .filter((endpoint) => countsEndpoint(sliKinds[sli], endpoint))
        .map((endpoint) => measured(endpoint, sliKinds[sli])),
    ),
    whole: {
      ...sides,
      ...(unmatched === undefined || overlapping === undefined ? {} : { unmatched, overlapping }),
    },
    sourceTraffic: [...asked].map((snapshot) => ({
      services: [...services.keys()].filter((name) => snapshots.get(name) === snapshot),
      hits: hitsOfAll(snapshot, fromMs, toMs),
    })),
  };
}

/**
 * Requests by minute of everything that was asked for in one call, until `toMs`: over the CUJ's own span or the last hour,
 * so that it does not depend on what other CUJs asked for either.
 */
function hitsOfAll(snapshot: Snapshot, fromMs: number, toMs: number): SourceTraffic['hits'] {
  const bucketAt = (ms: number) => Math.round((Math.min(ms, snapshot.toMs) - snapshot.fromMs) / bucketMs);
  const first = Math.max(0, bucketAt(Math.min(fromMs, toMs - minHistoryMs)));
  const hits = new Array<number>(Math.max(0, bucketAt(toMs) - first)).fill(0);
  for (const { allTraffic, canary, stable } of snapshot.services.values()) {
    for (const part of allTraffic === undefined ? [canary.whole?.total, stable.whole?.total] : [allTraffic])
      for (let i = 0; part !== undefined && i < hits.length; i += 1)
        hits[i] = (hits[i] as number) + (part[first + i] ?? 0);
  }
  return hits;
}

/** So many buckets from an offset on; those that the source did not have are zero events. Shared where it can be. */
function bucketsOf(values: Float64Array, offset: number, buckets: number): Float64Array {
  if (offset >= 0 && offset + buckets <= values.length) return values.subarray(offset, offset + buckets);
  return Float64Array.from({ length: buckets }, (_, i) => values[i + offset] ?? 0);
}
