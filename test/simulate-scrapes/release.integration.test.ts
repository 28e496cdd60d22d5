import { expect, it } from 'vitest';
import { timeToFail } from './release.ts';

const scrapes = { intervalMs: 15_000, lag: '20s', minFaultDuration: '30s' };
const seeds = Array.from({ length: 40 }, (_, i) => i + 1);

it('scrapes of 15 s show a release that fails wholly within 90 s, in the median', async () => {
  const wholly = { afterMs: 0, lastsMs: Number.POSITIVE_INFINITY, rate: 1 };
  const times: number[] = [];
  for (const seed of seeds)
    times.push((await timeToFail(scrapes, wholly, 300_000, seed)) ?? Number.POSITIVE_INFINITY);
  times.sort((a, b) => a - b);
  expect(times[20]).toBeLessThan(90_000);
  expect(times.at(-1)).toBeLessThan(120_000);
});

it('a blip of 25 s never aborts, however pods are scraped: an event is shown up to one scrape late', async () => {
  for (const seed of seeds)
    expect(
      await timeToFail(scrapes, { afterMs: 200_000, lastsMs: 25_000, rate: 1 }, 240_000, seed),
    ).toBeUndefined();
});

it('nor where the canary is scraped less often than stable, which has many more pods', async () => {
  const seldom = { ...scrapes, intervalMs: 60_000, stable: { intervalMs: 15_000, pods: 60 } };
  for (const seed of seeds.slice(0, 5))
    expect(
      await timeToFail(seldom, { afterMs: 240_000, lastsMs: 20_000, rate: 1 }, 300_000, seed),
    ).toBeUndefined();
});
