import { describe, expect, it } from 'vitest';
import { isSuspicious } from '../../../src/domain/judge/suspicion.ts';
import { type Counts, cujOf, endpointOf, measurementOf, over } from './journey.ts';

const clean = over(10, 9_000, 0);

/** Ten minutes of the canary, `perMinute` requests each, with bad events in some of them. */
function canary(perMinute: number, badIn: Readonly<Record<number, number>>): Counts {
  return {
    total: new Array<number>(10).fill(perMinute),
    bad: Array.from({ length: 10 }, (_, i) => badIn[i] ?? 0),
  };
}

function suspicious(
  own: Counts,
  stable: Counts = clean,
  more: { sampleRate?: number; dispersion?: number } = {},
) {
  return isSuspicious(cujOf(), measurementOf({ availability: [endpointOf('GET /a', own, stable, more)] }));
}

describe('the newest bad events could become a fail', () => {
  it('where they are more than the error budget explains: one of 150, and not one of 1,500', () => {
    expect(suspicious(canary(50, { 9: 1 }))).toBe(true);
    expect(suspicious(canary(500, { 9: 1 }))).toBe(false);
    expect(suspicious(canary(500, { 9: 3 }))).toBe(true);
    expect(suspicious(canary(50, {}))).toBe(false);
  });

  it('where they are in the newest three minutes', () => {
    expect([6, 7, 8, 9].map((minute) => suspicious(canary(50, { [minute]: 5 })))).toEqual([
      false,
      true,
      true,
      true,
    ]);
  });

  it('in a minute that is not over as well', () => {
    const measured = measurementOf({ availability: [endpointOf('GET /a', canary(50, { 9: 1 }), clean)] });
    expect(isSuspicious(cujOf(), { ...measured, toMs: measured.toMs - 50_000 })).toBe(true);
  });

  it('where stable does not do the same', () => {
    const failing = over(10, 9_000, 900);
    expect(suspicious(canary(50, { 8: 7, 9: 8 }), failing)).toBe(false);
    expect(suspicious(canary(50, { 8: 25, 9: 25 }), failing)).toBe(true);
  });

  it('where one endpoint has them, though the CUJ as a whole is within its budget', () => {
    const busy = endpointOf('GET /busy', canary(100_000, { 9: 100 }), clean);
    const broken = endpointOf('GET /broken', canary(20, { 9: 5 }), clean);
    expect(isSuspicious(cujOf(), measurementOf({ availability: [busy] }))).toBe(false);
    expect(isSuspicious(cujOf(), measurementOf({ availability: [busy, broken] }))).toBe(true);
  });

  it('where all endpoints have them together, though each alone is within its budget', () => {
    const endpoints = Array.from({ length: 12 }, (_, i) =>
      endpointOf(`GET /${i}`, canary(150, { 9: 1 }), clean),
    );
    expect(isSuspicious(cujOf(), measurementOf({ availability: endpoints.slice(0, 1) }))).toBe(false);
    expect(isSuspicious(cujOf(), measurementOf({ availability: endpoints }))).toBe(true);
  });

  it('by what they weigh: sampled, or in bursts', () => {
    expect(suspicious(canary(500, { 9: 3 }), clean, { dispersion: 19 })).toBe(false);
    expect(suspicious(canary(500, { 9: 3 }), clean, { sampleRate: 0.01 })).toBe(false);
  });

  it('of any SLI that has an objective, and of none that has none', () => {
    const slow = endpointOf('GET /a', canary(50, { 9: 30 }), clean, { latencyMs: 300 });
    const measured = measurementOf({
      availability: [endpointOf('GET /a', canary(50, {}), clean)],
      latency: [slow],
    });
    expect(isSuspicious(cujOf({ availability: 99.95, latency: 99 }), measured)).toBe(true);
    expect(isSuspicious(cujOf({ availability: 99.95 }), measured)).toBe(false);
  });

  it('never without a request, whatever a trace of binary fractions is', () => {
    const trace = 0.1 + 0.2 - 0.3;
    expect(suspicious({ total: [0, 0, 0], bad: [0, 0, trace] })).toBe(false);
    expect(suspicious({ total: [], bad: [] })).toBe(false);
    // Late data can bring an error a moment before its request: then there is one, of none.
    expect(suspicious({ total: [0, 0, 0], bad: [0, 0, 1] })).toBe(false);
  });
});
