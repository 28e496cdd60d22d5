import type { EndpointMeasurement, Series } from './metrics-source.ts';
import { EvidenceProcess, lowerBoundIsAbove, type ShareBucket, upperBound } from './sequential.ts';
import type { Objective } from './slo.ts';
import type { JudgedWindow } from './window.ts';

/** One endpoint's counts for one SLI, and what is held against them. */
export interface EndpointSums {
  readonly measured: EndpointMeasurement;
  /** sampleRate / dispersion: what one counted event weighs in the formulas. */
  readonly scale: number;
  /** The canary's, over the window. */
  readonly total: number;
  readonly bad: number;
  /** Minutes of the window in which the canary has traffic here. */
  readonly liveMinutes: number;
  /** Over all that was queried. */
  readonly stableTotal: number;
  readonly stableBad: number;
  /** p_i: the error budget, or stable's own upper bound where stable demonstrably fails the endpoint. */
  readonly allowedRate: number;
  readonly process: EvidenceProcess;
}

/** Everything about one SLI that the rules are decided on. Members that end in `Seen` count what was really observed. */
export interface SliSums {
  /** In an order of their own, so that nothing depends on the order in the registry. */
  readonly endpoints: readonly EndpointSums[];
  /** Those with traffic of the canary. */
  readonly live: readonly EndpointSums[];
  readonly total: number;
  readonly bad: number;
  /** n and e of the formulas: thinned by the sample rate and the dispersion. */
  readonly n: number;
  readonly e: number;
  readonly totalSeen: number;
  readonly badSeen: number;
  readonly liveMinutes: number;
  readonly badMinutes: number;
  readonly stableTotal: number;
  readonly stableBad: number;
  /** Both sides in every minute of the window that holds a bad event, weighed as n and e are. */
  readonly share: readonly ShareBucket[];
  /** Stable over all endpoints, minute by minute of all that was queried, weighed as n and e are. */
  readonly stable: Series;
}

/** What a minute of the window holds on any endpoint, as bits. */
const live = 1;
const canaryBad = 2;
const stableBad = 4;

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** An order of endpoints that depends on nothing but their names. */
export function compareEndpoints(a: EndpointMeasurement, b: EndpointMeasurement): number {
  return (
    compareTexts(a.service, b.service) ||
    compareTexts(a.resource, b.resource) ||
    compareTexts(a.label, b.label)
  );
}

/** Adds one endpoint's counts up and stable's into `pooled`; marks in `minutes` what each minute of the window holds. */
function sumEndpoint(
  measured: EndpointMeasurement,
  window: JudgedWindow,
  objective: Objective,
  minutes: Uint8Array,
  pooled: Series,
): EndpointSums {
  const { canary, stable } = measured;
  const scale = measured.sampleRate / measured.dispersion;
  let total = 0;
  let bad = 0;
  let liveMinutes = 0;
  for (let i = window.first; i < window.end; i += 1) {
    const count = canary.total[i] ?? 0;
    const failed = canary.bad[i] ?? 0;
    total += count;
    bad += failed;
    if (count > 0) liveMinutes += 1;
    (minutes[i - window.first] as number) |= (count > 0 ? live : 0) | (failed > 0 ? canaryBad : 0);
  }
  let stableTotal = 0;
  let stableFailed = 0;
  for (let i = 0; i < window.end; i += 1) {
    const count = stable.total[i] ?? 0;
    const failed = stable.bad[i] ?? 0;
    stableTotal += count;
    stableFailed += failed;
    (pooled.total[i] as number) += count * scale;
    if (failed <= 0) continue;
    (pooled.bad[i] as number) += failed * scale;
    if (i >= window.first) (minutes[i - window.first] as number) |= stableBad;
  }
  // Late data can bring an error a moment before its request.
  bad = Math.min(bad, total);
  stableFailed = Math.min(stableFailed, stableTotal);
  const allowedRate = lowerBoundIsAbove(stableTotal * scale, stableFailed * scale, objective.budget)
    ? Math.max(objective.budget, upperBound(stableTotal * scale, stableFailed * scale))
    : objective.budget;
  return {
    measured,
    scale,
    total,
    bad,
    liveMinutes,
    stableTotal,
    stableBad: stableFailed,
    allowedRate,
    process: new EvidenceProcess(total * scale, allowedRate),
  };
}

/** Both sides of one minute over all endpoints. */
function shareBucket(endpoints: readonly EndpointSums[], minute: number): ShareBucket {
  const bucket = { canaryTotal: 0, canaryBad: 0, stableTotal: 0, stableBad: 0 };
  for (const { measured, scale } of endpoints) {
    bucket.canaryTotal += (measured.canary.total[minute] ?? 0) * scale;
    bucket.canaryBad += (measured.canary.bad[minute] ?? 0) * scale;
    bucket.stableTotal += (measured.stable.total[minute] ?? 0) * scale;
    bucket.stableBad += (measured.stable.bad[minute] ?? 0) * scale;
  }
  return bucket;
}

/** Adds up what was measured of one SLI. */
export function sumSli(
  measured: readonly EndpointMeasurement[],
  window: JudgedWindow,
  objective: Objective,
): SliSums {
  const minutes = new Uint8Array(Math.max(0, window.end - window.first));
  const stable = { total: new Float64Array(window.end), bad: new Float64Array(window.end) };
  const endpoints = [...measured]
    .sort(compareEndpoints)
    .map((endpoint) => sumEndpoint(endpoint, window, objective, minutes, stable));
  const sums = { total: 0, bad: 0, n: 0, e: 0, totalSeen: 0, badSeen: 0, stableTotal: 0, stableBad: 0 };
  for (const endpoint of endpoints) {
    sums.total += endpoint.total;
    sums.bad += endpoint.bad;
    sums.n += endpoint.total * endpoint.scale;
    sums.e += endpoint.bad * endpoint.scale;
    sums.totalSeen += endpoint.total * endpoint.measured.sampleRate;
    sums.badSeen += endpoint.bad * endpoint.measured.sampleRate;
    sums.stableTotal += endpoint.stableTotal;
    sums.stableBad += endpoint.stableBad;
  }
  const share: ShareBucket[] = [];
  let liveMinutes = 0;
  let badMinutes = 0;
  minutes.forEach((holds, at) => {
    if (holds & live) liveMinutes += 1;
    if (holds & canaryBad) badMinutes += 1;
    if (holds & (canaryBad | stableBad)) share.push(shareBucket(endpoints, window.first + at));
  });
  return {
    ...sums,
    endpoints,
    live: endpoints.filter((endpoint) => endpoint.total > 0),
    liveMinutes,
    badMinutes,
    share,
    stable,
  };
}
