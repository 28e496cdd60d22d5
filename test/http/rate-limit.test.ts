import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRateLimiter } from '../../src/http/auth/rate-limit.ts';

function limiter(perMinute: number) {
  const clock = { ms: 1_000 };
  return { clock, limiter: createRateLimiter(perMinute, () => clock.ms) };
}

describe('createRateLimiter', () => {
  it("lets a minute's worth come at once, then one as each one's share of the minute has passed", () => {
    const { clock, limiter: of } = limiter(60);
    for (let i = 0; i < 60; i += 1) expect(of.take('a')).toBeUndefined();
    expect(of.take('a')).toBe(1);
    clock.ms += 999;
    expect(of.take('a')).toBe(1);
    clock.ms += 1;
    expect(of.take('a')).toBeUndefined();
    expect(of.take('a')).toBe(1);
    clock.ms += 60_000;
    for (let i = 0; i < 60; i += 1) expect(of.take('a')).toBeUndefined();
    expect(of.take('a')).toBe(1);
  });

  it('says how many seconds it takes until the next one', () => {
    const { clock, limiter: of } = limiter(2);
    expect([of.take('a'), of.take('a'), of.take('a')]).toEqual([undefined, undefined, 30]);
    clock.ms += 10_001;
    expect(of.take('a')).toBe(20);
  });

  it('counts each caller for itself', () => {
    const { limiter: of } = limiter(1);
    expect([of.take('a'), of.take('a'), of.take('b')]).toEqual([undefined, 60, undefined]);
  });

  it('costs nobody anything to be refused', () => {
    const { clock, limiter: of } = limiter(1);
    of.take('a');
    for (let i = 0; i < 1_000; i += 1) of.take('a');
    clock.ms += 60_000;
    expect(of.take('a')).toBeUndefined();
  });

  it('remembers 10,000 callers and no more: the one that was silent longest starts anew', () => {
    const { limiter: of } = limiter(1);
    for (let i = 0; i < 10_000; i += 1) of.take(`caller-${i}`);
    expect(of.take('caller-0')).toBe(60);
    of.take('one more');
    expect([of.take('caller-0'), of.take('caller-1')]).toEqual([60, undefined]);
  });

  it('agrees with a bucket that holds a minute of requests and fills evenly', () => {
    const gapsMs = fc.array(fc.integer({ min: 0, max: 5_000 }), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 600 }), gapsMs, (perMinute, gaps) => {
        const { clock, limiter: of } = limiter(perMinute);
        let bucket = perMinute;
        for (const gap of gaps) {
          clock.ms += gap;
          bucket = Math.min(perMinute, bucket + (gap * perMinute) / 60_000);
          const taken = of.take('a') === undefined;
          // Within rounding either answer is right.
          if (Math.abs(bucket - 1) > 1e-6) expect(taken).toBe(bucket > 1);
          if (taken) bucket -= 1;
        }
      }),
    );
  });
});
