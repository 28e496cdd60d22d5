import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { RumIntake } from '../../../src/demo/datadog/rum.ts';
import { type Datadog, startDatadog } from '../datadog.ts';
import { defineGeneratedMetrics } from '../generated-metrics.ts';
import { everyBackend } from '../metrics-backend.ts';
import { latestRun, measurementValues } from '../rollouts.ts';
import type { Scenario } from '../scenario.ts';
import { thisMinute } from '../traffic.ts';
import { noCache, startWorld } from '../world.ts';

const applications = {
  'member-web': '3c5d1c9e-7a52-4d1f-9b7e-0f6a5f0c2e11',
  'payment-web': '8a1f0f64-1f0b-4f0e-9d5c-6f2d6f0f7c22',
};

const registryText = `
apiVersion: cuj-gate/v1
defaults: { slo: { availability: 99.9, client: 98 } }
services:
  member-api: { env: production, operation: http.request, canary: "version:{version}" }
  payment-api: { env: production, operation: servlet.request, canary: "version:{version}" }
  member-web: { env: production, application: ${applications['member-web']}, releasedWith: member-api, canary: "version:{version}" }
  payment-web: { env: production, application: ${applications['payment-web']}, releasedWith: payment-api, canary: "version:{version}" }
cujs:
  - name: signup
    owner: team-identity
    service: member-api
    endpoints: [POST /api/v1/signup]
    client: { service: member-web, views: [/signup, /welcome], fails: [error] }
  - name: subscribe
    owner: team-payment
    service: payment-api
    endpoints: [POST /api/v1/subscriptions]
    client: { service: payment-web, views: [/subscribe], fails: [error] }
`;

interface Views {
  client: keyof typeof applications;
  name: string;
  version: string;
  /** Minutes from now. */
  from: number;
  perMinute: number;
  /** One of so many has an error. */
  oneFailsOf: number;
}

const minuteMs = 60_000;

/** What browsers send, evenly, until ten minutes from now. */
function browse(rum: RumIntake, { client, name, version, from, perMinute, oneFailsOf }: Views): void {
  const everyMs = minuteMs / perMinute;
  const attributes = {
    'application.id': applications[client],
    'session.type': 'user',
    env: 'production',
    version,
    'view.name': name,
  };
  let seen = 0;
  for (let at = thisMinute() + from * minuteMs; at < thisMinute() + 10 * minuteMs; at += everyMs) {
    seen += 1;
    const errors = seen % oneFailsOf === 0 ? 1 : 0;
    rum.send({ type: 'view', endedAt: at, attributes: { ...attributes, 'view.error.count': errors } });
  }
}

export const scenario: Scenario = {
  name: 'client-side',
  what: 'every server answers 200 and browsers fail: aborted by the metrics that the generated Terraform makes, with the servers in Datadog or in Prometheus',
  backends: everyBackend,
  async run(context) {
    const { dir } = context;
    const file = path.join(dir, 'cujs.yaml');
    writeFileSync(file, registryText);
    // What browsers report is in Datadog, whatever measures the servers.
    const beside = context.backend === 'datadog' ? undefined : await startDatadog(context);
    const world = await startWorld(context, { registry: file, env: { ...noCache, ...beside?.gateEnv } });
    const { metrics, registry } = world;
    const datadog = metrics.name === 'datadog' ? metrics : (beside as Datadog);
    const { rum } = datadog;
    assert.deepEqual(await defineGeneratedMetrics(context, registry, datadog), [
      'client-member-web.tf.json',
      'client-payment-web.tf.json',
    ]);

    // The background analysis stops the bad one, however busy the machine is.
    const [member, payment] = await Promise.all([
      world.deploy('member-api', { pause: '5m' }),
      world.deploy('payment-api', { stable: { appRequestsPerMinute: 150_000 } }),
    ]);
    const signup = { client: 'member-web', name: '/signup' } as const;
    const welcome = { ...signup, name: '/welcome' };
    const subscribe = { client: 'payment-web', name: '/subscribe' } as const;
    const stable = { from: -120, perMinute: 90, oneFailsOf: 500 };
    browse(rum, { ...signup, ...stable, version: member.stableHash });
    browse(rum, { ...welcome, ...stable, version: member.stableHash });
    browse(rum, { ...subscribe, ...stable, version: payment.stableHash });
    await Promise.all([member.start('v1.1.0'), payment.start('v1.1.0')]);
    world.canary(member);
    world.canary(payment, { appRequestsPerMinute: 50_000 });
    const canary = { from: -20, perMinute: 30 };
    browse(rum, { ...signup, ...canary, version: member.canaryHash, oneFailsOf: 4 });
    browse(rum, { ...welcome, ...canary, version: member.canaryHash, oneFailsOf: 500 });
    browse(rum, { ...subscribe, ...canary, version: payment.canaryHash, oneFailsOf: 500 });

    const [message, passed] = await Promise.all([member.untilAborted(), payment.untilPromoted()]);
    assert.match(message, /Metric "cuj-signup" assessed Failed/);
    const failed = await latestRun(context.kube, member, 'Background');
    assert.equal(failed?.status.phase, 'Failed');
    assert.match(
      measurementValues(failed, 'cuj-signup').at(-1)?.value ?? '',
      /^"FAIL signup \(slo_violated\): \d+ of \d+ client events failed by .*worst view \/signup /,
    );
    const values = passed.flatMap((run) => measurementValues(run)).map(({ value }) => value);
    assert.ok(values.length > 0);
    for (const value of values) assert.match(value, /^"PASS subscribe /);
    for (const queries of [await metrics.queries(), beside?.calls.length])
      assert.notEqual(queries, 0, 'a verdict over both backends asks both');
  },
};
