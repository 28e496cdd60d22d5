import { describe, expect, it } from 'vitest';
import { checkHistogram } from '../../src/doctor/check-histogram.ts';
import type {
  BackendFacts,
  CounterFacts,
  HistogramFacts,
  ServiceFacts,
} from '../../src/domain/ports/backend-facts.ts';
import type { Service } from '../../src/domain/registry/model.ts';
import { registryOf, timedDocument } from '../sources/prometheus/traffic.ts';

const all = (values: Record<string, number>) => new Map(Object.entries(values));
const ends = (values: readonly (readonly [number, number])[]) => new Map(values);
const post = 'POST /Orders/{id}';
const items = 'GET /Orders/{id}/Items';

/** A sound histogram, but for the changes, of CUJs with thresholds of 300 ms and 1 s. */
function findings(changes: Partial<HistogramFacts> = {}, document = timedDocument) {
  const registry = registryOf(document);
  const histogram: HistogramFacts = {
    metric: 'http_request_duration_seconds_bucket',
    isClassic: true,
    unit: 's',
    serviceLabel: 'job',
    serviceValues: new Map(),
    histograms: 10,
    labels: new Map([
      ['method', all({ POST: 5, GET: 5 })],
      ['route', all({ '/Orders/{id}': 5, '/Orders/{id}/Items': 5 })],
      ['version', all({ V1: 8, V2: 2 })],
    ]),
    boundaries: ends([
      [100, 10],
      [300, 10],
      [1000, 10],
      [2500, 10],
    ]),
    within: ends([
      [100, 600],
      [300, 900],
      [1000, 990],
      [2500, 1000],
      [Number.POSITIVE_INFINITY, 1000],
    ]),
    across: new Map(),
    timed: all({ [post]: 9_950, [items]: 10_050 }),
    ...changes,
  };
  const counter = { metric: 'http_requests_total', labels: new Map([['version', all({ V1: 8, V2: 2 })]]) };
  const facts = {
    counters: new Map([['orders', counter as unknown as CounterFacts]]),
    histograms: new Map([['orders', histogram]]),
    services: new Map([
      [
        'orders',
        { total: 20_000, routes: all({ [post]: 10_000, [items]: 10_000 }) } as unknown as ServiceFacts,
      ],
    ]),
  } as unknown as BackendFacts;
  return checkHistogram(registry, facts, registry.services.get('orders') as Service);
}

const checks = (...args: Parameters<typeof findings>) =>
  findings(...args).map(({ check, severity }) => `${severity} ${check}`);

