import type { Verdict } from '../../domain/judge/judge.ts';
import type { ServiceVerdict } from '../../domain/judge/judge-service.ts';
import type { SliVerdict } from '../../domain/judge/judge-sli.ts';
import { percent, plain, rolloutsOf } from '../../domain/judge/number-text.ts';
import type { Outcome } from '../../domain/judge/outcome.ts';
import { rules } from '../../domain/judge/rules/table.ts';
import { evidenceText } from '../../domain/judge/summary.ts';
import type { RuleName } from '../../domain/registry/rules.ts';
import { sliKinds } from '../../domain/sli/table.ts';
import type { Colors } from './colors.ts';

/** Colours a text by its outcome. */
export function colorOutcome(colors: Colors, outcome: Outcome, text: string): string {
  if (outcome === 'pass') return colors.green(text);
  return outcome === 'fail' ? colors.red(text) : colors.yellow(text);
}

/** Lines of cells, each column as wide as its widest cell; the first `left` columns are left-aligned, the others right. */
export function table(rows: readonly (readonly string[])[], left: number): string[] {
  const widths: number[] = [];
  for (const row of rows)
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, cell.length);
    });
  return rows.map((row) =>
    row
      .map((cell, i) => (i < left ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}

function countOrDash(value: number | null): string {
  return value === null ? '-' : plain(value);
}

/** Evidence in a column: "1 in 620". */
function oneIn(evidence: number): string {
  const rollouts = rolloutsOf(evidence);
  return rollouts < 2 ? '-' : `1 in ${rollouts}`;
}

/** The evidence that the rule decides by, and its threshold; empty where the rule decides by the counts. */
function proof(sli: SliVerdict, rule: RuleName): string {
  const decisive = rules[rule].decidesBy.evidence?.(sli);
  if (decisive === undefined) return '';
  return `${evidenceText(decisive, sli.evidenceThreshold)} (aborts at 1 in ${plain(sli.evidenceThreshold)}), `;
}

function sliLines(sli: SliVerdict, rule: RuleName, colors: Colors): string[] {
  const { badWord, events } = sliKinds[sli.sli];
  // Without a status, a failure looks like a success: only those that are seen can be shown, and no ratio of good ones.
  const isBlind = sli.missingStatus !== undefined;
  const bad = isBlind ? `known ${badWord}` : badWord;
  const goal = `the objective is ${percent(sli.objective)}`;
  const burn = sli.burnRate === null ? '' : `, burn rate ${plain(sli.burnRate)}`;
  const head = [
    colorOutcome(colors, sli.verdict, `${sli.sli}: ${sli.verdict} (${sli.reason})`),
    sli.value === null
      ? `  no ${events}; ${goal}`
      : isBlind
        ? `  failures cannot be seen where ${events} have no status, ${goal}: ${plain(sli.bad)} of ${plain(sli.total)} known to have ${badWord}`
        : `  ${percent(sli.value)} of ${plain(sli.total)} ${events} were good, ${goal}: ${plain(sli.bad)} ${badWord}${sli.failure === undefined ? '' : ` by ${sli.failure}`}${burn}`,
    `  ${isBlind ? '' : proof(sli, rule)}${sli.failAtBadEvents === null ? 'no abort threshold yet' : `abort threshold ${plain(sli.failAtBadEvents)} ${badWord}`}, ${sli.requestsToVerdict === null ? 'more traffic alone does not lead to a pass' : `${plain(sli.requestsToVerdict)} clean ${events} to a pass`}`,
    isBlind
      ? `  stable: ${plain(sli.stable.bad)} of ${plain(sli.stable.total)} known to have ${badWord}`
      : `  stable: ${plain(sli.stable.bad)} of ${plain(sli.stable.total)} ${badWord}${sli.stable.value === null ? '' : ` (${percent(sli.stable.value)})`}`,
  ];
  const rows = [
    [
      '  endpoint',
      events,
      bad,
      'SLI',
      'rarer than',
      'abort threshold',
      isBlind ? `stable, ${bad}` : `stable ${bad}`,
    ],
    ...sli.endpoints.map((endpoint) => [
      `  ${endpoint.endpoint}${endpoint.latencyMs === undefined ? '' : ` within ${plain(endpoint.latencyMs)} ms`}${endpoint.failure === undefined ? '' : ` by ${endpoint.failure}`}`,
      plain(endpoint.total),
      plain(endpoint.bad),
      endpoint.value === null ? '-' : isBlind ? '?' : percent(endpoint.value),
      oneIn(endpoint.evidence),
      countOrDash(endpoint.failAtBadEvents),
      `${plain(endpoint.stable.bad)} of ${plain(endpoint.stable.total)}`,
    ]),
  ];
  const [header, ...body] = table(rows, 1);
  return [...head, '', colors.dim(header as string), ...body];
}

/** A verdict as text: the summary, then the numbers behind it. */
export function verdictText(verdict: Verdict, colors: Colors): string {
  const window = verdict.window;
  return [
    colorOutcome(colors, verdict.verdict, verdict.summary),
    '',
    ...verdict.slis.flatMap((sli) => [...sliLines(sli, verdict.rule, colors), '']),
    ...(window === undefined
      ? []
      : [
          `window   ${window.from} to ${window.to} (${plain(window.seconds / 60)} min, starts at ${window.start})`,
        ]),
    // A retired CUJ has no selectors.
    ...(verdict.canary === '' ? [] : [`canary   ${verdict.canary}`]),
    ...(verdict.stable === '' ? [] : [`stable   ${verdict.stable}`]),
    `rule     ${verdict.rule}${verdict.ruleChangedBy === undefined ? '' : ` (${verdict.ruleChangedBy})`}`,
    ...(verdict.budgetNote === undefined ? [] : [`budget   ${verdict.budgetNote}`]),
    `owner    ${verdict.owner}${verdict.runbook === undefined ? '' : `, ${verdict.runbook}`}`,
    `to do    ${verdict.hint}`,
    '',
  ].join('\n');
}

/** For people who take it for a pass: that the CUJ only observes, and what the verdict would be. The empty string where it does not. */
export function observeNote({ cuj, wouldBe }: Pick<Verdict, 'cuj' | 'wouldBe'>): string {
  if (wouldBe === undefined) return '';
  return `Note: ${cuj} has mode: observe, so every release passes. With mode: enforce this would be ${wouldBe.verdict.toUpperCase()} (${wouldBe.reason}).\n`;
}

/** A service's verdict as text: the summary, then a line for each CUJ, worst first. */
export function serviceVerdictText(verdict: ServiceVerdict, colors: Colors): string {
  return [
    colorOutcome(colors, verdict.verdict, verdict.summary),
    '',
    ...verdict.cujs.flatMap((cuj) => [
      `  ${colorOutcome(colors, cuj.verdict, cuj.summary)}`,
      ...(cuj.ruleChangedBy === undefined ? [] : [`    rule ${cuj.rule} (${cuj.ruleChangedBy})`]),
      ...(cuj.budgetNote === undefined ? [] : [`    ${cuj.budgetNote}`]),
    ]),
    '',
    `canary   ${verdict.canary}`,
    `stable   ${verdict.stable}`,
    `to do    ${verdict.hint}`,
    '',
  ].join('\n');
}
