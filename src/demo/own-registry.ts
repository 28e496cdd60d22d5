import type { Cuj, Registry, Service } from '../domain/registry/model.ts';
import { likelyMistakesIn } from '../domain/registry/resolve-services.ts';
import { fillSelector, type SelectorTemplate } from '../domain/registry/selector.ts';
import type { FailureBy } from '../domain/sli/failure.ts';
import type { SliName } from '../domain/sli/table.ts';
import { SLOT_MS } from './datadog/points.ts';
import { type Random, seededRandom } from './datadog/random.ts';
import { RumIntake, type RumMetricDefinition } from './datadog/rum.ts';
import type { SpansMetricDefinition } from './datadog/spans.ts';
import type { EventStore, RequestSink, RequestStream } from './datadog/store.ts';
import { ClientTraffic } from './own-clients.ts';
import {
  type Incident,
  incidentErrorRate,
  longestWindowMs,
  planIncidents,
  type ServedEndpoint,
} from './past-incidents.ts';

/**
 * Traffic for the user's registry: canary and stable get requests on every endpoint with trace metrics, and views and actions on
 * every client, with the tags of the registry's selectors. The traffic is enough for a verdict, and only the chosen endpoint fails. What is most likely a
 * mistake is simulated as one: a tag or an operation that Datadog would not have is not there.
 */

/** An endpoint that gets traffic. */
export interface SimulatedEndpoint {
  readonly service: string;
  /** As written in the registry; for a CUJ of a whole service, a made-up route. */
  readonly label: string;
  readonly resource: string;
  /** Its CUJs, in the registry's order. */
  readonly cujs: readonly Cuj[];
}

export interface RegistryTraffic {
  /** Example values for the selectors' placeholders, by name. */
  readonly params: ReadonlyMap<string, string>;
  readonly endpoints: readonly SimulatedEndpoint[];
  /** Services without simulated traffic: their source is a template with the user's own metrics. */
  readonly notSimulated: readonly Service[];
}

export interface RegistryTrafficOptions {
  readonly store: EventStore;
  readonly seed: number;
  readonly registry: Registry;
  readonly traffic: RegistryTraffic;
  /** The metrics that are made of the clients' events. */
  readonly clientMetrics?: readonly RumMetricDefinition[];
  /** Metrics that are made of the spans of its services; default: none, so that such services have no data. */
  readonly spansMetrics?: readonly SpansMetricDefinition[];
  /** Fail for one request in five on the canary. */
  readonly broken: readonly SimulatedEndpoint[];
  /** Epoch ms; a day of history lies before it. */
  readonly nowMs: number;
}

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
/** The interval of older history, which is only used in total. */
const coarseMs = 10 * minuteMs;
/** The age of the rollout, long enough for a verdict with any window of the registry. */
const canaryAgeMs = 30 * minuteMs;
/** Minutes after which a clean canary has enough traffic for a pass. */
const minutesToPass = 10;
const minPerMinute = 60;
/** Stable's traffic for each request of the canary: a canary at 25%. */
const stableShare = 3;
const brokenRate = 0.2;
/** The threshold that is assumed if no CUJ has one. */
const ordinaryLatencyMs = 200;
/** Shares of the lowest threshold: all below it. */
const latencies: readonly (readonly [share: number, ofThreshold: number])[] = [
  [0.6, 0.2],
  [0.3, 0.35],
  [0.1, 0.6],
];
/** What ordinary failures and slow requests of the past use of the error budget. */
const pastBurn = 0.2;
/** No endpoint fails more than this without an incident. */
const ordinaryErrorRate = 0.0001;
/** How slow the slow ones are, as a multiple of the lowest threshold. */
const slowOfThreshold = 2;
/** Endpoints times hours of the past. */
const maxPastSteps = 150_000;
/** Routes of a service that is judged as a whole and has too few endpoints. */
const madeUpRoutes = ['GET /demo/home', 'GET /demo/items', 'POST /demo/items'];

