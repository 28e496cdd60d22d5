import type { EndpointMeasurement } from '../metrics/metrics-source.ts';
import { compareEndpoints } from '../registry/endpoint-order.ts';
import type { Objective } from '../registry/objective.ts';
import { EvidenceProcess } from '../statistics/e-process.ts';
import { rounding } from './abort-threshold.ts';
import { allowedRateOf } from './allowed-rate.ts';
import type { JudgedWindow } from './analysis-window.ts';

/** One endpoint's counts for one SLI, and the rate that they are compared with. */
export interface EndpointSums {
  readonly measured: EndpointMeasurement;
  /** sampleRate / dispersion: what one counted event weighs in the formulas. */
  readonly scale: number;
  /** The canary's, over the window. */
  readonly total: number;
  readonly bad: number;
  /** The first and the last minute of the window in which the canary has traffic here; none: the last before the first. */
  readonly firstLive: number;
  readonly lastLive: number;
  /** The canary's requests without a status, over the window. */
  readonly unknown: number;
  /** Over all that was queried. */
  readonly stableTotal: number;
  readonly stableBad: number;
  /** The same without the unusual minutes of the window. */
  readonly usualTotal: number;
  readonly usualBad: number;
  /** p_i: the error budget, or stable's own upper bound where stable demonstrably fails the endpoint. */
  readonly allowedRate: number;
  readonly process: EvidenceProcess;
  /** The minutes of its service, all endpoints together. */
  readonly ofService: Minutes;
}

/** Counts of the canary over some minutes, all endpoints together. */
export interface CanaryCounts {
  readonly total: number;
  /** n and e of the formulas: thinned by the sample rate and the dispersion. */
  readonly n: number;
  readonly e: number;
  /** Seen: counted × sample rate. */
  readonly totalSeen: number;
  readonly badSeen: number;
}

/** Everything about one SLI that the rules are decided on; as CanaryCounts it is over the whole window. */
export interface SliSums extends CanaryCounts {
  /** In an order of their own, so that nothing depends on the order in the registry. */
  readonly endpoints: readonly EndpointSums[];
  readonly bad: number;
  readonly stableTotal: number;
  readonly stableBad: number;
  readonly minutes: Minutes;
  /** The same of each service by itself: each has a canary's share of its own. */
  readonly byService: readonly Minutes[];
}

/** Both sides over endpoints, minute by minute of all that was queried (canary: of the window), weighed as n and e are. */
export interface Minutes {
  readonly canaryTotal: Float64Array;
  readonly canaryBad: Float64Array;
  readonly stableTotal: Float64Array;
  readonly stableBad: Float64Array;
  /** Requests without a status. */
  readonly canaryUnknown: Float64Array;
  readonly stableUnknown: Float64Array;
}

