import type { SentQuery } from '../../../domain/metrics/metrics-source.ts';
import type { BatchService } from '../../../domain/registry/model.ts';
import type { ClientEvent } from '../../../domain/sli/client-failure.ts';
import type { Failure } from '../../../domain/sli/failure.ts';
import type { Side, SideScope } from './selector-scopes.ts';

/** A longer list of resources is left out of the filter, in characters. Datadog publishes no limit of its own. */
export const maxResourceListLength = 4_000;

/** One query of a call, with what its answer may hold. */
export interface PlannedQuery extends SentQuery {
  /** Tag key of the service in each group; undefined where the query is about one service alone. */
  readonly serviceKey: 'service' | undefined;
  /** Tag key of the resource in each group; undefined where the query does not group by it. */
  readonly resourceKey: string | undefined;
  /** Service values that the filter lets through; undefined without a service key. */
  readonly services: ReadonlySet<string> | undefined;
  /** The kind of the events of a client that the groups name; undefined for requests. */
  readonly clientEvent?: ClientEvent;
  /** Whether a special character at the end of a group's resource may be stored as `_`. */
  readonly hasOpenEnds?: true;
  /** Resources that the filter lets through; undefined where no filter restricts them. */
  readonly resources: ReadonlySet<string> | undefined;
}

/** A total and the part of it that tells good from bad; all are indexes into the plan's queries. */
export interface QueryPair {
  readonly total: number;
  readonly part: number;
  /** Queries that count what `part` leaves of `total`, each event once; undefined where they are not asked. */
  readonly rest?: readonly number[] | undefined;
  /** The one of `rest` that counts requests without a status. */
  readonly noStatus?: number | undefined;
  /** Where there is no rest: queries that count `total` and `part` once more, each event once. */
  readonly again?: { readonly total: readonly number[]; readonly part: readonly number[] } | undefined;
}

/** What one side of some services is asked for one SLI. */
export interface QuerySet {
  readonly side: Side;
  /** Undefined: requests, `part` is those that fail. Otherwise `part` is the good events, those within so many ms. */
  readonly latencyMs: number | undefined;
  /** Which requests fail; undefined: those that end in 5XX, or the bad events of a template. */
  readonly failure?: Failure | undefined;
  /** Which traffic of the service its `whole` counts, where there is more than one; the sets of one count the same. */
  readonly traffic?: ClientEvent;
  /** Canary's and stable's sets that ask the same have the same key. */
  readonly key: string;
  readonly services: readonly AskedService[];
  /** One series for each service and resource. */
  readonly grouped: QueryPair | undefined;
  /** The filters of `grouped` without its resource groups: where it counts more, groups were cut off. */
  readonly check: QueryPair | undefined;
  /** The whole services. */
  readonly whole: QueryPair | undefined;
  /** The query that counts failures which belong to no endpoint, and may be of any; absent where there are none by definition. */
  readonly lost?: number;
}

export interface AskedService {
  /** The registry's name. */
  readonly name: string;
  /** The value of the service tag on this side; the empty string where the query is about one service alone. */
  readonly group: string;
  /** Resources that some CUJ needs, without `*`. */
  readonly resources: readonly string[];
  /** Whether some CUJ needs `*`, where this is not about 5XX. */
  readonly asWhole?: boolean;
}

/** All requests of some services, by either side or by neither; `query` is an index into the plan's queries. */
export interface AllTrafficQuery {
  readonly query: number;
  readonly services: readonly Pick<AskedService, 'name' | 'group'>[];
}

/** Everything that one call asks, in the order in which it is sent. */
export interface QueryPlan {
  readonly queries: readonly PlannedQuery[];
  readonly sets: readonly QuerySet[];
  readonly allTraffic: readonly AllTrafficQuery[];
}

/** A plan while it is written. */
export interface Plan extends QueryPlan {
  readonly queries: PlannedQuery[];
  readonly sets: QuerySet[];
  readonly allTraffic: AllTrafficQuery[];
  /** Text → index. */
  readonly known: Map<string, number>;
}

/** One operation (or one service of a template) on one side. */
export interface Question {
  readonly plan: Plan;
  readonly number: number;
  readonly side: Side;
  readonly scope: SideScope;
  readonly services: readonly BatchService[];
  readonly unfilled: boolean;
  /** Whether it matters which requests carry a status: for verdicts, not for the traffic alone. */
  readonly statuses: boolean;
}

/** What the answer to a query may hold. */
export type Shape = Omit<PlannedQuery, 'name' | 'query'>;

/** The query's index. A text that is there already is not asked twice. */
export function addQuery(
  { plan, number, side }: Question,
  what: string,
  query: string,
  shape: Shape,
): number {
  const known = plan.known.get(query);
  if (known !== undefined) return known;
  const name = `${side === 'canary' ? 'c' : 's'}_${what}_${number}`;
  plan.known.set(query, plan.queries.length);
  return plan.queries.push({ name, query, ...shape }) - 1;
}

/** Each resource once, sorted, without `*`. */
export function union(lists: readonly (readonly string[])[]): readonly string[] {
  return [...new Set(lists.flat())].filter((resource) => resource !== '*').sort();
}

/** The resources as a filter, or undefined where the list is too long for one. */
export function shortEnough(resources: readonly string[]): readonly string[] | undefined {
  return resources.join(',').length <= maxResourceListLength ? resources : undefined;
}