/** The traffic to simulate for a registry, for some of its services, and the values of the selectors' placeholders. Pure. */
export function planTraffic(
  registry: Registry,
  isSimulated: (service: Service) => boolean = hasTraces,
): RegistryTraffic {
  const cujs = [...registry.cujs.values()];
  const named = new Set(cujs.flatMap((cuj) => cuj.services));
  const services = [...registry.services.values()].filter(({ name }) => named.has(name));
  const endpoints: SimulatedEndpoint[] = [];
  for (const { name, dialect } of services.filter(isSimulated)) {
    const labels = new Map<string, string>();
    for (const { service, resource, label } of cujs.flatMap((cuj) => cuj.endpoints)) {
      if (service === name && resource !== '*' && !labels.has(resource)) labels.set(resource, label);
    }
    const isWhole = ({ service, resource }: Cuj['endpoints'][number]) => service === name && resource === '*';
    if (labels.size < madeUpRoutes.length && cujs.some((cuj) => cuj.endpoints.some(isWhole))) {
      for (const route of madeUpRoutes) labels.set(dialect.storedTagValue(route), route);
    }
    for (const [resource, label] of labels) {
      const counts = (cuj: Cuj) =>
        cuj.endpoints.some((one) => isWhole(one) || (one.service === name && one.resource === resource));
      endpoints.push({ service: name, label, resource, cujs: cujs.filter(counts) });
    }
  }
  return {
    params: exampleParams(services),
    endpoints,
    notSimulated: services.filter((service) => !isSimulated(service)),
  };
}

function hasTraces({ operation, client }: Service): boolean {
  return operation !== undefined || client !== undefined;
}

/**
 * The endpoints of `--break`: a CUJ's last endpoint, an endpoint as written (in every service that has it), `none`, or by
 * default the last endpoint of the first enforced CUJ. Undefined for unknown names.
 */
export function brokenBy(
  choice: string | undefined,
  registry: Registry,
  { endpoints }: RegistryTraffic,
): readonly SimulatedEndpoint[] | undefined {
  if (choice === 'none') return [];
  const lastOf = (cuj: Cuj) => {
    // A client's views and actions come last, and break by their own names.
    const isClient = ({ service }: Cuj['endpoints'][number]) =>
      registry.services.get(service)?.client !== undefined;
    const reversed = [...cuj.endpoints].reverse();
    const written = [...reversed.filter((one) => !isClient(one)), ...reversed.filter(isClient)];
    for (const { service, resource } of written) {
      const found = endpoints.findLast(
        (one) => one.service === service && (resource === '*' || one.resource === resource),
      );
      if (found !== undefined) return [found];
    }
    return [];
  };
  if (choice === undefined) {
    const cujs = [...registry.cujs.values()];
    const inOrder = [...cujs.filter(({ mode }) => mode === 'enforce'), ...cujs];
    return inOrder.map(lastOf).find((found) => found.length > 0) ?? [];
  }
  const cuj = registry.cujs.get(choice);
  const isChoice = ({ service, label, resource }: SimulatedEndpoint) =>
    label === choice || resource === registry.services.get(service)?.dialect.storedTagValue(choice);
  const found = cuj === undefined ? endpoints.filter(isChoice) : lastOf(cuj);
  return found.length > 0 ? found : undefined;
}

/**
 * Example values: `version` is v2 and `stable_version` v1, `hash` is hash-2. No two placeholders have the same one, nor
 * one that a selector names as it stands.
 */
function exampleParams(services: readonly Service[]): Map<string, string> {
  const templates = services.flatMap(({ canary, stable }) => [canary, ...(stable ? [stable] : [])]);
  const taken = new Set(
    templates.flatMap(({ terms }) =>
      terms.flatMap(({ parts }) => parts.filter((part) => typeof part === 'string')),
    ),
  );
  const params = new Map<string, string>();
  const give = (template: SelectorTemplate | undefined, from: number) => {
    for (const param of template?.params ?? []) {
      if (params.has(param)) continue;
      const base = param.replace(/^(stable|canary)_(?=.)/, '').replaceAll('_', '-');
      const example = (at: number) => (base === 'version' ? `v${at}` : `${base}-${at}`);
      let at = from;
      while (taken.has(example(at))) at += 1;
      taken.add(example(at));
      params.set(param, example(at));
    }
  };
  for (const { canary } of services) give(canary, 2);
  for (const { stable } of services) give(stable, 1);
  return params;
}

/**
 * Starts the traffic: a day of stable and half an hour of the canary, continued as time advances. Before that day lie the
 * SLO windows of the registry, with the incidents that have used up its error budgets.
 */
