import { readFile, writeFile } from 'node:fs/promises';
import { Command, InvalidArgumentError } from 'commander';
import { ceilTo, dayMs, hourMs } from '../domain/duration.ts';
import { CallerError, SourceError } from '../domain/errors.ts';
import type { NoDataCause } from '../domain/judge/analysis-window.ts';
import type { Verdict } from '../domain/judge/judge.ts';
import type { ServiceVerdict } from '../domain/judge/judge-service.ts';
import type { Outcome } from '../domain/judge/outcome.ts';
import { recomputedAt } from '../domain/judge/recomputed.ts';
import { askedAsOf } from '../domain/judge/retired-verdict.ts';
import {
  judgeAgain,
  parseRecord,
  recordOf,
  serviceRecordOf,
  type VerdictRecord,
} from '../domain/judge/verdict-record.ts';
import { readMoment } from '../domain/metrics/evaluation-request.ts';
import { listed } from '../domain/name-lists.ts';
import { askedBackends } from '../domain/registry/backend-words.ts';
import { cujCalled, type Registry } from '../domain/registry/model.ts';
import type { Opened } from '../server/compose.ts';
import { requiredOfBackends } from '../settings/settings.ts';
import { colorsFor } from './render/colors.ts';
import { observeNote, serviceVerdictText, verdictText } from './render/verdict.ts';
import { environmentOption } from './support/environment-option.ts';
import { exitCodes, type Io } from './support/io.ts';

interface Options {
  readonly param: ReadonlyMap<string, string>;
  readonly registry?: string;
  readonly environment?: string;
  readonly allOf?: string;
  readonly service?: string;
  readonly window?: string;
  readonly since?: string;
  readonly at?: string;
  readonly json?: boolean;
  readonly record?: string;
  readonly replay?: string;
}

function collectParam(text: string, known: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const at = text.indexOf('=');
  if (at <= 0) throw new InvalidArgumentError('Write it as name=value, such as version=v1.42.0.');
  const name = text.slice(0, at);
  if (known.has(name)) throw new InvalidArgumentError(`"${name}" is given twice.`);
  return new Map([...known, [name, text.slice(at + 1)]]);
}

/**
 * `cuj-gate evaluate`: evaluates once on the command line, with the same code as the HTTP API.
 * Exit code 0 for a pass, 1 for anything else, 2 for misuse.
 */
export function evaluateCommand(io: Io, exit: (code: number) => void): Command {
  const command = new Command('evaluate');
  return command
    .configureOutput({ outputError: (text, write) => write(`${text}${paramHint(text, command.args)}`) })
    .description(
      'Judge one CUJ, or all CUJs of a service, with current data of the backend; or judge a recorded verdict again.',
    )
    .argument('[cuj]', 'the name of a CUJ in the registry, or an alias of it')
    .option(
      '--param <name=value>',
      'value of a placeholder in the selectors; may be repeated',
      collectParam,
      new Map(),
    )
    .option('--registry <path>', 'the registry (default: CUJ_GATE_REGISTRY)')
    .addOption(environmentOption())
    .option('--all-of <service>', 'all enforced CUJs of a service, ANDed, instead of one CUJ')
    .option('--service <name>', 'only the endpoints of this service, if the CUJ has several')
    .option('--window <span>', 'rollout, or a duration such as 5m')
    .option('--since <time>', 'start of the rollout: RFC 3339 or epoch seconds')
    .option('--at <time>', 'as of a moment in the past (RFC 3339), by the data and the registry of now')
    .option('--record <file>', 'write the verdict and all its inputs to a file')
    .option('--replay <file>', 'judge a recorded verdict again, without the backend')
    .option('--json', 'print the response of the HTTP API')
    .addHelpText(
      'after',
      `
Requires the settings of the backend (CUJ_GATE_BACKEND):
${requiredOfBackends}.
Keys may be in files (DD_API_KEY_FILE). Set DD_SITE if it is not datadoghq.com.

Examples:
  cuj-gate evaluate login --registry cujs.yaml --param version=v1.42.0
  cuj-gate evaluate --all-of member-api --param version=v1.42.0 --json
  cuj-gate evaluate login --param version=v1.42.0 --record login.json
  cuj-gate evaluate --replay login.json
  cuj-gate evaluate login --param version=v1.42.0 --at 2026-01-31T09:00:00Z

Exit codes: 0 pass, 1 fail or inconclusive, 2 misuse.
A CUJ with mode: observe always passes, also where the backend does not answer. A note on stderr says what it would be.`,
    )
    .action(async (cuj: string | undefined, options: Options) => {
      try {
        exit(
          options.replay === undefined
            ? await ask(io, cuj, options)
            : await replay(io, cuj, options.replay, options),
        );
      } catch (error) {
        const lines = complaint(error);
        if (lines === undefined) throw error;
        io.stderr.write(`cuj-gate evaluate: ${lines}\n`);
        exit(exitCodes.misuse);
      }
    });
}

