import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  abortThresholdsOf,
  minBadEvents,
  reaches,
  requestsUntil,
  spread,
} from '../../../src/domain/judge/abort-threshold.ts';
import { judge } from '../../../src/domain/judge/judge.ts';
import { isTrafficEnough, requestsToPass } from '../../../src/domain/judge/required-traffic.ts';
import {
  lowerBound,
  lowerBoundIsAbove,
  upperBound,
  upperBoundIsAtMost,
} from '../../../src/domain/statistics/clopper-pearson.ts';
import {
  EvidenceProcess,
  evidenceCap,
  evidenceOf,
  logEvidence,
  logMixture,
} from '../../../src/domain/statistics/e-process.ts';
import { betaQuantile, regularizedBeta } from '../../../src/domain/statistics/incomplete-beta.ts';
import { type BothSides, logShareEvidence } from '../../../src/domain/statistics/share-test.ts';
import { cujOf, defaultPolicy, endpointOf, measurementOf } from '../judge/journey.ts';

const seeded = (numRuns: number) => ({ seed: 20260131, numRuns });

/** Counts as they come in the worst case: none, what sums of fractions leave behind, parts of an event, billions. */
const count = fc.oneof(
  fc.constantFrom(0, -0, -1e-12, 1e-12, 5e-324, 1e-300, 0.3, 0.1 + 0.2, 1, 2, 89, 90, 1e10, 1e12),
  fc.integer({ min: 0, max: 1000 }),
  fc.double({ min: 0, max: 10, noNaN: true }),
  fc.double({ min: 0, max: 1e12, noNaN: true }),
);
/** Error budgets and allowed rates: never 0. */
const rate = fc.oneof(
  fc.constantFrom(1e-9, 1e-5, 0.0005, 0.5, 1 - 1e-9, 1),
  fc.double({ min: 1e-9, max: 1, noNaN: true }),
);
/** Logs of evidence, of which a process gives ±Infinity where a double holds nothing else. */
const log = fc.oneof(
  fc.constantFrom(0, -0, 0.1, 5000, -9000, 1e13, -1e13, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
  fc.double({ min: -100, max: 100, noNaN: true }),
);

/** Whatever it is given, each function says a number, and one in its range. */
function expectIn(value: number, low: number, high: number): void {
  // NaN is not in any range.
  if (value >= low && value <= high) return;
  expect.fail(`${value} is not in [${low}, ${high}]`);
}
const anything = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY] as const;

