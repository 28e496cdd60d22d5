import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Series } from '../../../src/domain/metrics/series.ts';
import type { SliBudget } from '../../../src/domain/ports/error-budget.ts';
import type { RegistryDocument } from '../../../src/domain/registry/schema.ts';
import { PrometheusConnection } from '../../../src/sources/prometheus/api/connection.ts';
import { createPrometheusApi, readBudgets } from '../../../src/sources/prometheus/api/error-budgets.ts';
import {
  hourlyHits,
  hourlyRoutes,
  hourlyTraffic,
} from '../../../src/sources/prometheus/api/hourly-increases.ts';
import { Loopback, type Reply, respond } from '../datadog/loopback.ts';
import { batchOf, document, registryOf, timedDocument } from './traffic.ts';

const hourMs = 3_600_000;
const fromMs = Date.UTC(2026, 0, 31, 0, 0);
const never = new AbortController().signal;
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

type Labels = Readonly<Record<string, string>>;
type Points = readonly (readonly [atMs: number, value: string])[];

const matrix = (result: readonly { metric: Labels; points: Points }[], more: object = {}) => ({
  status: 'success',
  data: {
    resultType: 'matrix',
    result: result.map(({ metric, points }) => ({
      metric,
      values: points.map(([atMs, value]) => [atMs / 1000, value]),
    })),
  },
  ...more,
});
const vector = (result: readonly (readonly [metric: Labels, value: string])[]) => ({
  status: 'success',
  data: { resultType: 'vector', result: result.map(([metric, value]) => ({ metric, value: [0, value] })) },
});

/** Answers by what the query has in it. */
function answering(of: (query: string, atMs: number) => unknown): Reply {
  return (response, request) => {
    const form = new URLSearchParams(request.body);
    respond(200, of(form.get('query') ?? '', Number(form.get('time')) * 1000))(response, request);
  };
}

const order = registryOf({ ...document, cujs: (document.cujs ?? []).slice(0, 1) });

