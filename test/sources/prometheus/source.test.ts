import type { ServerResponse } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { SourceError } from '../../../src/domain/errors.ts';
import type { BatchQuery, MetricsSource, Snapshot } from '../../../src/domain/metrics/metrics-source.ts';
import type { Series } from '../../../src/domain/metrics/series.ts';
import type { RegistryDocument } from '../../../src/domain/registry/schema.ts';
import {
  PrometheusConnection,
  type PrometheusOptions,
} from '../../../src/sources/prometheus/api/connection.ts';
import { createPrometheusSource, marginMs } from '../../../src/sources/prometheus/api/source.ts';
import { breakOff, hang, Loopback, type Reply, respond } from '../datadog/loopback.ts';
import {
  document,
  intervalMs,
  matrixOf,
  type Pod,
  queryOf,
  type Request,
  randomOf,
  registryOf,
  type StoredSeries,
  selector,
  storedSeries,
  truthOf,
} from './traffic.ts';

const minuteMs = 60_000;
const fromMs = Date.UTC(2026, 0, 31, 9, 0);
const toMs = fromMs + 10 * minuteMs;
const past = { fromMs, toMs, stepMs: minuteMs };
const recent = { fromMs, toMs: toMs + 40_000, stepMs: 10_000 };
const token = 'a-token-that-only-Prometheus-knows';
const never = new AbortController().signal;
const loopback = new Loopback();
const connections: PrometheusConnection[] = [];

beforeAll(() => loopback.listen());
afterAll(async () => {
  await Promise.all(connections.map((connection) => connection.close()));
  await loopback.close();
});
beforeEach(() => {
  loopback.requests.length = 0;
});

function connect(options: Partial<PrometheusOptions> = {}): MetricsSource {
  const connection = new PrometheusConnection({
    url: loopback.url,
    token,
    clock: { sleep: async () => {}, random: () => 0 },
    ...options,
  });
  connections.push(connection);
  return createPrometheusSource(connection);
}

async function failure(asked: Promise<unknown>): Promise<SourceError> {
  const error = await asked.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toHaveProperty('name', 'SourceError');
  const { message, hint } = error as SourceError;
  for (const text of [message, hint]) expect(text).not.toContain(token);
  expect(hint).toMatch(/./);
  return error as SourceError;
}

/** A counter with a value at every scrape of 15 s from the begin of the margin on. */
function series(
  metric: Readonly<Record<string, string>>,
  valueAt: (atMs: number) => number | undefined,
  everyMs = intervalMs,
): StoredSeries {
  const samples: [number, number][] = [];
  for (let atMs = fromMs - marginMs; atMs <= recent.toMs; atMs += everyMs) {
    const value = valueAt(atMs);
    if (value !== undefined) samples.push([atMs, value]);
  }
  const own = { __name__: 'http_requests_total', job: 'orders', method: 'POST', route: '/Orders/{id}' };
  return { metric: { ...own, code: '200', ...metric }, samples };
}

/** So many more with each scrape. */
const rising = (by: number) => (atMs: number) => ((atMs - fromMs + marginMs) / intervalMs) * by;
const canary = { version: 'V2', instance: 'c:1' };
const stable = { version: 'V1', instance: 's:1' };
const sound = [
  series(canary, rising(1)),
  series({ ...canary, code: '500' }, rising(0)),
  series(stable, rising(9)),
];

