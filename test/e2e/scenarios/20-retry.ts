import assert from 'node:assert/strict';
import { kinds } from '../kube.ts';
import { everyBackend } from '../metrics-backend.ts';
import { measurementValues, promoteRollout, retryRollout, rolloutPhase } from '../rollouts.ts';
import type { Scenario } from '../scenario.ts';
import { waitFor } from '../wait.ts';
import { noCache, startWorld } from '../world.ts';

const hashLabel = 'rollouts-pod-template-hash';
const verify = 'POST /api/v1/signup/phone/verify';

export const scenario: Scenario = {
  name: 'retry',
  what: 'a version that was aborted is retried when its cause is fixed: judged afresh, by its second life alone',
  backends: everyBackend,
  async run(context) {
    const { kube, namespace } = context;
    const world = await startWorld(context, { env: noCache });
    const release = await world.deploy('member-api', {
      // The background analysis stops the first attempt, however busy the machine is; the second is promoted from its pause.
      pause: '5m',
      edit: (objects) => {
        // Half a minute by default. While the canary's pods are still there, Argo before v1.10 takes a retry for a
        // rollback: it skips the analysis and aborts again because of the first attempt's run.
        const rollout = objects.find(({ kind }) => kind === 'Rollout');
        rollout!.spec.strategy.canary.abortScaleDownDelaySeconds = 1;
      },
    });
    await release.start('v1.1.0');
    world.canary(release, { failing: { [verify]: 0.5 } });
    await release.untilAborted();
    await waitFor(() => kube.list(kinds.ReplicaSet, namespace, `${hashLabel}=${release.canaryHash}`), {
      what: "the canary's pods to go",
      timeoutMs: 30_000,
      until: (sets) => sets.every(({ spec }) => spec.replicas === 0),
      show: (sets) => sets.map(({ spec }) => spec.replicas).join(),
    });

    // The missing setting of the version is fixed, and twenty minutes pass.
    await world.metrics.elapse(20);
    world.metrics.traffic({
      ...{ service: release.name, version: release.stableHash, from: -20, to: 10 },
      appRequestsPerMinute: 20_000,
    });
    await retryRollout(kube, release);
    // The second attempt is twelve minutes old. The errors of the first one are still within the two hours.
    world.canary(release, { from: -12 });
    await waitFor(() => rolloutPhase(kube, release), {
      what: 'the pause of its second life',
      timeoutMs: 30_000,
      until: ({ phase, step }) => phase === 'Paused' && step === 1,
    });
    await promoteRollout(kube, release);
    const runs = await release.untilPromoted();
    assert.deepEqual(
      runs.map(({ status }) => status.phase),
      ['Failed', 'Successful', 'Successful'],
    );
    for (const { value } of runs.slice(1).flatMap((run) => measurementValues(run))) {
      assert.match(value, /^"PASS signup \(within_slo\): 0 of \d+ requests failed/);
    }
    const firstLife = /(\d+) of (\d+) requests/.exec(measurementValues(runs[0]!).at(-1)!.value);
    assert.ok(Number(firstLife?.[1]) > 10, 'the first life must have had errors to forget');
    // The answer has the start of the window and its reason.
    const answer = await fetch(
      `${world.gate.url}/cujs/signup/status?version=${release.canaryHash}&stable_version=${release.stableHash}`,
    );
    const { window } = (await answer.json()) as { window: { start: string } };
    assert.equal(window.start, 'after_gap');
  },
};
