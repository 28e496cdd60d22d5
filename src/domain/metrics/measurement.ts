import { floorMinute, floorTo } from '../duration.ts';
import { worstSkew } from '../judge/clock-skew.ts';
import { minHistoryMs } from '../judge/freshness.ts';
import { incompleteBuckets } from '../judge/incomplete-data.ts';
import { haveSeveralBackends } from '../registry/backend-words.ts';
import { failureTextOn } from '../registry/endpoint-failures.ts';
import { compareEndpoints } from '../registry/endpoint-order.ts';
import type { Cuj, Endpoint, Service } from '../registry/model.ts';
import { mapSlis } from '../sli/by-sli.ts';
import { isServersFault } from '../sli/failure.ts';
import { countsEndpoint, type SliKind } from '../sli/kind.ts';
import { sliKinds } from '../sli/table.ts';
import { type WithoutDispersion, withDispersion } from './estimated-dispersion.ts';
import type { ResolvedRequest } from './evaluation-request.ts';
import {
  bucketMs,
  type Measurement,
  type RecentBuckets,
  type Series,
  type ServiceCounts,
  type SideCounts,
  type Snapshot,
  type SourceTraffic,
  type StableOfService,
} from './metrics-source.ts';
import { noEvents } from './series.ts';

/** What was measured of one batch of services: `recent` begins where `past` ends, or is all where there is no `past`. */
export interface Snapshots {
  /** In buckets of a minute. */
  readonly past?: Snapshot;
  /** In buckets of a minute or shorter ones. */
  readonly recent: Snapshot;
}

/**
 * Cuts what one verdict needs out of the snapshots that were taken for its scopes: the CUJ's endpoints, over the CUJ's
 * own span, so that a verdict never depends on what other CUJs asked for. Counts are by minute; the newest one ends at `toMs`.
 */
