/** The traffic of the demo's app during one rollout, and what of it fails: a metrics source for the product's evaluator. */
import { APP_ROUTES } from '../../src/demo/datadog/app-routes.ts';
import { diurnal } from '../../src/demo/datadog/journeys.ts';
import type { Random } from '../../src/demo/datadog/random.ts';
import { SourceError } from '../../src/domain/errors.ts';
import { minHistoryMs } from '../../src/domain/judge/freshness.ts';
import {
  type BatchQuery,
  bucketMs,
  type MetricsSource,
  recentStepMs,
  type Series,
  type ServiceCounts,
  type Snapshot,
} from '../../src/domain/metrics/metrics-source.ts';
import type { QueryBatch, Registry } from '../../src/domain/registry/model.ts';
import { selectorText } from '../../src/domain/registry/selector.ts';

/** The longest rollout that is simulated; one that is not at its end by then counts as paused. */
export const maxRolloutMs = 3 * 3_600_000;

/** Rates of bad events of one endpoint, 0 to 1. */
export interface EndpointTruth {
  readonly canary: number;
  readonly stable: number;
  /** Of requests that are slower than the endpoint's threshold. */
  readonly canarySlow: number;
  readonly stableSlow: number;
}

/** A time in a rollout: so long after it began, after the canary's first traffic, or after it has 95% of the traffic. */
export interface Moment {
  readonly after: 'start' | 'canary' | 'full';
  /** May be below 0, for what was before. */
  readonly ms: number;
}

/** More requests than usual fail for a while. */
export interface Incident {
  readonly from: Moment;
  readonly lastsMs: number;
  readonly sides: 'canary' | 'stable' | 'both';
  /** The rate at which they fail, on top of the usual one. */
  readonly rate: number;
  /** Resources; all where it is absent. */
  readonly resources?: ReadonlySet<string>;
}

/** What is true of a release, which the gate has to find out. */
export interface Truth {
  readonly endpoints: ReadonlyMap<string, EndpointTruth>;
  /** Resources that fail by the release's fault. */
  readonly faulty: ReadonlySet<string>;
  readonly incidents: readonly Incident[];
  /** An attempt before this one, under the same version: its weight, and when it began and ended. */
  readonly attempt?: { readonly weight: number; readonly fromMs: number; readonly untilMs: number };
  /** Datadog does not answer. */
  readonly away?: { readonly from: Moment; readonly lastsMs: number };
}

export interface TrafficOptions {
  readonly registry: Registry;
  /** The service that is released. */
  readonly service: string;
  /** Mean of the day, of the whole app. */
  readonly requestsPerSecond: number;
  readonly startMs: number;
  readonly random: Random;
  readonly truth: Truth;
  /** The app's traffic at a time, as a multiple of the day's mean. Default: the day of the demo's app. */
  readonly shape?: (epochMs: number) => number;
  /** Is told of all traffic, bucket by bucket, as it is drawn. */
  readonly onDrawn?: (drawn: DrawnCounts) => void;
}

/** The requests of one side to one route in a bucket of {@link recentStepMs}. */
export interface DrawnCounts {
  readonly fromMs: number;
  readonly service: string;
  /** Undefined: the rest of the service, which no CUJ is about, or all of another service. */
  readonly route: Route | undefined;
  readonly side: 'canary' | 'stable';
  readonly total: number;
  readonly bad: number;
  /** Requests slower than every threshold of the route. */
  readonly slow: number;
}

const totalWeight = APP_ROUTES.reduce((sum, { weight }) => sum + weight, 0);

/** Requests per millisecond of a route at the mean hour of the day, in an app of one request per second. */
function unitRate(weight: number): number {
  return weight / totalWeight / 1000;
}

export interface Route {
  /** The registry's key, as the backend stores it. */
  readonly resource: string;
  /** As {@link unitRate}. */
  readonly unit: number;
  readonly medianMs: number;
  /** Latency thresholds of the registry. */
  readonly thresholds: readonly number[];
}

/** The endpoints of a service's CUJs, with their traffic. Throws where the app has no such route. */
export function routesOf(registry: Registry, service: string): readonly Route[] {
  const found = new Map<string, Route>();
  for (const cuj of registry.cujs.values()) {
    for (const { service: of, label, resource, latencyMs } of cuj.endpoints) {
      if (of !== service) continue;
      const route = APP_ROUTES.find((each) => each.service === service && each.route === label);
      if (route === undefined) throw new Error(`the demo's app has no ${label} of ${service}`);
      const thresholds = new Set(found.get(resource)?.thresholds);
      if (latencyMs !== undefined && cuj.objectives.latency !== undefined) thresholds.add(latencyMs);
      const { weight, medianMs } = route;
      found.set(resource, { resource, unit: unitRate(weight), medianMs, thresholds: [...thresholds] });
    }
  }
  return [...found.values()];
}

