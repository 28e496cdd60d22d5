import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Agent, request } from 'undici';
import packageJson from '../../../package.json' with { type: 'json' };
import { freePort } from '../../free-ports.ts';
import { startDatadog } from '../datadog.ts';
import { type Gate, startGate } from '../gate.ts';
import type { KubeObject } from '../kube.ts';
import { buildPreviousVersion, type PreviousVersion } from '../previous-version.ts';
import { deploy } from '../release.ts';
import { endedRuns, followMeasurements, promoteRollout, untilPhase } from '../rollouts.ts';
import { runProgram } from '../run-program.ts';
import type { Scenario, ScenarioContext } from '../scenario.ts';
import { type ClusterService, startService } from '../service.ts';
import { waitFor } from '../wait.ts';

const chart = path.join(import.meta.dirname, '../../../helm/cuj-gate');
const deploymentKind = { apiVersion: 'apps/v1', kind: 'Deployment' };

/** Valid in both versions. */
const registryText = `
apiVersion: cuj-gate/v1
defaults: { slo: { availability: 99.95 } }
services:
  member-api: { env: production, operation: http.request, canary: "version:{version}", stable: "version:{stable_version}" }
  matching-api: { env: production, operation: express.request, canary: "version:{version}" }
  payment-api: { env: production, operation: servlet.request, canary: "version:{version}" }
cujs:
  - { name: signup, owner: team, service: member-api, endpoints: [POST /api/v1/signup] }
  - { name: like, owner: team, service: matching-api, endpoints: ["POST /api/v1/users/:user_id/likes"] }
  - { name: subscribe, owner: team, service: payment-api, endpoints: [POST /api/v1/subscriptions] }
`;

/** What 0.1.0 documented, asked by callers beside the controller. */
const questions = [
  '/cujs/signup/status?version=v1.1.0&stable_version=v1.0.0',
  '/cujs/signup/status?version=v1.1.0&stable_version=v1.0.0&window=5m',
  '/cujs/like/status?version=v1.1.0&explain=true',
  '/services/payment-api/status?version=v1.1.0&pretty=true',
];
/** How many ask each of them, each over a connection of its own that it keeps. */
const callersOfEach = 6;

export const scenario: Scenario = {
  name: 'upgrade',
  what: 'the gate and the chart of 0.1.0 are replaced under load: its templates go on asking, and nobody gets an error',
  backends: ['datadog'],
  timeoutMs: 360_000,
  async run(context) {
    const previous = await buildPreviousVersion(path.join(context.dir, 'previous'));
    await replacesTheGate(context, previous, await upgradesTheChart(context, previous));
  },
};

/** The Deployments that both charts make of the same values. */
interface Deployments {
  readonly before: KubeObject;
  readonly after: KubeObject;
}

/** Real Helm on the real API server, which refuses changes of selectors and other fixed fields. */
async function upgradesTheChart(
  { programs, cluster, namespace, kube, dir, log }: ScenarioContext,
  previous: PreviousVersion,
): Promise<Deployments> {
  const helm = (...args: string[]) =>
    runProgram(programs.helm.program, [...args, '--kubeconfig', cluster.kubeconfig, '-n', namespace], {
      env: { PATH: process.env.PATH, HOME: dir },
    });
  const deployment = async () => {
    const [only, ...more] = await kube.list(deploymentKind, namespace);
    assert.ok(only && more.length === 0, 'the chart makes one Deployment');
    return only;
  };
  const deployed = async () => (await deployment()).metadata.labels?.['app.kubernetes.io/version'];
  const minimal = path.join(previous.chartValues, 'minimal.values.yaml');
  const files = readdirSync(previous.chartValues).filter((file) => file.endsWith('.values.yaml'));
  assert.ok(files.length >= 7, 'the values of the tests of 0.1.0');
  // The definitions of Prometheus' operator are not installed here.
  const set = ['--set', 'serviceMonitor.enabled=false,prometheusRule.enabled=false'];
  let deployments: Deployments | undefined;
  for (const file of files) {
    const values = ['-f', path.join(previous.chartValues, file)];
    await helm('template', 'gate', chart, ...values);
    await helm('install', 'gate', previous.chart, ...values, ...set);
    const before = await deployment();
    assert.equal(await deployed(), previous.version);
    await helm('upgrade', 'gate', chart, ...values, ...set);
    const after = await deployment();
    assert.equal(await deployed(), packageJson.version);
    assert.deepEqual(after.spec.selector, before.spec.selector);
    assert.equal(
      after.metadata.uid,
      before.metadata.uid,
      `${file}: the Deployment must be changed, not replaced`,
    );
    if (file === 'minimal.values.yaml') deployments = { before, after };
    await helm('rollback', 'gate', '1');
    assert.equal(await deployed(), previous.version);
    await helm('uninstall', 'gate');
  }
  assert.ok(deployments);

  // --reuse-values takes the defaults of the old chart, which know nothing of new values.
  await helm('install', 'gate', previous.chart, '-f', minimal);
  const said = await helm('upgrade', 'gate', chart, '--reuse-values').then(
    () => 'nothing: it was accepted',
    (error: { stderr: string }) => error.stderr,
  );
  assert.match(said, /these values are of an older version of the chart.*--reset-then-reuse-values/s);
  assert.equal(await deployed(), previous.version);
  await helm('upgrade', 'gate', chart, '--reset-then-reuse-values');
  assert.equal(await deployed(), packageJson.version);
  await helm('uninstall', 'gate');
  log(`the chart upgrades from ${previous.version} with ${files.length} sets of its values, and goes back`);
  return deployments;
}

