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

it('knows the versions of the hour that is not over: a canary of some minutes is one', async () => {
  const nowMs = Date.UTC(2026, 0, 31, 9, 30);
  loopback.reply((response, request) => {
    const form = new URLSearchParams(request.body);
    const query = form.get('query') ?? '';
    const untilMs = Number(form.get('time')) * 1_000;
    const of = (version: string, fromMs: number) => {
      const values: [number, string][] = [];
      for (let at = untilMs - 23 * 3_600_000; at <= untilMs; at += 3_600_000)
        if (at > fromMs) values.push([at / 1_000, '60']);
      return { metric: { version }, values };
    };
    const isRange = query.endsWith(']');
    const hours = [of('V1', 0), of('V2', nowMs - 10 * 60_000)].filter(({ values }) => values.length > 0);
    const data = isRange
      ? { resultType: 'matrix', result: query.includes('by (version)') ? hours : [] }
      : { resultType: 'vector', result: [{ metric: { __name__: 'http_requests_total' }, value: [0, '1'] }] };
    respond(200, { status: 'success', data })(response, request);
  });
  const { services } = await surveyPrometheus({
    connection,
    registry: registryOf(),
    now: () => nowMs,
    onProgress: () => {},
  });
  expect(services.get('orders')?.selectorValues.get('version')).toEqual(
    new Map([
      ['V1', 24 * 60],
      ['V2', 60],
    ]),
  );
});
