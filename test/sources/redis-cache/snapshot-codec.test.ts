import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Series, SideCounts, Snapshot } from '../../../src/domain/metrics/metrics-source.ts';
import { failureOf } from '../../../src/domain/sli/failure.ts';
import { readSnapshot, snapshotValue } from '../../../src/sources/redis-cache/snapshot-codec.ts';
import { minutes, query, scoped } from '../datadog/synthetic.ts';

const asked = query([
  scoped('api', ['post_/login', 'get_/me'], [{ latencyMs: 300, resources: ['post_/login', '*'] }]),
  {
    ...scoped('auth', ['grpc.auth/login']),
    failures: [{ failure: failureOf('errors'), resources: ['*', 'grpc.auth/login'] }],
  },
]);

const series = fc
  .tuple(
    fc.array(
      fc.tuple(fc.double({ min: 0, max: 1e9, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true })),
      { minLength: minutes, maxLength: minutes },
    ),
    fc.boolean(),
    fc.boolean(),
  )
  .map(
    ([counts, known, isOpen]): Series => ({
      total: Float64Array.from(counts, ([total]) => total),
      bad: Float64Array.from(counts, ([total, share]) => total * share),
      ...(known ? { withStatus: Float64Array.from(counts, ([total, share]) => total * (1 - share)) } : {}),
      ...(isOpen ? { unclassified: Float64Array.from(counts, ([, share]) => share) } : {}),
    }),
  );
const byResource = (resources: readonly string[]) =>
  fc
    .tuple(...resources.map(() => fc.option(series, { nil: undefined })))
    .map((all) => new Map(resources.flatMap((name, i) => (all[i] === undefined ? [] : [[name, all[i]]]))));
const sideOf = (index: number): fc.Arbitrary<SideCounts> => {
  const of = asked.batch.services[index] as (typeof asked.batch.services)[number];
  const [failure] = of.failures ?? [];
  const failures =
    failure === undefined
      ? fc.constant({})
      : byResource(failure.resources).map((all) =>
          all.size === 0 ? {} : { failures: new Map([[failure.failure.text, all]]) },
        );
  const counts = fc.record({
    whole: fc.option(series, { nil: undefined }),
    requests: byResource(of.resources),
    latency: fc
      .tuple(...of.thresholds.map(({ resources }) => byResource(resources)))
      .map(
        (all) => new Map(of.thresholds.map(({ latencyMs }, i) => [latencyMs, all[i] as Map<string, Series>])),
      ),
  });
  return fc.tuple(counts, failures).map(([all, more]) => ({ ...all, ...more }));
};
const allTraffic = fc.option(
  series.map(({ total }) => total),
  { nil: undefined },
);
const refused = fc.constantFrom(
  {},
  { lateMs: 10_000 },
  {
    refusedThresholds: [{ service: 'api', latencyMs: 300, message: 'It has no bucket.', hint: 'Add it.' }],
  },
);
const snapshots: fc.Arbitrary<Snapshot> = fc
  .tuple(sideOf(0), sideOf(0), sideOf(1), sideOf(1), allTraffic, refused)
  .map(([a, b, c, d, all, more]) => ({
    fromMs: asked.fromMs,
    toMs: asked.toMs,
    stepMs: asked.stepMs,
    services: new Map([
      [
        'api',
        {
          canary: a,
          stable: b,
          ...(all === undefined ? {} : { allTraffic: all }),
        },
      ],
      ['auth', { canary: c, stable: d }],
    ]),
    queries: [{ name: 'c_hits_0', query: 'sum:trace.http.request.hits{service:api}.as_count()' }],
    ...more,
  }));

const throughJson = (value: unknown) => JSON.parse(JSON.stringify(value));

it('a snapshot comes back as it was, to the last digit', () => {
  fc.assert(
    fc.property(snapshots, (snapshot) => {
      expect(readSnapshot(throughJson(snapshotValue(snapshot)), asked)).toEqual(snapshot);
    }),
  );
});

