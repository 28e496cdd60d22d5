import { basename, dirname, join } from 'node:path';
import { Argument, Command, CommanderError } from 'commander';
import { createTwoFilesPatch } from 'diff';
import { slisOf } from '../domain/judge/judge.ts';
import { type Objection, objectionsTo } from '../domain/metrics/standing-question.ts';
import { visible } from '../domain/outside-text.ts';
import { tellsCallsLeft } from '../domain/registry/backend-words.ts';
import type { Registry } from '../domain/registry/model.ts';
import { leftOutNames, partOfBackend, slisMeasuredBy } from '../domain/registry/part-of-backend.ts';
import { analysisTemplates } from '../generate/argo/analysis-templates.ts';
import { checkParams } from '../generate/argo/canary-args.ts';
import { notifications } from '../generate/argo/notifications.ts';
import { rollouts } from '../generate/argo/rollout.ts';
import { type SizedSteps, sampleSteps, sampleWaitMinutes } from '../generate/argo/sized-steps.ts';
import { virtualServices } from '../generate/argo/virtual-service.ts';
import { gateTerraform } from '../generate/datadog/gate-terraform.ts';
import { terraform } from '../generate/datadog/terraform.ts';
import { openslo } from '../generate/openslo/openslo.ts';
import { type GeneratedFile, GenerateError } from '../generate/output/generated-file.ts';
import { grafanaCujsDashboard, grafanaDashboard } from '../generate/prometheus/grafana-dashboard.ts';
import { prometheusRules } from '../generate/prometheus/prometheus-rules.ts';
import { prometheusSloRules } from '../generate/prometheus/slo-rules.ts';
import { type PlacedQuestion, standingQuestionsIn } from '../lint/standing-questions.ts';
import { type BackendName, dialects } from '../sources/dialects/dialects.ts';
import { type Colors, colorsFor } from './render/colors.ts';
import { backendPart } from './support/backend-part.ts';
import {
  addGenerateOptions,
  type GenerateFlags,
  rolloutOptions,
  withPublicUrl,
} from './support/generate-options.ts';
import { exitCodes, type Io } from './support/io.ts';
import { arrange } from './support/layout-folder.ts';
import { measureTraffic } from './support/measure-traffic.ts';
import { loadOffline } from './support/offline-registry.ts';
import { openBackend } from './support/open-backend.ts';
import { type Drift, driftOf, OutputError, type OwnedFile, writeFolder } from './support/output-folder.ts';
import { stepsForGiven, stepsForMeasured, unknownService } from './support/traffic-options.ts';
import { versionSources } from './support/version-sources.ts';
import { problemText } from './validate.ts';

type Generator = (registry: Registry, flags: GenerateFlags, steps: Sizes) => GeneratedFile[];
type Sizes = ReadonlyMap<string, SizedSteps>;

/** Every generator by its name on the command line, in the order in which `all` runs them. */
const generators: Readonly<Record<string, Generator>> = {
  'analysis-templates': (registry, flags, steps) => analysisTemplates(registry, rolloutOptions(flags, steps)),
  rollout: (registry, flags, steps) => rollouts(registry, rolloutOptions(flags, steps), flags.service),
  'virtual-service': (registry, flags) => virtualServices(registry, flags, flags.service),
  notifications: (registry, flags) => notifications(registry, rolloutOptions(flags)),
  terraform: (registry, flags) => terraform(registry, { notify: flags.notify, publicUrl: flags.publicUrl }),
  'gate-terraform': (registry, { notify, publicUrl, docsUrl }) =>
    gateTerraform(registry, { notify, publicUrl, docsUrl }),
  openslo,
  'prometheus-slos': (registry, { publicUrl, docsUrl, rulesFormat: format, namespace }) =>
    prometheusSloRules(registry, { publicUrl, docsUrl, format, namespace }),
  'grafana-dashboard': (registry, { publicUrl }) =>
    grafanaDashboard({
      environment: registry.environment,
      publicUrl,
      showsCallsLeft: tellsCallsLeft(registry),
    }),
  'grafana-cujs-dashboard': ({ environment }, { publicUrl }) =>
    grafanaCujsDashboard({ environment, publicUrl }),
  'prometheus-rules': (registry, { publicUrl, docsUrl, rulesFormat: format, namespace }) =>
    prometheusRules(registry, { publicUrl, docsUrl, format, namespace }),
};
const names = Object.keys(generators);

