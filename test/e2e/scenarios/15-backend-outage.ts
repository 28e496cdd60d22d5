import assert from 'node:assert/strict';
import type { Fault } from '../../../src/demo/datadog/faults.ts';
import { followMeasurements, promoteRollout, rolloutPhase } from '../rollouts.ts';
import type { Scenario } from '../scenario.ts';
import { waitFor } from '../wait.ts';
import { noCache, startWorld } from '../world.ts';

const outages: readonly { fault: Fault; reason: string; words: RegExp }[] = [
  {
    fault: { kind: 'rate_limited', limits: { resetSeconds: 3 } },
    reason: 'source_rate_limited',
    words: /rate limit is used up; it resets in \d s/,
  },
  { fault: { kind: 'status', status: 503 }, reason: 'source_unavailable', words: /Datadog answered 503/ },
  { fault: { kind: 'hang' }, reason: 'source_timeout', words: /did not answer before the deadline/ },
];
const measurementsEach = 5;

export const scenario: Scenario = {
  name: 'datadog-outage',
  what: 'Datadog answers 429, then 503, then nothing, five measurements each: inconclusive while it lasts, never aborted',
  timeoutMs: 240_000,
  async run(context) {
    const { kube, onEnd, log } = context;
    const world = await startWorld(context, { env: noCache });
    const { metrics } = world;
    assert.ok(metrics.name === 'datadog');
    const release = await world.deploy('member-api', { pause: '5m' });
    const followed = followMeasurements(kube, release);
    onEnd(() => followed.stop());
    const passes = () => followed.seen.filter(({ phase }) => phase === 'Successful').length;
    await release.start('v1.1.0');
    world.canary(release);
    await waitFor(passes, { what: 'a first pass', timeoutMs: 40_000 });

    for (const { fault, reason, words } of outages) {
      const fix = metrics.faults.push(fault);
      const began = followed.seen.length;
      const during = () => followed.seen.slice(began).filter(({ value }) => value.includes(reason));
      // A hanging Datadog takes the gate's whole deadline, eight seconds, at each measurement.
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
