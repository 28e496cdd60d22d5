import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/demo/datadog/random.ts';
import { AnalysisRun } from '../simulate-rollouts/argo.ts';
import { thresholdFor } from './benchmark.ts';
import { abortMs, detectors, highestAborted, knownFaultReadings, type Reading } from './detectors.ts';
import { budget } from './scenarios.ts';
import { arrivalMs, cellMs, drawRollout, type RolloutData } from './traffic.ts';

const historyMs = 10 * 60_000;

function readingsOf(id: string, data: RolloutData): readonly Reading[] {
  return detectors.find((detector) => detector.id === id)?.readings(data) as readonly Reading[];
}

describe('an abort', () => {
  const random = seededRandom(3);
  const some = () =>
    Array.from({ length: 12 }, (_, i) => ({ atMs: (i + 1) * 60_000, value: Math.floor(random.next() * 5) }));

  it("is when Argo's analysis would fail", () => {
    for (let i = 0; i < 200; i += 1) {
      const [readings, failureLimit, threshold] = [some(), i % 4, i % 5];
      const metric = {
        name: 'error-rate',
        initialDelayMs: 60_000,
        intervalMs: 60_000,
        count: undefined,
        consecutiveSuccessLimit: undefined,
        failureLimit,
        inconclusiveLimit: undefined,
        consecutiveErrorLimit: undefined,
      };
      const run = new AnalysisRun([metric], 0);
      let failedAt: number | undefined;
      for (const { atMs, value } of readings) {
        if (run.nextMs() !== atMs) break;
        run.record([[metric, value > threshold ? 'Failed' : 'Successful']], atMs);
        if (run.phase === 'Failed') failedAt = atMs;
      }
      expect(abortMs(readings, threshold, failureLimit)).toBe(failedAt);
    }
  });

  it('begins just below the highest threshold that aborts', () => {
    for (let i = 0; i < 200; i += 1) {
      const [readings, failureLimit] = [some(), i % 4];
      const highest = highestAborted(readings, failureLimit);
      expect(abortMs(readings, highest, failureLimit)).toBeUndefined();
      expect(abortMs(readings, highest - 0.5, failureLimit)).toBeDefined();
    }
  });

  it('never comes where there are no more readings than failures are tolerated', () => {
    expect(highestAborted([{ atMs: 0, value: 9 }], 1)).toBe(Number.NEGATIVE_INFINITY);
  });
});

describe('a tuned threshold', () => {
  it('aborts at most as many good rollouts as are allowed, and the next lower value more', () => {
    const highest = [5, 1, 4, 2, 3, 3];
    expect(thresholdFor(highest, 0)).toBe(5);
    expect(thresholdFor(highest, 2)).toBe(3);
    expect(thresholdFor(highest, 6)).toBe(-Number.MAX_VALUE);
  });

  it('does not exist where more are infinite than may be aborted', () => {
    const highest = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 3];
    expect(thresholdFor(highest, 1)).toBeNull();
    expect(thresholdFor(highest, 2)).toBe(3);
  });
});

describe('readings of a failure rate', () => {
  const fault = { size: 'endpoint', shape: 'step', onsetMinutes: 10 } as const;
  const data = drawRollout({ requestsPerMinute: 2000, random: seededRandom(1), historyMs, fault });
  const onsetMs = data.startMs + 10 * 60_000;
  const failing = (id: string) =>
    readingsOf(id, data).find(({ value }) => value > 0.01)?.atMs ?? Number.POSITIVE_INFINITY;

  it('see a failure when its counts have arrived, and not before', () => {
    for (const id of ['talk-cuj', 'argo-1m-cuj']) {
      expect(failing(id)).toBeGreaterThan(onsetMs + arrivalMs);
      expect(failing(id)).toBeLessThanOrEqual(onsetMs + arrivalMs + cellMs + 2 * 60_000);
    }
  });

  it('are of the newest minute for the plain threshold, and of five for Argo', () => {
    const at = (id: string) =>
      readingsOf(id, data).find(({ atMs }) => atMs >= onsetMs + arrivalMs + 2 * 60_000)?.value;
    expect(at('talk-cuj')).toBeCloseTo(0.1, 1);
    // Two to three of its five minutes, of which the newest has not arrived.
    expect(at('argo-1m-cuj')).toBeGreaterThan(0.03);
    expect(at('argo-1m-cuj')).toBeLessThan(0.08);
    // The CUJ is a fifth of the service.
    expect(at('talk-service')).toBeCloseTo(0.02, 2);
  });

  it('come once every five minutes where the template asks so often', () => {
    const [first, second] = readingsOf('argo-5m-service', data);
    expect(first?.atMs).toBe(data.startMs);
    expect(second?.atMs).toBe(data.startMs + 5 * 60_000);
  });

  it('are 0 where there are no requests', () => {
    expect(readingsOf('argo-1m-cuj', data)[0]).toEqual({ atMs: data.startMs, value: 0 });
  });
});

