import { labelOf } from '../query/label-matchers.ts';
import type { CounterSamples } from './matrix-response.ts';

/**
 * A process that begins again sets all of its counters to 0. A small counter may be as high as before by the next scrape, or may
 * not be there until its first event: 1 failure in each life of a process that keeps crashing looks as 1 failure in all. The
 * process's other counters show the restart.
 */

/** What all counters of a process show together. Both lists are in the order of time. */
export interface TargetScrapes {
  /** Epoch ms. A counter without a sample at one of them was not there. */
  readonly scrapes: readonly number[];
  /** Those before which the process began again: a counter falls, and at least half of them fall or are gone. */
  readonly restarts: readonly number[];
}

const unknown: TargetScrapes = { scrapes: [], restarts: [] };

/** Finds the scrapes of each target, by which counters are of one process. */
export function findTargets(all: readonly CounterSamples[]): (samples: CounterSamples) => TargetScrapes {
  const byTarget = new Map<string, CounterSamples[]>();
  for (const samples of all) {
    const key = targetKey(samples);
    if (key === undefined) continue;
    const own = byTarget.get(key);
    if (own === undefined) byTarget.set(key, [samples]);
    else own.push(samples);
  }
  const targets = new Map(
    [...byTarget].filter(([, own]) => isUneven(own)).map(([key, own]) => [key, scrapesOf(own)]),
  );
  return (samples) => targets.get(targetKey(samples) ?? '') ?? unknown;
}

/** Undefined where nothing tells which process a counter is of. */
function targetKey({ labels }: CounterSamples): string | undefined {
  const instance = labelOf(labels, 'instance');
  return instance === '' ? undefined : JSON.stringify([labelOf(labels, 'job'), instance]);
}

/** Whether anything can be learnt from other counters of the process: most have all samples, and never fall. */
function isUneven(series: readonly CounterSamples[]): boolean {
  const length = series[0]?.times.length;
  return series.some(
    ({ times, values }) =>
      times.length !== length || values.some((value, i) => i > 0 && value < (values[i - 1] as number)),
  );
}

function scrapesOf(series: readonly CounterSamples[]): TargetScrapes {
  const scrapes = [...new Set(series.flatMap(({ times }) => [...times]))].sort((a, b) => a - b);
  const indexOf = new Map(scrapes.map((atMs, i) => [atMs, i]));
  const [seen, fallen, gone] = [0, 0, 0].map(() => new Int32Array(scrapes.length)) as [
    Int32Array,
    Int32Array,
    Int32Array,
  ];
  const count = (counts: Int32Array, i: number) => {
    counts[i] = (counts[i] as number) + 1;
  };
  for (const { times, values } of series) {
    times.forEach((atMs, i) => {
      if (values[i] === 0) return;
      const next = (indexOf.get(atMs) as number) + 1;
      if (next === scrapes.length) return;
      count(seen, next);
      if (times[i + 1] !== scrapes[next]) count(gone, next);
      else if ((values[i + 1] as number) < (values[i] as number)) count(fallen, next);
    });
  }
  const restarts = scrapes.filter((_, i) => {
    const [one, all] = [fallen[i] as number, seen[i] as number];
    return one > 0 && 2 * (one + (gone[i] as number)) >= all;
  });
  return { scrapes, restarts };
}
