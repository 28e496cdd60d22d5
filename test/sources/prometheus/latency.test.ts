import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { SourceError } from '../../../src/domain/errors.ts';
import type { BatchQuery, Snapshot } from '../../../src/domain/metrics/metrics-source.ts';
import type { RegistryDocument } from '../../../src/domain/registry/schema.ts';
import {
  PrometheusConnection,
  type PrometheusOptions,
} from '../../../src/sources/prometheus/api/connection.ts';
import { createPrometheusSource, marginMs } from '../../../src/sources/prometheus/api/source.ts';
import { Loopback, type Reply, respond } from '../datadog/loopback.ts';
import { replyBySelector } from './loopback-backend.ts';
import {
  intervalMs,
  matrixOf,
  type Pod,
  queryOf,
  type Request,
  randomOf,
  registryOf,
  type StoredSeries,
  selector,
  storedBuckets,
  storedSeries,
  timedDocument,
  truthOf,
} from './traffic.ts';

const minuteMs = 60_000;
const fromMs = Date.UTC(2026, 0, 31, 9, 0);
const toMs = fromMs + 10 * minuteMs;
const past = { fromMs, toMs, stepMs: minuteMs };
const recent = { fromMs, toMs, stepMs: 10_000 };
const post = 'POST /Orders/{id}';
const get = 'GET /Orders/{id}/Items';
const bucketName = 'http_request_duration_seconds_bucket';
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

const answerWith = (stored: readonly StoredSeries[], les?: readonly string[]) =>
  loopback.reply(replyBySelector(stored, les));

function measured(
  part: Partial<BatchQuery> = {},
  of: RegistryDocument = timedDocument,
  options: Partial<PrometheusOptions> = {},
): Promise<Snapshot> {
  const connection = new PrometheusConnection({
    url: loopback.url,
    clock: { sleep: async () => {}, random: () => 0 },
    ...options,
  });
  connections.push(connection);
  const query = queryOf({ ...past, ...part }, registryOf(of));
  return createPrometheusSource(connection).measure(query, new AbortController().signal);
}

async function failure(asked: Promise<unknown>): Promise<SourceError> {
  const error = await asked.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toHaveProperty('name', 'SourceError');
  return error as SourceError;
}

function slow(snapshot: Snapshot, side: 'canary' | 'stable' = 'canary', latencyMs = 300, resource = post) {
  const found = snapshot.services.get('orders')?.[side].latency.get(latencyMs)?.get(resource);
  if (found === undefined) return undefined;
  const sum = (counts: Float64Array | undefined) => [...(counts ?? [])].reduce((a, b) => a + b, 0);
  return { total: sum(found.total), bad: sum(found.bad), unclassified: sum(found.unclassified) };
}

function pod(name: string, version: string, part: Partial<Pod> = {}): Pod {
  const bornMs = version === 'V2' ? fromMs + 95_000 : fromMs - 2 * marginMs;
  return { name, service: 'orders', version, bornMs, diedMs: toMs + minuteMs, phaseMs: 3_000, ...part };
}

/** One request each two seconds on either route; one of five takes 2 s. */
function requestsOf(of: Pod): Request[] {
  const requests: Request[] = [];
  for (let atMs = of.bornMs + 500; atMs < Math.min(of.diedMs, toMs); atMs += 2_000) {
    const i = requests.length;
    const [method, route] = (i % 2 === 0 ? post : get).split(' ') as [string, string];
    requests.push({ pod: of, atMs, method, route, code: '200', tookMs: i % 10 >= 8 ? 2_000 : 80 });
  }
  return requests;
}

const canary = requestsOf(pod('canary', 'V2'));
const stable = requestsOf(pod('stable', 'V1'));
const both = [...canary, ...stable];
const counters = storedSeries(both, toMs);
/** Of the canary, what the scrapes until `toMs` show on either route: all requests, and those of 2 s. */
const seenOn = (resource: string, minTookMs = 0) =>
  truthOf(
    canary.filter(
      ({ method, route, tookMs = 0 }) => `${method} ${route}` === resource && tookMs >= minTookMs,
    ),
    past,
    minuteMs,
  ).reduce((a, b) => a + b);
const [onPost, slowOnPost, slowOnGet] = [seenOn(post), seenOn(post, 2_000), seenOn(get, 2_000)];

