import { beforeEach, describe, expect, it } from 'vitest';
import { SourceError } from '../../../src/domain/errors.ts';
import type { BatchQuery, MetricsSource, Snapshot } from '../../../src/domain/metrics/metrics-source.ts';
import type { Source } from '../../../src/domain/registry/source-dialect.ts';
import { createCachedSource } from '../../../src/sources/decorators/cache.ts';
import { batch, from, query, scoped, selector, template } from '../datadog/synthetic.ts';

const never = new AbortController().signal;
const login = query([scoped('api', ['post_/login'])]);

interface Call {
  readonly query: BatchQuery;
  readonly signal: AbortSignal;
  readonly answer: (buckets?: number, hits?: readonly number[]) => Snapshot;
  readonly fail: (error: Error) => void;
}

/** A source whose answers the test gives by hand. */
class HandSource implements MetricsSource {
  readonly calls: Call[] = [];
  clockSkewMs: number | undefined;

  measure(asked: BatchQuery, signal: AbortSignal): Promise<Snapshot> {
    return new Promise((resolve, reject) => {
      this.calls.push({
        query: asked,
        signal,
        answer: (buckets = 4, hits = Array(buckets).fill(0)) => {
          const series = { total: Float64Array.from(hits), bad: new Float64Array(buckets) };
          const side = { whole: series, requests: new Map(), latency: new Map() };
          const services = new Map([['api', { canary: side, stable: side }]]);
          const snapshot = {
            fromMs: asked.fromMs,
            toMs: asked.toMs,
            stepMs: asked.stepMs,
            services,
            queries: [],
            ...(this.clockSkewMs === undefined ? {} : { clockSkewMs: this.clockSkewMs }),
          };
          resolve(snapshot);
          return snapshot;
        },
        fail: reject,
      });
    });
  }
}

let inner: HandSource;
let now: number;
let epochMs: number;
let counted: { hit: number; miss: number; coalesced: number };

function cached(overrides: Partial<Parameters<typeof createCachedSource>[1]> = {}): MetricsSource {
  return createCachedSource(inner, {
    ttlMs: 30_000,
    maxEntries: 100,
    maxBytes: 10_000_000,
    now: () => now,
    epochNow: () => epochMs,
    observer: {
      hit: () => {
        counted.hit += 1;
      },
      miss: () => {
        counted.miss += 1;
      },
      coalesced: () => {
        counted.coalesced += 1;
      },
    },
    ...overrides,
  });
}

beforeEach(() => {
  inner = new HandSource();
  now = 1_000;
  epochMs = login.toMs + 90_000;
  counted = { hit: 0, miss: 0, coalesced: 0 };
});

describe('questions at the same time', () => {
  it('are one call where they are equal, and everybody gets the same snapshot', async () => {
    const source = cached();
    const asked = Array.from({ length: 100 }, () => source.measure(login, never));
    expect(inner.calls).toHaveLength(1);
    const answered = inner.calls[0]?.answer();
    const snapshots = await Promise.all(asked);
    expect(snapshots.every((snapshot) => snapshot === answered)).toBe(true);
    expect(counted).toEqual({ hit: 0, miss: 1, coalesced: 99 });
  });

  const sources = { name: 'istio', groupBy: undefined };
  const total = { aggregator: 'sum' as const, metric: 'a.hits', terms: [{ kind: 'selector' as const }] };
  it.each<[string, Partial<BatchQuery>]>([
    ['another canary', { canary: selector('version:v3') }],
    ['another stable', { stable: selector('version:v1') }],
    ['another begin', { fromMs: from - 60_000 }],
    ['another end', { toMs: login.toMs + 60_000 }],
    ['other buckets', { stepMs: 10_000 }],
    ['another endpoint of the batch', { batch: batch([scoped('api', ['post_/login', 'get_/me'])]) }],
    [
      'another operation',
      { batch: batch([scoped('api', ['post_/login'], [], { operation: 'grpc.server' })]) },
    ],
    [
      'another threshold',
      { batch: batch([scoped('api', ['post_/login'], [{ latencyMs: 1, resources: ['*'] }])]) },
    ],
    [
      'another template',
      { batch: batch(login.batch.services, { template: { ...sources, total, bad: total } as Source }) },
    ],
    ['another env', { batch: batch(login.batch.services, { env: 'staging' }) }],
  ])('are two calls with %s', (_, difference) => {
    const source = cached();
    void source.measure(login, never);
    void source.measure({ ...login, ...difference }, never);
    expect(inner.calls).toHaveLength(2);
  });

  it('are one call over a reload that changed nothing that is asked', async () => {
    const source = cached();
    const first = source.measure(login, never);
    const reloaded = scoped('api', ['post_/login'], [], {
      canary: template('version:{version}'),
      sampleRate: 0.5,
    });
    const second = source.measure(query([reloaded]), never);
    inner.calls[0]?.answer();
    expect(await first).toBe(await second);
    expect(inner.calls).toHaveLength(1);
  });
});

