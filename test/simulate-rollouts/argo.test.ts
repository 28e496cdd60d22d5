import { describe, expect, it } from 'vitest';
import { AnalysisRun, type CanarySpec, type MeasurementPhase, type Metric, RolloutRun } from './argo.ts';

const letters = { P: 'Successful', F: 'Failed', I: 'Inconclusive', E: 'Error' } as const;

function metricOf(fields: Partial<Metric> = {}): Metric {
  return {
    name: 'cuj-signup',
    initialDelayMs: undefined,
    intervalMs: 60_000,
    count: undefined,
    consecutiveSuccessLimit: undefined,
    failureLimit: undefined,
    inconclusiveLimit: undefined,
    consecutiveErrorLimit: undefined,
    ...fields,
  };
}

/** Answers the measurements of one metric by letters, and says how the run ends and when each measurement was (s). */
function play(fields: Partial<Metric>, answers: string) {
  const metric = metricOf(fields);
  const run = new AnalysisRun([metric], 0);
  const times: number[] = [];
  for (const letter of answers) {
    const next = run.nextMs();
    if (next === undefined) break;
    times.push(next / 1000);
    expect(run.due(next)).toEqual([metric]);
    run.record([[metric, letters[letter as keyof typeof letters]]], next);
  }
  return { phase: run.phase, times };
}

describe('an AnalysisRun', () => {
  it('delays the first measurement only', () => {
    expect(play({ initialDelayMs: 150_000 }, 'PPP').times).toEqual([150, 210, 270]);
  });

  it('repeats an error after 10 s, whatever the interval is', () => {
    expect(play({}, 'PEEP').times).toEqual([0, 60, 70, 80]);
  });

  it('ends in Error after more than consecutiveErrorLimit errors in a row, 4 by default', () => {
    expect(play({}, 'EEEE').phase).toBe('Running');
    expect(play({}, 'EEEEE').phase).toBe('Error');
    expect(play({}, 'EEEEPEEEE').phase).toBe('Running');
    expect(play({ consecutiveErrorLimit: 1 }, 'EE').phase).toBe('Error');
  });

  it('ends at the first Failed by default, and counts failures in total', () => {
    expect(play({}, 'PPF').phase).toBe('Failed');
    expect(play({ failureLimit: 1 }, 'FPPP').phase).toBe('Running');
    expect(play({ failureLimit: 1 }, 'FPPPF').phase).toBe('Failed');
    expect(play({ failureLimit: -1 }, 'FFFF').phase).toBe('Running');
  });

  it('ends at the first Inconclusive by default, and counts them in total', () => {
    expect(play({}, 'PI').phase).toBe('Inconclusive');
    expect(play({ inconclusiveLimit: 2 }, 'IPI').phase).toBe('Running');
    expect(play({ inconclusiveLimit: 2 }, 'IPIPI').phase).toBe('Inconclusive');
  });

  it('can end Successful with no pass at all, where inconclusiveLimit reaches count', () => {
    expect(play({ count: 3, inconclusiveLimit: 3 }, 'III').phase).toBe('Successful');
  });

  it('ends Successful after consecutiveSuccessLimit passes in a row', () => {
    const gate = { count: 10, consecutiveSuccessLimit: 2, inconclusiveLimit: 10 };
    expect(play(gate, 'PIPI').phase).toBe('Running');
    expect(play(gate, 'PIPP')).toEqual({ phase: 'Successful', times: [0, 60, 120, 180] });
    expect(play(gate, 'PEP').phase).toBe('Running');
  });

  it('ends Inconclusive where count is reached and consecutiveSuccessLimit is not', () => {
    expect(play({ count: 4, consecutiveSuccessLimit: 2, inconclusiveLimit: 4 }, 'PIPI').phase).toBe(
      'Inconclusive',
    );
    expect(
      play({ count: 2, consecutiveSuccessLimit: 2, inconclusiveLimit: 4, failureLimit: -1 }, 'PI').phase,
    ).toBe('Failed');
  });

  it('does not count errors as measurements', () => {
    expect(play({ count: 2 }, 'PEE').phase).toBe('Running');
    expect(play({ count: 2 }, 'PEEP').phase).toBe('Successful');
  });

  it('measures once without interval and count', () => {
    expect(play({ intervalMs: undefined }, 'PP')).toEqual({ phase: 'Successful', times: [0] });
    expect(play({ intervalMs: undefined }, 'EP').times).toEqual([0, 10]);
  });

  it('is Successful when it is terminated, even with no measurement', () => {
    const run = new AnalysisRun([metricOf({ initialDelayMs: 150_000 })], 0);
    run.terminate();
    expect(run.phase).toBe('Successful');
  });

  it('ends as a whole with the first metric that does not succeed, and takes the worst phase', () => {
    const [slow, failing, passing] = [
      metricOf({ name: 'slow', initialDelayMs: 600_000 }),
      metricOf({ name: 'failing' }),
      metricOf({ name: 'passing', count: 1 }),
    ];
    const run = new AnalysisRun([slow, failing, passing], 0);
    expect(run.due(0)).toEqual([failing, passing]);
    run.record(
      [
        [failing, 'Failed'],
        [passing, 'Inconclusive'],
      ],
      0,
    );
    expect(run.phase).toBe('Failed');
    expect(run.phaseOf(slow)).toBe('Successful');
    expect(run.nextMs()).toBeUndefined();
  });

  it('goes on while one of its metrics does', () => {
    const [first, second] = [metricOf({ name: 'first', count: 1 }), metricOf({ name: 'second', count: 2 })];
    const run = new AnalysisRun([first, second], 0);
    run.record(
      [
        [first, 'Successful'],
        [second, 'Successful'],
      ],
      0,
    );
    expect(run.phase).toBe('Running');
    expect(run.due(60_000)).toEqual([second]);
  });

  it('refuses two metrics of one name', () => {
    expect(() => new AnalysisRun([metricOf(), metricOf()], 0)).toThrow('two metrics of one name');
  });
});