/** The traffic of a whole service, as {@link unitRate}. */
function unitOf(service: string): number {
  return APP_ROUTES.reduce((sum, route) => sum + (route.service === service ? unitRate(route.weight) : 0), 0);
}

interface Side {
  readonly total: Float64Array;
  readonly bad: Float64Array;
}

interface Stream {
  /** Undefined: the rest of the service, which no CUJ is about. */
  readonly route: Route | undefined;
  readonly unit: number;
  readonly truth: EndpointTruth;
  readonly isFaulty: boolean;
  readonly canary: Side;
  readonly stable: Side;
  readonly slow: { readonly canary: Float64Array; readonly stable: Float64Array } | undefined;
}

/** A part of a bucket in which nothing changes. */
interface Segment {
  readonly fromMs: number;
  readonly ms: number;
  /** The canary's share, 0 to 1. */
  readonly weight: number;
  readonly incidents: readonly Incident[];
}

/** The evaluator asks from a multiple of this on. */
const pastStepMs = 5 * bucketMs;

const restTruth: EndpointTruth = { canary: 0, stable: 0, canarySlow: 0, stableSlow: 0 };

/** Draws counts bucket by bucket, as soon as somebody can see them: the weights depend on what the gate says. */
export class Traffic {
  readonly #options: TrafficOptions;
  readonly #batch: QueryBatch;
  readonly #originMs: number;
  readonly #streams: readonly Stream[];
  readonly #whole: { readonly canary: Side; readonly stable: Side; readonly all: Float64Array };
  readonly #others: readonly { readonly name: string; readonly unit: number; readonly all: Float64Array }[];
  readonly #snapshots = new Map<string, Snapshot>();
  readonly #capacity: number;
  #drawn = 0;
  readonly #weights: { readonly atMs: number; readonly weight: number }[];
  readonly #anchors: { start: number; canary: number | undefined; full: number | undefined };
  #firstFaultMs: number | undefined;

