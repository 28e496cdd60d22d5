import { setTimeout as sleep } from 'node:timers/promises';
import { type Kube, type KubeObject, kinds } from './kube.ts';

/**
 * Replaces the ReplicaSet controller, the scheduler and the kubelets: sets the status of every ReplicaSet to all of its
 * pods ready. The rollouts controller reads no more than that status of pods.
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
        // The API server may be restarting. If it does not come back, report why the scenario waits.
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
    // Removed between the read and the write.
    if ((error as { code?: number }).code !== 404) throw error;
  }
}