it('a snapshot in longer buckets than were asked for comes back, with the last one cut off', () => {
  const fine = { ...asked, stepMs: 10_000, toMs: asked.toMs - 20_000 };
  fc.assert(
    fc.property(snapshots, (snapshot) => {
      const coarse = { ...snapshot, toMs: fine.toMs };
      expect(readSnapshot(throughJson(snapshotValue(coarse)), fine)).toEqual(coarse);
    }),
    { numRuns: 20 },
  );
});

describe('is no answer', () => {
  // biome-ignore lint/suspicious/noExplicitAny: what is spoiled here has no type any more.
  type Spoiled = any;
  const full = () => {
    const one = { total: Float64Array.from([1, 2, 3, 4]), bad: Float64Array.from([0, 0, 1, 0]) };
    const side: SideCounts = {
      whole: one,
      requests: new Map([['post_/login', one]]),
      latency: new Map([[300, new Map([['*', one]])]]),
    };
    const plain = { whole: one, requests: new Map([['grpc.auth/login', one]]), latency: new Map() };
    return snapshotValue({
      fromMs: asked.fromMs,
      toMs: asked.toMs,
      stepMs: asked.stepMs,
      services: new Map([
        ['api', { canary: side, stable: side, allTraffic: one.total }],
        ['auth', { canary: plain, stable: plain }],
      ]),
      queries: [],
    });
  };
  it.each<[string, (value: Spoiled) => unknown]>([
    ['null', () => null],
    ['a text', () => 'snapshot'],
    ['an empty object', () => ({})],
    ['a snapshot of another span', (value) => ({ ...value, toMs: value.toMs + 60_000 })],
    ['a snapshot in shorter buckets', (value) => ({ ...value, stepMs: 10_000 })],
    ['a snapshot of events that were counted before they happened', (value) => ({ ...value, lateMs: -1 })],
    ['a snapshot in longer buckets than minutes', (value) => ({ ...value, stepMs: 240_000 })],
    ['a snapshot without one service', (value) => ({ ...value, services: value.services.slice(1) })],
    ['a snapshot of other services', (value) => ({ ...value, services: value.services.toReversed() })],
    [
      'one with a minute too few of all traffic',
      (value) => {
        value.services[0][3].pop();
        return value;
      },
    ],
    [
      'one with a service that is not whole',
      (value) => {
        value.services[1].pop();
        return value;
      },
    ],
    ['one without queries', ({ queries: _, ...value }) => value],
    ['one with queries that are no texts', (value) => ({ ...value, queries: [[1, 2]] })],
    ['one that refuses no list of thresholds', (value) => ({ ...value, refusedThresholds: 300 })],
    ...[
      { service: 'api', latencyMs: 500, message: 'a', hint: 'b' },
      { service: 'other', latencyMs: 300, message: 'a', hint: 'b' },
      { service: 'api', latencyMs: 300, message: 1, hint: 'b' },
    ].map((one): [string, (value: Spoiled) => unknown] => [
      `one that refuses the threshold ${JSON.stringify(one)}`,
      (value) => ({ ...value, refusedThresholds: [one] }),
    ]),
    ...(
      [
        ['a count that is negative', (side) => (side.whole[0][0] = -1)],
        ['a count that is a text', (side) => (side.whole[0][0] = '1')],
        ['a count that is null', (side) => (side.whole[1][2] = null)],
        ['a minute too few', (side) => side.whole[0].pop()],
        ['bad events of more minutes', (side) => side.requests[0][1][1].push(0)],
        ['an endpoint that nobody asked for', (side) => (side.requests[0][0] = 'get_/other')],
        ['a threshold that nobody asked for', (side) => (side.latency[0][0] = 301)],
        ['no endpoints', (side) => delete side.requests],
      ] as [string, (side: Spoiled) => void][]
    ).map(([what, spoil]): [string, (value: Spoiled) => unknown] => [
      what,
      (value) => {
        spoil(value.services[0][1]);
        return value;
      },
    ]),
  ])('%s', (_, spoil) => {
    expect(readSnapshot(throughJson(full()), asked)).toBeDefined();
    expect(readSnapshot(spoil(throughJson(full())), asked)).toBeUndefined();
  });
});
