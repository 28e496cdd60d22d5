import {
  bucketMs,
  type ScopeQuery,
  type Series,
  type ServiceCounts,
  type SideCounts,
  type Snapshot,
} from '../../domain/metrics-source.ts';
import type { AskedService, QueryPair, QueryPlan, QuerySet } from '../../domain/query-set.ts';
import { type Groups, malformed, readGroups, type TimeseriesAttributes } from './answer.ts';

/** Datadog adds up floats: counts that must agree may differ by this share. */
const tolerance = 1e-6;

/**
 * Joins the groups of an answer to counts of each service, and refuses an answer that contradicts itself: a part above
 * its total, groups that were cut off, a threshold that no request was ever within.
 * Throws SourceError source_malformed.
 */
export function snapshotOf(plan: QueryPlan, query: ScopeQuery, attributes: TimeseriesAttributes): Snapshot {
  const groups = readGroups(plan.queries, attributes, query.fromMs, query.toMs);
  for (const set of plan.sets) checkSet(plan, set, groups);
  checkThresholds(plan.sets, groups);
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
      ...everyoneOf(plan, service.name, query, groups),
    });
  }
  return {
    fromMs: query.fromMs,
    toMs: query.toMs,
    services,
    queries: plan.queries.map(({ name, query: text }) => ({ name, query: text })),
  };
}

function checkSet(plan: QueryPlan, set: QuerySet, groups: readonly Groups[]): void {
  for (const pair of [set.grouped, set.check, set.whole]) if (pair) checkParts(plan, pair, groups);
  for (const asked of set.services) {
    checkCutOff(plan, set, asked, groups);
    checkWhole(plan, set, asked, groups);
  }
}

/** Bad (or good) events are a part of all events, in every bucket of every group. */
function checkParts(plan: QueryPlan, pair: QueryPair, groups: readonly Groups[]): void {
  const names = `${plan.queries[pair.part]?.name} and ${plan.queries[pair.total]?.name}`;
  for (const [service, resources] of groups[pair.part] as Groups) {
    for (const [resource, part] of resources) {
      const total = groups[pair.total]?.get(service)?.get(resource);
      for (let i = 0; i < part.length; i += 1) {
        const all = total?.[i] ?? 0;
        if ((part[i] as number) > all + tolerance * Math.max(1, all)) {
          const where = [service, resource].filter((text) => text !== '').join(' ') || 'the service';
          throw malformed(`${names} disagree on ${where}: ${part[i]} of ${all} events in one minute`);
        }
      }
    }
  }
}

/** Endpoints with traffic of a service without any cannot be, and no more can their bad events. */
function checkWhole(plan: QueryPlan, set: QuerySet, asked: AskedService, groups: readonly Groups[]): void {
  for (const which of ['total', 'part'] as const) {
    const known = [set.grouped, set.check].some(
      (pair) => pair && hasEvents(groups[pair[which]], asked.group),
    );
    if (!known) continue;
    for (const pair of [set.check, set.whole]) {
      if (pair === undefined || groups[pair[which]]?.get(asked.group)) continue;
      const { name } = plan.queries[pair[which]] as { name: string };
      const what = which === 'total' ? 'traffic' : `${set.latencyMs === undefined ? 'bad' : 'good'} events`;
      throw malformed(`${name} knows no ${what} of ${asked.name}, but its endpoints have some`);
    }
  }
}

function hasEvents(groups: Groups | undefined, service: string): boolean {
  return [...(groups?.get(service)?.values() ?? [])].some((series) => sum(series) > 0);
}

/**
 * How many groups Datadog returns at most is not published. Where the same events counted without groups are more, and
 * an endpoint that was asked for is among the missing, groups were cut off: a missing bad group must not read as zero.
 */
function checkCutOff(plan: QueryPlan, set: QuerySet, asked: AskedService, groups: readonly Groups[]): void {
  if (set.grouped === undefined || set.check === undefined) return;
  const totals = groups[set.grouped.total]?.get(asked.group);
  for (const which of ['total', 'part'] as const) {
    const came = groups[set.grouped[which]]?.get(asked.group);
    const counted = sum(groups[set.check[which]]?.get(asked.group)?.get(''));
    const grouped = [...(came?.values() ?? [])].reduce((all, series) => all + sum(series), 0);
    if (grouped >= counted - tolerance * Math.max(1, counted)) continue;
    const missing = asked.resources.filter(
      (resource) => !came?.has(resource) && (which === 'total' || sum(totals?.get(resource)) > 0),
    );
    if (missing.length === 0) continue;
    throw malformed(
      `groups were cut off: ${came?.size ?? 0} of ${asked.name} came back for ${plan.queries[set.grouped[which]]?.name}` +
        ` with ${tidy(grouped)} of ${tidy(counted)} events; ${missing[0]} is among the missing`,
    );
  }
}

