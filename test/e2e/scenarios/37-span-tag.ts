import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { defineGeneratedMetrics } from '../generated-metrics.ts';
import { everyBackend } from '../metrics-backend.ts';
import { latestRun, measurementValues } from '../rollouts.ts';
import type { Scenario } from '../scenario.ts';
import type { Spans } from '../traffic.ts';
import { noCache, startWorld, type World } from '../world.ts';

const registryText = `
apiVersion: cuj-gate/v1
defaults: { slo: { availability: 99.9 } }
services:
  flags: { env: production, operation: express.request, source: spans, canary: "track:canary", stable: "track:stable" }
  search: { env: production, operation: express.request, source: spans, canary: "track:canary", stable: "track:stable" }
cujs:
  - name: toggle
    owner: team-flags
    service: flags
    endpoints: [POST /toggle, "GET /flags/:id"]
  - name: find
    owner: team-search
    service: search
    endpoints: [GET /find]
`;

/** The router sets a header, and the application a tag of the span from it. */
function flow({ metrics }: World, of: Pick<Spans, 'service' | 'resource'>, track: string, failing = 0): void {
  metrics.spans({
    ...of,
    operation: 'express.request',
    // A release of configuration alone: both sides run the same version.
    version: 'v1',
    spanTags: { track },
    perMinute: track === 'stable' ? 3_000 : 1_000,
    good: { statusCode: 200 },
    bad: { statusCode: 503 },
    failing,
    from: track === 'stable' ? -120 : -20,
    to: 10,
  });
}

export const scenario: Scenario = {
  name: 'span-tag',
  what: 'a canary with the version of stable is told by a tag of its spans, or a label of its counter: aborted, in Datadog by the metrics that the generated Terraform makes',
  backends: everyBackend,
  async run(context) {
    const registry = path.join(context.dir, 'cujs.yaml');
    writeFileSync(registry, registryText);
    const world = await startWorld(context, { registry, env: noCache });
    // Metrics have the tag only where Datadog makes them of spans.
    if (world.metrics.name === 'datadog') await defineGeneratedMetrics(context, registry, world.metrics);
    const stable = { appRequestsPerMinute: 0 };
    // The background analysis stops the bad one, however busy the machine is.
    const [flags, search] = await Promise.all([
      world.deploy('flags', { stable, pause: '5m' }),
      world.deploy('search', { stable }),
    ]);
    const toggle = { service: 'flags', resource: 'POST /toggle' };
    const read = { service: 'flags', resource: 'GET /flags/:id' };
    const find = { service: 'search', resource: 'GET /find' };
    for (const one of [toggle, read, find]) flow(world, one, 'stable');
    await world.metrics.untilStored();
    await Promise.all([flags.start('v1.1.0'), search.start('v1.1.0')]);
    flow(world, toggle, 'canary', 0.2);
    flow(world, read, 'canary');
    flow(world, find, 'canary');

    const [message, passed] = await Promise.all([flags.untilAborted(), search.untilPromoted()]);
    assert.match(message, /Metric "cuj-toggle" assessed Failed/);
    const failed = await latestRun(context.kube, flags, 'Background');
    assert.equal(failed?.status.phase, 'Failed');
    assert.match(
      measurementValues(failed, 'cuj-toggle').at(-1)?.value ?? '',
      /^"FAIL toggle \(slo_violated\): \d+ of \d+ requests failed .*worst POST \/toggle /,
    );
    const values = passed.flatMap((run) => measurementValues(run)).map(({ value }) => value);
    assert.ok(values.length > 0);
    for (const value of values) assert.match(value, /^"PASS find /);
  },
};
