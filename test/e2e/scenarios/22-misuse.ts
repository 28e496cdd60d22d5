import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { KubeObject } from '../kube.ts';
import { everyBackend } from '../metrics-backend.ts';
import type { Release } from '../release.ts';
import { latestRun, measurementValues } from '../rollouts.ts';
import type { Scenario } from '../scenario.ts';
import { startWorld } from '../world.ts';

const registryText = `
apiVersion: cuj-gate/v1
defaults: { slo: { availability: 99.95 } }
services:
  member-api: { env: production, operation: http.request, canary: "version:{version}" }
  matching-api: { env: production, operation: express.request, canary: "version:{version}" }
cujs:
  - { name: signup, owner: team-identity, service: member-api, endpoints: [POST /api/v1/signup] }
  - { name: like, owner: team-matching, service: matching-api, endpoints: ["POST /api/v1/users/:user_id/likes"] }
`;

/** Argo retries ten seconds after an error, so each tolerated error takes that long. */
const fewErrors = ['--watch-errors', '1'];
const versionLabel = 'tags.datadoghq.com/version';

/** A copied template of another CUJ with a typing mistake in its name. */
function mistypeCuj(objects: KubeObject[]): void {
  const template = objects.find(({ metadata }) => metadata.name === 'cuj-signup-watch');
  const { web } = template?.spec.metrics[0].provider ?? {};
  assert.ok(web?.url.endsWith('/cujs/signup/status'), web?.url);
  web.url = web.url.replace('signup', 'sign-upp');
}

/** A Rollout that has the label on its pods only. */
function forgetLabel(objects: KubeObject[]): void {
  const rollout = objects.find(({ kind }) => kind === 'Rollout');
  assert.ok(rollout?.metadata.labels?.[versionLabel]);
  delete rollout.metadata.labels[versionLabel];
}

export const scenario: Scenario = {
  name: 'misuse',
  what: "a CUJ that no registry has and a label that the Rollout lacks: Error, never a pass, and the gate's log names the mistake",
  backends: everyBackend,
  async run(context) {
    const { kube, dir } = context;
    const registry = path.join(dir, 'cujs.yaml');
    writeFileSync(registry, registryText);
    const world = await startWorld(context, { registry });
    const labelled = [...fewErrors, '--version-from', `label:${versionLabel}`];
    const [mistyped, unlabelled] = await Promise.all([
      world.deploy('member-api', { flags: fewErrors, pause: '5m', edit: mistypeCuj }),
      world.deploy('matching-api', { flags: labelled, pause: '5m', edit: forgetLabel }),
    ]);
    const start = async (release: Release, labels: Record<string, string> = {}) => {
      await release.start('v1.1.0', labels);
      // The canary itself is healthy, so that only the mistake can decide.
      world.canary(release);
      return release.untilAborted();
    };
    const messages = await Promise.all([start(mistyped), start(unlabelled, { [versionLabel]: 'v1.1.0' })]);
    for (const message of messages)
      assert.match(message, /consecutiveErrors \(2\) > consecutiveErrorLimit \(1\)/);
    for (const [release, status] of [
      [mistyped, 404],
      [unlabelled, 400],
    ] as const) {
      const run = await latestRun(kube, release, 'Background');
      assert.equal(run?.status.phase, 'Error');
      for (const { phase, message } of measurementValues(run)) {
        assert.equal(phase, 'Error');
        // Argo keeps no more of the response.
        assert.equal(message, `received non 2xx response code: ${status}`);
      }
    }

    const refused = world.gate.log().filter(({ msg }) => msg === 'refused');
    const [notFound] = refused.filter(({ code }) => code === 'cuj_not_found');
    assert.equal(notFound?.level, 'warn');
    assert.equal(notFound.detail, 'No CUJ is called "sign-upp".');
    assert.match(notFound.hint, /^Did you mean "signup"\?/);
    const [empty] = refused.filter(({ code }) => code === 'invalid_request');
    assert.equal(empty?.url, '/cujs/like/status');
    assert.equal(empty.detail, 'Parameter "version" cannot be used: version is empty.');
    assert.match(empty.hint, /the label or field it is taken from does not exist on the Rollout/);
  },
};