/** The settings that a chart gives to its container, without paths and addresses, which only a pod has. */
function settingsOf({ spec }: KubeObject): Record<string, string> {
  const env: { name: string; value?: string }[] = spec.template.spec.containers[0].env;
  return Object.fromEntries(
    env.flatMap(({ name, value }) =>
      value === undefined || value.startsWith('/') || ['HOST', 'PORT', 'DD_SITE'].includes(name)
        ? []
        : [[name, value]],
    ),
  );
}

async function replacesTheGate(
  context: ScenarioContext,
  previous: PreviousVersion,
  { before, after }: Deployments,
): Promise<void> {
  const { kube, dir, onEnd, log } = context;
  const registry = path.join(dir, 'cujs.yaml');
  writeFileSync(registry, registryText);
  const datadog = await startDatadog(context);
  const stable = (service: string, version: string) =>
    datadog.traffic({ service, version, from: -120, to: 20, appRequestsPerMinute: 15_000 });
  const canary = (service: string, version: string, failing?: Record<string, number>) =>
    datadog.traffic({
      ...{ service, version, from: -20, to: 20, appRequestsPerMinute: 5_000 },
      ...(failing && { failing }),
    });
  for (const name of ['member-api', 'matching-api', 'payment-api']) {
    stable(name, 'v1.0.0');
    // So much that each of the questions can be answered, also within five minutes.
    datadog.traffic({ service: name, version: 'v1.1.0', from: -20, to: 20, appRequestsPerMinute: 60_000 });
  }

  const port = await freePort();
  context.start({
    name: 'redis',
    command: 'redis-server',
    args: ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'],
    cwd: dir,
  });
  const pod = (name: string, gateProgram: string, deployment: KubeObject) =>
    startGate(
      { ...context, gateProgram },
      {
        registry,
        source: datadog.gateEnv,
        name,
        // Both versions share one cache while they run side by side.
        env: { ...settingsOf(deployment), CUJ_GATE_REDIS_URL: `redis://127.0.0.1:${port}` },
      },
    );
  const service = await startService();
  onEnd(() => service.stop());
  const old = await Promise.all(['old-0', 'old-1'].map((name) => pod(name, previous.gateProgram, before)));
  for (const one of old) service.add(one);

  const release = async (name: string, flags: string[] = []) => {
    const made = await deploy(
      { ...context, gateProgram: previous.gateProgram },
      { registry, gateUrl: service.url, service: name, pause: '10m', bake: 'none', flags },
    );
    stable(name, made.stableHash);
    const measured = followMeasurements(kube, made);
    onEnd(() => measured.stop());
    return { made, measured };
  };
  const releases = await Promise.all([
    release('member-api'),
    // Its step asks from before the replacement until after it.
    release('matching-api', ['--count', '300', '--passes', '40']),
    release('payment-api'),
  ]);
  const [waiting, asking, later] = releases;
  const begin = async ({ made, measured }: (typeof releases)[number]) => {
    await made.start('v1.1.0');
    canary(made.name, made.canaryHash);
    await waitFor(() => measured.seen.some(({ phase }) => phase === 'Successful'), {
      what: `a first pass of ${made.name}`,
      timeoutMs: 60_000,
    });
  };
  await Promise.all([begin(waiting), begin(asking)]);
  await promoteRollout(kube, asking.made);
  await waitFor(() => new Set(asking.measured.seen.map(({ run }) => run)), {
    what: 'a first answer to the step, besides those to the background analysis',
    timeoutMs: 60_000,
    until: (runs) => runs.size > 1,
  });
  const load = startLoad(service);
  onEnd(() => load.stop());
  await load.untilEachAsked(10);

  // As the Deployments of both charts are replaced: one pod more, and none less.
  const { strategy } = after.spec;
  assert.deepEqual(strategy.rollingUpdate, { maxUnavailable: 0, maxSurge: 1 });
  const replacing = now();
  const present: Gate[] = [];
  for (const [i, leaving] of old.entries()) {
    const coming = await pod(`new-${i}`, context.gateProgram, after);
    present.push(coming);
    service.add(coming);
    service.remove(leaving);
    const { preStop } = before.spec.template.spec.containers[0].lifecycle;
    await delay(preStop.sleep.seconds * 1_000);
    await leaving.child.stop(before.spec.template.spec.terminationGracePeriodSeconds * 1_000);
  }
  const replaced = now();
  await load.untilEachAsked(20);
  const asked = await load.stop();
  log(`${asked.answers} answers while two gates were replaced: ${JSON.stringify(asked.verdicts)}`);
  assert.deepEqual(asked.errors, []);
  assert.deepEqual(
    Object.keys(asked.verdicts),
    ['PASS'],
    'these versions are good, and both versions know it',
  );

  // What was under way ends as it should, and what begins now is judged as well.
  await promoteRollout(kube, waiting.made);
  for (const { made } of [waiting, asking]) {
    const { stableHash, aborted } = await untilPhase(kube, made, 'Healthy', 180_000);
    assert.deepEqual({ stableHash, aborted }, { stableHash: made.canaryHash, aborted: false });
    const runs = await endedRuns(kube, made);
    assert.deepEqual(
      runs.map(({ status }) => status.phase),
      ['Successful', 'Successful'],
    );
  }
  await later.made.start('v1.1.0');
  canary('payment-api', later.made.canaryHash, { 'POST /api/v1/subscriptions': 0.2 });
  const message = await later.made.untilAborted(90_000);
  assert.match(message, /cuj-subscribe/);

  for (const { made, measured } of releases) {
    await measured.stop();
    const { seen } = measured;
    assert.deepEqual(
      seen.filter(({ phase }) => phase === 'Error'),
      [],
      `${made.name} got an error`,
    );
    assert.ok(
      seen.some(({ startedAt }) => startedAt > replaced),
      `${made.name} must be measured after the replacement`,
    );
  }
  const gateRun = (await endedRuns(kube, asking.made)).at(-1)?.metadata.name;
  const times = asking.measured.seen.filter(({ run }) => run === gateRun).map(({ startedAt }) => startedAt);
  assert.ok(
    times.some((time) => time <= replacing) && times.some((time) => time > replaced),
    `replaced from ${replacing} to ${replaced}, measured at ${times}`,
  );
  for (const gate of present)
    assert.deepEqual(
      gate.log().filter(({ level }) => level === 'error'),
      [],
    );
}

