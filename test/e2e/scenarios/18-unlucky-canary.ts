import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
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
import { noCache, startWorld } from '../world.ts';

const registryText = `
apiVersion: cuj-gate/v1
# With limited evidence, the canary would pass before there is proof.
defaults: { slo: { availability: 99.95 }, gate: { passAfter: never } }
services:
  member-api: { env: production, operation: http.request, canary: "version:{version}" }
  matching-api: { env: production, operation: express.request, canary: "version:{version}" }
cujs:
  - { name: profile, owner: team-member, service: member-api, endpoints: [GET /api/v1/profile] }
  - name: matches
    owner: team-matching
    service: matching-api
    gate: { rule: strict }
    endpoints: [GET /api/v1/matches]
`;

export const scenario: Scenario = {
  name: 'unlucky-canary',
  what: 'two unlucky errors in 2,000 requests: under confidence the canary goes on, under strict it is aborted',
  backends: everyBackend,
  async run(context) {
    const { kube, dir, onEnd } = context;
    const registry = path.join(dir, 'cujs.yaml');
    writeFileSync(registry, registryText);
    const world = await startWorld(context, { registry, env: noCache });
    const [retryOnRateLimit, strict] = await Promise.all([
      world.deploy('member-api', { pause: '5m' }),
      world.deploy('matching-api', { pause: '5m' }),
    ]);
    const followed = followMeasurements(kube, retryOnRateLimit);
    onEnd(() => followed.stop());
    await Promise.all([retryOnRateLimit.start('v1.1.0'), strict.start('v1.1.0')]);
    const profile = {
      service: retryOnRateLimit.name,
      version: retryOnRateLimit.canaryHash,
      route: 'GET /api/v1/profile',
    };
    const matches = { service: strict.name, version: strict.canaryHash, route: 'GET /api/v1/matches' };
    for (const of of [profile, matches]) {
      for (let minute = -12; minute < -4; minute += 1) {
        // One error in each of two minutes: the minimum for a fail, but without enough evidence.
        const failing = minute === -10 || minute === -7 ? 1 / 250 : 0;
        world.metrics.requests({ ...of, from: minute, to: minute + 1, perMinute: 250, failing });
      }
    }

    await strict.untilAborted();
    const failed = await latestRun(kube, strict, 'Background');
    assert.match(
      measurementValues(failed!).at(-1)!.value,
      /^"FAIL matches \(slo_violated\): 2 of 2000 requests failed \(99\.9%, objective 99\.95%/,
    );

    await waitFor(() => followed.seen.length, {
      what: 'three measurements of the patient one',
      timeoutMs: 30_000,
      until: (count) => count >= 3,
    });
    for (const { phase, value } of followed.seen) {
      assert.equal(phase, 'Inconclusive');
      assert.match(
        value,
        /^"INCONCLUSIVE profile \(within_noise\): 2 of 2000 requests failed .* below the objective by no more than chance; passes after 2000 more clean requests/,
      );
    }
    assert.equal((await rolloutPhase(kube, retryOnRateLimit)).aborted, false);

    // The clean requests that the summary asks for. In production they would have arrived meanwhile.
    world.metrics.requests({ ...profile, from: -4, to: -3, perMinute: 2_000 });
    await waitFor(() => followed.seen.at(-1)?.value ?? '', {
      what: 'a pass of the patient one',
      timeoutMs: 30_000,
      until: (value) => value.startsWith('"PASS profile (within_slo): 2 of 4000 requests failed'),
    });
    await promoteRollout(kube, retryOnRateLimit);
    await retryOnRateLimit.untilPromoted();
  },
};
