import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { resolveRequest } from '../../../src/domain/metrics/evaluation-request.ts';
import { measuredUntil, measurementOf, type Snapshots } from '../../../src/domain/metrics/measurement.ts';
import { readMeasurement, writeMeasurement } from '../../../src/domain/metrics/measurement-json.ts';
import {
  bucketMs,
  type Series,
  type ServiceCounts,
  type SideCounts,
  type Snapshot,
} from '../../../src/domain/metrics/metrics-source.ts';
import type { Cuj } from '../../../src/domain/registry/model.ts';
import { registryOf, seededRandom } from '../judge/journey.ts';

const registry = registryOf(`
  { "apiVersion": "cuj-gate/v1",
    "defaults": { "slo": { "availability": 99.95, "latency": 99 }, "gate": { "maxWindow": "20m" } },
    "services": {
      "shop": { "env": "prod", "operation": "http.request", "canary": "version:{version}" },
      "auth": { "env": "prod", "operation": "grpc.server", "canary": "version:{version}" } },
    "cujs": [ { "name": "login", "owner": "t", "service": "shop", "latencyMs": 300,
                "endpoints": ["GET /a", { "service": "auth", "method": "GET", "path": "/me" }] } ] }`);
const request = resolveRequest(registry, registry.cujs.get('login') as Cuj, {
  cuj: 'login',
  params: new Map([['version', 'v2']]),
});

const fromMs = Date.parse('2026-01-31T09:00:00Z');
const tens = 10_000;
/** Half an hour in buckets of 10 s. */
const all = 180;
const columns = [
  'canary total',
  'canary bad',
  'canary withStatus',
  'canary unclassified',
  'canary slow',
  'stable total',
  'stable bad',
  'stable withStatus',
  'stable unclassified',
  'stable slow',
  'unmatched',
] as const;
/** Counts of one service in buckets of 10 s, by column. */
type Counted = Readonly<Record<(typeof columns)[number], readonly number[]>>;

/** Two services, each with counts of its own. */
const counted = fc.nat().map((seed): readonly [Counted, Counted] => {
  const random = seededRandom(seed);
  const one = () =>
    Object.fromEntries(
      columns.map((name) => [name, Array.from({ length: all }, () => Math.floor(random() * 50))]),
    ) as unknown as Counted;
  return [one(), one()];
});

/** One service's part of a snapshot of [beginMs, endMs) in buckets of `stepMs`. */
function servedIn(counts: Counted, beginMs: number, endMs: number, stepMs: number): ServiceCounts {
  const cut = (...names: readonly (keyof Counted)[]) => {
    const out = new Float64Array(Math.ceil((endMs - beginMs) / stepMs));
    for (const name of names) {
      counts[name].forEach((count, i) => {
        const atMs = fromMs + i * tens;
        if (atMs >= beginMs && atMs < endMs) out[Math.floor((atMs - beginMs) / stepMs)]! += count;
      });
    }
    return out;
  };
  const side = (name: 'canary' | 'stable'): SideCounts => {
    const series: Series = {
      total: cut(`${name} total`),
      bad: cut(`${name} bad`),
      withStatus: cut(`${name} withStatus`),
      unclassified: cut(`${name} unclassified`),
    };
    const slow: Series = { total: series.total, bad: cut(`${name} slow`) };
    const keys = ['get_/a', 'get_/me'];
    return {
      whole: series,
      requests: new Map(keys.map((key) => [key, series])),
      latency: new Map([[300, new Map(keys.map((key) => [key, slow]))]]),
    };
  };
  return {
    canary: side('canary'),
    stable: side('stable'),
    allTraffic: cut('canary total', 'stable total', 'unmatched'),
  };
}

interface Cut {
  readonly toMs: number;
  readonly stepMs: number;
  /** Where the past ends; absent: all is recent. */
  readonly pastEndMs?: number;
}

function snapshotsOf(
  services: Readonly<Record<string, Counted>>,
  { toMs, stepMs, pastEndMs }: Cut,
): Snapshots {
  const snapshot = (beginMs: number, endMs: number, everyMs: number): Snapshot => ({
    fromMs: beginMs,
    toMs: endMs,
    stepMs: everyMs,
    services: new Map(
      Object.entries(services).map(([name, counts]) => [name, servedIn(counts, beginMs, endMs, everyMs)]),
    ),
    queries: [],
  });
  if (pastEndMs === undefined) return { recent: snapshot(fromMs, toMs, stepMs) };
  return { past: snapshot(fromMs, pastEndMs, bucketMs), recent: snapshot(pastEndMs, toMs, stepMs) };
}

