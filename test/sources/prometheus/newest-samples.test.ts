import { afterAll, beforeAll, expect, it } from 'vitest';
import { PrometheusConnection } from '../../../src/sources/prometheus/api/connection.ts';
import { newestSamples } from '../../../src/sources/prometheus/api/newest-samples.ts';
import { Loopback } from '../datadog/loopback.ts';
import { replyBySelector } from './loopback-backend.ts';
import { registryOf } from './traffic.ts';

const loopback = new Loopback();
let connection: PrometheusConnection;
beforeAll(async () => {
  await loopback.listen();
  connection = new PrometheusConnection({ url: loopback.url });
});
afterAll(async () => {
  await connection.close();
  await loopback.close();
});

it('counts the samples of each moment by the value of a label, in a range that ends at any time', async () => {
  const toMs = Date.UTC(2026, 0, 31, 9, 30, 7, 123);
  const series = (labels: object, ...agesMs: number[]) => ({
    metric: { __name__: 'http_requests_total', job: 'orders', ...labels },
    samples: agesMs.map((ageMs, i): [number, number] => [toMs - ageMs, i]),
  });
  loopback.reply(
    replyBySelector([
      series({ version: 'V1', code: '200' }, 20_000, 5_000),
      series({ version: 'V1', code: '503' }, 5_000),
      series({ version: 'V2', code: '200' }, 9_000),
      series({ code: '200' }, 1_000),
    ]),
  );
  const batch = registryOf().batches.find(({ services }) => services[0]?.service.name === 'orders');
  if (batch === undefined) throw new Error('no batch');
  const never = new AbortController().signal;
  const found = await newestSamples(connection, never, batch, 'version', toMs - 60_001, toMs, 10_000);
  expect(found.get('orders')).toEqual(
    new Map([
      [
        'V1',
        new Map([
          [toMs - 20_000, 1],
          [toMs - 5_000, 2],
        ]),
      ],
      ['V2', new Map([[toMs - 9_000, 1]])],
      ['', new Map([[toMs - 1_000, 1]])],
    ]),
  );
  const form = new URLSearchParams(loopback.requests[0]?.body);
  expect([form.get('query'), form.get('time')]).toEqual([
    'http_requests_total{job="orders"}[60001ms]',
    String(toMs / 1000),
  ]);
});
