import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'undici';
import { startDatadogSimulator } from '../../src/demo/datadog/simulator.ts';
import type { BatchQuery } from '../../src/domain/metrics/metrics-source.ts';
import { DatadogConnection } from '../../src/sources/datadog/api/connection.ts';
import { createDatadogSource } from '../../src/sources/datadog/api/source.ts';
import { bundleChild } from './bundle-child.ts';
import { clientQuestion, endMs, endpoints } from './client-question.ts';
import { type Figure, ratios } from './figure.ts';
import { run, startRaw } from './processes.ts';

/** A call to Datadog, planned, sent, read, checked and joined, against undici and JSON.parse on the same bytes. */

export async function measureClient(rounds: number, folder: string): Promise<Figure[]> {
  const { question, answer, groups } = await recordAnswer();
  const bodyFile = path.join(folder, 'timeseries.json');
  const questionFile = path.join(folder, 'question.json');
  writeFileSync(bodyFile, answer);
  writeFileSync(questionFile, question);
  const child = await bundleChild('client-child.ts', folder);
  const server = await startRaw(bodyFile);
  try {
    const { stdout } = await run(process.execPath, [child, server.url, questionFile, String(rounds)]);
    const times: { ours: number[]; theirs: number[] } = JSON.parse(stdout);
    return [
      {
        name: `client: a call, against undici and JSON.parse (${groups} groups, ${(answer.length / 1000).toFixed(0)} KB)`,
        values: ratios(times.ours, times.theirs),
        unit: '×',
      },
      { name: 'client: a call', values: times.ours, unit: 'ms' },
    ];
  } finally {
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
    // One of them is that of the last call.
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

/** What the simulator answers to one service's question, byte for byte. */
async function recordAnswer(): Promise<{
  query: BatchQuery;
  question: string;
  answer: string;
  groups: number;
}> {
  const query = clientQuestion();
  const datadog = await startDatadogSimulator({ now: () => endMs + 300_000 });
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