describe('the mathematics never gives a number that is none', () => {
  it('in a mixture, which is as great as its greatest part', () => {
    expect(logMixture(0.1, [Infinity, 0])).toBe(Infinity);
    expect(logMixture(Infinity, [0, 0])).toBe(Infinity);
    expect(logMixture(-Infinity, [-Infinity])).toBe(-Infinity);
    expect(() => logMixture(0.1, [Number.NaN, 0])).toThrow('not a number');
    fc.assert(
      fc.property(log, fc.array(log, { maxLength: 6 }), (pooled, endpoints) => {
        const mixed = logMixture(pooled, endpoints);
        const greatest = Math.max(pooled, ...endpoints);
        // No part weighs less than a twelfth.
        expectIn(mixed, greatest - Math.log(12) - 1e-9, greatest + 1e-9);
      }),
      seeded(3_000),
    );
  });

  it('in evidence', () => {
    fc.assert(
      fc.property(count, count, rate, (total, bad, p) => {
        const process = new EvidenceProcess(total, p);
        expectIn(process.of(bad), 0, Infinity);
        expectIn(process.log(bad), ...anything);
        expectIn(evidenceOf(process.log(bad)), 0, evidenceCap);
        expectIn(logEvidence(total, bad, p), ...anything);
      }),
      seeded(5_000),
    );
    for (const value of [Infinity, -Infinity, 0, -0]) expectIn(evidenceOf(value), 0, evidenceCap);
  });

  it('in the share test', () => {
    const minute = fc.tuple(count, count, count, count);
    const service = fc.array(minute, { minLength: 1, maxLength: 5 }).map((rows): BothSides => {
      const column = (at: number) => rows.map((row) => row[at] as number);
      return {
        canaryTotal: column(0),
        canaryBad: column(1),
        stableTotal: column(2),
        stableBad: column(3),
      };
    });
    fc.assert(
      fc.property(fc.array(service, { maxLength: 3 }), (services) => {
        // To the longest one's end: where a shorter one has nothing, it says nothing.
        expectIn(logShareEvidence(services, 0, 5), ...anything);
      }),
      seeded(5_000),
    );
  });

  it('in bounds, and their questions agree with them', () => {
    fc.assert(
      fc.property(count, count, rate, (total, bad, p) => {
        const [low, high] = [lowerBound(total, bad), upperBound(total, bad)];
        expectIn(low, 0, 1);
        expectIn(high, 0, 1);
        if (Math.abs(high - p) > 1e-6 * p) expect(upperBoundIsAtMost(total, bad, p)).toBe(high <= p);
        if (Math.abs(low - p) > 1e-6 * p) expect(lowerBoundIsAbove(total, bad, p)).toBe(low > p);
      }),
      seeded(3_000),
    );
  });

  it('in the incomplete beta function and its inverse', () => {
    const parameter = count.map((value) => (value > 0 ? value : 5e-324));
    const x = fc.oneof(
      fc.constantFrom(-1e-12, 0, 5e-324, 1e-300, 0.5, 1 - 2 ** -53, 1, 1 + 1e-12),
      fc.double({ min: 0, max: 1, noNaN: true }),
    );
    fc.assert(
      fc.property(x, parameter, parameter, (at, a, b) => {
        expectIn(regularizedBeta(at, a, b), 0, 1);
        expectIn(betaQuantile(0.95, a, b), 0, 1);
        expectIn(betaQuantile(0.05, a, b), 0, 1);
      }),
      seeded(3_000),
    );
  });

  it('in abort thresholds and in the spread of events over endpoints', () => {
    const endpoint = fc.record({ total: count, scale: fc.constantFrom(1, 0.01, 0.5 / 19), rate });
    fc.assert(
      fc.property(
        fc.array(endpoint, { maxLength: 4 }),
        fc.integer({ min: 0, max: 50 }),
        rate,
        (some, bad, p) => {
          const totals = some.map(({ total }) => total);
          const room = totals.reduce((sum, total) => sum + Math.max(0, Math.floor(total)), 0);
          const given = spread(totals, bad);
          for (const one of given) expectIn(one, 0, bad);
          expect(given.reduce((sum, one) => sum + one, 0)).toBe(Math.min(bad, room));
          const n = some.reduce((sum, { total, scale }) => sum + total * scale, 0);
          const lines = abortThresholdsOf({
            endpoints: some.map(({ total, scale, rate: own }) => ({
              total,
              scale,
              measured: { sampleRate: scale },
              process: new EvidenceProcess(total * scale, own),
            })),
            pooled: new EvidenceProcess(n, p),
            threshold: 20,
            minBadEvents,
            canOutlast: () => true,
            minRestartable: 0.5,
          });
          for (const line of [lines.cuj, ...lines.endpoints]) if (line !== null) expectIn(line, 1, 4e12 + 1);
        },
      ),
      seeded(1_000),
    );
  });

  it('in what traffic a pass takes', () => {
    const policy = fc.record({
      rule: fc.constantFrom('confidence' as const, 'strict' as const, 'baseline' as const),
      minRequests: fc.constantFrom(0, 500),
      ruleOutBurn: fc.constantFrom(1.0001, 14.4, 1000),
    });
    fc.assert(
      fc.property(policy, count, count, rate, (wishes, n, e, p) => {
        expect(typeof isTrafficEnough({ seen: n, n, e }, wishes, p)).toBe('boolean');
        const { proven, limited } = requestsToPass(
          { ...defaultPolicy, ...wishes, passAfterMs: 1, rulesOutRate: p },
          p,
        );
        expectIn(proven, 0, Infinity);
        expectIn(limited, 0, Infinity);
        expect(reaches(n, minBadEvents)).toBe(n >= minBadEvents - 1e-6);
        expectIn(requestsUntil((more) => n + more >= 20) ?? Infinity, 0, 21);
      }),
      seeded(1_000),
    );
  });

  it('in any number of a verdict, whatever was counted', () => {
    const side = fc.array(fc.tuple(count, count, count), { minLength: 0, maxLength: 4 }).map((rows) => ({
      total: rows.map(([total]) => total),
      bad: rows.map(([, bad]) => bad),
      withStatus: rows.map(([, , known]) => known),
    }));
    const endpoint = fc.record({
      canary: side,
      stable: side,
      service: fc.constantFrom('shop', 'bank'),
      sampleRate: fc.constantFrom(1, 0.01),
      dispersion: fc.constantFrom(1, 19),
    });
    fc.assert(
      fc.property(
        fc.array(endpoint, { minLength: 1, maxLength: 3 }),
        fc.constantFrom('confidence' as const, 'strict' as const, 'baseline' as const),
        fc.constantFrom(50, 99.95, 99.999),
        fc.constantFrom(0, 1),
        (some, rule, objective, before) => {
          const endpoints = some.map(({ canary, stable, ...more }, i) =>
            endpointOf(`GET /${i}`, canary, stable, { ...more, latencyMs: 100 + (i % 2) }),
          );
          const verdict = judge(
            cujOf({
              availability: objective,
              latency: objective,
              gate: { rule },
              endpoints: endpoints.map(({ label, latencyMs = 1 }) => ({ label, latencyMs })),
            }),
            measurementOf({ before, availability: endpoints, latency: endpoints }),
            { registryDigest: 'sha256:test' },
          );
          const visit = (value: unknown, path: string): void => {
            if (typeof value === 'number' && !Number.isFinite(value)) expect.fail(`${path} is ${value}`);
            if (typeof value === 'object' && value !== null)
              for (const [key, inner] of Object.entries(value)) visit(inner, `${path}.${key}`);
          };
          visit(verdict, 'verdict');
          expect(verdict.summary).not.toMatch(/NaN|Infinity|undefined/);
        },
      ),
      seeded(1_000),
    );
  });
});
