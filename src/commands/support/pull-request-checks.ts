import path from 'node:path';
import type { Backtest } from '../../backtest/backtest.ts';
import { environmentsIn, type Problem } from '../../domain/registry/model.ts';
import type { BaseCommit, FoundBase } from '../../github/base-commit.ts';
import { manifestsOf, refuseLinksOut, WorkspaceError } from '../../github/workspace-files.ts';
import type { LintFinding } from '../../lint/finding.ts';
import { backtestItem } from '../../pull-request/backtest-comparison.ts';
import { type PullRequestReport, resultText } from '../../pull-request/comment.ts';
import type { PullRequestFinding } from '../../pull-request/finding.ts';
import { type ActionInputs, optionOf, optionsOf } from '../../pull-request/inputs.ts';
import { code } from '../../pull-request/markdown.ts';
import { type ChangeItem, changesOfRegistries, newRegistry } from '../../pull-request/registry-changes.ts';
import type { PlacedRegistry } from '../../registry-files/load.ts';
import { backtestCommand } from '../backtest.ts';
import { type CheckReport, generateCommand } from '../generate.ts';
import { lintCommand } from '../lint.ts';
import { allowKeysOf, placedChanges } from '../validate.ts';
import { environmentOf } from './environment-option.ts';
import { exitCodes, type Io } from './io.ts';
import { loadOfflineWithPlaces } from './offline-registry.ts';
import { manifestName } from './output-folder.ts';

/** What the checks found, without what is known of the run. */
export type CheckedPullRequest = Omit<PullRequestReport, 'head' | 'base' | 'runUrl'>;

/** What is gathered while the checks run. */
interface Gathering {
  readonly checks: PullRequestReport['checks'][number][];
  readonly findings: PullRequestFinding[];
  readonly registries: PullRequestReport['registries'][number][];
  readonly generatedFiles: PullRequestReport['generatedFiles'][number][];
  readonly differences: PullRequestReport['differences'][number][];
  readonly notes: string[];
}

/**
 * Runs validate, generate --check and lint rollout as the inputs say, and compares the registries with those of `base`. Paths
 * are relative to `workspace`, which must be the working directory. `io` has no secrets in its environment.
 */
export async function checkPullRequest(
  inputs: ActionInputs,
  base: FoundBase,
  workspace: string,
  io: Io,
): Promise<CheckedPullRequest> {
  const gathering: Gathering = {
    checks: [],
    findings: [],
    registries: [],
    generatedFiles: [],
    differences: [],
    notes: [],
  };
  const withEnvironment: Io = {
    ...io,
    env: {
      ...io.env,
      ...(inputs.environment === undefined ? {} : { CUJ_GATE_ENVIRONMENT: inputs.environment }),
    },
  };
  const place = placeIn(workspace, base);
  const broken = new Set<string>();
  const unusedAllows = new Set(inputs.allow);
  let compared = true;
  for (const registry of inputs.registries) {
    const checked = await checkRegistry(registry, inputs, base, workspace, withEnvironment);
    const findings = checked.findings.map(place);
    gathering.findings.push(...findings);
    gathering.checks.push({ what: `registry ${code(registry)}`, ...resultText(findings) });
    gathering.registries.push(checked.changes);
    for (const key of checked.usedAllows) unusedAllows.delete(key);
    if (checked.isBroken) broken.add(path.normalize(registry));
    compared &&= checked.compared;
  }
  if (compared) {
    for (const key of unusedAllows) {
      gathering.findings.push({
        severity: 'warning',
        rule: 'allow-matches-nothing',
        message: `allow: ${key} matches no change of this pull request`,
        fix: 'Remove it from the workflow, or check the rule and the name.',
      });
    }
  }
  const isBroken = (args: readonly string[]) =>
    broken.has(path.normalize(optionOf(args, '--registry') as string));
  for (const args of inputs.generate) {
    const what = `generated files in ${code(optionOf(args, '--out') as string)}`;
    if (isBroken(args)) gathering.checks.push({ what, ...notRun });
    else await checkGenerated(args, what, base, workspace, place, withEnvironment, gathering);
  }
  for (const args of inputs.rollouts) {
    const what = `Rollouts in ${pathsOf(args).map(code).join(', ') || '`rollouts`'}`;
    if (isBroken(args)) gathering.checks.push({ what, ...notRun });
    else await checkRollouts(args, what, workspace, place, withEnvironment, gathering);
  }
  return gathering;
}

const notRun = { result: 'not checked: the registry has errors', outcome: 'skipped' } as const;

/** Names files as git does, whatever the working directory is: annotations need it. */
function placeIn(workspace: string, base: FoundBase): (finding: PullRequestFinding) => PullRequestFinding {
  const root = 'why' in base ? workspace : base.root;
  return (finding) => {
    if (finding.file === undefined) return finding;
    const relative = path.relative(root, path.resolve(workspace, finding.file));
    return relative.startsWith('..') ? finding : { ...finding, file: relative };
  };
}

