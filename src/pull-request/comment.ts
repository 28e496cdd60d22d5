import { countOf, type PullRequestFinding } from './finding.ts';
import { code, codeBlock, details } from './markdown.ts';
import type { ChangeItem } from './registry-changes.ts';

/** GitHub refuses a comment that is longer, in characters. */
export const maxCommentLength = 65_536;
/** GitHub drops a job summary of more than 1 MiB; the rest is for what other programs write into it. */
export const maxSummaryBytes = 900_000;

/** `skipped`: another check that failed made it impossible. */
export type CheckOutcome = 'passed' | 'failed' | 'skipped';

const marks: Readonly<Record<CheckOutcome, string>> = { passed: '✅', failed: '❌', skipped: '⚪' };

/** All that is said about a change. Strings that are Markdown have text of others in code only. */
export interface PullRequestReport {
  /** One for each check that ran. `what` and `result` are Markdown. */
  readonly checks: readonly {
    readonly what: string;
    readonly result: string;
    readonly outcome: CheckOutcome;
  }[];
  readonly findings: readonly PullRequestFinding[];
  readonly registries: readonly {
    readonly path: string;
    /** Markdown: why there are no items, or what they are. */
    readonly note: string;
    readonly items: readonly ChangeItem[];
    readonly backtest?: ChangeItem;
  }[];
  /** Files in the folders of `generate` that the change adds, changes or removes. */
  readonly generatedFiles: readonly {
    readonly file: string;
    readonly what: 'added' | 'changed' | 'removed';
  }[];
  /** How generated files differ from what the registry yields. */
  readonly differences: readonly { readonly file: string; readonly diff: string }[];
  /** Markdown, one line each. */
  readonly notes: readonly string[];
  readonly head: string | undefined;
  readonly base: string | undefined;
  /** Of the run, ours: where all findings are. */
  readonly runUrl: string | undefined;
}

/** Whether a pull request without a comment needs one: it changes something that is checked, or a check says something. */
export function isWorthAComment({ findings, registries, generatedFiles }: PullRequestReport): boolean {
  return (
    findings.length > 0 ||
    generatedFiles.length > 0 ||
    registries.some(({ items, backtest }) => items.length > 0 || backtest !== undefined)
  );
}

/** The first line of a comment, by which it is found again. Nobody sees it. */
export function markerOf(commentName: string): string {
  return `<!-- cuj-gate pull request${commentName === '' ? '' : `: ${commentName}`} -->`;
}

/** The comment, with its marker, cut to {@link maxCommentLength}. */
export function commentText(report: PullRequestReport, commentName: string): string {
  const title = commentName === '' ? 'cuj-gate' : `cuj-gate: ${commentName}`;
  return fitting(report, `${markerOf(commentName)}\n### ${title}`, (text) => text.length <= maxCommentLength);
}

/** The job summary, cut to {@link maxSummaryBytes}. */
export function summaryText(report: PullRequestReport, commentName: string): string {
  const title = commentName === '' ? 'cuj-gate' : `cuj-gate: ${commentName}`;
  return fitting(report, `### ${title}`, (text) => Buffer.byteLength(text) <= maxSummaryBytes);
}

interface Limits {
  /** Entries of each list. */
  readonly entries: number;
  /** Characters of each difference. */
  readonly diff: number;
}

/** The text with the widest limits that fits. */
function fitting(report: PullRequestReport, title: string, fits: (text: string) => boolean): string {
  const limits: readonly Limits[] = [
    { entries: 1_000, diff: 4_000 },
    { entries: 100, diff: 2_000 },
    { entries: 30, diff: 1_000 },
    { entries: 10, diff: 300 },
    { entries: 3, diff: 0 },
  ];
  for (const limit of limits) {
    const text = render(report, title, limit);
    if (fits(text)) return text;
  }
  const note = `There is too much to show here: ${elsewhere(report)} has all of it.`;
  const short = {
    ...report,
    findings: [],
    registries: [],
    generatedFiles: [],
    differences: [],
    notes: [note],
  };
  return render(short, title, { entries: 3, diff: 0 });
}

function elsewhere({ runUrl }: PullRequestReport): string {
  return runUrl === undefined ? 'the log' : `[the run](${runUrl})`;
}

