import assert from 'node:assert/strict';
import { everyBackend } from '../metrics-backend.ts';
import {
  followMeasurements,
  latestRun,
  measurementValues,
  promoteRollout,
  rolloutPhase,
} from '../rollouts.ts';
import type { Scenario } from '../scenario.ts';
import { waitFor } from '../wait.ts';
import { startWorld } from '../world.ts';

/** More errors than Argo's default consecutiveErrorLimit of 4 tolerates. */
const errorsToSee = 6;

export const scenario: Scenario = {
  name: 'gate-killed',
  what: 'the gate is killed for longer than Argo would bear by default, and comes back: the rollout goes on',
  backends: everyBackend,
  timeoutMs: 240_000,
  async run(context) {
    const { kube, onEnd } = context;
    const world = await startWorld(context);
    const release = await world.deploy('member-api', { pause: '5m' });
    const followed = followMeasurements(kube, release);
    onEnd(() => followed.stop());
    await release.start('v1.1.0');
    world.canary(release);
    await waitFor(() => followed.seen.some(({ phase }) => phase === 'Successful'), {
      what: 'a first pass',
      timeoutMs: 40_000,
    });

    await world.gate.child.kill();
    const errors = (type: 'Background' | 'Step') => async () => {
      const run = await latestRun(kube, release, type);
      return run?.status?.metricResults?.[0]?.consecutiveError ?? 0;
    };
    // Continue to the inline analysis step, so that both kinds of analysis run without a gate.
    await promoteRollout(kube, release);
    for (const type of ['Background', 'Step'] as const) {
      await waitFor(errors(type), {
        what: `${errorsToSee} errors in a row of the ${type} analysis`,
        timeoutMs: 100_000,
        until: (count) => count >= errorsToSee,
      });
    }
    const { aborted, step } = await rolloutPhase(kube, release);
    assert.deepEqual({ aborted, step }, { aborted: false, step: 2 });

    world.gate.child.start();
    await world.gate.untilReady();
    const runs = await release.untilPromoted();
    assert.deepEqual(
      runs.map(({ status }) => status.phase),
      ['Successful', 'Successful'],
    );
    // The passes of the step come from the restarted gate.
    const proof = measurementValues(runs.at(-1)!).slice(-2);
    assert.equal(proof.length, 2);
    for (const { value } of proof) assert.match(value, /^"PASS signup \(within_slo\): 0 of /);
    await followed.stop();
    for (const { message } of followed.seen.filter(({ phase }) => phase === 'Error')) {
      assert.match(message, /connection refused|connection reset|EOF/);
    }
  },
};