/** Answers questions for samples, for `up`, and for what was before. */
function backend(
  stored: readonly StoredSeries[],
  other: Partial<Record<'up' | 'count' | 'last', unknown[]>> = {},
): Reply {
  return (response, request) => {
    const form = new URLSearchParams(request.body);
    const query = form.get('query') ?? '';
    const atMs = Number(form.get('time')) * 1000;
    const asked = /^(up\{|count\(|last_over_time\()/.exec(query)?.[1];
    const vector = { 'up{': other.up, 'count(': other.count, 'last_over_time(': other.last }[asked ?? ''];
    const seconds = Number(/\[(\d+)s\]$/.exec(query)?.[1]);
    const named = stored.filter(({ metric }) => query.startsWith(`${metric.__name__}{`));
    const body =
      vector === undefined
        ? matrixOf(named, atMs - seconds * 1000, atMs)
        : { status: 'success', data: { resultType: 'vector', result: vector } };
    respond(200, body)(response, request);
  };
}

const measured = (query: BatchQuery, options?: Partial<PrometheusOptions>) =>
  connect(options).measure(query, never);

function counts(snapshot: Snapshot, side: 'canary' | 'stable', resource?: string, service = 'orders') {
  const of = snapshot.services.get(service)?.[side];
  const found = resource === undefined ? of?.whole : of?.requests.get(resource);
  return found && { total: [...found.total], bad: [...found.bad] };
}

describe('a label of groupBy', () => {
  it('that no series has is named, and not looked for in the application', async () => {
    const { app } = document.sources as NonNullable<typeof document.sources>;
    const sources = { app: { ...(app as NonNullable<typeof app>), groupBy: 'method/path' } };
    loopback.reply(backend([...sound.slice(0, 1), series({ ...canary, code: '500' }, rising(1))]));
    const { code, message, hint } = await failure(
      measured(queryOf(past, registryOf({ ...document, sources }))),
    );
    expect(code).toBe('source_malformed');
    expect(message).toContain('no series has the label path of groupBy (method/path)');
    expect(hint).toBe('Correct groupBy of the source: cuj-gate doctor names the labels that are there.');
  });
});

describe('what is asked', () => {
  it('is one selector with the span and what is before it, and no text of the caller', async () => {
    loopback.reply(backend(sound));
    const hostile = 'V2",job="carts"} or vector(1) #';
    await measured(queryOf({ ...past, canary: selector('version', hostile) }));
    expect(loopback.requests).toHaveLength(1);
    const [request] = loopback.requests;
    expect(request).toMatchObject({
      method: 'POST',
      path: '/api/v1/query',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/x-www-form-urlencoded',
      },
    });
    expect(request?.headers).not.toHaveProperty('x-scope-orgid');
    expect(Object.fromEntries(new URLSearchParams(request?.body))).toEqual({
      query: 'http_requests_total{job=~"carts|orders"}[1500s]',
      time: String((toMs / 1000).toFixed(3)),
      partial_response: 'false',
      deny_partial_response: '1',
    });
  });

  it('goes below the path of the URL, with basic authentication and the tenant', async () => {
    loopback.reply(backend(sound));
    const options = { url: `${loopback.url}/prometheus/`, token: undefined, tenant: 'shop' };
    await measured(queryOf(past), { ...options, username: 'gate', password: 'p:ä' });
    expect(loopback.requests[0]).toMatchObject({
      path: '/prometheus/api/v1/query',
      headers: {
        authorization: `Basic ${Buffer.from('gate:p:ä').toString('base64')}`,
        'x-scope-orgid': 'shop',
      },
    });
  });

  it('is shown as it is sent', async () => {
    loopback.reply(backend(sound));
    expect((await measured(queryOf(recent))).queries).toEqual([
      { name: 'requests', query: 'http_requests_total{job=~"carts|orders"}[1540s]' },
    ]);
  });
});

describe('what is made of it', () => {
  it('is counts of both sides by endpoint, and none of a service without a series', async () => {
    loopback.reply(backend(sound));
    const snapshot = await measured(queryOf(past));
    expect(snapshot).toMatchObject({ ...past });
    expect(counts(snapshot, 'canary', 'POST /Orders/{id}')).toEqual({
      total: Array(10).fill(4),
      bad: Array(10).fill(0),
    });
    expect(counts(snapshot, 'stable')?.total).toEqual(Array(10).fill(36));
    expect(counts(snapshot, 'canary', 'GET /Orders/{id}/Items')).toBeUndefined();
    expect(counts(snapshot, 'canary', undefined, 'carts')).toBeUndefined();
    expect(snapshot.services.get('orders')).not.toHaveProperty('allTraffic');
  });

  it('is the same as an independent count of the requests, with pods that come, go and restart', async () => {
    const random = randomOf(18);
    const pods = [...Array(9)].map((_, i): Pod => {
      const isCanary = i % 3 === 0;
      const bornMs = isCanary ? fromMs + i * 47_000 : fromMs - 2 * marginMs;
      return {
        name: `pod-${i}`,
        service: i % 2 === 0 ? 'orders' : 'carts',
        version: isCanary ? 'V2' : 'V1',
        bornMs,
        diedMs: i === 4 ? fromMs + 333_000 : Number.POSITIVE_INFINITY,
        // Late enough that no counter can be as high again by the next scrape.
        restartsMs: i === 5 || i === 6 ? [fromMs + 400_123] : [],
        phaseMs: Math.floor(random() * intervalMs),
      };
    });
    const routes = {
      orders: ['POST /Orders/{id}', 'GET /Orders/{id}/Items', 'GET /healthz'],
      carts: ['PUT /Carts/{Cart}'],
    };
    const requests = pods.flatMap((pod) =>
      [...Array(400)].flatMap((): Request[] => {
        const atMs = Math.floor(fromMs - marginMs + random() * (toMs - fromMs + marginMs));
        if (atMs < pod.bornMs || atMs >= pod.diedMs) return [];
        const own = routes[pod.service as keyof typeof routes];
        const [method, route] = (own[Math.floor(random() * own.length)] as string).split(' ') as [
          string,
          string,
        ];
        return [{ pod, atMs, method, route, code: random() < 0.1 ? '503' : '200' }];
      }),
    );
    const stored = storedSeries(requests, toMs);
    expect(stored.length).toBeGreaterThan(30);
    loopback.reply(backend(stored));
    const [byMinute, byStep] = [
      await measured(queryOf(past)),
      await measured(queryOf({ ...past, stepMs: 10_000 })),
    ];
    expect(byStep).toMatchObject({ stepMs: 5_000, lateMs: 10_000 });
    for (const snapshot of [byMinute, byStep]) {
      for (const [service, resources] of Object.entries(routes)) {
        for (const [side, version] of [
          ['canary', 'V2'],
          ['stable', 'V1'],
        ] as const) {
          const own = requests.filter(({ pod }) => pod.service === service && pod.version === version);
          const truth = (some: readonly Request[]) => ({
            total: truthOf(some, past, snapshot.stepMs),
            bad: truthOf(
              some.filter(({ code }) => code === '503'),
              past,
              snapshot.stepMs,
            ),
          });
          expect(counts(snapshot, side, undefined, service)).toEqual(truth(own));
          for (const resource of resources.filter((one) => one !== 'GET /healthz')) {
            const some = own.filter(({ method, route }) => `${method} ${route}` === resource);
            expect(counts(snapshot, side, resource, service)).toEqual(truth(some));
          }
        }
      }
    }
  });

  const login = { name: 'login', owner: 'team-orders', service: 'orders' };
  const defined = (failures: NonNullable<RegistryDocument['cujs']>) =>
    queryOf(past, registryOf({ ...document, cujs: [...(document.cujs ?? []).slice(0, 1), ...failures] }));
  const sums = (of: Series | undefined) =>
    of && [of.total, of.bad, of.withStatus].map((one) => one?.reduce((a, b) => a + b));

  it('is failures by the definition of each CUJ, from one answer', async () => {
    loopback.reply(
      backend([
        series(canary, rising(1)),
        series({ ...canary, code: '401' }, rising(2)),
        series({ ...canary, code: '503' }, rising(3)),
        series({ ...canary, code: '429', route: '/Orders/{id}/Items', method: 'GET' }, rising(4)),
      ]),
    );
    const query = defined([
      { ...login, failure: ['5xx', 401], endpoints: ['POST /Orders/{id}'] },
      { ...login, name: 'limits', failure: [429], endpoints: '*' },
    ]);
    const snapshot = await measured(query);
    const found = snapshot.services.get('orders')?.canary;
    expect(sums(found?.requests.get('POST /Orders/{id}'))).toEqual([240, 120, 240]);
    expect(sums(found?.failures?.get('5xx, 401')?.get('POST /Orders/{id}'))).toEqual([240, 200, 240]);
    expect([...(found?.failures?.get('5xx, 401')?.keys() ?? [])]).toEqual(['POST /Orders/{id}']);
    expect(sums(found?.failures?.get('429')?.get('*'))).toEqual([400, 160, 400]);
    expect(sums(found?.whole)).toEqual([400, 120, 400]);
    expect(loopback.requests.filter(({ body }) => body.includes('http_requests_total'))).toHaveLength(1);
  });

  it('is the failures of the whole service by the definition that is there, where no endpoint has the one of the source', async () => {
    loopback.reply(backend([series(canary, rising(1)), series({ ...canary, code: '401' }, rising(2))]));
    const cujs = [{ ...login, failure: ['5xx', 401], endpoints: '*' as const }];
    const snapshot = await measured(queryOf(past, registryOf({ ...document, cujs })));
    expect(sums(snapshot.services.get('orders')?.canary.whole)).toEqual([120, 80, 120]);
  });

  it('shows no status of an endpoint where its label has classes of what is told apart', async () => {
    loopback.reply(
      backend([
        series(canary, rising(1)),
        series({ ...canary, code: '503' }, rising(1)),
        series({ ...canary, code: '4xx' }, rising(2)),
        series({ ...canary, code: '4xx', method: 'GET', route: '/health' }, rising(2)),
        series({ ...stable, code: '200' }, rising(2)),
        // Of a process that has served none since.
        series({ ...stable, code: '4xx' }, rising(0)),
      ]),
    );
    const query = defined([{ ...login, failure: ['5xx', 401], endpoints: ['POST /Orders/{id}'] }]);
    const found = (await measured(query)).services.get('orders');
    const of = (side: 'canary' | 'stable') =>
      found?.[side].failures?.get('5xx, 401')?.get('POST /Orders/{id}');
    expect(sums(of('canary'))).toEqual([160, 40, 40]);
    expect(sums(of('stable'))).toEqual([80, 0, 80]);
    expect(sums(found?.canary.requests.get('POST /Orders/{id}'))).toEqual([160, 40, 160]);
  });

  it('has a failure that belongs to no endpoint as one of which nothing is known, by its definition only', async () => {
    const unrouted = series({ ...canary, code: '404', route: '' }, rising(1));
    loopback.reply(backend([series(canary, rising(1)), unrouted]));
    const found = (
      await measured(
        defined([
          { ...login, failure: ['5xx', 404], endpoints: ['POST /Orders/{id}'] },
          { ...login, name: 'all', failure: [404], endpoints: '*' },
        ]),
      )
    ).services.get('orders')?.canary;
    const lookup = found?.failures?.get('5xx, 404')?.get('POST /Orders/{id}');
    expect(sums(lookup)).toEqual([80, 0, 80]);
    expect(lookup?.unclassified?.reduce((a, b) => a + b)).toBe(40);
    expect(sums(found?.requests.get('POST /Orders/{id}'))).toEqual([40, 0, 40]);
    // Where an endpoint has no request, each that may be of it has a status all the same.
    loopback.reply(backend([unrouted]));
    const alone = await measured(defined([{ ...login, failure: [404], endpoints: ['GET /x'] }]));
    const lost = alone.services.get('orders')?.canary.failures?.get('404')?.get('GET /x');
    expect([sums(lost), lost?.unclassified?.reduce((a, b) => a + b)]).toEqual([[40, 0, 40], 40]);
    expect(sums(found?.failures?.get('404')?.get('*'))).toEqual([80, 40, 80]);
  });

  it('is the same in two spans as in one that is as long as both', async () => {
    const stored = [
      series(canary, (atMs) =>
        atMs > fromMs + 200_000 && atMs < fromMs + 400_000 ? undefined : rising(3)(atMs),
      ),
    ];
    loopback.reply(backend(stored, { up: [] }));
    const middle = fromMs + 5 * minuteMs;
    const whole = counts(await measured(queryOf(past)), 'canary');
    const first = counts(await measured(queryOf({ ...past, toMs: middle })), 'canary');
    const second = counts(await measured(queryOf({ ...past, fromMs: middle })), 'canary');
    const sum = (...lists: (number[] | undefined)[]) =>
      lists.flatMap((one) => one ?? []).reduce((a, b) => a + b, 0);
    expect(sum(first?.total, second?.total)).toBe(sum(whole?.total));
    expect(sum(whole?.total)).toBe(120);
  });

  it('tells stable by its own selector, with all traffic besides', async () => {
    loopback.reply(backend([...sound, series({ version: 'V0', instance: 'o:1' }, rising(5))]));
    const snapshot = await measured(queryOf({ ...past, stable: selector('version', 'V1') }));
    expect(counts(snapshot, 'stable')?.total).toEqual(Array(10).fill(36));
    expect([...(snapshot.services.get('orders')?.allTraffic ?? [])]).toEqual(Array(10).fill(60));
  });

  it('has requests without a status where the label that tells it is missing', async () => {
    loopback.reply(backend([series({ ...canary, code: '' }, rising(1)), series(canary, rising(2))]));
    const side = (await measured(queryOf(past))).services.get('orders')?.canary;
    expect([...(side?.whole?.total ?? [])]).toEqual(Array(10).fill(12));
    expect([...(side?.whole?.withStatus ?? [])]).toEqual(Array(10).fill(8));
  });

  it.each([
    [
      'istio',
      'istio_requests_total',
      {
        reporter: 'source',
        destination_service_name: 'orders',
        destination_version: 'V2',
        instance: '10.0.0.7:15020',
      },
      { response_code: '200' },
      { response_code: '503' },
      undefined,
    ],
    [
      'linkerd',
      'response_total',
      {
        direction: 'inbound',
        app: 'orders',
        destination_version: 'V2',
        instance: '10.0.0.7:4191',
        status_code: '200',
      },
      { classification: 'success' },
      { classification: 'failure' },
      undefined,
    ],
    [
      'opentelemetry',
      'http_server_request_duration_seconds_count',
      { job: 'orders', destination_version: 'V2', http_request_method: 'POST', http_route: '/Orders/{id}' },
      { http_response_status_code: '200' },
      { http_response_status_code: '500' },
      'POST /Orders/{id}',
    ],
  ])('counts by the preset %s', async (preset, __name__, labels, good, bad, endpoint) => {
    const text = `preset:${preset}`;
    const services = {
      orders: { env: 'production', source: 'app', canary: 'destination_version:{version}' },
    };
    const endpoints = endpoint === undefined ? ('*' as const) : [endpoint];
    const cujs = [{ name: 'order', owner: 'team', service: 'orders', endpoints }];
    const own = { ...document, sources: { app: { total: text, bad: text } }, services, cujs };
    const counter = (more: Record<string, string>, by: number) => ({
      metric: { __name__, ...labels, ...more } as Record<string, string>,
      samples: series({}, rising(by)).samples,
    });
    loopback.reply(backend([counter(good, 3), counter(bad, 1)]));
    const canarySelector = selector('destination_version', 'V2');
    const snapshot = await measured(queryOf({ ...past, canary: canarySelector }, registryOf(own)));
    const expected = { total: Array(10).fill(16), bad: Array(10).fill(4) };
    expect(counts(snapshot, 'canary', endpoint)).toEqual(expected);
    expect(snapshot.services.get('orders')?.canary.whole?.withStatus).toEqual(
      Float64Array.from(expected.total),
    );
  });

  it('says how far the clock is off, also to the process', async () => {
    const date = new Date(toMs).toUTCString();
    loopback.reply((response, request) => {
      response.setHeader('date', date);
      backend(sound)(response, request);
    });
    const told: number[] = [];
    const options = { epochNow: () => toMs + 90_000, onClockSkew: (ms: number) => void told.push(ms) };
    expect(await measured(queryOf(past), options)).toMatchObject({ clockSkewMs: 89_000 });
    expect(told).toEqual([89_000]);
  });
});

describe('samples that are missing', () => {
  const until = (endMs: number, valueAt: (atMs: number) => number) => (atMs: number) =>
    atMs <= endMs ? valueAt(atMs) : undefined;
  const since = (beginMs: number, valueAt: (atMs: number) => number) => (atMs: number) =>
    atMs >= beginMs ? valueAt(atMs) : undefined;

  it('of the whole batch at the end are no silence', async () => {
    loopback.reply(
      backend([
        series(canary, until(toMs - minuteMs, rising(1))),
        series(stable, until(toMs - minuteMs, rising(9))),
      ]),
    );
    expect(await failure(measured(queryOf(recent)))).toMatchObject({
      code: 'source_malformed',
      lasting: true,
      message: expect.stringContaining('newest sample of all is of 09:09:00 UTC'),
    });
    // The past is complete, or the newest data says that it is not.
    loopback.reply(backend([series(canary, until(toMs - minuteMs, rising(1)))], { up: [] }));
    await expect(measured(queryOf(past))).resolves.toBeDefined();
  });

  it('of all of the canary at the end are no silence, while counters that do not rise are one', async () => {
    loopback.reply(backend([series(canary, until(toMs - minuteMs, rising(1))), series(stable, rising(9))]));
    expect(await failure(measured(queryOf(recent)))).toMatchObject({
      code: 'source_malformed',
      message: expect.stringContaining('the canary of orders has no sample since 09:09:00 UTC'),
    });
    loopback.reply(
      backend([series(canary, (atMs) => Math.min(rising(1)(atMs), 70)), series(stable, rising(9))]),
    );
    expect(counts(await measured(queryOf(recent)), 'canary')?.total.slice(-3)).toEqual([0, 0, 0]);
  });

  it('have stopped after 2.5 scrapes', async () => {
    for (const [ageMs, isStopped] of [
      [30_000, false],
      [45_000, true],
    ] as const) {
      const endMs = recent.toMs - 10_000 - ageMs;
      loopback.reply(
        backend([series(canary, until(endMs, rising(1))), series(stable, until(endMs, rising(9)))]),
      );
      const asked = measured(queryOf({ ...recent, toMs: recent.toMs - 10_000 }));
      if (isStopped) expect(await failure(asked)).toMatchObject({ code: 'source_malformed' });
      else await expect(asked).resolves.toBeDefined();
    }
  });

  it('of stable alone do not stand in the way: its pods go when the canary takes over', async () => {
    loopback.reply(backend([series(canary, rising(1)), series(stable, until(toMs - minuteMs, rising(9)))]));
    await expect(measured(queryOf(recent))).resolves.toBeDefined();
  });

  it('of one pod of the canary are refused while Prometheus knows it and cannot scrape it', async () => {
    const stored = [...sound, series({ ...canary, instance: 'c"2.x' }, until(fromMs, rising(1)))];
    const up = (value: string) => [
      { metric: { __name__: 'up', job: 'orders', instance: 'c"2.x' }, value: [toMs / 1000, value] },
    ];
    loopback.reply(backend(stored, { up: up('0') }));
    for (const asked of [recent, past]) {
      expect(await failure(measured(queryOf(asked)))).toMatchObject({
        code: 'source_malformed',
        message: expect.stringContaining('cannot scrape a pod of the canary'),
      });
    }
    expect(new URLSearchParams(loopback.requests[1]?.body).get('query')).toBe(
      'up{job=~"orders",instance=~"c\\"2\\\\.x"}',
    );
    for (const gone of [[], up('1')]) {
      loopback.reply(backend(stored, { up: gone }));
      await expect(measured(queryOf(recent))).resolves.toBeDefined();
    }
  });

  it('before all others are a new service, or a gap of which nothing is known', async () => {
    const stored = [
      series(canary, since(fromMs + minuteMs, rising(1))),
      series(stable, since(fromMs + minuteMs, rising(9))),
    ];
    loopback.reply(backend(stored, { count: [{ metric: {}, value: [1, '12'] }] }));
    expect(await failure(measured(queryOf(recent)))).toMatchObject({
      code: 'source_malformed',
      message: expect.stringContaining('no sample at all for a quarter of an hour'),
    });
    const [, asked] = loopback.requests;
    expect(Object.fromEntries(new URLSearchParams(asked?.body))).toMatchObject({
      query: 'count(last_over_time(http_requests_total{job=~"carts|orders"}[1h]))',
      time: ((fromMs - marginMs) / 1000).toFixed(3),
    });
    loopback.reply(backend(stored, { count: [] }));
    // The counters were not new: what they had counted before is not of this minute.
    expect(counts(await measured(queryOf(recent)), 'stable')?.total.slice(0, 21)).toEqual([
      ...Array(14).fill(0),
      ...[9, 0, 0, 9, 0, 0, 9],
    ]);
  });

  it('for longer than a quarter of an hour do not make a counter begin anew with all of its life', async () => {
    const backMs = toMs - 4 * minuteMs;
    const away = (by: number, life: number) => (atMs: number) =>
      atMs < backMs ? undefined : life + rising(by)(atMs);
    const pod = { version: 'V1', instance: 'away:1' };
    const stored = [...sound, series(pod, away(2, 5_000)), series({ ...pod, code: '500' }, away(0, 700))];
    const last = (code: string, value: number) => ({
      metric: { ...(stored[0]?.metric as object), ...pod, code },
      value: [(fromMs - marginMs) / 1000, String(value)],
    });
    const before = [last('200', 5_000), last('500', 698)];
    for (const [metric] of [['with its name'], ['without']] as const) {
      const known = before.map((one) =>
        metric === 'without' ? { ...one, metric: { ...one.metric, __name__: undefined } } : one,
      );
      loopback.reply(backend(stored, { last: JSON.parse(JSON.stringify(known)) }));
      const stable = counts(await measured(queryOf(past)), 'stable');
      const sumOf = (events: readonly number[] = []) => events.reduce((sum, count) => sum + count, 0);
      // 40 scrapes of the pod that was there, and all that the other one gained while it was away and since.
      expect(sumOf(stable?.total)).toBe(40 * 9 + 100 * 2 + 2);
      expect(sumOf(stable?.bad)).toBe(2);
    }
    const asked = new URLSearchParams(loopback.requests[1]?.body).get('query');
    expect(asked).toBe('last_over_time(http_requests_total{job=~"carts|orders",instance=~"away:1"}[6h])');
    // One that was not there before is new: all of it counts.
    loopback.reply(backend(stored, { last: [] }));
    const stable = counts(await measured(queryOf(past)), 'stable');
    expect(stable?.bad.reduce((sum, count) => sum + count, 0)).toBe(700);
  });

  it('of a counter alone do not make it an old one: its process was scraped, and counts from 0 since it restarted', async () => {
    const failing = (atMs: number) => (atMs < toMs - minuteMs ? undefined : 300 + rising(1)(atMs) - 96);
    const stored = [
      series(canary, rising(1)),
      series({ ...canary, code: '500' }, failing),
      series(stable, rising(9)),
    ];
    // What the process before it had counted, in the hours before.
    const last = [{ metric: stored[1]?.metric, value: [(fromMs - marginMs) / 1000, '290'] }];
    loopback.reply(backend(stored, { last }));
    const bad = counts(await measured(queryOf(past)), 'canary')?.bad;
    expect(bad?.reduce((sum, count) => sum + count, 0)).toBe(304);
    // Another one of the same pod is asked for, as the pod was away before: this one is new nevertheless.
    loopback.reply(backend([...stored, series({ ...stable, instance: 'away:1' }, failing)], { last }));
    const again = counts(await measured(queryOf(past)), 'canary')?.bad;
    expect(again?.reduce((sum, count) => sum + count, 0)).toBe(304);
  });

  it('in a gap are spread over it, and none is lost', async () => {
    const gap = (atMs: number) =>
      atMs > fromMs + 90_000 && atMs < fromMs + 300_000 ? undefined : rising(1)(atMs);
    loopback.reply(backend([series(canary, gap), series(stable, rising(9))]));
    expect(counts(await measured(queryOf(past)), 'canary')?.total).toEqual(Array(10).fill(4));
  });

  it('after the end of a series, as VictoriaMetrics marks it, are none', async () => {
    const body = matrixOf(
      [series(canary, until(toMs - minuteMs, rising(1))), series(stable, rising(9))],
      fromMs - marginMs,
      recent.toMs,
    );
    body.data.result[0]?.values.push([(toMs - 45_000) / 1000, 'NaN']);
    const none = respond(200, { status: 'success', data: { resultType: 'vector', result: [] } });
    loopback.reply((response, request) =>
      (request.body.startsWith('query=up') ? none : respond(200, body))(response, request),
    );
    expect(await failure(measured(queryOf(recent)))).toMatchObject({
      message: expect.stringContaining('no sample since 09:09:00 UTC'),
    });
    expect(
      counts(await measured(queryOf({ ...past, toMs: recent.toMs - 40_000 + 60_000 })), 'canary')?.total,
    ).toEqual([...Array(9).fill(4), 0, 0]);
  });

  it('of one pod that is seldom reached do not make all others slow', async () => {
    const seldom = series({ version: 'V1', instance: 's:2' }, rising(1), 120_000);
    const others = [...Array(12)].map((_, i) => series({ version: 'V1', instance: `s:${i + 3}` }, rising(1)));
    loopback.reply(backend([...sound, ...others, seldom]));
    expect(await measured(queryOf(recent))).toMatchObject({ stepMs: 5_000, lateMs: 10_000 });
  });

  it('of a canary that is scraped less often than many pods of stable make its events as late as they are', async () => {
    const many = [...Array(30)].map((_, i) => series({ version: 'V1', instance: `s:${i + 3}` }, rising(1)));
    loopback.reply(backend([...many, series(canary, rising(1), minuteMs)]));
    expect(await measured(queryOf(recent))).toMatchObject({ lateMs: 55_000 });
  });

  it('because scrapes are more than a minute apart are refused', async () => {
    loopback.reply(backend([series(canary, rising(1), 120_000)]));
    expect(await failure(measured(queryOf(past)))).toMatchObject({
      code: 'source_rejected',
      message: expect.stringContaining('a sample every 120 s'),
    });
  });
});

describe('an answer that cannot be right', () => {
  const answer = matrixOf(sound, fromMs - marginMs, toMs);
  type Body = typeof answer & Record<string, unknown>;
  const spoilt = (change: (body: Body) => unknown) => {
    const body = structuredClone(answer) as Body;
    return change(body) ?? body;
  };
  const first = ({ data }: Body) =>
    data.result[0] as (typeof answer.data.result)[0] & Record<string, unknown>;

  it.each<[string, unknown]>([
    ['an error with the status of a success', { status: 'error', errorType: 'internal', error: 'x' }],
    [
      'a warning of a store that did not answer',
      spoilt((body) => void Object.assign(body, { warnings: ['store 10.0.0.1: timeout'] })),
    ],
    ['a partial answer of VictoriaMetrics', spoilt((body) => void Object.assign(body, { isPartial: true }))],
    ['no data', { status: 'success' }],
    ['another kind of result', spoilt((body) => void Object.assign(body.data, { resultType: 'vector' }))],
    ['another metric', spoilt((body) => void Object.assign(first(body).metric, { __name__: 'up' }))],
    [
      'a service that the selector excludes',
      spoilt((body) => void Object.assign(first(body).metric, { job: 'payments' })),
    ],
    ['a series twice', spoilt((body) => void body.data.result.push(first(body)))],
    ['a series without values', spoilt((body) => void delete (first(body) as { values?: unknown }).values)],
    ['a native histogram', spoilt((body) => void Object.assign(first(body), { histograms: [] }))],
    ['a label that is no text', spoilt((body) => void Object.assign(first(body).metric, { code: 200 }))],
    [
      'two samples of one time',
      spoilt((body) => void first(body).values.splice(1, 0, first(body).values[0] as [number, string])),
    ],
    ['a sample after the end', spoilt((body) => void first(body).values.push([toMs / 1000 + 1, '9999']))],
    [
      'a sample long before the begin',
      spoilt((body) => void first(body).values.unshift([fromMs / 1000 - 3_600, '0'])),
    ],
    ...['+Inf', 'nan', '-1', '0.5', '1e400', '9007199254740993', '', 'x'].map((value): [string, unknown] => [
      `the value "${value}"`,
      spoilt((body) => void Object.assign(first(body).values[3] as object, { 1: value })),
    ]),
    ['a page of a proxy', '<html>Sign in</html>'],
    ['a part of JSON', JSON.stringify(answer).slice(0, 500)],
  ])('is not used: %s', async (_, body) => {
    loopback.reply(respond(200, body));
    expect(await failure(measured(queryOf(past)))).toMatchObject({ code: 'source_malformed' });
    expect(loopback.requests).toHaveLength(1);
  });

  it('may have no warning in a list, and information that is none', async () => {
    loopback.reply(
      respond(
        200,
        spoilt(
          (body) => void Object.assign(body, { warnings: [], infos: ['metric might not be a counter'] }),
        ),
      ),
    );
    await expect(measured(queryOf(past))).resolves.toBeDefined();
  });

  it('is not used where two processes write one series', async () => {
    loopback.reply(
      backend([series(canary, (atMs) => ((atMs / intervalMs) % 2 === 0 ? 900 : 20) + rising(1)(atMs))]),
    );
    expect(await failure(measured(queryOf(past)))).toMatchObject({
      code: 'source_malformed',
      message: expect.stringContaining('is no single counter'),
    });
  });

  it('is not used where it is too long', async () => {
    loopback.reply(backend(sound));
    expect(await failure(measured(queryOf(past), { maxAnswerBytes: 1_000 }))).toMatchObject({
      code: 'source_malformed',
      message: expect.stringContaining('longer than 1000 bytes'),
    });
    expect(loopback.requests).toHaveLength(1);
  });
});

describe('a backend that does not answer the question', () => {
  const error = (errorType: string, text: string) => ({ status: 'error', errorType, error: text });
  const labels = Array.from({ length: 9 }, (_, i) => `external_label_${i}="value"`).join(', ');
  const thanos = `expanding series: proxy Series(): fetch series for {${labels}} Addr: 127.0.0.1:1: rpc error: code = `;

  it.each<[number, unknown, string, string]>([
    [400, error('bad_data', 'parse error: unexpected character'), 'source_rejected', 'GET /cujs'],
    [401, 'no org id', 'source_rejected', 'CUJ_GATE_PROMETHEUS_TENANT'],
    [403, '<html>Forbidden</html>', 'source_rejected', 'CUJ_GATE_PROMETHEUS_TOKEN'],
    [404, '404 page not found', 'source_rejected', '/select/0/prometheus'],
    [302, '', 'source_rejected', 'CUJ_GATE_PROMETHEUS_URL'],
    [501, '<h1>Unsupported method (POST)</h1>', 'source_rejected', 'not the API of Prometheus'],
    [405, 'Method not allowed', 'source_rejected', 'not the API of Prometheus'],
    [400, 'Client sent an HTTP request to an HTTPS server.', 'source_rejected', 'write https://'],
    [400, '<h1>The plain HTTP request was sent to HTTPS port</h1>', 'source_rejected', 'write https://'],
    [200, '<!doctype html>', 'source_malformed', 'CUJ_GATE_PROMETHEUS_URL'],
    [
      422,
      error('execution', 'query processing would load too many samples into memory in query execution'),
      'source_rejected',
      'maxWindow',
    ],
    [
      400,
      error('bad_data', 'the total query time range exceeds the limit (query length: 2h, limit: 1h)'),
      'source_rejected',
      'maxWindow',
    ],
    [
      422,
      error('execution', `${thanos}Unavailable desc = connection refused`),
      'source_unavailable',
      'store',
    ],
    [
      422,
      error('execution', `${thanos}Unknown desc = failed to send series: limit 1 violated (got 2)`),
      'source_rejected',
      'maxWindow',
    ],
    [503, error('timeout', 'query timed out in expression evaluation'), 'source_timeout', 'maxWindow'],
    [500, error('internal', 'boom'), 'source_unavailable', 'asks again'],
    [502, '<html>Bad gateway</html>', 'source_unavailable', 'asks again'],
    [204, '', 'source_malformed', ''],
  ])('answers %i %j: %s', async (status, body, code, hint) => {
    loopback.reply(respond(status, body));
    const found = await failure(measured(queryOf(past)));
    expect(found).toMatchObject({ code, hint: expect.stringContaining(hint) });
    expect(loopback.requests).toHaveLength(code === 'source_unavailable' ? 3 : 1);
  });

  it('answers without TLS, or closes the connection as a port of TLS does', async () => {
    const url = loopback.url.replace('http:', 'https:');
    const plain = await failure(measured(queryOf(past), { url }));
    expect(plain).toMatchObject({
      code: 'source_unavailable',
      message: expect.stringMatching(/could not be reached \(\w+\): it answers without TLS$/),
      hint: expect.stringMatching(/^Write http:\/\/ in CUJ_GATE_PROMETHEUS_URL/),
    });
    loopback.reply(breakOff);
    expect((await failure(measured(queryOf(past)))).hint).toContain(
      'write https:// in CUJ_GATE_PROMETHEUS_URL',
    );
  });

  it('quotes it without the credentials', async () => {
    loopback.reply(respond(400, error('bad_data', `who is Bearer ${token}?\u001b[31m`)));
    expect((await failure(measured(queryOf(past)))).message).toContain('who is Bearer [redacted]?');
  });

  it('asks again after trouble that may pass', async () => {
    loopback.reply(breakOff, respond(503, 'starting'), backend(sound));
    expect(counts(await measured(queryOf(past)), 'canary')?.total).toEqual(Array(10).fill(4));
  });

  it('is asked nothing more for as long as it wants, and the process is told', async () => {
    loopback.reply(respond(429, 'too many', { 'retry-after': '30' }));
    const told: number[] = [];
    let nowMs = 0;
    const clock = { now: () => nowMs, sleep: async () => {}, random: () => 0 };
    const source = connect({ clock, onRateLimited: (seconds) => void told.push(seconds) });
    expect(await failure(source.measure(queryOf(past), never))).toMatchObject({
      code: 'source_rate_limited',
      retryAfterSeconds: 30,
    });
    nowMs = 20_000;
    expect(await failure(source.measure(queryOf(past), never))).toMatchObject({
      code: 'source_rate_limited',
      retryAfterSeconds: 10,
    });
    expect(loopback.requests).toHaveLength(1);
    nowMs = 31_000;
    loopback.reply(backend(sound));
    await expect(source.measure(queryOf(past), never)).resolves.toBeDefined();
    expect(told).toEqual([30]);
  });

  it('is asked nothing more until a date, by the clock that wrote it', async () => {
    const headers = { 'retry-after': 'Sat, 31 Jan 2026 09:00:09 GMT', date: 'Sat, 31 Jan 2026 09:00:00 GMT' };
    loopback.reply(respond(429, 'too many', headers));
    expect(await failure(measured(queryOf(past)))).toMatchObject({ retryAfterSeconds: 9 });
  });

  it('is given up at the deadline, and when the caller goes', async () => {
    loopback.reply(hang);
    expect(await failure(measured(queryOf(past), { deadlineMs: 60 }))).toMatchObject({
      code: 'source_timeout',
    });
    const controller = new AbortController();
    const asked = connect().measure(queryOf(past), controller.signal);
    controller.abort();
    expect(await failure(asked)).toMatchObject({ code: 'source_timeout' });
  });

  it('is read by one question at a time, and its answers do not pile up', async () => {
    const body = JSON.stringify(matrixOf(sound, fromMs - marginMs, toMs));
    let begun = (_: ServerResponse) => {};
    const slow = new Promise<ServerResponse>((resolve) => {
      begun = resolve;
    });
    let seen = 0;
    let headSeen = () => {};
    const head = new Promise<void>((resolve) => {
      headSeen = resolve;
    });
    let answered = () => {};
    const second = new Promise<void>((resolve) => {
      answered = resolve;
    });
    loopback.reply(
      (response) => {
        response.writeHead(200, { 'content-type': 'application/json' });
        response.write(body.slice(0, 100));
        begun(response);
      },
      (response) => void response.end(body, answered),
    );
    // It is asked for the time when a request is sent, and when the head of its answer is there.
    const epochNow = () => {
      seen += 1;
      if (seen === 2) headSeen();
      return toMs;
    };
    const source = connect({ epochNow });
    const order: string[] = [];
    const first = source.measure(queryOf(past), never).then(() => order.push('first'));
    await head;
    const other = source.measure(queryOf(past), never).then(() => order.push('second'));
    await second;
    while (seen < 4) await nextTurn();
    for (let i = 0; i < 20; i += 1) await nextTurn();
    expect(order).toEqual([]);
    (await slow).end(body.slice(100));
    await Promise.all([first, other]);
    expect(order).toEqual(['first', 'second']);
  });

  it('that is given up does not keep others from being read', async () => {
    const body = JSON.stringify(matrixOf(sound, fromMs - marginMs, toMs));
    loopback.reply(
      (response) => {
        response.writeHead(200, { 'content-type': 'application/json' });
        response.write(body.slice(0, 100));
      },
      (response) => void response.end(body),
    );
    const controller = new AbortController();
    let seen = 0;
    const epochNow = () => {
      seen += 1;
      return toMs;
    };
    const source = connect({ epochNow });
    const given = failure(source.measure(queryOf(past), controller.signal));
    while (seen < 2) await nextTurn();
    const other = source.measure(queryOf(past), never);
    controller.abort();
    expect(await given).toMatchObject({ code: 'source_timeout' });
    await expect(other).resolves.toBeDefined();
  });

  it('is not there', async () => {
    const found = await failure(measured(queryOf(past), { url: 'http://127.0.0.1:9' }));
    expect(found).toMatchObject({
      code: 'source_unavailable',
      hint: expect.stringContaining('CUJ_GATE_PROMETHEUS_URL'),
    });
  });

  it('is not asked for what no selector can be written for', async () => {
    const { sources: _, ...without } = document;
    const services = {
      orders: { env: 'production', operation: 'http.request', canary: 'version:{version}' },
      carts: { env: 'production', operation: 'http.request', canary: 'version:{version}' },
    };
    expect(await failure(measured(queryOf(past, registryOf({ ...without, services }))))).toMatchObject({
      code: 'source_rejected',
      message: expect.stringContaining('no trace metrics'),
    });
    expect(loopback.requests).toHaveLength(0);
  });
});
