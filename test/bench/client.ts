import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool, request } from 'undici';
import { DatadogConnection } from '../../src/adapters/datadog/connection.ts';
import { createDatadogSource } from '../../src/adapters/datadog/source.ts';
import { startDatadogStandIn } from '../../src/demo/datadog/stand-in.ts';
import type { ScopeQuery } from '../../src/domain/metrics-source.ts';
import type { ScopeBatch } from '../../src/domain/registry-model.ts';
import { fillSelector } from '../../src/domain/selector.ts';
import { registryOf } from '../domain/journey.ts';
import { type Figure, median, ratios } from './figure.ts';
import { startRaw } from './processes.ts';

/** A call to Datadog, planned, sent, read, checked and joined, against undici and JSON.parse on the same bytes. */

const endMs = Date.UTC(2026, 5, 1, 9);

export async function measureClient(rounds: number, folder: string): Promise<Figure[]> {
  const { query, question, answer, groups } = await recordAnswer();
  const bodyFile = path.join(folder, 'timeseries.json');
  writeFileSync(bodyFile, answer);
  const server = await startRaw(bodyFile);
  const connection = new DatadogConnection({ apiKey: 'nobody', appKey: 'nobody', url: server.url });
  const pool = new Pool(server.url, { connections: 1 });
  const source = await createDatadogSource(connection);
  const { signal } = new AbortController();
  try {
    const ours = () => source.measure(query, signal);
    const theirs = async () => {
      const { body } = await pool.request({
        method: 'POST',
        path: '/api/v2/query/timeseries',
        body: question,
      });
      return JSON.parse(await body.text());
    };
    const times = { ours: [] as number[], theirs: [] as number[] };
    for (let round = -1; round < rounds; round += 1) {
      const our = await medianMs(ours);
      const their = await medianMs(theirs);
      if (round < 0) continue;
      times.ours.push(our);
      times.theirs.push(their);
    }
    return [
      {
        name: `client: a call, against undici and JSON.parse (${groups} groups, ${(answer.length / 1000).toFixed(0)} KB)`,
        values: ratios(times.ours, times.theirs),
        unit: '×',
        target: { atMost: 3.5 },
      },
      { name: 'client: a call', values: times.ours, unit: 'ms' },
    ];
  } finally {
    await pool.close();
    await connection.close();
    await server.stop();
  }
}

/** Three calls, 31 s apart, and the connections that they took: a connection that idles must outlive the interval. */
export async function measureSockets(folder: string): Promise<Figure[]> {
  const { query, answer } = await recordAnswer();
  const bodyFile = path.join(folder, 'sockets.json');
  writeFileSync(bodyFile, answer);
  const server = await startRaw(bodyFile);
  const connection = new DatadogConnection({ apiKey: 'nobody', appKey: 'nobody', url: server.url });
  const source = await createDatadogSource(connection);
  try {
    for (let call = 0; call < 3; call += 1) {
      if (call > 0) await sleep(31_000);
      await source.measure(query, new AbortController().signal);
    }
    const { body } = await request(`${server.url}/sockets`);
    // One of them is this last question's own.
    const sockets = Number(await body.text()) - 1;
    return [
      {
        name: 'client: connections for three calls, 31 s apart',
        values: [sockets],
        unit: 'sockets',
        target: { atMost: 1 },
      },
    ];
  } finally {
    await connection.close();
    await server.stop();
  }
}

async function medianMs(call: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < 150; i += 1) {
    const began = performance.now();
    await call();
    times.push(performance.now() - began);
  }
  return median(times);
}

/** What the stand-in answers to one service's question, byte for byte. */
async function recordAnswer(): Promise<{
  query: ScopeQuery;
  question: string;
  answer: string;
  groups: number;
}> {
  const endpoints = Array.from({ length: 24 }, (_, i) => `GET /api/v1/things/${i}`);
  const registry = registryOf(
    JSON.stringify({
      apiVersion: 'cuj-gate/v1',
      defaults: { slo: { availability: 99.95 }, gate: { maxWindow: '30m' } },
      services: { api: { env: 'production', operation: 'http.request', canary: 'version:{version}' } },
      cujs: [{ name: 'all', owner: 'team', service: 'api', endpoints }],
    }),
  );
  const batch = registry.batchOfService.get('api') as ScopeBatch;
  const service = registry.services.get('api');
  if (service === undefined) throw new Error('the registry has lost its service');
  const query: ScopeQuery = {
    batch,
    canary: fillSelector(service.canary, new Map([['version', 'v2']])),
    stable: undefined,
    fromMs: endMs - 30 * 60_000,
    toMs: endMs,
  };
  const datadog = await startDatadogStandIn({ now: () => endMs + 300_000 });
  for (const [i, resource] of endpoints.entries())
    for (let at = query.fromMs; at < endMs; at += 60_000)
      for (const version of ['v1', 'v2'])
        datadog.store.recordRequests({
          operation: 'http.request',
          env: 'production',
          service: 'api',
          version,
          resource,
          statusCode: 200,
          at,
          count: 100 + i,
        });
  const connection = new DatadogConnection({ apiKey: 'nobody', appKey: 'nobody', url: datadog.url });
  const source = await createDatadogSource(connection);
  await source.measure(query, new AbortController().signal);
  const [call] = datadog.calls;
  const question = JSON.stringify(call?.body);
  const { body } = await request(`${datadog.url}${call?.path}`, {
    method: 'POST',
    headers: { 'dd-api-key': 'nobody', 'dd-application-key': 'nobody', 'content-type': 'application/json' },
    body: question,
  });
  const answer = await body.text();
  await connection.close();
  await datadog.stop();
  return { query, question, answer, groups: JSON.parse(answer).data.attributes.series.length };
}