export function simulateRegistry(options: RegistryTrafficOptions): { advanceTo(epochMs: number): void } {
  const { registry, traffic, nowMs } = options;
  for (const metric of options.spansMetrics ?? []) options.store.spansMetrics.define(metric);
  const random = seededRandom(options.seed);
  const gates = [...registry.cujs.values()].map(({ gate }) => gate);
  const began = Math.floor(nowMs / minuteMs) * minuteMs;
  const canaryBegan =
    began - canaryAgeMs - Math.ceil(Math.max(...gates.map(({ lagMs }) => lagMs)) / minuteMs) * minuteMs;
  const fineFrom = Math.min(canaryBegan, began - Math.max(...gates.map(({ maxWindowMs }) => maxWindowMs)));
  const isClient = ({ service }: SimulatedEndpoint) => registry.services.get(service)?.client !== undefined;
  const servers = traffic.endpoints
    .filter((endpoint) => !isClient(endpoint))
    .map((endpoint) => new EndpointTraffic(options, endpoint));
  const clients = clientsOf(options, traffic.endpoints.filter(isClient));
  const serve = (at: number, spanMs: number) => {
    for (const one of [...servers, ...clients]) one.serve(at, spanMs / minuteMs, at >= canaryBegan, random);
  };
  const pastEnd = Math.min(began - dayMs, fineFrom - coarseMs);
  servePast(options, servers, began, pastEnd);
  const pastRandom = seededRandom(options.seed);
  for (let at = began - longestWindowMs(registry); clients.length > 0 && at + hourMs <= pastEnd; at += hourMs)
    for (const client of clients) client.servePast(at, hourMs, pastRandom);
  for (let at = began - dayMs; at + coarseMs <= fineFrom - coarseMs; at += coarseMs) serve(at, coarseMs);
  let next = fineFrom - coarseMs;
  return {
    advanceTo: (epochMs) => {
      for (; next < epochMs; next += SLOT_MS) serve(next, SLOT_MS);
    },
  };
}

/** The weeks before the day, with a random sequence of their own. */
function servePast(
  options: RegistryTrafficOptions,
  endpoints: readonly EndpointTraffic[],
  began: number,
  end: number,
): void {
  const { registry, seed } = options;
  const spanMs = longestWindowMs(registry);
  const incidents = planIncidents(registry, {
    seed,
    endpoints: endpoints.map((endpoint) => endpoint.past),
    broken: options.broken.flatMap(({ cujs }) => cujs),
    nowMs: began,
  });
  const random = seededRandom(seed);
  // A large registry is served in longer steps, so that the demo still starts soon.
  const stepHours = Math.ceil((endpoints.length * spanMs) / hourMs / maxPastSteps);
  const stepMs = Math.max(1, stepHours) * hourMs;
  const served = endpoints.map((endpoint) => {
    const { service, resource } = endpoint.past;
    return {
      endpoint,
      its: incidents.filter((one) => one.service === service && one.resource === resource),
    };
  });
  for (let at = began - spanMs; at + stepMs <= end; at += stepMs) {
    for (const { endpoint, its } of served) endpoint.servePast(at, stepMs, its, random);
  }
}

function clientsOf(
  { store, registry, traffic, broken, clientMetrics = [] }: RegistryTrafficOptions,
  endpoints: readonly SimulatedEndpoint[],
): ClientTraffic[] {
  const rum = new RumIntake(store);
  for (const metric of clientMetrics) rum.define(metric);
  return endpoints.map((endpoint) => {
    const service = registry.services.get(endpoint.service) as Service;
    const scopeTags = Object.fromEntries((service.tags ?? []).map(({ key, value }) => [key, value]));
    const sideTags = (side: 'canary' | 'stable') => ({
      version: exampleVersions[side],
      ...scopeTags,
      ...tagsOf(side, service, traffic.params),
    });
    return new ClientTraffic({
      rum,
      registry,
      endpoint,
      perMinute: Math.max(minPerMinute, ...endpoint.cujs.map((cuj) => canaryPerMinute(cuj, service))),
      stableShare,
      brokenRate: broken.includes(endpoint) ? brokenRate : 0,
      tags: { canary: sideTags('canary'), stable: sideTags('stable') },
    });
  });
}

/** Both sides of one endpoint. */
export class EndpointTraffic {
  /** Stable in the weeks before the day. */
  readonly past: ServedEndpoint;
  readonly #slowShare: number;
  readonly #perMinute: number;
  readonly #stableErrorRate: number;
  readonly #canaryErrorRate: number;
  readonly #latencyMs: number;
  readonly #stream: (side: 'canary' | 'stable', isFailed: boolean) => RequestStream;
  /** Whether failed requests are marked as errors. */
  readonly #marksErrors: boolean;

