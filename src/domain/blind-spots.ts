import type { EndpointMeasurement, Series, UnmetThreshold } from './metrics-source.ts';
import { logShareEvidence } from './sequential.ts';
import { tidy } from './side-facts.ts';
import type { JudgedWindow } from './window.ts';

/** What no number of requests would show: an SLI that is blind in one of these ways does not pass. */

/** Requests whose outcome nobody can know: they carry no status, so a 5XX among them is never counted. */
export interface StatusGap {
  readonly side: 'canary' | 'stable';
  readonly service: string;
  /** The registry's name of the endpoint with the most of them. */
  readonly endpoint: string;
  /** Its requests without a status in the window, and all of them; the same of the other side. */
  readonly requests: number;
  readonly total: number;
  readonly other: { readonly requests: number; readonly total: number };
}

/** Requests that arrived between two queries of one call, and some that were cut off before they had a status. */
const toleratedRequests = 3;

/**
 * Where requests without a status leave the SLI blind, in the window:
 * - an endpoint of the canary with more of them than others: the tracer sets none (gRPC, a misconfigured one), and the SLI
 *   would read 100% whatever happens;
 * - all of the canary's requests, however few;
 * - the canary has so many more of them than stable that the share test singles it out at `logOne`: some frameworks'
 *   tracers set none on the very requests that crash. Clients that go away do so on both sides.
 * - stable alone, where `againstStable`: it looks better than it is, and nothing can be held against it.
 */
export function statusGapOf(
  endpoints: readonly EndpointMeasurement[],
  window: JudgedWindow,
  logOne: number,
  againstStable: boolean,
): StatusGap | undefined {
  const canary = unknownOf(endpoints, 'canary', window);
  const blind = worstOf(canary.filter(isMost));
  if (blind !== undefined) return gapOf('canary', blind, window);
  const worst = worstOf(canary);
  const all = sum(canary);
  const isSingledOut = () =>
    logShareEvidence(unknownByMinute(endpoints, window), window.first, window.end) >= logOne;
  if (
    worst !== undefined &&
    (all.unknown === all.total || (all.unknown > toleratedRequests && isSingledOut()))
  )
    return gapOf('canary', worst, window);
  if (!againstStable) return undefined;
  const stable = unknownOf(endpoints, 'stable', window);
  const most = worstOf(stable);
  return most !== undefined && isMost(sum(stable)) ? gapOf('stable', most, window) : undefined;
}

interface Counts {
  /** Requests without a status. */
  readonly unknown: number;
  readonly total: number;
}

interface Unknown extends Counts {
  readonly endpoint: EndpointMeasurement;
}

function unknownOf(
  endpoints: readonly EndpointMeasurement[],
  side: 'canary' | 'stable',
  window: JudgedWindow,
): Unknown[] {
  return endpoints.map((endpoint) => ({ endpoint, ...unknownIn(endpoint[side], window) }));
}

function unknownIn({ total, withStatus }: Series, { first, end }: JudgedWindow): Counts {
  if (withStatus === undefined) return { unknown: 0, total: 0 };
  let all = 0;
  let known = 0;
  for (let i = first; i < end; i += 1) {
    all += total[i] ?? 0;
    known += withStatus[i] ?? 0;
  }
  return { unknown: all > known ? tidy(all - known) : 0, total: tidy(all) };
}

/** More than half, and more than chance. */
function isMost({ unknown, total }: Counts): boolean {
  return unknown > Math.max(toleratedRequests, total / 2);
}

/** The endpoint with the most of them, if any. */
function worstOf(endpoints: readonly Unknown[]): Unknown | undefined {
  let worst: Unknown | undefined;
  for (const one of endpoints) if (one.unknown > (worst?.unknown ?? 0)) worst = one;
  return worst;
}

function sum(endpoints: readonly Unknown[]): Counts {
  let unknown = 0;
  let total = 0;
  for (const one of endpoints) {
    unknown += one.unknown;
    total += one.total;
  }
  return { unknown: tidy(unknown), total: tidy(total) };
}

function gapOf(
  side: 'canary' | 'stable',
  { endpoint, unknown, total }: Unknown,
  window: JudgedWindow,
): StatusGap {
  const other = unknownIn(endpoint[side === 'canary' ? 'stable' : 'canary'], window);
  return {
    side,
    service: endpoint.service,
    endpoint: endpoint.label,
    requests: unknown,
    total,
    other: { requests: other.unknown, total: other.total },
  };
}

/** Both sides minute by minute over all endpoints, with what has no status as the bad events. */
function unknownByMinute(endpoints: readonly EndpointMeasurement[], { first, end }: JudgedWindow) {
  const minutes = {
    canaryTotal: new Float64Array(end),
    canaryBad: new Float64Array(end),
    stableTotal: new Float64Array(end),
    stableBad: new Float64Array(end),
  };
  for (const { canary, stable, sampleRate, dispersion } of endpoints) {
    const scale = sampleRate / dispersion;
    add(canary, minutes.canaryTotal, minutes.canaryBad, scale);
    add(stable, minutes.stableTotal, minutes.stableBad, scale);
  }
  return minutes;

  function add(
    { total, withStatus }: Series,
    totals: Float64Array,
    unknown: Float64Array,
    scale: number,
  ): void {
    if (withStatus === undefined) return;
    for (let i = first; i < end; i += 1) {
      const all = total[i] ?? 0;
      (totals[i] as number) += all * scale;
      (unknown[i] as number) += Math.max(0, all - (withStatus[i] ?? 0)) * scale;
    }
  }
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