/** An `io` that keeps what is written, for the output of a command. */
function capturing(io: Io) {
  const out: string[] = [];
  const err: string[] = [];
  const captured: Io = {
    ...io,
    stdout: { write: (text) => out.push(text) },
    stderr: { write: (text) => err.push(text) },
  };
  return { io: captured, out: () => out.join(''), err: () => err.join('').trim() };
}

interface CheckedRegistry {
  readonly findings: readonly PullRequestFinding[];
  readonly changes: PullRequestReport['registries'][number];
  readonly usedAllows: readonly string[];
  readonly isBroken: boolean;
  readonly compared: boolean;
}

async function checkRegistry(
  registry: string,
  inputs: ActionInputs,
  base: FoundBase,
  workspace: string,
  io: Io,
): Promise<CheckedRegistry> {
  const failing = (findings: readonly PullRequestFinding[]): CheckedRegistry => ({
    findings,
    changes: { path: registry, note: 'It has errors, so it was not compared.', items: [] },
    usedAllows: [],
    isBroken: true,
    compared: false,
  });
  const next = await load(registry, workspace, io);
  if ('message' in next) return failing([next]);
  if (!next.result.ok) {
    const { problems, omitted } = next.result;
    const more: PullRequestFinding[] =
      omitted === 0
        ? []
        : [
            {
              severity: 'error',
              rule: 'more-problems',
              message: `${omitted} more problems are not shown`,
              fix: 'Fix those that are shown first.',
            },
          ];
    return failing([...problems.map((problem) => findingOf('error', problem)), ...more]);
  }
  const warnings = (next.result.warnings ?? []).map((problem) => findingOf('warning', problem));
  const set = next.result.registries;
  const plain = (note: string, items: readonly ChangeItem[] = []): CheckedRegistry => ({
    findings: warnings,
    changes: { path: registry, note, items },
    usedAllows: [],
    isBroken: false,
    compared: false,
  });
  if ('why' in base) return plain(`It was not compared: ${base.why}.`);
  let old: PlacedRegistry | undefined;
  let at: string | undefined;
  try {
    at = await base.materialise(path.resolve(workspace, registry));
    if (at === undefined)
      return withBacktest(
        plain('It is new.', newRegistry(set)),
        environmentsIn(set),
        undefined,
        registry,
        inputs,
        io,
      );
    old = await loadOfflineWithPlaces(at, io, 'github-action');
  } catch (error) {
    return plain(`It was not compared: ${code((error as Error).message)}.`);
  }
  if (old === undefined || !old.result.ok)
    return plain('It was not compared: the registry of the base branch has errors.');
  if (old.result.registries.digest === set.digest)
    return { ...plain('Nothing: it is unchanged.'), compared: true };
  const usedAllows: string[] = [];
  const folder = path.dirname(at);
  const changes = placedChanges(old, next).map(({ change, problem }): PullRequestFinding => {
    const keys = allowKeysOf(change).filter((key) => inputs.allow.includes(key));
    usedAllows.push(...keys);
    const finding = findingOf(!change.breaks || keys.length > 0 ? 'notice' : 'error', problem);
    const said =
      change.breaks && keys.length > 0 ? { ...finding, message: `allowed: ${finding.message}` } : finding;
    if (change.place.in === 'new') return said;
    // What is gone has no line in the new version.
    const { line, column: _, ...rest } = said;
    const file = path.join(path.dirname(registry), path.relative(folder, problem.file));
    return { ...rest, file, message: `${rest.message} (line ${line} of the base branch)` };
  });
  const items = changesOfRegistries(old.result.registries, set);
  const note = items.length === 0 ? 'Nothing that is judged changes.' : '';
  return withBacktest(
    {
      findings: [...changes, ...warnings],
      changes: { path: registry, note, items },
      usedAllows,
      isBroken: false,
      compared: true,
    },
    environmentsIn(set),
    at,
    registry,
    inputs,
    io,
  );
}

async function load(
  registry: string,
  workspace: string,
  io: Io,
): Promise<PlacedRegistry | PullRequestFinding> {
  const { io: quiet, err } = capturing(io);
  try {
    await refuseLinksOut(workspace, [registry]);
    const loaded = await loadOfflineWithPlaces(registry, quiet, 'github-action');
    return loaded ?? misuse('registry', err(), 'Correct the settings of the step.');
  } catch (error) {
    if (!(error instanceof WorkspaceError)) throw error;
    return misuse('registry', error.message, 'Correct the input registry, or the file.');
  }
}

