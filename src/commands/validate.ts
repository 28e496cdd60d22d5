import { Command, InvalidArgumentError } from 'commander';
import { visible } from '../domain/outside-text.ts';
import { compareSets, type SetChange } from '../domain/registry/compare-sets.ts';
import {
  anyRegistryOf,
  environmentsIn,
  type Problem,
  type Registry,
  type RegistrySet,
} from '../domain/registry/model.ts';
import { defaultAnalysisOptions } from '../generate/argo/analysis-options.ts';
import { sampleSteps, sampleWaitMinutes } from '../generate/argo/sized-steps.ts';
import type { LoadResult, PlacedRegistry } from '../registry-files/load.ts';
import { type Colors, colorsFor } from './render/colors.ts';
import { exitCodes, type Io, type Stream } from './support/io.ts';
import { loadOfflineWithPlaces } from './support/offline-registry.ts';
import {
  type GivenTraffic,
  requestsPerMinuteOption,
  stepsForGiven,
  unknownService,
} from './support/traffic-options.ts';

/** Problems that mean that there is no file to validate. */
const misuseRules: ReadonlySet<string> = new Set([
  'no-such-file',
  'not-a-file',
  'unknown-extension',
  'unreadable-file',
]);

/** `cuj-gate validate <path>`. */
export function validateCommand(io: Io, exit: (code: number) => void): Command {
  return new Command('validate')
    .argument(
      '[path]',
      'a .yaml, .yml, .json or .cue file, or a folder of the first three (default: CUJ_GATE_REGISTRY)',
    )
    .option('--registry <path>', 'the same, as in other commands')
    .addOption(requestsPerMinuteOption('warns of what cannot be proved with so many'))
    .option(
      '--against <path>',
      'the registry that is deployed now (- is standard input): also find what would break rollouts in flight',
    )
    .option(
      '--allow <rule:name>',
      'with --against: accept one change that would break, such as alias-removed:checkout, or alias-removed:checkout@staging in one environment; may be repeated',
      collectAllowed,
    )
    .option('--json', 'print one JSON object: ok, digest, files, cujs, services, problems, warnings, against')
    .addHelpText('after', examples)
    .action(async (given: string | undefined, options: Options & { registry?: string }) => {
      const path = given ?? options.registry ?? io.env.CUJ_GATE_REGISTRY;
      if (path === undefined || path === '') {
        io.stderr.write('cuj-gate validate: no registry given. Give its path, or set CUJ_GATE_REGISTRY.\n');
        return exit(exitCodes.misuse);
      }
      exit(await validate(path, options, io));
    });
}

const examples = `
Examples:
  cuj-gate validate cujs.yaml
  git show origin/main:cujs.yaml | cuj-gate validate cujs.yaml --against -

Exit codes: 0 no problem, 1 problems, or changes that would break rollouts in flight, 2 misuse.`;

interface Options {
  readonly json?: boolean;
  readonly requestsPerMinute?: GivenTraffic;
  readonly against?: string;
  readonly allow?: readonly string[];
}

function collectAllowed(text: string, known: readonly string[] = []): readonly string[] {
  if (!/^[a-z-]+:[a-z0-9_.-]+(@[a-z0-9-]+)?$/.test(text))
    throw new InvalidArgumentError('Write it as RULE:NAME, such as alias-removed:checkout.');
  return [...known, text];
}

/** A change with its place. */
export interface PlacedChange {
  readonly change: SetChange;
  readonly problem: Problem;
}

interface Comparison {
  readonly breaking: readonly PlacedChange[];
  /** Notes, and what was allowed. */
  readonly notes: readonly PlacedChange[];
}

/**
 * Checks a registry and prints its problems, and warnings of likely mistakes and about the traffic that is given. Exit codes: 0 no
 * problem, 1 problems, 2 no file to check.
 */
