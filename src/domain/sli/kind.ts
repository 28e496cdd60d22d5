import type { Series, SideCounts } from '../metrics/series.ts';
import type { Failure } from './failure.ts';

/** What a kind needs to know of an endpoint. */
export interface SliEndpoint {
  /** `*` is the whole service. */
  readonly resource: string;
  readonly latencyMs?: number | undefined;
  /** Which requests fail; undefined: those that end in 5XX. */
  readonly failure?: Failure | undefined;
}

/**
 * One kind of SLI: what it counts, and what its events are called. docs/development/adding-an-sli-kind.md says how to add
 * one.
 */
export interface SliKind {
  /** The heading of its section on pages: `Availability`. */
  readonly heading: string;
  /** What is counted, in summaries: `requests`. */
  readonly events: string;
  /** What a bad request did, in summaries: `3 of 20 requests failed`. */
  readonly badWord: string;
  /** The same as a whole predicate, in sentences: `3 of 20 requests were slow`. */
  readonly badVerb: string;
  /** Which requests are good, to follow the word "requests": `that do not end in 5XX`. */
  readonly goodRequests: string;
  /**
   * Whether a bad event is one above the endpoint's threshold (`latencyMs`). Then endpoints without a threshold are not
   * counted, a default objective applies only to CUJs with a threshold, and services whose source has no durations cannot be
   * judged.
   */
  readonly needsThreshold: boolean;
  /** Whether its bad events are what the registry's `failure` says. */
  readonly countsFailures?: true;
  /** Whether its events are those of the client, which no other SLI counts. Then it needs a CUJ with a `client`. */
  readonly ofClient?: true;
  /** One side's counts of an endpoint. Undefined: the source had no point at all. */
  readonly seriesOf: (side: SideCounts, endpoint: SliEndpoint) => Series | undefined;
}

/** Which requests are good, as `goodRequests`, where it is not known what the registry says of failures. */
export function usuallyGoodText({ goodRequests, countsFailures, ofClient }: SliKind): string {
  return countsFailures === true && ofClient !== true
    ? `${goodRequests}, unless failure says otherwise`
    : goodRequests;
}

/** Whether the SLI counts the requests of an endpoint. */
export function countsEndpoint(
  { needsThreshold, ofClient }: SliKind,
  { latencyMs, failure }: Pick<SliEndpoint, 'latencyMs' | 'failure'>,
): boolean {
  if ((failure?.by.kind === 'client') !== (ofClient === true)) return false;
  return !needsThreshold || latencyMs !== undefined;
}

/** The endpoints that the SLI counts. */
export function endpointsCountedBy<T extends Pick<SliEndpoint, 'latencyMs' | 'failure'>>(
  kind: SliKind,
  endpoints: readonly T[],
): readonly T[] {
  return endpoints.filter((endpoint) => countsEndpoint(kind, endpoint));
}
