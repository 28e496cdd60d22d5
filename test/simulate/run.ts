/**
 * `npm run simulate [-- --runs 4000 --seed 1 --processes 2 --json --write --stored]`: the effect of the rules on good and bad
 * releases, by the product's own judge. `--write` puts the results into test/simulate/results.json and their
 * tables and charts into docs/; `--stored` reads the results from there instead of simulating.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { characteristicsChart, linesChart, timelineChart } from './chart.ts';
import { type Results, simulateAll } from './simulate.ts';
import { fillIn, tablesOf } from './tables.ts';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '4000' },
    seed: { type: 'string', default: '1' },
    processes: { type: 'string', default: String(availableParallelism()) },
    json: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    stored: { type: 'boolean', default: false },
  },
});

function whole(name: 'runs' | 'seed' | 'processes'): number {
  const value = Number(values[name]);
  if (Number.isInteger(value) && value > 0) return value;
  process.stderr.write(`--${name} ${values[name]} is not a whole number above 0.\n`);
  return process.exit(2);
}

const root = new URL('../../', import.meta.url);
const stored = new URL('test/simulate/results.json', root);

async function obtain(): Promise<Results> {
  if (values.stored) return JSON.parse(readFileSync(stored, 'utf8')) as Results;
  const progress = (done: number, of: number) => process.stderr.write(`\r${done} of ${of} cells`);
  const results = await simulateAll(whole('runs'), whole('seed'), whole('processes'), progress);
  process.stderr.write('\n');
  return results;
}

const results = await obtain();
const tables = tablesOf(results);
if (values.write) {
  writeFileSync(stored, `${JSON.stringify(results, null, 2)}\n`);
  const docs = new URL('docs/verdicts.md', root);
  writeFileSync(docs, fillIn(readFileSync(docs, 'utf8'), tables));
  writeFileSync(new URL('docs/verdict-timeline.svg', root), timelineChart());
  writeFileSync(new URL('docs/verdict-lines.svg', root), linesChart());
  writeFileSync(new URL('docs/verdict-characteristics.svg', root), characteristicsChart(results));
}
if (values.json) process.stdout.write(`${JSON.stringify(results)}\n`);
else for (const [name, body] of tables) process.stdout.write(`${name}\n\n${body}\n\n`);
