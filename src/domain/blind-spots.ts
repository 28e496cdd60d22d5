import type { ServiceStatuses, UnmetThreshold } from './metrics-source.ts';
import { tidy } from './side-facts.ts';
import type { JudgedWindow } from './window.ts';

/** What no number of requests would show: an SLI that is blind in one of these ways can neither pass nor be trusted. */

/** Requests of one service whose outcome nobody can know: they carry no status, so a 5XX among them is never counted. */
export interface StatusGap {
  readonly service: string;
  /** The canary's requests of the whole service without a status, in the window. */
  readonly requests: number;
  /** All of the canary's there. */
  readonly total: number;
}

/** Requests that arrived between the two queries of one call, and others that ended before they had a status. */
const toleratedRequests = 3;

/**
 * The service with the most requests without a status, where those are more than half of all. Fewer are requests that
 * were cut off; more is a tracer that sets no status on this operation (gRPC, a misconfigured one), and there the SLI
 * would read 100% whatever happens.
 */
export function statusGapOf(
  statuses: readonly ServiceStatuses[] | undefined,
  { first, end }: JudgedWindow,
): StatusGap | undefined {
  let worst: StatusGap | undefined;
  for (const { service, total, withStatus } of statuses ?? []) {
    let all = 0;
    let known = 0;
    for (let i = first; i < end; i += 1) {
      all += total[i] ?? 0;
      known += withStatus[i] ?? 0;
    }
    const requests = tidy(all - known);
    if (requests <= toleratedRequests || requests <= all / 2 || requests <= (worst?.requests ?? 0)) continue;
    worst = { service, requests, total: tidy(all) };
  }
  return worst;
}

/** Fewer may all be slow by chance. */
const leastUnmetRequests = 20;

/**
 * The threshold that most requests were asked against in vain. Where neither canary nor stable is ever within it, it was
 * written wrongly (seconds for milliseconds, say), or everything is slow for a cause outside the release.
 */
export function unmetThresholdOf(
  thresholds: readonly UnmetThreshold[] | undefined,
): UnmetThreshold | undefined {
  let worst: UnmetThreshold | undefined;
  for (const threshold of thresholds ?? []) {
    if (threshold.requests >= leastUnmetRequests && threshold.requests > (worst?.requests ?? 0))
      worst = threshold;
  }
  return worst;
}
