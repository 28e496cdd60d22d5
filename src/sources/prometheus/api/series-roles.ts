import type { BatchQuery } from '../../../domain/metrics/metrics-source.ts';
import type { QueryBatch } from '../../../domain/registry/model.ts';
import type { Selector } from '../../../domain/registry/selector.ts';
import type { Failure } from '../../../domain/sli/failure.ts';
import { isClassOfNamed, showsStatus, statusLabelOf, withFailure } from '../query/counted-failures.ts';
import { filledMatcher, type Labels, labelOf, matcherTest } from '../query/label-matchers.ts';
import type { PlannedQuery } from '../query/query-plan.ts';
import { badMatchers, type CounterSource, counterSourceOf, endpointIn } from '../query/source-template.ts';
import { statusLabelsOf } from '../query/status-labels.ts';

type SeriesOwners = Pick<BatchQuery, 'batch' | 'canary' | 'stable'>;

/** Whose events a series counts, by its labels. */
export interface SeriesScope {
  /** The registry's name of the service. */
  readonly service: string;
  readonly isCanary: boolean;
  readonly isStable: boolean;
  /** Undefined where the series lacks a label of the endpoint. */
  readonly endpoint: string | undefined;
}

/** Whether the events of a series are bad, by one definition of failure. */
export interface Outcome {
  readonly isBad: boolean;
  /** Undefined where bad events are not told by a label that must be there. */
  readonly hasStatus: boolean | undefined;
  /** Its label has the class of a status in place of the status, and the definition names single ones of the class. */
  readonly isClassOnly?: true;
}

/** What one series of requests counts: by the source's own definition of a failure, and by others. */
export interface SeriesRole extends SeriesScope, Outcome {
  /** By the text of each definition of the registry that some endpoint of the service has. */
  readonly byFailure: ReadonlyMap<string, Outcome>;
}

/** Reads whose events the series of one query count. */
export function scopesOf(
  { serviceLabel, services }: PlannedQuery,
  { batch, canary, stable }: SeriesOwners,
): (labels: Labels) => SeriesScope {
  const source = counterSourceOf(batch.template as NonNullable<QueryBatch['template']>);
  const isCanary = selectorTest(canary);
  const isStable = stable === undefined ? (labels: Labels) => !isCanary(labels) : selectorTest(stable);
  return (labels) => ({
    service: services.get(labelOf(labels, serviceLabel)) as string,
    isCanary: isCanary(labels),
    isStable: isStable(labels),
    endpoint: endpointIn(source, labels),
  });
}

/** Reads the roles of series of the query for requests. */
export function rolesOf(plan: PlannedQuery, owners: SeriesOwners): (labels: Labels) => SeriesRole {
  const { batch } = owners;
  const source = counterSourceOf(batch.template as NonNullable<QueryBatch['template']>);
  const scopeOf = scopesOf(plan, owners);
  const outcomeOf = new Map(
    batch.services.map(({ service: { name }, failures = [] }) => {
      const own = outcomesBy(source, undefined, name, batch.env);
      const others = failures.map(
        ({ failure }) => [failure.text, outcomesBy(source, failure, name, batch.env)] as const,
      );
      const read = (labels: Labels) => ({
        ...own(labels),
        byFailure: others.length === 0 ? none : new Map(others.map(([text, of]) => [text, of(labels)])),
      });
      return [name, read] as const;
    }),
  );
  return (labels) => {
    const scope = scopeOf(labels);
    const read = outcomeOf.get(scope.service) as (labels: Labels) => Omit<SeriesRole, keyof SeriesScope>;
    return { ...scope, ...read(labels) };
  };
}

const none: ReadonlyMap<string, Outcome> = new Map();

/** Reads the outcome of series of a service by a definition of failure; undefined: that of the source. */
function outcomesBy(
  source: CounterSource,
  failure: Failure | undefined,
  service: string,
  env: string,
): (labels: Labels) => Outcome {
  const defined = withFailure(source, failure);
  const statusLabels = statusLabelsOf(defined);
  const tests = badMatchers(defined).map((matcher) => matcherTest(filledMatcher(matcher, service, env)));
  const { grpcStatus } = defined;
  const [isGrpc, isBadGrpc] = grpcStatus
    ? [matcherTest(grpcStatus.isGrpc), matcherTest(grpcStatus.isBad)]
    : [never, never];
  const hasGrpcStatus = (labels: Labels) =>
    grpcStatus === undefined || !isGrpc(labels) || labelOf(labels, grpcStatus.isBad.label) !== '';
  const named = failure && statusLabelOf(source, failure);
  return (labels) => {
    const isBad = tests.every((one) => one(labels)) || isBadGrpc(labels);
    const hasLabels = statusLabels.every((label) => labelOf(labels, label) !== '');
    if (failure === undefined || named === undefined || isBad) {
      if (statusLabels.length === 0) return { isBad, hasStatus: undefined };
      return { isBad, hasStatus: hasLabels && (isBad || hasGrpcStatus(labels)) };
    }
    const value = labelOf(labels, named);
    return {
      isBad,
      hasStatus: hasLabels && hasGrpcStatus(labels) && showsStatus(value, failure),
      ...(isClassOfNamed(value, failure) ? { isClassOnly: true } : {}),
    };
  };
}

const never = (_: Labels) => false;

function selectorTest({ terms }: Selector): (labels: Labels) => boolean {
  if (terms.length === 0) throw new TypeError('an empty selector would mean the whole service');
  return (labels) => terms.every(({ key, value }) => value !== '' && labelOf(labels, key) === value);
}
