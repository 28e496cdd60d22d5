import { readdirSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createDatadogApi, DatadogConnection } from '../../../src/sources/datadog/api/connection.ts';
import { Loopback, recording, replay } from './loopback.ts';

const files = readdirSync(new URL('../../testdata/datadog-recordings/', import.meta.url)).filter((file) =>
  file.endsWith('.json'),
);
/** Every recorded exchange that reads or asks: the gate never creates or deletes anything in Datadog. */
const exchanges = files.flatMap((file) =>
  recording(file)
    .map((exchange, i) => [`${file} #${i + 1}`, exchange] as const)
    .filter(([, { request }]) => request.method === 'GET' || request.url.includes('/api/v2/query/')),
);

let loopback: Loopback;
let connection: DatadogConnection;

beforeEach(async () => {
  loopback = new Loopback();
  await loopback.listen();
  connection = new DatadogConnection({ apiKey: 'an-api-key', appKey: 'an-app-key', url: loopback.url });
});
afterEach(async () => {
  await connection.close();
  await loopback.close();
});

describe('recorded exchanges', () => {
  it('are there', () => {
    expect(exchanges.length).toBeGreaterThanOrEqual(8);
  });

  it.each(exchanges)(
    '%s: what is sent is what was recorded, and so is what is made of the answer',
    async (_, exchange) => {
      const { request, response } = exchange;
      const url = new URL(request.url);
      loopback.reply(replay(exchange));
      const api = createDatadogApi(connection);
      const answer =
        request.method === 'GET'
          ? api.getJson(url.pathname, Object.fromEntries(url.searchParams))
          : api.postJson(url.pathname, request.body);
      if (response.status === 200) {
        expect(await answer).toEqual(response.body);
      } else {
        const [said] = (response.body as { errors: string[] }).errors;
        await expect(answer).rejects.toMatchObject({
          code: 'source_rejected',
          message: expect.stringContaining(said as string),
        });
      }
      expect(loopback.requests).toHaveLength(1);
      const [sent] = loopback.requests;
      const asked = new URL(sent?.path ?? '', loopback.url);
      expect(sent?.method).toBe(request.method);
      expect(asked.pathname).toBe(url.pathname);
      // Compared decoded: `*` and `%2A` are the same in a query string.
      expect([...asked.searchParams]).toEqual([...url.searchParams]);
      if (request.method === 'POST') expect(JSON.parse(sent?.body ?? '')).toEqual(request.body);
    },
  );
});
