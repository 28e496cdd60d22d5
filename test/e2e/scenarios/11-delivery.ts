import assert from 'node:assert/strict';
import path from 'node:path';
import { everyBackend } from '../metrics-backend.ts';
import { analysisRuns, latestRun, measurementValues, rolloutPhase, weights } from '../rollouts.ts';
import type { Scenario } from '../scenario.ts';
import { waitFor } from '../wait.ts';
import { startWorld } from '../world.ts';

const registry = path.join(import.meta.dirname, '../../../config/cujs.yaml');

const publicUrl = 'https://cuj-gate.example.com';
const link = 'link.argocd.argoproj.io/external-link';

export const scenario: Scenario = {
  name: 'delivery',
  what: 'a healthy canary goes 25%, pause, gate, bake, 100%, judged by the five CUJs that the example registry has for it',
  backends: everyBackend,
  async run(context) {
    const { kube } = context;
    const world = await startWorld(context, { registry });
    const release = await world.deploy('member-api', { flags: ['--public-url', publicUrl] });
    assert.deepEqual(await analysisRuns(kube, release), [], 'Argo runs no analysis on a first deploy');

    await release.start('v1.1.0');
    world.canary(release);
    await waitFor(() => rolloutPhase(kube, release), {
      what: 'the pause at 25%',
      timeoutMs: 30_000,
      until: ({ phase, step }) => phase === 'Paused' && step === 1,
    });
    assert.deepEqual(await weights(kube, release), [75, 25]);
    const runs = await release.untilPromoted();
    assert.equal(runs.length, 2);

    const cujs = ['identity-check', 'login', 'profile-edit', 'signup', 'subscribe'];
    for (const type of ['Background', 'Step'] as const) {
      const run = await latestRun(kube, release, type);
      assert.equal(run?.status.phase, 'Successful', `the ${type} analysis`);
      assert.equal(run.metadata.annotations?.[link], `${publicUrl}/`, 'Argo CD shows a link at the run');
      assert.deepEqual(
        run.status.metricResults.map(({ name }: { name: string }) => name).sort(),
        cujs.map((cuj) => `cuj-${cuj}`),
      );
      for (const { metric, phase, value } of measurementValues(run)) {
        assert.equal(phase, 'Successful', `${metric} ${value}`);
        assert.match(
          value,
          new RegExp(`^"PASS ${metric.slice('cuj-'.length)} \\(within_slo\\): 0 of \\d+ requests`),
        );
      }
    }
  },
};
