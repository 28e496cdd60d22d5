import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { judge } from '../../../src/domain/judge/judge.ts';
import type { SliVerdict } from '../../../src/domain/judge/judge-sli.ts';
import { measurementUntil } from '../../../src/domain/metrics/measurement-until.ts';
import { bucketMs } from '../../../src/domain/metrics/metrics-source.ts';
import { type FineTraffic, fineCuj, fineFromMs, judgedAt, measuredAt } from './fine-traffic.ts';

const buckets = 150;
const endMs = fineFromMs + 25 * bucketMs;

/** A canary that begins some minutes in, and may fail from some time on. Stable has no errors, so that nothing is estimated of them. */
const rollouts = fc
  .record({
    begin: fc.integer({ min: 6, max: 90 }),
    fault: fc.integer({ min: 6, max: 200 }),
    perBucket: fc.integer({ min: 0, max: 40 }),
    failing: fc.constantFrom(0, 0.05, 0.5, 1),
  })
  .map(({ begin, fault, perBucket, failing }): FineTraffic => {
    const canary = Array.from({ length: buckets }, (_, i) => (i < begin ? 0 : perBucket));
    return {
      canary: {
        total: canary,
        bad: canary.map((count, i) => (i < fault ? 0 : Math.floor(count * failing))),
      },
      stable: {
        total: Array.from({ length: buckets }, () => 60),
        bad: Array.from({ length: buckets }, () => 0),
      },
    };
  });

/** What does not depend on buckets shorter than a minute: of older minutes they are not kept. */
const numbers = ({ sli, total, bad, evidence, rulesOutRate, requestsToVerdict, stable }: SliVerdict) => ({
  sli,
  total,
  bad,
  evidence,
  rulesOutRate,
  requestsToVerdict,
  stable,
});

describe('a measurement until an earlier minute', () => {
  it('has the numbers that were judged then', () => {
    fc.assert(
      fc.property(rollouts, fc.integer({ min: 1, max: 24 }), (traffic, minute) => {
        const atMs = fineFromMs + minute * bucketMs;
        const later = measurementUntil(measuredAt(traffic, endMs), atMs);
        const verdict = judge(fineCuj, later, { registryDigest: 'sha256:test' });
        const then = judgedAt(traffic, atMs);
        expect(verdict.slis.map(numbers)).toEqual(then.slis.map(numbers));
        expect(verdict.noDataCause).toBe(then.noDataCause);
        expect(verdict.window?.to).toBe(then.window?.to);
      }),
    );
  });

  it('leaves the measurement as it is', () => {
    const measurement = measuredAt(
      { canary: { total: [1, 2], bad: [0, 1] }, stable: { total: [3, 4], bad: [0, 0] } },
      endMs,
    );
    const before = structuredClone(measurement);
    measurementUntil(measurement, fineFromMs + bucketMs);
    expect(measurement).toEqual(before);
  });
});
