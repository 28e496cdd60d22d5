import {
  type BatchQuery,
  bucketMs,
  type SentQuery,
  type Series,
  type ServiceCounts,
  type SideCounts,
  type Snapshot,
} from '../../../domain/metrics/metrics-source.ts';
import { addedUp, noEvents, withLost } from '../../../domain/metrics/series.ts';
import { labelOf } from '../query/label-matchers.ts';
import { counterSourceOf } from '../query/source-template.ts';
import { addIncrements, type CountedSpan, longestIntervalOf, scrapedTimesOf } from './counter-increments.ts';
import { malformed } from './error-mapping.ts';
import { countHistograms, latencyOf, type ReadDurations } from './latency-counts.ts';
import {
  asOneCounter,
  birthTest,
  type CountedSeries,
  type ReadSeries,
  slowestIntervalOf,
} from './read-series.ts';
import type { Outcome, SeriesRole, SeriesScope } from './series-roles.ts';
import { findTargets } from './target-restarts.ts';

/** Counts of each service from the increments of its counters and histograms. Throws SourceError source_malformed. */
export function snapshotOf(
  sent: readonly SentQuery[],
  query: BatchQuery,
  series: ReadSeries,
  durations: ReadDurations | undefined,
): Snapshot {
  const { fromMs, toMs, batch, stable } = query;
  const intervalMs = longestInterval(series, durations);
  const { stepMs, lateMs } =
    query.stepMs >= bucketMs ? { stepMs: bucketMs, lateMs: 0 } : scrapedTimesOf(intervalMs);
  const span: CountedSpan = { fromMs, toMs, stepMs, gapMs: longestIntervalOf(intervalMs, stepMs) };
  const groupLabels = counterSourceOf(batch.template as NonNullable<typeof batch.template>).endpointLabels;
  const buckets = Math.ceil((toMs - fromMs) / stepMs);
  const isBirth = birthTest(series);
  const counters = series.all.map(({ samples }) => samples);
  const versionLabels = [...query.canary.terms, ...(stable?.terms ?? [])].map(({ key }) => key);
  const targetOf = findTargets(counters, versionLabels);
  const eventsOf = ({ samples }: CountedSeries): Float64Array | undefined => {
    if ((samples.times.at(-1) as number) <= fromMs) return undefined;
    const counts = new Float64Array(buckets);
    asOneCounter(samples, () => addIncrements(samples, span, isBirth, counts, targetOf(samples)));
    return counts;
  };
  // Two scrapes: those of counters and of histograms may be of different targets.
  const apartBuckets = Math.max(1, Math.ceil((2 * intervalMs) / stepMs - 0.1));
  const counted = durations && countHistograms(durations, query, span, series, versionLabels);
  const services = new Map(
    batch.services.map((one) => {
      const { resources, asWhole, failures = [] } = one;
      const { name } = one.service;
      const counts = series.all
        .filter(({ role }) => role.service === name)
        .map((own) => ({ role: own.role, events: eventsOf(own) }));
      const definitions: readonly Definition[] = [
        { text: undefined, resources },
        ...failures.map(({ failure, resources: own }) => ({ text: failure.text, resources: own })),
      ];
      if (resources.length > 0) refuseUnrouted(name, counts, groupLabels, series);
      // Where nothing is judged by the source's own definition, the other one is what fails.
      const ofWhole = resources.length > 0 || asWhole ? undefined : failures[0]?.failure.text;
      const sideOf = (belongs: (scope: SeriesScope) => boolean, lostOf?: LostOf): SideCounts => {
        const whole = new Sums(buckets);
        const byDefinition = definitions.map((own) => ({
          ...own,
          asked: new Set(own.resources),
          sums: new Map<string, Sums>(),
        }));
        const allRequests = new Map<string | undefined, Float64Array>();
        for (const { role, events } of counts) {
          if (events === undefined || !belongs(role)) continue;
          whole.add(events, outcomeBy(role, ofWhole));
          if (durations !== undefined) addRequests(allRequests, role.endpoint, events);
          for (const { text, asked, sums } of byDefinition) {
            for (const resource of ['*', role.endpoint]) {
              if (resource === undefined || !asked.has(resource)) continue;
              const own = sums.get(resource) ?? new Sums(buckets);
              sums.set(resource, own);
              own.add(events, outcomeBy(role, text));
            }
          }
        }
        const [own, ...others] = byDefinition.map(({ text, resources: of, sums }) => {
          const lost = text === undefined ? undefined : lostOf?.(text);
          return [text, seriesOf(of, sums, lost)] as const;
        });
        const histograms = counted?.filter(({ scope }) => scope.service === name && belongs(scope)) ?? [];
        return {
          whole: whole.series(),
          requests: own?.[1] ?? new Map(),
          ...(others.length === 0
            ? {}
            : { failures: new Map(others.map(([text = '', found]) => [text, found])) }),
          latency:
            durations === undefined
              ? new Map()
              : latencyOf(durations.plan, one, histograms, allRequests, apartBuckets),
        };
      };
      const ofService: ServiceCounts = {
        canary: sideOf(
          ({ isCanary }) => isCanary,
          (text) => unrouted(counts, text),
        ),
        stable: sideOf(({ isStable }) => isStable),
        ...(stable === undefined
          ? {}
          : { allTraffic: sideOf(() => true).whole?.total ?? new Float64Array(buckets) }),
      };
      return [name, ofService] as const;
    }),
  );
  return {
    fromMs,
    toMs,
    stepMs,
    ...(lateMs === 0 ? {} : { lateMs }),
    services,
    queries: sent,
  };
}