export function measurementOf(
  request: ResolvedRequest,
  snapshots: ReadonlyMap<string, Snapshots>,
  { toMs, incompleteMs }: MeasuredSpan,
): Measurement {
  const { cuj } = request;
  const services = new Map(request.services.map((service) => [service.name, service]));
  const asked = new Set([...services.keys()].map((name) => snapshots.get(name) as Snapshots));
  const fromMs = floorMinute(toMs) - spanMsOf(cuj);
  const minutes = Math.ceil((toMs - fromMs) / bucketMs);
  const recent = recentOf(asked, fromMs, toMs);
  const none = noEvents(minutes);
  const noRequests: Series = { total: none, bad: none };
  const cut = (
    from: Snapshots,
    pick: (counts: ServiceCounts) => Float64Array | undefined,
    service: string,
  ) => {
    const of = ({ services: all }: Snapshot) => {
      const counts = all.get(service);
      return counts === undefined ? undefined : pick(counts);
    };
    return minutesOf(from, of, fromMs, toMs) ?? none;
  };
  const isDefined = cuj.endpoints.some(
    ({ failure }) => failure !== undefined && failure.by.kind !== 'client',
  );
  /** Beside other definitions, what a source says has a name as well. */
  const failureText = (endpoint: Endpoint, service: Service) =>
    isDefined ? failureTextOn(endpoint, service) : endpoint.failure?.text;
  const measured = (endpoint: Endpoint, kind: SliKind): WithoutDispersion => {
    const service = services.get(endpoint.service) as Service;
    const from = snapshots.get(endpoint.service) as Snapshots;
    const { latencyMs } = endpoint;
    const failure = failureText(endpoint, service);
    const seriesIn = (snapshot: Snapshot | undefined, side: 'canary' | 'stable') => {
      const counts = snapshot?.services.get(endpoint.service)?.[side];
      return counts === undefined ? undefined : kind.seriesOf(counts, endpoint);
    };
    const side = (name: 'canary' | 'stable'): Series => {
      const [past, now] = [seriesIn(from.past, name), seriesIn(from.recent, name)];
      if (past === undefined && now === undefined) return noRequests;
      const part = (key: keyof Series) =>
        minutesOf(from, (snapshot) => seriesIn(snapshot, name)?.[key], fromMs, toMs);
      const total = part('total') ?? none;
      const unclassified = part('unclassified');
      // A part without a request has no series, and lacks no status.
      const hasStatus = past?.withStatus !== undefined || now?.withStatus !== undefined;
      const lacksStatus = [past, now].some((one) => one !== undefined && one.withStatus !== one.total);
      return {
        total,
        bad: part('bad') ?? none,
        ...(hasStatus ? { withStatus: lacksStatus ? (part('withStatus') ?? none) : total } : {}),
        ...(unclassified === undefined ? {} : { unclassified }),
      };
    };
    const recentBad =
      recent && recentOnly(from.recent, seriesIn(from.recent, 'canary')?.bad, recent, fromMs, toMs);
    return {
      service: endpoint.service,
      resource: endpoint.resource,
      label: endpoint.label,
      ...(kind.needsThreshold && latencyMs !== undefined ? { latencyMs } : {}),
      ...(kind.countsFailures && failure !== undefined ? { failure } : {}),
      sampleRate: service.sampleRate,
      dispersion: service.dispersion,
      canary: side('canary'),
      stable: side('stable'),
      ...(recentBad === undefined ? {} : { recentBad }),
      ...(recentBad === undefined || from.recent.stepMs === recent?.stepMs
        ? {}
        : { recentStepMs: from.recent.stepMs }),
      ...(recentBad === undefined || from.recent.lateMs === undefined
        ? {}
        : { recentLateMs: from.recent.lateMs }),
    };
  };
  const endpoints = [...cuj.endpoints]
    .sort(compareEndpoints)
    .filter((endpoint) => services.has(endpoint.service));
  // The servers' traffic says when a rollout begins and ends: browsers keep a version that was rolled back for hours.
  const servers = [...services.keys()].filter((name) => services.get(name)?.client === undefined);
  const telling = servers.length === 0 ? [...services.keys()] : servers;
  const hitsOf = (pick: (counts: ServiceCounts) => Float64Array | undefined, names = telling) => {
    const hits = new Array<number>(minutes).fill(0);
    for (const name of names) {
      const own = cut(snapshots.get(name) as Snapshots, pick, name);
      for (let i = 0; i < minutes; i += 1) hits[i] = (hits[i] as number) + (own[i] as number);
    }
    return hits;
  };
  const sides = {
    canary: hitsOf(({ canary }) => canary.whole?.total),
    stable: hitsOf(({ stable }) => stable.whole?.total),
  };
  const knowsAllOf = (name: string) =>
    snapshots.get(name)?.recent.services.get(name)?.allTraffic !== undefined;
  const all = telling.every(knowsAllOf) ? hitsOf(({ allTraffic }) => allTraffic) : undefined;
  const unmatched = all && beyondSides(all, sides, 1);
  const overlapping = all && beyondSides(all, sides, -1);
  // In the sums of all services, those of a client or of a small service would not show.
  const overlappingServices = [...services.keys()].filter(knowsAllOf).flatMap((name) => {
    const own = {
      canary: hitsOf(({ canary }) => canary.whole?.total, [name]),
      stable: hitsOf(({ stable }) => stable.whole?.total, [name]),
    };
    const both = beyondSides(
      hitsOf(({ allTraffic }) => allTraffic, [name]),
      own,
      -1,
    );
    return both.some((hits) => hits > 0) ? [{ service: name, canary: own.canary, overlapping: both }] : [];
  });
  const clockSkewMs = worstSkew([...asked].map((one) => one.recent.clockSkewMs));
  return {
    fromMs,
    toMs,
    ...(recent === undefined ? {} : { recent }),
    ...(incompleteMs === 0 ? {} : { incompleteMs }),
    ...(request.sinceMs === undefined ? {} : { sinceMs: request.sinceMs }),
    ...(request.windowMs === undefined ? {} : { windowMs: request.windowMs }),
    ...(clockSkewMs === undefined ? {} : { clockSkewMs }),
    ...(clockSkewMs === undefined || !haveSeveralBackends(request.services)
      ? {}
      : {
          clockSkewServices: [...services.keys()].filter(
            (name) => snapshots.get(name)?.recent.clockSkewMs === clockSkewMs,
          ),
        }),
    selectors: request.selectorTexts,
    ...mapSlis(cuj.objectives, (_, sli) =>
      withDispersion(
        endpoints
          .filter((endpoint) => countsEndpoint(sliKinds[sli], endpoint))
          .map((endpoint) => measured(endpoint, sliKinds[sli])),
        fromMs,
      ),
    ),
    whole: {
      ...sides,
      ...(unmatched === undefined || overlapping === undefined ? {} : { unmatched, overlapping }),
      ...(overlappingServices.length === 0 ? {} : { overlappingServices }),
    },
    ...(cuj.objectives.availability === undefined
      ? {}
      : {
          stableOfServices: servers.map((name) =>
            sharedStableOf(name, failuresOn(cuj, name), snapshots.get(name) as Snapshots, fromMs, toMs),
          ),
        }),
    sourceTraffic: [...asked].map((one) => ({
      services: [...services.keys()].filter((name) => snapshots.get(name) === one),
      hits: hitsOfAll(one, fromMs, toMs),
    })),
  };
}

