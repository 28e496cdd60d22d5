import assert from 'node:assert/strict';
import { cujGate } from './gate.ts';
import { type GuideFolder, guideFiles } from './guide-files.ts';
import { type KubeObject, type Loose, objectsOf } from './kube.ts';
import {
  endedRuns,
  latestRun,
  type Named,
  recordWeights,
  rolloutPhase,
  setImage,
  untilPhase,
  weights,
} from './rollouts.ts';
import type { ScenarioContext } from './scenario.ts';
import { waitFor } from './wait.ts';

/** Generates the objects of a service with times that are short enough for a test. */
export interface GenerateOptions {
  registry: string;
  gateUrl: string;
  service: string;
  /** Flags that set times and counts: {@link shortTimes} when left out. None: the defaults of `generate`. */
  times?: readonly string[];
  /** More flags of `generate`; they take precedence. */
  flags?: string[];
}

/**
 * Shorter than the defaults; all of them are options of `generate`. The delay leaves time to write the canary's traffic
 * when its hash is known.
 */
export const shortTimes = ['--interval', '2s', '--initial-delay', '5s', '--count', '5', '--passes', '2'];

/** Rollout, VirtualService, Services of one service and all templates, as `cuj-gate generate` writes them. */
export async function generated(context: ScenarioContext, options: GenerateOptions): Promise<KubeObject[]> {
  const { registry, gateUrl, service, times = shortTimes, flags = [] } = options;
  const text = await cujGate(context, [
    ...['generate', 'analysis-templates', 'rollout', 'virtual-service'],
    ...['--registry', registry, '--gate-url', gateUrl, '--service', service],
    ...times,
    ...flags,
  ]);
  return objectsOf(text);
}

export interface DeployOptions extends GenerateOptions {
  /** The duration of the sample's pause before the gate, which users may change; the sample's when left out. */
  pause?: string;
  /** The duration of its bake; 5 s when left out. `none`: the sample has none, as in version 0.1.0. */
  bake?: string;
  /** Apply the files that the guide shows, not newly generated ones. They must differ only in times and address. */
  guide?: readonly GuideFolder[];
  /** Other edits of the files before they are applied. */
  edit?: (objects: KubeObject[]) => void;
}

/** Applies the generated objects of a service and what its Rollout needs; resolves when its first version is released. */
export async function deploy(context: ScenarioContext, options: DeployOptions): Promise<Release> {
  const { kube, namespace } = context;
  let objects = await generated(context, options);
  // The guide's registry is of Datadog, and templates have its digest.
  if (options.guide && context.backend === 'datadog') {
    const shown = guideFiles(options.guide, options.gateUrl);
    const made = new Map(objects.map((object) => [nameOf(object), object]));
    for (const object of shown)
      assert.deepEqual(object, made.get(nameOf(object)), 'the guide must show what is generated');
    objects = shown;
  }
  const rollout = objects.find(({ kind }) => kind === 'Rollout');
  assert.ok(rollout, 'generate made no Rollout');
  const steps: Loose[] = rollout.spec.strategy.canary.steps;
  const [first, bake] = steps.filter(({ pause }) => pause);
  assert.ok(first, 'the sample must pause before the gate');
  assert.equal(bake === undefined, options.bake === 'none', 'the sample must bake after the gate');
  if (options.pause) first.pause.duration = options.pause;
  if (bake) bake.pause.duration = options.bake ?? '5s';
  options.edit?.(objects);
  const named = JSON.stringify(rollout.spec.strategy);
  const needed = objects.filter(
    ({ kind, metadata }) => kind !== 'AnalysisTemplate' || named.includes(JSON.stringify(metadata.name)),
  );
  await kube.apply(needed, { namespace });
  const service = { namespace, name: rollout.metadata.name };
  const { stableHash } = await untilPhase(kube, service, 'Healthy');
  return new Release(context, service, stableHash);
}

const nameOf = ({ kind, metadata }: KubeObject) => `${kind} ${metadata.name}`;

/** To promote, Argo gives all traffic to the canary for a moment, which may not be observed, and then to the new stable. */
const promotion = '0,100';

/** Of the sample's steps: setWeight, pause, analysis, setWeight, pause, setWeight. */
const gateStep = 2;

/** A Rollout between two versions of its service. */
export class Release implements Named {
  readonly namespace: string;
  readonly name: string;
  /** The pod template hash of the stable version. */
  readonly stableHash: string;
  /** The hash of the version that is being released; empty before `start`. */
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
    const before = this.canaryHash;
    await setImage(kube, this, version, labels);
    const { canaryHash } = await waitFor(() => rolloutPhase(kube, this), {
      what: `rollout ${this.name} to have a canary`,
      timeoutMs: 30_000,
      everyMs: 50,
      until: (now) => !['', before, this.stableHash].includes(now.canaryHash),
    });
    this.canaryHash = canaryHash;
  }

  /**
   * Resolves when the canary has become the stable version with all of the traffic, never having been aborted.
   * Returns the Rollout's analysis runs, ended, oldest first.
   */
  async untilPromoted(timeoutMs?: number): Promise<KubeObject[]> {
    const { kube } = this.#context;
    const { stableHash, aborted } = await untilPhase(kube, this, 'Healthy', timeoutMs);
    assert.equal(stableHash, this.canaryHash, 'the canary must be the new stable version');
    assert.equal(aborted, false);
    await this.#untilWeights('100,0');
    const seen = (await this.weightsSeen()).filter((split) => split !== promotion);
    assert.deepEqual(seen.slice(-3), ['75,25', '5,95', '100,0'], 'the weights must have gone one way only');
    return endedRuns(kube, this);
  }

  /** Resolves when the rollout is aborted and stable has all traffic again. Returns the Rollout's message. */
  async untilAborted(timeoutMs?: number): Promise<string> {
    const { message, aborted } = await untilPhase(this.#context.kube, this, 'Degraded', timeoutMs);
    assert.equal(aborted, true);
    await this.#untilWeights('100,0');
    return message;
  }

  /** Resolves when the analysis at this step is inconclusive and Argo waits for a person. Checks that no weight changed. */
  async untilPersonIsAsked(): Promise<KubeObject> {
    const { kube } = this.#context;
    const { aborted, step } = await waitFor(() => rolloutPhase(kube, this), {
      what: `${this.name} to wait for a person`,
      timeoutMs: 60_000,
      until: ({ phase, message }) => phase === 'Paused' && message === 'InconclusiveAnalysisRun',
    });
    assert.deepEqual(
      { aborted, step },
      { aborted: false, step: gateStep },
      `${this.name} must stand at its gate`,
    );
    assert.deepEqual(await weights(kube, this), [75, 25]);
    const gate = await latestRun(kube, this, 'Step');
    assert.equal(gate?.status.phase, 'Inconclusive');
    return gate;
  }

  async #untilWeights(wanted: string): Promise<void> {
    await waitFor(() => weights(this.#context.kube, this).then(String), {
      what: `weights ${wanted} of ${this.name}`,
      timeoutMs: 30_000,
      until: (now) => now === wanted,
    });
  }

  /** Every state of the weights since `start`, as `75,25`; ends the recording. */
  async weightsSeen(): Promise<string[]> {
    await this.#weights?.stop();
    return this.#weights?.seen ?? [];
  }
}
