import { describe, expect, it } from 'vitest';
import { clockSkewOf } from '../../../src/domain/judge/clock-skew.ts';
import { missingMinutesOf } from '../../../src/domain/judge/freshness.ts';
import { judge } from '../../../src/domain/judge/judge.ts';
import {
  bucketMs,
  type EndpointMeasurement,
  type Measurement,
  type SourceTraffic,
} from '../../../src/domain/metrics/metrics-source.ts';
import { datadogDialect } from '../../../src/sources/datadog/query/dialect.ts';
import { cujOf, endpointOf, measurementOf } from './journey.ts';

/** Minutes of traffic: `9*30 0*3` is 30 minutes with 9 requests and 3 without one. */
function minutes(text: string): number[] {
  return text.split(' ').flatMap((part) => {
    const [count, times = 1] = part.split('*').map(Number);
    return new Array<number>(times).fill(count as number);
  });
}

/** The pattern again and again, over so many minutes. */
const every = (pattern: readonly number[], length: number) =>
  Array.from({ length }, (_, i) => pattern[i % pattern.length] as number);

describe('the newest minutes are missing', () => {
  it.each([
    ['four of a service that always has traffic', '1*30 0*4', 4],
    ['and many', '500*40 0*20', 20],
    ['of a service that has traffic in nine minutes of ten', '1*7 0 1*3 0*6', 6],
    ['with ten minutes of history, or fewer where more are missing', '1*4 0*17', 17],
    ['what was before the last ten minutes of traffic says nothing', '0*60 1*11 0*4', 4],
  ])('%s', (_, text, expected) => {
    expect(missingMinutesOf(minutes(text))).toBe(expected);
  });

  it.each([
    ['three minutes late', '500*60 0*3'],
    ['none missing', '500*60'],
    ['no traffic at all', '0*60'],
    ['nothing was queried', '0'],
    ['of a service with one request in ten minutes', '0*4 1 0*9 1 0*9 1 0*30'],
    ['ten minutes of history are not enough for four', '500*10 0*4'],
    ['a load test of five minutes', '0*55 2000*5 0*20'],
    ['the evening fades out', '9*20 1 0 1 1 0 1 0 0 1 0 0 0 1 0 0 0 0 1 0*30'],
  ])('not: %s', (_, text) => {
    expect(missingMinutesOf(minutes(text))).toBeUndefined();
  });

  it('a job that runs every five minutes, whatever it sends, is not missing between two runs', () => {
    for (let length = 60; length < 65; length += 1)
      expect(missingMinutesOf(every([5_000, 0, 0, 0, 0], length))).toBeUndefined();
  });

  it('is told in 1 of 1,000 looks at most where the minutes of a service are all alike', () => {
    let draw = 7;
    // Park and Miller's: the test must be the same each time.
    const random = () => {
      draw = (draw * 48_271) % 2_147_483_647;
      return draw / 2_147_483_647;
    };
    for (const busy of [0.05, 0.3, 0.5, 0.8]) {
      let told = 0;
      for (let look = 0; look < 20_000; look += 1)
        if (missingMinutesOf(Array.from({ length: 60 }, () => Number(random() < busy))) !== undefined)
          told += 1;
      expect(told / 20_000).toBeLessThan(1 / 1000);
    }
  });
});

const counts = (total: string, bad = '0') => ({ total: minutes(total), bad: minutes(bad) });

function verdictOf(
  endpoints: readonly EndpointMeasurement[],
  sourceTraffic: readonly SourceTraffic[] | undefined,
  more: Partial<Measurement> & { readonly gate?: object; readonly mode?: 'observe' } = {},
) {
  const { gate = {}, mode = 'enforce', ...measured } = more;
  const labels = endpoints.map(({ label, service }) => ({ label, service }));
  const measurement: Measurement = {
    ...measurementOf({ availability: endpoints }),
    ...(sourceTraffic === undefined ? {} : { sourceTraffic }),
    ...measured,
  };
  return judge(cujOf({ endpoints: labels, gate, mode }), measurement, {
    registryDigest: 'x',
    backend: datadogDialect,
  });
}

const stopped = [{ services: ['shop'], hits: minutes('2500*50 0*4') }];
const clean = [endpointOf('GET /a', counts('0*20 250*30 0*4'), counts('2250*50 0*4'))];