const minuteAt = (minute: number) => fromMs + minute * bucketMs;

describe('the past and the recent part', () => {
  const cuts = fc.record({
    stepMs: fc.constantFrom(10_000, 20_000, 30_000, 60_000),
    pastMinute: fc.constantFrom(undefined, 5, 10, 15, 20),
    endMinute: fc.integer({ min: 21, max: 30 }),
  });

  it('make the same minutes as one snapshot in minutes, whatever their buckets and wherever they meet', () => {
    fc.assert(
      fc.property(counted, cuts, ([shop, auth], { stepMs, pastMinute, endMinute }) => {
        const toMs = minuteAt(endMinute);
        const of = (snapshots: Snapshots) =>
          measurementOf(
            request,
            new Map([
              ['shop', snapshots],
              ['auth', snapshots],
            ]),
            { toMs, incompleteMs: 0 },
          );
        const joined = of(
          snapshotsOf(
            { shop, auth },
            { toMs, stepMs, ...(pastMinute === undefined ? {} : { pastEndMs: minuteAt(pastMinute) }) },
          ),
        );
        const { recent, ...minutes } = joined;
        const withoutRecent = JSON.parse(JSON.stringify(writeMeasurement(minutes)), (key, value) =>
          key === 'recentBad' ? undefined : value,
        );
        expect(withoutRecent).toEqual(
          JSON.parse(
            JSON.stringify(writeMeasurement(of(snapshotsOf({ shop, auth }, { toMs, stepMs: bucketMs })))),
          ),
        );
        expect(recent).toEqual(
          stepMs === bucketMs
            ? undefined
            : { stepMs, firstMinute: Math.max(0, (pastMinute ?? 0) - (endMinute - 20)) },
        );
        // The bad events in recent buckets are those of the minutes.
        for (const { canary, recentBad } of [...(joined.availability ?? []), ...(joined.latency ?? [])]) {
          if (recent === undefined) expect(recentBad).toBeUndefined();
          else {
            const perMinute = bucketMs / stepMs;
            const sums = canary.bad.map((_, i) =>
              recentBad!
                .subarray(
                  Math.max(0, i - recent.firstMinute) * perMinute,
                  Math.max(0, i - recent.firstMinute + 1) * perMinute,
                )
                .reduce((a, b) => a + b, 0),
            );
            expect(sums.subarray(recent.firstMinute)).toEqual(canary.bad.subarray(recent.firstMinute));
          }
        }
        expect(readMeasurement(JSON.parse(JSON.stringify(writeMeasurement(joined))))).toEqual(joined);
      }),
      { seed: 20260131, numRuns: 30 },
    );
  });

  it('end inside a minute, which then has what lies before the end, and nothing else', () => {
    fc.assert(
      fc.property(
        counted,
        fc.constantFrom(10_000, 20_000, 30_000),
        fc.integer({ min: 1, max: 6 }),
        ([shop, auth], stepMs, cutTens) => {
          const toMs = minuteAt(25) + cutTens * tens;
          const snapshots = snapshotsOf({ shop, auth }, { toMs, stepMs, pastEndMs: minuteAt(15) });
          const byService = new Map([
            ['shop', snapshots],
            ['auth', snapshots],
          ]);
          const measurement = measurementOf(request, byService, { toMs, incompleteMs: 0 });
          const { whole, availability, fromMs: firstMs, recent } = measurement;
          expect(firstMs).toBe(minuteAt(cutTens === 6 ? 6 : 5));
          const newest = (column: keyof Counted, of = shop) =>
            of[column].slice(150, 150 + cutTens).reduce((a, b) => a + b, 0);
          expect(availability?.[0]?.canary.total.at(-1)).toBe(newest('canary total'));
          expect(availability?.[0]?.stable.bad.at(-1)).toBe(newest('stable bad'));
          expect(whole.canary.at(-1)).toBe(newest('canary total') + newest('canary total', auth));
          expect(availability?.[0]?.recentBad).toHaveLength(Math.ceil((toMs - minuteAt(15)) / stepMs));
          expect(recent).toEqual({ stepMs, firstMinute: cutTens === 6 ? 9 : 10 });
        },
      ),
      { seed: 20260131, numRuns: 40 },
    );
  });
});

