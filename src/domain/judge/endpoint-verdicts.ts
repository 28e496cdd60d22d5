import { compareEndpoints } from '../registry/endpoint-order.ts';
import { evidenceOf } from '../statistics/e-process.ts';
import { roundCount, type SideFacts, sideFacts, toSignificant } from './rounding.ts';
import type { EndpointSums, SliSums } from './sli-counts.ts';

export interface EndpointVerdict extends SideFacts {
  readonly endpoint: string;
  readonly service: string;
  readonly resource: string;
  readonly latencyMs?: number;
  /** What counts as a failure. Absent where it is 5XX, or what a source says on all endpoints of the CUJ. */
  readonly failure?: string;
  readonly evidence: number;
  /** The reference rate: the error budget, or stable's own upper bound where stable fails it. */
  readonly allowedRate: number;
  /** Number of bad events on this endpoint alone that would fail the CUJ; null where its traffic cannot carry a fail. */
  readonly failAtBadEvents: number | null;
  /** Stable's counts over all that was queried. */
  readonly stable: SideFacts;
}

/** The endpoints as they are shown, worst first. `logAlone` and `thresholds` are in the order of the sums. */
export function endpointVerdicts(
  sums: SliSums,
  logAlone: readonly number[],
  thresholds: readonly (number | null)[],
): EndpointVerdict[] {
  return sums.endpoints
    .map((endpoint, i) => {
      const log = logAlone[i] as number;
      return { endpoint, log, rank: roundCount(log), failAt: thresholds[i] as number | null };
    })
    .sort(compareWorstFirst)
    .map(endpointVerdict);
}

interface JudgedEndpoint {
  readonly endpoint: EndpointSums;
  readonly log: number;
  /** `log` without what binary fractions add to it: the order of equal evidence is not left to them. */
  readonly rank: number;
  readonly failAt: number | null;
}

function endpointVerdict({ endpoint, log, failAt }: JudgedEndpoint): EndpointVerdict {
  const { label, service, resource, latencyMs, failure } = endpoint.measured;
  const { good, bad, total, value } = sideFacts(endpoint.total, endpoint.bad);
  return {
    endpoint: label,
    service,
    resource,
    ...(latencyMs === undefined ? {} : { latencyMs }),
    ...(failure === undefined ? {} : { failure }),
    good,
    bad,
    total,
    value,
    evidence: toSignificant(evidenceOf(log)),
    allowedRate: toSignificant(endpoint.allowedRate),
    failAtBadEvents: failAt,
    stable: sideFacts(endpoint.stableTotal, endpoint.stableBad),
  };
}

/** Bad events first, by what they prove: a silent or clean endpoint is never worse than one that fails, however little. */
function compareWorstFirst(a: JudgedEndpoint, b: JudgedEndpoint): number {
  const { bad, total, measured } = a.endpoint;
  const other = b.endpoint;
  if (bad > 0 !== other.bad > 0) return bad > 0 ? -1 : 1;
  if (bad > 0) {
    if (a.rank !== b.rank) return b.rank - a.rank;
    if (bad !== other.bad) return other.bad - bad;
  }
  return total === other.total ? compareEndpoints(measured, other.measured) : other.total - total;
}