/** As Kubernetes writes it: whole seconds. */
const now = () => `${new Date().toISOString().slice(0, 19)}Z`;

interface Load {
  /** Resolves when each caller has got this many more answers. */
  untilEachAsked(times: number): Promise<void>;
  stop(): Promise<{ answers: number; verdicts: Record<string, number>; errors: string[] }>;
}

/**
 * Callers that ask as the controller does: no `Accept`, the connection is kept, and a status other than 200 is an error. A
 * server may close a kept connection while the next request is on its way, which is its end or a reset here: Go's client, which the
 * controller uses, sends such a request again over a new connection, once (net/http, shouldRetryRequest).
 */
const closedMeanwhile = ['UND_ERR_SOCKET', 'ECONNRESET'];

function startLoad(service: ClusterService): Load {
  const verdicts: Record<string, number> = {};
  const errors: string[] = [];
  let stopped = false;
  const counts = questions.flatMap((question) =>
    Array.from({ length: callersOfEach }, () => ({ question, answers: 0 })),
  );
  const ended = Promise.all(
    counts.map(async (caller) => {
      const dispatcher = new Agent({ connections: 1, pipelining: 1 });
      while (!stopped) {
        const ask = () => request(service.url + caller.question, { dispatcher });
        try {
          const { statusCode, body } = await ask().catch((error: { code?: string }) => {
            if (caller.answers === 0 || !closedMeanwhile.includes(error.code ?? '')) throw error;
            return ask();
          });
          const text = await body.text();
          const verdict = statusCode === 200 ? JSON.parse(text).summary.split(' ')[0] : undefined;
          if (verdict === undefined) errors.push(`${caller.question}: ${statusCode} ${text.slice(0, 300)}`);
          else verdicts[verdict] = (verdicts[verdict] ?? 0) + 1;
        } catch (error) {
          errors.push(`${caller.question}: ${error}`);
        }
        caller.answers += 1;
        await delay(50);
      }
      await dispatcher.close();
    }),
  );
  return {
    async untilEachAsked(times) {
      const goals = counts.map((caller) => ({ caller, goal: caller.answers + times }));
      await waitFor(() => goals.every(({ caller, goal }) => caller.answers >= goal), {
        what: `${times} answers of each caller`,
        timeoutMs: 60_000,
      });
    },
    async stop() {
      stopped = true;
      await ended;
      return { answers: counts.reduce((sum, { answers }) => sum + answers, 0), verdicts, errors };
    },
  };
}
