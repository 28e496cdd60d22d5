import type { Backtest } from '../../backtest/backtest.ts';
import type { CujReplay, ReplayMeasurement, RolloutReplay } from '../../backtest/replay.ts';
import type { Score } from '../../backtest/score.ts';
import { plain } from '../../domain/judge/number-text.ts';
import type { Colors } from './colors.ts';
import { table } from './verdict.ts';

export interface Scores {
  readonly gate: Score;
  /** The score of a plain total error rate. */
  readonly threshold: Score;
}

/** A backtest as text: a block for each rollout, then the totals. */
export function backtestText(
  { rollouts, notTold, leftOut, from, to }: Backtest,
  /** Percent. */
  threshold: number,
  scores: Scores | undefined,
  colors: Colors,
): string {
  const blocks = rollouts.map((rollout) => rolloutText(rollout, threshold, colors));
  const count = (outcome: RolloutReplay['outcome']) =>
    rollouts.filter((rollout) => rollout.outcome === outcome).length;
  const plainly = rollouts.filter(({ total }) => total.firstFail !== null).length;
  const end = [
    `${amount(rollouts.length, 'rollout')} from ${minuteText(from)} to ${minuteText(to)} UTC: ${count('abort')} would have been aborted, ${count('pass')} passed, ${count('held')} inconclusive`,
    `a total error rate above ${plain(threshold)}% would have aborted ${plainly}`,
    ...(leftOut === 0 ? [] : [`${leftOut} older rollouts were left out; see --max`]),
    ...notTold.map(({ service, why }) => colors.yellow(`not replayed: ${service}: ${why}`)),
    ...(scores === undefined
      ? []
      : [
          '',
          ...table(
            [
              ['', 'bad caught', 'bad missed', 'falsely aborted', 'let through'],
              scoreRow('cuj-gate', scores.gate),
              scoreRow('total error rate', scores.threshold),
            ],
            1,
          ),
          ...named('missed', scores.gate.missed, colors),
          ...named('falsely aborted', scores.gate.falselyAborted, colors),
        ]),
  ];
  return `${[...blocks, end.join('\n')].join('\n\n')}\n`;
}

const marks = { pass: '+', fail: 'x', inconclusive: '?' } as const;

function rolloutText(rollout: RolloutReplay, threshold: number, colors: Colors): string {
  const { service, version, before, from, minutes, ending, outcome, minute, summary, cujs, total } = rollout;
  const end = {
    all_traffic: 'then it had all traffic',
    withdrawn: 'then it was withdrawn',
    still_canary: 'still a canary at the end',
  }[ending];
  const says = {
    abort: colors.red(`ABORTED after ${minute} min: ${summary}`),
    pass: colors.green(`PASSED after ${minute} min`),
    held: colors.yellow(`INCONCLUSIVE: an inline analysis step would have paused the rollout`),
  }[outcome];
  const { firstFail } = total;
  return [
    `${colors.bold(`${service} ${version}`)}  ${minuteText(from)} UTC, after ${before}: a canary for ${minutes} min, ${end}`,
    `  cuj-gate          ${says}`,
    `  total error rate  ${
      firstFail === null
        ? `fine: ${rate(total.failed, total.requests)}`
        : `above ${plain(threshold)}% after ${firstFail.minute} min: ${rate(firstFail.failed, firstFail.requests)}`
    }`,
    ...table(
      cujs.map((cuj) => cujRow(cuj, summary)),
      4,
    ).map((line) => `  ${line}`),
  ].join('\n');
}

/** The row of a CUJ. Leaves out what the rollout's own line says already. */
function cujRow({ cuj, mode, firstFail, firstPass, last }: CujReplay, said: string | null): string[] {
  const mark = firstFail !== null ? 'x' : last === null ? '?' : marks[last.verdict];
  return [
    `${mark} ${cuj}${mode === 'observe' ? ' (observe)' : ''}`,
    firstPass === null ? 'never passed' : `passed after ${firstPass.minute} min`,
    firstFail === null ? '' : `failed after ${firstFail.minute} min (${firstFail.reason})`,
    firstFail === null ? endText(last) : firstFail.summary === said ? '' : detail(firstFail),
  ];
}

function endText(last: ReplayMeasurement | null): string {
  if (last === null) return 'it was a canary for less than a minute';
  return last.verdict === 'pass' ? '' : `at the end ${last.reason}: ${detail(last)}`;
}

/** The part of a summary after the verdict, the CUJ and the reason. */
function detail({ summary }: ReplayMeasurement): string {
  return summary.replace(/^[^:]*: /, '');
}

function scoreRow(name: string, score: Score): string[] {
  const { caught, missed, falselyAborted, letThrough } = score;
  return [name, ...[caught, missed, falselyAborted, letThrough].map((versions) => String(versions.length))];
}

function named(what: string, versions: readonly string[], colors: Colors): string[] {
  return versions.length === 0 ? [] : [colors.red(`${what}: ${versions.join(', ')}`)];
}

function rate(failed: number, requests: number): string {
  if (requests <= 0) return 'no request';
  return `${plain(failed)} of ${plain(requests)} requests failed (${String(Math.round((failed / requests) * 1e5) / 1e3)}%)`;
}

function amount(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

function minuteText(rfc3339: string): string {
  return rfc3339.slice(0, 16).replace('T', ' ');
}