function render(report: PullRequestReport, title: string, limits: Limits): string {
  const { checks, findings, registries, generatedFiles, differences, notes, head, base } = report;
  const failed = checks.filter(({ outcome }) => outcome === 'failed').length;
  const rest = `${elsewhere(report)} has all of them`;
  const list = <T>(all: readonly T[], line: (one: T) => string): string[] => {
    const lines = all.slice(0, limits.entries).map(line);
    const more = all.length - lines.length;
    return more > 0 ? [...lines, `- … and ${more} more: ${rest}`] : lines;
  };
  const item = (one: ChangeItem): string =>
    [`- ${one.title}`, ...list(one.details, (detail) => `- ${detail}`).map((line) => `  ${line}`)].join('\n');
  const sections: string[] = [
    title,
    failed === 0 ? 'All checks passed.' : `**${amount(failed, 'check')} of ${checks.length} failed.**`,
    list(checks, ({ what, result, outcome }) => `- ${marks[outcome]} ${what}: ${result}`).join('\n'),
  ];
  const shown = findings.filter(({ severity, rule }) => severity !== 'notice' || !saidByItems.has(rule));
  if (shown.length > 0) {
    sections.push('#### What to look at', codeBlock(list(shown, findingText).join('\n')));
  }
  for (const { path, note, items, backtest } of registries.slice(0, limits.entries)) {
    sections.push(`#### What this changes in ${code(path)}`, note);
    if (items.length > 0) sections.push(list(items, item).join('\n'));
    if (backtest !== undefined) sections.push('Backtest:', item(backtest));
  }
  if (generatedFiles.length > 0) {
    sections.push(
      details(
        `Generated files that this changes: ${generatedFiles.length}`,
        list(generatedFiles, ({ file, what }) => `- ${what} ${code(file)}`).join('\n'),
      ),
    );
  }
  if (differences.length > 0 && limits.diff > 0) {
    const parts = list(differences, ({ diff }) => codeBlock(cut(diff, limits.diff), 'diff'));
    sections.push(details(`Generated files that are out of date: ${differences.length}`, parts.join('\n\n')));
  }
  if (notes.length > 0) sections.push('#### Notes', list(notes, (note) => `- ${note}`).join('\n'));
  const commits = [
    ...(head === undefined ? [] : [`Commit ${code(head.slice(0, 12))}`]),
    ...(base === undefined ? [] : [`compared with ${code(base.slice(0, 12))}`]),
  ];
  if (commits.length > 0) sections.push(`<sub>${commits.join(', ')}</sub>`);
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`;
}

/** Notices that repeat what the list of changes says. */
const saidByItems: ReadonlySet<string> = new Set([
  'judged-otherwise',
  'mode-observe',
  'cuj-renamed',
  'cuj-retired',
  'retired-removed',
]);

/** As compilers write it: file, line and column first. */
export function findingText({
  severity,
  file,
  line,
  column,
  rule,
  message,
  meaning,
  fix,
}: PullRequestFinding): string {
  const place = [file, line, line === undefined ? undefined : column].filter((part) => part !== undefined);
  const at = place.length === 0 ? '' : `${flat(place.join(':'))}: `;
  return [
    `${at}${severity}: ${flat(message)} (${rule})`,
    ...(meaning === undefined ? [] : [`  means: ${flat(meaning)}`]),
    `  fix:   ${flat(fix)}`,
  ].join('\n');
}

const maxFlat = 1_000;

function flat(text: string): string {
  return cut(text.replace(/\s+/g, ' ').trim(), maxFlat);
}

function cut(text: string, max: number): string {
  const characters = [...text];
  return characters.length > max ? `${characters.slice(0, max).join('')}…` : text;
}

function amount(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

/** What a check came to, in words. */
export function resultText(findings: readonly PullRequestFinding[]): {
  readonly result: string;
  readonly outcome: CheckOutcome;
} {
  const [errors, warnings] = [countOf(findings, 'error'), countOf(findings, 'warning')];
  if (errors + warnings === 0) return { result: 'nothing found', outcome: 'passed' };
  return {
    result: `${amount(errors, 'error')}, ${amount(warnings, 'warning')}`,
    outcome: errors > 0 ? 'failed' : 'passed',
  };
}
