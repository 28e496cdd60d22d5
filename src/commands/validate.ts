import { Command } from 'commander';
import { visible } from '../domain/outside-text.ts';
import type { Problem } from '../domain/registry/model.ts';
import type { LoadResult } from '../registry-files/load.ts';
import { type Colors, colorsFor } from './render/colors.ts';
import { exitCodes, type Io, type Stream } from './support/io.ts';
import { loadOffline } from './support/offline-registry.ts';

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
    .option('--json', 'print one JSON object: ok, digest, files, cujs, services, problems')
    .action(async (given: string | undefined, options: { json?: boolean; registry?: string }) => {
      const path = given ?? options.registry ?? io.env.CUJ_GATE_REGISTRY;
      if (path === undefined || path === '') {
        io.stderr.write('cuj-gate validate: no registry given. Give its path, or set CUJ_GATE_REGISTRY.\n');
        return exit(exitCodes.misuse);
      }
      exit(await validate(path, options, io));
    });
}

/** Checks a registry and prints its problems. Exit codes: 0 none, 1 problems, 2 no file to check. */
export async function validate(path: string, { json = false }: { json?: boolean }, io: Io): Promise<number> {
  const result = await loadOffline(path, io, 'validate');
  if (result === undefined) return exitCodes.misuse;
  const misuse =
    !result.ok && result.files.length === 0 && result.problems.every(({ rule }) => misuseRules.has(rule));
  if (json) io.stdout.write(`${JSON.stringify(report(result), null, 2)}\n`);
  else writeText(result, misuse ? io.stderr : io.stdout, colorsFor(io));
  if (result.ok) return exitCodes.good;
  return misuse ? exitCodes.misuse : exitCodes.no;
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
