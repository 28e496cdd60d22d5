import { Command } from 'commander';
import { visible } from '../domain/outside-text.ts';
import type { Problem, Registry } from '../domain/registry/model.ts';
import { defaultAnalysisOptions } from '../generate/argo/analysis-options.ts';
import { sampleSteps, sampleWaitMinutes } from '../generate/argo/sized-steps.ts';
import type { LoadResult } from '../registry-files/load.ts';
import { type Colors, colorsFor } from './render/colors.ts';
import { exitCodes, type Io, type Stream } from './support/io.ts';
import { loadOffline } from './support/offline-registry.ts';
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
    .option('--json', 'print one JSON object: ok, digest, files, cujs, services, problems, warnings')
    .action(async (given: string | undefined, options: Options & { registry?: string }) => {
      const path = given ?? options.registry ?? io.env.CUJ_GATE_REGISTRY;
      if (path === undefined || path === '') {
        io.stderr.write('cuj-gate validate: no registry given. Give its path, or set CUJ_GATE_REGISTRY.\n');
        return exit(exitCodes.misuse);
      }
      exit(await validate(path, options, io));
    });
}

interface Options {
  readonly json?: boolean;
  readonly requestsPerMinute?: GivenTraffic;
}

/**
 * Checks a registry and prints its problems, and warnings of likely mistakes and about the traffic that is given. Exit codes: 0 no
 * problem, 1 problems, 2 no file to check.
 */
export async function validate(
  path: string,
  { json = false, requestsPerMinute }: Options,
  io: Io,
): Promise<number> {
  const result = await loadOffline(path, io, 'validate');
  if (result === undefined) return exitCodes.misuse;
  const likely = result.ok ? (result.warnings ?? []) : [];
  let ofTraffic: readonly string[] = [];
  if (result.ok && requestsPerMinute !== undefined) {
    const unknown = unknownService(result.registry, requestsPerMinute.services.keys());
    if (unknown !== undefined) {
      io.stderr.write(`cuj-gate validate: ${unknown.message} ${unknown.hint}\n`);
      return exitCodes.misuse;
    }
    ofTraffic = warningsOf(result.registry, requestsPerMinute);
  }
  const misuse =
    !result.ok && result.files.length === 0 && result.problems.every(({ rule }) => misuseRules.has(rule));
  if (json) {
    const warnings = [...likely.map(warningLine), ...ofTraffic];
    io.stdout.write(
      `${JSON.stringify(result.ok ? { ...report(result), warnings } : report(result), null, 2)}\n`,
    );
  } else {
    const colors = colorsFor(io);
    writeText(result, misuse ? io.stderr : io.stdout, colors);
    for (const warning of likely) io.stdout.write(warningText(warning, colors));
    for (const warning of ofTraffic) io.stdout.write(`${colors.yellow('warning')}: ${warning}\n`);
  }
  if (result.ok) return exitCodes.good;
  return misuse ? exitCodes.misuse : exitCodes.no;
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
  const { registry, files } = result;
  const { digest, cujs, services } = registry;
  return { ok: true, digest, files, cujs: [...cujs.keys()], services: [...services.keys()], problems: [] };
}

function writeText(result: LoadResult, out: Stream, colors: Colors): void {
  if (result.ok) {
    const { cujs, services, digest } = result.registry;
    const size = `${count(cujs.size, 'CUJ')}, ${count(services.size, 'service')}`;
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