const gate = metricOf({ name: 'gate', count: 3, consecutiveSuccessLimit: 2, inconclusiveLimit: 3 });
const watch = metricOf({
  name: 'watch',
  initialDelayMs: 150_000,
  inconclusiveLimit: 10_000,
  consecutiveErrorLimit: 360,
});
const sample: CanarySpec<Metric> = {
  steps: [
    { kind: 'setWeight', weight: 25 },
    { kind: 'pause', durationMs: 300_000 },
    { kind: 'analysis', metrics: [gate] },
    { kind: 'setWeight', weight: 100 },
  ],
  background: { startingStep: 1, metrics: [watch] },
};

/** Runs a rollout with an answer for each measurement, and says what happened when (s). */
function rollOut(
  spec: CanarySpec<Metric>,
  answer: (name: string, seconds: number) => MeasurementPhase,
  podStartMs = 20_000,
) {
  const run = new RolloutRun(spec, 0, podStartMs);
  const asked: string[] = [];
  let nowMs = 0;
  for (let next = run.nextMs(); next !== undefined && next < 7_200_000; next = run.nextMs()) {
    nowMs = next;
    run.advance(nowMs);
    for (const { run: analysis, metrics } of run.due(nowMs)) {
      const measured = metrics.map((metric) => {
        asked.push(`${metric.name} ${nowMs / 1000}`);
        return [metric, answer(metric.name, nowMs / 1000)] as const;
      });
      analysis.record(measured, nowMs);
    }
    run.advance(nowMs);
  }
  return {
    phase: run.phase,
    at: nowMs / 1000,
    weights: run.weights.map(({ atMs, weight }) => `${weight}% ${atMs / 1000}`),
    asked,
  };
}

describe('a Rollout', () => {
  it('goes through its steps, with the background analysis from its starting step on', () => {
    expect(rollOut(sample, () => 'Successful')).toEqual({
      phase: 'promoted',
      at: 400,
      weights: ['25% 20', '100% 400'],
      asked: ['watch 170', 'watch 230', 'watch 290', 'gate 320', 'watch 350', 'gate 380'],
    });
  });

  it('is aborted by the background analysis during a pause, and all traffic is stable again', () => {
    const { phase, at, weights } = rollOut(sample, (name, seconds) =>
      name === 'watch' && seconds >= 200 ? 'Failed' : 'Successful',
    );
    expect({ phase, at, weights }).toEqual({ phase: 'aborted', at: 230, weights: ['25% 20', '0% 230'] });
  });

  it('is aborted by an analysis step that fails, and by one that ends in Error', () => {
    expect(rollOut(sample, (name) => (name === 'gate' ? 'Failed' : 'Inconclusive')).phase).toBe('aborted');
    const broken = rollOut(sample, (name) => (name === 'gate' ? 'Error' : 'Inconclusive'));
    expect({ phase: broken.phase, at: broken.at }).toEqual({ phase: 'aborted', at: 360 });
  });

  it('waits for a person where an analysis step ends Inconclusive, with the weights as they are', () => {
    const { phase, at, weights } = rollOut(sample, () => 'Inconclusive');
    expect({ phase, at, weights }).toEqual({ phase: 'paused', at: 440, weights: ['25% 20'] });
  });

  it('is not held back by a background analysis that is inconclusive or cannot ask', () => {
    for (const answer of ['Inconclusive', 'Error'] as const)
      expect(rollOut(sample, (name) => (name === 'watch' ? answer : 'Successful')).phase).toBe('promoted');
  });

  it('waits for a person where the background analysis ends Inconclusive', () => {
    const impatient = { ...watch, inconclusiveLimit: 1 };
    const { phase, at } = rollOut(
      { ...sample, background: { startingStep: 1, metrics: [impatient] } },
      () => 'Inconclusive',
    );
    expect({ phase, at }).toEqual({ phase: 'paused', at: 230 });
  });

  it('gets through without a measurement, where the steps end before the first one', () => {
    const { phase, asked } = rollOut(
      {
        steps: [
          { kind: 'setWeight', weight: 25 },
          { kind: 'pause', durationMs: 60_000 },
        ],
        background: { startingStep: 0, metrics: [watch] },
      },
      () => 'Failed',
    );
    expect({ phase, asked }).toEqual({ phase: 'promoted', asked: [] });
  });

  it('asks the background analysis until the last pods are ready', () => {
    const { phase, at } = rollOut(
      { steps: [{ kind: 'setWeight', weight: 25 }], background: { startingStep: 1, metrics: [watch] } },
      () => 'Failed',
      200_000,
    );
    expect({ phase, at }).toEqual({ phase: 'aborted', at: 350 });
  });

  it('shifts traffic to a greater weight when the pods are ready, and to a smaller one at once', () => {
    const steps = [50, 20, 50].map((weight) => ({ kind: 'setWeight', weight }) as const);
    expect(rollOut({ steps, background: undefined }, () => 'Successful').weights).toEqual([
      '50% 20',
      '20% 20',
      '50% 40',
      '100% 60',
    ]);
  });

  it('waits for a person at a pause without a duration', () => {
    const steps = [{ kind: 'pause', durationMs: undefined } as const];
    expect(rollOut({ steps, background: undefined }, () => 'Successful').phase).toBe('paused');
  });
});
