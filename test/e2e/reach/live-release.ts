import { seededRandom } from '../../../src/demo/datadog/random.ts';
import type { Registry } from '../../../src/domain/registry/model.ts';
import { loadRegistry } from '../../../src/registry-files/load.ts';
import { type Circumstances, releases } from '../../simulate-rollouts/releases.ts';
import type { Truth } from '../../simulate-rollouts/traffic.ts';
import { startGate } from '../gate.ts';
import { type DeployOptions, deploy, type Release } from '../release.ts';
import { rolloutPhase, setImage } from '../rollouts.ts';
import type { ScenarioContext } from '../scenario.ts';
import { waitFor } from '../wait.ts';
import { LiveApp, type LiveAppOptions, type LiveTraffic } from './live-app.ts';
import type { FollowOptions, Observed, Observer } from './observer.ts';
import { type Recorder, startRecorder } from './recorder.ts';

/** The registry of the example for each backend. */
const exampleRegistries = {
  datadog: new URL('../../../config/cujs.yaml', import.meta.url).pathname,
  prometheus: new URL('../../../config/cujs-prometheus.yaml', import.meta.url).pathname,
} as const;

export async function loadExample(backend: 'datadog' | 'prometheus' = 'datadog'): Promise<Registry> {
  const loaded = await loadRegistry(exampleRegistries[backend], { backend });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  return loaded.registry;
}

/** The truth of a release that `npm run simulate:rollouts` knows: `good`, `demo`. */
export function truthOf(id: string, registry: Registry, service: string, run: number): Truth {
  const circumstances: Circumstances = {
    ...{ registry, service, run, random: seededRandom(run) },
    expected: () => 0,
    fullTrafficMs: 0,
  };
  const truth = releases.find((release) => release.id === id)?.truth(circumstances);
  if (truth === undefined) throw new Error(`there is no release ${id} of ${service}`);
  return truth;
}

/** An app with a gate of its own, whose services have their first version. */
export interface LiveWorld {
  readonly app: LiveApp;
  readonly recorder: Recorder;
  readonly deployed: ReadonlyMap<string, Release>;
}

/** Starts the metrics backend and the gate as users do, and deploys services of the example with what `generate` makes by its defaults. */
export async function prepareWorld(
  context: ScenarioContext,
  services: readonly string[],
  options: LiveAppOptions & Pick<DeployOptions, 'bake'>,
): Promise<LiveWorld> {
  const { bake, ...appOptions } = options;
  const app = await LiveApp.start(context, appOptions);
  app.willRelease(services);
  const backend = context.backend === 'datadog' ? 'datadog' : 'prometheus';
  const registry = exampleRegistries[backend];
  const gate = await startGate(context, { registry, source: app.gateEnv });
  const recorder = await startRecorder(context, gate.url);
  const deployed = new Map<string, Release>();
  for (const service of services) {
    const times = { times: [], ...(bake === undefined ? {} : { bake }) };
    const release = await deploy(context, {
      ...{ registry, gateUrl: recorder.url, service },
      ...times,
    });
    deployed.set(service, release);
  }
  return { app, recorder, deployed };
}

export interface Begun {
  readonly traffic: LiveTraffic;
  readonly observed: Observed;
}

/** Releases a version of a service: its truth is what its canary does. */
export async function beginRelease(
  { kube, onEnd }: ScenarioContext,
  observer: Observer,
  { app, deployed }: LiveWorld,
  service: string,
  truth: Truth,
  options: FollowOptions = {},
): Promise<Begun> {
  const release = deployed.get(service);
  if (release === undefined) throw new Error(`${service} is not deployed`);
  const traffic = await app.begin(service, truth, release.stableHash);
  await setImage(kube, release, 'v1.1.0');
  const { canaryHash } = await waitFor(() => rolloutPhase(kube, release), {
    what: `rollout ${service} to have a canary`,
    timeoutMs: 60_000,
    everyMs: 50,
    until: (now) => now.canaryHash !== '' && now.canaryHash !== release.stableHash,
  });
  traffic.canary = canaryHash;
  const observed = observer.follow(release, canaryHash, {
    ...options,
    onWeight: (change) => traffic.setWeight(change),
  });
  onEnd(() => observer.forget(release));
  return { traffic, observed };
}
