import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { type CujVerdictRecord, judgeAgain, parseRecord } from '../../src/domain/judge/verdict-record.ts';
import { withDispersion } from '../../src/domain/metrics/estimated-dispersion.ts';
import { readMeasurement } from '../../src/domain/metrics/measurement-json.ts';
import { ruleNames } from '../../src/domain/registry/rules.ts';
import { sliNames } from '../../src/domain/sli/table.ts';
import { type Difference, differences } from './compare.ts';
import { shrink } from './shrink.ts';

/**
 * Random hard measurements, judged by the product and by oracle.py, which was written from docs/verdicts-reference.md alone.
 *
 *     npm run oracle -- --count 120000 --seed 7
 *     npm run oracle -- --seed 7 --only 1234
 */

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '3000' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string' },
    workers: { type: 'string', default: '2' },
    show: { type: 'string', default: '5' },
    out: { type: 'string' },
    'without-freshness': { type: 'boolean', default: false },
  },
});

type Question = Omit<CujVerdictRecord, 'verdict'>;

/** A Python process that returns a line for each line. */
class Oracle {
  readonly #child = python('oracle.py');
  readonly #answers = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  readonly ended = exitOf(this.#child);

  ask(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  async answer(): Promise<unknown> {
    const { done, value } = await this.#answers.next();
    if (done === true) throw new Error('oracle.py ended before its answer');
    return JSON.parse(value);
  }

  end(): void {
    this.#child.stdin.end();
  }
}

function python(script: string, ...args: string[]): ChildProcessWithoutNullStreams {
  const child = spawn('python3', ['-B', path.join(import.meta.dirname, script), ...args]);
  child.stderr.pipe(process.stderr);
  return child;
}

async function exitOf(child: ChildProcessWithoutNullStreams): Promise<void> {
  const code = await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  if (code !== 0) throw new Error(`${child.spawnargs.join(' ')} ended with exit code ${code}`);
}

interface Disagreement {
  readonly index: number;
  readonly question: Question;
}

const disagreements: Disagreement[] = [];
const reasons = new Map<string, number>();
const fields = new Map<string, number>();
let passed = 0;

/** One generator and one oracle: the generator's lines go to the oracle and to the product alike. */
async function work(first: number, step: number, end: number): Promise<void> {
  const generator = python(
    'generate.py',
    ...['--seed', values.seed, '--first', String(first), '--step', String(step), '--count', String(end)],
    ...(values['without-freshness'] ? ['--without-freshness'] : []),
  );
  const generated = exitOf(generator);
  const oracle = new Oracle();
  const ahead: string[] = [];
  let index = first;
  const settle = async (line: string) => {
    check(line, index, await oracle.answer());
    index += step;
  };
  for await (const line of createInterface({ input: generator.stdout })) {
    oracle.ask(line);
    // Send some lines ahead, so that the oracle works while the product judges.
    if (ahead.push(line) > 16) await settle(ahead.shift() as string);
  }
  oracle.end();
  for (const line of ahead) await settle(line);
  await Promise.all([generated, oracle.ended]);
}

function check(line: string, index: number, expected: unknown): void {
  const question = JSON.parse(line) as Question;
  const { found, verdict } = compare(question, expected);
  const { rule, reason } = verdict as { rule: string; reason: string };
  count(reasons, `${rule} ${reason}`);
  if (found.length === 0) {
    passed += 1;
    return;
  }
  for (const { field } of found) count(fields, field.replace(/\d+/g, 'N'));
  disagreements.push({ index, question });
}

function compare(
  question: Question,
  expected: unknown,
): { readonly found: Difference[]; readonly verdict: unknown } {
  let verdict: unknown;
  try {
    const record = parseRecord(JSON.stringify({ ...question, verdict: {} })) as CujVerdictRecord;
    verdict = { ...judgeAgain(record).verdict, dispersions: dispersionsIn(record) };
  } catch (error) {
    verdict = { threw: String((error as Error).stack) };
  }
  return { found: differences(expected, verdict), verdict };
}

/** What would be estimated for each service of each SLI, whatever the record has. */
function dispersionsIn({ measurement: written }: CujVerdictRecord): Record<string, number> {
  const measurement = readMeasurement(written);
  return Object.fromEntries(
    sliNames.flatMap((sli) =>
      withDispersion(
        (measurement[sli] ?? []).map((endpoint) => ({ ...endpoint, dispersion: undefined })),
        measurement.fromMs,
      ).map(({ service, dispersion }) => [`${sli} ${service}`, dispersion]),
    ),
  );
}

function count(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

/** The complete disagreements, each with the smallest measurement found that shows it. */
async function show(some: readonly Disagreement[]): Promise<void> {
  const folder = values.out ?? mkdtempSync(path.join(tmpdir(), 'cuj-gate-oracle-'));
  const oracle = new Oracle();
  const judge = async (question: Question) => {
    oracle.ask(JSON.stringify(question));
    const expected = await oracle.answer();
    return { expected, ...compare(question, expected) };
  };
  for (const { index, question } of some) {
    const { found } = await judge(question);
    console.log(`measurement ${index} of seed ${values.seed}:`);
    print(found);
    const kind = found[0]?.field.replace(/\[.*?\]/g, '');
    const small = await shrink(question, async (attempt) =>
      (await judge(attempt)).found.some(({ field }) => field.replace(/\[.*?\]/g, '') === kind),
    );
    const again = await judge(small);
    const file = path.join(folder, `${values.seed}-${index}.json`);
    writeFileSync(file, `${JSON.stringify({ ...small, verdict: again.verdict, oracle: again.expected })}\n`);
    console.log(`  made smaller, in ${file}:`);
    print(again.found);
  }
  oracle.end();
  await oracle.ended;
}

function print(found: readonly Difference[]): void {
  for (const { field, oracle, product } of found)
    console.log(`  ${field}: oracle ${JSON.stringify(oracle)}, product ${JSON.stringify(product)}`);
}

function listed(counts: Map<string, number>): string {
  return [...counts]
    .sort((a, b) => b[1] - a[1])
    .map(([name, n]) => `${name} ${n}`)
    .join(', ');
}

/** Rules of the product that no measurement was judged by: nothing was compared for them. */
function undrawnRules(): string[] {
  const drawn = new Set([...reasons.keys()].map((name) => name.split(' ')[0]));
  return ruleNames.filter((name) => !drawn.has(name));
}

const begin = performance.now();
if (values.only === undefined) {
  const workers = Number(values.workers);
  await Promise.all(Array.from({ length: workers }, (_, i) => work(i, workers, Number(values.count))));
} else {
  await work(Number(values.only), 1, Number(values.only) + 1);
}
console.log(listed(reasons));
if (disagreements.length > 0) {
  disagreements.sort((a, b) => a.index - b.index);
  await show(disagreements.slice(0, Number(values.show)));
  console.log(`fields that differ: ${listed(fields)}`);
  console.log(`measurements: ${disagreements.map(({ index }) => index).join(', ')}`);
}
console.log(`${((performance.now() - begin) / 1000).toFixed(1)} s`);
console.log(`${passed} passed, ${disagreements.length} failed`);
const undrawn = values.only === undefined ? undrawnRules() : [];
if (undrawn.length > 0)
  console.log(`never drawn: ${undrawn.join(', ')}. Add it to the rules of generate.py, or raise --count.`);
process.exitCode = disagreements.length === 0 && passed > 0 && undrawn.length === 0 ? 0 : 1;
