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

  describe('and validate --against', () => {
    function written(name: string, document: object): string {
      const file = path.join(folder, name);
      writeFileSync(file, JSON.stringify(document, null, 2));
      return file;
    }
    const [buy] = registry.cujs;
    const { us: _, ...others } = registry.environments;

    it('names the environment that a change breaks, where it is overridden, and takes it in --allow', async () => {
      const observed = (mode: string) => ({
        ...registry,
        cujs: [{ ...buy, environments: { us: { mode } } }],
      });
      const old = written('old.json', observed('observe'));
      const next = written('next.json', observed('enforce'));
      const { code, stdout } = await gate(['validate', next, '--against', old, '--json']);
      expect(code).toBe(1);
      const {
        against: { breaking },
      } = JSON.parse(stdout);
      expect(breaking).toMatchObject([
        {
          rule: 'mode-enforce',
          name: 'buy',
          environment: 'us',
          path: 'cujs[0].environments.us.mode',
          fix: 'If you mean it, use --allow mode-enforce:buy@us.',
        },
      ]);
      const allow = (key: string) => gate(['validate', next, '--against', old, '--allow', key]);
      const allowed = await allow('mode-enforce:buy@us');
      expect(allowed.code).toBe(0);
      expect(allowed.stdout).toContain('key:   mode-enforce:buy@us\n');
      expect((await allow('mode-enforce:buy')).code).toBe(0);
      expect(await allow('mode-enforce:buy@eu')).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('matches no change'),
      });
    });

    it('finds an environment that is gone, where it was defined', async () => {
      const old = written('old.json', registry);
      const next = written('next.json', { ...registry, environments: others });
      const { code, stdout } = await gate(['validate', next, '--against', old]);
      expect(code).toBe(1);
      expect(stdout).toMatch(
        /old\.json:\d+:5: breaks: the environment "us" is gone, .* \(environment-removed\)\n {2}fix: .*--allow environment-removed:us\./,
      );
      const allowed = ['validate', next, '--against', old, '--allow', 'environment-removed:us'];
      expect((await gate(allowed)).code).toBe(0);
    });

    it('says what templates must send where the registry had no environments', async () => {
      const old = written('old.json', {
        apiVersion: 'cuj-gate/v1',
        services: { shop: { ...registry.services.shop, env: 'production' } },
        cujs: [{ ...buy, environments: undefined }],
      });
      const next = written('next.json', registry);
      const { code, stdout } = await gate(['validate', next, '--against', old]);
      expect(code).toBe(1);
      expect(stdout).toMatch(/next\.json:\d+:3: breaks: .* \(environment-required\)/);
      expect(stdout).toContain('they send environment=NAME');
      expect(stdout).toContain('1 change would break rollouts in flight');
    });
  });

  it('chooses the registry by which generate --check finds what breaks rollouts in flight', async () => {
    const strict = {
      ...registry,
      cujs: [{ ...registry.cujs[0], name: 'order', aliases: ['buy'] }],
      services: {
        shop: {
          ...registry.services.shop,
          environments: { us: { canary: 'version:{version},track:{track}' } },
        },
      },
    };
    const file = path.join(folder, 'strict.json');
    writeFileSync(file, JSON.stringify(strict));
    const templates = (environment: string, out: string, ...more: string[]) =>
      gate([
        ...['generate', 'analysis-templates', '--environment', environment],
        ...['--out', path.join(folder, out), ...more],
      ]);
    const check = (environment: string, out: string) =>
      templates(
        environment,
        out,
        ...['--check', '--registry', file],
        ...(environment === 'us'
          ? ['--param', 'version=pod-template-hash', '--param', 'track=value:canary']
          : []),
      );
    await templates('eu', 'of-eu');
    await templates('us', 'of-us');
    // In eu the question is answered as before, by the alias.
    const eu = await check('eu', 'of-eu');
    expect(eu.stdout).toMatch(/note: "buy" is an alias/);
    expect(eu.stdout).not.toContain('breaks rollouts');
    const us = await check('us', 'of-us');
    expect(us.stdout).toMatch(
      /breaks rollouts in flight: .*needs the parameter "track".*\(parameter-missing\)/,
    );
    // Templates of another environment, and templates that name none.
    expect((await check('eu', 'of-us')).stdout).toMatch(
      /breaks rollouts in flight: templates name the environment "us", .* \(other-environment\)/,
    );
    const before = path.join(folder, 'before.json');
    writeFileSync(
      before,
      JSON.stringify({
        ...{ apiVersion: registry.apiVersion, cujs: [{ ...registry.cujs[0], environments: undefined }] },
        services: { shop: { ...registry.services.shop, env: 'production' } },
      }),
    );
    const alone = [
      'generate',
      'analysis-templates',
      '--registry',
      before,
      '--out',
      path.join(folder, 'alone'),
    ];
    await gate(alone);
    expect((await check('eu', 'alone')).stdout).toMatch(
      /templates name no environment.*\(environment-required\)/,
    );
    // And back: the registry has none any more.
    const back = [...alone.slice(0, -1), path.join(folder, 'of-eu'), '--check'];
    expect((await gate(back)).stdout).toMatch(/names? the environment "eu", .* \(environment-removed\)/);
  });
});
