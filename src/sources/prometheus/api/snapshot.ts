import { SourceError } from '../../../domain/errors.ts';
import {
  type BatchQuery,
  bucketMs,
  type SentQuery,
  type Series,
  type ServiceCounts,
  type SideCounts,
  type Snapshot,
} from '../../../domain/metrics/metrics-source.ts';
import type { PlannedQuery } from '../query/query-plan.ts';
import { counterSourceOf } from '../query/source-template.ts';
import {
  addIncrements,
  type CountedSpan,
  honestStepOf,
  scrapeIntervalOf,
  TwoCountersInOne,
} from './counter-increments.ts';
import { malformed } from './error-mapping.ts';
import { type CounterSamples, show } from './matrix-response.ts';
import { rolesOf, type SeriesRole } from './series-roles.ts';
import { findTargets } from './target-restarts.ts';

/** A counter, with what it counts. */
export interface CountedSeries {
  readonly samples: CounterSamples;
  readonly role: SeriesRole;
}

/** All counters, before they are cut into buckets. */
export interface ReadSeries {
  readonly all: readonly CountedSeries[];
  /** The usual time between two scrapes, in ms. A minute where it is not known. */
  readonly intervalMs: number;
  /** Epoch ms; undefined where there is no sample. */
  readonly earliestMs: number | undefined;
}

/** Scrapes are a little late. */
const maxIntervalMs = 66_000;

/** Of different intervals between scrapes, one of the longest counts. The very longest may be that of a pod that is seldom reached. */
const usualShare = 0.9;

/** Throws SourceError source_rejected where scrapes are too far apart. */
export function readSeries(
  plan: PlannedQuery,
  { batch, canary, stable }: BatchQuery,
  counters: readonly CounterSamples[],
): ReadSeries {
  const roleOf = rolesOf(plan, batch, canary, stable);
  const intervals = counters.flatMap(({ times }) => scrapeIntervalOf(times) ?? []);
  intervals.sort((a, b) => a - b);
  const intervalMs = intervals[Math.floor(intervals.length * usualShare)] ?? bucketMs;
  if (intervalMs > maxIntervalMs) {
    throw new SourceError(
      'source_rejected',
      `${plan.metric} has a sample every ${Math.round(intervalMs / 1000)} s.`,
      'Verdicts are made of minutes: scrape it at least once a minute, better every 15 s.',
    );
  }
  return {
    all: counters.map((samples) => ({ samples, role: roleOf(samples.labels) })),
    intervalMs,
    earliestMs: counters.reduce<number | undefined>(
      (least, { times }) => Math.min(least ?? Number.POSITIVE_INFINITY, times[0] as number),
      undefined,
    ),
  };
}

/** Longer than this after the first sample of all, a counter that begins is new. Before, counting itself begins. */
export function beginningMs(intervalMs: number): number {
  return Math.max(90_000, 2.5 * intervalMs);
}

/** Counts of each service from the increments of its counters. Throws SourceError source_malformed. */
export function snapshotOf(sent: SentQuery, query: BatchQuery, series: ReadSeries): Snapshot {
  const { fromMs, toMs, batch, stable } = query;
  const stepMs = query.stepMs >= bucketMs ? bucketMs : honestStepOf(series.intervalMs);
  const span: CountedSpan = { fromMs, toMs, stepMs };
  const groupLabels = counterSourceOf(batch.template as NonNullable<typeof batch.template>).endpointLabels;
  const buckets = Math.ceil((toMs - fromMs) / stepMs);
  const isBirth = (firstMs: number) =>
    firstMs > (series.earliestMs ?? firstMs) + beginningMs(series.intervalMs);
  const targetOf = findTargets(
    series.all.map(({ samples }) => samples),
    [...query.canary.terms, ...(stable?.terms ?? [])].map(({ key }) => key),
  );
  const eventsOf = ({ samples }: CountedSeries): Float64Array | undefined => {
    const { times, labels } = samples;
    if ((times.at(-1) as number) <= fromMs) return undefined;
    const counts = new Float64Array(buckets);
    try {
      addIncrements(samples, span, isBirth, counts, targetOf(samples));
    } catch (error) {
      if (!(error instanceof TwoCountersInOne)) throw error;
      throw malformed(
        `${show(labels)} is no single counter: ${error.message}`,
        'Most likely two processes or two replicas of Prometheus write the same series. Give them labels that tell them apart, or let the backend remove duplicates.',
      );
    }
    return counts;
  };
  const services = new Map(
    batch.services.map(({ service: { name }, resources }) => {
      const counts = series.all
        .filter(({ role }) => role.service === name)
        .map((one) => ({ role: one.role, events: eventsOf(one) }));
      const asked = new Set(resources);
      if (resources.some((resource) => resource !== '*')) refuseUnrouted(name, counts, groupLabels);
      const sideOf = (belongs: (role: SeriesRole) => boolean): SideCounts => {
        const whole = new Sums(buckets);
        const requests = new Map<string, Sums>();
        for (const { role, events } of counts) {
          if (events === undefined || !belongs(role)) continue;
          whole.add(events, role);
          if (role.endpoint === undefined || !asked.has(role.endpoint)) continue;
          const own = requests.get(role.endpoint) ?? new Sums(buckets);
          requests.set(role.endpoint, own);
          own.add(events, role);
        }
        return {
          whole: whole.series(),
          requests: new Map(
            [...requests].flatMap(([key, sums]) => {
              const found = sums.series();
              return found === undefined ? [] : [[key, found] as const];
            }),
          ),
          latency: new Map(),
        };
      };
      const ofService: ServiceCounts = {
        canary: sideOf(({ isCanary }) => isCanary),
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
    services,
    queries: [sent],
  };
}

/** A failure that belongs to no endpoint would be seen by no CUJ that lists endpoints. Throws SourceError source_malformed. */
function refuseUnrouted(
  service: string,
  counts: readonly { readonly role: SeriesRole; readonly events: Float64Array | undefined }[],
  labels: readonly string[],
): void {
  const unrouted = counts.filter(({ role }) => role.isCanary && role.isBad && role.endpoint === undefined);
  const bad = unrouted.reduce((sum, { events }) => sum + (events?.reduce((a, b) => a + b, 0) ?? 0), 0);
  if (bad === 0) return;
  throw malformed(
    `${bad} bad events of the canary of ${service} are of no endpoint: they lack a label of groupBy (${labels.join('/')})`,
    `Let the application set the labels on requests that fail before they are routed. If such requests are nobody's, exclude them in total and bad, such as by ${labels.at(-1) ?? 'route'}!="". Or judge the service by endpoints: "*".`,
  );
}

/** The sums of some counters. */
class Sums {
  readonly #total: Float64Array;
  readonly #bad: Float64Array;
  readonly #withStatus: Float64Array;
  #isThere = false;
  #knowsStatus = false;

  constructor(buckets: number) {
    this.#total = new Float64Array(buckets);
    this.#bad = new Float64Array(buckets);
    this.#withStatus = new Float64Array(buckets);
  }

  add(events: Float64Array, { isBad, hasStatus }: SeriesRole): void {
    const into = (sums: Float64Array) => {
      for (let i = 0; i < sums.length; i += 1) sums[i] = (sums[i] as number) + (events[i] as number);
    };
    this.#isThere = true;
    into(this.#total);
    if (isBad) into(this.#bad);
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
      ...(this.#knowsStatus ? { withStatus: this.#withStatus } : {}),
    };
  }
}
