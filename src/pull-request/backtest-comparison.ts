import type { Backtest } from '../backtest/backtest.ts';
import type { RolloutOutcome, RolloutReplay } from '../backtest/replay.ts';
import { code } from './markdown.ts';
import type { ChangeItem } from './registry-changes.ts';

const words: Readonly<Record<RolloutOutcome, string>> = {
  abort: 'aborted',
  pass: 'passed',
  held: 'inconclusive',
};

/** What the new registry would have said of past rollouts, beside the old one; `before` is undefined where there is none. Pure. */
export function backtestItem(before: Backtest | undefined, after: Backtest): ChangeItem {
  const { rollouts, from, to, leftOut, notTold } = after;
  const key = ({ service, version, from: at }: RolloutReplay) => JSON.stringify([service, version, at]);
  const former = new Map((before?.rollouts ?? []).map((one) => [key(one), one]));
  const counts = (all: readonly RolloutReplay[], outcome: RolloutOutcome) =>
    all.filter((one) => one.outcome === outcome).length;
  const count = (outcome: RolloutOutcome) => {
    const was = before === undefined ? '' : ` (before: ${counts(before.rollouts, outcome)})`;
    return `${counts(rollouts, outcome)} ${words[outcome]}${was}`;
  };
  const details = rollouts.flatMap((one) => {
    const old = former.get(key(one));
    const changed = old !== undefined && old.outcome !== one.outcome;
    if (!changed && one.outcome !== 'abort') return [];
    const name = `${code(one.service)} ${code(one.version)}`;
    const says = changed ? `${words[old.outcome]} → **${words[one.outcome]}**` : words[one.outcome];
    const why = one.summary === null ? '' : `: ${code(one.summary)}`;
    return [`${name}: ${says}${one.minute === null ? '' : ` after ${one.minute} min`}${why}`];
  });
  const unknown = rollouts.filter((one) => before !== undefined && !former.has(key(one))).length;
  if (unknown > 0) details.push(`${unknown} of these rollouts are not found with the registry of before`);
  if (leftOut > 0) details.push(`${leftOut} older rollouts were left out (\`backtest-max\`)`);
  for (const { service, why } of notTold) details.push(`not replayed: ${code(service)}: ${code(why)}`);
  const same =
    before !== undefined && details.every((line) => !line.includes('→')) && rollouts.length > 0
      ? ' No outcome changes.'
      : '';
  return {
    title:
      rollouts.length === 0
        ? `No rollout was found from ${day(from)} to ${day(to)}.`
        : `${rollouts.length} past rollouts from ${day(from)} to ${day(to)}, as this registry judges them: ${count('abort')}, ${count('pass')}, ${count('held')}.${same}`,
    details,
  };
}

function day(rfc3339: string): string {
  return rfc3339.slice(0, 10);
}
