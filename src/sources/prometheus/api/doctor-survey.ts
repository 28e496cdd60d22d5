import { ceilTo, dayMs, hourMs } from '../../../domain/duration.ts';
import { SourceError } from '../../../domain/errors.ts';
import type { SideCounts } from '../../../domain/metrics/series.ts';
import type {
  BackendFacts,
  CounterFacts,
  HistogramFacts,
  ServiceFacts,
  Shares,
  StoreFacts,
  SurveyFailure,
} from '../../../domain/ports/backend-facts.ts';
import type { Cuj, Endpoint, QueryBatch, Registry, Service } from '../../../domain/registry/model.ts';
import { endpointsCountedBy } from '../../../domain/sli/kind.ts';
import { sliKinds } from '../../../domain/sli/table.ts';
import { statusLabelOf } from '../query/counted-failures.ts';
import { prometheusDialect } from '../query/dialect.ts';
import { isLabelName, labelOf, matcherText } from '../query/label-matchers.ts';
import { nearestLabel } from '../query/near-labels.ts';
import { planQuery } from '../query/query-plan.ts';
import { recorded } from '../query/recorded-series.ts';
import { badMatchers, counterSourceOf, endpointIn } from '../query/source-template.ts';
import { readAbsent } from './absent-counter.ts';
import type { PrometheusConnection } from './connection.ts';
import { scrapeIntervalOf } from './counter-increments.ts';
import { readHistogram } from './histogram-survey.ts';
import { hourlyHits, hourlyRoutes, hourlyTraffic } from './hourly-increases.ts';
import { readPoints } from './matrix-response.ts';
import { marginMs } from './source.ts';
import { couldHoldCounters, listStores, showStore, storesPath } from './store-list.ts';
import { Asking, byCount, selectorKeys } from './survey-questions.ts';

/** How far back the survey looks for samples, in days: what SLO windows and the plan need. */
const probedDays = [1, 7, 30, 90];
/** Two scrapes of a minute must lie in it. */
const sampleSeconds = 300;
const storesTimeoutMs = 10_000;

export interface Survey {
  readonly connection: PrometheusConnection;
  readonly registry: Registry;
  /** Epoch ms. */
  readonly now: () => number;
  readonly onProgress: (what: string) => void;
}

/**
 * What Prometheus has of the services that CUJs use: some ten instant queries for each of them, over the last day. What could not be
 * asked is among the failures.
 */
export async function surveyPrometheus({
  connection,
  registry,
  now,
  onProgress,
}: Survey): Promise<BackendFacts> {
  const toMs = Math.floor(now() / hourMs) * hourMs;
  const fromMs = toMs - dayMs;
  const failures: SurveyFailure[] = [];
  const services = new Map<string, ServiceFacts>();
  const counters = new Map<string, CounterFacts>();
  const histograms = new Map<string, HistogramFacts>();
  const asking = new Asking(connection, now);
  let stores: StoreFacts | undefined;
  let failing: BackendFacts['failing'];
  const facts = (recordedSlos?: ReadonlyMap<string, number>): BackendFacts => ({
    fromMs,
    toMs,
    calls: asking.calls,
    failures,
    activeMetrics: undefined,
    tags: new Map(),
    services,
    slos: undefined,
    counters,
    histograms,
    ...(recordedSlos === undefined ? {} : { recordedSlos }),
    ...(failing === undefined ? {} : { failing }),
    ...(stores === undefined ? {} : { stores }),
  });
  onProgress('the address and the credentials');
  try {
    await asking.vector('vector(1)');
  } catch (error) {
    failures.push(failureOf('backend', error));
    return facts();
  }
  asking.calls += 1;
  stores = await readStores(connection, now());
  const used = new Set([...registry.cujs.values()].flatMap((cuj) => cuj.services));
  for (const batch of registry.batches) {
    if (batch.template === undefined) continue;
    for (const { service } of batch.services) {
      if (!used.has(service.name) || service.dialect.backend !== prometheusDialect.backend) continue;
      onProgress(`the counters of ${service.name}`);
      const own = { ...batch, services: batch.services.filter((one) => one.service === service) };
      try {
        const counter = await readCounter(asking, own, service);
        counters.set(service.name, counter);
        if (counter.series > 0) services.set(service.name, await readDay(asking, own, service, fromMs, toMs));
        const histogram = await readHistogram(asking, own, service, fromMs, toMs);
        if (histogram !== undefined) histograms.set(service.name, histogram);
      } catch (error) {
        failures.push(failureOf('queries', error));
      }
    }
  }
  try {
    failing = await readFailing(asking, registry, fromMs, toMs);
  } catch (error) {
    failures.push(failureOf('queries', error));
  }
  onProgress('the recorded SLOs');
  try {
    return facts(await readRecordedSlos(asking, registry));
  } catch (error) {
    failures.push(failureOf('slos', error));
    return facts();
  }
}

