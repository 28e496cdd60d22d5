import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** The first command of docs/operations.md, by a real kubectl against the two kinds of objects that it reads. */

const page = readFileSync(path.join(import.meta.dirname, '../../docs/operations.md'), 'utf8');
const command = /```sh\n(GATE=[\s\S]*?)```/.exec(page)?.[1] ?? '';
const shown = /<!-- output -->\n```text\n([\s\S]*?)```/.exec(page)?.[1];

const groupVersion = 'argoproj.io/v1alpha1';
const hashLabel = 'rollouts-pod-template-hash';

interface KubernetesObject {
  readonly kind: string;
  readonly metadata: object;
  readonly status?: object | undefined;
}

interface Measured {
  readonly name: string;
  readonly phase: string;
  readonly measurements: readonly object[];
}

function rollout(namespace: string, name: string, status?: object) {
  return { apiVersion: groupVersion, kind: 'Rollout', metadata: { namespace, name }, spec: {}, status };
}

function analysisRun(
  namespace: string,
  name: string,
  {
    hash,
    type,
    begun,
    ...status
  }: {
    hash: string;
    type: string;
    begun: string;
    phase?: string;
    message?: string;
    metricResults?: readonly Measured[];
  },
) {
  return {
    apiVersion: groupVersion,
    kind: 'AnalysisRun',
    metadata: {
      ...{ namespace, name, creationTimestamp: begun },
      labels: { [hashLabel]: hash, 'rollout-type': type },
    },
    spec: {
      args: [
        { name: 'version', value: hash },
        { name: 'stable-version', value: 'c57bbf5b5' },
        { name: 'cuj-gate-token', valueFrom: { secretKeyRef: { name: 'cuj-gate-token', key: 'token' } } },
      ],
    },
    status,
  };
}

const waiting = { phase: 'Paused', message: 'InconclusiveAnalysisRun', stableRS: 'c57bbf5b5' };
const aborted =
  'RolloutAborted: Rollout aborted update to revision 7: Background analysis phase error/failed: Metric "cuj-subscribe" assessed Failed due to failed (1) > failureLimit (0)';

/** The state that docs/operations.md shows. */
const ofThePage = [
  rollout('shop', 'member-api', {
    ...{ ...waiting, currentPodHash: '774fdfcdd8' },
    canary: {
      weights: { canary: { weight: 25 }, stable: { weight: 75 } },
      currentStepAnalysisRunStatus: { name: 'member-api-774fdfcdd8-12-2', status: 'Inconclusive' },
      currentBackgroundAnalysisRunStatus: { name: 'member-api-774fdfcdd8-12', status: 'Running' },
    },
  }),
  rollout('shop', 'payment-api', {
    ...{ phase: 'Degraded', message: aborted, currentPodHash: '6cdb9d7c4' },
    canary: { weights: { canary: { weight: 0 }, stable: { weight: 100 } } },
  }),
  rollout('shop', 'search-api', { phase: 'Healthy', currentPodHash: '5d9c7b8f6' }),
  analysisRun('shop', 'member-api-774fdfcdd8-12', {
    ...{ hash: '774fdfcdd8', type: 'Background', begun: '2026-01-31T02:41:07Z', phase: 'Running' },
    metricResults: [{ name: 'cuj-signup', phase: 'Running', measurements: [{ value: '"PASS signup"' }] }],
  }),
  analysisRun('shop', 'member-api-774fdfcdd8-12-2', {
    ...{ hash: '774fdfcdd8', type: 'Step', begun: '2026-01-31T02:46:09Z', phase: 'Inconclusive' },
    metricResults: [
      { name: 'cuj-login', phase: 'Successful', measurements: [{ value: '"PASS login"' }] },
      {
        ...{ name: 'cuj-signup', phase: 'Inconclusive' },
        measurements: [
          { value: '"INCONCLUSIVE signup, earlier"' },
          {
            value:
              '"INCONCLUSIVE signup (insufficient_traffic): 0 of 6 requests failed; passes after 409 more clean requests or with limited evidence after 5 clean requests"',
          },
        ],
      },
    ],
  }),
  analysisRun('shop', 'payment-api-6cdb9d7c4-7', {
    ...{ hash: '6cdb9d7c4', type: 'Background', begun: '2026-01-31T02:30:40Z', phase: 'Failed' },
    metricResults: [
      {
        ...{ name: 'cuj-subscribe', phase: 'Failed' },
        measurements: [
          {
            value:
              '"FAIL subscribe (slo_violated): 12 of 910 requests failed (98.682%, objective 99.9%, burn 13.2x), worst POST /api/v1/subscriptions 12 of 310; stable 3 of 17686"',
          },
        ],
      },
    ],
  }),
];

const resources = { rollouts: 'Rollout', analysisruns: 'AnalysisRun' } as const;

/** As much of a Kubernetes API server as `kubectl get` needs. */
function answerOf(pathname: string, objects: readonly KubernetesObject[]): object | undefined {
  const version = { groupVersion, version: 'v1alpha1' };
  switch (pathname) {
    case '/api':
      return { kind: 'APIVersions', versions: ['v1'] };
    case '/apis':
      return {
        kind: 'APIGroupList',
        apiVersion: 'v1',
        groups: [{ name: 'argoproj.io', versions: [version], preferredVersion: version }],
      };
    case '/api/v1':
      return { kind: 'APIResourceList', groupVersion: 'v1', resources: [] };
    case `/apis/${groupVersion}`:
      return {
        kind: 'APIResourceList',
        groupVersion,
        resources: Object.entries(resources).map(([name, kind]) => ({
          ...{ name, kind, singularName: kind.toLowerCase(), namespaced: true, verbs: ['get', 'list'] },
        })),
      };
  }
  const kind = Object.entries(resources).find(([name]) => pathname === `/apis/${groupVersion}/${name}`)?.[1];
  if (kind === undefined) return undefined;
  return {
    ...{ apiVersion: groupVersion, kind: `${kind}List`, metadata: { resourceVersion: '1' } },
    items: objects.filter((object) => object.kind === kind),
  };
}

