import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import type { Registry } from '../domain/registry/model.ts';
import { hasAtMostThreeDecimals } from '../domain/registry/objective.ts';
import type { LintFinding } from '../lint/finding.ts';
import { type LintInput, type LintResult, lintRollouts } from '../lint/lint-rollouts.ts';
import { seconds } from '../lint/rollout-parts.ts';
import { loadRegistry } from '../registry-files/load.ts';
import { type Colors, colorsFor } from './render/colors.ts';
import { exitCodes, type Io } from './support/io.ts';
import { problemText } from './validate.ts';

interface Options {
  readonly registry?: string;
  readonly requestsPerMinute?: number;
  readonly objective: number;
  readonly ruleOutBurn: number;
  readonly lag: number;
  readonly maxWindow: number;
  readonly json?: true;
}

const notes = `
Give the AnalysisTemplates in the same files or in others: what is not given is not checked.
With --registry each CUJ's own objective, rule and lag are used; without it, the options below it.
Exit codes: 0 nothing that makes an analysis useless, 1 at least one error, 2 misuse.`;

/** The verb for the program; `exit` takes the exit code that it ends with. */
export function buildLintCommand(io: Io, exit: (code: number) => void): Command {
  const command = new Command('lint')
    .description('Says what in an existing Rollout would make its analysis useless.')
    .addArgument(new Argument('<what>', 'what to look at').choices(['rollout']))
    .argument('<files...>', 'YAML files with Rollouts and their templates; - is standard input')
    .option('--registry <path>', 'the registry (default: $CUJ_GATE_REGISTRY, if set)')
    .addOption(
      new Option(
        '--requests-per-minute <n>',
        'of a CUJ, canary and stable together: works out whether the pauses are long enough',
      ).argParser(positive),
    )
    .addOption(new Option('--objective <percent>', 'availability').argParser(percent).default(99.95))
    .addOption(
      new Option('--rule-out-burn <rate>', 'what traffic must rule out before a pass')
        .argParser(positive)
        .default(14.4),
    )
    .addOption(
      new Option('--lag <duration>', "how late Datadog's data is complete")
        .argParser(duration)
        .default(90, '90s'),
    )
    .addOption(
      new Option('--max-window <duration>', 'the longest span that is looked at')
        .argParser(duration)
        .default(7200, '2h'),
    )
    .option('--json', 'print one JSON object: ok, rollouts, findings')
    .addHelpText('after', notes);
  return command.action(async (_: string, files: string[]) =>
    exit(await lint(files, command.opts<Options>(), io)),
  );
}

/** Runs `lint ARGS` by itself. Returns the exit code. */
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
      // 0 is the descriptor of standard input.
      inputs.push({
        file: file === '-' ? '(standard input)' : file,
        text: await readFile(file === '-' ? '/dev/stdin' : file, 'utf8'),
      });
    } catch (error) {
      complain(
        (error as NodeJS.ErrnoException).code === 'EISDIR'
          ? `${file} is a folder: name its files, such as ${path.join(file, '*.yaml')}.`
          : `${file} cannot be read: ${(error as Error).message}.`,
      );
      return exitCodes.misuse;
    }
  }
  let registry: Registry | undefined;
  const registryPath = options.registry ?? io.env.CUJ_GATE_REGISTRY;
  if (registryPath !== undefined && registryPath !== '') {
    const loaded = await loadRegistry(registryPath);
    if (!loaded.ok) {
      for (const problem of loaded.problems)
        io.stderr.write(problemText(problem, colorsFor({ ...io, stdout: io.stderr })));
      complain('the registry has problems, so nothing was checked.');
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
    complain('there is no Rollout in these files.');
    return exitCodes.misuse;
  }
  if (options.json === true) io.stdout.write(`${JSON.stringify({ ok: errors === 0, ...result }, null, 2)}\n`);
  else io.stdout.write(resultText(result, errors, colorsFor(io)));
  return errors === 0 ? exitCodes.good : exitCodes.no;
}

function resultText({ rollouts, findings }: LintResult, errors: number, colors: Colors): string {
  const names = rollouts.join(', ');
  if (findings.length === 0) return `${colors.green('ok')}: ${names}: nothing makes the analysis useless\n`;
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
    throw new InvalidArgumentError('It must lie between 0 and 100, with at most three decimals.');
  }
  return value;
}

function duration(text: string): number {
  const value = seconds(text);
  if (value === undefined || value <= 0)
    throw new InvalidArgumentError('Write a duration such as 90s or 2h.');
  return value;
}