/** Undefined where the backend is not Thanos Query. */
async function readStores(connection: PrometheusConnection, nowMs: number): Promise<StoreFacts | undefined> {
  const found = await listStores(connection, storesTimeoutMs);
  const base = { askedBy: 'Thanos Query', unreadable: undefined, stores: [] };
  if ('kind' in found)
    return found.kind === 'other' ? undefined : { ...base, unreadable: `${storesPath}: ${found.why}` };
  const span = { fromMs: nowMs - hourMs - marginMs, toMs: nowMs };
  return {
    ...base,
    stores: found.map((store) => ({
      name: connection.redact(showStore(store)),
      error: store.error,
      isRecent: couldHoldCounters(store, span),
    })),
  };
}

async function readCounter(asking: Asking, batch: QueryBatch, service: Service): Promise<CounterFacts> {
  const plan = planQuery(batch);
  const { metric, query: selector, serviceLabel } = plan;
  const source = counterSourceOf(batch.template as NonNullable<QueryBatch['template']>);
  const wanted = new Set([
    ...source.endpointLabels,
    ...badMatchers(source).map(({ label }) => label),
    ...selectorKeys(service),
  ]);
  const [any] = await asking.vector(`topk(1, ${selector})`);
  const base = { metric, serviceLabel, labels: new Map(), labelNames: [], series: 0, oldestDays: 0 };
  const unknown = { scrapeMs: undefined, newestAgeMs: undefined, missingDays: undefined };
  if (any === undefined) {
    const serviceValues = new Map(await asking.seriesBy(serviceLabel, metric));
    serviceValues.delete('');
    return { ...base, ...unknown, serviceValues, absent: await readAbsent(asking, plan, service) };
  }
  const labels = new Map<string, Shares>();
  const { __name__: _, ...own } = any.labels;
  for (const label of wanted) {
    const values = await asking.seriesBy(label, selector);
    labels.set(label, values);
    const isThere = [...values.keys()].some((value) => value !== '');
    const near = isThere ? undefined : nearestLabel(label, Object.keys(own).filter(isLabelName));
    if (near !== undefined && !labels.has(near)) labels.set(near, await asking.seriesBy(near, selector));
  }
  // Names in UTF-8, such as http.route, need another syntax than selectors have elsewhere.
  const exact = Object.entries(own)
    .filter(([label]) => isLabelName(label))
    .map(([label, value]) => matcherText({ label, operator: '=', value }));
  const atMs = asking.now();
  const [samples] = readPoints(await asking.json(`${metric}{${exact.join(',')}}[${sampleSeconds}s]`));
  const times = samples?.points.map(([timeMs]) => timeMs) ?? [];
  const newestMs = times.at(-1);
  const [all] = await asking.vector(`count(${selector})`);
  const statuses = await readStatuses(asking, batch, selector);
  return {
    ...base,
    ...(statuses === undefined ? {} : { statuses }),
    serviceValues: new Map(),
    series: all?.value ?? 0,
    labels,
    labelNames: Object.keys(own),
    scrapeMs: scrapeIntervalOf(Float64Array.from(times)),
    newestAgeMs: newestMs === undefined ? undefined : atMs - newestMs,
    ...(await readOldest(asking, metric)),
  };
}

/** Undefined where no endpoint of the service has a definition of failure. */
async function readStatuses(
  asking: Asking,
  { template, services }: QueryBatch,
  selector: string,
): Promise<CounterFacts['statuses']> {
  const source = counterSourceOf(template as NonNullable<QueryBatch['template']>);
  const [label] = (services[0]?.failures ?? []).flatMap(
    ({ failure }) => statusLabelOf(source, failure) ?? [],
  );
  if (label === undefined) return undefined;
  const found = await asking.vector(
    `sum by (${[...source.endpointLabels, label].join(', ')}) (increase(${selector}[1d]))`,
  );
  const statuses = new Map<string, Map<string, number>>();
  for (const { labels, value } of found) {
    const endpoint = endpointIn(source, labels) ?? '';
    const own = statuses.get(endpoint) ?? new Map<string, number>();
    statuses.set(endpoint, own);
    const count = Math.round(value);
    if (count > 0) own.set(labelOf(labels, label), count);
  }
  return statuses;
}

