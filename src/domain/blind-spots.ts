import type { EndpointMeasurement, Series, UnmetThreshold } from './metrics-source.ts';
import { logShareEvidence } from './sequential.ts';
import { tidy } from './side-facts.ts';
import type { EndpointSums, SliSums } from './sli-sums.ts';
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
  { endpoints }: SliSums,
  window: JudgedWindow,
  logOne: number,
  againstStable: boolean,
): StatusGap | undefined {
  const blind = worstOf(endpoints.filter(({ unknown, total }) => isMost(unknown, total)));
  if (blind !== undefined) return gapOf('canary', blind.measured, window);
  let unknown = 0;
  let total = 0;
  for (const one of endpoints) {
    unknown += one.unknown;
    total += one.total;
  }
  const worst = worstOf(endpoints);
  if (worst !== undefined) {
    const isAll = unknown >= total;
    if (isAll || (unknown > toleratedRequests && singlesOut(endpoints, unknown, total, window, logOne)))
      return gapOf('canary', worst.measured, window);
  }
  return againstStable ? stableGapOf(endpoints, window) : undefined;
}

function stableGapOf(endpoints: readonly EndpointSums[], window: JudgedWindow): StatusGap | undefined {
  const gaps = endpoints.map(({ measured }) => gapOf('stable', measured, window));
  const unknown = gaps.reduce((sum, gap) => sum + gap.requests, 0);
  const total = gaps.reduce((sum, gap) => sum + gap.total, 0);
  return isMost(unknown, total) ? gaps.sort((a, b) => b.requests - a.requests)[0] : undefined;
}

/** Whether the share test, with what has no status as the bad events, singles the canary out. */
function singlesOut(
  endpoints: readonly EndpointSums[],
  unknown: number,
  total: number,
  window: JudgedWindow,
  logOne: number,
): boolean {
  // First all minutes as one: where that already says that the canary has no more than its share, the minutes, which
  // cost ten times as much, are not looked at. Typed as they are: a second kind of array would slow every share test down.
  const stableTotal = endpoints.reduce((sum, one) => sum + one.stableTotal, 0);
  const stableUnknown = endpoints.reduce((sum, one) => sum + one.stableUnknown, 0);
  const pooled = {
    canaryTotal: Float64Array.of(total),
    canaryBad: Float64Array.of(unknown),
    stableTotal: Float64Array.of(stableTotal),
    stableBad: Float64Array.of(stableUnknown),
  };
  if (logShareEvidence(pooled, 0, 1) < 0) return false;
  return logShareEvidence(unknownByMinute(endpoints, window), window.first, window.end) >= logOne;
}

/** More than half, and more than chance. */
function isMost(unknown: number, total: number): boolean {
  return unknown > Math.max(toleratedRequests, total / 2);
}

/** The endpoint with the most of them, if any. */
function worstOf(endpoints: readonly EndpointSums[]): EndpointSums | undefined {
  let worst: EndpointSums | undefined;
  for (const one of endpoints) if (one.unknown > (worst?.unknown ?? 0)) worst = one;
  return worst;
}

function gapOf(side: 'canary' | 'stable', measured: EndpointMeasurement, window: JudgedWindow): StatusGap {
  const { service, label } = measured;
  const own = unknownIn(measured[side], window);
  const other = unknownIn(measured[side === 'canary' ? 'stable' : 'canary'], window);
  return { side, service, endpoint: label, ...own, other };
}

function unknownIn({ total, withStatus = total }: Series, { first, end }: JudgedWindow) {
  let all = 0;
  let unknown = 0;
  for (let i = first; i < end; i += 1) {
    const count = total[i] ?? 0;
    all += count;
    unknown += count - (withStatus[i] ?? 0);
  }
  return { requests: tidy(Math.max(0, unknown)), total: tidy(all) };
}

/** Both sides minute by minute over all endpoints, with what has no status as the bad events. */
function unknownByMinute(endpoints: readonly EndpointSums[], { first, end }: JudgedWindow) {
  const minutes = {
    canaryTotal: new Float64Array(end),
    canaryBad: new Float64Array(end),
    stableTotal: new Float64Array(end),
    stableBad: new Float64Array(end),
  };
  for (const { measured, scale } of endpoints) {
    const { canary, stable } = measured;
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

/** An endpoint without a request of the canary, though its share of the traffic predicts many. */
export interface Unreached {
  readonly endpoint: string;
  readonly service: string;
  /** Requests that the canary's share of the window's traffic predicts. */
  readonly predicted: number;
}

/** So many are no chance. */
const leastPredicted = 20;

/**
 * Endpoints that the canary no longer serves (a lost route), or that nobody reaches on it because the step before is
 * broken, most missed first. No reason for a verdict: traffic may be routed by something that this cannot see.
 */
export function unreachedOf(
  { endpoints, minutes }: SliSums,
  { first, end }: JudgedWindow,
): readonly Unreached[] {
  const silent = endpoints.filter(({ total, stableTotal }) => total <= 0 && stableTotal > 0);
  if (silent.length === 0 || silent.length === endpoints.length) return [];
  let canary = 0;
  let stable = 0;
  for (let i = first; i < end; i += 1) {
    canary += minutes.canaryTotal[i] as number;
    stable += minutes.stableTotal[i] as number;
  }
  // What is silent on the canary tells nothing about its share.
  const beside = silent.map(({ measured, scale }) => {
    let requests = 0;
    for (let i = first; i < end; i += 1) requests += measured.stable.total[i] ?? 0;
    stable -= requests * scale;
    return { measured, requests };
  });
  if (!(stable > 0)) return [];
  return beside
    .map(({ measured: { label, service }, requests }) => ({
      endpoint: label,
      service,
      predicted: Math.round((requests * canary) / stable),
    }))
    .filter(({ predicted }) => predicted >= leastPredicted)
    .sort((a, b) => b.predicted - a.predicted);
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
