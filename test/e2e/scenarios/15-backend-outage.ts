import assert from 'node:assert/strict';
import { everyBackend } from '../metrics-backend.ts';
import type { Refusal } from '../refusing-proxy.ts';
import { followMeasurements, promoteRollout, rolloutPhase } from '../rollouts.ts';
import type { Scenario } from '../scenario.ts';
import { waitFor } from '../wait.ts';
import { noCache, startWorld } from '../world.ts';

const outages: readonly { refusal: Refusal; reason: string; words: RegExp }[] = [
  {
    refusal: { kind: 'rate_limited', resetSeconds: 3 },
    reason: 'source_rate_limited',
    words: /Datadog's rate limit is used up; it resets in \d s|Prometheus answered 429: try again in \d s/,
  },
  {
    refusal: { kind: 'status', status: 503 },
    reason: 'source_unavailable',
    words: /(Datadog|Prometheus) answered 503/,
  },
  { refusal: { kind: 'hang' }, reason: 'source_timeout', words: /did not answer before the deadline/ },
];
const measurementsEach = 5;

export const scenario: Scenario = {
  name: 'backend-outage',
  what: 'the metrics backend, or a proxy before it, answers 429, then 503, then nothing, five measurements each: inconclusive while it lasts, never aborted',
  backends: everyBackend,
  timeoutMs: 240_000,
  async run(context) {
    const { kube, onEnd, log } = context;
    const world = await startWorld(context, { env: noCache, prometheus: { isRefusable: true } });
    const { metrics } = world;
    const release = await world.deploy('member-api', { pause: '5m' });
    const followed = followMeasurements(kube, release);
    onEnd(() => followed.stop());
    const passes = () => followed.seen.filter(({ phase }) => phase === 'Successful').length;
    await release.start('v1.1.0');
    world.canary(release);
    await waitFor(passes, { what: 'a first pass', timeoutMs: 40_000 });

    for (const { refusal, reason, words } of outages) {
      const fix = metrics.refuse(refusal);
      const began = followed.seen.length;
      const during = () => followed.seen.slice(began).filter(({ value }) => value.includes(reason));
      // A hanging backend takes the gate's whole deadline, eight seconds, at each measurement.
      await waitFor(during, {
        what: `${measurementsEach} measurements that say ${reason}`,
        timeoutMs: 90_000,
        until: (seen) => seen.length >= measurementsEach,
      });
      fix();
      for (const { phase, value } of during()) {
        assert.equal(phase, 'Inconclusive', 'not knowing must be an answer, never an error');
        assert.ok(value.startsWith(`"INCONCLUSIVE signup (${reason}): `), value);
        assert.match(value, words);
      }
      const { phase, aborted } = await rolloutPhase(kube, release);
      assert.deepEqual({ phase, aborted }, { phase: 'Paused', aborted: false }, `after ${reason}`);
      log(`${reason}: ${during().length} measurements, not aborted`);
      const before = passes();
      await waitFor(passes, {
        what: `a pass after ${reason}`,
        timeoutMs: 30_000,
        until: (count) => count > before,
      });
    }

    await promoteRollout(kube, release);
    await release.untilPromoted();
    await followed.stop();
    assert.deepEqual(
      followed.seen.filter(({ phase }) => phase !== 'Successful' && phase !== 'Inconclusive'),
      [],
    );
  },
};
