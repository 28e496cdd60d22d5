import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../src/cli.ts';
import { type Simulator, startDatadogSimulator } from '../../src/demo/datadog/simulator.ts';
import { capture, someTime } from './io.ts';

const registry = {
  apiVersion: 'cuj-gate/v1',
  environments: {
    eu: { env: 'production', tags: { cluster_name: 'eu-1' } },
    us: { env: 'production', tags: { cluster_name: 'us-1' } },
    asia: { env: 'production', tags: { cluster_name: 'asia-1' } },
  },
  services: { shop: { operation: 'express.request', canary: 'version:{version}' } },
  cujs: [
    {
      name: 'buy',
      owner: 'team-shop',
      service: 'shop',
      slo: { availability: 99.95 },
      endpoints: ['POST /orders'],
      environments: { asia: { gate: { window: '5m', maxWindow: '10m' } } },
    },
  ],
};

describe('--environment', () => {
  let datadog: Simulator;
  let folder: string;
  let env: Record<string, string>;

  beforeAll(async () => {
    datadog = await startDatadogSimulator({ now: () => someTime, apiKey: 'api', applicationKey: 'app' });
    for (const cluster of ['eu-1', 'us-1']) {
      for (let minutes = 20; minutes >= 1; minutes -= 1) {
        for (const version of ['v1', 'v2']) {
          const failed = cluster === 'us-1' && version === 'v2' ? 20 : 0;
          const event = {
            operation: 'express.request',
            env: 'production',
            service: 'shop',
            resource: 'POST /orders',
            version,
            primaryTags: { cluster_name: cluster },
            at: someTime - minutes * 60_000,
          };
          datadog.store.recordRequests({ ...event, statusCode: 200, count: 200 - failed });
          if (failed > 0) datadog.store.recordRequests({ ...event, statusCode: 500, count: failed });
        }
      }
    }
    folder = mkdtempSync(path.join(tmpdir(), 'cuj-gate-environments-'));
    const file = path.join(folder, 'cujs.json');
    writeFileSync(file, JSON.stringify(registry));
    env = { DD_URL: datadog.url, DD_API_KEY: 'api', DD_APP_KEY: 'app', CUJ_GATE_REGISTRY: file };
  });

  afterAll(async () => {
    await datadog.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  async function gate(argv: readonly string[], more: Record<string, string> = {}) {
    const streams = capture({ env: { ...env, ...more } });
    const code = await run([...argv], streams.io);
    return { code, stdout: streams.stdout(), stderr: streams.stderr() };
  }
  const evaluate = ['evaluate', 'buy', '--param', 'version=v2', '--window', '10m'];

  it('chooses whose traffic evaluate judges, over CUJ_GATE_ENVIRONMENT', async () => {
    expect((await gate([...evaluate, '--environment', 'eu'])).stdout).toMatch(/^PASS buy/);
    expect((await gate(evaluate, { CUJ_GATE_ENVIRONMENT: 'us' })).stdout).toMatch(/^FAIL buy/);
    const over = await gate([...evaluate, '--environment', 'eu'], { CUJ_GATE_ENVIRONMENT: 'us' });
    expect(over.stdout).toMatch(/^PASS buy/);
  });

  it('is in the record of a verdict, which can be judged again', async () => {
    const record = path.join(folder, 'record.json');
    await gate([...evaluate, '--environment', 'us', '--record', record]);
    expect(JSON.parse(readFileSync(record, 'utf8'))).toMatchObject({
      options: { environment: 'us' },
      verdict: { environment: 'us', verdict: 'fail' },
    });
    const replayed = await gate(['evaluate', '--replay', record, '--json']);
    expect(JSON.parse(replayed.stdout)).toMatchObject({ environment: 'us', verdict: 'fail' });
    expect(replayed.stderr).toBe('');
  });

  it.each([
    [evaluate],
    [['generate', 'analysis-templates']],
    [['doctor']],
    [['plan']],
    [['report']],
    [['backtest']],
    [['lint', 'rollout', 'package.json']],
  ])('is missing, and nothing is done for some other environment: %j', async (argv) => {
    const { code, stdout, stderr } = await gate(argv);
    expect([code === 0, stdout]).toEqual([false, '']);
    expect(stderr).toContain('the registry has the environments eu, us, asia, and none is chosen');
  });

  it('generates for one environment', async () => {
    const { code, stdout } = await gate(['generate', 'all', '--environment', 'eu']);
    expect(code).toBe(0);
    expect(stdout).toContain('/cujs/buy/status?environment=eu');
    expect(stdout).toContain('cluster_name:eu-1');
    expect(stdout).not.toContain('us-1');
  });

  it('lets doctor see the traffic of one cluster, and a tag that no traffic has', async () => {
    const findings = async (environment: string) => {
      const { stdout } = await gate(['doctor', '--json', '--environment', environment]);
      return (JSON.parse(stdout).findings as { check: string; message: string }[]).filter(({ check }) =>
        check.endsWith('without-hits'),
      );
    };
    expect(await findings('eu')).toEqual([]);
    expect(await findings('asia')).toMatchObject([
      {
        check: 'scope-tag-without-hits',
        message: expect.stringMatching(/no cluster_name:asia-1; it has cluster_name:eu-1.*cluster_name:us-1/),
      },
    ]);
  });

  it('is not needed by validate, which checks all and counts them', async () => {
    const { code, stdout } = await gate(['validate']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ok: 1 CUJ, 1 service, 3 environments, digest /);
    const { stdout: json } = await gate(['validate', '--json']);
    expect(JSON.parse(json)).toMatchObject({ ok: true, environments: ['eu', 'us', 'asia'], cujs: ['buy'] });
  });
});