/** Generators of what is loaded into a backend: `all` leaves those out whose backend measures no service. */
const ofBackends: Readonly<Record<string, readonly BackendName[]>> = {
  terraform: ['datadog'],
  'gate-terraform': ['datadog'],
  openslo: ['datadog', 'prometheus'],
  'prometheus-slos': ['prometheus'],
  'grafana-cujs-dashboard': ['prometheus'],
};

/** What `all` means for a registry. */
function allFor({ services }: Registry): readonly string[] {
  const backends = new Set([...services.values()].map(({ dialect }) => dialect.backend));
  return names.filter((name) => {
    const own = ofBackends[name];
    return own === undefined || own.some((one) => backends.has(dialects[one].backend));
  });
}

const examples = `
Examples:
  cuj-gate generate analysis-templates --registry cujs.yaml | kubectl apply -n shop -f -
  cuj-gate generate all --registry cujs.yaml --out generated
  cuj-gate generate analysis-templates --rollouts deploy/ --out deploy/analysis-templates
  cuj-gate generate rollout analysis-templates --requests-per-minute 40 --requests-per-minute search-api=2000
  cuj-gate generate analysis-templates --registry cujs.yaml --layout helm --out charts/shop
  cuj-gate generate all --registry cujs.yaml --out generated --check     in CI: exit code 1 if files differ`;

/** The command; `exit` receives the exit code. */
export function buildGenerateCommand(io: Io, exit: (code: number) => void): Command {
  const command = new Command('generate')
    .description(
      'Generate AnalysisTemplates, Rollouts, notifications, SLOs, monitors, dashboards and alerts from the registry.',
    )
    .addArgument(new Argument('<what...>', 'what to generate').choices([...names, 'all']));
  addGenerateOptions(command)
    .addHelpText('after', examples)
    .action(async (what: string[]) => exit(await generate(what, command.opts<GenerateFlags>(), io)));
  return command;
}