describe('the histogram of a service', () => {
  it('is sound', () => {
    expect(findings()).toEqual([]);
  });

  it.each([
    [{}, 'there is no classic histogram'],
    [{ order: 3 }, 'has no histogram of orders; job is order'],
    [{ orders: 3 }, 'but none with all other matchers of duration'],
  ])('is not there: %o', (values, message) => {
    const [found, ...more] = findings({
      histograms: 0,
      serviceValues: all(values as Record<string, number>),
    });
    expect(more).toEqual([]);
    expect(found).toMatchObject({
      severity: 'error',
      check: 'histogram-missing',
      message: expect.stringContaining(message),
      verdict: expect.stringContaining('order, orders cannot pass'),
    });
  });

  it.each([
    ['route', { '': 10 }, 'error histogram-label-missing'],
    ['route', { '': 5, '/Orders/{id}': 5 }, 'warning histogram-label-missing'],
    ['version', { '': 10 }, 'error histogram-label-missing'],
    ['version', { V1: 10 }, 'warning histogram-value-missing'],
    ['version', { V1: 5, V2: 3, V3: 2 }, undefined],
  ])('has the label %s: %o', (label, values, expected) => {
    const labels = new Map([[label, all(values as Record<string, number>)]]);
    expect(checks({ labels })).toEqual(expected === undefined ? [] : [expected]);
  });

  it('needs no label of endpoints where all of them are judged as one', () => {
    const whole = { ...timedDocument, cujs: timedDocument.cujs?.slice(1) } as typeof timedDocument;
    expect(checks({ labels: new Map([['route', all({ '': 10 })]]) }, whole)).toEqual([]);
  });

  it('names the nearest boundaries of a threshold that is none', () => {
    const boundaries = ends([
      [100, 10],
      [250, 10],
      [500, 10],
      [1000, 10],
    ]);
    expect(findings({ boundaries })).toMatchObject([
      {
        severity: 'error',
        check: 'threshold-no-boundary',
        message: expect.stringContaining('latencyMs: 300; the nearest end at 250 ms and 500 ms'),
        fix: expect.stringContaining(
          'Set latencyMs to 250 or 500, or give the histogram of every version a bucket that ends at 0.3 s',
        ),
      },
    ]);
    expect(
      findings({
        boundaries: ends([
          [300, 10],
          [1000, 4],
        ]),
      }),
    ).toMatchObject([
      {
        severity: 'warning',
        check: 'threshold-no-boundary',
        message: expect.stringContaining('6 of 10 histograms'),
      },
    ]);
  });

  it.each([
    [
      'none is within a threshold',
      [
        [100, 0],
        [300, 0],
        [1000, 0],
        [2500, 3],
        [Number.POSITIVE_INFINITY, 1000],
      ],
      true,
    ],
    [
      'all are in the first bucket',
      [
        [100, 1000],
        [300, 1000],
        [1000, 1000],
        [2500, 1000],
        [Number.POSITIVE_INFINITY, 1000],
      ],
      true,
    ],
    [
      'there are few',
      [
        [100, 0],
        [300, 0],
        [1000, 0],
        [2500, 3],
        [Number.POSITIVE_INFINITY, 50],
      ],
      false,
    ],
  ] as const)('may be in another unit where %s', (_, within, expected) => {
    expect(checks({ within: ends(within) })).toEqual(expected ? ['warning duration-unit'] : []);
  });

  it.each([
    [{ [post]: 9_000, [items]: 10_000 }, 'POST /Orders/{id} (9,000 of 10,000)'],
    [{ [post]: 10_000, [items]: 10_000, '': 2_000 }, 'all endpoints (22,000 of 20,000)'],
    [{ [post]: 9_000, [items]: 11_000 }, 'GET /Orders/{id}/Items (11,000 of 10,000)'],
  ])('counts other requests than total: %o', (timed, text) => {
    expect(findings({ timed: all(timed as Record<string, number>) })).toMatchObject([
      { severity: 'warning', check: 'histogram-counts-differ', message: expect.stringContaining(text) },
    ]);
  });

  describe('of a native one', () => {
    const document = {
      ...timedDocument,
      sources: {
        app: { ...timedDocument.sources?.app, duration: 'http_request_duration_seconds{job="{service}"}' },
      },
    } as typeof timedDocument;
    const changes = {
      ...{ isClassic: false, metric: 'http_request_duration_seconds' },
      ...{ boundaries: new Map(), within: new Map() },
    };
    const bucket = { endMs: 324.2098886627524, share: 0.0312 };

    it('has no rules of a threshold inside a bucket, and says which ones have', () => {
      for (const across of [new Map([[300, bucket]]), new Map()]) {
        expect(findings({ ...changes, across }, document)).toMatchObject([
          {
            ...{ severity: 'info', check: 'native-histogram' },
            message: expect.stringContaining(
              across.size > 0 ? '3.1% of the requests of http_request_duration_seconds' : 'few have a bucket',
            ),
            verdict: expect.stringContaining('no error budgets, of latency of order, orders.'),
            fix: expect.stringContaining('Set latencyMs to 250 or 500, or'),
          },
        ]);
      }
    });

    it('warns where the buckets are so coarse, or so chosen, that rules would estimate', () => {
      const found = findings(
        { ...changes, across: new Map([[1_000, { endMs: 4_000, share: 0.2 }]]) },
        document,
      );
      expect(found[1]).toMatchObject({
        ...{ severity: 'warning', check: 'threshold-no-boundary' },
        message:
          '20% of the requests of http_request_duration_seconds are in a bucket that lies across latencyMs: 1000, and ends at 4000 ms',
        verdict: expect.stringContaining('the error budgets of latency of order are estimates'),
      });
    });
  });
});
