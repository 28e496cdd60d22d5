import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { kinds } from '../kube.ts';
import { everyBackend } from '../metrics-backend.ts';
import type { Release } from '../release.ts';
import { analysisRuns, latestRun, promoteRollout, rolloutPhase, weights } from '../rollouts.ts';
import type { Scenario, ScenarioContext } from '../scenario.ts';
import { waitFor } from '../wait.ts';
import { noCache, startWorld } from '../world.ts';

const registryText = `
apiVersion: cuj-gate/v1
# With limited evidence, the canaries would pass.
defaults: { slo: { availability: 99.95 }, gate: { passAfter: never } }
services:
  member-api: { env: production, operation: http.request, canary: "version:{version}" }
  matching-api: { env: production, operation: express.request, canary: "version:{version}" }
cujs:
  - { name: profile, owner: team-member, service: member-api, endpoints: [GET /api/v1/profile] }
  - { name: matches, owner: team-matching, service: matching-api, endpoints: [GET /api/v1/matches] }
`;

/** What docs/operations.md says of a rollout that waits for a person. */
export const scenario: Scenario = {
  name: 'stopped',
  what: 'while a rollout waits for a person, a failed background analysis does not abort it; promote skips the analysis step',
  backends: everyBackend,
  async run(context) {
    const { kube, dir } = context;
    const registry = path.join(dir, 'cujs.yaml');
    writeFileSync(registry, registryText);
    const world = await startWorld(context, { registry, env: noCache });
    const [failing, thin] = await Promise.all([world.deploy('member-api'), world.deploy('matching-api')]);
    await Promise.all([failing.start('v1.1.0'), thin.start('v1.1.0')]);
    const flowOf = (release: Release, route: string) => ({
      ...{ service: release.name, version: release.canaryHash, route, from: -12, to: -4 },
    });
    const profile = flowOf(failing, 'GET /api/v1/profile');
    world.metrics.requests({ ...profile, perMinute: 10 });
    world.metrics.requests({ ...flowOf(thin, 'GET /api/v1/matches'), perMinute: 10 });
    await Promise.all([failing.untilPersonIsAsked(), thin.untilPersonIsAsked()]);

    world.metrics.requests({ ...profile, perMinute: 50, failing: 0.5 });
    await waitFor(() => backgroundPhase(context, failing), {
      what: 'the controller to have seen that the background analysis failed',
      timeoutMs: 60_000,
      until: (phase) => phase === 'Failed',
    });
    assert.deepEqual(await rolloutPhase(kube, failing).then(({ phase, aborted }) => [phase, aborted]), [
      'Paused',
      false,
    ]);
    assert.deepEqual(await weights(kube, failing), [75, 25]);
    // As soon as the pause ends, the failed run aborts it.
    await promoteRollout(kube, failing);
    // Argo Rollouts 1.8 does not say which analysis it was.
    assert.match(
      await failing.untilAborted(),
      /RolloutAborted: .*(: Background analysis phase error\/failed)?: Metric "cuj-[^"]+" assessed Failed/,
    );

    await promoteByPlugin(context, thin);
    await thin.untilPromoted();
    const steps = (await analysisRuns(kube, thin)).filter(
      ({ metadata }) => metadata.labels?.['rollout-type'] === 'Step',
    );
    assert.deepEqual(
      steps.map(({ status }) => status?.phase),
      ['Inconclusive'],
      'the step must not have been measured again',
    );
    assert.equal((await latestRun(kube, thin, 'Background'))?.status?.phase, 'Successful');
  },
};

/** The phase of the background analysis as the Rollout's own status has it. */
async function backgroundPhase({ kube }: ScenarioContext, { namespace, name }: Release): Promise<string> {
  const { status } = await kube.get(kinds.Rollout, namespace, name);
  return status?.canary?.currentBackgroundAnalysisRunStatus?.status ?? '';
}

/**
 * What `kubectl argo rollouts promote` does to a rollout that an inconclusive analysis step has paused (v1.10.0,
 * pkg/kubectl-argo-rollouts/cmd/promote/promote.go, getPatches).
 */
async function promoteByPlugin({ kube }: ScenarioContext, { namespace, name }: Release): Promise<void> {
  const { status } = await kube.get(kinds.Rollout, namespace, name);
  assert.equal(status?.canary?.currentStepAnalysisRunStatus?.status, 'Inconclusive');
  assert.equal(status?.controllerPause, true);
  const currentStepIndex = status.currentStepIndex + 1;
  const patch = { status: { pauseConditions: null, controllerPause: false, currentStepIndex } };
  await kube.patch(kinds.Rollout, namespace, name, patch, 'status');
}
