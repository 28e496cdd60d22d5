/**
 * How long one verdict takes: medians of two hundred calls of `judge`, on the largest question that is expected (50
 * endpoints, 120 minutes) and on a usual one. Each round takes the best of six, in turns, since other load on the machine
 * can only make it slower. Prints a JSON list of them in µs for each case.
 */
import { setTimeout } from 'node:timers/promises';
import { judge } from '../../src/domain/judge/judge.ts';
import { median } from './figure.ts';
import { question } from './question.ts';

const cases = [
  ['50 endpoints, 120 minutes, clean', question(50, 120, 0.0002, 1)],
  ['50 endpoints, 120 minutes, 20 times the budget', question(50, 120, 0.01, 2)],
  ['4 endpoints, 30 minutes, clean', question(4, 30, 0.0002, 3)],
] as const;

const slicesOfRound = 6;
/** Other load on a shared machine lasts for seconds. */
const pauseMs = 200;

const rounds = Number(process.argv[2]);
const best = cases.map(() => new Array<number>(rounds).fill(Number.POSITIVE_INFINITY));
for (let round = 0; round < rounds; round += 1) {
  for (let slice = 0; slice < slicesOfRound; slice += 1) {
    cases.forEach(([, { cuj, measurement }], i) => {
      const times = Array.from({ length: 200 }, () => {
        const before = process.hrtime.bigint();
        judge(cuj, measurement, { registryDigest: 'sha256:bench' });
        return Number(process.hrtime.bigint() - before) / 1000;
      });
      const of = best[i] as number[];
      of[round] = Math.min(of[round] as number, median(times));
    });
    await setTimeout(pauseMs);
  }
}
console.log(JSON.stringify(cases.map(([name], i) => ({ name, medians: best[i] }))));
