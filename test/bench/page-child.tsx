/**
 * How long the page of a verdict takes the process, without the verdict itself: its development over time and its HTML, on the largest question
 * that is expected. Each round takes the best of six medians of ten. Prints a JSON list of them in ms for each case.
 */
import { setTimeout } from 'node:timers/promises';
import { judge } from '../../src/domain/judge/judge.ts';
import { pageText } from '../../src/http/pages/layout.tsx';
import { VerdictPage } from '../../src/http/pages/verdict-page.tsx';
import { verdictTrend } from '../../src/http/pages/verdict-trend.ts';
import { median } from './figure.ts';
import { question } from './question.ts';

const cases = [
  ['50 endpoints, 120 minutes, clean', question(50, 120, 0.0002, 1)],
  ['50 endpoints, 120 minutes, 20 times the budget', question(50, 120, 0.01, 2)],
] as const;

const options = { registryDigest: `sha256:${'ab'.repeat(32)}` };
const context = { basePath: '', nowMs: Date.UTC(2026, 0, 31, 9) };

async function makePage({ cuj, measurement }: (typeof cases)[number][1], verdict: ReturnType<typeof judge>) {
  const trend = await verdictTrend({ cuj, measurement, options, verdict });
  const view = {
    ...{ cuj, verdict, options, measurement, trend },
    ...{
      looks: [],
      queries: [],
      links: [],
      question: 'http://gate/cujs/signup/status',
      permalink: undefined,
      nowPath: '/',
      servicePath: '/',
      siblings: { failing: [], others: [] },
    },
  };
  return pageText({ context, title: 'page', children: <VerdictPage context={context} view={view} /> });
}

const slicesOfRound = 6;
/** Other load on a shared machine lasts for seconds. */
const pauseMs = 200;

const rounds = Number(process.argv[2]);
const best = cases.map(() => new Array<number>(rounds).fill(Number.POSITIVE_INFINITY));
for (let round = 0; round < rounds; round += 1) {
  for (let slice = 0; slice < slicesOfRound; slice += 1) {
    for (const [i, [, asked]] of cases.entries()) {
      const verdict = judge(asked.cuj, asked.measurement, options);
      const times: number[] = [];
      for (let call = 0; call < 10; call += 1) {
        const before = process.hrtime.bigint();
        await makePage(asked, verdict);
        times.push(Number(process.hrtime.bigint() - before) / 1e6);
      }
      const of = best[i] as number[];
      of[round] = Math.min(of[round] as number, median(times));
    }
    await setTimeout(pauseMs);
  }
}
console.log(JSON.stringify(cases.map(([name], i) => ({ name, medians: best[i] }))));