describe('a verdict while the data has stopped', () => {
  it('is no pass', () => {
    expect(verdictOf(clean, undefined)).toMatchObject({ verdict: 'pass' });
    const verdict = verdictOf(clean, stopped);
    expect(verdict).toMatchObject({
      verdict: 'inconclusive',
      ok: false,
      reason: 'source_stale',
      staleData: { services: ['shop'], newest: '2026-01-31T09:50:00.000Z', ageSeconds: 285 },
      slis: [{ verdict: 'inconclusive', reason: 'source_stale', requestsToVerdict: null, total: 7_500 }],
    });
    expect(verdict.summary).toBe(
      'INCONCLUSIVE login (source_stale): no data of canary and stable on shop since 09:50 UTC: the newest is 5 min old (0 of 7500 failed until then)',
    );
    expect(verdict.hint).toContain('Wait');
  });

  it.each(['strict', 'baseline'] as const)('is no pass under the rule %s', (rule) => {
    expect(verdictOf(clean, undefined, { gate: { rule } }).verdict).toBe('pass');
    expect(verdictOf(clean, stopped, { gate: { rule } }).reason).toBe('source_stale');
  });

  it('is no pass by onLowTraffic', () => {
    const few = [endpointOf('GET /a', counts('0*20 1*30 0*4'), counts('9*50 0*4'))];
    const gate = { onLowTraffic: 'pass' as const };
    expect(verdictOf(few, undefined, { gate }).verdict).toBe('pass');
    expect(verdictOf(few, stopped, { gate }).reason).toBe('source_stale');
  });

  it.each([
    ['confidence', 'slo_violated'],
    ['strict', 'slo_violated'],
    ['baseline', 'worse_than_stable'],
  ] as const)('stays a fail that the older data proves, under %s', (rule, reason) => {
    const failing = [endpointOf('GET /a', counts('0*20 250*30 0*4', '0*20 9*30 0*4'), counts('2250*50 0*4'))];
    expect(verdictOf(failing, stopped, { gate: { rule } })).toMatchObject({
      verdict: 'fail',
      reason,
      staleData: { ageSeconds: 285 },
    });
  });

  it('is not canary_stopped: stable has stopped as well', () => {
    const hits = minutes('2500*40 0*14');
    const silent = [endpointOf('GET /a', counts('0*20 250*20 0*14'), counts('2250*40 0*14'))];
    expect(verdictOf(silent, undefined)).toMatchObject({ reason: 'no_data', noDataCause: 'canary_stopped' });
    const verdict = verdictOf(silent, [{ services: ['shop'], hits }]);
    expect(verdict).toMatchObject({ reason: 'source_stale' });
    expect(verdict.noDataCause).toBeUndefined();
  });

  it('is judged as it is where another service that was measured with it has traffic', () => {
    expect(verdictOf(clean, [{ services: ['shop'], hits: minutes('2500*50 3*4') }])).toMatchObject({
      verdict: 'pass',
    });
  });

  it('of one service of the CUJ is enough', () => {
    const two = [
      ...clean,
      endpointOf('GET /b', counts('0*20 250*34'), counts('2250*54'), { service: 'auth' }),
    ];
    const traffic = [{ services: ['auth'], hits: minutes('2500*54') }, ...stopped];
    expect(verdictOf(two, traffic)).toMatchObject({
      reason: 'source_stale',
      staleData: { services: ['shop'] },
    });
  });

  it('passes a CUJ that only observes, and says what it would have been', () => {
    expect(verdictOf(clean, stopped, { mode: 'observe' })).toMatchObject({
      verdict: 'pass',
      reason: 'observe_only',
      wouldBe: { verdict: 'inconclusive', reason: 'source_stale' },
    });
  });
});

describe('a newest minute that is not over', () => {
  const partly = (hits: string, seconds: number) => {
    const traffic = [{ services: ['shop'], hits: minutes(hits) }];
    const canary = counts('0*20 250*30 0*4');
    const { toMs } = measurementOf({ availability: [endpointOf('GET /a', canary)] });
    return verdictOf([endpointOf('GET /a', canary, counts('2250*50 0*4'))], traffic, {
      toMs: toMs - bucketMs + seconds * 1000,
    });
  };

  it('is no silent one: four whole minutes without data are stale, and three and a half are not', () => {
    expect(partly('2500*50 0*4', 30).reason).toBe('within_slo');
    expect(partly('2500*49 0*5', 30).reason).toBe('source_stale');
  });

  it('adds to the age of the newest data what has passed of it', () => {
    expect(partly('2500*49 0*5', 30).staleData).toEqual({
      services: ['shop'],
      newest: '2026-01-31T09:49:00.000Z',
      ageSeconds: 240 + 30 + 45,
    });
  });

  it('shows that data arrives again as soon as it has any', () => {
    expect(partly('2500*49 0*4 3', 10).reason).toBe('within_slo');
  });
});

it('the age of the newest data counts what is left out because counts have not arrived', () => {
  expect(verdictOf(clean, stopped, { incompleteMs: 20_000 }).staleData?.ageSeconds).toBe(305);
});

describe('a clock that is wrong', () => {
  it.each([
    ['behind', -360_400, -360, /is 360 s behind Datadog's/],
    ['ahead', 61_000, 61, /is 61 s ahead of Datadog's/],
  ])('judges nothing where it is %s, not even a fail', (_, clockSkewMs, seconds, words) => {
    const failing = [endpointOf('GET /a', counts('0*20 250*34', '0*20 9*34'), counts('2250*54'))];
    expect(verdictOf(failing, undefined).verdict).toBe('fail');
    const verdict = verdictOf(failing, undefined, { clockSkewMs });
    expect(verdict).toMatchObject({
      verdict: 'inconclusive',
      reason: 'clock_skew',
      clockSkewSeconds: seconds,
      slis: [],
    });
    expect(verdict.summary).toMatch(words);
    expect(verdictOf(failing, undefined, { clockSkewMs, mode: 'observe' })).toMatchObject({
      verdict: 'pass',
      wouldBe: { reason: 'clock_skew' },
    });
  });

  it('may be a minute off', () => {
    for (const clockSkewMs of [-60_000, 0, 60_000])
      expect(verdictOf(clean, undefined, { clockSkewMs })).toMatchObject({ verdict: 'pass' });
  });

  it.each([
    ['a whole second is not told apart', 12_000, 12_400, 12_900, 0],
    ['nor is the time on the way', 12_000, 11_000, 20_000, 0],
    ['behind by what the answer took at the least', 72_000, 11_000, 12_000, -60_000],
    ['ahead by what it took, and the second', 12_000, 73_000, 90_000, 60_000],
    ['a clock that was set back meanwhile', 12_000, 15_000, 9_000, 0],
  ])('%s', (_, dateMs, sentMs, answeredMs, expected) => {
    expect(clockSkewOf(dateMs, sentMs, answeredMs)).toBe(expected);
  });
});
