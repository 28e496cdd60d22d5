import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { everyBackend } from '../metrics-backend.ts';
import { latestRun, measurementValues } from '../rollouts.ts';
import type { Scenario } from '../scenario.ts';
import { startWorld } from '../world.ts';

// The version is a label of the pods, as for a release train: both services have the same one.
const registryText = `
apiVersion: cuj-gate/v1
defaults: { slo: { availability: 99.9 } }
services:
  member-api: { env: production, operation: http.request, canary: "version:{version}" }
  payment-api: { env: production, operation: servlet.request, canary: "version:{version}" }
cujs:
  - name: signup
    owner: team-identity
    service: member-api
    endpoints: [POST /api/v1/signup, POST /api/v1/signup/phone]
  - name: subscribe
    owner: team-payment
    service: payment-api
    endpoints:
      - GET /api/v1/plans
      - POST /api/v1/subscriptions
      - { service: member-api, method: GET, path: /api/v1/entitlements }
`;

const version = { version: 'v2.0.0' };

export const scenario: Scenario = {
  name: 'two-services',
  what: 'two CUJs of two services are ANDed: the one that fails aborts the service it fails in, and no other',
  backends: everyBackend,
  async run(context) {
    const { kube, dir } = context;
    const registry = path.join(dir, 'cujs.yaml');
    writeFileSync(registry, registryText);
    const world = await startWorld(context, { registry });
    const flags = ['--version-from', 'field:spec.template.metadata.labels.version'];
    const stable = { version: 'v1.0.0' };
    const [member, payment] = await Promise.all([
      // Its background analysis stops it, however busy the machine is.
      world.deploy('member-api', { flags, stable, pause: '5m' }),
      world.deploy('payment-api', { flags, stable: { ...stable, appRequestsPerMinute: 150_000 } }),
    ]);
    world.metrics.traffic({
      ...{ service: 'member-api', ...version, from: -20, to: 10, appRequestsPerMinute: 5_000 },
      failing: { 'GET /api/v1/entitlements': 0.05 },
    });
    world.metrics.traffic({
      ...{ service: 'payment-api', ...version, from: -20, to: 10, appRequestsPerMinute: 50_000 },
    });
    await Promise.all([member.start('v2.0.0', version), payment.start('v2.0.0', version)]);

    const [message, paymentRuns] = await Promise.all([member.untilAborted(), payment.untilPromoted()]);
    assert.match(message, /Metric "cuj-subscribe" assessed Failed/);

    const failed = await latestRun(kube, member, 'Background');
    assert.equal(failed?.status.phase, 'Failed');
    assert.equal(
      failed.spec.args.find(({ name }: { name: string }) => name === 'version').value,
      version.version,
    );
    assert.match(
      measurementValues(failed, 'cuj-subscribe').at(-1)?.value ?? '',
      /^"FAIL subscribe \(slo_violated\): (\d+) of \d+ requests failed/,
    );
    for (const { phase, value } of measurementValues(failed, 'cuj-signup')) {
      assert.equal(phase, 'Successful', 'the other CUJ of the same service passes all the while');
      assert.match(value, /^"PASS signup /);
    }

    assert.deepEqual(
      paymentRuns.map(({ status }) => status.phase),
      ['Successful', 'Successful'],
    );
    for (const { value } of paymentRuns.flatMap((run) => measurementValues(run))) {
      assert.match(
        value,
        /^"PASS subscribe \(within_slo\): 0 of /,
        'what fails in member-api is not payment-api’s fault',
      );
    }
  },
};