const hasKubectl = spawnSync('kubectl', ['version', '--client']).status === 0;

describe.skipIf(!hasKubectl)('the command for rollouts that are stopped (needs kubectl)', () => {
  const home = mkdtempSync(path.join(tmpdir(), 'stopped-rollouts-'));
  let objects: readonly KubernetesObject[] = [];
  let server: Server;

  beforeAll(async () => {
    server = createServer((request, response) => {
      const answer = answerOf(new URL(request.url ?? '', 'http://localhost').pathname, objects);
      response.writeHead(answer === undefined ? 404 : 200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(answer ?? { kind: 'Status', status: 'Failure', code: 404 }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const config = {
      ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'test' },
      clusters: [{ name: 'test', cluster: { server: `http://127.0.0.1:${port}` } }],
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
      users: [{ name: 'test', user: {} }],
    };
    writeFileSync(path.join(home, 'config'), JSON.stringify(config));
  });
  afterAll(() => {
    server.close();
    rmSync(home, { recursive: true });
  });

  async function printed(of: readonly KubernetesObject[]): Promise<string> {
    objects = of;
    const env = { PATH: process.env.PATH, HOME: home, KUBECONFIG: path.join(home, 'config') };
    const child = spawn('bash', ['-c', command], { env });
    const text: string[] = [];
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => text.push(`${part}`));
    await new Promise((resolve) => child.on('close', resolve));
    return text.join('');
  }

  it('prints what the page shows', async () => {
    expect(await printed(ofThePage)).toBe(`\n${shown}`);
  });

  it('shows only the runs of now for a rollout that was retried', async () => {
    const status = { ...waiting, currentPodHash: 'abc', canary: {} };
    const old = { hash: 'abc', type: 'Background', begun: '2026-01-31T01:00:00Z', phase: 'Failed' };
    const text = await printed([
      rollout('shop', 'retried', status),
      analysisRun('shop', 'retried-abc-2', old),
    ]);
    expect(text).toContain('shop/retried is Paused: InconclusiveAnalysisRun\n  abort');
  });

  it('shows the background analysis that failed while the rollout waits', async () => {
    const failed = 'waiting-abc-2';
    const canary = { currentBackgroundAnalysisRunStatus: { name: failed, status: 'Failed' } };
    const run = { hash: 'abc', type: 'Background', begun: '2026-01-31T01:00:00Z', phase: 'Failed' };
    const text = await printed([
      rollout('shop', 'waiting', { ...waiting, currentPodHash: 'abc', canary }),
      analysisRun('shop', failed, run),
      analysisRun('other', failed, { ...run, begun: '2026-01-31T01:00:01Z' }),
    ]);
    expect(text.match(/Failed Background waiting-abc-2, begun .*/g)).toEqual([
      'Failed Background waiting-abc-2, begun 2026-01-31T01:00:00Z',
    ]);
  });

  it('says why an analysis had an error, of its measurement or of the run', async () => {
    const error = { hash: 'abc', type: 'Step', begun: '2026-01-31T01:00:00Z', phase: 'Error' };
    const text = await printed([
      rollout('shop', 'a', { phase: 'Degraded', message: 'RolloutAborted', currentPodHash: 'abc' }),
      analysisRun('shop', 'a-abc-2-2', { ...error, message: 'args.token could not be resolved' }),
      analysisRun('shop', 'a-abc-3-2', {
        ...error,
        metricResults: [
          {
            ...{ name: 'service-member-api', phase: 'Error' },
            measurements: [{ message: 'received non 2xx response code: 401' }],
          },
        ],
      }),
    ]);
    expect(text).toContain('begun 2026-01-31T01:00:00Z: args.token could not be resolved\n');
    expect(text).toContain(
      '    received non 2xx response code: 401\n    page     http://localhost:8080/services/member-api/status?pretty&version=abc&stable_version=c57bbf5b5\n',
    );
  });

  it.each([
    ['Paused', 'InconclusiveAnalysisRun', ['abort', 'again', 'promote', 'full']],
    ['Paused', 'CanaryPauseStep', ['abort', 'pause', 'promote', 'full']],
    ['Paused', 'manually paused', ['abort', 'resume', 'full']],
    ['Progressing', 'more replicas need to be updated', ['abort', 'pause', 'full']],
    ['Degraded', 'ProgressDeadlineExceeded: …', ['retry', 'full']],
    ['Healthy', '', []],
  ])('offers the commands that fit %s, %s', async (phase, message, commands) => {
    const text = await printed([rollout('shop', 'a', { phase, message, currentPodHash: 'abc' })]);
    expect([...text.matchAll(/^ {2}(\w+) +kubectl /gm)].map(([, name]) => name)).toEqual(commands);
  });

  it('passes over what the controller has not seen yet, and objects of other makers', async () => {
    const bare = {
      apiVersion: groupVersion,
      kind: 'AnalysisRun',
      metadata: { namespace: 'shop', name: 'b' },
    };
    const labelled = { ...bare, metadata: { ...bare.metadata, labels: { app: 'b' } } };
    const text = await printed([
      ...[rollout('shop', 'new'), rollout('shop', 'newer', {})],
      ...[bare, labelled, { ...labelled, status: {} }, { ...bare, status: { phase: 'Failed' } }],
      rollout('shop', 'a', { phase: 'Degraded' }),
    ]);
    expect(text).toMatch(/^\nshop\/a is Degraded\n {2}retry .*\n {2}full .*\n$/);
  });
});
