import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { cujGate } from '../gate.ts';
import { kinds } from '../kube.ts';
import { everyBackend } from '../metrics-backend.ts';
import type { Release } from '../release.ts';
import { latestRun, measurementValues, promoteRollout, rolloutPhase } from '../rollouts.ts';
import type { Scenario } from '../scenario.ts';
import { waitFor } from '../wait.ts';
import { startWorld } from '../world.ts';

const head = `
apiVersion: cuj-gate/v1
defaults: { slo: { availability: 99.95 } }
services:
  member-api: { env: production, operation: http.request, canary: "version:{version}" }
  matching-api: { env: production, operation: express.request, canary: "version:{version}" }
  payment-api: { env: production, operation: servlet.request, canary: "version:{version}" }
cujs:
`;
const cuj = (name: string, service: string, route: string, more = '') =>
  `  - { name: ${name}, owner: team, service: ${service}, endpoints: ["${route}"]${more} }\n`;
const like = (more?: string) => cuj('like', 'matching-api', 'POST /api/v1/users/:user_id/likes', more);
const signup = (name: string, more?: string) => cuj(name, 'member-api', 'POST /api/v1/signup', more);
const subscribe = (name: string, more?: string) =>
  cuj(name, 'payment-api', 'POST /api/v1/subscriptions', more);

const before = head + signup('signup') + like() + subscribe('subscribe');
/** As documented, but for the last one, which is renamed without an alias. */
const after =
  head +
  signup('join', ', aliases: [signup]') +
  like(', retired: "merged into discover"') +
  subscribe('subscription');

/** Argo retries ten seconds after an error, so each tolerated error takes that long. */
const fewErrors = ['--watch-errors', '1'];

export const scenario: Scenario = {
  name: 'rename',
  what: 'rollouts in flight survive that a CUJ is renamed with an alias or retired, and one without an alias is aborted',
  backends: everyBackend,
  timeoutMs: 240_000,
  async run(context) {
    const { kube, dir, namespace } = context;
    const registry = path.join(dir, 'cujs.yaml');
    const next = path.join(dir, 'next.yaml');
    writeFileSync(registry, before);
    writeFileSync(next, after);
    const world = await startWorld(context, { registry });
    const options = { flags: fewErrors, pause: '5m' };
    const [renamed, retired, forgotten] = await Promise.all([
      world.deploy('member-api', options),
      world.deploy('matching-api', options),
      world.deploy('payment-api', options),
    ]);
    const releases = [renamed, retired, forgotten];
    await Promise.all(
      releases.map(async (release) => {
        await release.start('v1.1.0');
        world.canary(release);
        await waitFor(() => values(release, 'Background'), {
          what: `a first pass of ${release.name}`,
          timeoutMs: 60_000,
          until: (seen) => seen.some((value) => value.startsWith('"PASS')),
        });
      }),
    );
    async function values(release: Release, type: 'Background' | 'Step'): Promise<string[]> {
      const run = await latestRun(kube, release, type);
      return run?.status === undefined ? [] : measurementValues(run).map(({ value }) => value);
    }

    // The danger is found before the gate gets the registry.
    const found = await cujGate(context, [
      ...['validate', world.metrics.registryOf(next), '--against', world.registry, '--json'],
    ]).catch((error: { stdout?: string }) => error.stdout ?? '');
    const { breaking, notes } = JSON.parse(found).against;
    const keys = (list: { rule: string; name: string }[]) => list.map(({ rule, name }) => `${rule}:${name}`);
    assert.deepEqual(keys(breaking), ['cuj-removed:subscribe']);
    assert.deepEqual(keys(notes), [
      'cuj-renamed:signup',
      'cuj-retired:like',
      'nothing-enforced:matching-api',
    ]);

    writeFileSync(registry, after);
    world.metrics.registryOf(registry);
    await waitFor(async () => (await fetch(`${world.gate.url}/cujs/join`)).status, {
      what: 'the gate to have the new registry',
      timeoutMs: 20_000,
      until: (status) => status === 200,
    });
    const aborted = forgotten.untilAborted(90_000);
    await Promise.all([promoteRollout(kube, renamed), promoteRollout(kube, retired)]);

    // Renamed: the inline analysis step passes under the present name.
    const runs = await renamed.untilPromoted();
    assert.deepEqual(
      runs.map(({ status }) => status.phase),
      ['Successful', 'Successful'],
    );
    assert.match((await values(renamed, 'Step')).at(-1) ?? '', /^"PASS join \(/);

    // Retired: nothing aborts it, and its step asks a person, with the reason.
    const gate = await retired.untilPersonIsAsked();
    for (const { value } of measurementValues(gate))
      assert.equal(value, '"INCONCLUSIVE like (retired): merged into discover"');
    assert.equal((await latestRun(kube, retired, 'Background'))?.status.phase, 'Running');
    // As kubectl argo rollouts promote does it.
    const { step } = await rolloutPhase(kube, retired);
    const promotion = { pauseConditions: null, controllerPause: false, currentStepIndex: (step ?? 0) + 1 };
    await kube.patch(kinds.Rollout, namespace, retired.name, { status: promotion }, 'status');
    await retired.untilPromoted();

    // Renamed without an alias: aborted by errors, although its canary is healthy.
    assert.match(await aborted, /consecutiveErrors \(2\) > consecutiveErrorLimit \(1\)/);

    const metrics = await (await fetch(`${world.gate.url}/metrics`)).text();
    const asked = (labels: string) =>
      Number(new RegExp(`^cuj_gate_outdated_requests_total\\{${labels}\\} (\\d+)$`, 'm').exec(metrics)?.[1]);
    assert.ok(asked('cuj="join",asked_as="signup",kind="alias"') > 0, metrics);
    assert.ok(asked('cuj="like",asked_as="like",kind="retired"') > 0, metrics);
  },
};