describe('slow requests', () => {
  it('are those that an independent count finds, with pods that come, go, restart and crash', async () => {
    const random = randomOf(31);
    const pods = [
      pod('s-1', 'V1'),
      pod('s-2', 'V1', { diedMs: fromMs + 333_000, phaseMs: 9_000 }),
      pod('s-3', 'V1', { restartsMs: [fromMs + 200_000], phaseMs: 100 }),
      pod('c-1', 'V2'),
      pod('c-2', 'V2', {
        bornMs: fromMs + 130_000,
        restartsMs: [250, 320, 400, 490].map((seconds) => fromMs + seconds * 1000),
      }),
    ];
    const requests = pods.flatMap((of) =>
      [...Array(600)].flatMap((): Request[] => {
        const beginMs = Math.max(of.bornMs, fromMs - marginMs);
        const atMs = Math.floor(beginMs + random() * (toMs - beginMs));
        if (atMs >= of.diedMs) return [];
        const [method, route] = (random() < 0.5 ? post : get).split(' ') as [string, string];
        // Failed requests are timed as well, as in traces.
        return [
          { pod: of, atMs, method, route, code: random() < 0.1 ? '503' : '200', tookMs: random() * 1_500 },
        ];
      }),
    );
    answerWith([...storedSeries(requests, toMs), ...storedBuckets(requests, toMs)]);
    for (const asked of [past, recent]) {
      const snapshot = await measured(asked);
      for (const [side, version] of [
        ['canary', 'V2'],
        ['stable', 'V1'],
      ] as const) {
        for (const [latencyMs, resource] of [
          [300, post],
          [1_000, get],
          [300, '*'],
        ] as const) {
          const own = requests.filter(
            (one) =>
              one.pod.version === version && (resource === '*' || `${one.method} ${one.route}` === resource),
          );
          const truth = (some: readonly Request[]) => truthOf(some, past, snapshot.stepMs);
          const found = snapshot.services.get('orders')?.[side].latency.get(latencyMs)?.get(resource);
          expect({ side, resource, total: [...(found?.total ?? [])], bad: [...(found?.bad ?? [])] }).toEqual({
            side,
            resource,
            total: truth(own),
            bad: truth(own.filter(({ tookMs = 0 }) => tookMs > latencyMs)),
          });
          expect(found).not.toHaveProperty('unclassified');
        }
      }
    }
  });

  it('are asked for by their boundaries alone, in one query more, which people are shown', async () => {
    answerWith([...counters, ...storedBuckets(both, toMs)]);
    const { queries } = await measured();
    expect(loopback.requests).toHaveLength(2);
    expect(queries.map(({ name }) => name)).toEqual(['requests', 'durations']);
    expect(queries[1]?.query).toBe(
      `${bucketName}{job="orders",le=~"\\\\+?0*\\\\.30*|\\\\+?0*1(\\\\.0*)?|.*[eE].*|\\\\+?[Ii][Nn][Ff].*"}[1500s]`,
    );
    expect(loopback.requests.map(({ body }) => new URLSearchParams(body).get('query'))).toEqual(
      queries.map(({ query }) => query),
    );
  });

  it('are not asked for where no CUJ has a threshold', async () => {
    answerWith(counters);
    const { duration: _, ...app } = timedDocument.sources?.app ?? { total: '', bad: '' };
    const cujs = [{ name: 'order', owner: 'team', service: 'orders', endpoints: '*' as const }];
    const untimed = { ...timedDocument, sources: { app }, cujs };
    expect((await measured({}, untimed)).queries).toHaveLength(1);
    const unused = await measured({}, { ...timedDocument, cujs });
    expect(unused.queries).toHaveLength(1);
    expect(unused.services.get('orders')?.canary.latency).toEqual(new Map());
  });

  it.each([
    ['0.3', '1'],
    ['0.300', '1.0'],
    ['.3', '+1'],
    ['3e-1', '1E0'],
    ['0.30000', '01.'],
  ])('are found where clients write boundaries as %s and %s', async (small, great) => {
    answerWith([...counters, ...storedBuckets(both, toMs, ['0.1', small, great, '10', '100', '+Inf'])]);
    const snapshot = await measured();
    expect(slow(snapshot)).toEqual({ total: onPost, bad: slowOnPost, unclassified: 0 });
    expect(slow(snapshot, 'canary', 1_000, get)).toMatchObject({ bad: slowOnGet, unclassified: 0 });
  });

  it('are counted on where an upgrade of Prometheus writes a boundary in another way', async () => {
    const until = (untilMs: number) => (series: StoredSeries) => ({
      ...series,
      samples: series.samples.filter(([atMs]) => atMs <= untilMs),
    });
    const upgradeMs = fromMs + 5 * minuteMs;
    const buckets = storedBuckets(both, toMs);
    const after = buckets.flatMap(({ metric, samples }) => {
      if (metric.le !== '1') return [];
      return [{ metric: { ...metric, le: '1.0' }, samples: samples.filter(([atMs]) => atMs > upgradeMs) }];
    });
    const before = buckets.map((one) => (one.metric.le === '1' ? until(upgradeMs)(one) : one));
    answerWith([...counters, ...before, ...after]);
    expect(slow(await measured(), 'canary', 1_000, get)).toMatchObject({ bad: slowOnGet, unclassified: 0 });
    // Both at the same time are two histograms.
    answerWith([...counters, ...buckets, ...after]);
    expect((await failure(measured())).message).toContain('is there twice');
  });

  it('are told by the unit of the histogram', async () => {
    const les = ['100', '300', '1000', '+Inf'];
    const inMs = storedBuckets(both, toMs, ['0.1', '0.3', '1', '+Inf']).map(({ metric, samples }) => ({
      metric: {
        ...metric,
        __name__: 'latency_bucket',
        le: les[['0.1', '0.3', '1', '+Inf'].indexOf(metric.le as string)] as string,
      },
      samples,
    }));
    answerWith([...counters, ...inMs]);
    const app = {
      ...(timedDocument.sources?.app as { total: string; bad: string }),
      duration: 'latency_bucket{job="{service}"}',
      durationUnit: 'milliseconds' as const,
    };
    const snapshot = await measured({}, { ...timedDocument, sources: { app } });
    expect(slow(snapshot)).toEqual({ total: onPost, bad: slowOnPost, unclassified: 0 });
  });
});

