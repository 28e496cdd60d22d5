import type { SentQuery } from './metrics-source.ts';
import { type Side, type SideScope, scopesOf, sides } from './query-scopes.ts';
import {
  type TagScope,
  templateCountTexts,
  templateFills,
  traceCountTexts,
  traceLatencyTexts,
} from './query-text.ts';
import type { ScopeBatch, ScopeService } from './registry-model.ts';
import type { Selector, SelectorTemplate } from './selector.ts';

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
  /** Resources that the filter lets through; undefined where no filter restricts them. */
  readonly resources: ReadonlySet<string> | undefined;
}

/** A total and the part of it that tells good from bad; both are indexes into the plan's queries. */
export interface QueryPair {
  readonly total: number;
  readonly part: number;
}

/** What one side of some services is asked for one SLI. */
export interface QuerySet {
  readonly side: Side;
  /** Undefined: requests, `part` is 5XX. Otherwise `part` is the good events, those within so many ms. */
  readonly latencyMs: number | undefined;
  /** Canary's and stable's sets that ask the same have the same key. */
  readonly key: string;
  readonly services: readonly AskedService[];
  /** One series for each service and resource. */
  readonly grouped: QueryPair | undefined;
  /** The filters of `grouped` without its resource groups: where it counts more, groups were cut off. */
  readonly check: QueryPair | undefined;
  /** The whole services. */
  readonly whole: QueryPair | undefined;
}

export interface AskedService {
  /** The registry's name. */
  readonly name: string;
  /** The value of the service tag on this side; the empty string where the query is about one service alone. */
  readonly group: string;
  /** Resources that some CUJ needs, without `*`. */
  readonly resources: readonly string[];
}

/** Everything that one call asks, in the order in which it is sent. */
export interface QueryPlan {
  readonly queries: readonly PlannedQuery[];
  readonly sets: readonly QuerySet[];
}

/** The questions of one scope. Throws TypeError where a value may not enter a query: the caller did not check it. */
export function planQueries(
  batch: ScopeBatch,
  canary: Selector,
  stable: Selector | undefined,
  options: { readonly unfilled?: boolean } = {},
): QueryPlan {
  const plan: Plan = { queries: [], sets: [], known: new Map() };
  const unfilled = options.unfilled ?? false;
  const isTrace = batch.source === 'trace';
  [...questions(batch)].forEach(([operation, services], number) => {
    const fills = isTrace ? { service: true, env: true } : fillsOf(batch);
    const own = { env: batch.env, services: services.map(({ service }) => service.name), fills };
    const scopes = scopesOf(own, canary, stable, unfilled);
    for (const side of sides) {
      const question = { plan, number, side, scope: scopes[side], services, unfilled };
      if (isTrace) planTrace(question, operation);
      else planTemplate(question, batch);
    }
  });
  return { queries: plan.queries, sets: plan.sets };
}

/**
 * The exact texts for people who want to ask the same. Without selectors they are shown with the registry's own
 * placeholders, such as `version:{version}`; stable is then the registry's selector, or the rest where it has none.
 */
export function describeQueries(batch: ScopeBatch, canary?: Selector, stable?: Selector): SentQuery[] {
  const service = batch.services[0]?.service;
  if (service === undefined) return [];
  const ownStable =
    canary === undefined && service.stable !== undefined ? unfilledSelector(service.stable) : undefined;
  const plan = planQueries(batch, canary ?? unfilledSelector(service.canary), stable ?? ownStable, {
    unfilled: true,
  });
  return plan.queries.map(({ name, query }) => ({ name, query }));
}

function unfilledSelector(template: SelectorTemplate): Selector {
  return {
    terms: template.terms.map(({ key, parts }) => ({
      key,
      value: parts.map((part) => (typeof part === 'string' ? part : `{${part.param}}`)).join(''),
    })),
  };
}

interface Plan {
  readonly queries: PlannedQuery[];
  readonly sets: QuerySet[];
  /** Text → index. */
  readonly known: Map<string, number>;
}

interface Question {
  readonly plan: Plan;
  readonly number: number;
  readonly side: Side;
  readonly scope: SideScope;
  readonly services: readonly ScopeService[];
  readonly unfilled: boolean;
}

/** The services of each operation; of a template each service for itself, since its groups do not name it. */
function questions(batch: ScopeBatch): Map<string, ScopeService[]> {
  const found = new Map<string, ScopeService[]>();
  for (const scoped of batch.services) {
    const { operation, name } = scoped.service;
    if (batch.source === 'trace' && operation === undefined) {
      throw new TypeError(`service "${name}" has no operation`);
    }
    const key = batch.source === 'trace' ? (operation as string) : name;
    found.set(key, [...(found.get(key) ?? []), scoped]);
  }
  return found;
}

type Shape = Omit<PlannedQuery, 'name' | 'query'>;

/** A text that is there already is not asked twice. */
function add({ plan, number, side }: Question, what: string, query: string, shape: Shape): number {
  const known = plan.known.get(query);
  if (known !== undefined) return known;
  const name = `${side === 'canary' ? 'c' : 's'}_${what}_${number}`;
  plan.known.set(query, plan.queries.length);
  return plan.queries.push({ name, query, ...shape }) - 1;
}

