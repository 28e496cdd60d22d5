import assert from 'node:assert/strict';
import { cujGate } from './gate.ts';
import { type KubeObject, type Loose, objectsOf } from './kube.ts';
import { type Named, recordWeights, rolloutPhase, setImage, untilPhase } from './rollouts.ts';
import type { ScenarioContext } from './scenario.ts';
import { waitFor } from './wait.ts';

/** What is generated for a service, with times that a test can wait for. */
export interface GenerateOptions {
  registry: string;
  gateUrl: string;
  service: string;
  /** Further flags of `generate`; they win. */
  flags?: string[];
}

/**
 * Shorter than the defaults, and all of them parameters of `generate`. The delay leaves time to write the canary's
 * traffic once its hash is known.
 */
export const shortTimes = ['--interval', '2s', '--initial-delay', '5s', '--count', '5', '--passes', '2'];

/** Templates, Rollout and VirtualService of one service, as `cuj-gate generate` writes them. */
export async function generated(context: ScenarioContext, options: GenerateOptions): Promise<KubeObject[]> {
  const { registry, gateUrl, service, flags = [] } = options;
  const text = await cujGate(context, [
    ...['generate', 'analysis-templates', 'rollout', 'virtual-service'],
    ...['--registry', registry, '--gate-url', gateUrl, '--service', service],
    ...shortTimes,
    ...flags,
  ]);
  return objectsOf(text);
}

export interface DeployOptions extends GenerateOptions {
  /** How long the sample's pause is; five minutes when left out. Yours to change, says the sample. */
  pause?: string;
  /** What else its owner makes of the sample. */
  edit?: (rollout: Loose) => void;
}

/** Applies what was generated for a service and waits until its first version is out. */
export async function deploy(context: ScenarioContext, options: DeployOptions): Promise<Release> {
  const { kube, namespace } = context;
  const objects = await generated(context, options);
  const rollout = objects.find(({ kind }) => kind === 'Rollout');
  assert.ok(rollout, 'generate made no Rollout');
  const steps: Loose[] = rollout.spec.strategy.canary.steps;
  if (options.pause) {
    const step = steps.find(({ pause }) => pause);
    assert.ok(step, 'the sample has no pause');
    step.pause.duration = options.pause;
  }
  options.edit?.(rollout);
  await kube.apply(objects, { namespace });
  const named = { namespace, name: rollout.metadata.name };
  const { stableHash } = await untilPhase(kube, named, 'Healthy');
  return new Release(context, named, stableHash);
}

/** A Rollout between two versions of its service. */
export class Release implements Named {
  readonly namespace: string;
  readonly name: string;
  /** The pod template hash of the version that is out. */
  readonly stableHash: string;
  /** Of the one that is being released; empty before `start`. */
  canaryHash = '';
  #context: ScenarioContext;
  #weights: ReturnType<typeof recordWeights> | undefined;

  constructor(context: ScenarioContext, { namespace, name }: Named, stableHash: string) {
    this.#context = context;
    this.namespace = namespace;
    this.name = name;
    this.stableHash = stableHash;
  }

  /** Releases an image; resolves as soon as the canary's hash is known, which is before it has traffic. */
  async start(version: string, labels: Record<string, string> = {}): Promise<void> {
    const { kube, onEnd } = this.#context;
    const record = recordWeights(kube, this);
    this.#weights = record;
    onEnd(() => record.stop());
    await setImage(kube, this, version, labels);
    const { canaryHash } = await waitFor(() => rolloutPhase(kube, this), {
      what: `rollout ${this.name} to have a canary`,
      timeoutMs: 30_000,
      everyMs: 50,
      until: (now) => now.canaryHash !== '' && now.canaryHash !== this.stableHash,
    });
    this.canaryHash = canaryHash;
  }

  /** Every state of the weights since `start`, `75,25`; ends the recording. */
  async weightsSeen(): Promise<string[]> {
    await this.#weights?.stop();
    return this.#weights?.seen ?? [];
  }
}
