import { describe, expect, it } from 'vitest';
import { type WithoutDispersion, withDispersion } from '../../../src/domain/metrics/estimated-dispersion.ts';
import { endpointOf, over, silent } from '../judge/journey.ts';

const minutes = 60;

/** Stable with ten errors in every fifth minute. */
function bursty(label: string, more: { service?: string; sampleRate?: number; dispersion?: number } = {}) {
  const stable = {
    total: new Array<number>(minutes).fill(1000),
    bad: Array.from({ length: minutes }, (_, i) => (i % 5 === 2 ? 10 : 0)),
  };
  return withoutDispersion(endpointOf(label, silent, stable, more), more.dispersion);
}

function withoutDispersion(endpoint: ReturnType<typeof endpointOf>, dispersion?: number): WithoutDispersion {
  return { ...endpoint, dispersion };
}

const of = (endpoints: readonly WithoutDispersion[]) =>
  withDispersion(endpoints, 0).map(({ dispersion }) => dispersion);

describe('the dispersion of an endpoint', () => {
  it('is what stable shows, or what the registry has', () => {
    expect(of([bursty('GET /a')])).toEqual([10]);
    expect(of([bursty('GET /a', { dispersion: 1 })])).toEqual([1]);
    expect(of([bursty('GET /a', { dispersion: 19 })])).toEqual([19]);
  });

  it('is the same for all endpoints of a service, by the errors of all of them', () => {
    const quiet = withoutDispersion(endpointOf('GET /b', silent, over(minutes, 60_000, 0)));
    const other = withoutDispersion(
      endpointOf('GET /c', silent, over(minutes, 60_000, 600), { service: 'bank' }),
    );
    expect(of([bursty('GET /a'), quiet, other])).toEqual([10, 10, 1]);
  });

  it('goes by the events that were seen: scaled up counts are no bursts', () => {
    expect(of([bursty('GET /a', { sampleRate: 0.2 })])).toEqual([2]);
    expect(of([bursty('GET /a', { sampleRate: 0.1 })])).toEqual([1]);
  });

  it('is 1 without stable', () => {
    expect(of([withoutDispersion(endpointOf('GET /a', over(5, 100, 50), silent))])).toEqual([1]);
    expect(of([])).toEqual([]);
  });
});