function planTrace(question: Question, operation: string): void {
  const { plan, number, side, scope, services, unfilled } = question;
  const passed = new Set(scope.services);
  const ask = (
    what: string,
    textOf: (scope: TagScope) => string,
    only: readonly string[] | undefined,
    byResource: boolean,
  ): number =>
    add(
      question,
      what,
      textOf({
        ...scope,
        resources: only,
        by: byResource ? ['service', 'resource_name'] : ['service'],
        unfilled,
      }),
      {
        serviceKey: 'service',
        resourceKey: byResource ? 'resource_name' : undefined,
        services: passed,
        resources: only === undefined ? undefined : new Set(only),
      },
    );
  const set = (
    latencyMs: number | undefined,
    key: string,
    resourcesOf: (of: ScopeService) => readonly string[],
    pairs: Pick<QuerySet, 'grouped' | 'check' | 'whole'>,
  ) =>
    plan.sets.push({
      side,
      latencyMs,
      key: `${key}_${number}`,
      services: services.map((of) => ({
        name: of.service.name,
        group: scope.override ?? of.service.name,
        resources: resourcesOf(of).filter((resource) => resource !== '*'),
      })),
      ...pairs,
    });

  const hits = (of: TagScope) => traceCountTexts(operation, of).total;
  const bad = (of: TagScope) => traceCountTexts(operation, of).bad;
  const pathsOf = (of: ScopeService) => of.resources;
  const paths = union(services.map(pathsOf));
  const filter = shortEnough(paths);
  const some = paths.length > 0;
  set(undefined, 'hits', pathsOf, {
    grouped: some
      ? { total: ask('hits', hits, filter, true), part: ask('bad', bad, filter, true) }
      : undefined,
    check: some
      ? { total: ask('check_hits', hits, filter, false), part: ask('check_bad', bad, filter, false) }
      : undefined,
    whole: {
      total: ask('all_hits', hits, undefined, false),
      part: ask('all_bad', bad, undefined, false),
    },
  });

  const timedPaths = union(services.flatMap((of) => of.thresholds.map(({ resources }) => resources)));
  const timedFilter = shortEnough(timedPaths);
  const thresholds = new Set(services.flatMap((of) => of.thresholds.map(({ latencyMs }) => latencyMs)));
  for (const latencyMs of [...thresholds].sort((a, b) => a - b)) {
    const slowPathsOf = (of: ScopeService) =>
      of.thresholds.filter((entry) => entry.latencyMs === latencyMs).flatMap((entry) => entry.resources);
    const here = union(services.map(slowPathsOf));
    const hereFilter = shortEnough(here);
    const needsWhole = services.some((of) => slowPathsOf(of).includes('*'));
    // The total is the same for every threshold: one query for all resources that have one.
    const timed = (of: TagScope) => traceLatencyTexts(operation, latencyMs, of).total;
    const good = (of: TagScope) => traceLatencyTexts(operation, latencyMs, of).good;
    const label = `good${String(latencyMs).replace('.', '_')}`;
    const someHere = here.length > 0;
    set(latencyMs, label, slowPathsOf, {
      grouped: someHere
        ? { total: ask('timed', timed, timedFilter, true), part: ask(label, good, hereFilter, true) }
        : undefined,
      check: someHere
        ? {
            total: ask('check_timed', timed, timedFilter, false),
            part: ask(`check_${label}`, good, hereFilter, false),
          }
        : undefined,
      whole: needsWhole
        ? {
            total: ask('all_timed', timed, undefined, false),
            part: ask(`all_${label}`, good, undefined, false),
          }
        : undefined,
    });
  }
}

function fillsOf({ id, source, template }: ScopeBatch): { service: boolean; env: boolean } {
  if (template === undefined) throw new TypeError(`batch ${id} does not carry its source "${source}"`);
  return { service: templateFills(template, 'service'), env: templateFills(template, 'env') };
}

function planTemplate(question: Question, { template }: ScopeBatch): void {
  const { plan, number, side, scope, services, unfilled } = question;
  for (const { service, resources, thresholds } of services) {
    if (template === undefined || thresholds.length > 0) {
      throw new TypeError(`service "${service.name}": only source trace knows durations`);
    }
    const some = resources.length > 0;
    if (some && template.groupBy === undefined) {
      throw new TypeError(
        `source "${template.name}" has no groupBy: it can judge "${service.name}" whole only`,
      );
    }
    const filter = shortEnough(resources);
    const pair = (what: string, only: readonly string[] | undefined, by: string | undefined): QueryPair => {
      const texts = templateCountTexts(template, {
        ...scope,
        resources: only,
        by: by === undefined ? undefined : [by],
        unfilled,
      });
      const shape = {
        serviceKey: undefined,
        resourceKey: by,
        services: undefined,
        resources: only === undefined ? undefined : new Set(only),
      };
      return {
        total: add(question, `${what}hits`, texts.total, shape),
        part: add(question, `${what}bad`, texts.bad, shape),
      };
    };
    plan.sets.push({
      side,
      latencyMs: undefined,
      key: `hits_${number}`,
      services: [{ name: service.name, group: '', resources }],
      grouped: some ? pair('', filter, template.groupBy) : undefined,
      check: some ? pair('check_', filter, undefined) : undefined,
      whole: pair('all_', undefined, undefined),
    });
  }
}

function union(lists: readonly (readonly string[])[]): readonly string[] {
  return [...new Set(lists.flat())].filter((resource) => resource !== '*').sort();
}

function shortEnough(resources: readonly string[]): readonly string[] | undefined {
  return resources.join(',').length <= maxResourceListLength ? resources : undefined;
}
