import { describe, expect, it } from 'vitest';
import { judge } from '../../../src/domain/judge/judge.ts';
import { readMeasurement, writeMeasurement } from '../../../src/domain/metrics/measurement-json.ts';
import { type Counts, cujOf, endpointOf, measurementOf, over } from './journey.ts';

const options = { registryDigest: 'sha256:test' };

/** Requests over ten minutes, so many of them bad, and so many of which nothing says whether they were. */
function counted(total: number, bad: number, unclassified = 0): Counts {
  const counts = over(10, total, bad);
  return unclassified === 0 ? counts : { ...counts, unclassified: over(10, unclassified, 0).total };
}

function judged(canary: Counts, stable: Counts, rule: 'confidence' | 'baseline' = 'confidence') {
  const measurement = measurementOf({
    before: 1,
    availability: [endpointOf('GET /a', canary, stable)],
  });
  const cuj = cujOf({ gate: { rule } });
  const verdict = judge(cuj, measurement, options);
  expect(judge(cuj, readMeasurement(writeMeasurement(measurement)), options)).toEqual(verdict);
  return verdict;
}

describe('requests that the queries of a call do not agree about', () => {
  it.each<[string, Counts, Counts, string]>([
    ['few of many, so that a pass stands', counted(20_000, 0, 3), counted(60_000, 0), 'within_slo'],
    ['enough to turn a pass', counted(1_000, 0, 3), counted(60_000, 0), 'source_malformed'],
    ['stable’s alone, which can turn no pass', counted(1_000, 0), counted(60_000, 0, 2_000), 'within_slo'],
    [
      'the canary’s alone, which can turn no fail',
      counted(1_000, 50, 40),
      counted(60_000, 0),
      'slo_violated',
    ],
    ['few of stable’s, so that a fail stands', counted(1_000, 50), counted(60_000, 0, 3), 'slo_violated'],
    [
      'enough of stable’s to share the cause',
      counted(1_000, 50),
      counted(60_000, 0, 2_900),
      'source_malformed',
    ],
    ['beside what is inconclusive anyway', counted(100, 0, 3), counted(600, 0, 9), 'insufficient_traffic'],
  ])('are %s', (_, canary, stable, reason) => {
    expect(judged(canary, stable).reason).toBe(reason);
  });

  it('are named, with what to do', () => {
    const { summary, hint, verdict } = judged(counted(1_000, 0, 3), counted(60_000, 0));
    expect(verdict).toBe('inconclusive');
    expect(summary).toContain(
      'it is not known of 3 requests whether they were good or bad, so the verdict is undecided',
    );
    expect(hint).toContain('GET /cujs/<name>');
  });

  it('count under baseline as well', () => {
    expect(judged(counted(1_000, 50), counted(9_000, 0), 'baseline').verdict).toBe('fail');
    expect(judged(counted(1_000, 50), counted(9_000, 0, 450), 'baseline').reason).toBe('source_malformed');
  });
});
