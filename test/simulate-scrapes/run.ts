/**
 * `npm run simulate:scrapes [-- --runs 200]`: how soon a release that fails is aborted over Prometheus, and how often a blip aborts one,
 * by the time between two scrapes. The table is that of docs/prometheus-reference.md.
 */
import { parseArgs } from 'node:util';
import { type Fault, type Scrapes, timeToFail } from './release.ts';

const { values } = parseArgs({ options: { runs: { type: 'string', default: '200' } } });
const runs = Number(values.runs);
if (!Number.isInteger(runs) || runs < 1) {
  process.stderr.write(`--runs ${values.runs} is not a whole number above 0.\n`);
  process.exit(2);
}

const wholly: Fault = { afterMs: 0, lastsMs: Number.POSITIVE_INFINITY, rate: 1 };
const blipOf = (lastsMs: number): Fault => ({ afterMs: 200_000, lastsMs, rate: 1 });

async function timesOf(scrapes: Scrapes, fault: Fault): Promise<number[]> {
  const times: number[] = [];
  for (let seed = 1; seed <= runs; seed += 1)
    times.push((await timeToFail(scrapes, fault, 300_000, seed)) ?? Number.POSITIVE_INFINITY);
  return times.sort((a, b) => a - b);
}

const secondsAt = (times: readonly number[], part: number) =>
  String(Math.round((times[Math.floor(part * (times.length - 1))] as number) / 1000));
const percent = (times: readonly number[]) =>
  `${((100 * times.filter(Number.isFinite).length) / times.length).toFixed(1)}%`;

const rows = [
  ...[5, 10, 15, 30, 60].map((seconds) => [seconds, '20s', '30s'] as const),
  [15, '20s', '15s'] as const,
  [15, '45s', '30s'] as const,
];
console.log(
  '| scrapes every | `lag` | `minFaultDuration` | aborted after: median, p90 | a blip of 0.8 times `minFaultDuration` aborts | of 1 time | of 1.5 times |',
);
console.log('|---|---|---|---|---|---|---|');
for (const [seconds, lag, minFaultDuration] of rows) {
  const scrapes = { intervalMs: seconds * 1000, lag, minFaultDuration };
  const times = await timesOf(scrapes, wholly);
  const blips: string[] = [];
  for (const part of [0.8, 1, 1.5])
    blips.push(percent(await timesOf(scrapes, blipOf(part * Number.parseInt(minFaultDuration, 10) * 1000))));
  const aborted = `${secondsAt(times, 0.5)} s, ${secondsAt(times, 0.9)} s`;
  console.log(`| ${seconds} s | ${lag} | ${minFaultDuration} | ${aborted} | ${blips.join(' | ')} |`);
}