/** A line to copy into a shell. */
function commandLine(verb: string, args: readonly string[]): string {
  const quoted = args.map((arg) =>
    /^[\w@%+=:,./-]+$/.test(arg) ? arg : `'${arg.replaceAll("'", `'\\''`)}'`,
  );
  return `cuj-gate ${verb} ${quoted.join(' ')}`;
}

function misuse(rule: string, message: string, fix: string): PullRequestFinding {
  return { severity: 'error', rule: `${rule}-not-checked`, message, fix };
}

function findingOf(
  severity: PullRequestFinding['severity'],
  { file, line, column, rule, message, fix }: Problem,
): PullRequestFinding {
  return { severity, file, line, column, rule, message, fix };
}

/** With what past rollouts would have come to, where there are keys. */
async function withBacktest(
  checked: CheckedRegistry,
  environments: readonly string[],
  old: string | undefined,
  registry: string,
  inputs: ActionInputs,
  io: Io,
): Promise<CheckedRegistry> {
  const { datadog } = inputs;
  if (datadog === undefined || checked.changes.items.length === 0) return checked;
  const withBacktestOf = (title: string) => ({
    ...checked,
    changes: { ...checked.changes, backtest: { title, details: [] } },
  });
  if (environments.length > 0 && environmentOf({}, io) === undefined)
    return withBacktestOf(
      'It did not run: the registry has environments. Choose one with the input `environment`.',
    );
  const keyed: Io = {
    ...io,
    env: {
      ...io.env,
      DD_API_KEY: datadog.apiKey,
      DD_APP_KEY: datadog.appKey,
      ...(datadog.site === undefined ? {} : { DD_SITE: datadog.site }),
    },
  };
  const after = await backtestOf(registry, inputs, keyed);
  if (typeof after === 'string') return withBacktestOf(`It could not run: ${code(after)}`);
  const before = old === undefined ? undefined : await backtestOf(old, inputs, keyed);
  const backtest = backtestItem(typeof before === 'string' ? undefined : before, after);
  return { ...checked, changes: { ...checked.changes, backtest } };
}

/** The backtest, or why there is none. */
async function backtestOf(
  registry: string,
  { backtestDays, backtestMax }: ActionInputs,
  io: Io,
): Promise<Backtest | string> {
  const { io: quiet, out, err } = capturing(io);
  let exitCode: number = exitCodes.good;
  const command = backtestCommand(
    quiet,
    (value) => {
      exitCode = value;
    },
    io.sleep === undefined ? undefined : (ms) => io.sleep?.(ms) ?? Promise.resolve(),
  );
  const args = [
    '--registry',
    registry,
    '--days',
    String(backtestDays),
    '--max',
    String(backtestMax),
    '--json',
  ];
  await command.exitOverride().parseAsync(args, { from: 'user' });
  return exitCode === exitCodes.misuse ? lastLine(err()) : (JSON.parse(out()) as Backtest);
}

function lastLine(text: string): string {
  return text.split('\n').at(-1) ?? '';
}

async function checkGenerated(
  args: readonly string[],
  what: string,
  base: FoundBase,
  workspace: string,
  place: (finding: PullRequestFinding) => PullRequestFinding,
  io: Io,
  gathering: Gathering,
): Promise<void> {
  const out = optionOf(args, '--out') as string;
  const { io: quiet, out: stdout, err } = capturing(io);
  const findings: PullRequestFinding[] = [];
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
      const changed = report.differences.filter((one) => one.kind === 'changed' && !isManifest(one.file));
      gathering.differences.push(...changed);
    }
  } catch (error) {
    if (!(error instanceof WorkspaceError)) throw error;
    findings.push(misuse('generate', error.message, `Correct the input generate, or the file.`));
  }
  const placed = findings.map(place);
  gathering.findings.push(...placed);
  gathering.checks.push({ what, ...resultText(placed) });
  if ('why' in base) return;
  const changed = await changedIn(base, path.resolve(workspace, out));
  const known = new Set(gathering.generatedFiles.map(({ file }) => file));
  gathering.generatedFiles.push(...changed.filter(({ file }) => !known.has(file)));
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
    const named = those.slice(0, maxNamed).map(nameOf).join(', ');
    const rest = those.length > maxNamed ? ` and ${those.length - maxNamed} more` : '';
    const message =
      others.length === 0
        ? `${nameOf(first)} ${one}`
        : `${those.length} files below ${out} ${several}: ${named}${rest}`;
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
function pathsOf(args: readonly string[]): readonly string[] {
  return args.filter((arg, index) => !arg.startsWith('-') && !isValue(args, index));
}

/** All options of `lint rollout` that stand in a workflow have a value. */
function isValue(args: readonly string[], index: number): boolean {
  const before = args[index - 1];
  return before !== undefined && /^--[^=]+$/.test(before);
}

async function checkRollouts(
  args: readonly string[],
  what: string,
  workspace: string,
  place: (finding: PullRequestFinding) => PullRequestFinding,
  io: Io,
  gathering: Gathering,
): Promise<void> {
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
  const placed = findings.map(place);
  gathering.findings.push(...placed);
  gathering.checks.push({ what, ...resultText(placed) });
}
