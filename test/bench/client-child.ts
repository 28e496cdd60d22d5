/**
 * How long a call takes, from the plan to checked counts, and how long undici and JSON.parse take for the same bytes.
 * Arguments: a server that answers with them, a file with the request's body, rounds. Prints medians in ms as JSON.
 */
import { readFileSync } from 'node:fs';
import { Pool } from 'undici';
import { DatadogConnection } from '../../src/sources/datadog/api/connection.ts';
import { createDatadogSource } from '../../src/sources/datadog/api/source.ts';
import { clientQuestion } from './client-question.ts';
import { median } from './figure.ts';

const [url = '', questionFile = '', rounds] = process.argv.slice(2);
const question = readFileSync(questionFile, 'utf8');
const connection = new DatadogConnection({ apiKey: 'nobody', appKey: 'nobody', url });
const source = await createDatadogSource(connection);
const pool = new Pool(url, { connections: 1 });
const query = clientQuestion();
const { signal } = new AbortController();

const ours = () => source.measure(query, signal);
const theirs = async () => {
  const { body } = await pool.request({ method: 'POST', path: '/api/v2/query/timeseries', body: question });
  return JSON.parse(await body.text());
};

/** In turns, call by call, so that a slow machine slows both down. */
async function medians(): Promise<[number, number]> {
  const times: [number[], number[]] = [[], []];
  for (let i = 0; i < 300; i += 1) {
    for (const [at, call] of [ours, theirs].entries()) {
      const began = performance.now();
      await call();
      times[at]?.push(performance.now() - began);
    }
  }
  return [median(times[0]), median(times[1])];
}

const all: [number, number][] = [];
// The first round warms up.
for (let round = -1; round < Number(rounds); round += 1) {
  const both = await medians();
  if (round >= 0) all.push(both);
}
console.log(JSON.stringify({ ours: all.map(([our]) => our), theirs: all.map(([, their]) => their) }));
await pool.close();
await connection.close();