export async function validate(
  path: string,
  { json = false, requestsPerMinute, against, allow = [] }: Options,
  io: Io,
): Promise<number> {
  const complain = (message: string) => void io.stderr.write(`cuj-gate validate: ${message}\n`);
  if (against === undefined && allow.length > 0) {
    complain('--allow requires --against, the registry that is deployed now.');
    return exitCodes.misuse;
  }
  const loaded = await loadOfflineWithPlaces(path, io, 'validate');
  if (loaded === undefined) return exitCodes.misuse;
  const { result } = loaded;
  let comparison: Comparison | undefined;
  if (against !== undefined) {
    const old = await loadOfflineWithPlaces(against, io, 'validate');
    if (old === undefined) return exitCodes.misuse;
    if (!old.result.ok) {
      const colors = colorsFor({ ...io, stdout: io.stderr });
      for (const problem of old.result.problems) io.stderr.write(problemText(problem, colors));
      complain(`the registry of --against has problems, so nothing was compared with it.`);
      return exitCodes.misuse;
    }
    // Without a good registry there is nothing to compare: its problems are reported.
    if (result.ok) {
      comparison = compare(old, loaded, allow);
      const unused = allow.filter(
        (text) => !comparison?.notes.some(({ change }) => allowKeysOf(change).includes(text)),
      );
      if (unused.length > 0) {
        complain(`--allow ${unused.join(' ')} matches no change. Remove it, or check the rule and the name.`);
        return exitCodes.misuse;
      }
    }
  }
  const likely = result.ok ? (result.warnings ?? []) : [];
  let ofTraffic: readonly string[] = [];
  if (result.ok && requestsPerMinute !== undefined) {
    const unknown = unknownService(anyRegistryOf(result.registries), requestsPerMinute.services.keys());
    if (unknown !== undefined) {
      io.stderr.write(`cuj-gate validate: ${unknown.message} ${unknown.hint}\n`);
      return exitCodes.misuse;
    }
    ofTraffic = [...result.registries.byEnvironment].flatMap(([environment, registry]) =>
      warningsOf(registry, requestsPerMinute).map((warning) =>
        environment === undefined ? warning : `${environment}: ${warning}`,
      ),
    );
  }
  const misuse =
    !result.ok && result.files.length === 0 && result.problems.every(({ rule }) => misuseRules.has(rule));
  if (json) {
    const warnings = [...likely.map(warningLine), ...ofTraffic];
    const whole = result.ok
      ? { ...report(result), warnings, ...comparisonReport(comparison) }
      : report(result);
    io.stdout.write(`${JSON.stringify(whole, null, 2)}\n`);
  } else {
    const colors = colorsFor(io);
    writeText(result, misuse ? io.stderr : io.stdout, colors);
    for (const warning of likely) io.stdout.write(warningText(warning, colors));
    for (const warning of ofTraffic) io.stdout.write(`${colors.yellow('warning')}: ${warning}\n`);
    if (comparison !== undefined) io.stdout.write(comparisonText(comparison, colors));
  }
  if (result.ok)
    return comparison === undefined || comparison.breaking.length === 0 ? exitCodes.good : exitCodes.no;
  return misuse ? exitCodes.misuse : exitCodes.no;
}

/** By what `--allow` accepts a change: the first is the narrowest. */
export function allowKeysOf({
  rule,
  name,
  environment,
}: Pick<SetChange, 'rule' | 'name' | 'environment'>): readonly [string, ...string[]] {
  const key = `${rule}:${name}`;
  return environment === undefined ? [key] : [`${key}@${environment}`, key];
}

/** What would break rollouts in flight, and notes, each with its place. Both registries are good. */
export function placedChanges(old: PlacedRegistry, next: PlacedRegistry): readonly PlacedChange[] {
  const setOf = ({ result }: PlacedRegistry): RegistrySet => (result as LoadResult & { ok: true }).registries;
  return compareSets(setOf(old), setOf(next)).map((change): PlacedChange => {
    const { place, rule, message, fix, environment } = change;
    const { locate } = place.in === 'old' ? old : next;
    const of = environment === undefined ? place : { ...place, environment };
    return { change, problem: locate({ ...of, rule, message, fix }) };
  });
}

function compare(old: PlacedRegistry, next: PlacedRegistry, allow: readonly string[]): Comparison {
  const placed = placedChanges(old, next);
  const isAllowed = (change: SetChange) => allowKeysOf(change).some((key) => allow.includes(key));
  const isBreaking = ({ change }: PlacedChange) => change.breaks && !isAllowed(change);
  return { breaking: placed.filter(isBreaking), notes: placed.filter((one) => !isBreaking(one)) };
}

function comparisonReport(comparison: Comparison | undefined) {
  if (comparison === undefined) return {};
  const shown = ({ change: { name, environment }, problem }: PlacedChange) => ({
    ...problem,
    name,
    ...(environment === undefined ? {} : { environment }),
  });
  const { breaking, notes } = comparison;
  return {
    ...(breaking.length === 0 ? {} : { ok: false }),
    against: {
      breaking: breaking.map(shown),
      notes: notes.map((one) => ({ ...shown(one), ...(one.change.breaks ? { allowed: true } : {}) })),
    },
  };
}

