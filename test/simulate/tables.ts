import { confidenceLine, everAborts, strictLine } from './exact.ts';
import { faultId, faultShapes, looks, onsets } from './late-faults.ts';
import { budget, type Rule, rules } from './rollout.ts';
import { cases, multiples, sizes } from './scenarios.ts';
import type { Cell, Results, Tally } from './simulate.ts';

/** The tables of docs/verdicts.md, as markdown, by the name of their marker. */

/** Columns as wide as their widest cell, as the formatter of this repository has them. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((cell, i) => Math.max(3, cell.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (cells: readonly string[], fill = ' ') =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i] as number, fill)).join(' | ')} |`;
  const rule = line(
    head.map(() => ''),
    '-',
  );
  return [line(head), rule, ...rows.map((row) => line(row))].join('\n');
}

export function grouped(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** Percent with one decimal where it is small enough to matter. */
export function share(count: number, of: number): string {
  const percent = (100 * count) / of;
  if (percent === 0 || percent === 100) return String(percent);
  return percent < 9.95 || percent > 90.05 ? percent.toFixed(1) : String(Math.round(percent));
}

function cellOf(results: Results, id: string): Cell {
  const cell = results.cells.find((each) => each.id === id);
  if (cell === undefined) throw new Error(`the results hold no cell ${id}: run npm run simulate -- --write`);
  return cell;
}

function three(tally: Tally, runs: number): string {
  return [tally.fail, tally.pass, tally.inconclusive].map((count) => share(count, runs)).join(' / ');
}

function grid(results: Results): string {
  return table(
    ['requests', ...multiples.map((multiple) => `${multiple}×`)],
    sizes.map((n) => [
      grouped(n),
      ...multiples.map((multiple) => three(cellOf(results, `n${n}-x${multiple}`).confidence, results.runs)),
    ]),
  );
}

const ruleNames: Readonly<Record<Rule, string>> = {
  confidence: '`confidence`',
  strict: '`strict`',
  baseline: '`baseline`',
  threshold: '99% and 100 requests',
};

function byRule(results: Results): string {
  return table(
    ['rule', ...multiples.map((multiple) => `${multiple}×`)],
    rules.map((rule) => [
      ruleNames[rule],
      ...multiples.map((multiple) => three(cellOf(results, `n2000-x${multiple}`)[rule], results.runs)),
    ]),
  );
}

function hardCases(results: Results): string {
  return table(
    ['case', 'release', ...rules.map((rule) => ruleNames[rule])],
    cases.map(({ id, name, good }) => [
      name,
      good ? 'good' : '**bad**',
      ...rules.map((rule) => three(cellOf(results, id)[rule], results.runs)),
    ]),
  );
}

function times(results: Results): string {
  const rows = sizes.flatMap((n) =>
    ([0.2, 5, 10, 20] as const).map((multiple) => {
      const { confidence: tally } = cellOf(results, `n${n}-x${multiple}`);
      const spent = (minutes: number | null, requests: number | null, count: number) =>
        minutes === null || requests === null || count < results.runs / 100
          ? '-'
          : `${minutes} min, ${grouped(requests)}`;
      return [
        grouped(n / 10),
        `${multiple}×`,
        spent(tally.minutesToPass, tally.requestsToPass, tally.pass),
        spent(tally.minutesToFail, tally.requestsToFail, tally.fail),
      ];
    }),
  );
  return table(['requests a minute', 'true rate', 'first pass (median)', 'abort (median)'], rows);
}

function exact(): string {
  const looks = 120;
  const percent = (chance: number) => `${(100 * chance).toFixed(chance < 0.0995 ? 2 : 0)}%`;
  const rows = [600, 2400, 6000, 20_400, 120_000].map((n) => {
    const at = (multiple: number, line: (requests: number) => number) =>
      percent(everAborts({ looks, requestsPerLook: n / looks, rate: multiple * budget }, line));
    return [
      grouped(n),
      ...[0.6, 1, 2, 5].map((multiple) => at(multiple, confidenceLine(budget))),
      ...[0.6, 1].map((multiple) => at(multiple, strictLine(50))),
    ];
  });
  return table(['requests in 120 analyses', '0.6×', '1×', '2×', '5×', '`strict` 0.6×', '`strict` 1×'], rows);
}

function lateFaults(results: Results): string {
  const minutes = (value: number | null | undefined) => (value === null ? 'over 120' : String(value));
  const at = (id: string) => results.faultTimes.find((each) => each.id === id);
  const rows = faultShapes.flatMap(([requests, multiple]) =>
    onsets.map((onset) => {
      const times = at(faultId(requests, multiple, onset));
      return [
        grouped(requests),
        multiple * budget >= 1 ? 'everything fails' : `${multiple}×`,
        onset === 0 ? 'at the start' : `after ${onset} min`,
        minutes(times?.fromStart),
        minutes(times?.both),
        minutes(times?.known),
      ];
    }),
  );
  return table(
    ['requests a minute', 'fault', 'begins', 'from the start alone', 'evidence', 'if it were known'],
    rows,
  );
}

function looksAt1(results: Results): string {
  const percent = (count: number, runs: number) => `${((100 * count) / runs).toFixed(2)}%`;
  const rows = looks.map(({ id, requestsPerMinute, looksPerMinute }) => {
    const found = results.aborts.find((each) => each.id === id);
    return [
      grouped(requestsPerMinute),
      looksPerMinute === 1 ? 'minute' : `${60 / looksPerMinute} s`,
      ...(found === undefined ? [] : [percent(found.fromStart, found.runs), percent(found.both, found.runs)]),
    ];
  });
  return table(['requests a minute', 'an analysis each', 'from the start alone', 'evidence'], rows);
}

function source(results: Results): string {
  return `Made by \`npm run simulate -- --write --runs ${results.runs} --seed ${results.seed}\`: ${grouped(results.runs)} rollouts a cell, results \`${results.checksum}\`.`;
}

export function tablesOf(results: Results): ReadonlyMap<string, string> {
  return new Map([
    ['source', source(results)],
    ['grid', grid(results)],
    ['rules', byRule(results)],
    ['cases', hardCases(results)],
    ['times', times(results)],
    ['exact', exact()],
    ['looks', looksAt1(results)],
    ['late', lateFaults(results)],
  ]);
}

/** Puts the tables between their markers. Throws where a marker is missing. */
export function fillIn(markdown: string, tables: ReadonlyMap<string, string>): string {
  let text = markdown;
  for (const [name, body] of tables) {
    const [from, to] = [`<!-- simulate:${name} -->`, `<!-- /simulate:${name} -->`];
    const [start, end] = [text.indexOf(from), text.indexOf(to)];
    if (start < 0 || end < start) throw new Error(`the page has no ${from} … ${to}`);
    text = `${text.slice(0, start + from.length)}\n\n${body}\n\n${text.slice(end)}`;
  }
  return text;
}
