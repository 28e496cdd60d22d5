import type {
  AskedService,
  PlannedQuery,
  QueryPair,
  QueryPlan,
  QuerySet,
} from '../query/query-plan-types.ts';
import { groupCountsOf, tolerance, totalWithPart } from './group-counts.ts';
import { type Groups, malformed } from './timeseries-response.ts';

/**
 * Counts of the same requests may differ by this share, or by so many events: spans that arrive while the queries of one
 * call are evaluated are in some of them only, and sketches of durations are merged along different ways.
 */
const driftShare = 0.05;
const driftEvents = 3;

/**
 * Refuses counts that cannot all be true: parts that do not add up to their total, groups that were cut off, endpoints that
 * are not a part of their service. Throws SourceError source_malformed.
 */
export function refuseContradictions(plan: QueryPlan, groups: readonly Groups[]): void {
  for (const set of plan.sets) checkSet(plan, set, groups);
}

function checkSet(plan: QueryPlan, set: QuerySet, groups: readonly Groups[]): void {
  for (const pair of [set.grouped, set.whole])
    if (pair !== undefined && pair.rest === undefined) checkParts(plan, pair, groups);
  for (const asked of set.services) {
    for (const resource of asked.resources) {
      checkSum(plan, set.grouped, asked, resource, groups);
      checkAgain(plan, set.grouped, asked, resource, groups);
    }
    checkSum(plan, set.whole, asked, '', groups);
    checkAgain(plan, set.whole, asked, '', groups);
    checkCutOff(plan, set, asked, groups);
    checkWhole(plan, set, asked, groups);
    checkRest(plan, set, asked, groups);
  }
}

/**
 * Every event is in one of the parts. What is off by no more than may have arrived in between is judged both ways
 * (src/domain/judge/unclassified.ts); anything beyond is a series that was lost, as a whole or some of its points.
 */
function checkSum(
  plan: QueryPlan,
  pair: QueryPair | undefined,
  { name, group }: AskedService,
  resource: string,
  groups: readonly Groups[],
): void {
  if (pair?.rest === undefined) return;
  const { rest } = pair;
  const counts = groupCountsOf({ ...pair, rest }, groups, group, resource);
  if (counts === undefined) return;
  const counted = sum(groups[pair.total]?.get(group)?.get(resource));
  const all = sum(counts.total);
  const parts = all - sum(counts.unclassified);
  if (!isAbove(all, counted) && !isAbove(all, parts)) return;
  const names = [pair.part, ...rest].map((query) => plan.queries[query]?.name).join(' and ');
  throw malformed(
    `${plan.queries[pair.total]?.name} counts ${roundCount(counted)} events of ${[name, resource].join(' ').trim()},` +
      ` but ${names} ${roundCount(parts)} together`,
  );
}

/**
 * Where nothing counts the good events, all and the bad ones are asked twice. What is off by no more than may have arrived in
 * between is judged both ways; anything beyond is a series that was lost. Where all series of a metric are lost, nothing shows it.
 */
function checkAgain(
  plan: QueryPlan,
  pair: QueryPair | undefined,
  { name, group }: AskedService,
  resource: string,
  groups: readonly Groups[],
): void {
  if (pair?.again === undefined) return;
  const count = (query: number) => sum(groups[query]?.get(group)?.get(resource));
  for (const which of ['total', 'part'] as const) {
    const once = count(pair[which]);
    const queries = pair.again[which];
    const again = queries.reduce((all, query) => all + count(query), 0);
    if (!isAbove(once, again) && !isAbove(again, once)) continue;
    const names = queries.map((query) => plan.queries[query]?.name).join(' and ');
    throw malformed(
      `${plan.queries[pair[which]]?.name} counts ${roundCount(once)} events of ${[name, resource].join(' ').trim()},` +
        ` but ${names} ${roundCount(again)} together`,
    );
  }
}

/**
 * Bad events are a part of all events, in every bucket of every group, but for those that arrived in between: where buckets
 * are short, one event can be all of a bucket.
 */
function checkParts(plan: QueryPlan, pair: QueryPair, groups: readonly Groups[]): void {
  for (const [service, resources] of groups[pair.part] as Groups) {
    for (const [resource, part] of resources) {
      const total = groups[pair.total]?.get(service)?.get(resource);
      const counted = sum(total);
      const all = total === undefined ? sum(part) : sum(totalWithPart(total, part));
      if (total === undefined ? all === 0 : !isAbove(all, counted)) continue;
      const where = [service, resource].filter((text) => text !== '').join(' ') || 'the service';
      const [name, partName] = [pair.total, pair.part].map((query) => plan.queries[query]?.name);
      throw malformed(
        `${name} counts ${roundCount(counted)} events of ${where}, but ${partName} ${roundCount(all - counted)} that are not among them`,
      );
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
    const { name, resources } = plan.queries[set.grouped[which]] as PlannedQuery;
    const complete = resources !== undefined && [...resources].every((resource) => came?.has(resource));
    if (isAbove(grouped, counted) || (complete && isAbove(counted, grouped))) {
      const check = plan.queries[set.check[which]]?.name;
      throw malformed(
        `${name} counts ${roundCount(grouped)} events of ${asked.name} endpoint by endpoint, but ${check} ${roundCount(counted)}`,
      );
    }
    if (grouped >= counted - tolerance * Math.max(1, counted)) continue;
    const missing = asked.resources.filter(
      (resource) => !came?.has(resource) && (which === 'total' || sum(totals?.get(resource)) > 0),
    );
    if (missing.length === 0) continue;
    throw malformed(
      `groups were cut off: ${came?.size ?? 0} of ${asked.name} came back for ${name}` +
        ` with ${roundCount(grouped)} of ${roundCount(counted)} events; ${missing[0]} is among the missing`,
    );
  }
}

/** The endpoints are a part of their service, and what failed elsewhere in it is a part of what was asked there. */
function checkRest(
  plan: QueryPlan,
  { check, whole, latencyMs }: QuerySet,
  { name, group }: AskedService,
  groups: readonly Groups[],
): void {
  if (check === undefined || whole === undefined) return;
  const count = (query: number) => sum(groups[query]?.get(group)?.get(''));
  const rest = (which: 'total' | 'part') => {
    const [endpoints, all] = [count(check[which]), count(whole[which])];
    if (isAbove(endpoints, all)) {
      const names = [check, whole].map((pair) => plan.queries[pair[which]]?.name);
      throw malformed(
        `${names[0]} counts ${roundCount(endpoints)} events of ${name}'s endpoints, but ${names[1]} ${roundCount(all)} of all of it`,
      );
    }
    return all - endpoints;
  };
  const [requests, failed] = [rest('total'), rest('part')];
  // The totals of a threshold are those of all endpoints with any threshold.
  if (latencyMs !== undefined || !isAbove(failed, requests)) return;
  throw malformed(
    `outside the endpoints ${roundCount(failed)} of ${roundCount(requests)} requests of ${name} failed, by ${plan.queries[whole.part]?.name} and ${plan.queries[check.part]?.name}`,
  );
}

/** Whether a count is above another one of the same requests by more than what may have arrived in between. */
function isAbove(count: number, other: number): boolean {
  return count - other > Math.max(driftEvents, driftShare * other);
}

function sum(series: Float64Array | undefined): number {
  let total = 0;
  for (const value of series ?? []) total += value;
  return total;
}

function roundCount(count: number): number {
  return Math.round(count * 1000) / 1000;
}