/** Events are as late as the slowest scrapes make them, be it those of counters or of histograms. */
function longestInterval(series: ReadSeries, durations: ReadDurations | undefined): number {
  return durations === undefined || durations.histograms.length === 0
    ? slowestIntervalOf(series)
    : Math.max(slowestIntervalOf(series), durations.intervalMs);
}

/** Endpoints with what counts as their failures: undefined is the source's own definition. */
interface Definition {
  readonly text: string | undefined;
  readonly resources: readonly string[];
}

function outcomeBy(role: SeriesRole, text: string | undefined): Outcome {
  return text === undefined ? role : (role.byFailure.get(text) as Outcome);
}

type LostOf = (text: string) => Float64Array | undefined;

/** Failures of the canary, by a definition, that belong to no endpoint, by bucket; undefined where there are none. */
function unrouted(counts: readonly RoleCounts[], text: string | undefined): Float64Array | undefined {
  const lost = counts.flatMap(({ role, events }) =>
    role.isCanary && role.endpoint === undefined && outcomeBy(role, text).isBad ? (events ?? []) : [],
  );
  const sum = lost.length === 0 ? undefined : addedUp(lost);
  return sum?.some((events) => events > 0) ? sum : undefined;
}

/** Of each endpoint with counts. `lost` may be of any of them, but not of the whole service, which has them. */
function seriesOf(
  resources: readonly string[],
  sums: ReadonlyMap<string, Sums>,
  lost: Float64Array | undefined,
): ReadonlyMap<string, Series> {
  return new Map(
    resources.flatMap((key) => {
      const own = sums.get(key)?.series();
      const found = key === '*' || lost === undefined ? own : withLost(own ?? nothingIn(lost), lost);
      return found === undefined ? [] : [[key, found] as const];
    }),
  );
}

/** No request, of which each would have a status. */
function nothingIn({ length }: Float64Array): Series {
  const none = noEvents(length);
  return { total: none, bad: none, withStatus: none };
}

interface RoleCounts {
  readonly role: SeriesRole;
  readonly events: Float64Array | undefined;
}

/** A failure that belongs to no endpoint would be seen by no CUJ that lists endpoints. Throws SourceError source_malformed. */
function refuseUnrouted(
  service: string,
  counts: readonly RoleCounts[],
  labels: readonly string[],
  series: ReadSeries,
): void {
  const bad = unrouted(counts, undefined)?.reduce((a, b) => a + b, 0);
  if (bad === undefined) return;
  const own = series.all.filter(({ role }) => role.service === service);
  const absent = labels.filter((label) => own.every(({ samples }) => labelOf(samples.labels, label) === ''));
  if (absent.length > 0) {
    throw malformed(
      `${bad} bad events of the canary of ${service} are of no endpoint: no series has the label ${absent.join(', ')} of groupBy (${labels.join('/')})`,
      'Correct groupBy of the source: cuj-gate doctor names the labels that are there.',
    );
  }
  throw malformed(
    `${bad} bad events of the canary of ${service} are of no endpoint: they lack a label of groupBy (${labels.join('/')})`,
    `Let the application set the labels on requests that fail before they are routed. If such requests are nobody's, exclude them in total and bad, such as by ${labels.at(-1) ?? 'route'}!="". Or judge the service by endpoints: "*".`,
  );
}

function addRequests(
  sums: Map<string | undefined, Float64Array>,
  endpoint: string | undefined,
  events: Float64Array,
): void {
  const known = sums.get(endpoint);
  sums.set(endpoint, known === undefined ? events : known.map((count, i) => count + (events[i] as number)));
}

/** The sums of some counters. */
class Sums {
  readonly #total: Float64Array;
  readonly #bad: Float64Array;
  readonly #withStatus: Float64Array;
  #isThere = false;
  #knowsStatus = false;
  #isClassOnly = false;

  constructor(buckets: number) {
    this.#total = new Float64Array(buckets);
    this.#bad = new Float64Array(buckets);
    this.#withStatus = new Float64Array(buckets);
  }

  add(events: Float64Array, { isBad, hasStatus, isClassOnly }: Outcome): void {
    const into = (sums: Float64Array) => {
      for (let i = 0; i < sums.length; i += 1) sums[i] = (sums[i] as number) + (events[i] as number);
    };
    this.#isThere = true;
    into(this.#total);
    if (isBad) into(this.#bad);
    if (isClassOnly && events.some((count) => count > 0)) this.#isClassOnly = true;
    if (hasStatus === undefined) return;
    this.#knowsStatus = true;
    if (hasStatus) into(this.#withStatus);
  }

  /** Undefined without a counter. */
  series(): Series | undefined {
    if (!this.#isThere) return undefined;
    return {
      total: this.#total,
      bad: this.#bad,
      // Where a label has classes such as 4xx, no other request shows that it is none of the failures.
      ...(this.#knowsStatus ? { withStatus: this.#isClassOnly ? this.#bad : this.#withStatus } : {}),
    };
  }
}
