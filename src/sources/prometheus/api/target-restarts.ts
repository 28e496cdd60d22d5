import { labelOf } from '../query/label-matchers.ts';
import type { CounterSamples } from './matrix-response.ts';

/**
 * A process that begins again sets all of its counters to 0. A small counter may be as high as before by the next scrape, or may
 * not be there until its first event: 1 failure in each life of a process that keeps crashing looks as 1 failure in all. The
 * process's other counters show the restart.
 */

/**
 * A counter that falls by less than this share of a great value was not reset: two replicas of Prometheus, whose clocks differ,
 * are read as one series.
 */
const dipShare = 1 / 8;
const minDipValue = 1_000;

/** Whether a counter that falls goes on nevertheless. `all` is what it counts a part of. */
export function isDip(before: number, value: number, all = before): boolean {
  return value < before && all >= minDipValue && before - value < all * dipShare;
}

/** What all counters of a process show together. Both lists are in the order of time. */
export interface TargetScrapes {
  /** Epoch ms. A counter without a sample at one of them was not there. */
  readonly scrapes: readonly number[];
  /** Those before which the process began again: a counter falls, and at least half of them fall or are gone. */
  readonly restarts: readonly number[];
}

const unknown: TargetScrapes = { scrapes: [], restarts: [] };

/** Besides `job` and `instance`, which all pods behind one collector may share. */
const processLabels = [
  'pod',
  'container',
  'namespace',
  'cluster',
  'exported_job',
  'exported_instance',
] as const;

/** Finds the scrapes of each target, by which counters are of one process. `versionLabels` tell processes apart as well. */
export function findTargets(
  all: readonly CounterSamples[],
  versionLabels: readonly string[] = [],
): (samples: CounterSamples) => TargetScrapes {
  const labels = ['job', 'instance', ...processLabels, ...versionLabels];
  const targetKey = (samples: CounterSamples) => keyOf(samples, labels);
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
function keyOf({ labels }: CounterSamples, names: readonly string[]): string | undefined {
  return labelOf(labels, 'instance') === ''
    ? undefined
    : JSON.stringify(names.map((name) => labelOf(labels, name)));
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
      const [before, value] = [values[i] as number, values[i + 1] as number];
      if (times[i + 1] !== scrapes[next]) count(gone, next);
      else if (value < before && !isDip(before, value)) count(fallen, next);
    });
  }
  const restarts = scrapes.filter((_, i) => {
    const [one, all] = [fallen[i] as number, seen[i] as number];
    return one > 0 && 2 * (one + (gone[i] as number)) >= all;
  });
  return { scrapes, restarts };
}
