import { describe, expect, it } from 'vitest';
import type { SourceError } from '../../../src/domain/errors.ts';
import { durationCountsOf } from '../../../src/sources/prometheus/api/histogram-increments.ts';
import { readHistograms } from '../../../src/sources/prometheus/api/histogram-samples.ts';
import { differenceOf } from '../../../src/sources/prometheus/api/latency-counts.ts';
import { planDurations } from '../../../src/sources/prometheus/query/query-plan.ts';
import { batchOf, registryOf, timedDocument } from './traffic.ts';

const fromMs = Date.UTC(2026, 0, 31, 9, 0);
const toMs = fromMs + 180_000;
const [app] = Object.values(timedDocument.sources ?? {});

function planOf(latencyMs: number) {
  const cujs = [{ name: 'orders', owner: 'team', service: 'orders', latencyMs, endpoints: '*' as const }];
  const duration = 'http_request_duration_seconds{job="{service}"}';
  const sources = { app: { ...(app as { total: string; bad: string }), duration } };
  return planDurations(batchOf(registryOf({ ...timedDocument, sources, cujs }))) as NonNullable<
    ReturnType<typeof planDurations>
  >;
}

type Bucket = readonly [rule: number, left: string, right: string, events: string];

/** A sample each minute from 30 s on. */
function answerOf(samples: readonly unknown[]) {
  const metric = { __name__: 'http_request_duration_seconds', job: 'orders', instance: 'a:1' };
  const histograms = samples.map((content, i) => [fromMs / 1000 + 30 + 60 * i, content]);
  return { status: 'success', data: { resultType: 'matrix', result: [{ metric, histograms }] } };
}

const sample = (count: number, ...buckets: Bucket[]) => ({ count: String(count), sum: '1.5', buckets });

/** Within, above and unknown by minute, of samples of a native histogram that is new. */
function counts(samples: readonly unknown[], latencyMs = 300) {
  const plan = planOf(latencyMs);
  const [histogram] = readHistograms(answerOf(samples), plan, fromMs, toMs);
  if (histogram === undefined) throw new Error('no histogram');
  const span = { fromMs, toMs, stepMs: 60_000, gapMs: 66_000 };
  const [of] = durationCountsOf(histogram, span, () => true, { scrapes: [], restarts: [] });
  return {
    within: [...(of?.within ?? [])],
    above: [...(of?.above ?? [])],
    unknown: [...(of?.unknown ?? [])],
  };
}

function refusal(samples: readonly unknown[]): SourceError {
  try {
    readHistograms(answerOf(samples), planOf(300), fromMs, toMs);
  } catch (error) {
    expect(error).toHaveProperty('name', 'SourceError');
    return error as SourceError;
  }
  throw new Error('it is not refused');
}

