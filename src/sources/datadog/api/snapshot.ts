import type {
  BatchQuery,
  Series,
  ServiceCounts,
  SideCounts,
  Snapshot,
} from '../../../domain/metrics/metrics-source.ts';
import { addedUp, noEvents, withLost } from '../../../domain/metrics/series.ts';
import type { QueryBatch } from '../../../domain/registry/model.ts';
import type { QueryPair, QueryPlan, QuerySet } from '../query/query-plan-types.ts';
import { refuseContradictions } from './consistency-checks.ts';
import { groupCountsOf, totalWithPart, twiceCountedOf } from './group-counts.ts';
import { type Groups, readGroups, type TimeseriesAttributes } from './timeseries-response.ts';

/**
 * Joins the groups of an answer to counts of each service. Throws SourceError source_malformed where it does not have the
 * shape that was asked for, or contradicts itself.
 */
export function snapshotOf(plan: QueryPlan, query: BatchQuery, attributes: TimeseriesAttributes): Snapshot {
  const { fromMs, toMs } = query;
  const { groups, stepMs } = readGroups(plan.queries, attributes, fromMs, toMs, query.stepMs);
  const buckets = Math.ceil((toMs - fromMs) / stepMs);
  refuseContradictions(plan, groups);
  const services = new Map<string, ServiceCounts>();
  for (const { service } of query.batch.services) {
    const side = (name: 'canary' | 'stable') =>
      sideOf(
        plan.sets.filter((set) => set.side === name),
        service.name,
        groups,
      );
    services.set(service.name, {
      canary: side('canary'),
      stable: side('stable'),
      ...allOf(plan, service.name, buckets, groups),
    });
  }
  return {
    fromMs,
    toMs,
    stepMs,
    services,
    queries: plan.queries.map(({ name, query: text }) => ({ name, query: text })),
  };
}

/**
 * All traffic of a batch's services, of any version, in buckets of `everyMs`: the answer to `planTraffic`.
 * Throws SourceError source_malformed.
 */
export function trafficOf(
  plan: QueryPlan,
  batch: QueryBatch,
  { fromMs, toMs }: Pick<BatchQuery, 'fromMs' | 'toMs'>,
  attributes: TimeseriesAttributes,
  everyMs: number,
): ReadonlyMap<string, SideCounts> {
  const { groups } = readGroups(plan.queries, attributes, fromMs, toMs, everyMs);
  refuseContradictions(plan, groups);
  return new Map(batch.services.map(({ service: { name } }) => [name, sideOf(plan.sets, name, groups)]));
}

/** Without a point there was no request at all, which is another thing than not having asked. */
function allOf(
  { allTraffic }: QueryPlan,
  name: string,
  buckets: number,
  groups: readonly Groups[],
): Pick<ServiceCounts, 'allTraffic'> {
  const all = allTraffic.flatMap(({ query, services }) => {
    const asked = services.find((service) => service.name === name);
    return asked === undefined ? [] : [groups[query]?.get(asked.group)?.get('') ?? new Float64Array(buckets)];
  });
  return all.length === 0 ? {} : { allTraffic: addedUp(all) };
}

/** The bucket-wise sum; one alone is its own. */
/** Series of different traffic as one. */
function joined([first, ...others]: readonly Series[]): Series | undefined {
  if (first === undefined || others.length === 0) return first;
  const all = [first, ...others];
  const none = noEvents(first.total.length);
  const lacks = all.every(({ unclassified }) => unclassified === undefined);
  return {
    total: addedUp(all.map(({ total }) => total)),
    bad: addedUp(all.map(({ bad }) => bad)),
    ...(lacks ? {} : { unclassified: addedUp(all.map(({ unclassified = none }) => unclassified)) }),
  };
}

function sideOf(sets: readonly QuerySet[], name: string, groups: readonly Groups[]): SideCounts {
  const wholes = new Map<string, Series>();
  const requests = new Map<string, Series>();
  const latency = new Map<number, Map<string, Series>>();
  const failures = new Map<string, Map<string, Series>>();
  for (const set of sets) {
    const asked = set.services.find((service) => service.name === name);
    if (asked === undefined) continue;
    const found = new Map<string, Series>();
    if (set.grouped !== undefined) {
      for (const resource of asked.resources) {
        const series = withLost(
          seriesOf(set, set.grouped, asked.group, resource, groups),
          set.lost === undefined ? undefined : groups[set.lost]?.get(asked.group)?.get(''),
        );
        if (series !== undefined) found.set(resource, series);
      }
    }
    const all = set.whole === undefined ? undefined : seriesOf(set, set.whole, asked.group, '', groups);
    const isDefault = set.latencyMs === undefined && set.failure === undefined;
    // Any definition of failure counts the same requests.
    const { traffic = '' } = set;
    if (set.latencyMs === undefined && all !== undefined && !wholes.has(traffic)) wholes.set(traffic, all);
    if (isDefault) {
      for (const [resource, series] of found) requests.set(resource, series);
      continue;
    }
    if (all !== undefined && asked.asWhole) found.set('*', all);
    if (found.size === 0) continue;
    if (set.failure !== undefined) failures.set(set.failure.text, found);
    else if (set.latencyMs !== undefined) latency.set(set.latencyMs, found);
  }
  const whole = joined([...wholes.values()]);
  return { whole, requests, latency, ...(failures.size === 0 ? {} : { failures }) };
}

/** Bad events that are absent beside a total are none; where nothing but them could be asked, nothing is known without it. */
function seriesOf(
  set: QuerySet,
  pair: QueryPair,
  service: string,
  resource: string,
  groups: readonly Groups[],
): Series | undefined {
  if (pair.rest !== undefined) {
    const counts = groupCountsOf({ ...pair, rest: pair.rest }, groups, service, resource);
    if (counts === undefined) return undefined;
    const { part: one, rest, total, noStatus, unclassified } = counts;
    return {
      total,
      bad: set.latencyMs === undefined ? one : rest,
      ...(pair.noStatus === undefined ? {} : { withStatus: withStatusOf(total, noStatus) }),
      ...(unclassified === undefined ? {} : { unclassified }),
    };
  }
  if (pair.again !== undefined) {
    const counts = twiceCountedOf({ ...pair, again: pair.again }, groups, service, resource);
    if (counts === undefined) return undefined;
    const { total, part: bad, unclassified } = counts;
    return { total, bad, ...(unclassified === undefined ? {} : { unclassified }) };
  }
  const total = groups[pair.total]?.get(service)?.get(resource);
  if (total === undefined) return undefined;
  const bad = groups[pair.part]?.get(service)?.get(resource);
  return bad === undefined
    ? { total, bad: noEvents(total.length) }
    : { total: totalWithPart(total, bad), bad };
}

function withStatusOf(total: Float64Array, noStatus: Float64Array): Float64Array {
  if (noStatus.every((count) => count === 0)) return total;
  return total.map((all, i) => Math.max(0, all - (noStatus[i] as number)));
}
