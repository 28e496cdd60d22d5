import { describe, expect, it } from 'vitest';
import { evaluate } from '../../../src/demo/datadog/evaluate.ts';
import { normaliseTagValue } from '../../../src/demo/datadog/normalise.ts';
import { parseMetricQuery } from '../../../src/demo/datadog/query-language.ts';
import type { EventStore } from '../../../src/demo/datadog/store.ts';
import { MINUTE, NOON, signup, storeAt } from './fixture.ts';

/** Group tags joined → bucket start relative to noon, in seconds → value. */
function query(
  store: EventStore,
  text: string,
  fromMs = NOON - 60 * MINUTE,
  toMs = NOON,
  intervalMs = MINUTE,
) {
  const frame = { fromMs, toMs, intervalMs, firstBucket: 'left out' } as const;
  const set = evaluate(parseMetricQuery(text), store, frame);
  return Object.fromEntries(
    [...set.groups.values()].map((group) => [
      group.tags.join(),
      Object.fromEntries([...group.points].map(([time, value]) => [(time - NOON) / 1000, value])),
    ]),
  );
}

describe('names as they are stored', () => {
  it.each([
    ['PUT /api/product/{id}/wish-list', 'put_/api/product/_id_/wish-list'],
    ['DELETE /boxes/{name}', 'delete_/boxes/_name'],
    ['GET /users/:id', 'get_/users/:id'],
    ['V2.1+build7', 'v2.1_build7'],
    [`GET /${'a'.repeat(300)}`, `get_/${'a'.repeat(195)}`],
  ])('stores %s as %s', (raw, stored) => {
    expect(normaliseTagValue(raw)).toBe(stored);
  });
});

describe('tags of the trace metrics', () => {
  const { store } = storeAt(NOON);
  store.recordRequests({
    ...signup,
    at: NOON - 10 * MINUTE,
    statusCode: 503,
    host: 'ip-10-0-0-1',
    primaryTags: { role: 'canary' },
  });
  const base = ['env', 'http.status_code', 'resource', 'resource_name', 'role', 'service', 'version'];

  it.each([
    ['trace.http.request.hits', [...base, 'host']],
    ['trace.http.request.errors', [...base, 'host']],
    ['trace.http.request.hits.by_http_status', [...base, 'host', 'http.status_class']],
    ['trace.http.request', base],
  ])('%s carries exactly its documented tags', (name, keys) => {
    const series = store.metric(name)!.series;
    expect(series).toHaveLength(1);
    expect([...series[0]!.tags.keys()].sort()).toEqual([...keys].sort());
  });

  it('keeps the status of gRPC on the counts only, and flags as errors what it is told to', () => {
    const { store: grpc } = storeAt(NOON);
    const at = NOON - 10 * MINUTE;
    const { statusCode: _, ...call } = { ...signup, statusCode: 0, operation: 'grpc.server', at };
    grpc.recordRequests({ ...call, grpcCode: 0, count: 7 });
    grpc.recordRequests({ ...call, grpcCode: 14, count: 3, errors: 3 });
    const keys = (name: string) => [...grpc.metric(name)!.series[0]!.tags.keys()];
    expect(keys('trace.grpc.server.hits')).toContain('rpc.grpc.status_code');
    expect(keys('trace.grpc.server')).not.toContain('rpc.grpc.status_code');
    const hits = 'sum:trace.grpc.server.hits';
    expect(query(grpc, `${hits}{rpc.grpc.status_code IN (2,14)}.as_count()`)).toEqual({ '': { [-600]: 3 } });
    expect(query(grpc, `${hits}{http.status_code:5*}.as_count()`)).toEqual({});
    expect(query(grpc, 'sum:trace.grpc.server.errors{*}.as_count()')).toEqual({ '': { [-600]: 3 } });
  });

  it('answers a status class on plain hits with no data, and NOT of it with everything', () => {
    expect(query(store, 'sum:trace.http.request.hits{http.status_class:5xx}.as_count()')).toEqual({});
    expect(query(store, 'sum:trace.http.request.hits{!http.status_class:5xx}.as_count()')).toEqual({
      '': { [-600]: 1 },
    });
    expect(
      query(store, 'sum:trace.http.request.hits.by_http_status{http.status_class:5xx}.as_count()'),
    ).toEqual({
      '': { [-600]: 1 },
    });
  });

  it('leaves points without the tag of the by-clause out of the groups', () => {
    expect(query(store, 'sum:trace.http.request.hits{*} by {pod}.as_count()')).toEqual({});
  });

  it('refuses to count values of a metric that is no distribution', () => {
    expect(() => query(store, 'count(v: v<1):trace.http.request.hits{*}.as_count()')).toThrow(
      /needs a distribution/,
    );
  });

  it('knows nothing of a metric that was never submitted', () => {
    expect(query(store, 'sum:trace.express.request.hits{*}.as_count()')).toEqual({});
  });
});

