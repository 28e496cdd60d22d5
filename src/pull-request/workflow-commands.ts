import { oneLine, visible, visibleLines } from '../domain/outside-text.ts';
import type { FindingSeverity, PullRequestFinding } from './finding.ts';

/**
 * Workflow commands of GitHub Actions: lines on standard output that the runner acts on. The runner takes a line that begins
 * with `::`, and anything after `##[` in a line, for a command, so text of others is never printed as it is.
 */

/** So many annotations of each severity does GitHub keep of one step. */
export const maxAnnotations = 10;

const maxMessage = 2_000;

/** The annotations of a step, and how many of each severity are left out because GitHub would not show them. */
export interface Annotations {
  /** Each is one line, with its line break. */
  readonly lines: readonly string[];
  readonly leftOut: Readonly<Record<FindingSeverity, number>>;
}

/** One annotation for each finding, up to {@link maxAnnotations} of each severity, in the order given. */
export function annotationsOf(findings: readonly PullRequestFinding[]): Annotations {
  const leftOut = { error: 0, warning: 0, notice: 0 };
  const shown = { error: 0, warning: 0, notice: 0 };
  const lines: string[] = [];
  for (const finding of findings) {
    if (shown[finding.severity] >= maxAnnotations) {
      leftOut[finding.severity] += 1;
      continue;
    }
    shown[finding.severity] += 1;
    lines.push(annotation(finding));
  }
  return { lines, leftOut };
}

function annotation({
  severity,
  file,
  line,
  column,
  rule,
  message,
  meaning,
  fix,
}: PullRequestFinding): string {
  const properties = [
    ...(file === undefined ? [] : [`file=${escapedProperty(file)}`]),
    ...(file === undefined || line === undefined ? [] : [`line=${line}`]),
    ...(file === undefined || line === undefined || column === undefined ? [] : [`col=${column}`]),
    `title=${escapedProperty(`cuj-gate: ${rule}`)}`,
  ];
  const parts = [
    oneLine(message),
    ...(meaning === undefined ? [] : [oneLine(meaning)]),
    `Fix: ${oneLine(fix)}`,
  ];
  return `::${severity} ${properties.join(',')}::${escapedData(shortened(parts.join('\n')))}\n`;
}

function shortened(text: string): string {
  const characters = [...text];
  return characters.length > maxMessage ? `${characters.slice(0, maxMessage - 1).join('')}…` : text;
}

/** A message of a command. */
function escapedData(text: string): string {
  return visibleLines(text).replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

/** A property of a command: it must not end the properties, or begin another one. */
function escapedProperty(text: string): string {
  return escapedData(visible(text)).replaceAll(':', '%3A').replaceAll(',', '%2C');
}

/**
 * Text for the log in which the runner looks for no commands. The token ends this, so the text must not know it: a new random
 * one for each call.
 */
export function plainLog(text: string, token: string): string {
  return `::stop-commands::${token}\n${visibleLines(text)}\n::${token}::\n`;
}
