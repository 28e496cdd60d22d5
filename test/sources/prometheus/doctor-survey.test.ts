import { afterAll, beforeAll, expect, it } from 'vitest';
import { PrometheusConnection } from '../../../src/sources/prometheus/api/connection.ts';
import { surveyPrometheus } from '../../../src/sources/prometheus/api/doctor-survey.ts';
import { Loopback, respond } from '../datadog/loopback.ts';
import { registryOf } from './traffic.ts';

const loopback = new Loopback();
let connection: PrometheusConnection;
beforeAll(async () => {
  await loopback.listen();
  connection = new PrometheusConnection({
    url: loopback.url,
    clock: { sleep: async () => {}, random: () => 0 },
  });
});
afterAll(async () => {
  await connection.close();
  await loopback.close();
});

it('writes no name of a label into a query that PromQL cannot have there, as those of OpenTelemetry', async () => {
  const own = { job: 'orders', instance: 'a', 'http.route': '/x', 'x"} or up{a': 'b' };
  loopback.reply((response, request) => {
    const query = new URLSearchParams(request.body).get('query') ?? '';
    const isRange = /\[\d+[sh](:1h)?\]$/.test(query);
    const metric = { __name__: 'http_requests_total', ...own };
    const result = isRange ? [] : [{ metric, value: [0, '1'] }];
    respond(200, { status: 'success', data: { resultType: isRange ? 'matrix' : 'vector', result } })(
      response,
      request,
    );
  });
  await surveyPrometheus({
    connection,
    registry: registryOf(),
    now: () => Date.UTC(2026, 0, 31, 9, 30),
    onProgress: () => {},
  });
  const asked = loopback.requests.map(({ body }) => new URLSearchParams(body).get('query'));
  expect(asked).toContain('http_requests_total{job="orders",instance="a"}[300s]');
});