describe('traffic by the hour', () => {
  const ask = (hours: number) =>
    hourlyTraffic(connection, batchOf(order), fromMs, fromMs + hours * hourMs, never);

  it('is asked by days, each point for the hour before it', async () => {
    const asked: string[] = [];
    loopback.reply(
      answering((query, atMs) => {
        asked.push(`${new Date(atMs).toISOString()} ${query}`);
        const isBad = query.includes('code=~"5.."');
        const points = [0, 1, 2]
          .map((back) => [atMs - back * hourMs, isBad ? '0.6' : '10.4'] as const)
          .reverse();
        return matrix([{ metric: { endpoint: 'POST /Orders/{id}' }, points }]);
      }),
    );
    const { whole, requests } = (await ask(30)).get('orders') ?? {};
    expect(asked[0]).toBe(
      '2026-02-01T00:00:00.000Z (sum by (endpoint) (label_join(sum by (method, route) (increase(http_requests_total{job="orders"}[1h])), "endpoint", " ", "method", "route")))[24h:1h]',
    );
    expect(asked.map((one) => [one.slice(0, 13), /\[\d+h:1h\]$/.exec(one)?.[0]])).toEqual([
      ['2026-02-01T00', '[24h:1h]'],
      ['2026-02-01T06', '[6h:1h]'],
      ['2026-02-01T00', '[24h:1h]'],
      ['2026-02-01T06', '[6h:1h]'],
    ]);
    const hours = [21, 22, 23, 27, 28, 29];
    expect([...(whole?.total ?? [])]).toEqual(
      Array.from({ length: 30 }, (_, i) => (hours.includes(i) ? 10 : 0)),
    );
    expect([...(whole?.bad ?? [])]).toEqual(
      Array.from({ length: 30 }, (_, i) => (hours.includes(i) ? 1 : 0)),
    );
    expect([...(requests?.keys() ?? [])]).toEqual(['POST /Orders/{id}']);
  });

  it('leaves out the begin of a range, which some backends answer with, and NaN', async () => {
    loopback.reply(
      answering(() =>
        matrix([
          {
            metric: { endpoint: 'POST /Orders/{id}' },
            points: [
              [fromMs, '500'],
              [fromMs + hourMs, 'NaN'],
              [fromMs + 2 * hourMs, '7'],
            ],
          },
        ]),
      ),
    );
    expect([...((await ask(2)).get('orders')?.whole?.total ?? [])]).toEqual([0, 7]);
  });

  it('counts what belongs to no endpoint in the whole service, and no more failures than requests', async () => {
    loopback.reply(
      answering((query) => {
        const value = query.includes('code=~') ? '9' : '3';
        return matrix([
          { metric: {}, points: [[fromMs + hourMs, value]] },
          { metric: { endpoint: 'GET ' }, points: [[fromMs + hourMs, value]] },
          { metric: { endpoint: 'GET /other' }, points: [[fromMs + hourMs, value]] },
        ]);
      }),
    );
    const counts = (await ask(1)).get('orders');
    expect(counts).toMatchObject({ whole: { total: new Float64Array([9]), bad: new Float64Array([9]) } });
    expect(counts?.requests.size).toBe(0);
    const routes = await hourlyRoutes(connection, batchOf(order), 'orders', fromMs, fromMs + hourMs, never);
    expect([...routes].map(([route, { total }]) => [route, ...total])).toEqual([
      ['', 6],
      ['GET /other', 3],
    ]);
  });

  it('has failures by the definition of each CUJ', async () => {
    loopback.reply(
      answering((query) => {
        const value = /code=~"([^"]*)"/.exec(query)?.[1] ?? 'all';
        const count = { all: '9', '5..': '1', '5..|401': '4', '401': '3' }[value] ?? '0';
        const of = (endpoint: string) => ({
          metric: { endpoint },
          points: [[fromMs + hourMs, count]] as const,
        });
        return matrix([of('POST /Orders/{id}'), of('GET /other')]);
      }),
    );
    const login = { name: 'login', owner: 'team-orders', service: 'orders' };
    const ask = async (cujs: NonNullable<RegistryDocument['cujs']>) => {
      const batch = batchOf(registryOf({ ...document, cujs }));
      return (await hourlyTraffic(connection, batch, fromMs, fromMs + hourMs, never)).get('orders');
    };
    const own = { ...login, failure: ['5xx', 401], endpoints: ['POST /Orders/{id}'] };
    const found = await ask([own, { ...login, name: 'denied', failure: [401], endpoints: '*' }]);
    const bad = (series: Series | undefined) => series && [[...series.total], [...series.bad]];
    expect(bad(found?.failures?.get('5xx, 401')?.get('POST /Orders/{id}'))).toEqual([[9], [4]]);
    expect(bad(found?.failures?.get('401')?.get('*'))).toEqual([[18], [6]]);
    expect(bad(found?.whole)).toEqual([[18], [6]]);
    const mixed = await ask([...(document.cujs ?? []).slice(0, 1), own]);
    expect(bad(mixed?.whole)).toEqual([[18], [2]]);
    expect(bad(mixed?.requests.get('POST /Orders/{id}'))).toEqual([[9], [1]]);
    // Requests are the same by any definition.
    loopback.requests.length = 0;
    await ask([own]);
    const asked = loopback.requests.map(({ body }) => new URLSearchParams(body).get('query') ?? '');
    expect(asked.filter((query) => !query.includes('code=~'))).toHaveLength(1);
  });

  it('is unknown where there is no series', async () => {
    loopback.reply(answering(() => matrix([])));
    expect((await ask(1)).get('orders')?.whole).toBeUndefined();
  });

  it('may come with information among the warnings, as Thanos answers', async () => {
    const warnings = [
      'PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "orders" (1:32)',
    ];
    loopback.reply(answering(() => matrix([], { warnings })));
    await expect(ask(1)).resolves.toBeDefined();
  });

  it.each([
    ['a warning', { warnings: ['a store did not answer'] }],
    ['a warning after information', { warnings: ['PromQL info: x', 'a store did not answer'] }],
    ['a warning of the query', { warnings: ['PromQL warning: encountered a mix of histograms and floats'] }],
    ['a partial answer', { isPartial: true }],
  ])('is refused with %s', async (_, more) => {
    loopback.reply(answering(() => matrix([], more)));
    await expect(ask(1)).rejects.toMatchObject({ code: 'source_malformed' });
  });
});

describe('hits of versions', () => {
  it('are by the values of the label; what lacks it is in none', async () => {
    loopback.reply(
      answering((query) => {
        expect(query).toBe('(sum by (version) (increase(http_requests_total{job="orders"}[1h])))[1h:1h]');
        return matrix([
          { metric: { version: 'V1' }, points: [[fromMs + hourMs, '5']] },
          { metric: {}, points: [[fromMs + hourMs, '50']] },
        ]);
      }),
    );
    const hits = await hourlyHits(connection, batchOf(order), 'version', fromMs, fromMs + hourMs, never);
    expect(hits.get('orders')).toEqual(new Map([['V1', new Float64Array([5])]]));
  });
});

