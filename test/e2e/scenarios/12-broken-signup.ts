import assert from 'node:assert/strict';
import { everyBackend } from '../metrics-backend.ts';
import { analysisRuns, followMeasurements, latestRun, measurementValues } from '../rollouts.ts';
import { runProgram } from '../run-program.ts';
import type { Scenario } from '../scenario.ts';
import { waitFor } from '../wait.ts';
import { noCache, startWorld } from '../world.ts';

export const scenario: Scenario = {
  name: 'broken-signup',
  what: 'sign-up, 1% of the traffic, breaks while the canary is watched: aborted, and everybody can read why',
  backends: everyBackend,
  async run(context) {
    const { kube, namespace, programs, cluster, onEnd } = context;
    const world = await startWorld(context, { env: noCache });
    const release = await world.deploy('member-api', { pause: '5m', guide: ['generated'] });
    const followed = followMeasurements(kube, release);
    onEnd(() => followed.stop());
    await release.start('v1.1.0');
    world.canary(release);
    await waitFor(() => followed.seen, {
      what: 'two passes while all is well',
      timeoutMs: 40_000,
      until: (seen) => seen.filter(({ value }) => value.startsWith('"PASS signup')).length >= 2,
    });

    // Scrapes of 15 s tell times less exactly than Datadog's 10 s, so more errors are needed to see that a fault lasts.
    const errors = context.backend === 'datadog' ? 3 : 5;
    // Three errors in two minutes, all of them on the last step of sign-up, which is a tenth of a percent of the app's
    // requests. They are no evidence among all sign-up requests: only the endpoint's own evidence can abort.
    const verify = 'POST /api/v1/signup/phone/verify';
    world.canary(release, { from: -5, to: -3, routes: [verify], failing: { [verify]: errors / 10 } });
    const message = await release.untilAborted();
    assert.match(message, /Metric "cuj-signup" assessed Failed due to failed \(1\) > failureLimit \(0\)/);
    assert.deepEqual(await release.weightsSeen(), ['100,0', '75,25', '100,0']);

    const failed = await latestRun(kube, release, 'Background');
    assert.equal(failed?.status.phase, 'Failed');
    assert.equal(
      (await analysisRuns(kube, release)).length,
      1,
      'the gate behind the pause must not have been reached',
    );
    // The dashboard shows this value: a complete JSON string.
    const last = measurementValues(failed, 'cuj-signup').at(-1)!;
    assert.equal(last.phase, 'Failed');
    const reason = new RegExp(
      `^FAIL signup \\(slo_violated\\): ${errors} of \\d+ requests failed \\(99\\.\\d+%, objective 99\\.95%, burn [\\d.]+x\\), worst POST /api/v1/signup/phone/verify ${errors} of \\d+; stable 0 of \\d+; a service meeting its SLO does this in fewer than 1 of \\d+ rollouts; aborts at 1 in 20$`,
    );
    assert.match(JSON.parse(last.value), reason);

    const kubectl = ['--kubeconfig', cluster.kubeconfig, '-n', namespace];
    const { stdout } = await runProgram(programs.kubectl.program, [
      ...kubectl,
      ...['describe', 'analysisrun', failed.metadata.name],
    ]);
    const shown = /Value:\s+"(FAIL .*)"/.exec(stdout)?.[1];
    assert.equal(shown, JSON.parse(last.value), `kubectl describe must show the reason:\n${stdout}`);
  },
};