/** The hits of all traffic that neither side has (1), or those that both sides have (-1). */
function beyondSides(
  all: readonly number[],
  { canary, stable }: { readonly canary: readonly number[]; readonly stable: readonly number[] },
  sign: 1 | -1,
): number[] {
  return all.map((hits, i) => {
    const left = sign * (hits - (canary[i] as number) - (stable[i] as number));
    // Backends add up floats.
    return left > hits * 1e-6 ? left : 0;
  });
}

/** The definitions by which a CUJ counts failures of a service that are the server's own, as texts: undefined is 5XX. */
function failuresOn(cuj: Cuj, service: string): readonly (string | undefined)[] {
  const own = cuj.endpoints.filter(
    (endpoint) => endpoint.service === service && isServersFault(endpoint.failure),
  );
  return [...new Set(own.map(({ failure }) => failure?.text))].sort();
}

/** {@link stableOf} of snapshots that are still kept, by the newer one. */
const stableOfSnapshots = new WeakMap<
  Snapshot,
  { past: Snapshot | undefined; known: Map<string, StableOfService> }
>();

/** The same object for all CUJs of a service that are judged by the same snapshots: a rollout asks about twenty at once. */
function sharedStableOf(
  service: string,
  failures: readonly (string | undefined)[],
  from: Snapshots,
  fromMs: number,
  toMs: number,
): StableOfService {
  let shared = stableOfSnapshots.get(from.recent);
  if (shared === undefined || shared.past !== from.past) {
    shared = { past: from.past, known: new Map() };
    stableOfSnapshots.set(from.recent, shared);
  }
  const key = JSON.stringify([service, failures, fromMs, toMs]);
  const stable = shared.known.get(key) ?? stableOf(service, failures, from, fromMs, toMs);
  shared.known.set(key, stable);
  return stable;
}

/**
 * Stable of a service over all endpoints that were asked for by one of the definitions of failure, whichever CUJ they belong to. One
 * that was asked for by several is counted by the first of them.
 */
function stableOf(
  service: string,
  failures: readonly (string | undefined)[],
  from: Snapshots,
  fromMs: number,
  toMs: number,
): StableOfService {
  const joined = new Map(
    [from.past, from.recent].map((snapshot) => [
      snapshot,
      joinedRequests(snapshot?.services.get(service)?.stable, failures),
    ]),
  );
  const requestsIn = (snapshot: Snapshot | undefined) => joined.get(snapshot);
  const resources = new Set(
    [from.past, from.recent].flatMap((snapshot) => [...(requestsIn(snapshot)?.keys() ?? [])]),
  );
  const minutes = Math.ceil((toMs - fromMs) / bucketMs);
  const total = new Array<number>(minutes).fill(0);
  const bad: number[][] = [];
  // All of a service is its endpoints again.
  resources.delete('*');
  for (const resource of [...resources].sort()) {
    const part = (key: 'total' | 'bad') =>
      minutesOf(from, (snapshot) => requestsIn(snapshot)?.get(resource)?.[key], fromMs, toMs);
    const counts = part('total');
    for (let i = 0; counts !== undefined && i < minutes; i += 1)
      total[i] = (total[i] as number) + (counts[i] as number);
    const failed = part('bad');
    if (failed?.some((events) => events > 0)) bad.push([...failed]);
  }
  return { service, total, bad };
}

/** The series by endpoint of some definitions of failure, the first one's where several have an endpoint. */
function joinedRequests(
  stable: SideCounts | undefined,
  failures: readonly (string | undefined)[],
): ReadonlyMap<string, Series> | undefined {
  if (stable === undefined) return undefined;
  const all = failures.flatMap(
    (text) => (text === undefined ? stable.requests : stable.failures?.get(text)) ?? [],
  );
  return all.length < 2 ? all[0] : new Map(all.reverse().flatMap((byResource) => [...byResource]));
}

