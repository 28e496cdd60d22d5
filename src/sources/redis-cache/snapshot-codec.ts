import {
  type BatchQuery,
  bucketMs,
  type RefusedThreshold,
  type SentQuery,
  type Series,
  type ServiceCounts,
  type SideCounts,
  type Snapshot,
} from '../../domain/metrics/metrics-source.ts';
import { noEvents } from '../../domain/metrics/series.ts';
import type { BatchService } from '../../domain/registry/model.ts';

/** A snapshot as JSON: the counts as plain numbers, which are mostly small and mostly 0. */

type SeriesValue = readonly [
  total: readonly number[],
  bad: readonly number[],
  withStatus: readonly number[] | null,
  unclassified: readonly number[] | null,
];
type ByResource = readonly (readonly [resource: string, series: SeriesValue])[];
interface SideValue {
  readonly whole: SeriesValue | null;
  readonly requests: ByResource;
  readonly latency: readonly (readonly [latencyMs: number, resources: ByResource])[];
  readonly failures?: readonly (readonly [text: string, resources: ByResource])[];
}

type ServiceValue = readonly [
  name: string,
  canary: SideValue,
  stable: SideValue,
  allTraffic: readonly number[] | null,
];

/** A new member of Snapshot must be added here, and the format version in signed-envelope.ts raised. */
type Nothing = Readonly<Record<string, never>>;

export function snapshotValue({
  fromMs,
  toMs,
  stepMs,
  lateMs,
  services,
  queries,
  refusedThresholds,
  clockSkewMs,
  ...more
}: Snapshot): object {
  more satisfies Nothing;
  return {
    fromMs,
    toMs,
    stepMs,
    ...(lateMs === undefined ? {} : { lateMs }),
    services: [...services].map(([name, counts]) => serviceValue(name, counts)),
    queries: queries.map(({ name, query }) => [name, query]),
    ...(refusedThresholds === undefined ? {} : { refusedThresholds }),
    ...(clockSkewMs === undefined ? {} : { clockSkewMs }),
  };
}

function serviceValue(name: string, { canary, stable, allTraffic, ...more }: ServiceCounts): ServiceValue {
  more satisfies Nothing;
  return [name, sideValue(canary), sideValue(stable), allTraffic === undefined ? null : [...allTraffic]];
}

function sideValue({ whole, requests, latency, failures, ...more }: SideCounts): SideValue {
  more satisfies Nothing;
  return {
    whole: whole === undefined ? null : seriesValue(whole),
    requests: resourcesValue(requests),
    latency: [...latency].map(([latencyMs, resources]) => [latencyMs, resourcesValue(resources)]),
    ...(failures === undefined
      ? {}
      : { failures: [...failures].map(([text, resources]) => [text, resourcesValue(resources)] as const) }),
  };
}

function resourcesValue(resources: ReadonlyMap<string, Series>): ByResource {
  return [...resources].map(([resource, series]) => [resource, seriesValue(series)]);
}

function seriesValue({ total, bad, withStatus, unclassified, ...more }: Series): SeriesValue {
  more satisfies Nothing;
  const list = (counts: Float64Array | undefined) => (counts === undefined ? null : [...counts]);
  return [[...total], [...bad], list(withStatus), list(unclassified)];
}

/** The snapshot that answers this very query, or undefined where the value is anything else. */
export function readSnapshot(value: unknown, query: BatchQuery): Snapshot | undefined {
  try {
    return readAll(value, query);
  } catch (error) {
    if (error instanceof NotASnapshot || error instanceof TypeError) return undefined;
    throw error;
  }
}

class NotASnapshot extends Error {}

function ensure(condition: boolean): asserts condition {
  if (!condition) throw new NotASnapshot();
}