describe('what is kept', () => {
  it('serves the very same object until its TTL has passed', async () => {
    const source = cached();
    const first = source.measure(login, never);
    inner.calls[0]?.answer();
    const snapshot = await first;
    now += 29_999;
    expect(await source.measure(login, never)).toBe(snapshot);
    now += 2;
    void source.measure(login, never);
    expect(inner.calls).toHaveLength(2);
    expect(counted).toEqual({ hit: 1, miss: 2, coalesced: 0 });
  });

  it('is handed out to a caller that may not wait, who else asks nothing', async () => {
    const source = cached();
    const first = source.measure(login, never);
    await expect(source.measure(login, AbortSignal.abort())).rejects.toMatchObject({
      code: 'source_timeout',
    });
    inner.calls[0]?.answer();
    const snapshot = await first;
    expect(await source.measure({ ...login }, AbortSignal.abort())).toBe(snapshot);
    expect(inner.calls).toHaveLength(1);
    now += 30_001;
    await expect(source.measure(login, AbortSignal.abort())).rejects.toMatchObject({
      code: 'source_timeout',
    });
    expect(inner.calls).toHaveLength(1);
    expect(counted).toEqual({ hit: 1, miss: 1, coalesced: 0 });
  });

  const minute = 60_000;
  it.each<[string, number, Partial<BatchQuery>, number, number | undefined, number]>([
    ['30 s: minutes that may still change', 30_000, {}, 8 * minute - 1, undefined, 30_000],
    ['6 min: minutes that are settled', 30_000, {}, 8 * minute, 1_500, 6 * minute],
    ['30 s: buckets of 10 s, whenever they end', 30_000, { stepMs: 10_000 }, 8 * minute, undefined, 30_000],
    ['30 s: what a wrong clock takes for settled', 30_000, {}, 8 * minute, -60_001, 30_000],
    ['its TTL where that is longer', 10 * minute, {}, 8 * minute, undefined, 10 * minute],
  ])('lives for %s', async (_, ttlMs, difference, agoMs, clockSkewMs, livesMs) => {
    const asked = { ...login, ...difference };
    const source = cached({ ttlMs });
    inner.clockSkewMs = clockSkewMs;
    // Settled is what was when it was asked, not when the answer came.
    epochMs = asked.toMs + agoMs;
    const first = source.measure(asked, never);
    epochMs += 20_000;
    const snapshot = inner.calls[0]?.answer();
    await first;
    now += livesMs - 1;
    expect(await source.measure(asked, never)).toBe(snapshot);
    now += 2;
    void source.measure(asked, never);
    expect(inner.calls).toHaveLength(2);
  });

  /** By minute: 20 busy ones, then so many empty ones. */
  const stoppedFor = (empty: number) => [...Array(20).fill(7), ...Array(empty).fill(0)];

  it.each([
    ['its TTL', 'data that has stopped, since it may arrive any time', stoppedFor(4), 30_000],
    ['6 min', 'data of which chance explains the end', stoppedFor(3), 6 * minute],
    ['6 min', 'data that goes on', stoppedFor(0), 6 * minute],
  ])('lives for %s: settled minutes of %s', async (_, _what, hits, livesMs) => {
    const source = cached();
    epochMs = login.toMs + 8 * minute;
    const first = source.measure(login, never);
    inner.calls[0]?.answer(hits.length, hits);
    await first;
    now += livesMs - 1;
    void source.measure(login, never);
    expect(inner.calls).toHaveLength(1);
    now += 2;
    void source.measure(login, never);
    expect(inner.calls).toHaveLength(2);
  });

  it('is nothing with a TTL of 0', async () => {
    epochMs += 60 * 60_000;
    const source = cached({ ttlMs: 0 });
    const first = source.measure(login, never);
    inner.calls[0]?.answer();
    await first;
    void source.measure(login, never);
    expect(inner.calls).toHaveLength(2);
  });

  it.each([
    ['entries', { maxEntries: 2 }, 4],
    ['memory', { maxBytes: 60_000 }, 1_000],
  ])('is bounded by %s: the longest unused goes first', async (_, bound, buckets) => {
    const source = cached(bound);
    for (let i = 0; i < 3; i += 1) {
      const asked = source.measure({ ...login, canary: selector(`version:v${i}`) }, never);
      inner.calls[i]?.answer(buckets);
      await asked;
    }
    void source.measure({ ...login, canary: selector('version:v2') }, never);
    expect(counted.hit).toBe(1);
    void source.measure({ ...login, canary: selector('version:v0') }, never);
    expect(inner.calls).toHaveLength(4);
  });
});

