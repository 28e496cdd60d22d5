/** The tables of docs/rollout-simulation.md, as markdown, by the name of the place where they stand. */
import { grouped, share, table } from '../simulate/tables.ts';
import { releases, type Wanted } from './releases.ts';
import {
  type CellTally,
  type Check,
  checksOf,
  groupedBy,
  type Results,
  type Spread,
  type Tally,
} from './tally.ts';

function three({ promoted, aborted, paused, runs }: Tally): string {
  return [promoted, aborted, paused].map((count) => share(count, runs)).join(' / ');
}

function minutes(seconds: number | null): string {
  return seconds === null ? '-' : (seconds / 60).toFixed(1);
}

/** Two figures of a spread, where at least 1 in 100 rollouts has them. */
function pair(
  [first, second]: readonly [number | null, number | null],
  count: number,
  { runs }: Tally,
  words: (value: number | null) => string,
): string {
  return count < runs / 100 || first === null ? '-' : `${words(first)}, ${words(second)}`;
}

function nameOf(id: string): string {
  return releases.find((release) => release.id === id)?.name ?? id;
}

function isGood(id: string): boolean {
  return releases.find((release) => release.id === id)?.good ?? false;
}

const whole = (value: number | null) => (value === null ? '-' : grouped(value));
const medianAndP95 = ({ median, p95 }: Spread) => [median, p95] as const;
const medianAndP90 = ({ median, p90 }: Spread) => [median, p90] as const;

function bySize({ sizes }: Results): string {
  return table(
    [
      'release',
      'app, requests/s',
      'promoted / aborted / paused, %',
      'all traffic, min',
      'abort, s',
      'failed until abort',
      'questions',
    ],
    sizes.map(({ release, requestsPerSecond, tally }) => [
      nameOf(release),
      grouped(requestsPerSecond),
      three(tally),
      pair(medianAndP95(tally.allTraffic), tally.promoted, tally, minutes),
      isGood(release) ? '-' : pair(medianAndP90(tally.toAbort), tally.aborted, tally, whole),
      isGood(release) ? '-' : pair(medianAndP90(tally.failed), tally.aborted, tally, whole),
      whole(tally.questions.median),
    ]),
  );
}

const measureWords: Readonly<Record<Wanted['of'], readonly [words: string, unit: string]>> = {
  promoted: ['promoted', '%'],
  aborted: ['aborted', '%'],
  allTrafficMedian: ['all traffic, median', ' min'],
  allTrafficP95: ['all traffic, p95', ' min'],
  doneMedian: ['done, median', ' min'],
  doneP95: ['done, p95', ' min'],
  abortRatio: ['time to abort, as a multiple', ''],
};

function figure(of: Wanted['of'], value: number): string {
  const [, unit] = measureWords[of];
  if (unit === ' min') return `${(value / 60).toFixed(1)}${unit}`;
  return `${Number(value.toFixed(unit === '%' ? 1 : 2))}${unit}`;
}

const metWords: Readonly<Record<Check['met'], string>> = {
  yes: 'yes',
  noise: 'within chance',
  no: '**no**',
};

function checks(results: Results): string {
  return table(
    ['release', 'app, requests/s', 'wanted', 'worst', 'where', 'met'],
    checksOf(results).map(({ release, requestsPerSecond, wanted, worst, value, met }) => [
      nameOf(release),
      grouped(requestsPerSecond),
      `${measureWords[wanted.of][0]} ${
        wanted.atLeast === undefined
          ? `≤ ${figure(wanted.of, wanted.atMost as number)}`
          : `≥ ${figure(wanted.of, wanted.atLeast)}`
      }`,
      figure(wanted.of, value),
      `${worst.service}, ${worst.hour}`,
      metWords[met],
    ]),
  );
}

/** Each service by itself, by size and hour. */
function byService({ cells }: Results, release: string): string {
  const of = cells.filter((cell) => cell.release === release);
  const services = [...new Set(of.map(({ service }) => service))];
  const rows = groupedBy(of, ({ requestsPerSecond, hour }) => `${grouped(requestsPerSecond)} ${hour}`);
  return table(
    ['app, requests/s', 'hour', ...services],
    [...rows].map(([key, row]) => [
      ...key.split(' '),
      ...services.map((service) => {
        const cell = row.find((each) => each.service === service);
        return cell === undefined ? '-' : three(cell.tally);
      }),
    ]),
  );
}

/** The demo's fault, beside the chance that the canary has not failed once by the end: then there is nothing to see. */
function demo({ cells }: Results): string {
  return table(
    [
      'app, requests/s',
      'hour',
      'promoted / aborted / paused, %',
      'never failed, %',
      'abort, s',
      'failed until abort',
    ],
    cells
      .filter(({ release }) => release === 'demo')
      .map(({ requestsPerSecond, hour, tally }) => [
        grouped(requestsPerSecond),
        hour,
        three(tally),
        share(tally.unseen, tally.runs),
        pair(medianAndP90(tally.toAbort), tally.aborted, tally, whole),
        pair(medianAndP90(tally.failed), tally.aborted, tally, whole),
      ]),
  );
}

function source({ runs, seed, availabilityOnly, analysis, checksum, again = [] }: Results): string {
  const options = `${availabilityOnly ? ' --availability-only' : ''}${analysis === 'service' ? ' --analysis service' : ''}`;
  return `Made by \`npm run simulate:rollouts -- --write --runs ${runs} --seed ${seed}${options}\`: ${grouped(runs)} rollouts a cell, results \`${checksum}\`.${again.length === 0 ? '' : ` Made again by a later gate (\`--only ${again.join(',')}\`): ${again.map((id) => `"${nameOf(id)}"`).join('; ')}. The other releases are from before.`}`;
}

export function tablesOf(results: Results): ReadonlyMap<string, string> {
  const has = (id: string) => results.cells.some(({ release }) => release === id);
  return new Map([
    ['source', source(results)],
    ['releases', bySize(results)],
    ['wanted', checks(results)],
    ...(has('good') ? ([['good', byService(results, 'good')]] as const) : []),
    ...(has('ordinary') ? ([['ordinary', byService(results, 'ordinary')]] as const) : []),
    ...(has('demo') ? ([['demo', demo(results)]] as const) : []),
  ]);
}

/** Why rollouts were not promoted: for tuning the rules, not for the docs. */
export function reasonsText({ cells }: Results): string {
  const most = 4;
  const line = ({ release, service, requestsPerSecond, hour, tally }: CellTally) =>
    (['aborted', 'paused'] as const).flatMap((end) => {
      const reasons = Object.entries(tally.because[end]).slice(0, most);
      const texts = reasons.map(([reason, count]) => `${reason} ${count}`);
      const where = `${release} ${service} ${requestsPerSecond}/s ${hour}`;
      return texts.length === 0
        ? []
        : [`${where}: ${tally[end]} of ${tally.runs} ${end}: ${texts.join(', ')}`];
    });
  return cells.flatMap(line).join('\n');
}