describe('readings of Kayenta', () => {
  it('finds a total failure of an endpoint, by the hour and by the minute', () => {
    const fault = { size: 'endpoint', shape: 'step', onsetMinutes: 0 } as const;
    const data = drawRollout({ requestsPerMinute: 200, random: seededRandom(2), historyMs, fault });
    const { threshold } = detectors.find(({ id }) => id === 'kayenta-60m') as (typeof detectors)[number];
    expect(abortMs(readingsOf('kayenta-60m', data), threshold, 0)).toBe(data.startMs + 60 * 60_000);
    const early = abortMs(readingsOf('kayenta-1m', data), threshold, 0) ?? Number.POSITIVE_INFINITY;
    expect(early).toBeGreaterThan(data.startMs + 5 * 60_000);
    expect(early).toBeLessThan(data.startMs + 9 * 60_000);
  });
});

describe('thresholds', () => {
  it('are told as their templates have them', () => {
    const told = (id: string, ...thresholds: readonly number[]) =>
      thresholds.map((threshold) => detectors.find((each) => each.id === id)?.describe(threshold));
    expect(told('talk-cuj', 0.0005, 0.01234)).toEqual(['0.05%', '1.23%']);
    expect(told('kayenta-1m', 6, 0, 103.21)).toEqual(['98%', '10%', '98%, 3.2×']);
    for (const { id, threshold } of detectors.filter(({ id }) => id.startsWith('kayenta')))
      expect(told(id, threshold)).toEqual(['98%']);
  });
});

describe('the test that knows the fault', () => {
  it('is the ratio of the likelihoods of what has arrived', () => {
    const fault = { size: '20x', shape: 'step', onsetMinutes: 10 } as const;
    const data = drawRollout({ requestsPerMinute: 200, random: seededRandom(5), historyMs, fault });
    const onsetMs = data.startMs + 10 * 60_000;
    const readings = knownFaultReadings(data, fault, 1);
    const last = readings.at(-1) as Reading;
    // The bucket in which it begins has a rate between the two.
    const first = Math.floor((onsetMs - data.originMs) / cellMs) + 1;
    const end = (last.atMs - arrivalMs - data.originMs) / cellMs;
    const { total, bad } = data.cuj.canary;
    const [n, e] = [total, bad].map((sums) => (sums[end] as number) - (sums[first] as number)) as [
      number,
      number,
    ];
    const log = e * Math.log(20) + (n - e) * Math.log((1 - 20 * budget) / (1 - budget));
    expect(last.value - (readings[0] as Reading).value).toBeCloseTo(log, 6);
    expect((readings[0] as Reading).atMs).toBe(data.originMs + first * cellMs + arrivalMs);
  });

  it('aborts at most one of 20 releases on the SLO at a ratio of 20', () => {
    let aborted = 0;
    const runs = 200;
    for (let run = 0; run < runs; run += 1) {
      const data = drawRollout({ requestsPerMinute: 200, random: seededRandom(run), historyMs, multiple: 1 });
      const highest = highestAborted(knownFaultReadings(data, { size: '5x', shape: 'step' }, 1), 0);
      if (highest > Math.log(20)) aborted += 1;
    }
    // Ville's inequality, and three standard deviations of chance.
    expect(aborted).toBeLessThan(runs * (0.05 + 3 * Math.sqrt((0.05 * 0.95) / runs)));
    expect(aborted).toBeGreaterThan(0);
  });

  it('learns nothing between the bursts, and everything from one request that does not fail', () => {
    const data = drawRollout({ requestsPerMinute: 200, random: seededRandom(4), historyMs, multiple: 1 });
    const bursts = knownFaultReadings(data, { size: '5x', shape: 'burst' }, 1);
    const between = bursts.filter(({ atMs }) => {
      const sinceMs = atMs - arrivalMs - data.startMs;
      return sinceMs > 60_000 + cellMs && sinceMs < 300_000;
    });
    expect(new Set(between.map(({ value }) => value)).size).toBe(1);
    expect(knownFaultReadings(data, { size: 'endpoint', shape: 'step' }, 1).at(-1)?.value).toBeLessThan(
      -1000,
    );
  });
});