describe('slow requests that vanish', () => {
  const allUnknown = { total: onPost, bad: 0, unclassified: onPost };
  const isCanary = ({ metric }: StoredSeries) => metric.version === 'V2';
  const buckets = storedBuckets(both, toMs);

  it('because the histogram is not there', async () => {
    answerWith(counters);
    const snapshot = await measured();
    expect(slow(snapshot)).toEqual(allUnknown);
    expect(slow(snapshot, 'stable')).toMatchObject({ bad: 0, unclassified: slow(snapshot, 'stable')?.total });
  });

  it('because the canary has no histogram', async () => {
    answerWith([...counters, ...buckets.filter((one) => !isCanary(one))]);
    const snapshot = await measured();
    expect(slow(snapshot)).toEqual(allUnknown);
    expect(slow(snapshot, 'stable')).toMatchObject({ unclassified: 0 });
  });

  it.each(['version', 'method'])('because the histogram lacks the label %s', async (label) => {
    const without = buckets.map(({ metric, samples }) => {
      const { [label]: _, ...labels } = metric;
      return { metric: labels as Record<string, string>, samples };
    });
    answerWith([...counters, ...without]);
    expect(slow(await measured())).toEqual(allUnknown);
  });

  it('because the canary has other buckets', async () => {
    answerWith([...counters, ...buckets.filter((one) => !(isCanary(one) && one.metric.le === '0.3'))]);
    const snapshot = await measured();
    expect(slow(snapshot)).toEqual(allUnknown);
    expect(slow(snapshot, 'canary', 1_000, get)).toMatchObject({ bad: slowOnGet, unclassified: 0 });
  });

  it('because the canary has no bucket of all events', async () => {
    answerWith([...counters, ...buckets.filter((one) => !(isCanary(one) && one.metric.le === '+Inf'))]);
    expect(slow(await measured())).toEqual(allUnknown);
  });

  it('because a pod of the canary has no histogram', async () => {
    const more = requestsOf(pod('canary-2', 'V2'));
    answerWith([...storedSeries([...both, ...more], toMs), ...buckets]);
    expect(slow(await measured())).toEqual({ total: 2 * onPost, bad: slowOnPost, unclassified: onPost });
  });

  it('because one bucket is not scraped for a while', async () => {
    const gap = (atMs: number) => atMs > fromMs + 5 * minuteMs && atMs <= fromMs + 7 * minuteMs;
    const holed = buckets.map(({ metric, samples }) => ({
      metric,
      samples: metric.le === '0.3' ? samples.filter(([atMs]) => !gap(atMs)) : samples,
    }));
    answerWith([...counters, ...holed]);
    const found = slow(await measured());
    // One interval between scrapes longer than the gap: its other end has no bucket either.
    expect(found).toMatchObject({ total: onPost });
    expect(found?.unclassified).toBeGreaterThanOrEqual(30);
    expect(found?.unclassified).toBeLessThanOrEqual(36);
  });

  it('because the histogram stops before the counters of requests do', async () => {
    const stopped = buckets.map(({ metric, samples }) => ({
      metric,
      samples: samples.filter(([atMs]) => atMs <= toMs - 3 * minuteMs),
    }));
    answerWith([...counters, ...stopped]);
    const found = slow(await measured());
    expect(found?.total).toBe(onPost);
    expect(found?.unclassified).toBeGreaterThanOrEqual(45);
  });

  it('because requests that are slow are not timed at all', async () => {
    // Those that run into a timeout are counted, and never observed.
    const timed = both.filter(({ tookMs = 0 }) => tookMs < 1_000);
    answerWith([...counters, ...storedBuckets(timed, toMs)]);
    expect(slow(await measured())).toEqual({ total: onPost, bad: 0, unclassified: slowOnPost });
  });

  it('among requests that nobody asked for: the histogram has probes as well, which are fast', async () => {
    const probes = both.map((one) => ({ ...one, tookMs: 1 }));
    answerWith([...counters, ...storedBuckets([...both, ...probes], toMs)]);
    const found = slow(await measured());
    expect(found).toEqual({ total: 2 * onPost, bad: slowOnPost, unclassified: onPost });
  });

  it('of one endpoint, where the histogram has as many probes of another one: neither stands for the other', async () => {
    const untimed = both.filter(({ tookMs = 0 }) => tookMs < 1_000);
    const probes = both
      .filter(({ tookMs = 0 }) => tookMs >= 1_000)
      .map((one) => ({ ...one, route: '/healthz', tookMs: 1 }));
    answerWith([...counters, ...storedBuckets([...untimed, ...probes], toMs)]);
    const slowOnes = slowOnPost + slowOnGet;
    // The probes are in the histogram alone: as many fast requests are not known to be those of the counters.
    expect(slow(await measured(), 'canary', 300, '*')).toMatchObject({ bad: 0, unclassified: 2 * slowOnes });
  });

  it('are counted for the whole service where the histogram tells no endpoints', async () => {
    const merged = both.map((one) => ({ ...one, route: '' }));
    answerWith([...counters, ...storedBuckets(merged, toMs)]);
    const total = onPost + seenOn(get);
    expect(slow(await measured(), 'canary', 300, '*')).toEqual({
      total,
      bad: slowOnPost + slowOnGet,
      unclassified: 0,
    });
  });

  it('in a restart that only the buckets show, or only the counters of requests', async () => {
    const flat = (values: readonly number[], labels: Record<string, string>): StoredSeries => ({
      metric: {
        job: 'orders',
        instance: 'c:1',
        version: 'V2',
        method: 'POST',
        route: '/Orders/{id}',
        ...labels,
      },
      samples: values.map((value, i) => [fromMs + i * intervalMs, value] as const),
    });
    const bucket = (le: string, values: readonly number[]) => flat(values, { __name__: bucketName, le });
    const counter = (values: readonly number[]) =>
      flat(values, { __name__: 'http_requests_total', code: '200' });
    // Before: 100 requests, 90 fast. After: 105, of which 5 fast. As many as before by the next scrape.
    answerWith([
      counter([100, 100, 105, 105]),
      bucket('0.3', [90, 90, 5, 5]),
      bucket('1', [90, 90, 5, 5]),
      bucket('+Inf', [100, 100, 105, 105]),
    ]);
    // The counter does not know of the 100 before.
    expect(slow(await measured())).toEqual({ total: 105, bad: 100, unclassified: 5 });
    answerWith([
      counter([110, 110, 105, 105]),
      bucket('0.3', [90, 90, 95, 95]),
      bucket('1', [90, 90, 95, 95]),
      bucket('+Inf', [100, 100, 105, 105]),
    ]);
    expect(slow(await measured())).toEqual({ total: 105, bad: 10, unclassified: 0 });
    // Fewer slow ones than before in all, and no bucket falls: nobody knows.
    answerWith([
      counter([100, 100, 105, 105]),
      bucket('0.3', [40, 40, 104, 104]),
      bucket('1', [40, 40, 104, 104]),
      bucket('+Inf', [100, 100, 105, 105]),
    ]);
    expect(slow(await measured())).toEqual({ total: 5, bad: 0, unclassified: 5 });
  });
});

