import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { pino } from 'pino';
import { request } from 'undici';
import type { Call } from '../../src/demo/datadog/call.ts';
import { startDatadogSimulator } from '../../src/demo/datadog/simulator.ts';
import { compose } from '../../src/server/compose.ts';
import { readSettings } from '../../src/settings/settings.ts';
import type { Figure } from './figure.ts';

/**
 * Calls to Datadog, counted at a simulator: ten simulated minutes of three rollouts at once, each of a service with twenty
 * CUJs of five endpoints, measured every 20 s. Once as Argo's own Datadog provider does, with one call for each metric;
 * once through the gate. Both send their calls to the simulator. The gate asks more often while the bad events of any CUJ could
 * become a fail, so both states are counted.
 */

const services = ['orders', 'members', 'search'] as const;
type Service = (typeof services)[number];
const cujsPerService = 20;
const intervalMs = 20_000;
const minutes = 10;
/** The first questions of a rollout have no answer that is kept. */
const minutesBefore = 5;

interface Counted {
  readonly calls: number;
  /** A batch has at most 250 endpoints, so that a scope may have several. */
  readonly batches: number;
}

interface Situation {
  readonly versionOf: (service: Service) => string;
  /** 5XX of the canary a minute, on one endpoint of each service. */
  readonly failedPerMinute: number;
  readonly reasons: readonly string[];
}

const clean = { failedPerMinute: 0, reasons: ['within_slo', 'limited_evidence', 'insufficient_traffic'] };
/** At the alpha of the registry below, this is never enough for a fail. */
const undecided = { failedPerMinute: 1, reasons: [...clean.reasons, 'within_noise'] };
const sameVersion = () => 'v2.0.0';
const versionApart = (service: Service) => `v2.0.${services.indexOf(service)}`;

export async function measureEconomy(folder: string): Promise<Figure[]> {
  const provider = await countProvider();
  const one = await countGate(folder, { ...clean, versionOf: sameVersion });
  const apart = await countGate(folder, { ...clean, versionOf: versionApart });
  const suspicious = await countGate(folder, { ...undecided, versionOf: sameVersion });
  const suspiciousApart = await countGate(folder, { ...undecided, versionOf: versionApart });
  const rate = (state: string, of: readonly Counted[], atMost: number): Figure => ({
    name: `calls for a batch of services while ${state}`,
    values: [Math.max(...of.map(({ calls, batches }) => calls / batches)) / minutes],
    unit: 'a minute',
    target: { atMost },
  });
  return [
    {
      name: `calls: ${provider} of a metric per CUJ, against ${one.calls} of the gate, one scope`,
      values: [provider / one.calls],
      unit: ':1',
      target: { atLeast: 40 },
    },
    {
      name: `calls: ${provider} of a metric per CUJ, against ${apart.calls} of the gate, a scope a rollout`,
      values: [provider / apart.calls],
      unit: ':1',
      target: { atLeast: 20 },
    },
    rate('all is well', [one, apart], 2.2),
    rate('bad events could become a fail', [suspicious, suspiciousApart], 4),
  ];
}

const startMs = Date.UTC(2026, 5, 1, 9, 0, 7);
const countedFromMs = startMs + minutesBefore * 60_000;
const endMs = countedFromMs + minutes * 60_000;

/** Three rollouts that began some seconds apart: each asks about all its CUJs, every 20 s. */
async function schedule(
  fromMs: number,
  at: (nowMs: number, service: Service) => Promise<void>,
): Promise<void> {
  for (let tickMs = fromMs; tickMs < endMs; tickMs += intervalMs) {
    for (const [i, service] of services.entries()) await at(tickMs + i * 5_000, service);
  }
}

const endpointsOf = (cuj: number): string[] => Array.from({ length: 5 }, (_, i) => `GET /api/c${cuj}/e${i}`);

/** Argo Rollouts' metricproviders/datadog, apiVersion v2: one POST /api/v2/query/scalar for each metric. */
async function countProvider(): Promise<number> {
  let nowMs = startMs;
  const datadog = await startDatadogSimulator({ now: () => nowMs });
  await schedule(countedFromMs, async (atMs, service) => {
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

/** The calls of the gate in the counted minutes. */
async function countGate(
  folder: string,
  { versionOf, failedPerMinute, reasons }: Situation,
): Promise<Counted> {
  let nowMs = startMs;
  const datadog = await startDatadogSimulator({ now: () => nowMs });
  const known = { operation: 'http.request', env: 'production' };
  for (const service of services) {
    for (let at = startMs - 20 * 60_000; at < endMs; at += 10_000) {
      for (let cuj = 0; cuj < cujsPerService; cuj += 1) {
        for (const resource of endpointsOf(cuj)) {
          for (const version of ['v1.0.0', versionOf(service)])
            datadog.store.recordRequests({
              ...known,
              service,
              version,
              resource,
              statusCode: 200,
              at,
              count: 10,
            });
        }
      }
      const isMinute = (at - startMs) % 60_000 === 0;
      const failed = { version: versionOf(service), resource: endpointsOf(0)[0] as string, statusCode: 500 };
      if (isMinute && failedPerMinute > 0)
        datadog.store.recordRequests({ ...known, ...failed, service, at, count: failedPerMinute });
    }
  }
  const registry = path.join(folder, 'economy.json');
  writeFileSync(
    registry,
    JSON.stringify({
      apiVersion: 'cuj-gate/v1',
      defaults: { slo: { availability: 99.95 }, gate: { maxWindow: '15m', falseAbort: 1e-20 } },
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
    await schedule(startMs, async (atMs, service) => {
      nowMs = atMs;
      const answers = Array.from({ length: cujsPerService }, (_, cuj) =>
        gate.app.inject({ url: `/cujs/${service}-${cuj}/status?version=${versionOf(service)}` }),
      );
      for (const answer of await Promise.all(answers)) {
        const { verdict, reason } = answer.json();
        // A gate whose queries fail makes no calls: that is not a saving.
        if (answer.statusCode !== 200 || !reasons.includes(reason))
          throw new Error(`${answer.statusCode} ${verdict} ${reason}`);
      }
    });
  } finally {
    await gate.close();
    await datadog.stop();
  }
  const calls = datadog.calls.filter(({ at }) => at >= countedFromMs);
  return { calls: calls.length, batches: new Set(calls.map(queriesOf)).size };
}

/** The queries of a call, whatever its span and buckets. */
function queriesOf({ body }: Call): string {
  const { data } = body as { data: { attributes: { queries: readonly { query: string }[] } } };
  return data.attributes.queries.map(({ query }) => query).join('\n');
}
