import { afterAll, beforeAll, expect, it } from 'vitest';
import { examine } from '../../../src/doctor/examine.ts';
import { PrometheusConnection } from '../../../src/sources/prometheus/api/connection.ts';
import { surveyPrometheus } from '../../../src/sources/prometheus/api/doctor-survey.ts';
import { Loopback, type Reply, respond } from '../datadog/loopback.ts';
import { document, registryOf } from './traffic.ts';

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

const nowMs = Date.UTC(2026, 0, 31, 9, 30);

async function findingsAboutStores(reply: Reply) {
  const nothing = respond(200, { status: 'success', data: { resultType: 'vector', result: [] } });
  loopback.reply((response, request) => (request.method === 'GET' ? reply : nothing)(response, request));
  const registry = registryOf();
  const facts = await surveyPrometheus({ connection, registry, now: () => nowMs, onProgress: () => {} });
  return examine(registry, facts, { top: 1 })
    .filter(({ check }) => check.startsWith('store'))
    .map(({ severity, check, about, message }) => [severity, check, about, message]);
}

it('tells which stores of Thanos Query do not answer, and whether verdicts need them', async () => {
  const store = (name: string, lastError: string | null, maxTime: number) => ({
    ...{ name, lastError, labelSets: [{ cluster: 'eu' }], minTime: 0, maxTime },
  });
  const list = (...sidecar: unknown[]) =>
    respond(200, { status: 'success', data: { sidecar, store: [store('old:1', null, nowMs - 7_200_000)] } });
  expect(await findingsAboutStores(list(store('a:1', null, 2 ** 63)))).toEqual([
    ['info', 'stores-answer', 'Thanos Query', '2 stores, all answer'],
  ]);
  const failing = list(store('a:1', 'refused', 2 ** 63), store('b:1', 'gone', nowMs - 7_200_000));
  expect(await findingsAboutStores(failing)).toEqual([
    [
      'error',
      'store-missing',
      'Thanos Query',
      'the store a:1 (sidecar, cluster="eu") does not answer: refused',
    ],
    [
      'warning',
      'store-missing',
      'Thanos Query',
      'the store b:1 (sidecar, cluster="eu") does not answer: gone',
    ],
  ]);
  expect(await findingsAboutStores(respond(403, ''))).toEqual([
    [
      ...['warning', 'stores-unreadable', 'Thanos Query'],
      'if this is Thanos Query, its list of stores cannot be read: /api/v1/stores: the answer was 403',
    ],
  ]);
  expect(await findingsAboutStores(respond(404, ''))).toEqual([]);
});

it('tells how often CUJs fail by definitions of their own, where statuses happen in normal use', async () => {
  loopback.reply((response, request) => {
    const query = new URLSearchParams(request.body).get('query') ?? '';
    const isRange = query.endsWith(']');
    const hours = query.includes('5..|401') ? '80' : query.includes('5..') ? '0' : '1000';
    const values = [[(nowMs - 1_800_000) / 1_000, hours]];
    const data = isRange
      ? { resultType: 'matrix', result: [{ metric: { endpoint: 'POST /Orders/{id}' }, values }] }
      : { resultType: 'vector', result: [{ metric: { __name__: 'http_requests_total' }, value: [0, '1'] }] };
    respond(200, { status: 'success', data })(response, request);
  });
  const [order] = document.cujs ?? [];
  const login = { ...order, name: 'login', failure: ['5xx', 401] };
  const transfer = { ...order, name: 'transfer', service: 'ledger', failure: 'grpc' };
  const mesh = { total: 'preset:istio', bad: 'preset:istio', groupBy: 'request_operation' };
  const ledger = { env: 'production', source: 'mesh', canary: 'destination_version:{version}' };
  const registry = registryOf({
    ...document,
    sources: { ...document.sources, mesh },
    services: { ...document.services, ledger },
    cujs: [order, login, transfer] as NonNullable<typeof document.cujs>,
  });
  const facts = await surveyPrometheus({ connection, registry, now: () => nowMs, onProgress: () => {} });
  const asked = loopback.requests.map(({ body }) => new URLSearchParams(body).get('query'));
  expect(asked).toContain('sum by (method, route, code) (increase(http_requests_total{job="orders"}[1d]))');
  expect(facts.failing?.get('login')).toEqual({ total: 1_000, bad: 80 });
  const found = examine(registry, facts, { top: 1 }).filter(
    ({ check }) => check === 'objective-does-not-fit',
  );
  // What Datadog has for a definition is not looked for here.
  expect(examine(registry, facts, { top: 1 }).filter(({ message }) => /rpc\.|hits/.test(message))).toEqual(
    [],
  );
  expect(found.map(({ about, message }) => `${about}: ${message}`)).toEqual([
    'cuj login: 8% of 1,000 requests of the last day failed (5xx, 401), and the objective of 99.9% allows 0.1%',
  ]);
});