/** A threshold that no request at all was within is a threshold written wrongly, not a service where all is slow. */
function checkThresholds(sets: readonly QuerySet[], groups: readonly Groups[]): void {
  const timed = sets.filter((set) => set.latencyMs !== undefined);
  for (const key of new Set(timed.map((set) => set.key))) {
    const same = timed.filter((set) => set.key === key);
    const pairs = same.flatMap((set) => [set.grouped, set.whole].filter((pair) => pair !== undefined));
    if (pairs.some((pair) => (groups[pair.part]?.size ?? 0) > 0)) continue;
    const total = same.reduce((all, set) => all + askedTotal(set, groups), 0);
    if (total > 0) {
      throw malformed(
        `not one of ${tidy(total)} requests was within ${same[0]?.latencyMs} ms, neither of the canary nor of stable, so the threshold's query cannot be right`,
      );
    }
  }
}

/** Requests that a set's good events are a part of. */
function askedTotal({ grouped, whole, services }: QuerySet, groups: readonly Groups[]): number {
  let total = 0;
  for (const { group, resources } of services) {
    const ofService = grouped === undefined ? undefined : groups[grouped.total]?.get(group);
    for (const resource of resources) total += sum(ofService?.get(resource));
    if (whole !== undefined) total += sum(groups[whole.total]?.get(group)?.get(''));
  }
  return total;
}

/** Without a point there was no request at all, which is another thing than not having asked. */
function everyoneOf(
  { everyone }: QueryPlan,
  name: string,
  { fromMs, toMs }: ScopeQuery,
  groups: readonly Groups[],
): Pick<ServiceCounts, 'everyone'> {
  for (const { query, services } of everyone) {
    const asked = services.find((service) => service.name === name);
    if (asked === undefined) continue;
    const hits = groups[query]?.get(asked.group)?.get('');
    return { everyone: hits ?? new Float64Array((toMs - fromMs) / bucketMs) };
  }
  return {};
}

function sideOf(sets: readonly QuerySet[], name: string, groups: readonly Groups[]): SideCounts {
  let whole: Series | undefined;
  const requests = new Map<string, Series>();
  const latency = new Map<number, Map<string, Series>>();
  for (const set of sets) {
    const asked = set.services.find((service) => service.name === name);
    if (asked === undefined) continue;
    const found = new Map<string, Series>();
    if (set.grouped !== undefined) {
      for (const resource of asked.resources) {
        const series = seriesOf(set, set.grouped, asked.group, resource, groups);
        if (series !== undefined) found.set(resource, series);
      }
    }
    const all = set.whole === undefined ? undefined : seriesOf(set, set.whole, asked.group, '', groups);
    if (set.latencyMs === undefined) {
      whole = all;
      for (const [resource, series] of found) requests.set(resource, series);
    } else {
      if (all !== undefined) found.set('*', all);
      if (found.size > 0) latency.set(set.latencyMs, found);
    }
  }
  return { whole, requests, latency };
}

/** Absent bad events beside a total are none; without a total nothing is known. */
function seriesOf(
  set: QuerySet,
  pair: QueryPair,
  service: string,
  resource: string,
  groups: readonly Groups[],
): Series | undefined {
  const total = groups[pair.total]?.get(service)?.get(resource);
  if (total === undefined) return undefined;
  const part = groups[pair.part]?.get(service)?.get(resource) ?? new Float64Array(total.length);
  if (set.latencyMs === undefined) return { total, bad: part };
  return { total, bad: total.map((all, i) => Math.max(0, all - (part[i] as number))) };
}

function sum(series: Float64Array | undefined): number {
  let total = 0;
  for (const value of series ?? []) total += value;
  return total;
}

function tidy(count: number): number {
  return Math.round(count * 1000) / 1000;
}
