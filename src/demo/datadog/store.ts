import { type AgentLateness, Agents } from './agents.ts';
import { hash32, normaliseTagValue } from './normalise.ts';
import { Points, SLOT_MS } from './points.ts';
import { SpansMetrics } from './spans.ts';

export type MetricType = 'count' | 'distribution';

export interface Series {
  readonly tags: ReadonlyMap<string, string>;
  /** Whose agents sent it; the tags may lack it. */
  readonly host: string;
  readonly points: Points;
}

export interface Metric {
  readonly name: string;
  readonly type: MetricType;
  readonly series: readonly Series[];
}

/** The service of a request and its outcome. Names and values are raw: the store normalises them like Datadog's agent. */
export interface RequestIdentity {
  readonly operation: string;
  readonly env: string;
  readonly service: string;
  readonly version: string;
  /** The span's resource before normalisation: `POST /api/v1/signup`. */
  readonly resource: string;
  /** Without it, the span has no `http.status_code`, like spans of gRPC. */
  readonly statusCode?: number;
  /** 0 to 16, as the agent stores it whatever the tracer wrote. Without it, the span has no `rpc.grpc.status_code`. */
  readonly grpcCode?: number;
  /** Also decides which agents send the counts; without it, each version of a service has agents of its own. */
  readonly host?: string;
  /** Additional primary tags, such as `{ role: 'canary' }`. Span tags are not part of trace metrics. */
  readonly primaryTags?: Readonly<Record<string, string>>;
  /** Tags that the application sets on the span: trace metrics do not have them, metrics made of spans may. */
  readonly spanTags?: Readonly<Record<string, string>>;
}

/** Requests of one identity with their times. They are counted when they end, as the agents do. */
export type RequestBatch = RequestOutcomes & (EndedRequests | StartedRequests);

export interface EndedRequests {
  /** When they ended, epoch milliseconds, anywhere in the 10 s slot. */
  readonly at: number;
}

export interface StartedRequests {
  /** When they began, epoch milliseconds. Each ends, and is counted, after its own duration. */
  readonly startedAt: number;
}

interface RequestOutcomes {
  /** Requests; 1 when left out. */
  readonly count?: number;
  /** Spans flagged as errors; when left out, all of a 5XX and none of anything else. */
  readonly errors?: number;
  /** [seconds, requests] pairs; when left out, every request took 50 ms. */
  readonly durations?: ReadonlyArray<readonly [seconds: number, requests: number]>;
}

/** The stream for the requests of one identity; callers that write millions reuse it. */
export interface RequestStream {
  record(batch: RequestBatch): void;
}

/** What simulated traffic is written into: Datadog's store, or pods that Prometheus scrapes. */
export interface RequestSink {
  requests(identity: RequestIdentity): RequestStream;
  /** Of metrics beside the requests; absent where all metrics are made of the requests. */
  addCount?(metric: string, at: number, amount: number, tags: Readonly<Record<string, string>>): void;
}

export interface StoreOptions {
  /** The clock, epoch milliseconds. */
  readonly now: () => number;
  /**
   * When a 10 s slot can be seen: so many ms after its end, as a whole and for all series alike, or as agents send it.
   * 25,000 by default.
   */
  readonly lateness?: number | AgentLateness;
  /** Rounds the values of distributions as a sketch would: 0.01 is Datadog's 1%. 0 (exact) by default. */
  readonly sketchError?: number;
}

/** Delayed ingestion of all series, in epoch milliseconds. */
export interface IngestionDelay {
  /** When ingestion stops: data that is newer than what was visible then does not arrive. */
  readonly fromMs: number;
  /** When ingestion resumes. */
  readonly untilMs: number;
  /** How long the delayed data takes to arrive; default: 0, at once. */
  readonly catchUpMs?: number;
}

interface MutableMetric extends Metric {
  readonly series: Series[];
  readonly byKey: Map<string, Series>;
}

/** All submitted data by metric and series, and how much of it is visible now. */
export class EventStore implements RequestSink {
  readonly #now: () => number;
  /** After the end of a slot, where all are seen as a whole. */
  readonly #fixedMs: number;
  readonly #agents: Agents | undefined;
  readonly #sketchError: number;
  readonly #metrics = new Map<string, MutableMetric>();
  readonly #streams = new Map<string, RequestStream>();
  /** Metrics that are made of the spans of the requests: define them before the requests. */
  readonly spansMetrics = new SpansMetrics();
  #delay: IngestionDelay | undefined;

  constructor(options: StoreOptions) {
    this.#now = options.now;
    const { lateness = 25_000 } = options;
    this.#fixedMs = typeof lateness === 'number' ? lateness : 0;
    this.#agents = typeof lateness === 'number' ? undefined : new Agents(lateness);
    this.#sketchError = options.sketchError ?? 0;
  }

