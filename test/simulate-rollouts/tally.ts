/** Sums up how rollouts end, and compares that with what is wanted. */
import { binomial } from '../simulate/exact.ts';
import { type Cell, type Measure, releases, type Wanted } from './releases.ts';
import type { Ending } from './rollout.ts';
import { digestOf, type SetupOptions } from './simulate.ts';

/** The value that so many percent of some values do not exceed; null without any. */
export interface Spread {
  readonly median: number | null;
  readonly p90: number | null;
  readonly p95: number | null;
}

export interface Tally {
  readonly runs: number;
  readonly promoted: number;
  readonly aborted: number;
  readonly paused: number;
  /** Rollouts in which the canary never failed by the release's fault until the end, so that it could not be detected. */
  readonly unseen: number;
  /** Seconds, of rollouts that were promoted. */
  readonly allTraffic: Spread;
  readonly done: Spread;
  /** Seconds from the first failed request by the release's fault, of rollouts that were aborted. */
  readonly toAbort: Spread;
  /** The canary's failed requests until an abort. */
  readonly failed: Spread;
  readonly questions: Spread;
  /** `CUJ reason` of the rollouts that were not promoted, with their number. */
  readonly because: { readonly aborted: Reasons; readonly paused: Reasons };
}

type Reasons = Readonly<Record<string, number>>;

export type CellTally = Cell & { readonly tally: Tally };
/** All services and hours of a release and an app's size. */
export type SizeTally = Pick<Cell, 'release' | 'requestsPerSecond'> & { readonly tally: Tally };

export interface Results extends SetupOptions {
  readonly seed: number;
  readonly runs: number;
  /** The digest of the sample Rollouts. */
  readonly sample: string;
  /** Releases that were simulated again by themselves, with a later gate than the others; absent where all were simulated together. */
  readonly again?: readonly string[];
  /** SHA-256 over the cells' JSON. */
  readonly checksum: string;
  readonly sizes: readonly SizeTally[];
  readonly cells: readonly CellTally[];
}

function spreadOf(values: readonly (number | null)[]): Spread {
  const sorted = values.filter((value) => value !== null).sort((a, b) => a - b);
  const at = (share: number) =>
    sorted.length === 0 ? null : (sorted[Math.ceil(share * sorted.length) - 1] as number);
  return { median: at(0.5), p90: at(0.9), p95: at(0.95) };
}

/** Values by a key, in the order of their first appearance. */
export function groupedBy<T>(values: readonly T[], keyOf: (value: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const value of values) groups.set(keyOf(value), [...(groups.get(keyOf(value)) ?? []), value]);
  return groups;
}

function reasonsOf(endings: readonly Ending[]): Reasons {
  const counts = new Map<string, number>();
  for (const reason of endings.flatMap(({ because }) => because))
    counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return Object.fromEntries([...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)));
}

export function tallyOf(endings: readonly Ending[]): Tally {
  const of = (end: Ending['end']) => endings.filter((ending) => ending.end === end);
  const [promoted, aborted, paused] = [of('promoted'), of('aborted'), of('paused')];
  return {
    runs: endings.length,
    promoted: promoted.length,
    aborted: aborted.length,
    paused: paused.length,
    unseen: endings.filter(({ sinceFault }) => sinceFault === null).length,
    allTraffic: spreadOf(promoted.map(({ allTraffic }) => allTraffic)),
    done: spreadOf(promoted.map(({ done }) => done)),
    toAbort: spreadOf(aborted.map(({ sinceFault }) => sinceFault)),
    failed: spreadOf(aborted.map(({ failed }) => failed)),
    questions: spreadOf(endings.map(({ questions }) => questions)),
    because: { aborted: reasonsOf(aborted), paused: reasonsOf(paused) },
  };
}

/** Results in the order of the cells, whichever process made them. Cells without rollouts are left out. */
export function resultsOf(
  simulated: readonly { readonly cell: Cell; readonly endings: readonly Ending[] }[],
  made: Omit<Results, 'checksum' | 'sizes' | 'cells'>,
): Results {
  const filled = simulated.filter(({ endings }) => endings.length > 0);
  const cells = filled.map(({ cell, endings }) => ({ ...cell, tally: tallyOf(endings) }));
  const bySize = groupedBy(filled, ({ cell }) => `${cell.release} ${cell.requestsPerSecond}`);
  const sizes = [...bySize.values()].map((of) => {
    const { release, requestsPerSecond } = (of[0] as (typeof of)[number]).cell;
    return { release, requestsPerSecond, tally: tallyOf(of.flatMap(({ endings }) => endings)) };
  });
  return { ...made, checksum: digestOf(cells), sizes, cells };
}