describe('a native histogram', () => {
  // Boundaries of schema 0 are powers of 2, those of schema 3 eight times as many.
  const fast: Bucket = [0, '0.125', '0.25', '7'];
  const across: Bucket = [0, '0.25', '0.5', '2'];
  const slow: Bucket = [0, '0.5', '1', '1'];

  it('tells slow events, but for those in the bucket across the threshold', () => {
    expect(counts([sample(10, fast, across, slow)])).toEqual({
      within: [7, 0, 0],
      above: [1, 0, 0],
      unknown: [2, 0, 0],
    });
  });

  it('tells all of them where the threshold is a boundary', () => {
    expect(counts([sample(10, fast, across, slow)], 500)).toMatchObject({
      within: [9, 0, 0],
      above: [1, 0, 0],
      unknown: [0, 0, 0],
    });
    expect(counts([sample(10, fast, across, slow)], 250)).toMatchObject({
      within: [7, 0, 0],
      above: [3, 0, 0],
    });
  });

  it('may have buckets of its own choice, to which only the right end belongs', () => {
    const custom = sample(9, [0, '-Inf', '0.1', '4'], [0, '0.1', '0.3', '3'], [0, '0.3', '+Inf', '2']);
    expect(counts([custom])).toMatchObject({ within: [7, 0, 0], above: [2, 0, 0], unknown: [0, 0, 0] });
    // Where the left end belongs to a bucket, an event of exactly the threshold may be in it.
    const closed = sample(9, [1, '0.1', '0.3', '7'], [1, '0.3', '+Inf', '2']);
    expect(counts([closed])).toMatchObject({ within: [7, 0, 0], above: [0, 0, 0], unknown: [2, 0, 0] });
  });

  it('has a bucket of zero, which is wide enough at times to reach the threshold', () => {
    const zero = (right: string): Bucket => [3, `-${right}`, right, '5'];
    expect(counts([sample(5, zero('0.001'))])).toMatchObject({ within: [5, 0, 0], unknown: [0, 0, 0] });
    expect(counts([sample(5, zero('0.5'))])).toMatchObject({ within: [0, 0, 0], unknown: [5, 0, 0] });
  });

  it('counts what each scrape adds, and begins again at 0 after a restart', () => {
    const samples = [
      sample(10, fast, across, slow),
      sample(13, [0, '0.125', '0.25', '9'], across, [0, '0.5', '1', '2']),
      sample(4, [0, '0.5', '1', '4']),
    ];
    expect(counts(samples)).toEqual({ within: [7, 2, 0], above: [1, 1, 4], unknown: [2, 0, 0] });
  });

  it('whose buckets were merged or split tells nothing of the time between', () => {
    const merged = sample(14, [0, '0.0625', '0.25', '10'], [0, '0.25', '1', '4']);
    expect(counts([sample(10, fast, across, slow), merged])).toMatchObject({
      within: [7, 0, 0],
      above: [1, 0, 0],
      unknown: [2, 4, 0],
    });
    // 2 events of the bucket across the threshold become 2 fast ones, and two slow ones are in a bucket across it.
    const split = sample(
      12,
      [0, '0.125', '0.25', '7'],
      [0, '0.25', '0.2973', '2'],
      [0, '0.2973', '0.3535', '2'],
      slow,
    );
    expect(counts([sample(10, fast, across, slow), split])).toMatchObject({ unknown: [2, 2, 0] });
    // Fewer than before, though the count is not: merged, or a restart that nobody sees.
    expect(counts([sample(10, fast, slow, across), sample(12, [0, '0.5', '1', '12'])])).toMatchObject({
      above: [1, 0, 0],
      unknown: [2, 2, 0],
    });
  });

  it('does not know of events that no bucket has: not a number', () => {
    expect(counts([sample(10, fast, slow)])).toMatchObject({
      within: [7, 0, 0],
      above: [1, 0, 0],
      unknown: [2, 0, 0],
    });
  });

  it('may be empty', () => {
    expect(counts([{ count: '0', sum: '0' }])).toEqual({
      within: [0, 0, 0],
      above: [0, 0, 0],
      unknown: [0, 0, 0],
    });
    expect(readHistograms(answerOf([]), planOf(300), fromMs, toMs)).toEqual([]);
  });

  it.each<[string, unknown]>([
    ['no object', 7],
    ['no count', { sum: '1' }],
    ['a count that is no text', { count: 7, sum: '1' }],
    ['half an event', sample(10, [0, '0.1', '0.2', '0.5'])],
    ['a count of a rate', { count: '0.25', sum: '1' }],
    ['fewer than no events', sample(10, [0, '0.1', '0.2', '-1'])],
    ['more in its buckets than its count', sample(1, fast)],
    ['a bucket that ends before it begins', sample(10, [0, '0.2', '0.1', '1'])],
    ['a boundary that is none', sample(10, [0, 'NaN', '0.1', '1'])],
    ['a bucket of another form', sample(10, ['0.1', '0.2', '1'] as unknown as Bucket)],
    ['a rule that is none', sample(10, [9, '0.1', '0.2', '1'])],
    ['buckets that are no list', { count: '1', sum: '1', buckets: {} }],
  ])('is not used where a sample has %s', (_, content) => {
    expect(refusal([content])).toMatchObject({ code: 'source_malformed' });
  });

  it('is another thing than a summary, a counter and a classic histogram', () => {
    const metric = { __name__: 'http_request_duration_seconds', job: 'orders', quantile: '0.99' };
    const json = {
      status: 'success',
      data: { resultType: 'matrix', result: [{ metric, values: [[fromMs / 1000 + 30, '0.3']] }] },
    };
    expect(() => readHistograms(json, planOf(300), fromMs, toMs)).toThrow('it is no native histogram');
  });
});

describe('requests that are not timed', () => {
  const difference = (timed: number[], requests: number[], apartBuckets = 1) => {
    const { missing, surplus } = differenceOf(
      Float64Array.from(timed),
      Float64Array.from(requests),
      apartBuckets,
    );
    return [[...missing], [...surplus]];
  };
  const none = [0, 0, 0];

  it('are those that stay missing', () => {
    expect(difference([5, 5, 5], [5, 5, 5])).toEqual([none, none]);
    expect(difference([5, 2, 5], [5, 5, 5])).toEqual([[0, 3, 0], none]);
    expect(difference([0, 0, 0], [5, 6, 7])).toEqual([[5, 6, 7], none]);
    expect(difference([5, 5, 2], [5, 5, 5])).toEqual([[0, 0, 3], none]);
  });

  it('are not those that are found a moment later', () => {
    expect(difference([4, 6, 5], [5, 5, 5])).toEqual([none, none]);
    expect(difference([1, 7, 5], [5, 5, 5])).toEqual([[2, 0, 0], none]);
  });

  it('are not those that are found a moment before, such as by the first byte of the answer', () => {
    expect(difference([6, 4, 5], [5, 5, 5])).toEqual([none, none]);
    expect(difference([7, 4, 4], [5, 5, 5])).toEqual([
      [0, 0, 1],
      [1, 0, 0],
    ]);
  });

  it('are not made up for by others that were found two buckets later, such as of another route', () => {
    expect(difference([2, 5, 8], [5, 5, 5])).toEqual([
      [3, 0, 0],
      [0, 0, 3],
    ]);
  });

  it('are not those that are found some short buckets apart, the nearest first', () => {
    expect(difference([5, 0, 0, 9], [0, 5, 9, 0], 2)).toEqual([Array(4).fill(0), Array(4).fill(0)]);
    expect(difference([0, 0, 4, 4], [4, 0, 0, 0], 2)).toEqual([Array(4).fill(0), [0, 0, 0, 4]]);
    expect(difference([0, 0, 0, 4], [4, 0, 0, 0], 2)).toEqual([
      [4, 0, 0, 0],
      [0, 0, 0, 4],
    ]);
  });

  it('are not made up for by others that were found long before, which nobody asked for', () => {
    expect(difference([50, 0, 5], [5, 5, 5])).toEqual([none, [40, 0, 0]]);
    expect(difference([10, 5, 0], [5, 5, 5])).toEqual([
      [0, 0, 5],
      [5, 0, 0],
    ]);
    expect(difference([5, 3, 9], [5, 5, 5])).toEqual([none, [0, 0, 2]]);
  });
});
