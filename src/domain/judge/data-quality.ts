import type { EndpointMeasurement, Series } from '../metrics/metrics-source.ts';
import { logMixture } from '../statistics/e-process.ts';
import { type BothSides, logShareEvidence } from '../statistics/share-test.ts';
import { exceeds, reaches, rounding } from './abort-threshold.ts';
import { type JudgedWindow, minStableShare, sum } from './analysis-window.ts';
import { roundCount } from './rounding.ts';
import type { EndpointSums, Minutes, SliSums } from './sli-counts.ts';

/** Failures that no number of requests would show. An SLI that is blind in one of these ways does not pass. */

/** Requests whose outcome is not known: they carry no status, so a failure among them is never counted. */
export interface MissingStatus {
  readonly side: 'canary' | 'stable';
  readonly service: string;
  /** The registry's name of the endpoint with the most of them. */
  readonly endpoint: string;
  /** Its requests without a status in the window, and all of them; the same of the other side. */
  readonly requests: number;
  readonly total: number;
  readonly other: { readonly requests: number; readonly total: number };
  /** What counts as a failure of the endpoint. Absent: 5XX. */
  readonly failure?: string;
}

/** So few requests may have arrived between two queries of one call, or may have ended before they had a status. */
const toleratedRequests = 3;

/**
 * Where requests without a status make the SLI blind to failures of the canary, in the window:
 * - all of the canary's requests have none, however few they are;
 * - most of an endpoint's have none: the tracer sets none (gRPC, a misconfigured one), and the SLI would read 100% whatever
 *   happens;
 * - the canary has so many more of them than stable that the share test, of all and by endpoint, singles it out at
 *   `logOne`: some frameworks' tracers set none on the very requests that crash. Clients that go away do so on both sides.
 */
export function missingStatusOf(
  { endpoints, byService, total }: SliSums,
  window: JudgedWindow,
  logOne: number,
): MissingStatus | undefined {
  let unknown = 0;
  let seen = 0;
  let blind: EndpointSums | undefined;
  for (const one of endpoints) {
    if (one.unknown <= 0) continue;
    unknown += one.unknown;
    seen += one.unknown * one.measured.sampleRate;
    if (isMost(one.unknown, one.total, one.measured.sampleRate) && one.unknown > (blind?.unknown ?? 0))
      blind = one;
  }
  if (unknown <= 0) return undefined;
  const isAll = roundCount(unknown) >= roundCount(total);
  if (blind === undefined && !isAll) {
    if (!exceeds(seen, toleratedRequests)) return undefined;
    // As with bad events: half pooled, half by endpoint, so that one endpoint is not lost among the others.
    const pooled = logSinglingOut(byService.map(sidesOfMinutes), window);
    const alone = endpoints.map((one) =>
      one.unknown > 0 ? logSinglingOut([sidesOf(one, window)], window) : 0,
    );
    if (!(logMixture(pooled, alone) >= logOne)) return undefined;
  }
  return gapOf('canary', (blind ?? maxBeyond(endpoints, unknown / total)).measured, window);
}

/** The endpoint with the most requests without a status beyond its part of them. */
function maxBeyond(endpoints: readonly EndpointSums[], rate: number): EndpointSums {
  const beyond = ({ unknown, total }: EndpointSums) => unknown - rate * total;
  return endpoints.reduce((worst, one) => (beyond(one) > beyond(worst) ? one : worst));
}

/**
 * Where stable looks better than it is, so that the canary cannot be compared with it: most of its requests carry no status,
 * of all endpoints or of one on which the canary fails.
 */