/** Adds one endpoint's counts up, and into the minutes of its service. */
function sumEndpoint(
  measured: EndpointMeasurement,
  window: JudgedWindow,
  objective: Objective,
  minutes: Minutes,
): EndpointSums {
  const { canaryTotal, canaryBad, stableTotal: stableTotals, stableBad: stableBads } = minutes;
  const { canaryUnknown, stableUnknown } = minutes;
  const scale = measured.sampleRate / measured.dispersion;
  const { first, end, unusual } = window;
  let { total: counts, bad: failures } = measured.canary;
  // Where bad events are not told by a status, all are known.
  let known = measured.canary.withStatus ?? counts;
  let unknown = 0;
  let total = 0;
  let bad = 0;
  for (let i = first; i < end; i += 1) {
    const count = counts[i] ?? 0;
    total += count;
    (canaryTotal[i] as number) += count * scale;
    const missing = count - (known[i] ?? 0);
    if (missing > rounding) {
      unknown += missing;
      (canaryUnknown[i] as number) += missing * scale;
    }
    const failed = failures[i] ?? 0;
    if (failed > rounding) {
      bad += failed;
      (canaryBad[i] as number) += failed * scale;
    }
  }
  let firstLive = first;
  while (firstLive < end && !((counts[firstLive] ?? 0) > 0)) firstLive += 1;
  let lastLive = end - 1;
  while (lastLive >= firstLive && !((counts[lastLive] ?? 0) > 0)) lastLive -= 1;
  ({ total: counts, bad: failures } = measured.stable);
  known = measured.stable.withStatus ?? counts;
  let stableTotal = 0;
  let stableBad = 0;
  for (let i = 0; i < end; i += 1) {
    const count = counts[i] ?? 0;
    stableTotal += count;
    (stableTotals[i] as number) += count * scale;
    const missing = count - (known[i] ?? 0);
    if (missing > rounding) (stableUnknown[i] as number) += missing * scale;
    const failed = failures[i] ?? 0;
    if (failed > rounding) {
      stableBad += failed;
      (stableBads[i] as number) += failed * scale;
    }
  }
  let unusualTotal = 0;
  let unusualBad = 0;
  for (const i of unusual ?? []) {
    unusualTotal += counts[i] ?? 0;
    const failed = failures[i] ?? 0;
    if (failed > rounding) unusualBad += failed;
  }
  // Late data can bring an error a moment before its request.
  bad = Math.min(bad, total);
  const usualTotal = stableTotal - unusualTotal;
  const usualBad = Math.min(stableBad - unusualBad, usualTotal);
  stableBad = Math.min(stableBad, stableTotal);
  const allowedRate = allowedRateOf(measured, { total: usualTotal, bad: usualBad }, window, objective);
  return {
    measured,
    scale,
    total,
    bad,
    firstLive,
    lastLive,
    unknown,
    stableTotal,
    stableBad,
    usualTotal,
    usualBad,
    allowedRate,
    process: new EvidenceProcess(total * scale, allowedRate),
    ofService: minutes,
  };
}

/** In one block of memory: several would cost more than the sums of a small CUJ. */
function emptyMinutes(length: number): Minutes {
  const { buffer } = new Float64Array(6 * length);
  const column = (at: number) => new Float64Array(buffer, 8 * at * length, length);
  return {
    canaryTotal: column(0),
    canaryBad: column(1),
    stableTotal: column(2),
    stableBad: column(3),
    canaryUnknown: column(4),
    stableUnknown: column(5),
  };
}

function together(services: readonly Minutes[], length: number): Minutes {
  const [only] = services;
  if (only !== undefined && services.length === 1) return only;
  const all = emptyMinutes(length);
  for (const column of Object.keys(all) as (keyof Minutes)[]) {
    for (const one of services) {
      for (let i = 0; i < length; i += 1) (all[column][i] as number) += one[column][i] as number;
    }
  }
  return all;
}

/** Adds up what was measured of one SLI. */
export function sumSli(
  measured: readonly EndpointMeasurement[],
  window: JudgedWindow,
  objective: Objective,
): SliSums {
  const services = new Map<string, Minutes>();
  const endpoints = [...measured].sort(compareEndpoints).map((endpoint) => {
    let own = services.get(endpoint.service);
    if (own === undefined) {
      own = emptyMinutes(window.end);
      services.set(endpoint.service, own);
    }
    return sumEndpoint(endpoint, window, objective, own);
  });
  const byService = [...services.values()];
  const minutes = together(byService, window.end);
  let total = 0;
  let bad = 0;
  let n = 0;
  let e = 0;
  let totalSeen = 0;
  let badSeen = 0;
  let stableTotal = 0;
  let stableBad = 0;
  for (const endpoint of endpoints) {
    total += endpoint.total;
    bad += endpoint.bad;
    n += endpoint.total * endpoint.scale;
    e += endpoint.bad * endpoint.scale;
    totalSeen += endpoint.total * endpoint.measured.sampleRate;
    badSeen += endpoint.bad * endpoint.measured.sampleRate;
    stableTotal += endpoint.stableTotal;
    stableBad += endpoint.stableBad;
  }
  return {
    endpoints,
    total,
    bad,
    n,
    e,
    totalSeen,
    badSeen,
    stableTotal,
    stableBad,
    minutes,
    byService,
  };
}