function readAll(value: unknown, asked: BatchQuery): Snapshot {
  const given = value as {
    readonly fromMs: number;
    readonly toMs: number;
    readonly stepMs: number;
    readonly lateMs?: number;
    readonly services: readonly ServiceValue[];
    readonly queries: readonly [string, string][];
    readonly refusedThresholds?: readonly RefusedThreshold[];
    readonly clockSkewMs?: number;
  };
  const { batch, fromMs, toMs } = asked;
  const { clockSkewMs } = given;
  ensure(clockSkewMs === undefined || Number.isFinite(clockSkewMs));
  ensure(given.fromMs === fromMs && given.toMs === toMs && given.services.length === batch.services.length);
  const { stepMs, lateMs } = given;
  ensure(Number.isInteger(stepMs) && stepMs >= 1_000 && stepMs <= bucketMs && bucketMs % stepMs === 0);
  ensure(asked.stepMs < bucketMs || stepMs === bucketMs);
  ensure(lateMs === undefined || (Number.isInteger(lateMs) && lateMs > 0 && lateMs <= 2 * bucketMs));
  const buckets = Math.ceil((toMs - fromMs) / stepMs);
  const services = batch.services.map((one, i) => {
    const [name, canary, stable, allTraffic] = given.services[i] as ServiceValue;
    ensure(name === one.service.name);
    return [
      name,
      {
        canary: readSide(canary, one, buckets),
        stable: readSide(stable, one, buckets),
        ...(allTraffic === null ? {} : { allTraffic: readCounts(allTraffic, buckets) }),
      },
    ] as const;
  });
  const queries = given.queries.map(([name, query]): SentQuery => {
    ensure(typeof name === 'string' && typeof query === 'string');
    return { name, query };
  });
  return {
    fromMs,
    toMs,
    stepMs,
    ...(lateMs === undefined ? {} : { lateMs }),
    services: new Map(services),
    queries,
    ...readRefused(given.refusedThresholds, batch.services),
    ...(clockSkewMs === undefined ? {} : { clockSkewMs }),
  };
}

function readRefused(
  refused: readonly RefusedThreshold[] | undefined,
  asked: readonly BatchService[],
): Pick<Snapshot, 'refusedThresholds'> {
  if (refused === undefined) return {};
  return {
    refusedThresholds: refused.map(({ service, latencyMs, message, hint }) => {
      const of = asked.find((one) => one.service.name === service);
      ensure(of?.thresholds.some((one) => one.latencyMs === latencyMs) === true);
      ensure(typeof message === 'string' && typeof hint === 'string');
      return { service, latencyMs, message, hint };
    }),
  };
}

function readSide(
  { whole, requests, latency, failures }: SideValue,
  asked: BatchService,
  buckets: number,
): SideCounts {
  return {
    whole: whole === null ? undefined : readSeries(whole, buckets),
    requests: readResources(requests, asked.resources, buckets),
    latency: new Map(
      latency.map(([latencyMs, resources]) => {
        const threshold = asked.thresholds.find((one) => one.latencyMs === latencyMs);
        ensure(threshold !== undefined);
        return [latencyMs, readResources(resources, threshold.resources, buckets)];
      }),
    ),
    ...(failures === undefined
      ? {}
      : {
          failures: new Map(
            failures.map(([text, resources]) => {
              const of = asked.failures?.find(({ failure }) => failure.text === text);
              ensure(of !== undefined);
              return [text, readResources(resources, of.resources, buckets)];
            }),
          ),
        }),
  };
}

function readResources(
  value: ByResource,
  asked: readonly string[],
  buckets: number,
): ReadonlyMap<string, Series> {
  const known = new Set(asked);
  return new Map(
    value.map(([resource, series]) => {
      ensure(known.has(resource));
      return [resource, readSeries(series, buckets)];
    }),
  );
}

function readSeries([total, bad, withStatus, unclassified]: SeriesValue, buckets: number): Series {
  return {
    total: readCounts(total, buckets),
    bad: readCounts(bad, buckets),
    ...(withStatus === null ? {} : { withStatus: readCounts(withStatus, buckets) }),
    ...(unclassified === null ? {} : { unclassified: readCounts(unclassified, buckets) }),
  };
}

function readCounts(counts: readonly number[], buckets: number): Float64Array {
  ensure(Array.isArray(counts) && counts.length === buckets);
  ensure(counts.every((count) => Number.isFinite(count) && count >= 0));
  return counts.every((count) => count === 0) ? noEvents(buckets) : Float64Array.from(counts);
}
