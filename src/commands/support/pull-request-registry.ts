import path from 'node:path';
import type { Backtest } from '../../backtest/backtest.ts';
import { environmentsIn, type Problem, type RegistrySet } from '../../domain/registry/model.ts';
import { refuseLinksOut, WorkspaceError } from '../../github/workspace-files.ts';
import { backtestItem } from '../../pull-request/backtest-comparison.ts';
import type { PullRequestReport } from '../../pull-request/comment.ts';
import type { PullRequestFinding } from '../../pull-request/finding.ts';
import type { ActionInputs } from '../../pull-request/inputs.ts';
import { code } from '../../pull-request/markdown.ts';
import { type ChangeItem, changesOfRegistries, newRegistry } from '../../pull-request/registry-changes.ts';
import type { PlacedRegistry } from '../../registry-files/load.ts';
import { backtestCommand } from '../backtest.ts';
import { allowKeysOf, placedChanges } from '../validate.ts';
import { environmentOf } from './environment-option.ts';
import { exitCodes, type Io } from './io.ts';
import { loadOfflineWithPlaces } from './offline-registry.ts';
import { type Checking, capturing, misuse } from './pull-request-checking.ts';

/** What the check of one registry found. */
export interface CheckedRegistry {
  readonly findings: readonly PullRequestFinding[];
  readonly changes: PullRequestReport['registries'][number];
  /** The allowed changes that are there. */
  readonly usedAllows: readonly string[];
  /** It cannot be read, so nothing can be generated or checked by it. */
  readonly isBroken: boolean;
  /** With the registry of the base commit. */
  readonly compared: boolean;
}

/** Validates a registry, compares it with that of the base commit, and replays past rollouts where there are keys. */
export async function checkRegistry(registry: string, checking: Checking): Promise<CheckedRegistry> {
  const { inputs, base, workspace, io } = checking;
  const failing = (findings: readonly PullRequestFinding[]): CheckedRegistry => ({
    findings,
    changes: { path: registry, note: 'It has errors, so it was not compared.', items: [] },
    usedAllows: [],
    isBroken: true,
    compared: false,
  });
  const next = await load(registry, checking);
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
      return withBacktest(plain('It is new.', newRegistry(set)), set, undefined, checking);
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
    set,
    at,
    checking,
  );
}

async function load(
  registry: string,
  { workspace, io }: Checking,
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

function findingOf(
  severity: PullRequestFinding['severity'],
  { file, line, column, rule, message, fix }: Problem,
): PullRequestFinding {
  return { severity, file, line, column, rule, message, fix };
}

/** With what past rollouts would have come to, where there are keys. */
async function withBacktest(
  checked: CheckedRegistry,
  set: RegistrySet,
  old: string | undefined,
  { inputs, io }: Checking,
): Promise<CheckedRegistry> {
  const { datadog } = inputs;
  if (datadog === undefined || checked.changes.items.length === 0) return checked;
  const withBacktestOf = (title: string) => ({
    ...checked,
    changes: { ...checked.changes, backtest: { title, details: [] } },
  });
  if (environmentsIn(set).length > 0 && environmentOf({}, io) === undefined)
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
  const after = await backtestOf(checked.changes.path, inputs, keyed);
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
