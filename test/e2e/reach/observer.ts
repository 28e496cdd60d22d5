import { setTimeout as sleep } from 'node:timers/promises';
import { type Kube, type KubeObject, kinds } from '../kube.ts';
import type { Named } from '../rollouts.ts';

/** The canary's weight, 0 to 100, from a time on. */
export interface WeightChange {
  readonly atMs: number;
  readonly weight: number;
}

export type End = 'promoted' | 'aborted' | 'paused';

/** What is seen of one release. */
export interface Observed {
  /** Every change of the canary's weight. */
  readonly weights: readonly WeightChange[];
  /** How the release ended, and when that was seen. */
  readonly end: { readonly kind: End; readonly atMs: number; readonly message: string } | undefined;
  /** When an AnalysisRun was first seen to have failed; only with `followRuns`. */
  readonly failedRunMs: number | undefined;
}

export interface FollowOptions {
  /** Is told of every change of the canary's weight. */
  onWeight?: (change: WeightChange) => void;
  /** Look for a failed AnalysisRun: these lists are large. */
  followRuns?: boolean;
}

interface Followed {
  readonly canaryHash: string;
  readonly options: FollowOptions;
  weights: WeightChange[];
  end: Observed['end'];
  failedRunMs: number | undefined;
}

const keyOf = ({ namespace, name }: Named) => `${namespace}/${name}`;

/** Follows any number of releases by a few lists of all namespaces, so that many at once do not wait for each other. */
export class Observer {
  readonly #kube: Kube;
  readonly #followed = new Map<string, Followed>();
  readonly #loops: Promise<void>[];
  #stopped = false;

  constructor(kube: Kube, { weightsMs = 200, endsMs = 400 } = {}) {
    this.#kube = kube;
    this.#loops = [
      this.#every(weightsMs, () => this.#readWeights()),
      this.#every(endsMs, () => this.#readEnds()),
      this.#every(endsMs, () => this.#readRuns()),
    ];
  }

  /** Follows a release from now on; its canary has no traffic yet. */
  follow(release: Named, canaryHash: string, options: FollowOptions = {}): Observed {
    const followed: Followed = { canaryHash, options, weights: [], end: undefined, failedRunMs: undefined };
    this.#followed.set(keyOf(release), followed);
    return followed;
  }

  /** The release is over. */
  forget(release: Named): void {
    this.#followed.delete(keyOf(release));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#loops);
  }

  async #every(ms: number, look: () => Promise<void>): Promise<void> {
    while (!this.#stopped) {
      // The API server may be too busy to answer; the next look sees what this one would have.
      if (this.#followed.size > 0) await look().catch(() => {});
      await sleep(ms);
    }
  }

  #of({ metadata: { namespace = '', name } }: KubeObject): Followed | undefined {
    return this.#followed.get(keyOf({ namespace, name }));
  }

  async #readWeights(): Promise<void> {
    const atMs = Date.now();
    for (const route of await this.#kube.list(kinds.VirtualService)) {
      const followed = this.#of(route);
      if (followed === undefined) continue;
      const [, canary] = route.spec.http[0].route;
      const weight = canary.weight ?? 0;
      if (weight === (followed.weights.at(-1)?.weight ?? 0)) continue;
      const change = { atMs, weight };
      followed.weights.push(change);
      followed.options.onWeight?.(change);
    }
  }

  async #readEnds(): Promise<void> {
    for (const rollout of await this.#kube.list(kinds.Rollout)) {
      const followed = this.#of(rollout);
      if (followed === undefined || followed.end !== undefined) continue;
      const kind = endOf(rollout, followed.canaryHash);
      if (kind !== undefined)
        followed.end = { kind, atMs: Date.now(), message: rollout.status?.message ?? '' };
    }
  }

  async #readRuns(): Promise<void> {
    const isNeeded = [...this.#followed.values()].some(
      ({ options, failedRunMs }) => options.followRuns && failedRunMs === undefined,
    );
    if (!isNeeded) return;
    for (const run of await this.#kube.list(kinds.AnalysisRun)) {
      if (run.status?.phase !== 'Failed') continue;
      const owner = run.metadata.ownerReferences?.[0]?.name ?? '';
      const followed = this.#followed.get(keyOf({ namespace: run.metadata.namespace ?? '', name: owner }));
      if (followed !== undefined) followed.failedRunMs ??= Date.now();
    }
  }
}

function endOf({ status = {}, metadata }: KubeObject, canaryHash: string): End | undefined {
  if (status.observedGeneration !== String(metadata.generation) || status.currentPodHash !== canaryHash)
    return undefined;
  if (status.abort === true) return 'aborted';
  if (status.phase === 'Healthy' && status.stableRS === canaryHash) return 'promoted';
  if (status.phase === 'Paused' && status.message === 'InconclusiveAnalysisRun') return 'paused';
  return undefined;
}