/** The longest span that a verdict of the CUJ may cover, in whole minutes. */
function spanMsOf({ gate: { window, maxWindowMs } }: Cuj): number {
  const spanMs = window === 'rollout' ? maxWindowMs : Math.max(window, maxWindowMs);
  return Math.ceil(spanMs / bucketMs) * bucketMs;
}

/** Where all services that have buckets shorter than a minute have them, and the shortest; undefined where none has such. */
function recentOf(asked: ReadonlySet<Snapshots>, fromMs: number, toMs: number): RecentBuckets | undefined {
  const short = [...asked].map(({ recent }) => recent).filter((recent) => recent.stepMs < bucketMs);
  if (short.length === 0) return undefined;
  const stepMs = Math.min(...short.map((recent) => recent.stepMs));
  const beginMs = Math.max(...short.map((recent) => recent.fromMs));
  const firstMinute = Math.max(0, Math.ceil((beginMs - fromMs) / bucketMs));
  return fromMs + firstMinute * bucketMs >= toMs ? undefined : { firstMinute, stepMs };
}

/** The recent buckets of one series; those that the source did not have are zero events. Undefined where they are minutes. */
function recentOnly(
  snapshot: Snapshot,
  values: Float64Array | undefined,
  { firstMinute }: RecentBuckets,
  fromMs: number,
  toMs: number,
): Float64Array | undefined {
  const { stepMs } = snapshot;
  if (stepMs >= bucketMs) return undefined;
  const beginMs = fromMs + firstMinute * bucketMs;
  const buckets = Math.ceil((toMs - beginMs) / stepMs);
  return values === undefined
    ? new Float64Array(buckets)
    : bucketsOf(values, Math.round((beginMs - snapshot.fromMs) / stepMs), buckets);
}

/**
 * One series by minute from `fromMs` until `toMs`, which may lie inside the last minute. What the source did not have is zero
 * events. Undefined where neither snapshot has the series.
 */
function minutesOf(
  { past, recent }: Snapshots,
  pick: (snapshot: Snapshot) => Float64Array | undefined,
  fromMs: number,
  toMs: number,
): Float64Array | undefined {
  const minutes = Math.ceil((toMs - fromMs) / bucketMs);
  const newest = pick(recent);
  if (past === undefined && recent.stepMs === bucketMs)
    return newest && bucketsOf(newest, Math.round((fromMs - recent.fromMs) / bucketMs), minutes);
  const older = past && pick(past);
  if (older === undefined && newest === undefined) return undefined;
  let counts: Float64Array | undefined;
  const add = (minute: number, count: number) => {
    // Most series of bad events have none: they share one array of zeros.
    if (count === 0) return;
    counts ??= new Float64Array(minutes);
    counts[minute] = (counts[minute] as number) + count;
  };
  if (older !== undefined && past !== undefined) {
    const offset = Math.round((fromMs - past.fromMs) / bucketMs);
    const end = Math.min(minutes, older.length - offset);
    for (let i = Math.max(0, -offset); i < end; i += 1) add(i, older[i + offset] as number);
  }
  if (newest !== undefined) {
    const { stepMs } = recent;
    for (let i = 0; i < newest.length; i += 1) {
      const atMs = recent.fromMs + i * stepMs;
      if (atMs < fromMs || atMs >= toMs) continue;
      add(Math.floor((atMs - fromMs) / bucketMs), newest[i] as number);
    }
  }
  return counts ?? noEvents(minutes);
}

/** The end of what can be judged, and what is left out behind it because counts have not arrived. */
export interface MeasuredSpan {
  /** Epoch ms. */
  readonly toMs: number;
  readonly incompleteMs: number;
}

/**
 * The latest end until `toMs` at which all snapshots have whole buckets, and before which no counts of canary or stable are missing
 * ({@link incompleteBuckets}). A clock that is ahead of the source's takes data for older than it is: its end is earlier by as much.
 */
export function measuredUntil(
  { services }: Pick<ResolvedRequest, 'services'>,
  snapshots: ReadonlyMap<string, Snapshots>,
  toMs: number,
): MeasuredSpan {
  const recents = [...snapshots.values()].map(({ recent }) => recent);
  const aheadMs = Math.max(0, ...recents.map(({ clockSkewMs = 0 }) => clockSkewMs));
  const untilMs = wholeBucketsUntil(recents, toMs - aheadMs);
  const complete = services.map((service) =>
    completeUntil((snapshots.get(service.name) as Snapshots).recent, service, untilMs),
  );
  const completeMs = wholeBucketsUntil(recents, Math.min(untilMs, ...complete));
  return { toMs: completeMs, incompleteMs: untilMs - completeMs };
}