export function missingStatusOfStable(
  { endpoints }: SliSums,
  window: JudgedWindow,
): MissingStatus | undefined {
  const found = endpoints.map(({ measured, bad }) => ({
    bad,
    measured,
    gap: gapOf('stable', measured, window),
  }));
  const worst = [...found].sort((a, b) => b.gap.requests - a.gap.requests);
  const failing = worst.find(
    ({ bad, measured, gap }) => bad > 0 && isMost(gap.requests, gap.total, measured.sampleRate),
  );
  if (failing !== undefined) return failing.gap;
  const unknown = found.reduce((sum, { gap }) => sum + gap.requests, 0);
  const total = found.reduce((sum, { gap }) => sum + gap.total, 0);
  return unknown > total / 2 ? worst[0]?.gap : undefined;
}

/** Requests without a status in the place of the bad ones. */
function sidesOfMinutes({ canaryTotal, canaryUnknown, stableTotal, stableUnknown }: Minutes): BothSides {
  return { canaryTotal, canaryBad: canaryUnknown, stableTotal, stableBad: stableUnknown };
}

function sidesOf({ measured: { canary, stable }, scale }: EndpointSums, { end }: JudgedWindow): BothSides {
  return {
    canaryTotal: weighed(canary.total, scale, end),
    canaryBad: unknownByMinute(canary, scale, end),
    stableTotal: weighed(stable.total, scale, end),
    stableBad: unknownByMinute(stable, scale, end),
  };
}

function weighed(counts: ArrayLike<number>, scale: number, end: number): Float64Array {
  const weighed = new Float64Array(end);
  for (let i = 0; i < end; i += 1) weighed[i] = (counts[i] ?? 0) * scale;
  return weighed;
}

function unknownByMinute({ total, withStatus = total }: Series, scale: number, end: number): Float64Array {
  const unknown = new Float64Array(end);
  for (let i = 0; i < end; i += 1) unknown[i] = Math.max(0, (total[i] ?? 0) - (withStatus[i] ?? 0)) * scale;
  return unknown;
}

/** Natural log of the share test's evidence that the canary is singled out; no more than 0 where it plainly is not. */
function logSinglingOut(services: readonly BothSides[], { first, end }: JudgedWindow): number {
  let canary = 0;
  let stable = 0;
  let unknown = 0;
  let expected = 0;
  for (const { canaryTotal, canaryBad, stableTotal, stableBad } of services) {
    for (let i = first; i < end; i += 1) {
      const own = canaryTotal[i] as number;
      if (!(own > 0)) continue;
      const other = stableTotal[i] as number;
      canary += own;
      stable += other;
      unknown += canaryBad[i] as number;
      expected += (((canaryBad[i] as number) + (stableBad[i] as number)) * own) / (own + other);
    }
  }
  if (stable > minStableShare * canary) {
    // Each multiple's evidence falls with the multiple where the canary has no more than is expected: none can be above 1.
    return unknown > expected ? logShareEvidence(services, first, end) : 0;
  }
  // Stable has hardly any traffic beside it: the canary has all. It is then compared with what stable did before.
  const before = services.map((sides) => ({
    canaryTotal: [sum(sides.canaryTotal, first, end)],
    canaryBad: [sum(sides.canaryBad, first, end)],
    stableTotal: [sum(sides.stableTotal, 0, end)],
    stableBad: [sum(sides.stableBad, 0, end)],
  }));
  return logShareEvidence(before, 0, 1);
}

/** More than half, and more than chance. `rate`: the share of requests that is seen, and counted for all. */
function isMost(unknown: number, total: number, rate: number): boolean {
  return unknown > total / 2 && exceeds(unknown * rate, toleratedRequests);
}

function gapOf(
  side: 'canary' | 'stable',
  measured: EndpointMeasurement,
  window: JudgedWindow,
): MissingStatus {
  const { service, label, failure } = measured;
  const own = unknownIn(measured[side], window);
  const other = unknownIn(measured[side === 'canary' ? 'stable' : 'canary'], window);
  const counted = failure === undefined ? {} : { failure };
  return { side, service, endpoint: label, ...own, other, ...counted };
}

