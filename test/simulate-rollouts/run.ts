/**
 * `npm run simulate:rollouts [-- --runs 200 --seed 1 --processes 2 --only good,demo --services member-api --sizes 1000,100
 * --hours peak,mean --availability-only --analysis service --registry PATH --count 15 --passes 2 --sized --json --write --stored]`:
 * what becomes of whole rollouts, through the generated Rollouts and templates, Argo's rules and the product's own judge. `--write` puts the results into
 * test/simulate-rollouts/results.json, and tables and chart into docs/; `--stored` takes the results from there.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { fillIn } from '../simulate/tables.ts';
import { rolloutsChart } from './chart.ts';
import { type Cell, type Hour, hours, releases, sizes } from './releases.ts';
import { type SetupOptions, setUp } from './simulate.ts';
import { simulateAll } from './simulate-all.ts';
import { reasonsText, tablesOf } from './tables.ts';
import { type Results, resultsOf, withReleases } from './tally.ts';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    processes: { type: 'string', default: String(availableParallelism()) },
    only: { type: 'string' },
    services: { type: 'string' },
    sizes: { type: 'string' },
    hours: { type: 'string' },
    'availability-only': { type: 'boolean', default: false },
    analysis: { type: 'string', default: 'cujs' },
    registry: { type: 'string' },
    count: { type: 'string' },
    passes: { type: 'string' },
    sized: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    stored: { type: 'boolean', default: false },
  },
});

function misuse(message: string): never {
  process.stderr.write(`${message}\n`);
  return process.exit(2);
}

function whole(name: 'runs' | 'seed' | 'processes' | 'count' | 'passes'): number {
  const value = Number(values[name]);
  if (Number.isInteger(value) && value > 0) return value;
  return misuse(`--${name} ${values[name]} is not a whole number above 0.`);
}

/** Of an app; others than those of the tables are for trials. */
function requestsPerSecond(text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  return misuse(`--sizes ${text} is not a number of requests a second.`);
}

/** The wanted ones of a list, or all. */
function chosen(name: 'only' | 'services' | 'hours', known: readonly string[]): readonly string[] {
  const wanted = values[name]?.split(',') ?? known;
  const unknown = wanted.find((each) => !known.includes(each));
  if (unknown !== undefined) misuse(`--${name} ${unknown} is none of ${known.join(', ')}.`);
  return known.filter((each) => wanted.includes(each));
}

const root = new URL('../../', import.meta.url);
const stored = new URL('test/simulate-rollouts/results.json', root);
const { analysis } = values;
if (analysis !== 'cujs' && analysis !== 'service') misuse('--analysis is cujs or service.');

const isTrial =
  values.sized || [values.registry, values.count, values.passes].some((value) => value !== undefined);
const isPart = [values.services, values.sizes, values.hours].some((value) => value !== undefined);
if (values.write && values.only !== undefined && isPart)
  misuse('--only with --write is for all services, sizes and hours: they are put into the stored results.');
if (values.write && isTrial) misuse('--write is for the registry and the sample of this repository.');

async function obtain(): Promise<Results> {
  if (values.stored) return JSON.parse(readFileSync(stored, 'utf8')) as Results;
  const options: SetupOptions = {
    availabilityOnly: values['availability-only'],
    analysis: analysis as SetupOptions['analysis'],
    ...(values.registry === undefined ? {} : { registry: values.registry }),
    ...(values.count === undefined ? {} : { count: whole('count') }),
    ...(values.passes === undefined ? {} : { passes: whole('passes') }),
  };
  const { services: released, sample } = await setUp(options);
  const services = chosen('services', [...released.keys()]);
  const requests = values.sizes?.split(',').map(requestsPerSecond) ?? sizes;
  const times = chosen('hours', Object.keys(hours)) as Hour[];
  const ids = chosen(
    'only',
    releases.map(({ id }) => id),
  );
  const cells: Cell[] = releases
    .filter(({ id }) => ids.includes(id))
    .flatMap(({ id: release, services: only = services }) =>
      requests.flatMap((requestsPerSecond) =>
        times.flatMap((hour) =>
          services
            .filter((service) => only.includes(service))
            .map((service) => ({ release, service, requestsPerSecond, hour })),
        ),
      ),
    );
  const [runs, seed] = [whole('runs'), whole('seed')];
  const progress = (done: number) => process.stderr.write(`\r${done} of ${cells.length} cells`);
  const task = { runs, seed, options, sized: values.sized };
  const simulated = await simulateAll(cells, task, whole('processes'), progress);
  process.stderr.write('\n');
  return resultsOf(simulated, { runs, seed, ...options, sample });
}

/** One cell a line, so that a change shows what has changed. */
function jsonOf({ sizes: bySize, cells, ...rest }: Results): string {
  const lines = (of: readonly unknown[]) =>
    of.length === 0 ? '[]' : `[\n    ${of.map((each) => JSON.stringify(each)).join(',\n    ')}\n  ]`;
  const head = JSON.stringify(rest, null, 2).slice(0, -2);
  return `${head},\n  "sizes": ${lines(bySize)},\n  "cells": ${lines(cells)}\n}\n`;
}

/** Only some releases are put among the others of the stored results. */
async function obtainToWrite(): Promise<Results> {
  const now = await obtain();
  if (!values.write || values.stored || values.only === undefined) return now;
  const before = JSON.parse(readFileSync(stored, 'utf8')) as Results;
  return (
    withReleases(before, now) ??
    misuse(
      `The stored results are of --runs ${before.runs} --seed ${before.seed} or of another sample: simulate all releases.`,
    )
  );
}

const results = await obtainToWrite();
if (values.write && !results.cells.every(({ requestsPerSecond: of }) => sizes.some((size) => size === of)))
  misuse(`--write is for the sizes ${sizes.join(', ')}.`);
const tables = tablesOf(results);
if (values.write) {
  writeFileSync(stored, jsonOf(results));
  const docs = new URL('docs/rollout-simulation.md', root);
  writeFileSync(docs, fillIn(readFileSync(docs, 'utf8'), tables));
  writeFileSync(new URL('docs/rollout-simulation.svg', root), rolloutsChart(results));
}
if (values.json) process.stdout.write(jsonOf(results));
else {
  for (const [name, body] of tables) process.stdout.write(`${name}\n\n${body}\n\n`);
  process.stdout.write(`${reasonsText(results)}\n`);
}
