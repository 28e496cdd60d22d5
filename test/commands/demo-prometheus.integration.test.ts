import { type ChildProcessByStdio, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../src/cli.ts';
import { isInstalled, prometheusPrograms } from '../../src/demo/prometheus/program.ts';
import { capture } from './io.ts';

const root = path.join(import.meta.dirname, '../..');

describe.each(prometheusPrograms)('demo --prometheus %s --once', (program) => {
  const streams = capture();
  const isThere = isInstalled(program);
  let code: number | undefined;

  beforeAll(async () => {
    if (isThere) code = await run(['demo', '--prometheus', program, '--once'], streams.io);
  });

  it.runIf(isThere)('ends well once the canary is caught, while the total error rate is fine', () => {
    expect(streams.stderr()).toBe('');
    expect(code).toBe(0);
    expect(streams.stdout()).toMatch(
      /What the total error rate says {3}fine: 0\.0[0-4]\d*% of \d+ requests failed/,
    );
    expect(streams.stdout()).toMatch(
      /What cuj-gate says +FAIL signup \(slo_violated\): .*worst POST \/api\/v1\/signup\/phone\/verify/,
    );
  });

  it.runIf(isThere)('fails no other CUJ', () => {
    expect(streams.stdout().match(/ {2}x \S+|^.*CUJs {2}x \S+/gm)).toEqual(['       CUJs  x signup']);
  });
});

describe('demo --prometheus', () => {
  it('says what to install where the program is missing', async () => {
    const streams = capture();
    const before = process.env.PATH;
    process.env.PATH = '/nowhere';
    try {
      expect(await run(['demo', '--prometheus', '--once'], streams.io)).toBe(2);
    } finally {
      process.env.PATH = before;
    }
    expect(streams.stderr()).toContain('there is no program "prometheus" on the PATH');
    expect(streams.stderr()).toContain('apt-get install prometheus');
  });

  it('breaks CUJs of your own registry only', async () => {
    const streams = capture();
    expect(await run(['demo', '--prometheus', '--break', 'signup'], streams.io)).toBe(2);
    expect(streams.stderr()).toContain('--break requires --registry');
  });

  it('is named where a registry for Prometheus is given without it', async () => {
    const file = path.join(root, 'config/cujs-prometheus.yaml');
    const streams = capture();
    expect(await run(['demo', '--registry', file, '--once'], streams.io)).toBe(2);
    expect(streams.stderr()).toMatch(
      /this is a source of Prometheus[\s\S]*one for Prometheus: add --prometheus\.\n$/,
    );
  });

  it('refuses a program that it does not know', async () => {
    const streams = capture();
    expect(await run(['demo', '--prometheus', 'influxdb'], streams.io)).toBe(2);
    expect(streams.stderr()).toContain('prometheus, victoria-metrics');
  });
});

describe.each(prometheusPrograms)('demo --prometheus %s --registry', (program) => {
  const isThere = isInstalled(program);
  const folder = mkdtempSync(path.join(tmpdir(), 'demo-'));
  const file = path.join(folder, 'cujs.yaml');
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  async function demo(registry: string, ...args: string[]) {
    writeFileSync(file, registry);
    const streams = capture({ now: Date.now });
    const code = await run(
      ['demo', '--prometheus', program, '--registry', file, '--once', ...args],
      streams.io,
    );
    return { code, stdout: streams.stdout(), stderr: streams.stderr() };
  }

  it.runIf(isThere)('judges each CUJ by its own source, and fails the broken one', async () => {
    const { code, stdout, stderr } = await demo(ownRegistry);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain('On the canary, GET /Orders/{id} of orders fails for one request in five.');
    expect(stdout).toMatch(/^FAIL order \(slo_violated\): .*worst GET \/Orders\/\{id\}/m);
    expect(stdout).toMatch(/^PASS ledger \(within_slo\): 0 of/m);
  });

  it.runIf(isThere)('says what is wrong before it starts anything', async () => {
    const unknown = await demo(ownRegistry, '--break', 'orders');
    expect(unknown.code).toBe(2);
    expect(unknown.stderr).toContain("Did you mean 'GET /Orders/{id}'?");
    expect(unknown.stderr).toContain('a CUJ, whose last endpoint breaks: order, ledger\n');
    const traced = await demo(ownRegistry.replace('source: mesh', 'operation: http.request'));
    expect(traced.code).toBe(0);
    expect(traced.stdout).toContain(
      'Not simulated: ledger, whose source "trace" cannot be: Prometheus has no traces.',
    );
    const broken = await demo(ownRegistry.replace('code=~"5.."', 'code=~"5"x'));
    expect(broken.code).toBe(2);
    expect(broken.stderr).toContain('is not a matcher');
  });
});

const ownRegistry = `
apiVersion: cuj-gate/v1
defaults: { gate: { maxWindow: 1h } }
sources:
  app:
    total: http_requests_total{job="shop/{service}",route!="/healthz"}
    bad: http_requests_total{job="shop/{service}",route!="/healthz",code=~"5.."}
    duration: http_request_duration_seconds_bucket{job="shop/{service}"}
    groupBy: method/route
  mesh: { total: "preset:istio", bad: "preset:istio" }
services:
  orders: { env: production, source: app, canary: "version:{version}" }
  ledger: { env: production, source: mesh, canary: "role:canary,sha:{hash}", stable: "role:stable" }
cujs:
  - name: order
    owner: team-orders
    service: orders
    slo: { availability: 99.9, latency: 99 }
    endpoints:
      - { method: POST, path: "/Orders/{id}", latencyMs: 250 }
      - { method: GET, path: "/Orders/{id}", latencyMs: 100 }
  - { name: ledger, owner: team-orders, service: ledger, slo: { availability: 99.9 }, endpoints: "*" }
`;

describe('demo --prometheus in a terminal', () => {
  const isThere = isInstalled('prometheus');
  const folder = mkdtempSync(path.join(tmpdir(), 'demo-'));
  let demo: ChildProcessByStdio<null, Readable, null>;
  let said = '';

  beforeAll(async () => {
    if (!isThere) return;
    demo = spawn(process.execPath, ['--import', 'tsx', 'src/bin.ts', 'demo', '--prometheus', '--port', '0'], {
      cwd: root,
      env: { ...process.env, TMPDIR: folder },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    demo.stdout.setEncoding('utf8');
    for await (const text of demo.stdout.iterator({ destroyOnReturn: false })) {
      said += text;
      if (said.includes('Ctrl-C ends it')) break;
    }
  });
  afterAll(() => {
    demo?.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });

  it.runIf(isThere)('prints lines for other commands, which find the same verdict', async () => {
    const exported = [...said.matchAll(/(CUJ_GATE_\w+)=(\S+)/g)].map(
      ([, name = '', value = '']) => [name, value.replaceAll("'", '')] as const,
    );
    const streams = capture({ env: Object.fromEntries(exported), now: Date.now });
    const [, command = ''] = /cuj-gate (evaluate .*)/.exec(said) ?? [];
    expect(await run(command.split(' '), streams.io)).toBe(1);
    expect(streams.stdout()).toMatch(/^FAIL signup \(slo_violated\)/);
  });

  it.runIf(isThere)('leaves nothing behind after Ctrl-C', async () => {
    const [, url = ''] = /CUJ_GATE_PROMETHEUS_URL=(\S+)/.exec(said) ?? [];
    expect(readdirSync(folder).length).toBeGreaterThan(0);
    expect(execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' })).toContain(folder);
    demo.kill('SIGINT');
    expect(await once(demo, 'exit')).toEqual([0, null]);
    await expect(fetch(url)).rejects.toThrow();
    expect(execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' })).not.toContain(folder);
    expect(readdirSync(folder).filter((name) => name.startsWith('cuj-gate-'))).toEqual([]);
  });
});
