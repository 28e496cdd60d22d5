import { readFile } from 'node:fs/promises';
import { Command } from 'commander';
import { createTwoFilesPatch } from 'diff';
import { type Migration, migrate } from '../migrate/migrate.ts';
import { exitCodes, type Io } from './support/io.ts';
import { type Replacement, replaceFiles } from './support/replace-files.ts';

interface Options {
  readonly write?: true;
  readonly check?: true;
}

const notes = `
Files of any kind are searched for metrics, log messages and spans. YAML and JSON files are read: templates (jsonPath and
conditions), records of verdicts, and registries. Comments and formatting stay. docs/upgrading.md has all names that changed.

Examples:
  cuj-gate migrate cujs.yaml values.yaml rules/*.yaml dashboards/*.json      print what would change
  cuj-gate migrate --write values.yaml                                      change it
  cuj-gate migrate --check cujs.yaml values.yaml                            in CI: exit code 1 if old names are left

Exit codes: 0 done, or nothing to do, 1 something is left for a person, or --check found old names, 2 misuse.`;

/** `cuj-gate migrate FILE...`. */
export function migrateCommand(io: Io, exit: (code: number) => void): Command {
  const command = new Command('migrate')
    .description(
      'Replace names that changed since earlier versions, in registries, values of the chart, templates, alert rules, dashboards and records.',
    )
    .argument('<files...>', 'the files')
    .option('--write', 'change the files: all of them, or none where something is left for a person')
    .option('--check', 'print no differences; exit code 1 if there are old names')
    .addHelpText('after', notes);
  return command.action(async (files: string[]) => exit(await run(files, command.opts<Options>(), io)));
}

async function run(files: readonly string[], options: Options, io: Io): Promise<number> {
  const complain = (message: string) => void io.stderr.write(`cuj-gate migrate: ${message}\n`);
  if (options.write && options.check) {
    complain('--check changes nothing: leave out --write or --check.');
    return exitCodes.misuse;
  }
  const migrations: (Migration & { file: string; before: string })[] = [];
  for (const file of new Set(files)) {
    const before = await readText(file).catch((error: Error) => error);
    if (before instanceof Error) {
      complain(`${file} cannot be read: ${before.message}. Nothing was changed.`);
      return exitCodes.misuse;
    }
    migrations.push({ ...migrate({ file, text: before }), file, before });
  }

  const undecided = migrations.flatMap((migration) => migration.undecided);
  const changed = migrations.filter(({ before, text }) => before !== text);
  for (const { file, partly } of migrations) {
    if (partly !== undefined)
      complain(`${file}: ${partly}; only metrics, log messages and spans were looked for.`);
  }
  for (const { file, line, column, kind, old, now } of migrations.flatMap(({ renamings }) => renamings))
    io.stdout.write(`${file}:${line}:${column}: ${kind}: ${old} is now ${now}\n`);
  for (const { file, line, column, problem, fix } of undecided)
    io.stderr.write(`${file}:${line}:${column}: ${problem}\n  fix:   ${fix}\n`);

  if (!options.write && !options.check) {
    for (const { file, before, text } of changed)
      io.stdout.write(
        `\n${createTwoFilesPatch(file, file, before, text, undefined, undefined, { context: 1 })}`,
      );
  }
  if (undecided.length > 0) {
    complain(`${count(undecided.length, 'place')} to be changed by hand. Nothing was changed.`);
    return exitCodes.no;
  }
  if (options.write && changed.length > 0) {
    try {
      await replaceFiles(
        changed.map(({ file, before, text }): Replacement => ({ file, before, after: text })),
      );
    } catch (error) {
      complain(`${(error as Error).message}. Nothing was changed.`);
      return exitCodes.misuse;
    }
  }
  io.stderr.write(summary(migrations.length, changed.length, options));
  return options.check && changed.length > 0 ? exitCodes.no : exitCodes.good;
}

function summary(files: number, changed: number, { write }: Options): string {
  if (changed === 0) return `no old names in ${count(files, 'file')}\n`;
  return write
    ? `${count(changed, 'file')} changed\n`
    : `old names in ${count(changed, 'file')}; --write changes them\n`;
}

const count = (n: number, what: string) => `${n} ${what}${n === 1 ? '' : 's'}`;

async function readText(file: string): Promise<string> {
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw new Error(error.code === 'EISDIR' ? 'it is a folder: give its files' : error.message);
  });
  const text = bytes.toString('utf8');
  if (!Buffer.from(text, 'utf8').equals(bytes)) throw new Error('it is not text in UTF-8');
  return text;
}