describe('whatever is lost of the histograms', () => {
  const random = randomOf(310);
  const pods = [
    pod('s-1', 'V1'),
    pod('c-1', 'V2', { phaseMs: 100 }),
    pod('c-2', 'V2', { phaseMs: 7_000, restartsMs: [220, 300, 390, 480].map((at) => fromMs + at * 1000) }),
  ];
  const requests = pods.flatMap((of) =>
    [...Array(500)].map((): Request => {
      const atMs = Math.floor(of.bornMs + random() * (toMs - of.bornMs));
      const [method, route] = (random() < 0.5 ? post : get).split(' ') as [string, string];
      return { pod: of, atMs, method, route, code: '200', tookMs: random() * 1_500 };
    }),
  );
  const requestSeries = storedSeries(requests, toMs);
  const buckets = storedBuckets(requests, toMs);
  const truth = (resource: string, isSlow: boolean) =>
    truthOf(
      requests.filter(
        ({ pod: { version }, method, route, tookMs = 0 }) =>
          version === 'V2' && `${method} ${route}` === resource && tookMs > 300 === isSlow,
      ),
      past,
      minuteMs,
    ).reduce((a, b) => a + b);
  const [fast, slowOnes] = [truth(post, false), truth(post, true)];

  /** Neither is a slow request taken for a fast one, nor the other way. */
  async function expectHonest(what: string, kept: readonly StoredSeries[]): Promise<void> {
    answerWith([...requestSeries, ...kept], ['0.1', '0.3', '1', '2.5', '+Inf']);
    const found = await measured().then(slow, () => undefined);
    if (found === undefined) return;
    const { total, bad, unclassified } = found;
    expect([what, total - bad - unclassified <= fast, bad <= slowOnes]).toEqual([what, true, true]);
    expect([what, total >= fast + slowOnes]).toEqual([what, true]);
  }

  it('is known to be lost: each series in turn, and its parts', async () => {
    const parts = [
      () => false,
      (atMs: number) => atMs < fromMs + 4 * minuteMs,
      (atMs: number) => atMs > fromMs + 5 * minuteMs,
      (atMs: number) => atMs < fromMs + 4 * minuteMs || atMs > fromMs + 6 * minuteMs,
      (atMs: number) => Math.floor(atMs / intervalMs) % 3 > 0,
    ];
    for (const [i, { metric, samples }] of buckets.entries()) {
      if (metric.version !== 'V2' || !['0.3', '+Inf'].includes(metric.le as string)) continue;
      for (const [j, isKept] of parts.entries()) {
        const left = samples.filter(([atMs]) => isKept(atMs));
        const kept = left.length === 0 ? [] : [{ metric, samples: left }];
        await expectHonest(`${JSON.stringify(metric)} part ${j}`, [
          ...buckets.filter((_, k) => k !== i),
          ...kept,
        ]);
      }
    }
  });

  it('is known to be lost: samples by chance', async () => {
    for (let round = 0; round < 40; round += 1) {
      const share = random();
      const kept = buckets.flatMap(({ metric, samples }) => {
        const left = samples.filter(() => random() > share * share);
        return left.length === 0 || random() < 0.05 ? [] : [{ metric, samples: left }];
      });
      await expectHonest(`round ${round}`, kept);
    }
  });
});

