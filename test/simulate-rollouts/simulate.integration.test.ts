import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fillIn } from '../simulate/tables.ts';
import { rolloutsChart } from './chart.ts';
import { type Cell, releases } from './releases.ts';
import type { Ending } from './rollout.ts';
import { setUp, simulateCell, simulateOne } from './simulate.ts';
import { tablesOf } from './tables.ts';
import { type CellTally, checksOf, type Results, resultsOf, tallyOf, withReleases } from './tally.ts';

const options = { availabilityOnly: false, analysis: 'cujs' } as const;
const setup = await setUp(options);
const demo: Cell = { release: 'demo', service: 'member-api', requestsPerSecond: 1000, hour: 'mean' };

describe('a simulated rollout', () => {
  it('ends the same for the same seed, whatever else was simulated', async () => {
    const endings = await simulateCell(setup, demo, 4, 7);
    expect(await simulateOne(setup, demo, 3, 7)).toEqual(endings[3]);
    expect(await simulateOne(setup, demo, 3, 8)).not.toEqual(endings[3]);
  });

  it("is aborted by the demo's fault, after it has failed", async () => {
    const ending = (await simulateOne(setup, demo, 0, 1)) as Ending;
    expect(ending).toMatchObject({ end: 'aborted', because: ['signup slo_violated'], allTraffic: null });
    expect(ending.failed).toBeGreaterThan(1);
    expect(ending.sinceFault).toBeGreaterThan(90);
    expect(ending.sinceFault).toBeLessThan(ending.done);
  });

  it('can be of every kind', async () => {
    for (const { id, services: [service = 'payment-api'] = [] } of releases) {
      const cell: Cell = { release: id, service, requestsPerSecond: 100, hour: 'quietest' };
      const ending = await simulateOne(setup, cell, 0, 1);
      if (ending !== undefined) expect(['promoted', 'aborted', 'paused'], id).toContain(ending.end);
    }
  });
});

const ending: Ending = {
  end: 'promoted',
  because: [],
  allTraffic: 400,
  done: 500,
  sinceFault: null,
  failed: 0,
  faultyRequests: 0,
  questions: 28,
};

describe('what is wanted', () => {
  const cell: Cell = { ...demo, release: 'good' };
  const withPaused = (paused: number) =>
    checksOf(
      resultsOf(
        [
          { cell: { ...cell, hour: 'peak' }, endings: Array.from({ length: 200 }, () => ending) },
          {
            cell,
            endings: Array.from({ length: 200 }, (_, i) =>
              i < paused ? { ...ending, end: 'paused' as const, allTraffic: null } : ending,
            ),
          },
        ],
        { runs: 200, seed: 1, ...options, sample: 'sha256:0' },
      ),
    );

  it('is compared with the worst cell', () => {
    const [promoted, allTraffic] = withPaused(2);
    expect(promoted).toMatchObject({ value: 99, met: 'yes', worst: { hour: 'mean' } });
    expect(allTraffic).toMatchObject({ value: 400, met: 'yes' });
  });

  it('is not missed by what chance explains, and is by more', () => {
    expect(withPaused(4)[0]?.met).toBe('noise');
    expect(withPaused(8)[0]?.met).toBe('no');
  });
});

describe('results of which some releases were simulated again', () => {
  const made = { runs: 1, seed: 1, ...options, sample: 'sha256:0' };
  const of = (release: string, failed: number) => ({
    cell: { ...demo, release },
    endings: [{ ...ending, failed, end: 'aborted' as const }],
  });
  const before = resultsOf([of('good', 1), of('demo', 1), of('away', 1)], made);

  it('are those of a run of all of them', () => {
    const merged = withReleases(before, resultsOf([of('demo', 2)], made));
    const { again, ...rest } = merged as Results;
    expect(rest).toEqual(resultsOf([of('good', 1), of('demo', 2), of('away', 1)], made));
    expect(again).toEqual(['demo']);
    expect(withReleases(merged as Results, resultsOf([of('good', 2)], made))?.again).toEqual([
      'good',
      'demo',
    ]);
    expect(tablesOf(merged as Results).get('source')).toContain('`--only demo`');
  });

  it('are not made of rollouts that cannot be compared', () => {
    expect(withReleases(before, resultsOf([of('demo', 2)], { ...made, seed: 2 }))).toBeUndefined();
    expect(withReleases(before, resultsOf([of('demo', 2)], { ...made, sample: 'sha256:1' }))).toBeUndefined();
  });
});

describe('the stored results', () => {
  const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
  const results = JSON.parse(read('test/simulate-rollouts/results.json')) as Results;

  it("are those of today's sample Rollouts, and begin as a run of today does", async () => {
    expect(results.sample, 'run npm run simulate:rollouts -- --write').toBe(setup.sample);
    // A quick cell again.
    const cell: Cell = {
      release: 'endpoint',
      service: 'payment-api',
      requestsPerSecond: 1000,
      hour: 'quietest',
    };
    const stored = results.cells.find((each) =>
      (Object.keys(cell) as (keyof Cell)[]).every((key) => each[key] === cell[key]),
    ) as CellTally;
    expect(tallyOf(await simulateCell(setup, cell, results.runs, results.seed))).toEqual(stored.tally);
  });

  it('are what docs/rollout-simulation.md shows', () => {
    const docs = read('docs/rollout-simulation.md');
    expect(fillIn(docs, tablesOf(results))).toBe(docs);
    expect(rolloutsChart(results)).toBe(read('docs/rollout-simulation.svg'));
  });
});
