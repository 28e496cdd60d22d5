import { describe, expect, it } from 'vitest';
import { judge } from '../../../src/domain/judge/judge.ts';
import { cujOf, endpointOf, measurementOf } from './journey.ts';

/** A canary of 2,000 requests a minute that fails not at all for an hour, and then so many of each minute's. */
function afterAnHour(minutes: number, bad: number, more: { dispersion?: number } = {}) {
  const counts = Array.from({ length: 60 + minutes }, (_, i) => (i < 60 ? 0 : bad));
  const canary = { total: counts.map(() => 2000), bad: counts };
  const stable = { total: counts.map(() => 18_000), bad: counts.map((_, i) => (i % 6 === 0 ? 1 : 0)) };
  const measurement = measurementOf({
    before: 6,
    availability: [endpointOf('GET /a', canary, stable, more)],
  });
  return judge(cujOf(), measurement, { registryDigest: 'd' });
}

describe('a fault that begins after an hour', () => {
  it('is aborted within five minutes of data at five times the error budget', () => {
    expect(afterAnHour(5, 5)).toMatchObject({ verdict: 'fail', reason: 'slo_violated' });
  });

  it('is not taken for one from the errors of a single minute', () => {
    const burst = afterAnHour(1, 40);
    expect(burst.verdict).not.toBe('fail');
    // 0.1 · 100, and next to nothing from the start.
    expect(burst.slis[0]?.evidence).toBeLessThanOrEqual(10.1);
  });

  it('fails with fewer bad events than the abort threshold, which holds wherever they come', () => {
    const [sli] = afterAnHour(4, 5).slis;
    expect(sli?.bad).toBeLessThan(sli?.failAtBadEvents ?? 0);
  });
});

describe('the dispersion', () => {
  it('is in the answer where it is above 1, and a fault takes longer to show', () => {
    expect(afterAnHour(4, 5).slis[0]).not.toHaveProperty('dispersion');
    const bursty = afterAnHour(4, 5, { dispersion: 6.123456789 });
    expect(bursty.slis[0]?.dispersion).toBe(6.12346);
    expect(bursty.verdict).not.toBe('fail');
  });
});