/**
 * Earlier results with some releases simulated again. Undefined where the two cannot be compared: by other rollouts, seeds, options or
 * sample Rollouts.
 */
export function withReleases(before: Results, now: Results): Results | undefined {
  const isAlike = (['runs', 'seed', 'availabilityOnly', 'analysis', 'sample'] as const).every(
    (key) => before[key] === now[key],
  );
  if (!isAlike) return undefined;
  const changed = new Set(now.cells.map(({ release }) => release));
  const inOrder = <T extends { readonly release: string }>(old: readonly T[], fresh: readonly T[]): T[] =>
    releases.flatMap(({ id }) => (changed.has(id) ? fresh : old).filter(({ release }) => release === id));
  const cells = inOrder(before.cells, now.cells);
  const again = releases.map(({ id }) => id).filter((id) => changed.has(id) || before.again?.includes(id));
  return { ...before, again, checksum: digestOf(cells), sizes: inOrder(before.sizes, now.sizes), cells };
}

/** One thing that is wanted, in the cell that is furthest from it. */
export interface Check {
  readonly release: string;
  readonly requestsPerSecond: number;
  readonly wanted: Wanted;
  readonly worst: CellTally;
  readonly value: number;
  /** `noise`: short of the limit, but by no more than chance where the true share is the limit. */
  readonly met: 'yes' | 'noise' | 'no';
}

function measured(of: Measure, { tally }: CellTally, base: CellTally | undefined): number | null {
  switch (of) {
    case 'promoted':
    case 'aborted':
      return (100 * tally[of]) / tally.runs;
    case 'allTrafficMedian':
      return tally.allTraffic.median;
    case 'allTrafficP95':
      return tally.allTraffic.p95;
    case 'doneMedian':
      return tally.done.median;
    case 'doneP95':
      return tally.done.p95;
    case 'abortRatio': {
      // A median of a few rollouts is no figure.
      if (base === undefined || Math.min(base.tally.aborted, tally.aborted) < tally.runs / 10) return null;
      const { median } = base.tally.toAbort;
      return median === null || tally.toAbort.median === null ? null : tally.toAbort.median / median;
    }
  }
}

/** A chance below which a share that is short of its limit is not put down to chance. */
const noiseLimit = 0.01;

/** The chance of at least so many of `n`, at a rate. */
function tail(n: number, rate: number, least: number): number {
  return 1 - binomial(n, rate, least - 1).reduce((sum, chance) => sum + chance, 0);
}

function metBy({ of, atLeast, atMost }: Wanted, value: number, { tally }: CellTally): Check['met'] {
  if (value >= (atLeast ?? Number.NEGATIVE_INFINITY) && value <= (atMost ?? Number.POSITIVE_INFINITY))
    return 'yes';
  if (of !== 'promoted' && of !== 'aborted') return 'no';
  const missed = atLeast === undefined ? tally[of] : tally.runs - tally[of];
  const allowed = atLeast === undefined ? (atMost as number) / 100 : 1 - atLeast / 100;
  return tail(tally.runs, allowed, missed) >= noiseLimit ? 'noise' : 'no';
}

/** Everything that is wanted of the releases that were simulated. */
export function checksOf({ cells, sizes }: Results): readonly Check[] {
  return sizes.flatMap(({ release: id, requestsPerSecond }) => {
    const release = releases.find((each) => each.id === id);
    return (release?.wanted ?? []).flatMap((wanted) => {
      const found = cells
        .filter((cell) => cell.release === id && cell.requestsPerSecond === requestsPerSecond)
        .filter((cell) => wanted.where?.(cell) ?? true)
        .flatMap((cell) => {
          const base = cells.find(
            (each) =>
              each.release === release?.comparedWith &&
              each.service === cell.service &&
              each.requestsPerSecond === requestsPerSecond &&
              each.hour === cell.hour,
          );
          const value = measured(wanted.of, cell, base);
          return value === null ? [] : [{ cell, value }];
        })
        .sort((a, b) => (wanted.atLeast === undefined ? b.value - a.value : a.value - b.value));
      const [worst] = found;
      if (worst === undefined) return [];
      const { cell, value } = worst;
      return [
        { release: id, requestsPerSecond, wanted, worst: cell, value, met: metBy(wanted, value, cell) },
      ];
    });
  });
}
