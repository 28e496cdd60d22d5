import { type Datadog, type Flow, startDatadog } from './datadog.ts';
import { type Gate, startGate } from './gate.ts';
import { guideRegistry } from './guide-files.ts';
import { type DeployOptions, deploy, type Release } from './release.ts';
import type { ScenarioContext } from './scenario.ts';

/** The environment of a Rollout: Datadog, a gate that queries it, and one registry for both. */
export interface World {
  readonly datadog: Datadog;
  readonly gate: Gate;
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
}

/**
 * Settings for a scenario whose traffic changes during its run. A real template measures once a minute, so each measurement
 * has new data. Here it measures every two seconds, so the cache is off.
 */
export const noCache = { CUJ_GATE_CACHE_TTL: '0s' };

export async function startWorld(context: ScenarioContext, options: WorldOptions = {}): Promise<World> {
  const registry = options.registry ?? guideRegistry;
  const datadog = await startDatadog(context);
  const gate = await startGate(context, {
    registry,
    datadogUrl: datadog.url,
    ...(options.env && { env: options.env }),
  });
  return {
    datadog,
    gate,
    async deploy(service, { stable, ...rest } = {}) {
      const release = await deploy(context, { registry, gateUrl: gate.url, service, pause: '8s', ...rest });
      const version = release.stableHash;
      datadog.traffic({ service, version, from: -120, to: 10, appRequestsPerMinute: 15_000, ...stable });
      return release;
    },
    canary(release, flow = {}) {
      datadog.traffic({
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
