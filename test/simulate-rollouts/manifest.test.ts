import { describe, expect, it } from 'vitest';
import { assess, canarySpecOf, conditionOf, type GateMetric, goDurationMs } from './manifest.ts';
import { hashes } from './rollout.ts';
import { setUp } from './simulate.ts';

const rollout = (canary: string) => `spec: { strategy: { canary: ${canary} } }`;
const template = (metric: string) => `
metadata: { name: cuj-signup-gate }
spec: { metrics: [${metric}] }
`;
const inline = rollout('{ steps: [{ analysis: { templates: [{ templateName: cuj-signup-gate }] } }] }');

function metricOf(fields: string): GateMetric {
  const web = `provider: { web: { url: "http://gate/cujs/signup/status", jsonPath: "{$.summary}" } }`;
  const { steps } = canarySpecOf(inline, [template(`{ name: a, ${fields} ${web} }`)], hashes);
  const [step] = steps;
  if (step?.kind !== 'analysis') throw new Error('no analysis');
  return step.metrics[0] as GateMetric;
}

const pass = `successCondition: 'result startsWith "PASS"',`;
const fail = `failureCondition: 'result startsWith "FAIL"',`;

describe('an AnalysisTemplate', () => {
  it.each([
    ['both conditions', pass + fail, ['Successful', 'Failed', 'Inconclusive']],
    ['only a success condition', pass, ['Successful', 'Failed', 'Failed']],
    ['only a failure condition', fail, ['Successful', 'Failed', 'Successful']],
    ['no condition', '', ['Successful', 'Successful', 'Successful']],
  ])('judges a value with %s as Argo does', (_, fields, phases) => {
    const metric = metricOf(fields);
    const answers = ['PASS signup', 'FAIL signup', 'INCONCLUSIVE signup'];
    expect(answers.map((summary) => assess(metric, { summary }))).toEqual(phases);
    expect(assess(metric, {})).toBe('Error');
  });

  it('takes failure first where both conditions hold', () => {
    const metric = metricOf(
      `successCondition: 'result startsWith "F"', failureCondition: 'result startsWith "FAIL"',`,
    );
    expect(assess(metric, { summary: 'FAIL' })).toBe('Failed');
  });

  it('reads a condition on a part of a list', () => {
    const condition = conditionOf('result[1] startsWith "FAIL"');
    expect(condition([7.2, 'FAIL signup'])).toBe(true);
    expect(condition([7.2, 'PASS signup'])).toBe(false);
  });

  it('refuses what it does not understand, rather than to simulate something else', () => {
    expect(() => conditionOf('result > 3')).toThrow('does not understand');
    expect(() => canarySpecOf(rollout('{ steps: [{ experiment: {} }] }'), [], hashes)).toThrow('experiment');
    expect(() => canarySpecOf(inline, [], hashes)).toThrow('cuj-signup-gate');
  });
});

describe('durations', () => {
  it.each([
    ['150s', 150_000],
    ['5m', 300_000],
    ['1h30m', 5_400_000],
    ['0s', 0],
    [90, 90_000],
  ])('%s', (text, ms) => {
    expect(goDurationMs(text)).toBe(ms);
  });
});

describe('the generated sample', () => {
  it('asks about every enforced CUJ, in the background and before all traffic is shifted', async () => {
    const { registry, services } = await setUp({ availabilityOnly: false, analysis: 'cujs' });
    for (const [service, { spec }] of services) {
      const enforced = [...registry.cujs.values()]
        .filter((cuj) => cuj.mode === 'enforce' && cuj.services.includes(service))
        .map(({ name }) => `cuj-${name}`);
      const names = (metrics: readonly GateMetric[]) => metrics.map(({ name }) => name);
      const lastWeight = spec.steps.findIndex((step) => step.kind === 'setWeight' && step.weight >= 95);
      const inline = spec.steps
        .slice(0, lastWeight)
        .flatMap((step) => (step.kind === 'analysis' ? names(step.metrics) : []));
      expect(names(spec.background?.metrics ?? [])).toEqual(expect.arrayContaining(enforced));
      expect(inline).toEqual(expect.arrayContaining(enforced));
      for (const { headers } of spec.background?.metrics ?? []) {
        expect(headers.get('x-canary-version')).toBe(hashes.Latest);
        expect(headers.get('x-canary-stable-version')).toBe(hashes.Stable);
      }
    }
  });
});