function comparisonText({ breaking, notes }: Comparison, colors: Colors): string {
  const text = ({ change, problem }: PlacedChange, word: string) => {
    const { file, line, column, message, rule, fix } = problem;
    const place = colors.bold(visible(`${file}:${line}:${column}`));
    const allowed =
      word === 'allowed' ? `\n  key:   ${allowKeysOf(change)[0]}` : `\n  fix:   ${visible(fix)}`;
    return `${place}: ${word === 'breaks' ? colors.red(word) : colors.yellow(word)}: ${visible(message)} ${colors.dim(`(${rule})`)}${allowed}\n`;
  };
  const lines = [
    ...breaking.map((one) => text(one, 'breaks')),
    ...notes.map((one) => text(one, one.change.breaks ? 'allowed' : 'note')),
  ];
  const summary =
    breaking.length === 0
      ? `${colors.green('ok')}: nothing would break rollouts in flight\n`
      : `${colors.red(count(breaking.length, 'change'))} would break rollouts in flight\n`;
  return `${lines.join('')}${summary}`;
}

/** What cannot be proved with so much traffic, however long and at whatever weight a rollout waits. */
function warningsOf(registry: Registry, traffic: GivenTraffic): readonly string[] {
  const sample = { ...sampleSteps, waitMinutes: sampleWaitMinutes(defaultAnalysisOptions) };
  return [...stepsForGiven(registry, traffic, sample)].flatMap(([service, sizes]) =>
    sizes.warnings.map((warning) => `${service}: ${warning}`),
  );
}

/** In one line, as the warnings about traffic are. */
function warningLine({ file, line, column, message, fix, rule }: Problem): string {
  return `${file}:${line}:${column}: ${message}. ${fix} (${rule})`;
}

function warningText({ file, line, column, message, rule, fix }: Problem, colors: Colors): string {
  const place = colors.bold(visible(`${file}:${line}:${column}`));
  return `${place}: ${colors.yellow('warning')}: ${visible(message)} ${colors.dim(`(${rule})`)}\n  fix:   ${visible(fix)}\n`;
}

function report(result: LoadResult) {
  if (!result.ok) {
    const { files, problems, omitted } = result;
    return { ok: false, files, problems, ...(omitted > 0 ? { omitted } : {}) };
  }
  const { registries, files } = result;
  const { cujs, services } = anyRegistryOf(registries);
  const environments = environmentsIn(registries);
  return {
    ok: true,
    digest: registries.digest,
    files,
    ...(environments.length === 0 ? {} : { environments }),
    cujs: [...cujs.keys()],
    services: [...services.keys()],
    problems: [],
  };
}

function writeText(result: LoadResult, out: Stream, colors: Colors): void {
  if (result.ok) {
    const { cujs, services, digest } = anyRegistryOf(result.registries);
    const environments = environmentsIn(result.registries);
    const of = environments.length === 0 ? '' : `, ${count(environments.length, 'environment')}`;
    const size = `${count(cujs.size, 'CUJ')}, ${count(services.size, 'service')}${of}`;
    out.write(`${colors.green('ok')}: ${size}, digest ${digest}\n`);
    return;
  }
  const { problems, omitted } = result;
  for (const problem of problems) out.write(problemText(problem, colors));
  const total = problems.length + omitted;
  const rest = omitted > 0 ? `, the first ${problems.length} shown` : '';
  out.write(`${colors.red(count(total, 'problem'))}${rest}\n`);
}

/** A problem in the format of compilers, so that editors and terminals can jump to it. */
export function problemText(problem: Problem, colors: Colors): string {
  const { file, line, column, path, message, rule, fix } = problem;
  const lines = [
    `${colors.bold(visible(`${file}:${line}:${column}`))}: ${visible(message)} ${colors.dim(`(${rule})`)}`,
  ];
  if (path !== '') lines.push(`  at:    ${visible(path)}`);
  if ('value' in problem) lines.push(`  found: ${found(problem.value)}`);
  lines.push(`  fix:   ${visible(fix)}`);
  return `${lines.join('\n')}\n`;
}

function found(value: unknown): string {
  const text = visible(JSON.stringify(value) ?? String(value));
  return text.length > 160 ? `${text.slice(0, 159)}…` : text;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