const steady = (perBucket: number): Counted =>
  Object.fromEntries(columns.map((name) => [name, new Array(all).fill(perBucket)])) as unknown as Counted;

describe('services of several calls', () => {
  const measured = (shop: Cut, auth: Cut, toMs: number, lagging = steady(2)) => {
    const byService = new Map([
      ['shop', snapshotsOf({ shop: steady(2) }, shop)],
      ['auth', snapshotsOf({ auth: lagging }, auth)],
    ]);
    const span = measuredUntil(request, byService, toMs);
    return { span, ...measurementOf(request, byService, span) };
  };
  const pastEndMs = minuteAt(15);
  const atTens = (i: number) => fromMs + i * tens;

  it.each<[string, [number, number], [number, number], number, number]>([
    ['ends where both do', [10_000, 160], [10_000, 157], 200, 157],
    ['ends at its own lag', [10_000, 160], [10_000, 160], 155, 155],
    ['ends at the end of a whole bucket of the one that goes on', [20_000, 160], [10_000, 157], 200, 156],
    ['keeps a bucket that the snapshot’s own end cuts', [20_000, 157], [20_000, 157], 200, 157],
    ['ends where no bucket of either goes on', [20_000, 160], [30_000, 160], 155, 150],
    ['ends with a whole minute where one has only those', [10_000, 160], [60_000, 160], 200, 156],
  ])('%s', (_, [shopStep, shopEnd], [authStep, authEnd], asked, expected) => {
    const { span } = measured(
      { stepMs: shopStep, toMs: atTens(shopEnd), pastEndMs },
      { stepMs: authStep, toMs: atTens(authEnd), pastEndMs },
      atTens(asked),
    );
    expect(span).toEqual({ toMs: atTens(expected), incompleteMs: 0 });
  });

  it.each([
    ['ahead', 25_000, 157],
    ['behind', -25_000, 160],
  ])('end earlier where the clock is %s of the source’s by as much', (_, clockSkewMs, expected) => {
    const snapshots = snapshotsOf({ shop: steady(2) }, { stepMs: 10_000, toMs: atTens(160), pastEndMs });
    const recent = { ...snapshots.recent, clockSkewMs };
    const byService = new Map([
      ['shop', { ...snapshots, recent }],
      ['auth', snapshotsOf({ auth: steady(2) }, { stepMs: 10_000, toMs: atTens(160), pastEndMs })],
    ]);
    expect(measuredUntil(request, byService, atTens(160))).toEqual({
      toMs: atTens(expected),
      incompleteMs: 0,
    });
  });

  it.each([
    ['nothing is missing where scrapes come in bursts', [0, 0, 20, 0, 0, 20], 0],
    ['the newest two scrapes are left out where stable has neither', [0, 0, 0, 0, 0, 0], 30_000],
  ])('of scrapes every 15 s: %s', (_, newest, incompleteMs) => {
    const toMs = fromMs + 20 * bucketMs;
    const bursts = (length: number) => Float64Array.from({ length }, (_, i) => (i % 3 === 2 ? 20 : 0));
    const sideOf = (total: Float64Array): SideCounts => {
      const whole = { total, bad: new Float64Array(total.length) };
      return { whole, requests: new Map([['get_/a', whole]]), latency: new Map() };
    };
    const [canary, stable] = [bursts(180), bursts(180)];
    stable.set(newest, 174);
    const services = (name: string) => new Map([[name, { canary: sideOf(canary), stable: sideOf(stable) }]]);
    const snapshots = (name: string): Snapshots => ({
      recent: {
        ...{ fromMs: toMs - 15 * bucketMs, toMs, stepMs: 5_000, lateMs: 10_000, queries: [] },
        services: services(name),
      },
    });
    const byService = new Map(['shop', 'auth'].map((name) => [name, snapshots(name)]));
    expect(measuredUntil(request, byService, toMs)).toEqual({ toMs: toMs - incompleteMs, incompleteMs });
    const { recent, availability } = measurementOf(request, byService, { toMs, incompleteMs: 0 });
    expect(recent?.stepMs).toBe(5_000);
    expect(availability?.[0]).toMatchObject({ recentLateMs: 10_000 });
  });

  it('have the shortest recent buckets of any, and each its own: longer ones are not taken for shorter ones', () => {
    const { recent, availability } = measured(
      { stepMs: 10_000, toMs: atTens(162), pastEndMs },
      { stepMs: 30_000, toMs: atTens(162), pastEndMs },
      atTens(162),
    );
    expect(recent).toEqual({ stepMs: 10_000, firstMinute: 8 });
    const [a, me] = availability ?? [];
    expect([a?.label, me?.label]).toEqual(['GET /a', 'GET /me']);
    expect(a?.recentBad).toEqual(new Float64Array(72).fill(2));
    expect(a).not.toHaveProperty('recentStepMs');
    expect(me).toMatchObject({ recentStepMs: 30_000, recentBad: new Float64Array(24).fill(6) });
    expect(me?.canary.bad).toEqual(new Float64Array(20).fill(12));
  });

  it('are known by minutes where one of them has no shorter buckets', () => {
    const { recent, availability } = measured(
      { stepMs: 30_000, toMs: atTens(162), pastEndMs },
      { stepMs: 60_000, toMs: atTens(162), pastEndMs },
      atTens(162),
    );
    expect(recent).toEqual({ stepMs: 30_000, firstMinute: 8 });
    const [a, me] = availability ?? [];
    expect(a?.recentBad).toEqual(new Float64Array(24).fill(6));
    expect(me).not.toHaveProperty('recentBad');
  });

  it('have recent buckets from where those with longer ones have them', () => {
    const { recent, availability } = measured(
      { stepMs: 10_000, toMs: atTens(162), pastEndMs: minuteAt(10) },
      { stepMs: 30_000, toMs: atTens(162), pastEndMs },
      atTens(162),
    );
    // Nothing of the part that the slower one has by minute only is taken for no failure.
    expect(recent).toEqual({ stepMs: 10_000, firstMinute: 8 });
    const [a, me] = availability ?? [];
    expect(a?.recentBad).toEqual(new Float64Array(72).fill(2));
    expect(me?.recentBad).toEqual(new Float64Array(24).fill(6));
  });

  it('have recent buckets from where all of these have them', () => {
    const { recent, availability } = measured(
      { stepMs: 10_000, toMs: atTens(165), pastEndMs: minuteAt(10) },
      { stepMs: 10_000, toMs: atTens(160), pastEndMs },
      atTens(160),
    );
    expect(recent).toEqual({ stepMs: 10_000, firstMinute: 9 });
    for (const { recentBad } of availability ?? []) expect(recentBad).toEqual(new Float64Array(70).fill(2));
  });

  it('end before the counts that one of them lacks, at the end of whole buckets of all', () => {
    const canaryOnly: Counted = {
      ...steady(20),
      'stable total': new Array(all).fill(20).map((count, i) => (i < 157 ? count : 0)),
    };
    const { span } = measured(
      { stepMs: 20_000, toMs: atTens(160), pastEndMs },
      { stepMs: 10_000, toMs: atTens(160), pastEndMs },
      atTens(160),
      canaryOnly,
    );
    expect(span).toEqual({ toMs: atTens(156), incompleteMs: 40_000 });
  });
});

