/**
 * `npm run benchmark:detection [-- --runs 100 --good 1000 --seed 1 --processes 2 --only 5x,20x,endpoint --shapes step,ramp,burst
 * --traffic 50,200,2000 --onsets 0,10,60 --json --write --stored]`: how soon the gate aborts bad releases, and how soon what people
 * would use instead does, at as many false aborts. `--write` puts the results into test/benchmark-detection/results.json, and tables and
 * chart into docs/; `--stored` takes the results from there.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { fillIn } from '../simulate/tables.ts';
import { inProcesses } from '../simulate-rollouts/in-processes.ts';
import {
  type CellResult,
  type FaultTask,
  type GoodRollouts,
  type GoodTask,
  goodIds,
  isTunedOn,
  tune,
} from './benchmark.ts';
import { detectionChart } from './chart.ts';
import { jsonOf, type Results, resultsOf } from './results.ts';
import { cellsOf, onsets, type Shape, type Size, shapes, sizes, traffics } from './scenarios.ts';
import { tablesOf } from './tables.ts';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '100' },
    good: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    processes: { type: 'string', default: String(availableParallelism()) },
    only: { type: 'string' },
    shapes: { type: 'string' },
    traffic: { type: 'string' },
    onsets: { type: 'string' },
    json: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    stored: { type: 'boolean', default: false },
  },
});

function misuse(message: string): never {
  process.stderr.write(`${message}\n`);
  return process.exit(2);
}

function whole(name: 'runs' | 'good' | 'seed' | 'processes'): number {
  const value = Number(values[name]);
  if (Number.isInteger(value) && value > 0) return value;
  return misuse(`--${name} ${values[name]} is not a whole number above 0.`);
}

/** The wanted ones of a list, or all. */
function chosen<T extends string>(
  name: 'only' | 'shapes' | 'traffic' | 'onsets',
  known: readonly T[],
): readonly T[] {
  const wanted: readonly string[] = values[name]?.split(',') ?? known;
  const unknown = wanted.find((each) => !(known as readonly string[]).includes(each));
  if (unknown !== undefined) misuse(`--${name} ${unknown} is none of ${known.join(', ')}.`);
  return known.filter((each) => wanted.includes(each));
}

const root = new URL('../../', import.meta.url);
const stored = new URL('test/benchmark-detection/results.json', root);

/** Tasks of few rollouts share the processes evenly. */
function chunks(runs: number): { readonly firstRun: number; readonly runs: number }[] {
  const size = 100;
  return Array.from({ length: Math.ceil(runs / size) }, (_, i) => ({
    firstRun: i * size,
    runs: Math.min(size, runs - i * size),
  }));
}

async function obtain(): Promise<Results> {
  if (values.stored) return JSON.parse(readFileSync(stored, 'utf8')) as Results;
  const [runs, good, seed, processes] = [whole('runs'), whole('good'), whole('seed'), whole('processes')];
  const wanted = {
    traffics: chosen('traffic', traffics.map(String)).map(Number),
    sizes: chosen('only', sizes) as readonly Size[],
    shapes: chosen('shapes', shapes) as readonly Shape[],
    onsets: chosen('onsets', onsets.map(String)).map(Number),
  };
  const script = new URL('cell.ts', import.meta.url);
  const report = (what: string, of: number) => (done: number) =>
    process.stderr.write(`\r${what}: ${done} of ${of}${done === of ? '\n' : ''}`);
  const goodTasks = wanted.traffics.flatMap((requestsPerMinute) =>
    goodIds.flatMap((release) =>
      chunks(isTunedOn(release) ? good : Math.ceil(good / 5)).map(
        (part): GoodTask => ({ kind: 'good', requestsPerMinute, release, ...part, seed }),
      ),
    ),
  );
  const ofGood = await inProcesses<GoodTask, GoodRollouts>(
    script,
    goodTasks,
    processes,
    report('good releases', goodTasks.length),
  );
  const tunings = tune(wanted.traffics, ofGood);
  const faultTasks = cellsOf(wanted).map((cell): FaultTask => {
    const tuning = tunings.find((each) => each.requestsPerMinute === cell.requestsPerMinute);
    if (tuning === undefined)
      throw new Error(`nothing was tuned for ${cell.requestsPerMinute} requests a minute`);
    return { kind: 'fault', cell, runs, seed, tuning };
  });
  const cells = await inProcesses<FaultTask, CellResult>(
    script,
    faultTasks,
    processes,
    report('faults', faultTasks.length),
  );
  return resultsOf({ seed, runs, good }, tunings, cells);
}

const results = await obtain();
const tables = tablesOf(results);
if (values.write) {
  writeFileSync(stored, jsonOf(results));
  const docs = new URL('docs/detection-benchmark.md', root);
  writeFileSync(docs, fillIn(readFileSync(docs, 'utf8'), tables));
  writeFileSync(new URL('docs/detection-benchmark.svg', root), detectionChart(results));
}
if (values.json) process.stdout.write(jsonOf(results));
else for (const [name, body] of tables) process.stdout.write(`${name}\n\n${body}\n\n`);
