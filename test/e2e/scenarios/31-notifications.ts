import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { request } from 'undici';
import { cujGate } from '../gate.ts';
import { type KubeObject, kinds, type Loose } from '../kube.ts';
import { everyBackend } from '../metrics-backend.ts';
import type { Release } from '../release.ts';
import { analysisRuns, promoteRollout, rolloutPhase } from '../rollouts.ts';
import { runProgram } from '../run-program.ts';
import type { Scenario, ScenarioContext } from '../scenario.ts';
import { waitFor } from '../wait.ts';
import { noCache, startWorld } from '../world.ts';

const hostileOwner = 'team "matching" <!channel> \\ & <b>co</b> {{ .x }}';
const hostileSummary =
  'FAIL matching-api (slo_violated): 1 of 2 CUJs: like (slo_violated): "12" of 300 \\ failed <!channel>\n<https://evil.example.com|fine> & {{ .rollout }} $HOME é';

const registryText = `
apiVersion: cuj-gate/v1
defaults: { slo: { availability: 99.95 } }
services:
  member-api: { env: production, operation: http.request, canary: "version:{version}", stable: "version:{stable_version}" }
  matching-api: { env: production, operation: express.request, canary: "version:{version}", stable: "version:{stable_version}" }
cujs:
  - name: signup
    owner: team-identity
    runbook: https://wiki.example.com/runbooks/signup
    service: member-api
    endpoints: [POST /api/v1/signup, POST /api/v1/signup/phone/verify]
  - { name: like, owner: ${JSON.stringify(hostileOwner)}, service: matching-api, endpoints: ["POST /api/v1/users/:user_id/likes"] }
`;

const configMap = 'argo-rollouts-notification-configmap';
const verify = 'POST /api/v1/signup/phone/verify';

export const scenario: Scenario = {
  name: 'notifications',
  what: 'a failed release, an inconclusive pause and the return to normal are told once each, in Slack, Teams and by webhook',
  backends: everyBackend,
  // Three releases, one after another.
  timeoutMs: 180_000,
  async run(context) {
    const { kube, namespace, dir, cluster } = context;
    const registry = path.join(dir, 'cujs.yaml');
    writeFileSync(registry, registryText);
    const world = await startWorld(context, { registry, env: noCache });
    const receiver = await startReceiver(context);
    // The service for the workflows of Teams came with the notification engine of 1.10.
    const workflows = cluster.rolloutsVersion === 'v1.10.0';
    await applyNotifications(context, world.registry, world.gate.url, receiver.url, workflows);

    const subscribed = (objects: KubeObject[]) => {
      const rollout = objects.find(({ kind }) => kind === 'Rollout')!;
      const destinations = { 'cuj-gate': '', slack: 'releases', teams: 'releases' };
      for (const trigger of ['failed', 'inconclusive', 'recovered']) {
        for (const [service, recipient] of Object.entries({
          ...destinations,
          ...(workflows && { 'teams-workflows': 'releases' }),
        })) {
          rollout.metadata.annotations = {
            ...rollout.metadata.annotations,
            [`notifications.argoproj.io/subscribe.on-cuj-gate-${trigger}.${service}`]: recipient,
          };
        }
      }
    };

    const release = await world.deploy('member-api', { edit: subscribed });
    await begin(context, release, 'v1.1.0');
    world.canary(release, { failing: { [verify]: 0.5 } });
    await release.untilAborted();
    const failed = await receiver.until(release.name, 1);
    // On a busy machine the analysis step fails as well. Either of them may be reported, and only one.
    const failedRuns = (await analysisRuns(kube, release)).filter(({ status }) => status.phase === 'Failed');
    assert.ok(failedRuns.some(({ metadata }) => metadata.name === failed.body.analysisRun));
    const version = `version=${release.canaryHash}&stable_version=${release.stableHash}`;
    assert.deepEqual(
      { ...failed.body, analysisRun: '', rollout: { ...failed.body.rollout, message: '' }, measurements: [] },
      {
        event: 'failed',
        title: `Failed: ${namespace}/member-api`,
        text: 'The analysis failed, so Argo Rollouts aborted revision 2 and returns all traffic to the stable version.',
        rollout: { namespace, name: 'member-api', revision: '2', phase: 'Degraded', message: '' },
        analysisRun: '',
        measurements: [],
        more: 0,
        commands: [
          {
            label: 'Retry, if the cause was outside the release',
            command: `kubectl argo rollouts -n ${namespace} retry rollout member-api`,
          },
        ],
      },
    );
    const [measurement, ...others] = failed.body.measurements;
    assert.deepEqual(others, []);
    assert.match(
      measurement.text,
      /^FAIL signup \(slo_violated\): \d+ of \d+ requests failed .*, worst POST/,
    );
    assert.deepEqual(
      { ...measurement, text: '', page: sortedQuery(measurement.page) },
      {
        metric: 'cuj-signup',
        text: '',
        owner: 'team-identity',
        runbook: 'https://wiki.example.com/runbooks/signup',
        page: sortedQuery(`${world.gate.url}/cujs/signup/status?${version}`),
      },
    );
    const page = await request(measurement.page, { headers: { accept: 'text/html' } });
    assert.equal(page.statusCode, 200, 'the link must lead to a page');
    assert.match(await page.body.text(), /team-identity/);
    for (const text of failed.texts) {
      assert.match(text, /Failed: notifications\/member-api/);
      assert.ok(text.includes(measurement.text), text);
      assert.match(text, /team-identity[\s\S]*https:\/\/wiki\.example\.com\/runbooks\/signup/);
      assert.match(text, /kubectl argo rollouts -n notifications retry rollout member-api/);
    }

    // A silent canary is inconclusive until its traffic comes; then the step is measured again.
    await begin(context, release, 'v1.2.0');
    await release.untilPersonIsAsked();
    const paused = await receiver.until(release.name, 2);
    assert.equal(paused.body.event, 'inconclusive');
    assert.equal(paused.body.rollout.revision, '3');
    assert.match(paused.body.measurements[0].text, /^INCONCLUSIVE signup \(no_data\): /);
    assert.equal(paused.body.measurements[0].owner, 'team-identity');
    for (const text of paused.texts) {
      assert.match(text, /Waits for a person: notifications\/member-api[\s\S]*INCONCLUSIVE signup/);
      assert.match(
        text,
        /rollouts -n notifications abort member-api[\s\S]*patch rollout member-api[\s\S]*promote member-api/,
      );
    }
    world.canary(release);
    await promoteRollout(kube, release);
    await release.untilPromoted();
    const normal = await receiver.until(release.name, 3);
    assert.equal(normal.body.event, 'recovered');
    assert.match(normal.body.measurements[0].text, /^PASS signup \(within_slo\)/);
    for (const text of normal.texts) {
      assert.match(
        text,
        /Back to normal: notifications\/member-api[\s\S]*Revision 3 is healthy[\s\S]*PASS signup/,
      );
    }

    // What is normal is not told, and neither is a change of the Rollout after what was told. When the other Rollout's message has
    // arrived, the controller has long seen this change.
    await kube.patch(kinds.Rollout, namespace, release.name, {
      metadata: { annotations: { touched: 'yes' } },
    });
    const scripted = await startScriptedGate(context);
    const other = await world.deploy('matching-api', {
      ...{ gateUrl: scripted.url, edit: subscribed, flags: ['--analysis', 'service'] },
    });
    await hostile(context, receiver, other, scripted);
    assert.deepEqual(receiver.eventsOf('member-api'), ['failed', 'inconclusive', 'recovered']);
    assert.deepEqual(receiver.eventsOf('matching-api'), ['failed']);
  },
};

