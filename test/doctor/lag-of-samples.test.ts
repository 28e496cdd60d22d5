import { describe, expect, it } from 'vitest';
import { checkLag } from '../../src/doctor/check-lag.ts';
import { watchBuckets, watchTarget } from '../../src/doctor/watch-buckets.ts';
import type { BackendFacts } from '../../src/domain/ports/backend-facts.ts';
import { document, registryOf } from '../sources/prometheus/traffic.ts';

/** A pod that is scraped. Its samples can be seen so much later than their time. */
interface ScrapedPod {
  readonly version: string;
  readonly phaseMs: number;
  readonly lateMs: (scrapeMs: number) => number;
  /** Series of a scrape that come by themselves, later than the others. */
  readonly slowSeriesMs?: number;
}

const minuteMs = 60_000;
const startMs = Date.UTC(2026, 5, 10, 6, 41, 17);
const intervalMs = 15_000;

interface Setting {
  readonly pods: readonly ScrapedPod[];
  readonly lag?: string;
  readonly watchMs?: number;
  /** How far the clock of this machine is ahead. */
  readonly fastByMs?: number;
  readonly intervalMs?: number;
}

/** Watches samples by a clock that only sleep moves. */
async function watched({
  pods,
  lag = '45s',
  watchMs = 5 * minuteMs,
  fastByMs = 0,
  intervalMs: every = intervalMs,
}: Setting) {
  const registry = registryOf({ ...document, defaults: { ...document.defaults, gate: { lag } } });
  // Young services have no full hour of traffic.
  const facts = {
    services: new Map([['orders', { total: 0, selectorValues: new Map([['version', new Map()]]) }]]),
    counters: new Map([['orders', { series: 8 }]]),
  } as unknown as BackendFacts;
  const target = watchTarget(registry, facts);
  if (target === undefined) throw new Error('no target');
  let nowMs = startMs;
  const watch = await watchBuckets(target, watchMs, {
    unit: 'samples',
    read: async (_batch, _key, fromMs, toMs) => {
      const byValue = new Map<string, Map<number, number>>();
      for (const { version, phaseMs, lateMs, slowSeriesMs = 0 } of pods) {
        const own = byValue.get(version) ?? new Map<number, number>();
        byValue.set(version, own);
        for (let at = Math.ceil(fromMs / every) * every - every + phaseMs; at <= toMs; at += every) {
          if (at < fromMs) continue;
          const seenMs = at + lateMs(at);
          const series = (seenMs <= nowMs ? 3 : 0) + (seenMs + slowSeriesMs <= nowMs ? 1 : 0);
          if (series > 0) own.set(at, (own.get(at) ?? 0) + series);
        }
      }
      return new Map([['orders', byValue]]);
    },
    now: () => nowMs + fastByMs,
    clockSkewMs: () => fastByMs,
    sleep: async (ms) => {
      nowMs += ms;
    },
  });
  return checkLag(registry, watch);
}

const scraped = (version: string, phaseMs: number): ScrapedPod => ({ version, phaseMs, lateMs: () => 40 });
const written = (version: string, phaseMs: number, lateMs: number): ScrapedPod => ({
  version,
  phaseMs,
  lateMs: () => lateMs,
});
const checks = ({ findings }: Awaited<ReturnType<typeof watched>>) => findings.map(({ check }) => check);

