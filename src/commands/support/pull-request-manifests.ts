import path from 'node:path';
import { listed } from '../../domain/name-lists.ts';
import type { BaseCommit } from '../../github/base-commit.ts';
import { manifestsOf, refuseLinksOut, WorkspaceError } from '../../github/workspace-files.ts';
import type { LintFinding } from '../../lint/finding.ts';
import type { PullRequestReport } from '../../pull-request/comment.ts';
import type { PullRequestFinding } from '../../pull-request/finding.ts';
import { optionOf, optionsOf } from '../../pull-request/inputs.ts';
import { type CheckReport, generateCommand } from '../generate.ts';
import { lintCommand } from '../lint.ts';
import { exitCodes } from './io.ts';
import { manifestName } from './output-folder.ts';
import { type Checking, capturing, commandLine, misuse } from './pull-request-checking.ts';

/** What the check of one line of `generate` found. */
export interface CheckedFiles {
  readonly findings: readonly PullRequestFinding[];
  /** Those that are out of date, with how. */
  readonly differences: PullRequestReport['differences'];
  /** Those that the change adds, changes or removes. */
  readonly changed: PullRequestReport['generatedFiles'];
}

/** Runs `generate --check` with the arguments of a line, which has --out. */
export async function checkGenerated(
  args: readonly string[],
  { base, workspace, io }: Checking,
): Promise<CheckedFiles> {
  const out = optionOf(args, '--out') as string;
  const { io: quiet, out: stdout, err } = capturing(io);
  const findings: PullRequestFinding[] = [];
  let differences: CheckedFiles['differences'] = [];
  const line = commandLine('generate', args);
  try {
    await refuseLinksOut(workspace, [
      out,
      ...optionsOf(args, '--rollouts'),
      ...optionsOf(args, '--registry'),
    ]);
    const exitCode = await generateCommand([...args, '--check', '--json'], quiet);
    if (stdout() === '' || exitCode === exitCodes.misuse) {
      findings.push(
        misuse('generate', err() || 'it failed', `Correct this line of the input generate: ${line}`),
      );
    } else {
      const report = JSON.parse(stdout()) as CheckReport;
      findings.push(...inFlightFindings(report), ...differenceFindings(report, line));
      differences = report.differences.filter((one) => one.kind === 'changed' && !isManifest(one.file));
    }
  } catch (error) {
    if (!(error instanceof WorkspaceError)) throw error;
    findings.push(misuse('generate', error.message, `Correct the input generate, or the file.`));
  }
  const changed = 'why' in base ? [] : await changedIn(base, path.resolve(workspace, out));
  return { findings, differences, changed };
}

const isManifest = (file: string) => path.basename(file) === manifestName;

async function changedIn(base: BaseCommit, folder: string) {
  const changed = await base.changedFiles([folder]).catch(() => []);
  return changed.filter(({ file }) => !isManifest(file));
}

const maxNamed = 5;

/** One for each file that differs, one for all that are missing, and one for all that should be gone: one run corrects them all. */
function differenceFindings({ differences, out }: CheckReport, line: string): PullRequestFinding[] {
  const files = differences.filter(({ file }) => !isManifest(file));
  // The manifest alone: everything else is said by the other files.
  const shown = files.length === 0 ? differences : files;
  const fix = `Run ${line} and commit the result.`;
  const nameOf = ({ file }: { readonly file: string }) => path.relative(out, file);
  const changed = shown
    .filter(({ kind }) => kind === 'changed')
    .map((one): PullRequestFinding => {
      const message = `${nameOf(one)} differs from what the registry yields`;
      return { severity: 'error', file: one.file, line: one.line, rule: 'out-of-date', message, fix };
    });
  const together = (kind: 'missing' | 'stale', one: string, several: string): PullRequestFinding[] => {
    const those = shown.filter((difference) => difference.kind === kind);
    const [first, ...others] = those;
    if (first === undefined) return [];
    const message =
      others.length === 0
        ? `${nameOf(first)} ${one}`
        : `${those.length} files below ${out} ${several}: ${listed(those.map(nameOf), maxNamed)}`;
    return [{ severity: 'error', file: first.file, rule: 'out-of-date', message, fix }];
  };
  return [
    ...changed,
    ...together('missing', 'is missing: the registry yields it', 'are missing: the registry yields them'),
    ...together(
      'stale',
      'is no longer generated, and is still there',
      'are no longer generated, and are still there',
    ),
  ];
}

function inFlightFindings({ inFlight }: CheckReport): PullRequestFinding[] {
  return inFlight.map(({ breaks, file, line, column, rule, message, fix }) => ({
    severity: breaks ? 'error' : 'notice',
    file,
    line,
    column,
    rule,
    message: breaks ? `breaks rollouts in flight: ${message}` : message,
    fix,
  }));
}

/** The arguments of a line of `rollouts` that are no options. */
export function pathsOf(args: readonly string[]): readonly string[] {
  return args.filter((arg, index) => !arg.startsWith('-') && !isValue(args, index));
}

/** All options of `lint rollout` that stand in a workflow have a value. */
function isValue(args: readonly string[], index: number): boolean {
  const before = args[index - 1];
  return before !== undefined && /^--[^=]+$/.test(before);
}

/** Runs `lint rollout` with the arguments of a line. */
export async function checkRollouts(
  args: readonly string[],
  { workspace, io }: Checking,
): Promise<readonly PullRequestFinding[]> {
  const { io: quiet, out, err } = capturing(io);
  const findings: PullRequestFinding[] = [];
  const paths = pathsOf(args);
  try {
    if (paths.length === 0 || args.includes('-'))
      throw new WorkspaceError(
        'a line of rollouts names no file. Give the files or folders of your Rollouts.',
      );
    await refuseLinksOut(workspace, [...paths, ...optionsOf(args, '--registry')]);
    const options = args.filter((arg, index) => arg.startsWith('-') || isValue(args, index));
    const files = await manifestsOf(workspace, paths);
    const exitCode = await lintCommand(['rollout', ...options, '--json', '--', ...files], quiet);
    if (exitCode === exitCodes.misuse || out() === '') {
      const line = commandLine('lint rollout', args);
      findings.push(
        misuse('rollouts', err() || 'it failed', `Correct this line of the input rollouts: ${line}`),
      );
    } else {
      const { findings: found } = JSON.parse(out()) as { findings: readonly LintFinding[] };
      findings.push(...found);
    }
  } catch (error) {
    if (!(error instanceof WorkspaceError)) throw error;
    findings.push(misuse('rollouts', error.message, 'Correct the input rollouts, or the file.'));
  }
  return findings;
}
