import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { everyBackend } from '../metrics-backend.ts';
import type { Release } from '../release.ts';
import { measurementValues, promoteRollout } from '../rollouts.ts';
import type { Scenario } from '../scenario.ts';
import { noCache, startWorld } from '../world.ts';

const registryText = `
apiVersion: cuj-gate/v1
defaults: { slo: { availability: 99.95 } }
services:
  member-api: { env: production, operation: http.request, canary: "version:{version}", stable: "version:{stable_version}" }
  matching-api: { env: production, operation: express.request, canary: "version:{version}", stable: "version:{stable_version}" }
  payment-api: { env: production, operation: servlet.request, canary: "version:{version}" }
cujs:
  - { name: signup, owner: team-identity, service: member-api, endpoints: [POST /api/v1/signup] }
  - { name: like, owner: team-matching, service: matching-api, endpoints: ["POST /api/v1/users/:user_id/likes"] }
  - { name: plans, owner: team-payment, service: payment-api, endpoints: [GET /api/v1/plans] }
`;

export const scenario: Scenario = {
  name: 'unseen-canary',
  what: 'a canary without traffic, one under a wrong version tag and one that cannot be told from stable never pass: each waits for a person, with its own reason',
  backends: everyBackend,
  async run(context) {
    const { dir } = context;
    const registry = path.join(dir, 'cujs.yaml');
    writeFileSync(registry, registryText);
    const world = await startWorld(context, { registry, env: noCache });
    const label = ['--version-from', 'field:spec.template.metadata.labels.version'];
    const [silent, mistagged, same] = await Promise.all([
      world.deploy('member-api'),
      world.deploy('matching-api'),
      // The version is a label, and this release changes only configuration: both sides have the same one.
      world.deploy('payment-api', {
        flags: label,
        stable: { version: 'v1.0.0', appRequestsPerMinute: 150_000 },
      }),
    ]);
    await Promise.all([
      silent.start('v1.1.0'),
      mistagged.start('v1.1.0').then(() => {
        // DD_VERSION is not set: Datadog stores the tracer's fallback.
        world.canary(mistagged, { version: 'unknown' });
      }),
      same.start('v1.0.0-other-configuration'),
    ]);
    await Promise.all([
      waitsForPerson(
        silent,
        /^INCONCLUSIVE signup \(no_data\): no request reaches the canary (service_)?version:\w+: all \d+ requests of the service match stable (service_)?version:\w+$/,
      ),
      waitsForPerson(
        mistagged,
        /^INCONCLUSIVE like \(no_data\): no request matches the canary (service_)?version:\w+, but \d+ requests of the newest minutes match neither it nor stable (service_)?version:\w+: check the version (tag|label)$/,
      ),
      waitsForPerson(
        same,
        /^INCONCLUSIVE plans \(canary_indistinguishable\): 0 of \d+ requests failed .* stable has no traffic: the selector of the canary matches both versions, or the rollout is over$/,
      ),
    ]);

    // After the route is fixed and the rollout is promoted, Argo measures again: the promotion alone is not enough.
    world.canary(silent);
    await promoteRollout(context.kube, silent);
    const runs = await silent.untilPromoted();
    assert.deepEqual(
      runs.map(({ metadata, status }) => `${metadata.labels?.['rollout-type']} ${status.phase}`).sort(),
      ['Background Successful', 'Step Inconclusive', 'Step Successful'],
    );
  },
};

async function waitsForPerson(release: Release, reason: RegExp): Promise<void> {
  const values = measurementValues(await release.untilPersonIsAsked());
  assert.equal(values.length, 5, 'it must have asked as often as it may');
  for (const { value } of values) assert.match(JSON.parse(value), reason);
}
