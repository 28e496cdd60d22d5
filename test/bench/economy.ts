import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { pino } from 'pino';
import { request } from 'undici';
import { startDatadogSimulator } from '../../src/demo/datadog/simulator.ts';
import { compose } from '../../src/server/compose.ts';
import { readSettings } from '../../src/settings/settings.ts';
import type { Figure } from './figure.ts';

/**
 * Calls to Datadog, counted at a simulator: ten simulated minutes of three rollouts at once, each of a service with twenty
 * CUJs of five endpoints, measured every 30 s. Once as Argo's own Datadog provider does, with one call for each metric;
 * once through the gate. Both send their calls to the simulator.
 */

const services = ['orders', 'members', 'search'] as const;
const cujsPerService = 20;
const intervalMs = 30_000;
const minutes = 10;
const reasonsOfCleanCanary: readonly string[] = ['within_slo', 'limited_evidence', 'insufficient_traffic'];

type Versions = (service: (typeof services)[number]) => string;

export async function measureEconomy(folder: string): Promise<Figure[]> {
  const provider = await countProvider();
  const one = await countGate(folder, () => 'v2.0.0');
  const apart = await countGate(folder, (service) => `v2.0.${services.indexOf(service)}`);
  return [
    {
      name: `calls: ${provider} of a metric per CUJ, against ${one} of the gate, one scope`,
      values: [provider / one],
      unit: ':1',
      target: { atLeast: 50 },
    },
    {
      name: `calls: ${provider} of a metric per CUJ, against ${apart} of the gate, a scope a rollout`,
      values: [provider / apart],
      unit: ':1',
      target: { atLeast: 20 },
    },
  ];
}

const startMs = Date.UTC(2026, 5, 1, 9, 0, 7);

/** Three rollouts that began some seconds apart: each asks about all its CUJs, every 30 s. */
async function schedule(
  at: (nowMs: number, service: (typeof services)[number]) => Promise<void>,
): Promise<void> {
  for (let tick = 0; tick * intervalMs < minutes * 60_000; tick += 1) {
    for (const [i, service] of services.entries()) await at(startMs + tick * intervalMs + i * 7_000, service);
  }
}

const endpointsOf = (cuj: number): string[] => Array.from({ length: 5 }, (_, i) => `GET /api/c${cuj}/e${i}`);

/** Argo Rollouts' metricproviders/datadog, apiVersion v2: one POST /api/v2/query/scalar for each metric. */
async function countProvider(): Promise<number> {
  let nowMs = startMs;
  const datadog = await startDatadogSimulator({ now: () => nowMs });
  await schedule(async (atMs, service) => {
    nowMs = atMs;
    const metrics = Array.from({ length: cujsPerService }, async (_, cuj) => {
      const names = endpointsOf(cuj).map((text) => text.toLowerCase().replace(' ', '_'));
      const filter = `env:production AND service:${service} AND version:v2.0.0 AND resource_name IN (${names.join(',')})`;
      const query = (name: string, more: string) => ({
        data_source: 'metrics',
        name,
        aggregator: 'sum',
        query: `sum:trace.http.request.hits{${filter}${more}}.as_count()`,
      });
      const { statusCode, body } = await request(`${datadog.url}/api/v2/query/scalar`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          data: {
            type: 'scalar_request',
            attributes: {
              from: atMs - 5 * 60_000,
              to: atMs,
              queries: [query('bad', ' AND http.status_code:5*'), query('all', '')],
              formulas: [{ formula: 'bad / all' }],
            },
          },
        }),
      });
      const text = await body.text();
      if (statusCode !== 200) throw new Error(text);
    });
    await Promise.all(metrics);
  });
  await datadog.stop();
  return datadog.calls.length;
}

async function countGate(folder: string, versionOf: Versions): Promise<number> {
  let nowMs = startMs;
  const datadog = await startDatadogSimulator({ now: () => nowMs });
  for (const service of services) {
    for (let cuj = 0; cuj < cujsPerService; cuj += 1) {
      for (const resource of endpointsOf(cuj)) {
        for (let at = startMs - 20 * 60_000; at < startMs + 15 * 60_000; at += 60_000)
          for (const version of ['v1.0.0', versionOf(service)])
            datadog.store.recordRequests({
              operation: 'http.request',
              env: 'production',
              service,
              version,
              resource,
              statusCode: 200,
              at,
              count: 60,
            });
      }
    }
  }
  const registry = path.join(folder, 'economy.json');
  writeFileSync(
    registry,
    JSON.stringify({
      apiVersion: 'cuj-gate/v1',
      defaults: { slo: { availability: 99.95 }, gate: { maxWindow: '30m' } },
      services: Object.fromEntries(
        services.map((name) => [
          name,
          { env: 'production', operation: 'http.request', canary: 'version:{version}' },
        ]),
      ),
      cujs: services.flatMap((service) =>
        Array.from({ length: cujsPerService }, (_, cuj) => ({
          name: `${service}-${cuj}`,
          owner: 'team',
          service,
          endpoints: endpointsOf(cuj),
        })),
      ),
    }),
  );
  const settings = readSettings({
    CUJ_GATE_REGISTRY: registry,
    DD_API_KEY: 'nobody',
    DD_APP_KEY: 'nobody',
    DD_URL: datadog.url,
  });
  const gate = await compose(settings, { now: () => nowMs, logger: pino({ level: 'silent' }) });
  try {
    await schedule(async (atMs, service) => {
      nowMs = atMs;
      const answers = Array.from({ length: cujsPerService }, (_, cuj) =>
        gate.app.inject({ url: `/cujs/${service}-${cuj}/status?version=${versionOf(service)}` }),
      );
      for (const answer of await Promise.all(answers)) {
        const { verdict, reason } = answer.json();
        // A gate whose queries fail makes no calls: that is not a saving.
        if (answer.statusCode !== 200 || !reasonsOfCleanCanary.includes(reason))
          throw new Error(`${answer.statusCode} ${verdict} ${reason}`);
      }
    });
  } finally {
    await gate.close();
    await datadog.stop();
  }
  return datadog.calls.length;
}
