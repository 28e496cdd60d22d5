import assert from 'node:assert/strict';
import { everyBackend } from '../metrics-backend.ts';
import { latestRun, measurementValues } from '../rollouts.ts';
import type { Scenario } from '../scenario.ts';
import { startWorld } from '../world.ts';

const verify = 'POST /api/v1/signup/phone/verify';

export const scenario: Scenario = {
  name: 'shared-cause',
  what: 'the SMS provider breaks for canary and stable alike: not aborted, and the reason says that it is not the canary',
  backends: everyBackend,
  async run(context) {
    const { kube } = context;
    const world = await startWorld(context);
    const release = await world.deploy('member-api', {
      stable: { to: -20 },
    });
    // Healthy until twenty minutes ago; since then the verification of numbers fails on both sides.
    world.metrics.traffic({
      ...{ service: release.name, version: release.stableHash, from: -20, to: 10 },
      ...{ appRequestsPerMinute: 15_000, failing: { [verify]: 0.3 } },
    });
    await release.start('v1.1.0');
    world.canary(release, { failing: { [verify]: 0.3 } });

    const gate = await release.untilPersonIsAsked();
    const runs = [await latestRun(kube, release, 'Background'), gate];
    for (const { phase, value } of runs.flatMap((run) => measurementValues(run!))) {
      assert.equal(phase, 'Inconclusive');
      assert.match(
        value,
        /^"INCONCLUSIVE signup \(shared_cause\): \d+ of \d+ requests failed .* worst POST \/api\/v1\/signup\/phone\/verify .*, but stable fails as well: \d+ of \d+"$/,
      );
    }
  },
};
