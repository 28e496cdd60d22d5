import type { BatchService } from '../../../domain/registry/model.ts';
import {
  type AllTrafficQuery,
  addQuery,
  type QuerySet,
  type Question,
  shortEnough,
  union,
} from './query-plan-types.ts';
import { type TagScope, traceCountTexts, traceLatencyTexts, traceStatusTexts } from './query-text.ts';

/** Requests and 5XX of an operation's services on one side, and good events for each latency threshold. */
export function planTrace(question: Question, operation: string): void {
  const { plan, number, side, scope, services, unfilled, statuses } = question;
  const passed = new Set(scope.services);
  const ask = (
    what: string,
    textOf: (scope: TagScope) => string,
    only: readonly string[] | undefined,
    byResource: boolean,
  ): number =>
    addQuery(
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
    resourcesOf: (of: BatchService) => readonly string[],
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
  const pathsOf = (of: BatchService) => of.resources;
  const paths = union(services.map(pathsOf));
  const filter = shortEnough(paths);
  const some = paths.length > 0;
  const rest = (of: TagScope) => (traceCountTexts(operation, of).rest as readonly string[])[0] as string;
  /** Hits, 5XX and all others, so that none of the three can be lost unseen. */
  const counted = (
    all: string,
    only: readonly string[] | undefined,
    byResource: boolean,
    byStatus: boolean,
  ) => {
    const [total, part] = [
      ask(`${all}hits`, hits, only, byResource),
      ask(`${all}bad`, bad, only, byResource),
    ];
    if (!byStatus) return { total, part, rest: [ask(`${all}not_bad`, rest, only, byResource)] };
    const texts = (of: TagScope) => traceStatusTexts(operation, of);
    const other = ask(`${all}other_status`, (of) => texts(of).otherStatus, only, byResource);
    const noStatus = ask(`${all}no_status`, (of) => texts(of).noStatus, only, byResource);
    return { total, part, rest: [other, noStatus], noStatus };
  };
  const grouped = some ? counted('', filter, true, statuses) : undefined;
  // Before the check, which is the same where there is no filter.
  const asWhole = services.some((of) => of.asWhole);
  const whole = counted('all_', undefined, false, statuses && asWhole);
  const check = some
    ? { total: ask('check_hits', hits, filter, false), part: ask('check_bad', bad, filter, false) }
    : undefined;
  set(undefined, 'hits', pathsOf, { grouped, check, whole });

  const timedPaths = union(services.flatMap((of) => of.thresholds.map(({ resources }) => resources)));
  const timedFilter = shortEnough(timedPaths);
  const thresholds = new Set(services.flatMap((of) => of.thresholds.map(({ latencyMs }) => latencyMs)));
  for (const latencyMs of [...thresholds].sort((a, b) => a - b)) {
    const slowPathsOf = (of: BatchService) =>
      of.thresholds.filter((entry) => entry.latencyMs === latencyMs).flatMap((entry) => entry.resources);
    const here = union(services.map(slowPathsOf));
    const hereFilter = shortEnough(here);
    const needsWhole = services.some((of) => slowPathsOf(of).includes('*'));
    // The total is the same for every threshold: one query for all resources that have one.
    const timed = (of: TagScope) => traceLatencyTexts(operation, latencyMs, of).total;
    const good = (of: TagScope) => traceLatencyTexts(operation, latencyMs, of).good;
    const slow = (of: TagScope) => traceLatencyTexts(operation, latencyMs, of).slow;
    const ms = String(latencyMs).replace('.', '_');
    const label = `good${ms}`;
    const someHere = here.length > 0;
    const groupedHere = someHere
      ? {
          total: ask('timed', timed, timedFilter, true),
          part: ask(label, good, hereFilter, true),
          rest: [ask(`slow${ms}`, slow, hereFilter, true)],
        }
      : undefined;
    const wholeHere = needsWhole
      ? {
          total: ask('all_timed', timed, undefined, false),
          part: ask(`all_${label}`, good, undefined, false),
          rest: [ask(`all_slow${ms}`, slow, undefined, false)],
        }
      : undefined;
    const checkHere = someHere
      ? {
          total: ask('check_timed', timed, timedFilter, false),
          part: ask(`check_${label}`, good, hereFilter, false),
        }
      : undefined;
    set(latencyMs, label, slowPathsOf, { grouped: groupedHere, check: checkHere, whole: wholeHere });
  }
}

/** All requests of an operation's services; the question's scope has no condition. */
export function allInTrace(question: Question, operation: string): AllTrafficQuery {
  const { scope, services, unfilled } = question;
  const { total } = traceCountTexts(operation, { ...scope, by: ['service'], unfilled });
  const query = addQuery(question, 'all_traffic', total, {
    serviceKey: 'service',
    resourceKey: undefined,
    services: new Set(scope.services),
    resources: undefined,
  });
  return { query, services: services.map(({ service: { name } }) => ({ name, group: name })) };
}