it('a side without a point in one of the two parts has what the other part says', () => {
  const toMs = minuteAt(25);
  const snapshots = snapshotsOf(
    { shop: steady(2), auth: steady(2) },
    { toMs, stepMs: 10_000, pastEndMs: minuteAt(15) },
  );
  const nothing: SideCounts = { whole: undefined, requests: new Map(), latency: new Map() };
  const silence = (snapshot: Snapshot): Snapshot => ({
    ...snapshot,
    services: new Map([...snapshot.services].map(([name, counts]) => [name, { ...counts, canary: nothing }])),
  });
  const of = (some: Snapshots) =>
    measurementOf(
      request,
      new Map([
        ['shop', some],
        ['auth', some],
      ]),
      { toMs, incompleteMs: 0 },
    ).availability?.[0]?.canary;
  const before = of({ past: snapshots.past as Snapshot, recent: silence(snapshots.recent) });
  expect([...(before?.total ?? [])]).toEqual([...Array(10).fill(12), ...Array(10).fill(0)]);
  expect(before?.withStatus).toEqual(before?.total);
  const after = of({ past: silence(snapshots.past as Snapshot), recent: snapshots.recent });
  expect([...(after?.bad ?? [])]).toEqual([...Array(10).fill(0), ...Array(10).fill(12)]);
  const never = of({ past: silence(snapshots.past as Snapshot), recent: silence(snapshots.recent) });
  expect(never).toEqual({ total: new Float64Array(20), bad: new Float64Array(20) });
});
