import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  logWithRestarts,
  maxMinuteRatio,
  minuteWeight,
  RestartableEvidence,
} from '../../../src/domain/statistics/restartable-evidence.ts';

const seeded = (numRuns: number) => ({ seed: 20260131, numRuns });

interface Minute {
  readonly total: number;
  readonly bad: number;
}

function evidenceOf(
  minutes: readonly Minute[],
  rate: number,
  weight: number,
  scale = 1,
): RestartableEvidence {
  const total = minutes.map((minute) => minute.total);
  const bad = minutes.map((minute) => minute.bad);
  return new RestartableEvidence({ total, bad, scale }, 0, minutes.length, rate, weight);
}

/** The definition: a mean over the multiples and a sum over the minutes in which the fault may begin. */
function byDefinition(minutes: readonly Minute[], p: number, weight: number, scale: number): number {
  let begun = 0;
  for (let k = 2; k <= 1024; k *= 2) {
    const o = p / (1 - p);
    const pk = (k * o) / (1 + k * o);
    for (let begin = 0; begin < minutes.length; begin += 1) {
      let product = weight;
      for (const { total, bad } of minutes.slice(begin)) {
        const [n, e] = [total * scale, Math.min(bad, total) * scale];
        product *= Math.min(100, (pk / p) ** e * ((1 - pk) / (1 - p)) ** (n - e));
      }
      begun += product;
    }
  }
  return begun / 10 + 1 - weight * minutes.length;
}

const minute = fc
  .record({ total: fc.integer({ min: 0, max: 300 }), share: fc.double({ min: 0, max: 1, noNaN: true }) })
  .map(({ total, share }) => ({ total, bad: Math.floor(total * share ** 8) }));
const minutes = fc.array(minute, { minLength: 1, maxLength: 12 });
const rate = fc.constantFrom(0.0005, 0.01, 0.1, 0.5);
const scale = fc.constantFrom(1, 1, 0.4, 0.01);

describe('evidence that can start again', () => {
  it('follows its definition wherever there is a bad event', () => {
    fc.assert(
      fc.property(minutes, rate, scale, (some, p, weighed) => {
        fc.pre(some.some(({ bad }) => bad > 0));
        const weight = minuteWeight(20, some.length);
        const expected = byDefinition(some, p, weight, weighed);
        expect(evidenceOf(some, p, weight, weighed).value / expected).toBeCloseTo(1, 9);
      }),
      seeded(500),
    );
  });

  it('is 1 without a request, and without a bad event at most what the definition gives', () => {
    expect(evidenceOf([], 0.0005, 1 / 120).value).toBe(1);
    expect(evidenceOf([{ total: 0, bad: 3 }], 0.0005, 1 / 120).value).toBe(1);
    fc.assert(
      fc.property(minutes, rate, (some, p) => {
        const clean = some.map(({ total }) => ({ total, bad: 0 }));
        const weight = minuteWeight(20, some.length);
        expect(evidenceOf(clean, p, weight).value).toBeLessThanOrEqual(
          byDefinition(clean, p, weight, 1) + 1e-12,
        );
      }),
      seeded(300),
    );
  });

  it('finds a fault of five times the budget after a clean hour, where evidence from the start does not', () => {
    const late = [
      ...Array.from({ length: 60 }, () => ({ total: 2000, bad: 0 })),
      ...Array.from({ length: 5 }, () => ({ total: 2000, bad: 5 })),
    ];
    expect(evidenceOf(late, 0.0005, 1 / 120).value).toBeGreaterThan(100);
  });
});

describe('the mixture with evidence from the start', () => {
  it('has nine tenths of that, and a tenth of evidence that can start again', () => {
    expect(Math.exp(logWithRestarts(Math.log(30), 5))).toBeCloseTo(27.5, 9);
    expect(logWithRestarts(0, 1)).toBe(0);
  });

  it('survives numbers that no double holds', () => {
    expect(logWithRestarts(5000, 1e100)).toBeCloseTo(5000 + Math.log(0.9), 9);
    expect(logWithRestarts(-9000, 1e100)).toBeCloseTo(Math.log(0.1e100), 9);
    expect(logWithRestarts(Number.POSITIVE_INFINITY, 0)).toBe(Number.POSITIVE_INFINITY);
    expect(logWithRestarts(Number.NEGATIVE_INFINITY, 0)).toBe(Number.NEGATIVE_INFINITY);
  });
});

