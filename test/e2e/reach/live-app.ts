import { APP_ROUTES } from '../../../src/demo/datadog/app-routes.ts';
import { seededRandom } from '../../../src/demo/datadog/random.ts';
import { startDatadogSimulator } from '../../../src/demo/datadog/simulator.ts';
import { EventStore, type RequestSink } from '../../../src/demo/datadog/store.ts';
import { recentStepMs } from '../../../src/domain/metrics/metrics-source.ts';
import type { Registry } from '../../../src/domain/registry/model.ts';
import { type DrawnCounts, type Route, Traffic, type Truth } from '../../simulate-rollouts/traffic.ts';
import { datadogEnv } from '../datadog.ts';
import type { ScenarioContext } from '../scenario.ts';
import { startLivePrometheus } from './live-prometheus.ts';
import type { WeightChange } from './observer.ts';

export interface LiveAppOptions {
  registry: Registry;
  /** Of the whole app, the same all the time. */
  requestsPerSecond: number;
  /** Decides how late payloads are, and with the service the traffic of each release. */
  seed: number;
}

/** What the traffic of an app in real time is written into. */
export interface LiveBackend {
  readonly sink: RequestSink;
  /** The settings by which a gate asks it. */
  readonly gateEnv: Record<string, string>;
  /** Traffic is drawn so long before, or below 0 after, the end of its bucket, in ms. */
  readonly aheadMs: number;
  /** Is told when the past of a release has been written. */
  storePast(): Promise<void>;
}

/** A weight may be seen this late, in ms: buckets are drawn when those of their time are known. */
const graceMs = 2_000;

/**
 * The demo's app in real time. Datadog's simulator sees it as late as agents are, a few payloads minutes late; a real Prometheus
 * scrapes its pods. What a rollout's traffic is follows from the weights that Argo has set.
 */
export class LiveApp {
  readonly gateEnv: Record<string, string>;
  readonly #options: LiveAppOptions;
  readonly #backend: LiveBackend;
  readonly #context: ScenarioContext;
  readonly #released = new Set<string>();

  private constructor(context: ScenarioContext, options: LiveAppOptions, backend: LiveBackend) {
    this.#context = context;
    this.#options = options;
    this.#backend = backend;
    this.gateEnv = backend.gateEnv;
  }

  static async start(context: ScenarioContext, options: LiveAppOptions): Promise<LiveApp> {
    const backend =
      context.backend === 'datadog'
        ? await startLiveDatadog(context, options.seed)
        : await startLivePrometheus(context, 'prometheus');
    return new LiveApp(context, options, backend);
  }

  /** The services that are going to have a release: their traffic is that of their releases alone. */
  willRelease(services: readonly string[]): void {
    for (const service of services) this.#released.add(service);
  }

  /** Writes two hours of stable's traffic, and from now on that of both sides. */
  async begin(service: string, truth: Truth, stable: string): Promise<LiveTraffic> {
    this.#released.add(service);
    const live = new LiveTraffic(this.#options, this.#backend, { service, truth, stable }, (name) =>
      this.#released.has(name),
    );
    this.#context.onEnd(() => live.stop());
    await this.#backend.storePast();
    return live;
  }
}

async function startLiveDatadog({ onEnd }: ScenarioContext, seed: number): Promise<LiveBackend> {
  const store = new EventStore({ now: Date.now, lateness: { seed } });
  const simulator = await startDatadogSimulator({ now: Date.now, store });
  onEnd(() => simulator.stop());
  return {
    sink: store,
    gateEnv: datadogEnv(simulator.url),
    aheadMs: -graceMs,
    storePast: async () => {},
  };
}

interface Released {
  readonly service: string;
  readonly truth: Truth;
  /** The version of stable. */
  readonly stable: string;
}

/** The traffic of one release. */
export class LiveTraffic {
  /** The version of the canary; needed before it has traffic. */
  canary = '';
  /** Failed requests to the endpoints at fault, by bucket. */
  readonly #failures: { readonly fromMs: number; readonly bad: number }[] = [];
  readonly #backend: LiveBackend;
  readonly #released: Released;
  readonly #isReleased: (service: string) => boolean;
  readonly #traffic: Traffic;
  readonly #timer: NodeJS.Timeout;
  /** Everything until this time is drawn, epoch ms. */
  drawnUntilMs = 0;

  constructor(
    { registry, requestsPerSecond, seed }: LiveAppOptions,
    backend: LiveBackend,
    released: Released,
    isReleased: (service: string) => boolean,
  ) {
    this.#backend = backend;
    this.#released = released;
    this.#isReleased = isReleased;
    const { service, truth } = released;
    this.#traffic = new Traffic({
      ...{ registry, service, requestsPerSecond, truth, startMs: Date.now() },
      random: seededRandom(seed),
      shape: () => 1,
      onDrawn: (drawn) => this.#write(drawn),
    });
    this.#advance();
    this.#timer = setInterval(() => this.#advance(), 1_000);
  }

  /** The canary's weight, 0 to 100, from a time on. */
  setWeight({ atMs, weight }: WeightChange): void {
    this.#traffic.setWeight(atMs, weight / 100);
  }

  /** When the first request failed by the release's fault, epoch ms; undefined where none did. It is known some seconds later. */
  get firstFaultMs(): number | undefined {
    return this.#traffic.firstFaultMs;
  }

  /** The canary's failed requests to the endpoints at fault until a time. */
  failuresUntil(atMs: number): number {
    return this.#failures.reduce((sum, { fromMs, bad }) => {
      const part = Math.min(1, Math.max(0, (atMs - fromMs) / recentStepMs));
      return sum + part * bad;
    }, 0);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #advance(): void {
    const untilMs = Date.now() + this.#backend.aheadMs;
    this.#traffic.advanceTo(untilMs);
    this.drawnUntilMs = Math.floor(untilMs / recentStepMs) * recentStepMs;
  }

  #write({ fromMs, service, route, side, total, bad, slow }: DrawnCounts): void {
    const { service: own, stable, truth } = this.#released;
    if (service !== own && this.#isReleased(service)) return;
    const version = service !== own ? 'v1.0.0' : side === 'stable' ? stable : this.canary;
    if (version === '') throw new Error(`the canary of ${service} has traffic before its version is known`);
    const resource = route?.resource ?? 'GET /other';
    if (side === 'canary' && truth.faulty.has(resource)) this.#failures.push({ fromMs, bad });
    const identity = {
      ...{ env: 'production', operation: operationOf(service), service, version, resource },
      host: `${service}-${version}-node`,
    };
    const record = (statusCode: number, count: number, slowOnes: number) => {
      if (count > 0)
        this.#backend.sink
          .requests({ ...identity, statusCode })
          .record({ at: fromMs, count, durations: durations(route, count, slowOnes) });
    };
    const slowGood = Math.min(slow, total - bad);
    record(200, total - bad, slowGood);
    record(500, bad, slow - slowGood);
  }
}

function durations(route: Route | undefined, count: number, slow: number) {
  const thresholds = route?.thresholds ?? [];
  if (thresholds.length === 0) return [[0.05, count]] as const;
  return [
    [Math.min(...thresholds) / 2000, count - slow],
    [(1.5 * Math.max(...thresholds)) / 1000, slow],
  ] as const;
}

function operationOf(service: string): string {
  const route = APP_ROUTES.find((each) => each.service === service);
  if (route === undefined) throw new Error(`the demo's app has no service ${service}`);
  return route.operation;
}
