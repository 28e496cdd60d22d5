import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { everyBackend } from '../metrics-backend.ts';
import { latestRun, measurementValues } from '../rollouts.ts';
import type { Scenario } from '../scenario.ts';
import { startWorld } from '../world.ts';

const services = Array.from({ length: 20 }, (_, i) => `shop-${String(i + 1).padStart(2, '0')}`);
/** Every third one is broken, in one of its two CUJs, by its number. */
const isBroken = (service: string) => Number(service.slice(-2)) % 3 === 0;

const routes = { profile: 'GET /api/v1/profile', account: 'GET /api/v1/me' };
const cujsOf = (service: string) =>
  Object.entries(routes).map(
    ([name, route]) =>
      `  - { name: ${service}-${name}, owner: team-${service}, service: ${service}, endpoints: [${route}] }`,
  );
/** Twenty at once share the controller's rate limit at the API server, and two cores. */
const slowest = 150_000;

const registryText = `
apiVersion: cuj-gate/v1
defaults: { slo: { availability: 99.9 } }
services:
${services.map((name) => `  ${name}: { env: production, operation: http.request, canary: "version:{version}", stable: "version:{stable_version}" }`).join('\n')}
cujs:
${services.flatMap(cujsOf).join('\n')}
`;

export const scenario: Scenario = {
  name: 'twenty-at-once',
  what: 'twenty rollouts at once over one gate: every verdict its own, and a few calls to the backend a rollout and minute',
  backends: everyBackend,
  timeoutMs: 240_000,
  async run(context) {
    const { kube, dir, log } = context;
    const registry = path.join(dir, 'cujs.yaml');
    writeFileSync(registry, registryText);
    const world = await startWorld(context, { registry });
    // One request for all CUJs of a service, the other generated form.
    const flags = [
      ...['--analysis', 'service', '--interval', '1s'],
      // The past of twenty canaries is stored one after the other, and an answer that came before is cached.
      ...(context.backend === 'datadog' ? [] : ['--initial-delay', '20s']),
    ];
    const releases = await Promise.all(
      services.map((service) =>
        world.deploy(service, {
          flags,
          // A broken release is stopped by its background analysis, however busy the machine is.
          pause: isBroken(service) ? '5m' : context.backend === 'datadog' ? '8s' : '30s',
          stable: { routesOf: 'member-api', routes: Object.values(routes) },
        }),
      ),
    );
    const began = Date.now();
    await Promise.all(
      releases.map(async (release) => {
        await release.start('v1.1.0');
        const which = Number(release.name.slice(-2)) % 2 === 0 ? routes.profile : routes.account;
        world.canary(release, {
          routesOf: 'member-api',
          routes: Object.values(routes),
          failing: isBroken(release.name) ? { [which]: 0.1 } : {},
        });
      }),
    );
    await Promise.all(
      releases.map((release) =>
        isBroken(release.name) ? release.untilAborted(slowest) : release.untilPromoted(slowest),
      ),
    );

    let measurements = 0;
    for (const release of releases) {
      for (const type of ['Background', 'Step'] as const) {
        const run = await latestRun(kube, release, type);
        if (type === 'Step' && isBroken(release.name)) {
          assert.equal(run, undefined, `${release.name} must not have reached its gate`);
          continue;
        }
        assert.equal(run?.status.phase, isBroken(release.name) ? 'Failed' : 'Successful');
        measurements += run!.status.metricResults[0].count;
        const value = JSON.parse(measurementValues(run!).at(-1)!.value);
        const broken = Number(release.name.slice(-2)) % 2 === 0 ? 'profile' : 'account';
        assert.match(
          value,
          isBroken(release.name)
            ? new RegExp(`^FAIL ${release.name} \\(slo_violated\\): 1 of 2 CUJs: ${release.name}-${broken} `)
            : new RegExp(`^PASS ${release.name} \\(within_slo\\): all 2 CUJs pass: `),
        );
      }
    }
    const { metrics } = world;
    const calls = await metrics.queries();
    log(`${measurements} measurements of two CUJs each took ${calls} calls to ${metrics.name}`);
    if (metrics.name === 'datadog') {
      const texts = new Set(metrics.calls.map(({ body }) => JSON.stringify(body)));
      assert.equal(texts.size, calls, 'no question may be asked twice');
    }
    // A version needs its past once in five minutes, and new data at most three times a minute.
    const minutes = Math.ceil((Date.now() - began) / 60_000) + 1;
    const most = releases.length * (3 * minutes + 2);
    assert.ok(
      calls >= 2 * releases.length && calls <= most,
      `${calls} calls for ${releases.length} versions in ${minutes} minutes: not ${2 * releases.length} to ${most}`,
    );
    assert.ok(measurements > 2 * calls, `${measurements} measurements must share ${calls} calls`);
  },
};
