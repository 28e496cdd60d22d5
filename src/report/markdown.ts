import { oneLine } from '../domain/outside-text.ts';
import { percentText } from '../error-budget/policy.ts';
import type { BudgetReport, BudgetState, ReportEntry } from './report.ts';
import { sliText } from './sli-text.ts';

const headings: Readonly<Record<BudgetState, string>> = {
  due: 'Action due',
  unknown: 'Unknown',
  fine: 'Nothing to do',
};

/** The report as a page for SLO meetings. */
export function markdownReport(report: BudgetReport): string {
  const states = (['due', 'unknown', 'fine'] as const).filter((state) =>
    report.cujs.some((entry) => entry.state === state),
  );
  const sections = states.map((state) => {
    const entries = report.cujs.filter((entry) => entry.state === state);
    const body = state === 'fine' ? table(entries) : entries.map(block).join('\n\n');
    return `## ${headings[state]} (${entries.length})\n\n${body}`;
  });
  return `# Error budgets, ${report.at.slice(0, 10)}\n\n${sections.join('\n\n')}\n\n---\n\n${footer(report)}\n`;
}

function block(entry: ReportEntry): string {
  const lines = [
    `### ${heading(entry)}`,
    '',
    `Owner: ${cell(entry.owner)} · tier ${entry.tier}${entry.runbook === null ? '' : ` · [runbook](<${entry.runbook}>)`}`,
    '',
    ...entry.slis.map((sli) => `- ${cell(sliText(sli, entry.window))}`),
  ];
  for (const { below, action, gate } of entry.due) {
    const rule = gate === null ? '' : ` Rollouts are judged by the rule \`${gate}\` until then.`;
    lines.push(`- [ ] **${cell(action)}** (agreed below ${percentText(below)}).${rule}`);
  }
  if (entry.state === 'due' && entry.due.length === 0) {
    lines.push(
      '- [ ] **Agree on an action**: the budget is overspent, and the CUJ has no errorBudgetPolicy.',
    );
  }
  return lines.join('\n');
}

function table(entries: readonly ReportEntry[]): string {
  const rows = entries.map((entry) => {
    const slis = entry.slis.map(
      (sli) => `${sli.sli} ${sli.remaining === null ? '?' : percentText(sli.remaining)}`,
    );
    return `| ${cell(heading(entry))} | ${cell(entry.owner)} | ${entry.tier} | ${slis.join(', ')} |`;
  });
  return ['| CUJ | owner | tier | budget left |', '|---|---|---|---|', ...rows].join('\n');
}

function heading({ cuj, title }: ReportEntry): string {
  return title === null ? cuj : `${cell(title)} (${cuj})`;
}

/** Escapes a text for Markdown: one line without cells, links or tags. */
function cell(text: string): string {
  return oneLine(text).replace(/[\\`*_[\]<>|]/g, '\\$&');
}

function footer({ at, registryDigest }: BudgetReport): string {
  return `By \`cuj-gate report\` at ${at}, from the SLOs of the metrics backend; registry ${registryDigest}. A burn rate of 1x uses up the budget exactly at the end of the window.`;
}