describe('what never raises it', () => {
  const raised = (before: number, after: number) => after > before * (1 + 1e-12) + 1e-12;

  it('is a clean request, in any minute, however late it comes', () => {
    fc.assert(
      fc.property(
        minutes,
        rate,
        scale,
        fc.nat(),
        fc.integer({ min: 1, max: 500 }),
        (some, p, weighed, at, more) => {
          const weight = minuteWeight(20, some.length);
          const after = some.map((one, i) =>
            i === at % some.length ? { ...one, total: one.total + more } : one,
          );
          const [a, b] = [evidenceOf(some, p, weight, weighed), evidenceOf(after, p, weight, weighed)];
          expect(raised(a.value, b.value)).toBe(false);
        },
      ),
      seeded(400),
    );
  });

  it('is time: a minute without requests', () => {
    fc.assert(
      fc.property(minutes, rate, (some, p) => {
        const a = evidenceOf(some, p, 1 / 20).value;
        const b = evidenceOf([...some, { total: 0, bad: 0 }], p, 1 / 20).value;
        expect(raised(a, b)).toBe(false);
        // Where something failed it changes nothing at all.
        if (some.some(({ bad }) => bad > 0)) expect(b / a).toBeCloseTo(1, 12);
      }),
      seeded(500),
    );
  });

  it('is a further clean minute', () => {
    fc.assert(
      fc.property(minutes, rate, fc.nat({ max: 5000 }), (some, p, total) => {
        const a = evidenceOf(some, p, 1 / 20).value;
        const b = evidenceOf([...some, { total, bad: 0 }], p, 1 / 20).value;
        expect(raised(a, b)).toBe(false);
      }),
      seeded(500),
    );
  });

  it('is a bad event less', () => {
    fc.assert(
      fc.property(minutes, rate, scale, fc.nat(), (some, p, weighed, at) => {
        const less = some.map((one, i) =>
          i === at % some.length ? { ...one, bad: Math.max(0, one.bad - 1) } : one,
        );
        const weight = minuteWeight(20, some.length);
        const [a, b] = [evidenceOf(some, p, weight, weighed), evidenceOf(less, p, weight, weighed)];
        expect(raised(a.value, b.value)).toBe(false);
      }),
      seeded(400),
    );
  });
});

describe('a burst', () => {
  it('of any size within one minute raises it to at most 100 times what it was', () => {
    fc.assert(
      fc.property(minutes, rate, fc.integer({ min: 1, max: 1e6 }), (some, p, total) => {
        const before = evidenceOf(some, p, 1 / 20).value;
        const after = evidenceOf([...some, { total, bad: total }], p, 1 / 20).value;
        // Without a bad event it is a lower bound; the exact value is at most 1.
        const least = some.some(({ bad }) => bad > 0) ? before : 1;
        expect(after).toBeLessThanOrEqual(maxMinuteRatio * least * (1 + 1e-12));
      }),
      seeded(500),
    );
  });
});

describe('without the bad events of an interval', () => {
  it('it is what it would be if they had been good', () => {
    fc.assert(
      fc.property(
        minutes,
        rate,
        scale,
        fc.nat(),
        fc.array(fc.nat({ max: 400 }), { minLength: 1, maxLength: 3 }),
        (some, p, weighed, at, counts) => {
          const first = at % some.length;
          const leftOut = counts
            .map((bad, i) => ({ minute: first + i, bad }))
            // Not every minute of the interval has something to leave out.
            .filter(({ minute, bad }) => minute < some.length && bad % 5 !== 0);
          const rest = some.map((one, i) => {
            const left = leftOut.find(({ minute: of }) => of === i)?.bad ?? 0;
            return { ...one, bad: Math.max(0, one.bad - left) };
          });
          const weight = minuteWeight(20, some.length);
          const without = evidenceOf(some, p, weight, weighed).without(leftOut);
          if (rest.some(({ bad }) => bad > 0)) {
            expect(without / evidenceOf(rest, p, weight, weighed).value).toBeCloseTo(1, 9);
          } else {
            // A lower bound where nothing is left.
            expect(without).toBeGreaterThanOrEqual(evidenceOf(rest, p, weight, weighed).value * (1 - 1e-9));
            expect(without).toBeLessThanOrEqual(1 + 1e-9);
          }
        },
      ),
      seeded(400),
    );
  });
});

/** Chances of 0, 1 … n bad events. */
function binomial(n: number, p: number): number[] {
  const chances = [(1 - p) ** n];
  for (let e = 1; e <= n; e += 1)
    chances.push(((chances[e - 1] as number) * ((n - e + 1) / e) * p) / (1 - p));
  return chances;
}