describe('a threshold that is no boundary', () => {
  const buckets = storedBuckets(both, toMs, ['0.1', '0.25', '0.5', '1', '+Inf']);

  it('is refused with the nearest boundaries, and no other threshold is', async () => {
    answerWith([...counters, ...buckets], ['1', '+Inf', '0.5', '0.1', '0.25']);
    const snapshot = await measured(recent);
    expect(snapshot.refusedThresholds).toEqual([
      {
        service: 'orders',
        latencyMs: 300,
        message: `${bucketName} of orders has no bucket that ends at 0.3 s (latencyMs: 300). The nearest end at 0.25 s and at 0.5 s.`,
        hint: expect.stringMatching(/^Set latencyMs to 250 or 500, or add it to the buckets/),
      },
    ]);
    expect(slow(snapshot)).toEqual({ total: onPost, bad: 0, unclassified: onPost });
    expect(slow(snapshot, 'canary', 1_000, get)).toMatchObject({ bad: slowOnGet, unclassified: 0 });
    expect(new URLSearchParams(loopback.requests[2]?.body).get('query')).toBe(
      `count by (le) (last_over_time(${bucketName}{job="orders"}[15m]))`,
    );
  });

  it('may be beyond all of them, or there may be none', async () => {
    answerWith([...counters, ...buckets], ['0.1', '+Inf']);
    const [beyond] = (await measured(recent)).refusedThresholds ?? [];
    expect(beyond?.message).toContain('The nearest end at 0.1 s.');
    expect(beyond?.hint).toContain('Set latencyMs to 100, or add it');
    answerWith([...counters, ...buckets], ['+Inf']);
    const [none] = (await measured(recent)).refusedThresholds ?? [];
    expect(none?.message).toContain('It has no other bucket of the last minutes.');
  });

  it('is not looked for in the past, where there may have been other buckets', async () => {
    answerWith([...counters, ...buckets]);
    expect(await measured()).not.toHaveProperty('refusedThresholds');
    expect(loopback.requests).toHaveLength(2);
  });
});

