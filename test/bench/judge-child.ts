/**
 * How long one verdict takes: medians of two hundred calls of `judge`, on the largest question that is expected (50
 * endpoints, 120 minutes) and on a usual one. Each round takes the best of six, in turns, since other load on the machine
 * can only make it slower. Prints a JSON list of them in µs for each case.
 */
import { setTimeout } from 'node:timers/promises';
import { judge } from '../../src/domain/judge/judge.ts';
import { compareEndpoints } from '../../src/domain/registry/endpoint-order.ts';
import { cujOf, endpointOf, measurementOf, seededRandom } from '../domain/judge/journey.ts';
import { median } from './figure.ts';

function question(endpoints: number, minutes: number, badRate: number, seed: number) {
  const random = seededRandom(seed);
  const counts = (perMinute: number, rate: number) => {
    const total = Array.from({ length: minutes }, () => Math.round(perMinute * (0.5 + random())));
    const bad = total.map((n) => {
      let e = 0;
      for (let i = 0; i < n; i += 1) if (random() < rate) e += 1;
      return e;
    });
    // One request in a thousand ends before it has a status, on both sides.
    const withStatus = total.map((n) => n - (random() < n / 1000 ? 1 : 0));
    return { total, bad, withStatus };
  };
  // In the order in which measurements have them.
  const availability = Array.from({ length: endpoints }, (_, i) =>
    endpointOf(`GET /api/v1/things/${i}`, counts(20 / (1 + i / 5), badRate), counts(400, 0.0003)),
  ).sort(compareEndpoints);
  return {
    cuj: cujOf({ endpoints: availability.map(({ label }) => label) }),
    measurement: measurementOf({ availability }),
  };
}

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