  constructor(
    {
      store,
      registry,
      traffic,
      broken,
    }: Pick<RegistryTrafficOptions, 'registry' | 'traffic' | 'broken'> & { readonly store: RequestSink },
    endpoint: SimulatedEndpoint,
  ) {
    const service = registry.services.get(endpoint.service) as Service;
    this.#perMinute = Math.max(minPerMinute, ...endpoint.cujs.map((cuj) => canaryPerMinute(cuj, service)));
    const budgets = endpoint.cujs.flatMap(({ objectives }) =>
      Object.values(objectives).map(({ budget }) => budget),
    );
    // A few failures, far below every SLO.
    this.#stableErrorRate = Math.min(ordinaryErrorRate, ...budgets) / 10;
    this.#canaryErrorRate = broken.includes(endpoint) ? brokenRate : 0;
    const written = endpoint.cujs.flatMap((cuj) =>
      cuj.endpoints.filter(
        ({ service: of, resource }) =>
          of === endpoint.service && (resource === '*' || resource === endpoint.resource),
      ),
    );
    const thresholds = written.flatMap(({ latencyMs }) => latencyMs ?? []);
    const kinds = written.flatMap(({ failure }) => failure?.by ?? []);
    const failed = failedOutcome(kinds);
    this.#marksErrors = failed.statusCode >= 500 || kinds.some(({ kind }) => kind === 'errors');
    this.#latencyMs = thresholds.length === 0 ? ordinaryLatencyMs : Math.min(...thresholds);
    const tightest = (sli: SliName) =>
      Math.min(1, ...endpoint.cujs.flatMap(({ objectives }) => objectives[sli]?.budget ?? []));
    this.#slowShare = thresholds.length === 0 ? 0 : tightest('latency') * pastBurn;
    this.past = {
      service: endpoint.service,
      resource: endpoint.resource,
      perHour: this.#perMinute * stableShare * 60,
      errorRate: Math.min(ordinaryErrorRate, tightest('availability') * pastBurn),
    };
    const { env, name } = service;
    const { operation, hasStatus, missingTags } = asDatadogHasIt(service);
    const scopeTags = (service.tags ?? []).map(({ key, value }) => [key, value] as const);
    const sideTags = (side: 'canary' | 'stable') =>
      Object.fromEntries([
        ...scopeTags,
        ...Object.entries(tagsOf(side, service, traffic.params)).filter(([key]) => !missingTags.has(key)),
      ]);
    const tags = { canary: sideTags('canary'), stable: sideTags('stable') };
    const streams = new Map<string, RequestStream>();
    this.#stream = (side, isFailed) => {
      // Opened on first use: without failures Datadog has no series of failures either.
      const outcome = isFailed
        ? failed
        : { statusCode: 200, ...(failed.grpcCode === undefined ? {} : { grpcCode: 0 }) };
      const { statusCode, ...grpc } = outcome;
      const stream =
        streams.get(`${side} ${isFailed}`) ??
        store.requests({
          env,
          service: name,
          version: exampleVersions[side],
          operation,
          resource: resourceOf(service, endpoint.label),
          ...(hasStatus ? { statusCode } : {}),
          ...grpc,
          // Last of all tags, so that a selector's service: or env: replaces the service's own.
          [service.spans === undefined ? 'primaryTags' : 'spanTags']: {
            ...tags[side],
            ...(service.spans?.endpointTag === undefined
              ? {}
              : { [service.spans.endpointTag]: endpoint.label }),
          },
        });
      streams.set(`${side} ${isFailed}`, stream);
      return stream;
    };
  }

  serve(at: number, minutes: number, isCanaryThere: boolean, random: Random): void {
    const mean = this.#perMinute * minutes;
    this.#serve('stable', at, random.poisson(mean * stableShare), this.#stableErrorRate, random);
    if (isCanaryThere) this.#serve('canary', at, random.poisson(mean), this.#canaryErrorRate, random);
  }

  /** Stable's requests of a span of the weeks before; the incidents are this endpoint's. */
  servePast(at: number, spanMs: number, incidents: readonly Incident[], random: Random): void {
    const { perHour, errorRate } = this.past;
    const requests = random.poisson((perHour * spanMs) / hourMs);
    const slow = random.binomial(requests, this.#slowShare);
    const failing = Math.min(1, errorRate + incidentErrorRate(incidents, at, spanMs));
    this.#serve('stable', at + spanMs / 2, requests, failing, random, slow);
  }

  #serve(
    side: 'canary' | 'stable',
    at: number,
    requests: number,
    errorRate: number,
    random: Random,
    slow = 0,
  ): void {
    const failed = random.binomial(requests, errorRate);
    for (const [isFailed, count] of [
      [false, requests - failed],
      [true, failed],
    ] as const) {
      if (count === 0) continue;
      const slowHere = isFailed ? 0 : Math.min(slow, count);
      let left = count - slowHere;
      const durations = latencies.map(([share, ofThreshold], index) => {
        const here = index === latencies.length - 1 ? left : Math.round((count - slowHere) * share);
        left -= here;
        return [(this.#latencyMs * ofThreshold) / 1000, here] as const;
      });
      if (slowHere > 0) durations.push([(this.#latencyMs * slowOfThreshold) / 1000, slowHere]);
      const errors = isFailed && this.#marksErrors ? count : 0;
      this.#stream(side, isFailed).record({ at, count, durations, errors });
    }
  }
}

/** How requests fail that are failures by all definitions of an endpoint, as far as one response can be. */
function failedOutcome(definitions: readonly FailureBy[]): {
  readonly statusCode: number;
  readonly grpcCode?: number;
} {
  const lists = definitions.filter((by) => by.kind === 'http');
  const [only] = lists.some(({ classes }) => classes.includes(5)) ? [] : lists;
  const statusCode = only === undefined ? 500 : (only.codes[0] ?? 100 * (only.classes[0] ?? 5));
  const [grpc] = definitions.filter((by) => by.kind === 'grpc');
  if (grpc === undefined) return { statusCode };
  return { statusCode, grpcCode: grpc.codes.includes(unavailable) ? unavailable : (grpc.codes[0] as number) };
}

/** The status of gRPC of a server that is not there. */
const unavailable = 14;

const exampleVersions = { canary: 'v2', stable: 'v1' } as const;

/** What Datadog would have of a service, as far as its text shows a mistake. */
function asDatadogHasIt(service: Service) {
  const actual = likelyMistakesIn(service).map((mistake) => mistake.actual);
  const other = actual.find((one) => one.kind === 'operation');
  return {
    operation: other?.operation ?? service.operation ?? '',
    hasStatus: actual.every(({ kind }) => kind !== 'no-status'),
    missingTags: new Set(actual.flatMap((one) => (one.kind === 'no-tag' ? [one.key] : []))),
  };
}

/** A route as the framework of the service's operation writes it, where that is known. */
function resourceOf({ dialect, operation = '' }: Service, label: string): string {
  const style = dialect.routeParameters?.(operation);
  if (style === 'colons') return label.replace(/\{([^{}/]*)\}/g, ':$1');
  if (style === 'brackets')
    return label.replace(/\{([^{}/]*)\}/g, '[$1]').replace(/\/:([A-Za-z_]\w*)/g, '/[$1]');
  return style === 'braces' ? label.replace(/\/:([A-Za-z_]\w*)/g, '/{$1}') : label;
}

/** Requests per minute with which a clean canary passes this CUJ in time, with some margin. */
function canaryPerMinute({ gate, objectives }: Cuj, { sampleRate, dispersion = 1 }: Service): number {
  const spanMs = Math.min(
    minutesToPass * minuteMs,
    gate.maxWindowMs,
    gate.window === 'rollout' ? Infinity : gate.window,
  );
  const strictest = Math.min(...Object.values(objectives).map(({ budget }) => budget));
  // Without a bad event the 95% upper bound of the rate is 3/n.
  const weighed = (8 * dispersion) / (gate.ruleOutBurn * strictest);
  return (Math.max(weighed, 2 * gate.minRequests) / sampleRate) * (minuteMs / spanMs);
}

/** The tags of one side: those of its selector. A tag that only the other side's selector has gets a different value. */
function tagsOf(
  side: 'canary' | 'stable',
  service: Service,
  params: ReadonlyMap<string, string>,
): Record<string, string> {
  const termsOf = (template: SelectorTemplate | undefined) =>
    template === undefined ? [] : fillSelector(template, params, service.dialect).terms;
  const canary = termsOf(service.canary);
  const stable = termsOf(service.stable);
  const [own, other] = side === 'canary' ? [canary, stable] : [stable, canary];
  const tags: Record<string, string> = {};
  for (const { key, value } of other) {
    // The service and env of this side differ from those already.
    if (key === 'service' || key === 'env') continue;
    const unlike = key === 'version' ? exampleVersions[side] : side;
    tags[key] = unlike === value ? `${unlike}-other` : unlike;
  }
  for (const { key, value } of own) tags[key] = value;
  return tags;
}