/** How a parameter is given, where arguments or options look like one; the empty string where none does. */
function paramHint(error: string, args: readonly string[]): string {
  const hint = (name: string, value: string) =>
    `Give the value of a placeholder with --param: --param ${name}=${value}\n`;
  if (error.includes('too many arguments')) {
    const [extra = ''] = args.slice(1);
    const [name, value] = /^(\w+)=(.+)$/s.exec(extra)?.slice(1) ?? ['version', extra];
    return hint(name as string, value as string);
  }
  const option = /unknown option '--(\w+)(?:=(.*))?'/s.exec(error);
  if (option === null || error.includes('Did you mean')) return '';
  const name = option[1] as string;
  const next = args[args.indexOf(`--${name}`) + 1];
  const value = option[2] ?? (next?.startsWith('-') === true ? undefined : next);
  if (value !== undefined) return hint(name, value);
  return name === 'version'
    ? `${hint(name, 'v1.42.0')}The version of the program is printed by cuj-gate --version.\n`
    : '';
}

/** The text of an error that the user can correct. Other errors remain exceptions. */
class Misuse extends Error {}

function complaint(error: unknown): string | undefined {
  if (error instanceof CallerError) {
    // The hints are for HTTP callers; on the command line a parameter is an option.
    const { parameter, nearest } = error.details;
    const missing = typeof parameter === 'string' && error.message.endsWith('is missing.');
    if (missing) return `${error.message}\nGive it with --param ${parameter}=...`;
    return `${error.message}\n${Array.isArray(nearest) && nearest.length > 0 ? nameHint(nearest) : error.hint}`;
  }
  return error instanceof Misuse ? error.message : undefined;
}

function nameHint(nearest: readonly string[]): string {
  return `Did you mean ${nearest.map((name) => `"${name}"`).join(' or ')}?`;
}

/** The error, with the names of the registry where none is near to what was asked for. */
function withNames(error: unknown, { cujs, services }: Registry): unknown {
  if (!(error instanceof CallerError)) return error;
  const { nearest } = error.details;
  if (!Array.isArray(nearest) || nearest.length > 0) return error;
  const known = [...(error.code === 'service_not_found' ? services : cujs).keys()];
  return new Misuse(`${error.message}\nThe registry has ${known.length === 0 ? 'none' : listed(known, 30)}.`);
}

/** Where nothing matches the canary: its version may be mistyped. */
const maybeMistyped: ReadonlySet<string | undefined> = new Set<NoDataCause>([
  'no_canary_traffic',
  'canary_idle',
  'unknown_tag',
]);

/** A line for each service with the versions that it had in the day before, by one query for each batch; none where they are not known. */
async function versionLines(
  { readVersions, deadlineMs }: Pick<Opened, 'readVersions' | 'deadlineMs'>,
  verdicts: readonly Verdict[],
  untilMs: number,
): Promise<string> {
  const silent = verdicts.filter(({ noDataCause }) => maybeMistyped.has(noDataCause));
  const services = [...new Set(silent.flatMap(({ services }) => services))];
  if (services.length === 0) return '';
  const toMs = ceilTo(untilMs, hourMs);
  try {
    const found = await readVersions(services, toMs - dayMs, toMs, AbortSignal.timeout(deadlineMs));
    return found
      .filter(({ versions }) => versions.length > 0)
      .map(({ service, versions }) => {
        const names = versions.map(({ version }) => version);
        return `Versions of ${service} in the last day: ${listed(names, 10)}.\n`;
      })
      .join('');
  } catch (error) {
    // The verdict is there, and says enough without them.
    if (error instanceof SourceError) return '';
    throw error;
  }
}

function codeOf(outcome: Outcome): number {
  return outcome === 'pass' ? exitCodes.good : exitCodes.no;
}

