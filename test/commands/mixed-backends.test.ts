import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { run } from '../../src/cli.ts';
import type { RegistryDocument } from '../../src/domain/registry/schema.ts';
import { NOON, simulatorAt, stopAll } from '../demo/datadog/fixture.ts';
import { capture } from './io.ts';

/** Commands and artefacts that know Datadog only, over a registry that is measured by Prometheus as well. */

const service = { env: 'production', operation: 'http.request', canary: 'version:{version}' };
const registry: RegistryDocument = {
  apiVersion: 'cuj-gate/v1',
  defaults: { slo: { availability: 99.9 } },
  sources: {
    counters: {
      backend: 'prometheus',
      total: 'http_requests_total{job="{service}"}',
      bad: 'http_requests_total{job="{service}",code=~"5.."}',
      groupBy: 'method/route',
    },
  },
  services: { web: service, ledger: { env: 'production', source: 'counters', canary: 'version:{version}' } },
  cujs: [
    {
      name: 'pay',
      owner: 'team',
      service: 'web',
      endpoints: ['POST /orders', { service: 'ledger', method: 'POST', path: '/entries' }],
    },
    { name: 'order', owner: 'team', service: 'web', endpoints: ['POST /orders'] },
  ],
};
const folder = mkdtempSync(join(tmpdir(), 'mixed-commands-'));
afterEach(stopAll);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function written(of: RegistryDocument = registry): string {
  const path = join(folder, 'cujs.json');
  writeFileSync(path, JSON.stringify(of));
  return path;
}

async function cujGate(env: Record<string, string>, ...argv: string[]) {
  const { io, stdout, stderr } = capture({ env, now: () => NOON });
  const code = await run(argv, io);
  return { code, out: stdout(), err: stderr() };
}

describe('generate', () => {
  it('makes no SLO of a part of a CUJ, and says so', async () => {
    const out = join(folder, 'out');
    const { code, err } = await cujGate(
      {},
      'generate',
      'terraform',
      'openslo',
      'analysis-templates',
      '--registry',
      written(),
      '--out',
      out,
    );
    expect(code).toBe(0);
    expect(err).toContain('terraform leaves out pay: Datadog does not measure all of it');
    expect(err).toContain('openslo leaves out pay: no backend measures all of it');
    const terraform = readdirSync(join(out, 'terraform'));
    expect(terraform).toContain('cuj-order.tf.json');
    expect(terraform).not.toContain('cuj-pay.tf.json');
    expect(readFileSync(join(out, 'terraform/cujs-dashboard.tf.json'), 'utf8')).toContain(
      'Left out, since Datadog does not measure all of it: pay.',
    );
    expect(readFileSync(join(out, 'terraform/cujs-dashboard.json.tftpl'), 'utf8')).not.toContain('pay');
    expect(readdirSync(join(out, 'openslo')).join()).not.toContain('pay');
    // What asks the gate asks about all of it.
    expect(readdirSync(join(out, 'analysis-templates')).join()).toContain('pay');
  });

  it('refuses what would be empty', async () => {
    const cujs = registry.cujs?.slice(0, 1) ?? [];
    const { code, err } = await cujGate(
      {},
      'generate',
      'terraform',
      '--registry',
      written({ ...registry, cujs }),
    );
    expect(code).toBe(2);
    expect(err).toContain('this registry is for Datadog and Prometheus');
  });
});

it('demo refuses what it cannot simulate', async () => {
  const { code, err } = await cujGate({}, 'demo', '--registry', written(), '--once');
  expect(code).toBe(2);
  expect(err).toContain('the demo simulates Datadog only, and another backend measures ledger');
});

describe.each([['doctor'], ['plan'], ['report'], ['backtest']])('%s', (command) => {
  it('names what it leaves out', async () => {
    const { simulator } = await simulatorAt(NOON);
    const env = { DD_API_KEY: 'a'.repeat(32), DD_APP_KEY: 'b'.repeat(40), DD_URL: simulator.url };
    const { err, out } = await cujGate(env, command, '--registry', written(), '--json');
    expect(err).toContain('left out, since Datadog does not measure all of it: services ledger; CUJs pay');
    expect(out).not.toContain('ledger');
  });

  it('refuses a registry of which it would see nothing', async () => {
    const cujs = registry.cujs?.slice(0, 1) ?? [];
    const env = { DD_API_KEY: 'a'.repeat(32), DD_APP_KEY: 'b'.repeat(40), DD_URL: 'http://127.0.0.1:1' };
    const { code, err } = await cujGate(env, command, '--registry', written({ ...registry, cujs }));
    expect(code).toBe(2);
    expect(err).toContain('no CUJ of the registry is measured by Datadog alone');
  });
});
