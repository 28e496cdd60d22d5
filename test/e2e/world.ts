import type { Datadog } from './datadog.ts';
import { type Gate, startGate } from './gate.ts';
import { guideRegistry } from './guide-files.ts';
import { startMetrics } from './metrics-backend.ts';
import type { Prometheus, PrometheusOptions } from './prometheus.ts';
import { type DeployOptions, deploy, type Release } from './release.ts';
import type { ScenarioContext } from './scenario.ts';
import type { Flow } from './traffic.ts';

/** The environment of a Rollout: a metrics backend, a gate that queries it, and one registry for both. */
export interface World {
  readonly metrics: Datadog | Prometheus;
  readonly gate: Gate;
  /** The path of the registry, as the backend needs it. */
  readonly registry: string;
  /** Generates for a service of the registry, applies it, and gives its stable version two hours of clean traffic. */
  deploy(service: string, options?: Partial<DeployOptions> & { stable?: Partial<Flow> }): Promise<Release>;
  /** Traffic of a release's canary; default: clean, for the last twenty minutes and the next ten. */
  canary(release: Release, flow?: Partial<Flow>): void;
}

export interface WorldOptions {
  /** {@link guideRegistry} when left out. */
  registry?: string;
  /** More settings of the gate. */
  env?: Record<string, string>;
  /** Where the backend is a Prometheus. */
  prometheus?: PrometheusOptions;
}

/**
 * Settings for a scenario whose traffic changes during its run. A real template measures once a minute, so each measurement
 * has new data. Here it measures every two seconds, so the cache is off.
 */
export const noCache = { CUJ_GATE_CACHE_TTL: '0s' };

export async function startWorld(context: ScenarioContext, options: WorldOptions = {}): Promise<World> {
  const metrics = await startMetrics(context, options.prometheus);
  const registry = metrics.registryOf(options.registry ?? guideRegistry);
  const gate = await startGate(context, {
    registry,
    source: metrics.gateEnv,
    ...(options.env && { env: options.env }),
  });
  return {
    metrics,
    gate,
    registry,
    async deploy(service, { stable, ...rest } = {}) {
      const release = await deploy(context, { registry, gateUrl: gate.url, service, pause: '8s', ...rest });
      const version = release.stableHash;
      metrics.traffic({ service, version, from: -120, to: 10, appRequestsPerMinute: 15_000, ...stable });
      await metrics.untilStored();
      return release;
    },
    canary(release, flow = {}) {
      metrics.traffic({
        service: release.name,
        version: release.canaryHash,
        from: -20,
        to: 10,
        appRequestsPerMinute: 5_000,
        ...flow,
      });
    },
  };
}
