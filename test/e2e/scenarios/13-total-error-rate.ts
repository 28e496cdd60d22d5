import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { everyBackend } from '../metrics-backend.ts';
import { latestRun, measurementValues } from '../rollouts.ts';
import type { Scenario } from '../scenario.ts';
import { startWorld } from '../world.ts';

// Sign-up is in mode observe here, so that the total alone decides.
const registryText = `
apiVersion: cuj-gate/v1
services:
  member-api:
    env: production
    operation: http.request
    canary: "version:{version}"
    stable: "version:{stable_version}"
cujs:
  - name: total
    owner: team-sre
    service: member-api
    slo: { availability: 99.95 }
    endpoints: "*"
  - name: signup
    owner: team-identity
    service: member-api
    mode: observe
    slo: { availability: 99.95 }
    endpoints: [POST /api/v1/signup, POST /api/v1/signup/phone, POST /api/v1/signup/phone/verify]
`;

export const scenario: Scenario = {
  name: 'total-error-rate',
  what: 'the same broken sign-up goes through where only the total error rate is judged',
  backends: everyBackend,
  async run(context) {
    const { kube, dir } = context;
    const registry = path.join(dir, 'cujs.yaml');
    writeFileSync(registry, registryText);
    const world = await startWorld(context, { registry });
    const release = await world.deploy('member-api');
    await release.start('v1.1.0');
    world.canary(release, { failing: { 'POST /api/v1/signup/phone/verify': 0.2 } });

    await release.untilPromoted();
    const gate = measurementValues((await latestRun(kube, release, 'Step'))!, 'cuj-total');
    for (const { value } of gate)
      assert.match(value, /^"PASS total \(within_slo\): [1-9]\d* of \d{5} requests failed/);
    assert.ok(gate.length >= 2);

    const watched = measurementValues((await latestRun(kube, release, 'Background'))!, 'cuj-signup');
    assert.match(
      watched.at(-1)?.value ?? '',
      /^"PASS signup \(observe_only, would be FAIL slo_violated\): .* worst POST \/api\/v1\/signup\/phone\/verify/,
    );
  },
};