/** Runs `generate ARGS`. Returns the exit code. */
export async function generateCommand(args: readonly string[], io: Io): Promise<number> {
  let code: number = exitCodes.good;
  const command = buildGenerateCommand(io, (value) => {
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

async function generate(what: readonly string[], given: GenerateFlags, io: Io): Promise<number> {
  const complain = (message: string) => void io.stderr.write(`cuj-gate generate: ${message}\n`);
  const path = given.registry ?? io.env.CUJ_GATE_REGISTRY;
  if (path === undefined || path === '') {
    complain('no registry given. Use --registry PATH, or set CUJ_GATE_REGISTRY.');
    return exitCodes.misuse;
  }
  if (given.out === undefined && (given.check === true || given.force === true)) {
    complain(`${given.check ? '--check' : '--force'} requires --out DIR, the folder to compare or write.`);
    return exitCodes.misuse;
  }
  if (given.out === undefined && given.layout !== undefined && given.layout !== 'plain') {
    const folder = given.layout === 'helm' ? 'the folder of the chart' : 'the folder of the kustomization';
    complain(`--layout ${given.layout} requires --out DIR, ${folder}.`);
    return exitCodes.misuse;
  }
  if (given.json === true && given.check !== true) {
    complain('--json requires --check: it prints what differs.');
    return exitCodes.misuse;
  }
  const loaded = await loadOffline(path, io, 'generate', given);
  if (loaded === undefined) return exitCodes.misuse;
  if (!loaded.ok) {
    for (const problem of loaded.problems)
      io.stderr.write(problemText(problem, colorsFor({ ...io, stdout: io.stderr })));
    complain('the registry is invalid, nothing was generated. Run cuj-gate validate to see all problems.');
    return loaded.files.length === 0 ? exitCodes.misuse : exitCodes.no;
  }
  const wanted = what.includes('all') ? allFor(loaded.registry) : names.filter((name) => what.includes(name));
  try {
    const flags = withPublicUrl(given, io.env);
    checkServices(loaded.registry, flags);
    checkParams(loaded.registry, flags.param);
    const sourced = await withVersionSources(loaded.registry, flags, io);
    const steps = await stepsOf(loaded.registry, wanted, sourced, io);
    if (steps === undefined) return exitCodes.misuse;
    const files = wanted.flatMap((name) =>
      (generators[name] as Generator)(loaded.registry, sourced, steps).map((file) => ({
        ...file,
        what: name,
      })),
    );
    sayLeftOut(loaded.registry, wanted, io);
    if (flags.out === undefined) {
      io.stdout.write(streamText(files));
      return exitCodes.good;
    }
    // With --service, the files of other services are not compared.
    const complete = flags.service === undefined ? wanted : [];
    const { out, layout, force } = flags;
    const arranged = await arrange(out, layout, files, complete, force);
    return flags.check === true
      ? await check(out, arranged.files, arranged.generators, loaded.registry, flags.json ?? false, io)
      : await write(out, arranged.files, arranged.generators, force ?? false, io);
  } catch (error) {
    if (error instanceof GenerateError) {
      complain(`${error.message} ${error.hint}`);
      return exitCodes.misuse;
    }
    if (error instanceof OutputError) {
      for (const problem of error.problems) complain(problem);
      return exitCodes.misuse;
    }
    throw error;
  }
}

/** An SLO of an SLI that a backend measures a part of would look as its SLO, and is none. */
function sayLeftOut(registry: Registry, wanted: readonly string[], io: Io): void {
  const say = (what: string, leftOut: readonly string[], who: string) => {
    if (!wanted.includes(what) || leftOut.length === 0) return;
    io.stderr.write(
      `cuj-gate generate: ${what} leaves out ${leftOut.join(', ')}: ${who} all of ${leftOut.length === 1 ? 'it' : 'them'}\n`,
    );
  };
  const ofSeveral = [...registry.cujs.values()].flatMap((cuj) => {
    const known = Object.values(dialects).flatMap((dialect) => slisMeasuredBy({ dialect }, registry, cuj));
    const split = slisOf(cuj).filter((sli) => !known.includes(sli));
    return known.length === 0 ? [cuj.name] : split.map((sli) => `${cuj.name} (${sli})`);
  });
  say(
    'terraform',
    leftOutNames(partOfBackend(registry, dialects.datadog, 'sli')),
    'Datadog does not measure',
  );
  say('openslo', ofSeveral, 'no backend measures');
}

/** The options with the source of each service's version, where Rollouts are given to read it from. */
async function withVersionSources(registry: Registry, flags: GenerateFlags, io: Io): Promise<GenerateFlags> {
  if (flags.rollouts.length === 0) return flags;
  if (flags.versionFrom !== undefined) {
    throw new GenerateError(
      '--version-from and --rollouts are both given.',
      'Use one of them: --version-from is for all services, --rollouts reads it from each Rollout.',
    );
  }
  const note = (text: string) => void io.stderr.write(`${text}\n`);
  return { ...flags, versionFromOf: await versionSources(registry, flags.rollouts, note) };
}

function checkServices(registry: Registry, { service, requestsPerMinute }: GenerateFlags): void {
  const names = [...(service === undefined ? [] : [service]), ...(requestsPerMinute?.services.keys() ?? [])];
  const unknown = unknownService(registry, names);
  if (unknown !== undefined) throw new GenerateError(unknown.message, unknown.hint);
}

/** Steps sized to the traffic, where it is known; undefined where it cannot be read, which is reported. */
async function stepsOf(
  registry: Registry,
  wanted: readonly string[],
  flags: GenerateFlags,
  io: Io,
): Promise<Sizes | undefined> {
  if (flags.measureTraffic === true) checkMeasuring(flags);
  if (!wanted.some((name) => name === 'rollout' || name === 'analysis-templates')) return new Map();
  const options = rolloutOptions(flags);
  const sample = { ...sampleSteps, waitMinutes: sampleWaitMinutes(options) };
  let steps: Sizes = new Map();
  if (flags.requestsPerMinute !== undefined) steps = stepsForGiven(registry, flags.requestsPerMinute, sample);
  else if (flags.measureTraffic === true) {
    const backend = await openBackend(io);
    if (backend === undefined) return undefined;
    try {
      const part = backendPart(registry, backend, io, 'sli');
      if (part === undefined) return undefined;
      const { traffic, refused } = await measureTraffic(io, 'generate', backend, part, flags.days);
      if (refused) {
        io.stderr.write('cuj-gate generate: not all traffic could be read, nothing was generated.\n');
        return undefined;
      }
      steps = stepsForMeasured(part, traffic, sample);
    } finally {
      await backend.close();
    }
  }
  for (const [service, { warnings }] of steps) {
    if (flags.service !== undefined && service !== flags.service) continue;
    for (const warning of warnings) io.stderr.write(`warning: ${service}: ${warning}\n`);
  }
  return steps;
}

function checkMeasuring({ requestsPerMinute, check }: GenerateFlags): void {
  if (requestsPerMinute !== undefined) {
    throw new GenerateError(
      '--measure-traffic and --requests-per-minute are both given.',
      'Use one of them.',
    );
  }
  if (check === true) {
    throw new GenerateError(
      '--check and --measure-traffic are both given: traffic is not the same every day.',
      'Write and check with --requests-per-minute SERVICE=N; the comments in the Rollouts have the figures.',
    );
  }
}

/** One file as it is, or several as YAML documents, each with its path in a comment. */
function streamText(files: readonly GeneratedFile[]): string {
  if (files.length === 1) return (files[0] as GeneratedFile).text;
  return files.map(({ path, text }) => `# ${path}\n${text}`).join('---\n');
}

async function write(
  folder: string,
  files: readonly OwnedFile[],
  wanted: readonly string[],
  force: boolean,
  io: Io,
) {
  const { written, unchanged, removed, kept } = await writeFolder(folder, files, wanted, force);
  for (const path of written) io.stderr.write(`wrote    ${path}\n`);
  for (const path of removed) io.stderr.write(`removed  ${path}\n`);
  for (const path of kept)
    io.stderr.write(`kept     ${path}: no longer generated, but edited since it was written; not removed\n`);
  io.stderr.write(
    `${folder}: ${written.length} written, ${unchanged} unchanged, ${removed.length} removed\n`,
  );
  sayApplyFirst(folder, written, io);
  return exitCodes.good;
}

/** Metrics of clients and of spans have no points of the time before Terraform made them. */
function sayApplyFirst(folder: string, written: readonly string[], io: Io): void {
  const files = written.filter((path) => /^(client|spans)-.+\.tf\.json$/.test(basename(path)));
  const [first] = files;
  if (first === undefined) return;
  io.stderr.write(
    `apply ${join(folder, dirname(first))} before the gate gets this registry: Datadog counts what ${files.map((path) => basename(path)).join(', ')} ${files.length === 1 ? 'makes' : 'make'} from then on\n`,
  );
}

async function check(
  folder: string,
  files: readonly OwnedFile[],
  wanted: readonly string[],
  registry: Registry,
  json: boolean,
  io: Io,
): Promise<number> {
  const drifts = await driftOf(folder, files, wanted);
  const noticed = inFlightOf(folder, drifts, registry);
  if (json)
    io.stdout.write(`${JSON.stringify(checkReport(folder, files.length, drifts, noticed), null, 2)}\n`);
  else {
    const colors = colorsFor(io);
    for (const drift of drifts) io.stdout.write(driftText(drift, colors));
    for (const one of noticed) io.stdout.write(inFlightText(one, colors));
  }
  if (drifts.length === 0) {
    io.stderr.write(`${folder}: all ${files.length} files are up to date\n`);
    return exitCodes.good;
  }
  io.stderr.write(
    `${folder}: ${drifts.length} ${drifts.length === 1 ? 'file differs' : 'files differ'} from the registry. Run the same command without --check and commit the result.\n`,
  );
  const breaking = noticed.filter(({ objection }) => objection.breaks).length;
  if (breaking > 0) {
    io.stderr.write(
      `${folder}: ${breaking} ${breaking === 1 ? 'question' : 'questions'} of templates on disk would be refused: rollouts in flight that use them would break. Correct the registry before the gate gets it.\n`,
    );
  }
  return exitCodes.no;
}

/** What `--check --json` prints. */
export interface CheckReport {
  readonly ok: boolean;
  readonly out: string;
  /** How many files are generated. */
  readonly files: number;
  readonly differences: readonly {
    /** With the folder. */
    readonly file: string;
    /** `missing`: not on disk; `stale`: no longer generated. */
    readonly kind: 'changed' | 'missing' | 'stale';
    /** The first line on disk that differs, 1-based; 1 where there is none. */
    readonly line: number;
    /** A unified difference from what is on disk to what would be generated. */
    readonly diff: string;
  }[];
  /** What rollouts in flight that use the templates on disk would notice. */
  readonly inFlight: readonly {
    readonly breaks: boolean;
    readonly file: string;
    readonly line: number;
    readonly column: number;
    readonly rule: string;
    readonly message: string;
    readonly fix: string;
  }[];
}

function checkReport(
  folder: string,
  files: number,
  drifts: readonly Drift[],
  noticed: readonly InFlight[],
): CheckReport {
  return {
    ok: drifts.length === 0,
    out: folder,
    files,
    differences: drifts.map((drift) => ({
      file: join(folder, drift.path),
      kind: drift.old === undefined ? 'missing' : drift.new === undefined ? 'stale' : 'changed',
      line: firstDifference(drift),
      diff: patchOf(drift),
    })),
    inFlight: noticed.map(({ asked: { file, line, column }, objection: { breaks, rule, message, fix } }) => ({
      breaks,
      file,
      line,
      column,
      rule,
      message,
      fix,
    })),
  };
}

function firstDifference({ old, new: next }: Drift): number {
  if (old === undefined || next === undefined) return 1;
  const [a, b] = [old.split('\n'), next.split('\n')];
  const at = a.findIndex((line, index) => line !== b[index]);
  return at === -1 ? a.length : at + 1;
}

/** What a rollout in flight notices that uses a template as it is on disk, if the gate has the registry. */
interface InFlight {
  readonly asked: PlacedQuestion;
  readonly objection: Objection;
}

/** By file and line. A template that is up to date asks what the registry answers. */
function inFlightOf(folder: string, drifts: readonly Drift[], registry: Registry): readonly InFlight[] {
  const found = new Map<string, InFlight>();
  for (const { path, old } of drifts) {
    if (old === undefined || !path.endsWith('.yaml')) continue;
    for (const asked of standingQuestionsIn(join(folder, path), old)) {
      for (const objection of objectionsTo(registry, asked.question)) {
        // The two templates of a CUJ ask the same.
        const key = `${path} ${objection.message}`;
        if (!found.has(key)) found.set(key, { asked, objection });
      }
    }
  }
  return [...found.values()];
}

function inFlightText({ asked, objection }: InFlight, colors: Colors): string {
  const { file, line, column } = asked;
  const { breaks, message, rule, fix } = objection;
  const word = breaks ? colors.red('breaks rollouts in flight') : colors.yellow('note');
  return `${colors.bold(visible(`${file}:${line}:${column}`))}: ${word}: ${visible(message)} ${colors.dim(`(${rule})`)}\n  fix:   ${visible(fix)}\n`;
}

/** A unified difference from what is on disk to what would be generated. */
function patchOf(drift: Drift): string {
  const patch = createTwoFilesPatch(
    drift.old === undefined ? '/dev/null' : `${drift.path} (on disk)`,
    drift.new === undefined ? '/dev/null' : `${drift.path} (generated)`,
    drift.old ?? '',
    drift.new ?? '',
    undefined,
    undefined,
    { context: 3 },
  );
  return patch
    .split('\n')
    .filter((line) => !/^=+$/.test(line))
    .join('\n');
}

function driftText(drift: Drift, colors: Colors): string {
  return patchOf(drift)
    .split('\n')
    .map((line) => {
      if (/^(---|\+\+\+) /.test(line)) return colors.bold(line);
      if (line.startsWith('@@')) return colors.cyan(line);
      if (line.startsWith('+')) return colors.green(line);
      return line.startsWith('-') ? colors.red(line) : line;
    })
    .join('\n');
}
