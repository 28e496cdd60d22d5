import { describe, expect, it } from 'vitest';
import type { GateDocument } from '../../src/domain/registry/schema.ts';
import { type StepSizes, stepSizes } from '../../src/plan/step-sizes.ts';
import { assumedTraffic, slisOfServices } from '../../src/plan/subjects.ts';
import { type Loose, smallRegistry } from '../generate/example.ts';

/** 25%, five minutes, and a quarter of an hour less a minute. */
const sample = { weight: 25, pauseMinutes: 5, waitMinutes: 19 };

/** By default 11 clean requests and six minutes, or 415 clean requests, and data that is 90 s late. */
const cuj = (name: string, gate: GateDocument = {}, more: Loose = {}) => ({
  name,
  endpoints: [`GET /${name}`],
  gate: { lag: '90s', ...gate },
  ...more,
});

/** `requests` a minute of each CUJ: one number, or those of the median and the quietest hour. */
function sizesOf(cujs: Loose[], requests: Record<string, number | readonly [number, number]>) {
  const subjects = slisOfServices(smallRegistry(cujs)).map((of) => {
    const given = requests[of.cuj.name] as number | readonly [number, number];
    const [median, quietest] = typeof given === 'number' ? [given, given] : given;
    const levels = { median, quietest, ...(typeof given === 'number' ? {} : { quietestHour: 3 }) };
    return { ...assumedTraffic(of, median), levels };
  });
  return stepSizes(subjects, sample);
}

const sized = (requests: number | readonly [number, number], gate: GateDocument = {}) =>
  sizesOf([cuj('buy', gate)], { buy: requests }) as StepSizes;

describe('steps that are sized to the traffic', () => {
  it.each([
    // 415 at 25% of 4,000 take a minute: less than three are no pause.
    [4_000, 25, 3, 17],
    // 5 minutes, and 1.5: a pass is possible from minute 6.5 on.
    [400, 25, 6, 20],
    // 6 minutes by passAfter, and 1.5.
    [40, 25, 7, 21],
    // 11 take 11 minutes; twice as many 22, and 1.5.
    [4, 25, 12, 26],
    // 22 and 44.
    [2, 25, 23, 46],
    // At 25%, twice as many take 88 minutes: at 50% 44.
    [1, 50, 23, 46],
    // 44 minutes; the pause ends after 30, and the step after an hour.
    [0.5, 50, 30, 60],
  ])(
    'at %d requests a minute: %d%%, a pause of %d min, a pass by minute %d',
    (requests, weight, pauseMinutes, wait) => {
      expect(sized(requests)).toMatchObject({ weight, pauseMinutes, warnings: [] });
      expect(sized(requests).waitMinutes.get('buy')).toBe(wait);
    },
  );

  it('gives less traffic never less time, and more traffic never a higher weight', () => {
    let before: StepSizes | undefined;
    for (let requests = 10_000; requests > 0.4; requests /= 1.1) {
      const now = sized(requests);
      const wait = (of: StepSizes) => (of.waitMinutes.get('buy') as number) * of.weight;
      if (before !== undefined) {
        expect(now.weight).toBeGreaterThanOrEqual(before.weight);
        expect(wait(now), String(requests)).toBeGreaterThanOrEqual(wait(before));
      }
      expect(now.watchedOnly.size, String(requests)).toBe(0);
      before = now;
    }
  });

  it('waits for the quietest hour, and pauses and shifts traffic for the median one', () => {
    expect(sized([40, 4])).toMatchObject({ weight: 25, pauseMinutes: 7, warnings: [] });
    expect(sized([40, 4]).waitMinutes.get('buy')).toBe(24);
  });

  it('says so where the quietest hour is too quiet', () => {
    const { weight, waitMinutes, watchedOnly, warnings } = sized([40, 0.5]);
    expect([weight, waitMinutes.get('buy'), watchedOnly.size]).toEqual([25, 60, 0]);
    expect(warnings).toEqual([
      'buy has 40 requests a minute in the median hour and 0.5 in the quietest (03:00 UTC): in the quietest hour, a pass takes 90 minutes at 25%, and the rollout pauses for a person before. Release at another time, or set onLowTraffic: pass.',
    ]);
  });

  it('only watches what an hour at half of the traffic does not prove', () => {
    expect(sized(0.4).watchedOnly).toEqual(new Set());
    const { weight, pauseMinutes, waitMinutes, watchedOnly, sizedFor, warnings } = sized(0.3);
    expect(watchedOnly).toEqual(new Set(['buy']));
    expect({ weight, pauseMinutes, waits: waitMinutes.size, sizedFor }).toEqual({
      weight: 25,
      pauseMinutes: 5,
      waits: 0,
      sizedFor: [],
    });
    expect(warnings).toEqual([
      'buy has 0.3 requests a minute: a pass takes 76 minutes at 50%, and 60 minutes are the limit. Set mode: observe or onLowTraffic: pass, or join it with another CUJ.',
    ]);
  });

  it('does not let a CUJ that is only watched hold the others back', () => {
    const sizes = sizesOf([cuj('buy'), cuj('ghost')], { buy: 40, ghost: 0 });
    expect(sizes).toMatchObject({ weight: 25, pauseMinutes: 7, watchedOnly: new Set(['ghost']) });
    expect(sizes?.warnings).toEqual([expect.stringMatching(/^ghost has no requests .* cuj-gate doctor\.$/)]);
  });

  it('pauses for the slowest CUJ, and lets each wait as long as it needs', () => {
    const sizes = sizesOf([cuj('browse'), cuj('buy')], { browse: 4_000, buy: 2 }) as StepSizes;
    expect(sizes.pauseMinutes).toBe(23);
    expect(sizes.waitMinutes).toEqual(
      new Map([
        // The sample's quarter of an hour after the pause.
        ['browse', 37],
        ['buy', 46],
      ]),
    );
    expect(sizes.sizedFor).toEqual([
      'Sized for buy, which takes longest: 2 requests a minute, canary and stable together.',
      'Without failures it passes 24 minutes after the first weight, or soon after; the inline analysis step waits until minute 46.',
    ]);
  });

  it('takes the SLI of a CUJ that takes longest', () => {
    const latency = cuj(
      'buy',
      { passAfter: 'never', minRequests: 0 },
      {
        endpoints: [{ method: 'GET', path: '/buy', latencyMs: 300 }],
        slo: { availability: 99.9, latency: 90 },
      },
    );
    // 207 requests for availability, a few for latency.
    expect(sizesOf([latency], { buy: 100 })).toMatchObject({ pauseMinutes: 10 });
  });

  it('does not wait longer than one measurement covers', () => {
    // 11 requests take 11 minutes at 50%, and the window has ten.
    expect(sized(2, { maxWindow: '10m' }).watchedOnly).toEqual(new Set(['buy']));
    expect(sized(2, { maxWindow: '11m' }).watchedOnly).toEqual(new Set());
  });

  it('waits for nothing with onLowTraffic: pass, but watches for as long as the sample', () => {
    expect(sized(0.1, { onLowTraffic: 'pass' })).toMatchObject({
      weight: 25,
      pauseMinutes: 5,
      watchedOnly: new Set(),
      warnings: [],
    });
    const both = [cuj('browse'), cuj('buy', { onLowTraffic: 'pass' })];
    expect(sizesOf(both, { browse: 4_000, buy: 0.1 })).toMatchObject({ pauseMinutes: 5 });
  });

  it('is nothing where nothing is enforced', () => {
    expect(sizesOf([cuj('buy', {}, { mode: 'observe' })], { buy: 40 })).toBeUndefined();
  });
});
