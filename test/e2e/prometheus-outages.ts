import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Prometheus } from './prometheus.ts';
import { followMeasurements, promoteRollout, rolloutPhase } from './rollouts.ts';
import type { ScenarioContext } from './scenario.ts';
import { waitFor } from './wait.ts';
import { noCache, startWorld } from './world.ts';

/** With a short lag and frequent scrapes, missing samples are noticed sooner. */
const registryText = `
apiVersion: cuj-gate/v1
defaults: { slo: { availability: 99.95 }, gate: { lag: 20s } }
services:
  member-api: { env: production, operation: http.request, canary: "version:{version}" }
cujs:
  - { name: signup, owner: team-identity, service: member-api, endpoints: [POST /api/v1/signup, POST /api/v1/signup/phone] }
`;
const measurementsEach = 5;

/** What is missing for a while. */
export interface Outage {
  readonly what: string;
  /** Of the verdicts while it lasts. */
  readonly words: RegExp;
  readonly begin: (metrics: Prometheus, canaryPods: readonly string[]) => unknown;
  readonly end: (metrics: Prometheus, canaryPods: readonly string[]) => unknown;
}

/** A good release during an outage of its metrics: never a pass while it lasts, never aborted, and promoted afterwards. */
export async function releaseDuring(
  context: ScenarioContext,
  { what, words, begin, end }: Outage,
): Promise<void> {
  const { kube, dir, onEnd, log } = context;
  const registry = path.join(dir, 'cujs.yaml');
  writeFileSync(registry, registryText);
  const world = await startWorld(context, {
    ...{ registry, env: noCache },
    prometheus: { scrapeIntervalMs: 5_000 },
  });
  const { metrics } = world;
  assert.ok(metrics.name !== 'datadog');
  const release = await world.deploy('member-api', { pause: '15m', stable: { from: -70 } });
  const followed = followMeasurements(kube, release);
  onEnd(() => followed.stop());
  const passes = () => followed.seen.filter(({ phase }) => phase === 'Successful').length;
  await release.start('v1.1.0');
  world.canary(release);
  await waitFor(passes, { what: 'a first pass', timeoutMs: 60_000 });

  const canaryPods = metrics
    .pods()
    .pods.map(({ name }) => name)
    .filter((name) => name.startsWith(`member-api-${release.canaryHash}`));
  const before = followed.seen.length;
  await begin(metrics, canaryPods);
  // What is judged is older than the outage for a while.
  const first = await waitFor(
    () => followed.seen.findIndex(({ value }, i) => i >= before && words.test(value)),
    {
      what: `a measurement while ${what}`,
      timeoutMs: 120_000,
      until: (index) => index >= 0,
      show: () => followed.seen.at(-1)?.value ?? '',
    },
  );
  const since = () => followed.seen.slice(first);
  await waitFor(() => since().length, {
    what: `${measurementsEach} measurements while ${what}`,
    timeoutMs: 60_000,
    until: (count) => count >= measurementsEach,
  });
  for (const { phase, value } of since()) {
    assert.equal(phase, 'Inconclusive', `${what}: ${value}`);
    assert.match(value, words);
  }
  const { phase, aborted } = await rolloutPhase(kube, release);
  assert.deepEqual({ phase, aborted }, { phase: 'Paused', aborted: false }, what);
  log(`${what}: ${since().length} measurements, not aborted`);
  await end(metrics, canaryPods);
  const passed = passes();
  await waitFor(passes, {
    what: `a pass after ${what}`,
    timeoutMs: 120_000,
    until: (count) => count > passed,
    show: () => followed.seen.at(-1)?.value ?? '',
  });

  await promoteRollout(kube, release);
  await release.untilPromoted();
  await followed.stop();
  assert.deepEqual(
    followed.seen.filter(({ phase }) => phase !== 'Successful' && phase !== 'Inconclusive'),
    [],
  );
}