async function ask(io: Io, cuj: string | undefined, options: Options): Promise<number> {
  if ((cuj === undefined) === (options.allOf === undefined)) {
    throw new Misuse('Give one CUJ, or a service with --all-of. See cuj-gate evaluate --help for examples.');
  }
  if (options.allOf !== undefined && options.service !== undefined) {
    throw new Misuse('--service cannot be combined with --all-of.');
  }
  // Loaded on demand: a replay or a usage error should not wait for Datadog's client.
  const { openEvaluator } = await import('../server/compose.ts');
  const opened = await openEvaluator(io.env, options.registry, io.now, options.environment);
  if ('problem' in opened) throw new Misuse(opened.problem);
  const { evaluator, deadlineMs, close } = opened;
  const { registry } = opened.registry;
  const services =
    options.allOf === undefined ? (cujCalled(registry, cuj as string)?.services ?? []) : [options.allOf];
  try {
    const atMs = options.at === undefined ? undefined : momentOf(options.at, registry, services, io.now());
    const question = {
      params: options.param,
      ...(options.window === undefined ? {} : { window: options.window }),
      ...(options.since === undefined ? {} : { since: options.since }),
      ...(atMs === undefined ? {} : { atMs }),
    };
    const signal = AbortSignal.timeout(deadlineMs);
    if (options.allOf !== undefined) {
      const { verdict, evaluations } = await evaluator.service(
        { ...question, service: options.allOf },
        signal,
      );
      printAsOf(io, options, atMs, verdict, () => serviceVerdictText(verdict, colorsFor(io)));
      const verdicts = evaluations.map((evaluation) => evaluation.verdict);
      io.stderr.write(await versionLines(opened, verdicts, atMs ?? io.now()));
      if (options.record !== undefined)
        await writeRecord(io, options.record, serviceRecordOf(verdict, evaluations));
      return codeOf(verdict.verdict);
    }
    const evaluation = await evaluator.cuj(
      {
        ...question,
        cuj: cuj as string,
        ...(options.service === undefined ? {} : { service: options.service }),
      },
      signal,
    );
    const asked = askedAsOf(evaluation.cuj, cuj as string);
    if (asked.aliasNote !== undefined) io.stderr.write(`${asked.aliasNote}\n`);
    const verdict = { ...evaluation.verdict, ...asked };
    printAsOf(io, options, atMs, verdict, () => verdictText(verdict, colorsFor(io)));
    io.stderr.write(await versionLines(opened, [verdict], atMs ?? io.now()));
    io.stderr.write(observeNote(verdict));
    if (options.record !== undefined) await writeRecord(io, options.record, recordOf(evaluation));
    return codeOf(verdict.verdict);
  } catch (error) {
    throw withNames(error, registry);
  } finally {
    await close();
  }
}

/** Throws CallerError where it is no moment that can be asked about. */
function momentOf(text: string, registry: Registry, services: readonly string[], nowMs: number): number {
  return readMoment(text, nowMs, askedBackends(registry, services));
}

/** What is recomputed for a moment in the past says so, here as over HTTP. */
function printAsOf(
  io: Io,
  options: Options,
  atMs: number | undefined,
  verdict: Verdict | ServiceVerdict,
  text: () => string,
): void {
  if (atMs === undefined) {
    print(io, options, verdict, text);
    return;
  }
  const recomputed = recomputedAt(atMs, verdict);
  print(io, options, recomputed, () => `RECOMPUTED as of ${recomputed.at}\n${text()}\n${recomputed.hint}\n`);
}

async function writeRecord(io: Io, file: string, record: VerdictRecord | undefined): Promise<void> {
  if (record === undefined) {
    io.stderr.write(`No data was measured: ${file} was not written.\n`);
    return;
  }
  try {
    await writeFile(file, `${JSON.stringify(record, null, 2)}\n`);
  } catch (error) {
    throw new Misuse(`${file} cannot be written: ${(error as Error).message}`);
  }
}

async function replay(io: Io, cuj: string | undefined, file: string, options: Options): Promise<number> {
  const { replay: _, json: __, param, ...others } = options;
  const given = [
    ...(cuj === undefined ? [] : [`the CUJ "${cuj}"`]),
    ...(param.size === 0 ? [] : ['--param']),
    ...Object.keys(others).map(
      (name) => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
    ),
  ];
  if (given.length > 0) {
    throw new Misuse(`--replay uses only the record: remove ${given.join(', ')}.`);
  }
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new Misuse(`${file} cannot be read: ${(error as Error).message}`);
  }
  let again: ReturnType<typeof judgeAgain>;
  try {
    again = judgeAgain(parseRecord(text));
  } catch (error) {
    throw new Misuse(`${file} cannot be judged: ${(error as Error).message}. Create a record with --record.`);
  }
  const { verdict } = again;
  print(io, options, verdict, () =>
    'cuj' in verdict ? verdictText(verdict, colorsFor(io)) : serviceVerdictText(verdict, colorsFor(io)),
  );
  if ('cuj' in verdict) io.stderr.write(observeNote(verdict));
  if (!again.same) {
    io.stderr.write(
      `The verdict differs from the one in ${file}: the file was edited, or another version of cuj-gate wrote it.\n`,
    );
    return exitCodes.no;
  }
  return codeOf(verdict.verdict);
}

function print(io: Io, options: Options, verdict: object, text: () => string): void {
  io.stdout.write(options.json === true ? `${JSON.stringify(verdict, null, 2)}\n` : text());
}