describe('recorded error budgets', () => {
  const cuj = order.cujs.get('order') as NonNullable<ReturnType<typeof order.cujs.get>>;
  const id = { cuj: 'order', sli: 'availability' };
  const of = (name: string, value: string, labels: Labels = { slo_window: '30d' }) =>
    [{ __name__: name, ...id, ...labels }, value] as const;
  const full = [
    of('cuj:slo_objective:ratio', '0.999'),
    of('cuj:error_ratio:slo_window', '0.0004'),
    of('cuj:error_budget_remaining:ratio', '0.6'),
  ];

  async function budget(reply: Reply, recent = false): Promise<SliBudget | undefined> {
    loopback.reply(reply);
    const [found] = await readBudgets(createPrometheusApi(connection), [cuj], fromMs, { recent });
    return found?.slis.get('availability');
  }

  it('are one query for all CUJs', async () => {
    loopback.requests.length = 0;
    expect(await budget(answering(() => vector(full)))).toMatchObject({
      known: true,
      remaining: 0.6,
      sli: 0.9996,
      target: 99.9,
      recentBurn: undefined,
    });
    expect(loopback.requests).toHaveLength(1);
  });

  it('come with the burn of a week and with how they were used up', async () => {
    const end = fromMs;
    const steps = [2, 1, 0].map((back) => end - back * 24 * hourMs);
    const found = await budget(
      answering((query) => {
        if (query.startsWith('{')) return vector(full);
        if (query.includes('[7d]')) return vector([[id, '0.002']]);
        const values = query.includes('requests_bad') ? ['0', '1', '3'] : ['1000', '1000', '2000'];
        return matrix([{ metric: id, points: steps.map((atMs, i) => [atMs, values[i] as string] as const) }]);
      }),
      true,
    );
    expect(found).toMatchObject({ known: true });
    if (found?.known !== true) return;
    expect(found.recentBurn).toBeCloseTo(2);
    expect(found.moments?.map(({ atMs }) => atMs)).toEqual(steps);
    expect(found.moments?.map(({ remaining }) => Number(remaining.toFixed(6)))).toEqual([1, 0.75, 0]);
  });

  it.each([
    ['no rules are loaded', [], 'load the rules of cuj-gate generate prometheus-slos'],
    [
      'the rules are of another window',
      full.map(([labels, value]) => [{ ...labels, slo_window: '7d' }, value] as const),
      'load the rules',
    ],
    [
      'the series are of an environment',
      full.map(([labels, value]) => [{ ...labels, environment: 'eu' }, value] as const),
      'load the rules',
    ],
    ['there were no requests', full.slice(0, 1), 'no requests are recorded in 30d'],
    ['too little is known', full.slice(0, 2), 'the rules know less than a third of 30d'],
    [
      'two rulers record',
      [...full, ...full.map(([labels, value]) => [{ ...labels, replica: 'b' }, value] as const)],
      'several series',
    ],
    [
      'a value cannot be right',
      [...full.slice(0, 2), of('cuj:error_budget_remaining:ratio', 'NaN')],
      'cannot be right',
    ],
    [
      'a ratio is above 1',
      [full[0] as (typeof full)[0], of('cuj:error_ratio:slo_window', '1.5'), full[2] as (typeof full)[0]],
      'cannot be right',
    ],
  ])('are unknown where %s', async (_, series, why) => {
    const found = await budget(answering(() => vector(series)));
    expect(found).toMatchObject({ known: false, why: expect.stringContaining(why) });
  });

  it.each([
    [0.01, 0.3, { known: true, remaining: 0.3, target: 95 }],
    [0.02, undefined, { known: false, why: expect.stringContaining('of 2% of the requests in 30d') }],
    [0.01, undefined, { known: false, why: expect.stringContaining('less than a third of 30d') }],
  ])('of latency are unknown where durations are: %s unclassified', async (lost, remaining, expected) => {
    const slow = { sli: 'latency', slo_window: '30d' };
    const values = [
      ...full,
      of('cuj:slo_objective:ratio', '0.95', slow),
      of('cuj:error_ratio:slo_window', '0.035', slow),
      of('cuj:unclassified_ratio:slo_window', String(lost), slow),
      ...(remaining === undefined ? [] : [of('cuj:error_budget_remaining:ratio', String(remaining), slow)]),
    ];
    loopback.reply(answering(() => vector(values)));
    const [found] = await readBudgets(
      createPrometheusApi(connection),
      [registryOf(timedDocument).cujs.get('order') as typeof cuj],
      fromMs,
      { recent: false },
    );
    expect(found?.slis.get('latency')).toMatchObject(expected);
    expect(found?.slis.get('availability')).toMatchObject({ known: true, remaining: 0.6 });
  });

  it('are unknown, with the reason, where they cannot be read', async () => {
    expect(
      await budget(respond(401, { status: 'error', errorType: 'unauthorized', error: 'no token' })),
    ).toMatchObject({
      known: false,
      why: expect.stringMatching(/^it could not be read \(source_rejected\): .*no token/),
    });
  });
});
