import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/demo/datadog/random.ts';
import { fillIn } from '../simulate/tables.ts';
import { type GoodRelease, type GoodRollouts, gateId, runFault, tallyOf, tune } from './benchmark.ts';
import { detectionChart } from './chart.ts';
import { detectors } from './detectors.ts';
import { gateAbortMs, historyMs, intervalMs, lagMs } from './gate-detector.ts';
import { type Results, sampleDigest } from './results.ts';
import { cellsOf, onsets, shapes, sizes, traffics } from './scenarios.ts';
import { tablesOf } from './tables.ts';
import { drawRollout } from './traffic.ts';

describe('the gate as a detector', () => {
  const broken = (seed: number) =>
    drawRollout({
      requestsPerMinute: 200,
      random: seededRandom(seed),
      historyMs,
      fault: { size: 'endpoint', shape: 'step', onsetMinutes: 10 },
    });

  it('aborts a broken endpoint, after its lag and soon', async () => {
    for (let seed = 0; seed < 5; seed += 1) {
      const data = broken(seed);
      const sinceMs = ((await gateAbortMs(data)) as number) - (data.firstFailureMs as number);
      expect(sinceMs).toBeGreaterThan(lagMs);
      expect(sinceMs).toBeLessThan(lagMs + 150_000 + intervalMs);
    }
  });

  it('does not abort an ordinary release', async () => {
    for (let seed = 0; seed < 5; seed += 1) {
      const data = drawRollout({ requestsPerMinute: 200, random: seededRandom(seed), historyMs });
      expect(await gateAbortMs(data)).toBeUndefined();
    }
  });
});

describe('tuning', () => {
  const rollouts = (
    requestsPerMinute: number,
    release: GoodRelease,
    highest: readonly number[],
  ): GoodRollouts => ({
    requestsPerMinute,
    release,
    gate: highest.map((_, i) => i === 0 && release === 'at1'),
    detectors: Object.fromEntries(detectors.map(({ id }) => [id, highest])),
    knownFaults: {},
  });
  const good = [50, 200].flatMap((requestsPerMinute) => [
    rollouts(
      requestsPerMinute,
      'at1',
      [4, 3, 2, 1].map((value) => value * requestsPerMinute),
    ),
    rollouts(
      requestsPerMinute,
      'at0.2',
      [2, 1, 0, 0].map((value) => value * requestsPerMinute),
    ),
    rollouts(requestsPerMinute, 'dependency', [1000, 1000]),
    rollouts(requestsPerMinute, 'bursts', [1, 1000]),
  ]);
  const [small, large] = tune([50, 200], good);

  it('allows as many false aborts as the gate has, at each rate by itself', () => {
    expect(small?.gate).toEqual({ at1: 1, 'at0.2': 0 });
    const tuned = small?.detectors['talk-cuj'];
    expect(tuned?.at1).toEqual({ threshold: 150, aborted: { at1: 1, 'at0.2': 0 } });
    expect(tuned?.['at0.2']).toEqual({ threshold: 100, aborted: { at1: 2, 'at0.2': 0 } });
    expect(tuned?.default.threshold).toBe(0.0005);
  });

  it('counts what a tuned threshold does to good releases that it was not tuned on', () => {
    expect(small?.dependency.detectors['talk-cuj']).toBe(2);
    expect(small?.bursts.detectors['talk-cuj']).toBe(1);
    // Tuned at 200 requests a minute: nothing of 50 is above it.
    expect(small?.lessTraffic?.detectors['talk-cuj']).toBe(0);
    expect(large?.lessTraffic).toBeNull();
  });
});

describe('a tally', () => {
  it('leaves out what was aborted before the fault showed, and counts what was not aborted as longest', () => {
    const outcomes = [
      undefined,
      ...[100, 200, 300].map((seconds) => ({ seconds, failed: seconds / 10 })),
      { seconds: null, failed: 500 },
    ];
    expect(tallyOf(outcomes)).toEqual({
      early: 1,
      aborted: 3,
      seconds: { median: 200, p90: null },
      failed: { median: 20, p90: 500 },
    });
  });
});

describe('the stored results', () => {
  const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
  const results = JSON.parse(read('test/benchmark-detection/results.json')) as Results;

  it('have all cells', () => {
    const wanted = cellsOf({ traffics, sizes, shapes, onsets });
    expect(results.cells).toMatchObject(wanted);
    expect(results.cells).toHaveLength(wanted.length);
  });

  it("are those of today's policy and template, and begin as a run of today does", async () => {
    expect(results.sample, 'run npm run benchmark:detection -- --write').toBe(sampleDigest);
    // A quick cell again.
    const stored = results.cells.find(
      ({ requestsPerMinute, size, shape, onsetMinutes }) =>
        requestsPerMinute === 50 && size === 'endpoint' && shape === 'step' && onsetMinutes === 0,
    ) as Results['cells'][number];
    const { tallies, runs, ...cell } = stored;
    const [tuning] = results.tunings as [Results['tunings'][number]];
    const again = await runFault(
      { kind: 'fault', cell, runs, seed: results.seed, tuning },
      { gateOnly: true },
    );
    expect(again.tallies[gateId]).toEqual(tallies[gateId]);
  });

  it('are what docs/detection-benchmark.md shows', () => {
    const docs = read('docs/detection-benchmark.md');
    expect(fillIn(docs, tablesOf(results))).toBe(docs);
    expect(detectionChart(results)).toBe(read('docs/detection-benchmark.svg'));
  });
});