function unknownIn({ total, withStatus = total }: Series, { first, end }: JudgedWindow) {
  let all = 0;
  let unknown = 0;
  for (let i = first; i < end; i += 1) {
    const count = total[i] ?? 0;
    all += count;
    unknown += Math.max(0, count - (withStatus[i] ?? 0));
  }
  return { requests: roundCount(unknown), total: roundCount(all) };
}

/** A latency threshold that no request of either side was within. */
export interface UnmetThreshold {
  readonly latencyMs: number;
  readonly requests: number;
}

/** With fewer requests, all may be slow by chance. */
const minUnmetRequests = 20;

/**
 * The unmet thresholds, the one with the most requests first. If neither the canary nor stable, of which enough was seen, is
 * ever within a threshold, then it is wrong (seconds instead of milliseconds), or everything is slow for a cause outside the
 * release.
 */
export function unmetThresholdsOf({ endpoints }: SliSums): readonly UnmetThreshold[] {
  const found = new Map<number, { canary: number; stable: number; seen: number; met: boolean }>();
  for (const { measured, total, bad, stableTotal, stableBad } of endpoints) {
    const { latencyMs, sampleRate } = measured;
    if (latencyMs === undefined) continue;
    const of = found.get(latencyMs) ?? { canary: 0, stable: 0, seen: 0, met: false };
    of.canary += total;
    of.stable += stableTotal;
    of.seen += stableTotal * sampleRate;
    of.met ||= total - bad > rounding || stableTotal - stableBad > rounding;
    found.set(latencyMs, of);
  }
  return [...found]
    .filter(([, { canary, seen, met }]) => !met && canary > 0 && reaches(seen, minUnmetRequests))
    .map(([latencyMs, { canary, stable }]) => ({ latencyMs, requests: roundCount(canary + stable) }))
    .sort((a, b) => b.requests - a.requests);
}

/** An endpoint without a request of the canary, though its share of the traffic predicts many. */
export interface Unreached {
  readonly endpoint: string;
  readonly service: string;
  /** Requests that the canary's share of the traffic predicts, minute by minute. */
  readonly predicted: number;
}

/** If so many are predicted and none is seen, it is no chance. */
const minPredicted = 20;

/** Failures of the canary that may be of an endpoint or of another one: these do not show that it was reached. */
function lostIn({ latencyMs, canary }: EndpointMeasurement, first: number, end: number): number {
  if (latencyMs !== undefined) return 0;
  return canary.unclassified?.slice(first, end).reduce((a, b) => a + b, 0) ?? 0;
}

/**
 * Endpoints that the canary no longer serves (a lost route), or that no user reaches because the step before is broken; the
 * one with the most missing requests first. It decides no verdict: traffic may be routed by something that is not measured.
 */
export function unreachedOf({ endpoints }: SliSums, { first, end }: JudgedWindow): readonly Unreached[] {
  const silent = endpoints.filter(
    ({ measured, total, stableTotal }) => total - lostIn(measured, first, end) <= 0 && stableTotal > 0,
  );
  if (silent.length === 0) return [];
  return silent
    .flatMap(({ measured: { service, label, sampleRate, stable } }) => {
      // A service has a canary of its own: its share is told by the endpoints of it that both sides have.
      const both = endpoints.filter(
        ({ measured, total, stableTotal }) => measured.service === service && total > 0 && stableTotal > 0,
      );
      let predicted = 0;
      for (let i = first; i < end; i += 1) {
        const requests = stable.total[i] ?? 0;
        if (requests <= 0) continue;
        let own = 0;
        let other = 0;
        for (const { measured } of both) {
          own += measured.canary.total[i] ?? 0;
          other += measured.stable.total[i] ?? 0;
        }
        if (other > rounding) predicted += (requests * own) / other;
      }
      return predicted * sampleRate >= minPredicted
        ? { endpoint: label, service, predicted: Math.round(predicted) }
        : [];
    })
    .sort((a, b) => b.predicted - a.predicted);
}