async function readOldest(
  asking: Asking,
  metric: string,
): Promise<Pick<CounterFacts, 'oldestDays' | 'missingDays'>> {
  let oldestDays = 0;
  for (const days of probedDays) {
    const found = await asking.vector(`count(${metric} offset ${days}d)`);
    if (found.length === 0) return { oldestDays, missingDays: days };
    oldestDays = days;
  }
  return { oldestDays, missingDays: undefined };
}

async function readDay(
  asking: Asking,
  batch: QueryBatch,
  service: Service,
  fromMs: number,
  toMs: number,
): Promise<ServiceFacts> {
  const { connection, signal } = asking;
  asking.calls += 2;
  const found = await hourlyRoutes(connection, batch, service.name, fromMs, toMs, signal);
  const sum = (counts: ArrayLike<number>) => Array.from(counts).reduce((total, count) => total + count, 0);
  const all = [...found].map(([endpoint, { total, bad }]) => ({
    endpoint,
    total: sum(total),
    bad: sum(bad),
  }));
  const selectorValues = new Map<string, Shares>();
  for (const key of selectorKeys(service)) {
    asking.calls += 1;
    // With the hour that is not over: a canary may be minutes old.
    const untilMs = ceilTo(asking.now(), hourMs);
    const hits = await hourlyHits(connection, batch, key, untilMs - dayMs, untilMs, signal);
    const values = [...(hits.get(service.name) ?? [])].map(
      ([value, counts]) => [value, sum(counts)] as const,
    );
    selectorValues.set(key, byCount(new Map(values.filter(([, count]) => count > 0))));
  }
  const isGrouped =
    counterSourceOf(batch.template as NonNullable<QueryBatch['template']>).endpointLabels.length > 0;
  const routes = all.filter(({ endpoint, total }) => endpoint !== '' && total > 0);
  return {
    total: all.reduce((total, one) => total + one.total, 0),
    bad: all.reduce((total, one) => total + one.bad, 0),
    routes: isGrouped ? byCount(new Map(routes.map(({ endpoint, total }) => [endpoint, total]))) : undefined,
    selectorValues,
  };
}

/** Requests and failures of the CUJs that say themselves what fails, where all their services are measured here. Throws SourceError. */
async function readFailing(
  asking: Asking,
  registry: Registry,
  fromMs: number,
  toMs: number,
): Promise<BackendFacts['failing']> {
  const defined = [...registry.cujs.values()].filter(
    (cuj) =>
      cuj.objectives.availability !== undefined &&
      countedOf(cuj).some(({ failure }) => failure !== undefined),
  );
  const sides = new Map<string, SideCounts>();
  for (const name of new Set(defined.flatMap((cuj) => countedOf(cuj).map(({ service }) => service)))) {
    const batch = registry.batchOfService.get(name);
    const own = batch?.services.find(({ service }) => service.name === name);
    if (batch?.template === undefined || own === undefined) continue;
    if (own.service.dialect.backend !== prometheusDialect.backend) continue;
    asking.calls += 2 + (own.failures ?? []).length;
    const alone = { ...batch, services: [{ ...own, thresholds: [] }] };
    for (const [service, side] of await hourlyTraffic(asking.connection, alone, fromMs, toMs, asking.signal))
      sides.set(service, side);
  }
  const found = new Map<string, { total: number; bad: number }>();
  for (const cuj of defined) {
    const counted = countedOf(cuj);
    if (counted.some(({ service }) => !sides.has(service))) continue;
    const sum = (key: 'total' | 'bad') =>
      counted
        .flatMap((endpoint) => {
          const series = sliKinds.availability.seriesOf(sides.get(endpoint.service) as SideCounts, endpoint);
          return [...(series?.[key] ?? [])];
        })
        .reduce((a, b) => a + b, 0);
    found.set(cuj.name, { total: sum('total'), bad: sum('bad') });
  }
  return found;
}

function countedOf({ endpoints }: Cuj): readonly Endpoint[] {
  return endpointsCountedBy(sliKinds.availability, endpoints);
}

async function readRecordedSlos(
  asking: Asking,
  { environment = '' }: Registry,
): Promise<Map<string, number>> {
  const found = await asking.vector(recorded.objective);
  return new Map(
    found
      .filter(({ labels }) => labelOf(labels, 'environment') === environment)
      .map(({ labels, value }) => [
        ['cuj', 'sli', 'slo_window'].map((label) => labelOf(labels, label)).join(' '),
        Math.round(value * 100_000) / 1_000,
      ]),
  );
}

function failureOf(about: SurveyFailure['about'], error: unknown): SurveyFailure {
  if (!(error instanceof SourceError)) throw error;
  return { about, code: error.code, message: error.message, fix: error.hint };
}
