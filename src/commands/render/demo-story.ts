import { stripVTControlCharacters } from 'node:util';
import type { ArgoMeasurement } from '../../demo/argo-caller.ts';
import type { DemoMinute } from '../../demo/play.ts';
import { totalErrorRateLimit } from '../../demo/total-error-rate.ts';
import type { Colors } from './colors.ts';

/** What a demo tells first. */
export function storyLines(cujs: number, colors: Colors): string[] {
  return [
    colors.bold('A matching app releases v1.42.0: 25% of the traffic goes to the canary.'),
    'Its last step of sign-up now fails for one member in five, and sign-up is 1% of all traffic.',
    `A plain analysis aborts when the canary's total error rate exceeds ${percentage(totalErrorRateLimit)}. The gate judges ${cujs} CUJs.`,
  ];
}

/** A space at which lines are not folded. */
const together = '\u00a0';
/** The indentation of folded lines: aligns with the names of the CUJs. */
const hanging = ' '.repeat(13);

/** Folds a line between words to the width of the terminal. Without a terminal lines stay whole, for grep. */
export function fold(line: string, columns = Number.POSITIVE_INFINITY): string {
  const lines: string[] = [];
  let current = '';
  for (const word of line.split(/(?<=\S)(?= )/)) {
    if (current !== '' && stripVTControlCharacters(current + word).length > columns) {
      lines.push(current);
      current = `${hanging}${word.trimStart()}`;
    } else current += word;
  }
  return [...lines, current].join('\n').replaceAll(together, ' ');
}

function percentage(ratio: number): string {
  return `${(ratio * 100).toFixed(3).replace(/0+$/, '').replace(/\.$/, '')}%`;
}

const marks = { Successful: '+', Inconclusive: '?', Failed: 'x', Error: '!' } as const;

/** The measurements of one minute. */
export function minuteLines(minute: DemoMinute, colors: Colors): string[] {
  const time = new Date(minute.atMs).toISOString().slice(11, minute.seconds % 60 === 0 ? 16 : 19);
  const { requests, ratio, fine } = minute.total;
  const total =
    requests === 0
      ? 'no canary request is visible yet'
      : `${percentage(ratio)} of ${requests} canary requests failed: ${fine ? colors.green('fine') : colors.red('above the limit')}`;
  const mark = ({ metric, phase }: ArgoMeasurement) => {
    const text = `${marks[phase]}${together}${metric.replace(/^cuj-/, '')}`;
    if (phase === 'Successful') return colors.green(text);
    return phase === 'Inconclusive' ? colors.yellow(text) : colors.red(text);
  };
  return [
    `${colors.bold(time)}  total error rate  ${total}`,
    `       CUJs  ${minute.measurements.map(mark).join('  ')}`,
  ];
}

function sinceBegin(seconds: number): string {
  return seconds % 60 === 0 ? `${seconds / 60} minutes` : `${seconds} s`;
}

/** The lines after the last minute. */
export function ending(last: DemoMinute | undefined, colors: Colors): string[] {
  if (last?.ended === undefined) return ['', 'The demo ended without a verdict.'];
  const failed = last.measurements.filter(({ phase }) => phase === 'Failed');
  return [
    '',
    `What the total error rate says   ${colors.green('fine')}: ${percentage(last.total.ratio)} of ${last.total.requests} requests failed, the limit is ${percentage(totalErrorRateLimit)}`,
    ...failed.map(({ value }) => `What cuj-gate says               ${colors.red(value)}`),
    `What Argo Rollouts does          ${last.ended.message}: the rollout is aborted ${sinceBegin(last.seconds)} after it began`,
    '',
  ];
}
