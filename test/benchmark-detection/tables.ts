/** The tables of docs/detection-benchmark.md, as markdown, by the name of the place where they stand. */
import { grouped, share, table } from '../simulate/tables.ts';
import {
  type CellResult,
  gateId,
  gateName,
  knownFaultId,
  knownFaultName,
  type Setting,
  type Tally,
  type Tuned,
} from './benchmark.ts';
import { detectors } from './detectors.ts';
import type { Results } from './results.ts';
import { type Shape, sizeNames } from './scenarios.ts';

interface Column {
  readonly id: string;
  readonly name: string;
}

/** Without the limit where it has no such setting. */
function columnsOf(setting: Setting): readonly Column[] {
  return [
    ...(setting === 'default' ? [] : [{ id: knownFaultId, name: knownFaultName }]),
    { id: gateId, name: gateName },
    ...detectors,
  ];
}

/** The gate has one setting: it is what the others are tuned to. */
function tallyOf(cell: CellResult, id: string, setting: Setting): Tally | undefined {
  return cell.tallies[id]?.[id === gateId ? 'default' : setting];
}

function minutes(seconds: number | null): string {
  return seconds === null ? '-' : (seconds / 60).toFixed(1);
}

/** Of the rollouts that were not aborted before. */
function seenOf({ runs }: CellResult, { early }: Tally): number {
  return runs - early;
}

function timeText(cell: CellResult, id: string, setting: Setting): string {
  const tally = tallyOf(cell, id, setting);
  const seen = tally === undefined ? 0 : seenOf(cell, tally);
  if (tally === undefined || seen < cell.runs / 10) return 'n/a';
  const { aborted, seconds } = tally;
  const missed = aborted === seen ? '' : ` (${share(aborted, seen)}%)`;
  return `${minutes(seconds.median)}, ${minutes(seconds.p90)}${missed}`;
}

function failedText(cell: CellResult, id: string, setting: Setting): string {
  const tally = tallyOf(cell, id, setting);
  if (tally === undefined || seenOf(cell, tally) < cell.runs / 10) return 'n/a';
  return `${grouped(tally.failed.median)}, ${grouped(tally.failed.p90)}`;
}

type Text = typeof timeText;

function faultTable(
  { cells }: Results,
  setting: Setting,
  text: Text,
  isWanted: (cell: CellResult) => boolean,
  names: readonly string[],
  keys: (cell: CellResult) => readonly string[],
): string {
  const columns = columnsOf(setting);
  return table(
    [...names, ...columns.map(({ name }) => name)],
    cells
      .filter(isWanted)
      .map((cell) => [...keys(cell), ...columns.map(({ id }) => text(cell, id, setting))]),
  );
}

const fault = ({ requestsPerMinute, size }: CellResult) => [grouped(requestsPerMinute), sizeNames[size]];
const faultNames = ['requests/min', 'fault'];
const is = (shape: Shape, onsetMinutes?: number) => (cell: CellResult) =>
  cell.shape === shape && (onsetMinutes === undefined || cell.onsetMinutes === onsetMinutes);

const shapeNames: Readonly<Record<Shape, string>> = { step: 'step', ramp: 'ramp', burst: 'bursts' };

/** Percent of the good rollouts that are aborted, on the SLO and at the ordinary rate. */
function falseAborts({ aborted }: Pick<Tuned, 'aborted'>, runs: number): readonly [string, string] {
  return [share(aborted.at1, runs), share(aborted['at0.2'], runs)];
}

function tuning({ tunings }: Results): string {
  return table(
    [
      'requests/min',
      'detector',
      'as documented',
      'false aborts, %',
      'tuned at 1×',
      'false aborts, %',
      'tuned at 0.2×',
      'false aborts, %',
    ],
    tunings.flatMap(({ requestsPerMinute, runs, gate, detectors: by }) => {
      const pair = (of: Pick<Tuned, 'aborted'>) => falseAborts(of, runs).join(' / ');
      return [
        [grouped(requestsPerMinute), gateName, '-', pair({ aborted: gate }), '-', '-', '-', '-'],
        ...detectors.map(({ id, name, describe }) => {
          const of = by[id] as NonNullable<(typeof by)[string]>;
          const both = (setting: Setting) => {
            const { threshold } = of[setting];
            return [threshold === null ? 'never aborts' : describe(threshold), pair(of[setting])];
          };
          return [grouped(requestsPerMinute), name, ...both('default'), ...both('at1'), ...both('at0.2')];
        }),
      ];
    }),
  );
}

const untunedNames = {
  dependency: 'a dependency fails on both sides for 5 minutes',
  bursts: 'failures in bursts of 10, 0.6 times the allowed rate',
  lessTraffic: 'an ordinary release, tuned at the next greater traffic',
} as const;

/** False aborts, in percent, of good releases that nothing was tuned on. */
function untuned({ tunings }: Results): string {
  return table(
    ['requests/min', 'good release', gateName, ...detectors.map(({ name }) => name)],
    (['dependency', 'bursts', 'lessTraffic'] as const).flatMap((kind) =>
      tunings.flatMap(({ requestsPerMinute, [kind]: of }) =>
        of === null
          ? []
          : [
              [
                grouped(requestsPerMinute),
                untunedNames[kind],
                share(of.gate, of.runs),
                ...detectors.map(({ id }) => share(of.detectors[id] ?? 0, of.runs)),
              ],
            ],
      ),
    ),
  );
}

function source({
  runs,
  good,
  seed,
  checksum,
  lagSeconds,
  intervalSeconds,
  arrivalSeconds,
}: Results): string {
  return [
    `Made by \`npm run benchmark:detection -- --write --runs ${runs} --good ${good} --seed ${seed}\`: ${grouped(runs)} rollouts a`,
    `cell, ${grouped(good)} good rollouts of each traffic and rate, results \`${checksum}\`.`,
    `The gate's lag is ${lagSeconds} s, and the template asks every ${intervalSeconds} s. Counts arrive ${arrivalSeconds} s after the end of their ten seconds.`,
  ].join('\n');
}

export function tablesOf(results: Results): ReadonlyMap<string, string> {
  const of = (...rest: Parameters<typeof faultTable> extends [Results, ...infer Rest] ? Rest : never) =>
    faultTable(results, ...rest);
  const onset = (cell: CellResult) => [...fault(cell), String(cell.onsetMinutes)];
  const shape = (cell: CellResult) => [...fault(cell), shapeNames[cell.shape]];
  return new Map([
    ['source', source(results)],
    ['tuning', tuning(results)],
    ['untuned', untuned(results)],
    ['matched', of('at1', timeText, is('step'), [...faultNames, 'begins, min'], onset)],
    ['failed', of('at1', failedText, is('step', 10), faultNames, fault)],
    [
      'shapes',
      of(
        'at1',
        timeText,
        (cell) => is('ramp', 10)(cell) || is('burst', 10)(cell),
        [...faultNames, 'shape'],
        shape,
      ),
    ],
    ['ordinary', of('at0.2', timeText, is('step', 10), faultNames, fault)],
    ['default', of('default', timeText, is('step', 10), faultNames, fault)],
  ]);
}
