import type { BatchService } from '../../../domain/registry/model.ts';
import type { Failure } from '../../../domain/sli/failure.ts';
import { failureTermsOf, queryLabelOf } from './failure-terms.ts';
import {
  type AllTrafficQuery,
  addQuery,
  type QueryPair,
  type QuerySet,
  type Question,
  shortEnough,
  union,
} from './query-plan-types.ts';
import {
  type StatusTexts,
  type TagScope,
  traceCountTexts,
  traceLatencyTexts,
  traceStatusTexts,
} from './query-text.ts';

/**
 * Requests and failures of an operation's services on one side, for each definition of failure, and good events for each latency
 * threshold.
 */
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
    kind: Pick<QuerySet, 'latencyMs' | 'failure'>,
    key: string,
    resourcesOf: (of: BatchService) => readonly string[],
    pairs: Pick<QuerySet, 'grouped' | 'check' | 'whole'>,
    asked: readonly BatchService[] = services,
  ) =>
    plan.sets.push({
      side,
      ...kind,
      key: `${key}_${number}`,
      services: asked.map((of) => ({
        name: of.service.name,
        group: scope.override ?? of.service.name,
        resources: resourcesOf(of).filter((resource) => resource !== '*'),
        ...(resourcesOf(of).includes('*') ? { asWhole: true } : {}),
      })),
      ...pairs,
    });

  /** Hits, failures and all others, so that none of the three can be lost unseen. */
  const counted = (
    label: string,
    only: readonly string[] | undefined,
    byResource: boolean,
    byStatus: boolean,
    failure: Failure | undefined,
  ): QueryPair => {
    const texts = (of: TagScope) => traceCountTexts(operation, of, failure);
    const statusTexts = (of: TagScope) => traceStatusTexts(operation, of, failure);
    const each = (what: string, many: (of: TagScope) => readonly string[], count: number) =>
      Array.from({ length: count }, (_, i) =>
        ask(`${label}${what}${i || ''}`, (of) => many(of)[i] as string, only, byResource),
      );
    const [total, part] = [
      ask(`${label}hits`, (of) => texts(of).total, only, byResource),
      ask(`${label}bad`, (of) => texts(of).bad, only, byResource),
    ];
    const terms = failureTermsOf(failure);
    if (terms.kind === 'errors') {
      const halves = terms.halves.length;
      return {
        total,
        part,
        again: {
          total: each('hits_again', (of) => texts(of).again?.total ?? [], halves),
          part: each('bad_again', (of) => texts(of).again?.bad ?? [], halves),
        },
      };
    }
    if (!byStatus) return { total, part, rest: each('not_bad', (of) => texts(of).rest ?? [], 1) };
    const status = (key: keyof StatusTexts) => (of: TagScope) => (statusTexts(of) as StatusTexts)[key];
    const other = ask(`${label}other_status`, status('otherStatus'), only, byResource);
    const noStatus = ask(`${label}no_status`, status('noStatus'), only, byResource);
    return { total, part, rest: [other, noStatus], noStatus };
  };
  /** Everything that is asked for one definition of failure. */
  const countedBy = (
    failure: Failure | undefined,
    pathsOf: (of: BatchService) => readonly string[],
    asWhole: boolean,
    asked?: readonly BatchService[],
  ) => {
    const label = failure === undefined ? '' : `${queryLabelOf(failure)}_`;
    const texts = (of: TagScope) => traceCountTexts(operation, of, failure);
    const paths = union((asked ?? services).map(pathsOf));
    const filter = shortEnough(paths);
    const some = paths.length > 0;
    const grouped = some ? counted(label, filter, true, statuses, failure) : undefined;
    // Before the check, which is the same where there is no filter.
    const whole = counted(`${label}all_`, undefined, false, statuses && asWhole, failure);
    const check = some
      ? {
          total: ask(`${label}check_hits`, (of) => texts(of).total, filter, false),
          part: ask(`${label}check_bad`, (of) => texts(of).bad, filter, false),
        }
      : undefined;
    set({ latencyMs: undefined, failure }, `${label}hits`, pathsOf, { grouped, check, whole }, asked);
  };
  const asWhole = services.some((of) => of.asWhole);
  const failures = new Map(
    services.flatMap((of) => (of.failures ?? []).map(({ failure }) => [failure.text, failure] as const)),
  );
  // The traffic of the services is counted by any of the definitions.
  if (failures.size === 0 || asWhole || services.some((of) => of.resources.length > 0))
    countedBy(undefined, (of) => of.resources, asWhole);
  for (const [text, failure] of [...failures].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const pathsOf = (of: BatchService) =>
      of.failures?.find((one) => one.failure.text === text)?.resources ?? [];
    const asked = services.filter((of) => pathsOf(of).length > 0);
    countedBy(
      failure,
      pathsOf,
      asked.some((of) => pathsOf(of).includes('*')),
      asked,
    );
  }

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
    set({ latencyMs }, label, slowPathsOf, { grouped: groupedHere, check: checkHere, whole: wholeHere });
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