/** The latest time until `toMs` that lies inside no bucket. The last bucket of a snapshot ends where the snapshot does. */
function wholeBucketsUntil(recents: readonly Snapshot[], toMs: number): number {
  let untilMs = toMs;
  let before: number;
  do {
    before = untilMs;
    for (const recent of recents) {
      if (untilMs > recent.toMs) untilMs = recent.toMs;
      // Without shorter buckets, a minute that is not over is not judged.
      if (untilMs < recent.toMs || recent.stepMs >= bucketMs) untilMs = floorTo(untilMs, recent.stepMs);
      // The lag of a CUJ may be so long that it ends in the past, which is by minute.
      if (untilMs < recent.fromMs) untilMs = floorMinute(untilMs);
    }
  } while (untilMs < before);
  return untilMs;
}

/** The end of the counts of one service that have arrived, at most `untilMs`. Minutes are taken as they are. */
function completeUntil(
  { stepMs, lateMs = 0, fromMs, services }: Snapshot,
  { name, sampleRate }: Service,
  untilMs: number,
): number {
  if (stepMs >= bucketMs || untilMs <= fromMs) return untilMs;
  const { canary, stable } = services.get(name) ?? {};
  const end = Math.ceil((untilMs - fromMs) / stepMs);
  // Events that are counted late come in bursts, which shorter buckets than two of them would take for gaps.
  const joined = lateMs === 0 ? 1 : Math.ceil((2 * (stepMs + lateMs)) / stepMs);
  const until = (counts: Float64Array | undefined) =>
    joinedFromEnd(counts?.subarray(0, end) ?? new Float64Array(end), joined);
  const newestMs = untilMs - fromMs - (end - 1) * stepMs;
  const leftOut = incompleteBuckets({
    canary: until(canary?.whole?.total),
    stable: until(stable?.whole?.total),
    stepMs: joined * stepMs,
    newestMs: newestMs + (joined - 1) * stepMs,
    sampleRate,
  });
  return leftOut === 0 ? untilMs : fromMs + (end - leftOut * joined) * stepMs;
}

/** Sums of so many buckets each, counted from the end; those at the begin that are too few for a sum are left out. */
function joinedFromEnd(counts: Float64Array, joined: number): Float64Array {
  if (joined === 1) return counts;
  const sums = new Float64Array(Math.floor(counts.length / joined));
  const first = counts.length - sums.length * joined;
  for (let i = first; i < counts.length; i += 1) {
    const at = Math.floor((i - first) / joined);
    sums[at] = (sums[at] as number) + (counts[i] as number);
  }
  return sums;
}

/**
 * Requests by minute of everything that was asked for in one call, until `toMs`: over the CUJ's own span or the last hour,
 * so that it does not depend on what other CUJs asked for either.
 */
function hitsOfAll(snapshots: Snapshots, fromMs: number, toMs: number): SourceTraffic['hits'] {
  const knownFromMs = (snapshots.past ?? snapshots.recent).fromMs;
  const firstMs = Math.max(floorMinute(knownFromMs), Math.min(fromMs, floorMinute(toMs) - minHistoryMs));
  const hits = new Array<number>(Math.max(0, Math.ceil((toMs - firstMs) / bucketMs))).fill(0);
  for (const [name, counts] of snapshots.recent.services) {
    const parts: ((of: ServiceCounts) => Float64Array | undefined)[] =
      counts.allTraffic === undefined
        ? [({ canary }) => canary.whole?.total, ({ stable }) => stable.whole?.total]
        : [({ allTraffic }) => allTraffic];
    for (const part of parts) {
      const own = minutesOf(
        snapshots,
        ({ services }) => {
          const of = services.get(name);
          return of === undefined ? undefined : part(of);
        },
        firstMs,
        toMs,
      );
      for (let i = 0; own !== undefined && i < hits.length; i += 1)
        hits[i] = (hits[i] as number) + (own[i] as number);
    }
  }
  return hits;
}

/** So many buckets from an offset on; those that the source did not have are zero events. Shared where it can be. */
function bucketsOf(values: Float64Array, offset: number, buckets: number): Float64Array {
  if (offset >= 0 && offset + buckets <= values.length) return values.subarray(offset, offset + buckets);
  return Float64Array.from({ length: buckets }, (_, i) => values[i + offset] ?? 0);
}