describe('a metric that is no histogram of this kind', () => {
  const first = storedBuckets(both, toMs)[0] as StoredSeries;

  it.each<[string, Record<string, string>, string]>([
    ['without le', { le: '' }, 'with a label le'],
    ['of VictoriaMetrics', { le: '', vmrange: '1.0e-1...1.1e-1' }, 'vmrange'],
    ['with a text as le', { le: 'e' }, 'with a label le'],
  ])('is refused: buckets %s', async (_, labels, hint) => {
    loopback.reply((response, request) => {
      const isBuckets = request.body.includes('duration');
      const stored = isBuckets ? [{ ...first, metric: { ...first.metric, ...labels } }] : counters;
      respond(200, matrixOf(stored, fromMs - marginMs, toMs))(response, request);
    });
    expect(await failure(measured())).toMatchObject({
      code: 'source_rejected',
      lasting: true,
      hint: expect.stringContaining(hint),
    });
  });

  it('is refused where a bucket has more events than all', async () => {
    const greater = storedBuckets(both, toMs).map(({ metric, samples }) => ({
      metric,
      samples: samples.map(([atMs, value]) => [atMs, metric.le === '0.3' ? value + 40 : value] as const),
    }));
    answerWith([...counters, ...greater]);
    expect(await failure(measured())).toMatchObject({
      code: 'source_malformed',
      message: expect.stringContaining('more than the'),
    });
  });

  it('is refused where it is scraped less often than once a minute', async () => {
    const seldom = storedBuckets(both, toMs).map(({ metric, samples }) => ({
      metric,
      samples: samples.filter((_, i) => i % 8 === 0),
    }));
    answerWith([...counters, ...seldom]);
    expect(await failure(measured())).toMatchObject({
      code: 'source_rejected',
      message: `${bucketName} has a sample every 120 s.`,
    });
  });

  it('makes events as late as its scrapes do', async () => {
    const seldom = storedBuckets(both, toMs).map(({ metric, samples }) => ({
      metric,
      samples: samples.filter((_, i) => i % 4 === 0),
    }));
    answerWith([...counters, ...seldom]);
    expect(await measured(recent)).toMatchObject({ stepMs: 5_000, lateMs: 55_000 });
  });
});