  /** The first slot of which nothing can be visible yet: no agent has flushed it. */
  get visibleEndSlot(): number {
    const ingestedMs = this.#ingestedMs();
    if (this.#agents === undefined) return Math.floor((ingestedMs - this.#fixedMs) / SLOT_MS);
    return Math.floor((ingestedMs - this.#agents.minDelayMs) / SLOT_MS) + 1;
  }

  /** Slots before this one are visible as a whole, those from it on perhaps in part. */
  get #completeEndSlot(): number {
    if (this.#agents === undefined) return this.visibleEndSlot;
    return Math.floor((this.#ingestedMs() - this.#agents.maxDelayMs) / SLOT_MS) + 1;
  }

  /** Calls back for every entry of a series with from ≤ slot < to, with the amount that is visible now. */
  forEachVisible(
    { host, points }: Series,
    fromSlot: number,
    toSlot: number,
    visit: (slot: number, amount: number, value: number) => void,
  ): void {
    const completeEndSlot = this.#completeEndSlot;
    points.forEach(fromSlot, Math.min(toSlot, completeEndSlot), visit);
    if (this.#agents === undefined) return;
    const arrived = this.#agents.arrivedOf(host, this.#ingestedMs());
    const partsFrom = Math.max(fromSlot, completeEndSlot);
    points.forEach(partsFrom, Math.min(toSlot, this.visibleEndSlot), (slot, amount, value) => {
      const part = arrived(slot, amount);
      if (part > 0) visit(slot, part, value);
    });
  }

  /** Whether any point of a series since a slot is visible now. */
  hasVisible(series: Series, fromSlot: number): boolean {
    let isVisible = series.points.hasAny(fromSlot, this.#completeEndSlot);
    const newestFrom = Math.max(fromSlot, this.#completeEndSlot);
    if (!isVisible)
      this.forEachVisible(series, newestFrom, this.visibleEndSlot, () => {
        isVisible = true;
      });
    return isVisible;
  }

  /** Ingestion stops and catches up later; undefined: no delay. One delay at a time. */
  delayIngestion(delay: IngestionDelay | undefined): void {
    this.#delay = delay;
  }

  /** The time up to which submissions are visible: now, unless ingestion is delayed. */
  #ingestedMs(): number {
    const now = this.#now();
    if (this.#delay === undefined) return now;
    const { fromMs, untilMs, catchUpMs = 0 } = this.#delay;
    if (now < fromMs || now >= untilMs + catchUpMs) return now;
    if (now < untilMs) return fromMs;
    return fromMs + ((now - untilMs) / catchUpMs) * (untilMs + catchUpMs - fromMs);
  }

  metric(name: string): Metric | undefined {
    return this.#metrics.get(name);
  }

  /** The names of metrics with a visible point at or after `fromMs`, sorted. */
  activeMetrics(fromMs: number): string[] {
    const from = Math.max(0, Math.floor(fromMs / SLOT_MS));
    const active = [...this.#metrics.values()].filter((metric) =>
      metric.series.some((series) => this.hasVisible(series, from)),
    );
    return active.map((metric) => metric.name).sort();
  }

  /** Submits to a plain count metric with any tags. Without a host, all such metrics have the same agents. */
  addCount(metric: string, at: number, amount: number, tags: Readonly<Record<string, string>>): void {
    const series = this.#series(metric, 'count', normalisedTags(tags), tags.host ?? '');
    series.points.add(slotOf(at), amount);
  }

  /** Submits requests: `trace.<op>.hits`, `.errors`, `.hits.by_http_status` and the distribution `trace.<op>`. */
  recordRequests(event: RequestIdentity & RequestBatch): void {
    this.requests(event).record(event);
  }

  /** The stream of one identity. */
  requests(identity: RequestIdentity): RequestStream {
    const { operation, env, service, version, resource, statusCode, grpcCode, host } = identity;
    const { primaryTags, spanTags } = identity;
    const of = [
      operation,
      env,
      service,
      version,
      resource,
      statusCode,
      grpcCode,
      host,
      primaryTags,
      spanTags,
    ];
    const key = JSON.stringify(of);
    const known = this.#streams.get(key);
    if (known) return known;
    const stream = this.#openStream(identity);
    this.#streams.set(key, stream);
    return stream;
  }

  #openStream(identity: RequestIdentity): RequestStream {
    const { operation, env, service, version, resource, statusCode, grpcCode, host, primaryTags } = identity;
    const resourceName = normaliseTagValue(resource);
    // Without host, gRPC status and status class: the distribution has the smallest tag set of the four metrics.
    const spanTags = normalisedTags({
      env,
      service,
      version,
      resource: hash32(resourceName).toString(16).padStart(8, '0'),
      resource_name: resourceName,
      ...(statusCode === undefined ? {} : { 'http.status_code': String(statusCode) }),
      ...primaryTags,
    });
    const countTags: [string, string][] = [
      ...(host === undefined ? [] : [['host', normaliseTagValue(host)] satisfies [string, string]]),
      ...(grpcCode === undefined
        ? []
        : [['rpc.grpc.status_code', String(grpcCode)] satisfies [string, string]]),
    ];
    const hostTags = countTags.length === 0 ? spanTags : new Map([...spanTags, ...countTags]);
    const sender = host ?? `${service} ${version}`;
    const hits = this.#series(`trace.${operation}.hits`, 'count', hostTags, sender).points;
    if (statusCode !== undefined) {
      const classTags = new Map([...hostTags, ['http.status_class', `${Math.floor(statusCode / 100)}xx`]]);
      // The status class follows from the code, so both metrics hold the same numbers: share them.
      this.#series(`trace.${operation}.hits.by_http_status`, 'count', classTags, sender, hits);
    }
    const latency = this.#series(`trace.${operation}`, 'distribution', spanTags, sender).points;
    let errorPoints: Points | undefined;
    const countSpans = this.#spanCounter(identity, sender);
    const count = (slot: number, requests: number, errors: number): void => {
      hits.add(slot, requests);
      countSpans(slot, requests, errors);
      if (errors <= 0) return;
      errorPoints ??= this.#series(`trace.${operation}.errors`, 'count', hostTags, sender).points;
      errorPoints.add(slot, errors);
    };

    return {
      record: (batch) => {
        const { count: requests = 1, errors = (statusCode ?? 0) >= 500 ? requests : 0 } = batch;
        if (requests === 0) return;
        const durations = batch.durations ?? [[0.05, requests] as const];
        if ('at' in batch) count(slotOf(batch.at), requests, errors);
        let left = errors;
        for (const [seconds, ofDuration] of durations) {
          if (ofDuration <= 0) continue;
          const slot = slotOf('at' in batch ? batch.at : batch.startedAt + seconds * 1000);
          latency.add(slot, ofDuration, this.#sketched(seconds));
          if ('at' in batch) continue;
          // Which of the requests were flagged is not said: the first ones.
          const flagged = Math.min(left, ofDuration);
          count(slot, ofDuration, flagged);
          left -= flagged;
        }
      },
    };
  }

  /** Counts the spans of one identity in the metrics that are made of them; all spans are ingested. */
  #spanCounter(identity: RequestIdentity, sender: string) {
    const { operation, env, service, version, resource, statusCode, grpcCode } = identity;
    const span = {
      operation_name: operation,
      env,
      service,
      version,
      resource_name: resource,
      ...(statusCode === undefined ? {} : { 'http.status_code': statusCode }),
      ...(grpcCode === undefined ? {} : { 'rpc.grpc.status_code': grpcCode }),
      ...identity.primaryTags,
      ...identity.spanTags,
    };
    const pointsOf = (status: 'ok' | 'error') =>
      this.spansMetrics
        .countedBy({ ...span, status })
        .map(({ name, tags }) => this.#series(name, 'count', normalisedTags(tags), sender).points);
    let known = -1;
    let points: { readonly ok: readonly Points[]; readonly error: readonly Points[] } | undefined;
    return (slot: number, requests: number, errors: number): void => {
      if (this.spansMetrics.version === 0) return;
      if (known !== this.spansMetrics.version) points = undefined;
      known = this.spansMetrics.version;
      points ??= { ok: pointsOf('ok'), error: pointsOf('error') };
      if (requests > errors) for (const one of points.ok) one.add(slot, requests - errors);
      if (errors > 0) for (const one of points.error) one.add(slot, errors);
    };
  }

  #sketched(value: number): number {
    if (this.#sketchError === 0 || value <= 0) return value;
    const gamma = (1 + this.#sketchError) / (1 - this.#sketchError);
    return gamma ** Math.round(Math.log(value) / Math.log(gamma));
  }

  #series(
    name: string,
    type: MetricType,
    tags: ReadonlyMap<string, string>,
    host: string,
    points?: Points,
  ): Series {
    let metric = this.#metrics.get(name);
    if (metric === undefined) {
      metric = { name, type, series: [], byKey: new Map() };
      this.#metrics.set(name, metric);
    }
    if (metric.type !== type) throw new Error(`metric ${name} is a ${metric.type}, not a ${type}`);
    // Distributions carry no host: those of two hosts have the same tags, and still arrive apart.
    const key = [...[...tags].map(([tag, value]) => `${tag}:${value}`).sort(), host].join('\n');
    let series = metric.byKey.get(key);
    if (series === undefined) {
      series = { tags, host, points: points ?? new Points(type) };
      metric.series.push(series);
      metric.byKey.set(key, series);
    }
    return series;
  }
}

const slotOf = (epochMs: number): number => Math.floor(epochMs / SLOT_MS);

function normalisedTags(tags: Readonly<Record<string, string>>): Map<string, string> {
  return new Map(Object.entries(tags).map(([key, value]) => [key, normaliseTagValue(value)]));
}
