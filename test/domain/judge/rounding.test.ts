import fc from 'fast-check';
import { expect, it } from 'vitest';
import { toSignificant } from '../../../src/domain/judge/rounding.ts';

it('six digits are those that Number.prototype.toPrecision gives, at every size', () => {
  fc.assert(
    fc.property(fc.double({ min: 1, max: 10, noNaN: true }), fc.integer({ min: -30, max: 12 }), (m, e) => {
      const value = m * 10 ** e;
      const expected = Number(value.toPrecision(6));
      // Halves may be rounded either way: the product that is rounded here is a double, too.
      expect(Math.abs(toSignificant(value) - expected) / expected).toBeLessThan(1.1e-5);
      expect(toSignificant(toSignificant(value))).toBe(toSignificant(value));
      expect(
        String(toSignificant(value))
          .replace(/e.*|\.|^0\.?0*/g, '')
          .replace(/^0+|0+$/g, '').length,
      ).toBeLessThanOrEqual(6);
    }),
    { numRuns: 2_000, seed: 7 },
  );
  for (const exact of [0, 1, 9.99999, 99999.97, 999999.4, 1e-7, 1e-16, 0.0005, 20, 1e6, 1e12])
    expect(toSignificant(exact)).toBe(Number(exact.toPrecision(6)));
});
