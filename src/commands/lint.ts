import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import type { Registry } from '../domain/registry/model.ts';
import { hasAtMostThreeDecimals } from '../domain/registry/objective.ts';
import { builtInDefaults, builtInPolicy } from '../domain/registry/resolve-defaults.ts';
import type { LintFinding, LintInput } from '../lint/finding.ts';
import { type LintResult, lintRollouts } from '../lint/lint-rollouts.ts';
import { seconds } from '../lint/rollout-parts.ts';
import { type Colors, colorsFor } from './render/colors.ts';
import { environmentOption } from './support/environment-option.ts';
import { exitCodes, type Io } from './support/io.ts';
import { loadOffline } from './support/offline-registry.ts';
import { problemText } from './validate.ts';

interface Options {
  readonly registry?: string;
  readonly requestsPerMinute?: number;
  readonly objective: number;
  readonly ruleOutBurn: number;
  readonly lag: number;
  readonly maxWindow: number;
  readonly json?: true;
  readonly environment?: string;
}

const notes = `
Include the AnalysisTemplates: templates that are not among the files are not checked.
With --registry, the objective, rule and lag of each CUJ are used; otherwise the options listed after it.
Exit codes: 0 no error, 1 at least one error, 2 misuse.`;

/** The command; `exit` receives the exit code. */
export function buildLintCommand(io: Io, exit: (code: number) => void): Command {
  const command = new Command('lint')
    .description('Check an existing Rollout for mistakes that make its analysis useless.')
    .addArgument(new Argument('<what>', 'what to check').choices(['rollout']))
    .argument('<files...>', 'YAML files with Rollouts and their templates; - is standard input')
    .option('--registry <path>', 'the registry (default: $CUJ_GATE_REGISTRY, if set)')
    .addOption(environmentOption())
    .addOption(
      new Option(
        '--requests-per-minute <n>',
        'requests of a CUJ, canary and stable together; checks whether the pauses are long enough',
      ).argParser(positive),
    )
    .addOption(new Option('--objective <percent>', 'availability').argParser(percent).default(99.95))
    .addOption(
      new Option('--rule-out-burn <rate>', 'burn rate that traffic must rule out before a pass')
        .argParser(positive)
        .default(builtInPolicy.ruleOutBurn),
    )
    .addOption(
      new Option('--lag <duration>', "age at which Datadog's data is complete")
        .argParser(duration)
        .default(builtInPolicy.lagMs / 1000, builtInDefaults.gate.lag),
    )
    .addOption(
      new Option('--max-window <duration>', 'longest window that is judged')
        .argParser(duration)
        .default(builtInPolicy.maxWindowMs / 1000, builtInDefaults.gate.maxWindow),
    )
    .option('--json', 'print one JSON object: ok, rollouts, findings')
    .addHelpText('after', notes);
  return command.action(async (_: string, files: string[]) =>
    exit(await lint(files, command.opts<Options>(), io)),
  );
}

/** Runs `lint ARGS`. Returns the exit code. */
export async function lintCommand(args: readonly string[], io: Io): Promise<number> {
  let code: number = exitCodes.good;
  const command = buildLintCommand(io, (value) => {
    code = value;
  })
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text),
    });
  try {
    await command.parseAsync([...args], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? exitCodes.good : exitCodes.misuse;
  }
  return code;
}

async function lint(files: readonly string[], options: Options, io: Io): Promise<number> {
  const complain = (message: string) => void io.stderr.write(`cuj-gate lint: ${message}\n`);
  const inputs: LintInput[] = [];
  for (const file of files) {
    try {
      // 0 is the file descriptor of standard input.
      inputs.push({
        file: file === '-' ? '(standard input)' : file,
        text: await readFile(file === '-' ? '/dev/stdin' : file, 'utf8'),
      });
    } catch (error) {
      complain(
        (error as NodeJS.ErrnoException).code === 'EISDIR'
          ? `${file} is a folder: give its files, such as ${path.join(file, '*.yaml')}.`
          : `${file} cannot be read: ${(error as Error).message}.`,
      );
      return exitCodes.misuse;
    }
  }
  let registry: Registry | undefined;
  const registryPath = options.registry ?? io.env.CUJ_GATE_REGISTRY;
  if (registryPath !== undefined && registryPath !== '') {
    const loaded = await loadOffline(registryPath, io, 'lint', options);
    if (loaded === undefined) return exitCodes.misuse;
    if (!loaded.ok) {
      for (const problem of loaded.problems)
        io.stderr.write(problemText(problem, colorsFor({ ...io, stdout: io.stderr })));
      complain('the registry is invalid, nothing was checked.');
      return exitCodes.misuse;
    }
    registry = loaded.registry;
  }
  const result = lintRollouts(inputs, {
    registry,
    requestsPerMinute: options.requestsPerMinute,
    objective: options.objective,
    ruleOutBurn: options.ruleOutBurn,
    lagSeconds: options.lag,
    maxWindowSeconds: options.maxWindow,
  });
  const errors = result.findings.filter(({ severity }) => severity === 'error').length;
  if (result.rollouts.length === 0 && errors === 0) {
    complain('no Rollout in these files.');
    return exitCodes.misuse;
  }
  if (options.json === true) io.stdout.write(`${JSON.stringify({ ok: errors === 0, ...result }, null, 2)}\n`);
  else io.stdout.write(resultText(result, errors, colorsFor(io)));
  return errors === 0 ? exitCodes.good : exitCodes.no;
}

function resultText({ rollouts, findings }: LintResult, errors: number, colors: Colors): string {
  const names = rollouts.join(', ');
  if (findings.length === 0) return `${colors.green('ok')}: ${names}: no problems found\n`;
  const warnings = findings.length - errors;
  const count = (number: number, what: string) => `${number} ${what}${number === 1 ? '' : 's'}`;
  const of = names === '' ? '' : `${names}: `;
  return `${findings.map((finding) => findingText(finding, colors)).join('')}${of}${count(errors, 'error')}, ${count(warnings, 'warning')}\n`;
}

function findingText(
  { severity, rule, file, line, column, message, meaning, fix }: LintFinding,
  colors: Colors,
): string {
  const word = severity === 'error' ? colors.red('error') : colors.yellow('warning');
  return `${colors.bold(`${file}:${line}:${column}`)}: ${word}: ${message} ${colors.dim(`(${rule})`)}\n  means: ${meaning}\n  fix:   ${fix}\n`;
}

function positive(text: string): number {
  const value = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || !(value > 0))
    throw new InvalidArgumentError('It must be a number above 0.');
  return value;
}

function percent(text: string): number {
  const value = positive(text);
  if (value >= 100 || !hasAtMostThreeDecimals(value)) {
    throw new InvalidArgumentError('It must be between 0 and 100, with at most three decimals.');
  }
  return value;
}

function duration(text: string): number {
  const value = seconds(text);
  if (value === undefined || value <= 0) throw new InvalidArgumentError('Use a duration such as 90s or 2h.');
  return value;
}
