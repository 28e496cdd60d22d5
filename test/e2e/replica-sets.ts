import { setTimeout as sleep } from 'node:timers/promises';
import { type Kube, type KubeObject, kinds } from './kube.ts';

/**
 * Stands in the place of the ReplicaSet controller, the scheduler and the kubelets: every ReplicaSet is told that all
 * the pods it wants are there and ready. That status is all that the rollouts controller reads of pods.
 */
export function pretendPodsRun(kube: Kube, everyMs = 250): { stop(): Promise<void> } {
  let stopped = false;
  let failingSince: number | undefined;
  const loop = async () => {
    while (!stopped) {
      try {
        const behind = (await kube.list(kinds.ReplicaSet)).filter((set) => !isUpToDate(set));
        await Promise.all(behind.map((set) => report(kube, set)));
        failingSince = undefined;
      } catch (error) {
        // The API server may be restarting; silence for longer would leave a scenario waiting without a reason.
        failingSince ??= Date.now();
        if (!stopped && Date.now() - failingSince > 10_000) {
          console.error(
            'ReplicaSets have had no status for 10 s:',
            error instanceof Error ? error.message : error,
          );
          failingSince = undefined;
        }
      }
      await sleep(everyMs);
    }
  };
  const ended = loop();
  return {
    stop() {
      stopped = true;
      return ended;
    },
  };
}

function isUpToDate({ spec, status, metadata }: KubeObject): boolean {
  const wanted = spec.replicas ?? 1;
  return (
    status?.observedGeneration === metadata.generation &&
    (status?.replicas ?? 0) === wanted &&
    (status?.availableReplicas ?? 0) === wanted
  );
}

async function report(kube: Kube, { metadata, spec }: KubeObject): Promise<void> {
  const replicas = spec.replicas ?? 1;
  const status = {
    replicas,
    fullyLabeledReplicas: replicas,
    readyReplicas: replicas,
    availableReplicas: replicas,
    observedGeneration: metadata.generation,
  };
  try {
    await kube.patch(kinds.ReplicaSet, metadata.namespace, metadata.name, { status }, 'status');
  } catch (error) {
    // Scaled away between the look and the write.
    if ((error as { code?: number }).code !== 404) throw error;
  }
}