describe('an e-process, by exact calculation', () => {
  /**
   * The greatest mean that any rule of stopping reaches, looking after every request, so at every part of a minute: backward over all
   * outcomes. `open` has the requests of each minute.
   */
  function bestStop(
    open: readonly number[],
    p: number,
    trueRate: number,
    weight: number,
    scale: number,
  ): number {
    const visit = (past: readonly Minute[], now: Minute): number => {
      const minutes = [...past, now];
      const value = evidenceOf(minutes, p, weight, scale).value;
      const planned = open[past.length] as number;
      let ahead = 0;
      if (now.total < planned)
        ahead =
          trueRate * visit(past, { total: now.total + 1, bad: now.bad + 1 }) +
          (1 - trueRate) * visit(past, { total: now.total + 1, bad: now.bad });
      else if (minutes.length < open.length) ahead = visit(minutes, { total: 0, bad: 0 });
      return Math.max(value, ahead);
    };
    return visit([], { total: 0, bad: 0 });
  }

  it.each([
    [0.5, 1 / 4],
    [0.2, 1 / 4],
    [0.05, 1 / 4],
    [0.05, 1 / 120],
    [0.0005, 1 / 4],
    [0.0005, 1 / 120],
  ])('no rule of stopping reaches a mean above 1 at p = %f with weights of %f', (p, weight) => {
    for (const open of [
      [3, 2, 2, 1],
      [1, 5, 0, 2],
      [7, 1],
    ])
      for (const weighed of [1, 0.5]) {
        expect(bestStop(open, p, p, weight, weighed)).toBeLessThanOrEqual(1 + 1e-12);
        expect(bestStop(open, p, p / 2, weight, weighed)).toBeLessThanOrEqual(1 + 1e-12);
      }
  });

  it.each([
    [0.0005, 200],
    [0.01, 40],
    [0.1, 12],
  ])('its mean over all outcomes is at most 1 at p = %f in minutes of %i requests', (p, n) => {
    // The mean of a minute's ratio is that of the evidence of one minute whose weight is 1.
    const meanOf = (requests: number) => {
      let mean = 0;
      binomial(requests, p).forEach((chance, e) => {
        mean += chance * byDefinition([{ total: requests, bad: e }], p, 1, 1);
      });
      return mean;
    };
    for (const requests of [1, Math.floor(n / 6), n]) expect(meanOf(requests)).toBeLessThanOrEqual(1 + 1e-9);
  });

  it.each([0.05, 0.2])('it ever reaches 1/alpha with a chance of at most alpha = %f', (alpha) => {
    for (const p of [0.05, 0.2, 0.5]) {
      const open = [2, 2, 2, 2, 2];
      const visit = (past: readonly Minute[], now: Minute): number => {
        const minutes = [...past, now];
        if (evidenceOf(minutes, p, 1 / 5).value >= 1 / alpha) return 1;
        if (now.total < (open[past.length] as number))
          return (
            p * visit(past, { total: now.total + 1, bad: now.bad + 1 }) +
            (1 - p) * visit(past, { total: now.total + 1, bad: now.bad })
          );
        return minutes.length < open.length ? visit(minutes, { total: 0, bad: 0 }) : 0;
      };
      expect(visit([], { total: 0, bad: 0 })).toBeLessThanOrEqual(alpha);
    }
  });
});

describe('extremes', () => {
  const count = fc.oneof(
    fc.constantFrom(0, -0, 1e-12, 5e-324, 0.3, 1, 2, 63, 64, 1e10, 1e12),
    fc.integer({ min: 0, max: 1000 }),
  );

  it('never give a number that is none, nor one below 0', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ total: count, bad: count }), { maxLength: 8 }),
        fc.constantFrom(1e-9, 0.0005, 0.5, 1 - 1e-9, 1),
        fc.constantFrom(1, 0.01, 1 / 19),
        fc.nat({ max: 7 }),
        (some, p, weighed, at) => {
          const evidence = evidenceOf(some, p, minuteWeight(120, some.length), weighed);
          const left = at < some.length ? [{ minute: at, bad: 3 }] : [];
          for (const value of [evidence.value, evidence.without(left)])
            expect(Number.isFinite(value) && value >= 0, String(value)).toBe(true);
        },
      ),
      seeded(1_000),
    );
  });

  it('are finite after a day of nothing but failures, with and without clean hours after it', () => {
    const day = Array.from({ length: 1440 }, (_, i) => ({ total: 1e6, bad: i < 1000 ? 1e6 : 0 }));
    for (const some of [day.slice(0, 1000), day]) {
      const evidence = evidenceOf(some, 0.0005, minuteWeight(1440, some.length));
      expect(Number.isFinite(evidence.value)).toBe(true);
      expect(Number.isFinite(evidence.without([{ minute: 5, bad: 1e6 }]))).toBe(true);
    }
  });

  it('keep the weights at a sum of at most 1', () => {
    for (const minutes of [0, 1, 30, 120, 121]) expect(minuteWeight(120, minutes)).toBe(1 / 121);
    // A fixed window may be longer.
    expect(minuteWeight(120, 240)).toBe(1 / 240);
  });
});