  constructor(options: TrafficOptions) {
    const { registry, service, startMs, truth } = options;
    this.#options = options;
    this.#batch = registry.batchOfService.get(service) as QueryBatch;
    const { lagMs, maxWindowMs } = this.#batch;
    const span = Math.max(maxWindowMs, minHistoryMs) + lagMs + 2 * bucketMs + 2 * pastStepMs;
    this.#originMs = Math.floor((startMs - span) / pastStepMs) * pastStepMs;
    this.#capacity = Math.ceil((startMs + maxRolloutMs - this.#originMs) / recentStepMs) + 2;
    const column = () => new Float64Array(this.#capacity);
    const side = (): Side => ({ total: column(), bad: column() });
    const routes = routesOf(registry, service);
    const rest = unitOf(service) - routes.reduce((sum, { unit }) => sum + unit, 0);
    this.#streams = [
      ...routes.map((route) => ({
        route,
        unit: route.unit,
        truth: truth.endpoints.get(route.resource) ?? restTruth,
        isFaulty: truth.faulty.has(route.resource),
        canary: side(),
        stable: side(),
        slow: route.thresholds.length === 0 ? undefined : { canary: column(), stable: column() },
      })),
      {
        route: undefined,
        unit: rest,
        truth: restTruth,
        isFaulty: false,
        canary: side(),
        stable: side(),
        slow: undefined,
      },
    ];
    this.#whole = { canary: side(), stable: side(), all: column() };
    this.#others = this.#batch.services
      .map(({ service: { name } }) => name)
      .filter((name) => name !== service)
      .map((name) => ({ name, unit: unitOf(name), all: column() }));
    this.#anchors = { start: startMs, canary: undefined, full: undefined };
    const { attempt } = truth;
    this.#weights = [
      { atMs: Number.NEGATIVE_INFINITY, weight: 0 },
      ...(attempt === undefined
        ? []
        : [
            { atMs: startMs + attempt.fromMs, weight: attempt.weight },
            { atMs: startMs + attempt.untilMs, weight: 0 },
          ]),
    ];
  }

  /** The canary gets another share of the traffic, 0 to 1. Times only go forward. */
  setWeight(atMs: number, weight: number): void {
    this.#weights.push({ atMs, weight });
    if (weight > 0) this.#anchors.canary ??= atMs;
    if (weight >= 0.95) this.#anchors.full ??= atMs;
  }

  /** Draws every bucket that is over by a time. Weights are to be set until then. */
  advanceTo(untilMs: number): void {
    this.#drawUntil(Math.floor(untilMs / recentStepMs) * recentStepMs);
  }

  /** The evaluator's source. `now` is the simulation's clock. */
  source(now: () => number): MetricsSource {
    return {
      measure: async (query) => {
        const { away } = this.#options.truth;
        if (away !== undefined) {
          const fromMs = this.#resolve(away.from);
          if (fromMs !== undefined && now() >= fromMs && now() < fromMs + away.lastsMs)
            throw new SourceError('source_unavailable', 'Datadog does not answer', 'Wait until it is back.');
        }
        return this.#snapshot(query);
      },
    };
  }

  /** The first request that failed by the release's fault; undefined where none did. */
  get firstFaultMs(): number | undefined {
    return this.#firstFaultMs;
  }

  /** Draws everything until the rollout's end: the canary's requests and failures on the CUJs, and on what is at fault. */
  finish(endMs: number): { requests: number; failed: number; faultyRequests: number } {
    this.#drawUntil(Math.ceil(endMs / recentStepMs) * recentStepMs);
    const sums = { requests: 0, failed: 0, faultyRequests: 0 };
    const first = Math.floor((this.#options.startMs - this.#originMs) / recentStepMs);
    for (const { route, canary, isFaulty } of this.#streams) {
      if (route === undefined) continue;
      for (let b = first; b < this.#drawn; b += 1) {
        sums.requests += canary.total[b] as number;
        sums.failed += canary.bad[b] as number;
        if (isFaulty) sums.faultyRequests += canary.total[b] as number;
      }
    }
    return sums;
  }

  #resolve({ after, ms }: Moment): number | undefined {
    const anchor = this.#anchors[after];
    return anchor === undefined ? undefined : anchor + ms;
  }

  #snapshot(query: BatchQuery): Snapshot {
    const { fromMs, toMs, stepMs, canary, stable } = query;
    const key = `${fromMs} ${toMs} ${stepMs}`;
    const known = this.#snapshots.get(key);
    if (known !== undefined) return known;
    this.#drawUntil(toMs);
    const first = (fromMs - this.#originMs) / recentStepMs;
    const end = (toMs - this.#originMs) / recentStepMs;
    if (query.batch !== this.#batch || first < 0 || !Number.isInteger(first))
      throw new Error(`the simulation has no traffic for ${selectorText(canary)} since ${fromMs}`);
    const cut = (values: Float64Array) => together(values.subarray(first, end), stepMs / recentStepMs);
    const series = ({ total, bad }: Side): Series => ({ total: cut(total), bad: cut(bad) });
    const sideOf = (side: 'canary' | 'stable') => {
      const latency = new Map<number, Map<string, Series>>();
      for (const { route, slow, [side]: counts } of this.#streams) {
        if (route === undefined || slow === undefined) continue;
        for (const threshold of route.thresholds) {
          const of = latency.get(threshold) ?? new Map<string, Series>();
          of.set(route.resource, { total: cut(counts.total), bad: cut(slow[side]) });
          latency.set(threshold, of);
        }
      }
      return {
        whole: series(this.#whole[side]),
        requests: new Map(
          this.#streams.flatMap(({ route, [side]: counts }) =>
            route === undefined ? [] : [[route.resource, series(counts)] as const],
          ),
        ),
        latency,
      };
    };
    const nothing = { whole: undefined, requests: new Map(), latency: new Map() };
    const services = new Map<string, ServiceCounts>([
      [
        this.#options.service,
        {
          canary: sideOf('canary'),
          stable: sideOf('stable'),
          ...(stable === undefined ? {} : { allTraffic: cut(this.#whole.all) }),
        },
      ],
      ...this.#others.map(
        ({ name, all }) =>
          [name, { canary: nothing, stable: nothing, allTraffic: cut(all) }] as [string, ServiceCounts],
      ),
    ]);
    const snapshot: Snapshot = { fromMs, toMs, stepMs, services, queries: [] };
    this.#snapshots.set(key, snapshot);
    return snapshot;
  }

  #drawUntil(untilMs: number): void {
    const end = Math.min(this.#capacity, Math.round((untilMs - this.#originMs) / recentStepMs));
    for (; this.#drawn < end; this.#drawn += 1) this.#draw(this.#drawn);
  }

  #draw(bucket: number): void {
    const { random, requestsPerSecond, service, shape = diurnal, onDrawn } = this.#options;
    const fromMs = this.#originMs + bucket * recentStepMs;
    const hour = requestsPerSecond * shape(fromMs + recentStepMs / 2);
    const segments = this.#segmentsOf(fromMs);
    for (const stream of this.#streams) {
      const perMs = stream.unit * hour;
      for (const side of ['canary', 'stable'] as const) {
        let mean = 0;
        let meanBad = 0;
        for (const segment of segments) {
          const share = side === 'canary' ? segment.weight : 1 - segment.weight;
          if (share === 0) continue;
          const part = perMs * share * segment.ms;
          mean += part;
          meanBad += part * rateIn(stream, side, segment);
        }
        if (mean === 0) continue;
        const bad = random.poisson(meanBad);
        const total = bad + random.poisson(mean - meanBad);
        if (total === 0) continue;
        const counts = stream[side];
        counts.total[bucket] = total;
        counts.bad[bucket] = bad;
        const whole = this.#whole[side];
        (whole.total[bucket] as number) += total;
        (whole.bad[bucket] as number) += bad;
        (this.#whole.all[bucket] as number) += total;
        const { route, slow, truth } = stream;
        if (slow !== undefined)
          slow[side][bucket] = random.binomial(
            total,
            side === 'canary' ? truth.canarySlow : truth.stableSlow,
          );
        onDrawn?.({ fromMs, service, route, side, total, bad, slow: slow?.[side][bucket] ?? 0 });
        if (side === 'canary' && stream.isFaulty && bad > 0 && fromMs + recentStepMs > this.#options.startMs)
          this.#noteFault(bad, stream, segments);
      }
    }
    for (const { name, unit, all } of this.#others) {
      const total = random.poisson(unit * hour * recentStepMs);
      all[bucket] = total;
      const drawn = {
        fromMs,
        service: name,
        route: undefined,
        side: 'stable',
        total,
        bad: 0,
        slow: 0,
      } as const;
      if (total > 0) onDrawn?.(drawn);
    }
  }

  /** Draws when the first of a bucket's failures was: the least of so many times, each by the canary's share then. */
  #noteFault(bad: number, stream: Stream, segments: readonly Segment[]): void {
    const mass = segments.map((segment) => segment.weight * segment.ms * rateIn(stream, 'canary', segment));
    const all = mass.reduce((sum, part) => sum + part, 0);
    let left = all * (1 - (1 - this.#options.random.next()) ** (1 / bad));
    for (const [i, segment] of segments.entries()) {
      const part = mass[i] as number;
      if (left > part && i < segments.length - 1) {
        left -= part;
        continue;
      }
      const atMs = segment.fromMs + (part > 0 ? (left / part) * segment.ms : 0);
      // Another endpoint may have been first in the same bucket.
      this.#firstFaultMs = Math.min(this.#firstFaultMs ?? Number.POSITIVE_INFINITY, atMs);
      return;
    }
  }

  #segmentsOf(fromMs: number): readonly Segment[] {
    const toMs = fromMs + recentStepMs;
    const incidents = this.#options.truth.incidents.flatMap((incident) => {
      const begin = this.#resolve(incident.from);
      return begin === undefined || begin >= toMs || begin + incident.lastsMs <= fromMs
        ? []
        : [{ incident, begin, end: begin + incident.lastsMs }];
    });
    const cuts = new Set([fromMs, toMs]);
    for (const { atMs } of this.#weights) if (atMs > fromMs && atMs < toMs) cuts.add(atMs);
    for (const { begin, end } of incidents)
      for (const at of [begin, end]) if (at > fromMs && at < toMs) cuts.add(at);
    const times = [...cuts].sort((a, b) => a - b);
    return times.slice(0, -1).map((at, i) => ({
      fromMs: at,
      ms: (times[i + 1] as number) - at,
      weight: this.#weights.findLast(({ atMs }) => atMs <= at)?.weight ?? 0,
      incidents: incidents
        .filter(({ begin, end }) => begin <= at && at < end)
        .map(({ incident }) => incident),
    }));
  }
}

/** So many buckets in one. */
function together(values: Float64Array, buckets: number): Float64Array {
  if (buckets === 1) return values;
  const sums = new Float64Array(values.length / buckets);
  values.forEach((value, i) => {
    const at = Math.floor(i / buckets);
    sums[at] = (sums[at] as number) + value;
  });
  return sums;
}

function rateIn({ route, truth }: Stream, side: 'canary' | 'stable', { incidents }: Segment): number {
  let good = 1 - truth[side];
  if (route === undefined) return 1 - good;
  for (const { sides, rate, resources } of incidents) {
    if (sides !== 'both' && sides !== side) continue;
    if (resources === undefined || resources.has(route.resource)) good *= 1 - rate;
  }
  return 1 - good;
}
