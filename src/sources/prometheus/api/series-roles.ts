import type { BatchQuery } from '../../../domain/metrics/metrics-source.ts';
import type { QueryBatch } from '../../../domain/registry/model.ts';
import type { Selector } from '../../../domain/registry/selector.ts';
import { filledMatcher, type Labels, labelOf, matcherTest } from '../query/label-matchers.ts';
import type { PlannedQuery } from '../query/query-plan.ts';
import { badMatchers, counterSourceOf } from '../query/source-template.ts';
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

/** What one series of requests counts. */
export interface SeriesRole extends SeriesScope {
  readonly isBad: boolean;
  /** Undefined where bad events are not told by a label that must be there. */
  readonly hasStatus: boolean | undefined;
}

/** Reads whose events the series of one query count. */
export function scopesOf(
  { serviceLabel, services }: PlannedQuery,
  { batch, canary, stable }: SeriesOwners,
): (labels: Labels) => SeriesScope {
  const { endpointLabels } = counterSourceOf(batch.template as NonNullable<QueryBatch['template']>);
  const isCanary = selectorTest(canary);
  const isStable = stable === undefined ? (labels: Labels) => !isCanary(labels) : selectorTest(stable);
  return (labels) => {
    const parts = endpointLabels.map((label) => labelOf(labels, label));
    return {
      service: services.get(labelOf(labels, serviceLabel)) as string,
      isCanary: isCanary(labels),
      isStable: isStable(labels),
      endpoint: parts.length === 0 || parts.includes('') ? undefined : parts.join(' '),
    };
  };
}

/** Reads the roles of series of the query for requests. */
export function rolesOf(plan: PlannedQuery, owners: SeriesOwners): (labels: Labels) => SeriesRole {
  const { batch } = owners;
  const source = counterSourceOf(batch.template as NonNullable<QueryBatch['template']>);
  const scopeOf = scopesOf(plan, owners);
  const more = badMatchers(source);
  const statusLabels = statusLabelsOf(source);
  const { grpcStatus } = source;
  const [isGrpc, isBadGrpc] = grpcStatus
    ? [matcherTest(grpcStatus.isGrpc), matcherTest(grpcStatus.isBad)]
    : [never, never];
  const hasGrpcStatus = (labels: Labels) =>
    grpcStatus === undefined || !isGrpc(labels) || labelOf(labels, grpcStatus.isBad.label) !== '';
  const badTests = new Map<string, (labels: Labels) => boolean>();
  const badTestOf = (service: string) => {
    const known = badTests.get(service);
    if (known !== undefined) return known;
    const tests = more.map((matcher) => matcherTest(filledMatcher(matcher, service, batch.env)));
    const test = (labels: Labels) => tests.every((one) => one(labels));
    badTests.set(service, test);
    return test;
  };
  return (labels) => {
    const scope = scopeOf(labels);
    const isBad = badTestOf(scope.service)(labels) || isBadGrpc(labels);
    return {
      ...scope,
      isBad,
      hasStatus:
        statusLabels.length === 0
          ? undefined
          : statusLabels.every((label) => labelOf(labels, label) !== '') && (isBad || hasGrpcStatus(labels)),
    };
  };
}

const never = (_: Labels) => false;

function selectorTest({ terms }: Selector): (labels: Labels) => boolean {
  if (terms.length === 0) throw new TypeError('an empty selector would mean the whole service');
  return (labels) => terms.every(({ key, value }) => value !== '' && labelOf(labels, key) === value);
}