/** A message in each of its forms. */
interface Told {
  /** By the webhook. */
  body: Loose;
  /** As Slack and Teams get it: JSON, parsed and printed again, with all escapes of JSON undone. */
  texts: string[];
}

interface Receiver {
  url: string;
  /** Resolves to the message of this number about a Rollout, once all services have it; there must be no further one. */
  until(rollout: string, count: number): Promise<Told>;
  eventsOf(rollout: string): string[];
}

/** Takes messages as Slack, Teams and a webhook do. */
async function startReceiver({ onEnd, cluster }: ScenarioContext): Promise<Receiver> {
  const received: { service: string; body: Loose }[] = [];
  const server = createServer(async (incoming, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    const service = (incoming.url ?? '').split('/')[1] ?? '';
    if (service === 'slack') {
      const form = new URLSearchParams(text);
      const blocks = JSON.parse(form.get('blocks') ?? '[]');
      received.push({ service, body: { text: form.get('text'), channel: form.get('channel'), blocks } });
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ ok: true, channel: 'C1', ts: '1.1' }));
      return;
    }
    received.push({ service, body: JSON.parse(text) });
    response.end(service === 'teams' ? '1' : '');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onEnd(() => {
    server.closeAllConnections();
    server.close();
  });
  const services = ['slack', 'teams', ...(cluster.rolloutsVersion === 'v1.10.0' ? ['powerautomate'] : [])];
  const about = (service: string, rollout: string) =>
    received.filter((one) => one.service === service && stringsOf(one.body).includes(`/${rollout}`));
  const events = (rollout: string) =>
    received
      .filter(({ service, body }) => service === 'webhook' && body.rollout.name === rollout)
      .map(({ body }) => body);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async until(rollout, count) {
      await waitFor(
        () => [events(rollout).length, ...services.map((service) => about(service, rollout).length)],
        {
          what: `message ${count} about ${rollout}`,
          timeoutMs: 30_000,
          until: (counts) => counts.every((one) => one >= count),
        },
      );
      for (const service of services) assert.equal(about(service, rollout).length, count, service);
      assert.equal(events(rollout).length, count);
      return {
        body: events(rollout)[count - 1],
        texts: services.map((service) => stringsOf(about(service, rollout)[count - 1]!.body)),
      };
    },
    eventsOf: (rollout) => events(rollout).map(({ event }) => event),
  };
}