describe('counts', () => {
  const { store } = storeAt(NOON);
  const at = NOON - 5 * MINUTE;
  store.recordRequests({ ...signup, at, count: 30 });
  store.recordRequests({ ...signup, at: at + 20_000, count: 30 });
  store.recordRequests({ ...signup, at: at + 20_000, count: 6, statusCode: 500, errors: 4 });
  store.recordRequests({ ...signup, at: at + MINUTE, count: 12, version: 'v1.42.0' });
  const hits = 'trace.http.request.hits';

  it.each([
    ['sums a minute as a count', `sum:${hits}{*}.as_count()`, { '': { [-300]: 66, [-240]: 12 } }],
    ['is a rate per second without as_count', `sum:${hits}{*}`, { '': { [-300]: 1.1, [-240]: 0.2 } }],
    ['is a rate with as_rate', `sum:${hits}{*}.as_rate()`, { '': { [-300]: 1.1, [-240]: 0.2 } }],
    ['averages the series, not the points', `avg:${hits}{*}.as_count()`, { '': { [-300]: 33, [-240]: 12 } }],
    ['takes the largest series', `max:${hits}{*}.as_count()`, { '': { [-300]: 60, [-240]: 12 } }],
    ['rolls up to its own interval', `sum:${hits}{*}.as_count().rollup(sum, 300)`, { '': { [-300]: 78 } }],
    [
      'takes the largest 10 s with rollup(max)',
      `sum:${hits}{*}.as_count().rollup(max)`,
      { '': { [-300]: 36, [-240]: 12 } },
    ],
    [
      'counts flagged spans apart from 5XX',
      'sum:trace.http.request.errors{*}.as_count()',
      { '': { [-300]: 4 } },
    ],
    ['counts 5XX by the code', `sum:${hits}{http.status_code:5*}.as_count()`, { '': { [-300]: 6 } }],
    [
      'groups by two tags in the order asked for',
      `sum:${hits}{*} by {version,http.status_code}.as_count()`,
      {
        'version:v1.41.0,http.status_code:200': { [-300]: 60 },
        'version:v1.41.0,http.status_code:500': { [-300]: 6 },
        'version:v1.42.0,http.status_code:200': { [-240]: 12 },
      },
    ],
  ])('%s', (_, text, expected) => {
    expect(query(store, text)).toEqual(expected);
  });

  it('fills with zero only where a group has points at all', () => {
    const filled = query(store, `sum:${hits}{*} by {version}.as_count().fill(zero)`, at, at + 3 * MINUTE);
    expect(filled).toEqual({
      'version:v1.41.0': { [-300]: 66, [-240]: 0, [-180]: 0 },
      'version:v1.42.0': { [-300]: 0, [-240]: 12, [-180]: 0 },
    });
    expect(query(store, `sum:${hits}{version:v9}.as_count().fill(zero)`)).toEqual({});
  });

  it('leaves out the bucket that holds an unaligned start, as recorded', () => {
    expect(query(store, `sum:${hits}{*}.as_count()`, at + 1_000, NOON)).toEqual({ '': { [-240]: 12 } });
  });

  it('ends before `to`', () => {
    expect(query(store, `sum:${hits}{*}.as_count()`, at, at + MINUTE)).toEqual({ '': { [-300]: 66 } });
  });
});