describe('doctor --watch where samples are scraped', () => {
  it('finds that they are there at once, and the shortest lag good enough', async () => {
    const { lag, findings } = await watched({ pods: [scraped('V1', 2_100), scraped('V2', 9_400)] });
    expect(lag).toMatchObject({
      service: 'orders',
      bucketSeconds: 0,
      recommendedSeconds: 20,
      sides: [
        { side: 'version:V1', buckets: 12, leftOut: 1 },
        { side: 'version:V2', buckets: 12 },
      ],
    });
    for (const { slowestSeconds } of lag.sides) expect(slowestSeconds).toBeLessThanOrEqual(6);
    expect(findings).toMatchObject([
      { check: 'lag-too-long', fix: expect.stringMatching(/^Set gate\.lag: 20s, .* may not have less\.$/) },
    ]);
    expect(findings[0]?.message).toMatch(
      /version:V1: 12 scrapes, half of them seen \d s after their time, all but 1/,
    );
  });

  it('recommends for slow scrapes of one side', async () => {
    const slow: ScrapedPod = { version: 'V2', phaseMs: 100, lateMs: () => 28_000 };
    const { lag, findings } = await watched({ pods: [scraped('V1', 0), slow], lag: '20s' });
    expect(lag.recommendedSeconds).toBe(35);
    expect(findings).toMatchObject([{ severity: 'warning', check: 'lag-too-short' }]);
    expect(findings[0]?.message).toMatch(
      /lag is 20s \(.*\), and 1[12] of 1[12] scrapes of version:V2 were still not seen/,
    );
  });
});

describe('doctor --watch where samples are written from elsewhere', () => {
  it('finds how late they are, whatever the interval of scrapes', async () => {
    for (const every of [10_000, 30_000]) {
      const pods = [written('V1', 3_000, 30_000), written('V2', 7_000, 31_000)];
      const { lag } = await watched({ pods, intervalMs: every, watchMs: 10 * minuteMs });
      expect([35, 40]).toContain(lag.recommendedSeconds);
    }
  });

  it('waits for the series of a scrape that come last, as from another shard', async () => {
    const pods = [scraped('V1', 0), { ...scraped('V2', 3_000), slowSeriesMs: 50_000 }];
    const result = await watched({ pods });
    expect(result.lag.sides.map(({ side }) => side).sort()).toEqual(['version:V1', 'version:V2']);
    expect(result.lag.recommendedSeconds).toBe(55);
    expect(checks(result)).toEqual(['lag-too-short']);
  });

  it('sees samples that are minutes late, and waits for no one sample', async () => {
    const late = await watched({ pods: [written('V1', 0, 200_000)], watchMs: 10 * minuteMs });
    expect([200, 205]).toContain(late.lag.recommendedSeconds);
    const once: ScrapedPod = {
      version: 'V1',
      phaseMs: 0,
      lateMs: (at) => (at > startMs + minuteMs && at < startMs + minuteMs + intervalMs ? 90_000 : 40),
    };
    const one = await watched({ pods: [once], lag: '20s' });
    expect(one.lag.recommendedSeconds).toBe(20);
    expect(one.lag.sides[0]?.slowestSeconds).toBeGreaterThan(85);
  });

  it('measures the same where the clock of this machine is wrong', async () => {
    const pods = [written('V1', 3_000, 30_000), scraped('V2', 9_000)];
    const right = await watched({ pods });
    for (const fastByMs of [-40_000, 40_000]) {
      const { lag } = await watched({ pods, fastByMs });
      expect(lag).toEqual(right.lag);
    }
  });
});

describe('what doctor --watch cannot say of samples', () => {
  it('names the length of a watch that is long enough', async () => {
    const pods = [scraped('V1', 0)];
    const { findings } = await watched({ pods, intervalMs: 60_000, watchMs: 4 * minuteMs });
    expect(findings).toMatchObject([{ check: 'lag-unknown' }]);
    const minutes = Number(/--watch (\d+)m/.exec(findings[0]?.fix ?? '')?.[1]);
    const again = await watched({ pods, intervalMs: 60_000, watchMs: minutes * minuteMs });
    expect(again.lag.recommendedSeconds).toBe(20);
  });

  it('says where no sample came', async () => {
    const result = await watched({ pods: [written('V1', 0, 20 * minuteMs)] });
    expect(checks(result)).toEqual(['lag-unknown']);
    expect(result.findings[0]?.fix).toContain('more than 10 minutes late');
  });
});