describe('an answer about durations that is missing', () => {
  const requests = replyBySelector(counters);
  const matrix = matrixOf(storedBuckets(both, toMs), fromMs - marginMs, toMs);
  const error = (errorType: string, text: string) => ({ status: 'error', errorType, error: text });

  it.each<[string, Reply, string]>([
    ['a limit', respond(422, error('execution', 'too many samples')), 'source_rejected'],
    ['no permission', respond(403, 'no'), 'source_rejected'],
    ['a time-out', respond(503, error('timeout', 'timed out')), 'source_timeout'],
    ['a rate limit', respond(429, 'later', { 'retry-after': '30' }), 'source_rate_limited'],
    ['a store that does not answer', respond(200, { ...matrix, warnings: ['store'] }), 'source_malformed'],
    ['a part', respond(200, { ...matrix, isPartial: true }), 'source_malformed'],
    ['a page of a proxy', respond(200, '<html>'), 'source_malformed'],
    ['half of it', respond(200, JSON.stringify(matrix).slice(0, 900)), 'source_malformed'],
  ])('makes no counts of requests alone: %s', async (_, reply, code) => {
    loopback.reply(requests, reply);
    expect(await failure(measured())).toMatchObject({ code });
  });

  it('is asked for again, with the requests of the same moment', async () => {
    loopback.reply(
      requests,
      respond(502, 'starting'),
      replyBySelector([...counters, ...storedBuckets(both, toMs)]),
    );
    expect(slow(await measured())).toMatchObject({ bad: slowOnPost, unclassified: 0 });
    expect(loopback.requests).toHaveLength(4);
  });

  it('is no answer where it is longer than the limit', async () => {
    const bytes = JSON.stringify(matrixOf(counters, fromMs - marginMs, toMs)).length;
    answerWith([...counters, ...storedBuckets(both, toMs)]);
    expect(await failure(measured({}, timedDocument, { maxAnswerBytes: bytes + 10 }))).toMatchObject({
      code: 'source_malformed',
      message: expect.stringContaining('is longer than'),
    });
    expect(loopback.requests).toHaveLength(2);
  });
});

describe('presets', () => {
  const preset = (name: string, endpoints: '*' | string[]): RegistryDocument => {
    const text = `preset:${name}`;
    return {
      ...timedDocument,
      sources: { app: { total: text, bad: text, duration: text } },
      cujs: [{ name: 'order', owner: 'team', service: 'orders', endpoints, latencyMs: 500 }],
    };
  };

  it.each<[string, string, string, string, Record<string, string>, '*' | string[]]>([
    [
      'istio',
      'istio_requests_total',
      'istio_request_duration_milliseconds_bucket',
      '500',
      { reporter: 'source', destination_service_name: 'orders', response_code: '200' },
      '*',
    ],
    [
      'linkerd',
      'response_total',
      'response_latency_ms_bucket',
      '500',
      { direction: 'inbound', app: 'orders', classification: 'success' },
      '*',
    ],
    [
      'opentelemetry',
      'http_server_request_duration_seconds_count',
      'http_server_request_duration_seconds_bucket',
      '0.5',
      {
        job: 'orders',
        http_request_method: 'POST',
        http_route: '/Orders/{id}',
        http_response_status_code: '200',
      },
      [post],
    ],
  ])('count slow requests: %s', async (name, counter, bucket, le, labels, endpoints) => {
    const rising = (__name__: string, by: number, more: Record<string, string> = {}): StoredSeries => ({
      metric: { __name__, instance: 'a:1', version: 'V2', ...labels, ...more },
      samples: [...Array(100)].map((_, i) => [fromMs - marginMs + i * intervalMs, i * by] as const),
    });
    answerWith([rising(counter, 4), rising(bucket, 3, { le }), rising(bucket, 4, { le: '+Inf' })]);
    const snapshot = await measured({}, preset(name, endpoints));
    const resource = endpoints === '*' ? '*' : post;
    expect(slow(snapshot, 'canary', 500, resource)).toEqual({ total: 156, bad: 39, unclassified: 0 });
  });
});

describe('both sides', () => {
  it('are told by the selectors, as for requests', async () => {
    const other = requestsOf(pod('other', 'V0'));
    const all = [...both, ...other];
    answerWith([...storedSeries(all, toMs), ...storedBuckets(all, toMs)]);
    const named = await measured({ stable: selector('version', 'V1') });
    const rest = await measured();
    const [own, more] = [slow(named, 'stable'), slow(rest, 'stable')];
    expect(more?.total).toBe(2 * (own?.total as number));
    expect(slow(named)).toEqual(slow(rest));
  });
});