/** All strings in some JSON, each on a line of its own. */
function stringsOf(value: Loose): string {
  if (typeof value === 'string') return value;
  return typeof value === 'object' && value !== null ? Object.values(value).map(stringsOf).join('\n') : '';
}

/** A ConfigMap that was there, with services and a template of its own; then what is generated, merged as its comment says. */
async function applyNotifications(
  context: ScenarioContext,
  registry: string,
  gateUrl: string,
  receiverUrl: string,
  workflows: boolean,
): Promise<void> {
  const { kube, dir, cluster, programs } = context;
  await kube.apply({
    ...{ apiVersion: 'v1', kind: 'ConfigMap' },
    metadata: { name: configMap, namespace: 'argo-rollouts' },
    data: {
      'template.own': 'message: ours',
      'trigger.on-rollout-completed': '- send: [own]\n',
      'service.webhook.cuj-gate': `url: ${receiverUrl}/webhook\nheaders: [{ name: Content-Type, value: application/json }]\n`,
      'service.slack': `token: e2e-token-of-nobody\napiURL: ${receiverUrl}/slack/\n`,
      'service.teams': `recipientUrls: { releases: "${receiverUrl}/teams" }\n`,
      ...(workflows && {
        'service.teams-workflows': `recipientUrls: { releases: "${receiverUrl}/powerautomate/hook" }\n`,
      }),
    },
  });
  await cujGate(context, [
    ...['generate', 'notifications', '--registry', registry, '--out', dir, '--public-url', gateUrl],
  ]);
  await runProgram(programs.kubectl.program, [
    ...['--kubeconfig', cluster.kubeconfig, 'apply', '--server-side', '--field-manager', 'cuj-gate'],
    ...['-n', 'argo-rollouts', '-f', path.join(dir, 'notifications', `${configMap}.yaml`)],
  ]);
  const { data } = await kube.get({ apiVersion: 'v1', kind: 'ConfigMap' }, 'argo-rollouts', configMap);
  assert.equal(data['template.own'], 'message: ours', 'what was there must stay');
  assert.ok(data['trigger.on-cuj-gate-failed']);
}

/** Releases, and waits until the Rollout is about this version: before, it still names the one that was aborted. */
async function begin({ kube }: ScenarioContext, release: Release, version: string): Promise<void> {
  const before = (await rolloutPhase(kube, release)).canaryHash;
  await release.start(version);
  const { canaryHash } = await waitFor(() => rolloutPhase(kube, release), {
    what: `${release.name} to release ${version}`,
    timeoutMs: 30_000,
    everyMs: 50,
    until: ({ canaryHash: now }) => now !== before,
  });
  release.canaryHash = canaryHash;
}

/** A gate that answers what it is told to. */
async function startScriptedGate({ onEnd }: ScenarioContext): Promise<{ url: string; summary: string }> {
  const server = createServer((_, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ summary: gate.summary }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onEnd(() => {
    server.closeAllConnections();
    server.close();
  });
  const gate = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    summary: 'PASS matching-api (within_slo): all 2 CUJs pass: like 100% of 288',
  };
  return gate;
}

/** A URL whose query is in a fixed order. */
function sortedQuery(text: string): string {
  const url = new URL(text);
  url.searchParams.sort();
  return url.href;
}

/** A reason and an owner with every character that means something to JSON, Slack, HTML or a template. */
async function hostile(
  context: ScenarioContext,
  receiver: Receiver,
  release: Release,
  answer: { summary: string },
): Promise<void> {
  const { namespace } = context;
  await begin(context, release, 'v1.1.0');
  answer.summary = hostileSummary;
  await release.untilAborted();
  const { body, texts } = await receiver.until(release.name, 1);
  const text =
    'FAIL matching-api (slo_violated): 1 of 2 CUJs: like (slo_violated): "12" of 300 \\ failed ‹!channel› ‹https://evil.example.com|fine› & {{ .rollout }} $HOME é';
  const owner = 'team "matching" ‹!channel› \\ & ‹b›co‹/b› {{ .x }}';
  assert.deepEqual(
    body.measurements.map(({ page, ...rest }: Loose) => rest),
    [{ metric: 'service-matching-api', text, owner }],
  );
  assert.match(body.measurements[0].page, /\/services\/matching-api\/status\?.*\bversion=\w+/);
  for (const shown of texts) {
    const unescaped = shown.replaceAll('&amp;', '&');
    assert.ok(unescaped.includes(text) && unescaped.includes(owner), shown);
    assert.doesNotMatch(shown, /<(?!http:\/\/127\.0\.0\.1)/, 'only the link to the page may be one');
  }
  assert.equal(body.title, `Failed: ${namespace}/matching-api`);
}
