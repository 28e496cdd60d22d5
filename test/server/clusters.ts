import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import { compose, type Gate } from '../../src/server/compose.ts';
import { readSettings } from '../../src/settings/settings.ts';
import { MINUTE, NOON, simulatorAt, stopAll } from '../demo/datadog/fixture.ts';

/** Two clusters of production, and staging. */
export const clustersDocument = {
  apiVersion: 'cuj-gate/v1',
  environments: {
    eu: { env: 'production', tags: { cluster_name: 'eu-1' } },
    us: { env: 'production', tags: { cluster_name: 'us-1' } },
    staging: { env: 'staging' },
  },
  services: { shop: { operation: 'express.request', canary: 'version:{version}' } },
  cujs: [
    {
      name: 'buy',
      owner: 'team-shop',
      service: 'shop',
      slo: { availability: 99.95 },
      endpoints: ['POST /orders'],
      environments: { staging: { mode: 'observe', slo: { availability: 99 } } },
    },
  ],
};

/** The same service and version in two clusters: in `us-1`, a tenth of the canary's requests fail. */
async function clusters() {
  const { simulator } = await simulatorAt(NOON);
  for (const cluster of ['eu-1', 'us-1']) {
    for (let minutes = 30; minutes >= 1; minutes -= 1) {
      for (const version of minutes > 15 ? ['v1'] : ['v1', 'v2']) {
        const failed = cluster === 'us-1' && version === 'v2' ? 20 : 0;
        const event = {
          operation: 'express.request',
          env: 'production',
          service: 'shop',
          resource: 'POST /orders',
          version,
          primaryTags: { cluster_name: cluster },
          at: NOON - minutes * MINUTE,
        };
        simulator.store.recordRequests({ ...event, statusCode: 200, count: 200 - failed });
        if (failed > 0) simulator.store.recordRequests({ ...event, statusCode: 500, count: failed });
      }
    }
  }
  return simulator;
}

/** A gate over both clusters; what it opens is closed when the test ends. */
export async function serve(more: Record<string, string> = {}, registry: object = clustersDocument) {
  const folder = await mkdtemp(join(tmpdir(), 'environments-'));
  const gates: Gate[] = [];
  onTestFinished(async () => {
    await Promise.all(gates.map((gate) => gate.close()));
    await stopAll();
    await rm(folder, { recursive: true, force: true });
  });
  const simulator = await clusters();
  const path = join(folder, 'cujs.json');
  await writeFile(path, JSON.stringify(registry));
  const settings = readSettings({
    DD_API_KEY: 'a'.repeat(32),
    DD_APP_KEY: 'b'.repeat(40),
    DD_URL: simulator.url,
    ...(more.CUJ_GATE_EVENTS_DD_API_KEY === undefined ? {} : { CUJ_GATE_EVENTS_URL: simulator.url }),
    CUJ_GATE_REGISTRY: path,
    CUJ_GATE_PUBLIC_URL: 'https://gate.example.com/base',
    CUJ_GATE_HISTORY_PATH: join(folder, 'history'),
    ...more,
  });
  const gate = await compose(settings, { now: () => NOON, logger: pino({ level: 'silent' }) });
  gates.push(gate);
  const get = async (url: string) => {
    const { statusCode, body } = await gate.app.inject({ url });
    return { statusCode, body: JSON.parse(body) };
  };
  const page = async (url: string) => {
    const { statusCode, body, headers } = await gate.app.inject({ url, headers: { accept: 'text/html' } });
    return { statusCode, body, location: headers.location };
  };
  return { gate, get, page, path, simulator };
}

export const question = '/cujs/buy/status?version=v2&window=10m';
