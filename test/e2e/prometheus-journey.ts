import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { PrometheusOptions } from './prometheus.ts';
import { endedRuns, latestRun, measurementValues, promoteRollout, rolloutPhase } from './rollouts.ts';
import type { ScenarioContext } from './scenario.ts';
import { waitFor } from './wait.ts';
import { noCache, startWorld } from './world.ts';

const verify = 'POST /api/v1/signup/phone/verify';

/** The journey, and beside it the whole service, which sees the fault as three hundredths of a percent. */
const registryText = `
apiVersion: cuj-gate/v1
defaults: { slo: { availability: 99.95 } }
services:
  member-api:
    env: production
    operation: http.request
    canary: "version:{version}"
    stable: "version:{stable_version}"
cujs:
  - name: signup
    owner: team-identity
    service: member-api
    endpoints: [POST /api/v1/signup, POST /api/v1/signup/phone, ${verify}]
  - { name: total, owner: team-sre, service: member-api, endpoints: "*" }
`;

/**
 * The talk's journey: the last step of sign-up, a thousandth of the traffic, fails for one member in five. The release is aborted, and
 * the next one, which is good, is promoted.
 */
export async function brokenThenGood(context: ScenarioContext, prometheus: PrometheusOptions): Promise<void> {
  const { kube, dir, log } = context;
  const registry = path.join(dir, 'cujs.yaml');
  writeFileSync(registry, registryText);
  const world = await startWorld(context, { registry, env: noCache, prometheus });
  const { metrics } = world;
  assert.ok(metrics.name !== 'datadog');
  // The background analysis stops the broken release, however busy the machine is.
  const release = await world.deploy('member-api', { pause: '5m' });
  await release.start('v1.1.0');
  world.canary(release, { failing: { [verify]: 0.2 }, appRequestsPerMinute: 15_000 });
  const message = await release.untilAborted();
  assert.match(message, /Metric "cuj-signup" assessed Failed due to failed \(1\) > failureLimit \(0\)/);
  const failed = await latestRun(kube, release, 'Background');
  assert.equal(failed?.status.phase, 'Failed');
  const reason = JSON.parse(measurementValues(failed, 'cuj-signup').at(-1)!.value);
  assert.match(
    reason,
    /^FAIL signup \(slo_violated\): (\d+) of \d+ requests failed \(\d+(\.\d+)?%, objective 99\.95%, burn [\d.]+x\), worst POST \/api\/v1\/signup\/phone\/verify \1 of \d+; stable 0 of \d+; /,
  );
  log(reason);
  for (const { value } of measurementValues(failed, 'cuj-total'))
    assert.match(value, /^"(PASS|INCONCLUSIVE) total/, 'the total error rate must not notice it');

  // The pods of the aborted version are gone.
  metrics.pods().remove(`member-api-${release.canaryHash}`, Date.now());
  await release.start('v1.2.0');
  world.canary(release);
  await waitFor(() => rolloutPhase(kube, release), {
    what: 'the pause at 25%',
    timeoutMs: 30_000,
    until: ({ phase, step }) => phase === 'Paused' && step === 1,
  });
  await promoteRollout(kube, release);
  await release.untilPromoted();
  const runs = (await endedRuns(kube, release)).slice(-2);
  for (const { value } of runs.flatMap((run) => measurementValues(run, 'cuj-signup')).slice(-2))
    assert.match(value, /^"PASS signup \(within_slo\): 0 of \d+ requests failed/);
}
