import { prometheusPrograms } from '../../src/demo/prometheus/program.ts';
import { type Datadog, startDatadog } from './datadog.ts';
import { type Prometheus, type PrometheusOptions, startPrometheus } from './prometheus.ts';
import { builtBackends } from './prometheus-fronts.ts';
import type { Refusal } from './refusing-proxy.ts';
import type { ScenarioContext } from './scenario.ts';
import type { Flow, Requests, Spans } from './traffic.ts';

/** The metrics backends that scenarios run over: Datadog's simulator, and real programs. */
export const backendNames = ['datadog', ...prometheusPrograms, ...builtBackends] as const;
export type BackendName = (typeof backendNames)[number];

/** For scenarios that are about no backend of their own. */
export const everyBackend: readonly BackendName[] = ['datadog', ...prometheusPrograms, 'prometheus-3'];

/** Where a gate measures. */
export interface MetricsBackend {
  readonly name: BackendName;
  /** The settings by which a gate asks it. */
  readonly gateEnv: Record<string, string>;
  /** The path of a registry of this backend: the given one is of Datadog. */
  registryOf(path: string): string;
  /** How many queries have reached it, refused ones included. */
  queries(): Promise<number>;
  /** Refuses all queries until the returned function is called. A Prometheus must have been started with `isRefusable`. */
  refuse(refusal: Refusal): () => void;
  /** One version's requests on one route. */
  requests(requests: Requests): void;
  /** One version's requests of an operation that the app does not have, such as calls of gRPC. */
  spans(spans: Spans): void;
  /** One version's traffic on all routes of a service, with the shares of the matching app's routes. */
  traffic(flow: Flow): void;
  /** Resolves when everything that was written can be asked for. */
  untilStored(): Promise<void>;
  /**
   * Moves all past traffic by this many minutes into the past, and drops future traffic. To the gate, which keeps no
   * time of its own, this is the same as waiting. Do not call it while a gate queries.
   */
  elapse(minutes: number): Promise<void>;
}

export function startMetrics(
  context: ScenarioContext,
  options: PrometheusOptions = {},
): Promise<Datadog | Prometheus> {
  const { backend } = context;
  return backend === 'datadog' ? startDatadog(context) : startPrometheus(context, backend, options);
}