describe('failures', () => {
  it('are shared by those who wait and kept for nobody', async () => {
    const source = cached();
    const asked = [source.measure(login, never), source.measure(login, never)];
    const failure = new SourceError('source_unavailable', 'down', 'wait');
    inner.calls[0]?.fail(failure);
    const settled = await Promise.allSettled(asked);
    expect(settled.map((result) => result.status === 'rejected' && result.reason)).toEqual([
      failure,
      failure,
    ]);
    const again = source.measure(login, never);
    expect(inner.calls).toHaveLength(2);
    inner.calls[1]?.answer();
    await again;
  });
});

describe('deadlines', () => {
  it('of one caller end that caller’s question and not the call of the others', async () => {
    const source = cached();
    const impatient = new AbortController();
    const first = source.measure(login, impatient.signal);
    const second = source.measure(login, never);
    impatient.abort();
    await expect(first).rejects.toMatchObject({ name: 'SourceError', code: 'source_timeout' });
    expect(inner.calls[0]?.signal.aborted).toBe(false);
    const answered = inner.calls[0]?.answer();
    expect(await second).toBe(answered);
  });

  it('of all callers abort the call, and the next question makes a new one', async () => {
    const source = cached();
    const callers = [new AbortController(), new AbortController()];
    const asked = callers.map((caller) => source.measure(login, caller.signal));
    for (const caller of callers) caller.abort();
    const settled = await Promise.allSettled(asked);
    expect(settled.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(inner.calls[0]?.signal.aborted).toBe(true);

    const next = source.measure(login, never);
    expect(inner.calls).toHaveLength(2);
    // What the abandoned call still brings belongs to nobody, and its failure disturbs nobody.
    inner.calls[0]?.fail(new SourceError('source_timeout', 'aborted', ''));
    const answered = inner.calls[1]?.answer();
    expect(await next).toBe(answered);
    expect(await source.measure(login, never)).toBe(answered);
  });

  it('that are over already ask nothing', async () => {
    await expect(cached().measure(login, AbortSignal.abort())).rejects.toMatchObject({
      code: 'source_timeout',
    });
    expect(inner.calls).toHaveLength(0);
  });
});