describe('distributions', () => {
  const { store } = storeAt(NOON);
  const durations = [
    [0.1, 7],
    [0.3, 2],
    [0.9, 1],
  ] as const;
  store.recordRequests({ ...signup, at: NOON - 2 * MINUTE, count: 10, durations });

  it.each([
    ['<=', 0.3, 9],
    ['<', 0.3, 7],
    ['>', 0.3, 1],
    ['>=', 0.3, 3],
    ['<=', 0.05, 0],
  ])('counts values %s %d s', (comparison, threshold, expected) => {
    const text = `count(v: v${comparison}${threshold}):trace.http.request{*}.as_count()`;
    expect(query(store, text)).toEqual({ '': { [-120]: expected } });
  });

  it.each([
    ['count:trace.http.request{*}.as_count()', 10],
    ['max:trace.http.request{*}', 0.9],
    ['p50:trace.http.request{*}', 0.1],
    ['p90:trace.http.request{*}', 0.3],
    ['avg:trace.http.request{*}', 0.22],
  ])('answers %s', (text, expected) => {
    expect(query(store, text)['']![-120]).toBeCloseTo(expected);
  });

  it('misplaces a value near the threshold when it keeps a sketch', () => {
    const sketched = storeAt(NOON, { sketchError: 0.01 }).store;
    sketched.recordRequests({ ...signup, at: NOON - 2 * MINUTE, durations: [[0.3, 1]] });
    const max = query(sketched, 'max:trace.http.request{*}')['']![-120]!;
    expect(max).not.toBe(0.3);
    expect(Math.abs(max / 0.3 - 1)).toBeLessThan(0.01);
  });
});

describe('what can be seen by now', () => {
  const text = 'sum:trace.http.request.hits{*}.as_count()';
  const busyMinute = (clockMs: number) => {
    const { store, clock } = storeAt(clockMs);
    for (let at = NOON - 5 * MINUTE; at < NOON + 5 * MINUTE; at += 10_000) {
      store.recordRequests({ ...signup, at, count: 10 });
    }
    return { store, clock };
  };

  it.each([
    ['hides a 10 s slot until its agents have flushed', 34_999, undefined],
    ['shows it from then on', 35_000, 10],
    ['shows half of the newest minute half a minute later', 55_000, 30],
    ['shows all of it after the lag', 85_000, 60],
  ])('%s', (_, sinceNoonMs, expected) => {
    const { store } = busyMinute(NOON + sinceNoonMs);
    expect(query(store, text, NOON, NOON + 5 * MINUTE)['']?.[0]).toBe(expected);
  });

  it('lets late spans grow an old bucket', () => {
    const { store } = busyMinute(NOON);
    expect(query(store, text, NOON - 3 * MINUTE, NOON - 2 * MINUTE)).toEqual({ '': { [-180]: 60 } });
    store.recordRequests({ ...signup, at: NOON - 3 * MINUTE + 15_000, count: 5 });
    expect(query(store, text, NOON - 3 * MINUTE, NOON - 2 * MINUTE)).toEqual({ '': { [-180]: 65 } });
  });

  it('keeps points in order whatever the order they came in', () => {
    const { store } = storeAt(NOON + 60 * MINUTE);
    for (const seconds of [50, 10, 90, 30, 70, 10]) {
      store.recordRequests({ ...signup, at: NOON + seconds * 1000, count: seconds });
    }
    const expected = { 10: 20, 30: 30, 50: 50, 70: 70, 90: 90 };
    expect(query(store, text, NOON, NOON + 2 * MINUTE, 10_000)).toEqual({ '': expected });
  });
});

describe('ingestion that is late', () => {
  const hits = 'sum:trace.http.request.hits{*}.as_count()';
  const newestMinute = (store: EventStore) => {
    const points = query(store, hits, NOON - 10 * MINUTE, NOON + 20 * MINUTE)[''] as object;
    return Math.max(...Object.keys(points).map(Number)) / 60;
  };

  it('stops for everybody, and catches up', () => {
    const { store, clock } = storeAt(NOON - MINUTE, { lateness: 0 });
    for (let minute = -10; minute < 20; minute += 1) {
      store.recordRequests({ ...signup, at: NOON + minute * MINUTE });
    }
    store.delayIngestion({ fromMs: NOON, untilMs: NOON + 10 * MINUTE, catchUpMs: 2 * MINUTE });
    const newestAt = (minute: number) => {
      clock.now = NOON + minute * MINUTE;
      return newestMinute(store);
    };
    expect([-1, 1, 9, 10, 11, 12, 15].map(newestAt)).toEqual([-2, -1, -1, -1, 5, 11, 14]);
    store.delayIngestion(undefined);
    expect(newestAt(9)).toBe(8);
  });
});
