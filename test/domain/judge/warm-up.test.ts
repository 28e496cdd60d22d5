import { describe, expect, it } from 'vitest';
import { judge } from '../../../src/domain/judge/judge.ts';
import { bucketMs } from '../../../src/domain/metrics/metrics-source.ts';
import { type Counts, cujOf, endpointOf, measurementOf, over } from './journey.ts';

const options = { registryDigest: 'sha256:test' };
const minute = bucketMs;

/** 60 requests a minute; a fifth is slow in the first two minutes. */
function coldStart(minutes: number): Counts {
  return {
    total: new Array<number>(minutes).fill(60),
    bad: Array.from({ length: minutes }, (_, i) => (i < 2 ? 12 : 0)),
  };
}

function judged(
  canary: Counts,
  warmUpMs: { latency?: number; availability?: number } | undefined,
  more = {},
) {
  const cuj = cujOf({ latency: 99, endpoints: [{ label: 'GET /a', latencyMs: 300 }], gate: { warmUpMs } });
  const stable = over(canary.total.length, 600 * canary.total.length, 0);
  const latency = [endpointOf('GET /a', canary, stable, { latencyMs: 300 })];
  return judge(cuj, measurementOf({ before: 10, latency, ...more }), options);
}

describe('a warm-up', () => {
  it('lets a cold start pass that would fail without it, and says so', () => {
    expect(judged(coldStart(4), undefined)).toMatchObject({ verdict: 'fail' });
    const verdict = judged(coldStart(4), { latency: 2 * minute });
    expect(verdict).not.toMatchObject({ verdict: 'fail' });
    expect(verdict.slis[0]).toMatchObject({ warmUpMinutes: 2, bad: 0, total: 120 });
    expect(verdict.summary).toContain('after 2 min of warm-up');
  });

  it('is for the SLI that has it, and for no other one', () => {
    expect(judged(coldStart(4), { availability: 2 * minute })).toMatchObject({ verdict: 'fail' });
  });

  it('is no verdict while it lasts, and says for what it waits', () => {
    expect(judged(coldStart(2), { latency: 2 * minute })).toMatchObject({
      verdict: 'inconclusive',
      reason: 'no_data',
      noDataCause: 'warming_up',
    });
  });

  it('hides nothing that goes on after it', () => {
    const broken = { total: new Array<number>(4).fill(60), bad: new Array<number>(4).fill(6) };
    expect(judged(broken, { latency: 2 * minute })).toMatchObject({ verdict: 'fail' });
  });

  it('is over for a canary that was there before all that was queried', () => {
    expect(judged(coldStart(4), { latency: 2 * minute }, { before: 0 })).toMatchObject({ verdict: 'fail' });
  });

  it('is not granted again to each life of a canary that crashes and comes back', () => {
    const life = [30, 30, 30];
    const silence = new Array<number>(6).fill(0);
    const total = [...life, ...silence, ...life, ...silence, ...life];
    const bad = total.map((count, i) => (i === 9 || i === 18 ? count / 2 : 0));
    expect(judged({ total, bad }, { latency: 2 * minute }).slis[0]?.bad).toBe(30);
  });

  it('begins with the first request after since', () => {
    const canary = coldStart(4);
    const { fromMs } = measurementOf({});
    const verdict = judged(canary, { latency: 2 * minute }, { sinceMs: fromMs + 10 * minute });
    expect(verdict.slis[0]).toMatchObject({ warmUpMinutes: 2, bad: 0 });
  });
});
