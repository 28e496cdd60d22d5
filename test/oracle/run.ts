import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { judgeAgain, parseRecord } from '../../src/commands/record.ts';
import { differences } from './compare.ts';

/**
 * Random hard measurements, judged by the product and by oracle.py, which was written from docs/verdicts.md alone.
 *
 *     npm run oracle -- --count 120000 --seed 7
 */

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '3000' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string' },
    workers: { type: 'string', default: '2' },
    show: { type: 'string', default: '10' },
    out: { type: 'string', default: 'test/oracle/disagreements' },
  },
});
const count = Number(values.count);
const workers = values.only === undefined ? Number(values.workers) : 1;
const folder = import.meta.dirname;

interface Tally {
  passed: number;
  failed: number;
  readonly verdicts: Map<string, number>;
  readonly fields: Map<string, number>;
}

const tally: Tally = { passed: 0, failed: 0, verdicts: new Map(), fields: new Map() };

function python(script: string, ...args: string[]): ChildProcessWithoutNullStreams {
  const child = spawn('python3', ['-B', path.join(folder, script), ...args]);
  child.stderr.pipe(process.stderr);
  return child;
}

function exitOf(child: ChildProcessWithoutNullStreams): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
}

/** One generator and one oracle: the generator's lines go to the oracle and to the product alike. */
async function work(first: number, step: number, end: number): Promise<void> {
  const generator = python(
    'generate.py',
    ...['--seed', String(values.seed), '--first', String(first), '--step', String(step), '--count', String(end)],
  );
  const oracle = python('oracle.py');
  const ends = [exitOf(generator), exitOf(oracle)];
  const answers = createInterface({ input: oracle.stdout })[Symbol.asyncIterator]();
  let index = first;
  // Some lines ahead, so that neither side waits for the other.
  const ahead: { readonly line: string; readonly index: number }[] = [];
  const settle = async () => {
    const next = ahead.shift();
    if (next === undefined) return;
    const answer = await answers.next();
    if (answer.done === true) throw new Error(`oracle.py stopped at measurement ${next.index}`);
    check(next.line, next.index, JSON.parse(answer.value));
  };
  for await (const line of createInterface({ input: generator.stdout })) {
    if (!oracle.stdin.write(`${line}\n`) && ahead.length === 0)
      await new Promise((resolve) => oracle.stdin.once('drain', resolve));
    ahead.push({ line, index });
    index += step;
    if (ahead.length > 16) await settle();
  }
  oracle.stdin.end();
  while (ahead.length > 0) await settle();
  for (const code of await Promise.all(ends))
    if (code !== 0) throw new Error(`a Python process ended with exit code ${code}`);
}

function check(line: string, index: number, expected: unknown): void {
  const record = parseRecord(`${line.slice(0, -1)},"verdict":{}}`);
  let verdict: unknown;
  try {
    ({ verdict } = judgeAgain(record));
  } catch (error) {
    verdict = { threw: String((error as Error).stack) };
  }
  const found = differences(expected, verdict);
  const { reason, rule } = verdict as { reason: string; rule: string };
  tally.verdicts.set(`${rule} ${reason}`, (tally.verdicts.get(`${rule} ${reason}`) ?? 0) + 1);
  if (found.length === 0) {
    tally.passed += 1;
    return;
  }
  tally.failed += 1;
  for (const { field } of found) {
    const name = field.replace(/\d+/g, 'N');
    tally.fields.set(name, (tally.fields.get(name) ?? 0) + 1);
  }
  if (tally.failed > Number(values.show)) return;
  const out = path.resolve(String(values.out));
  mkdirSync(out, { recursive: true });
  const file = path.join(out, `${values.seed}-${index}.json`);
  writeFileSync(file, `${JSON.stringify({ ...record, verdict, oracle: expected })}\n`);
  console.log(`measurement ${index} of seed ${values.seed}, written to ${file}:`);
  for (const { field, oracle, product } of found)
    console.log(`  ${field}: oracle ${JSON.stringify(oracle)}, product ${JSON.stringify(product)}`);
}

const begin = performance.now();
if (values.only === undefined)
  await Promise.all(Array.from({ length: workers }, (_, i) => work(i, workers, count)));
else await work(Number(values.only), 1, Number(values.only) + 1);

const sorted = (counts: Map<string, number>) => [...counts].sort((a, b) => b[1] - a[1]);
console.log(
  `${sorted(tally.verdicts)
    .map(([name, n]) => `${name} ${n}`)
    .join(', ')}`,
);
if (tally.failed > 0)
  console.log(
    `fields that differ: ${sorted(tally.fields)
      .map(([name, n]) => `${name} ${n}`)
      .join(', ')}`,
  );
console.log(`${((performance.now() - begin) / 1000).toFixed(1)} s`);
console.log(`${tally.passed} passed, ${tally.failed} failed`);
process.exitCode = tally.failed === 0 && tally.passed > 0 ? 0 : 1;
