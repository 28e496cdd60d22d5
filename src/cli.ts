import { Command, CommanderError } from 'commander';
import { distance } from 'fastest-levenshtein';
import packageJson from '../package.json' with { type: 'json' };
import { exitCodes, type Io, type Stream } from './commands/support/io.ts';
import { visibleOnTerminal } from './domain/outside-text.ts';

/** Builds the commander command of one verb; `exit` takes the exit code that the verb ends with. */
export type VerbBuilder = (io: Io, exit: (code: number) => void) => Command;

interface Verb {
  readonly summary: string;
  /** Loaded only when the verb is called: `validate` must not wait for Datadog's client. */
  readonly load: () => Promise<VerbBuilder>;
}

const verbs: Readonly<Record<string, Verb>> = {
  serve: {
    summary: 'run the gate: the HTTP service that Argo Rollouts asks',
    load: async () => (await import('./commands/serve.ts')).serveCommand,
  },
  demo: {
    summary: 'watch a broken canary being caught, without an account or a network',
    load: async () => (await import('./commands/demo.ts')).demoCommand,
  },
  validate: {
    summary: 'check a registry, all problems at once with file and line',
    load: async () => (await import('./commands/validate.ts')).validateCommand,
  },
  schema: {
    summary: "print the registry's JSON Schema, for editors",
    load: async () => (await import('./commands/schema.ts')).schemaCommand,
  },
  evaluate: {
    summary: 'judge one CUJ, or all of a service, now; or judge a written-down verdict again',
    load: async () => (await import('./commands/evaluate.ts')).evaluateCommand,
  },
  init: {
    summary: "propose a first registry from a service's traffic in Datadog, or from an OpenAPI file",
    load: async () => (await import('./commands/init.ts')).initCommand,
  },
  doctor: {
    summary: 'ask the live Datadog, read-only, whether the registry can be judged by it',
    load: async () => (await import('./commands/doctor.ts')).doctorCommand,
  },
  report: {
    summary: 'what is left of every error budget, and what was agreed to do about it',
    load: async () => (await import('./commands/report.ts')).reportCommand,
  },
  plan: {
    summary: 'which CUJs can be judged at a canary weight, and how long it takes, by real traffic',
    load: async () => (await import('./commands/plan.ts')).planCommand,
  },
  backtest: {
    summary: 'replay past rollouts: what the gate would have aborted, and what it would have missed',
    load: async () => (await import('./commands/backtest.ts')).backtestCommand,
  },
  generate: {
    summary: 'make AnalysisTemplates, Terraform, OpenSLO, dashboards and alerts from the registry',
    load: async () => (await import('./commands/generate.ts')).buildGenerateCommand,
  },
  lint: {
    summary: 'say what in a Rollout would make its analysis useless',
    load: async () => (await import('./commands/lint.ts')).buildLintCommand,
  },
};

const outro = `
Exit codes: 0 good, 1 the answer is no (a failing verdict, drift, problems found), 2 misuse.

Start here:
  cuj-gate demo                              see it work
  cuj-gate validate cujs.yaml                check your registry
  cuj-gate demo --registry cujs.yaml         see it judged, without an account
  cuj-gate evaluate login --param version=v1.42.0
  cuj-gate serve --help                      every setting`;

/** Runs the command line. Returns the exit code; never calls process.exit, so that open writes are kept. */
export async function run(argv: readonly string[], world: Io): Promise<number> {
  const io = shownSafely(world);
  let code: number = exitCodes.good;
  const exit = (value: number) => {
    code = value;
  };
  const program = new Command('cuj-gate')
    .description(
      'Judges canary releases by Critical User Journeys: pass, fail or inconclusive, against their SLOs.',
    )
    .usage('<command> [options]')
    .version(packageJson.version)
    .addHelpText('after', outro);
  settle(program, io);
  const wanted = argv.find((word) => !word.startsWith('-') && word !== 'help');
  for (const [name, verb] of Object.entries(verbs)) {
    if (name === wanted) {
      const command = (await verb.load())(io, exit);
      if (command.description() === '') command.description(verb.summary);
      program.addCommand(settle(command, io));
    } else {
      program.command(name).description(verb.summary).allowUnknownOption();
    }
  }
  if (argv.length === 0) {
    io.stderr.write(program.helpInformation() + outro.trimEnd().concat('\n'));
    return exitCodes.misuse;
  }
  if (wanted !== undefined && verbs[wanted] === undefined) {
    const [nearest] = Object.keys(verbs)
      .filter((name) => distance(name, wanted) <= name.length / 2)
      .sort((a, b) => distance(a, wanted) - distance(b, wanted));
    const meant = nearest === undefined ? '' : ` Did you mean "${nearest}"?`;
    io.stderr.write(`cuj-gate: there is no command "${wanted}".${meant} cuj-gate --help lists all.\n`);
    return exitCodes.misuse;
  }
  try {
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? exitCodes.good : exitCodes.misuse;
  }
  return code;
}

/**
 * What registries, Datadog and files hold must not steer a terminal. Into a file or a pipe the answer goes as it is: what
 * is generated has to stay the same text.
 */
function shownSafely(io: Io): Io {
  const shown = (stream: Stream): Stream => ({
    write: (text) => stream.write(visibleOnTerminal(text)),
    get isTTY() {
      return stream.isTTY;
    },
    get columns() {
      return stream.columns;
    },
  });
  return {
    ...io,
    stdout: io.stdout.isTTY === true ? shown(io.stdout) : io.stdout,
    stderr: shown(io.stderr),
  };
}

/** Errors come back as exceptions and all text goes to the streams that were given. */
function settle(command: Command, io: Io): Command {
  command
    .exitOverride()
    .showHelpAfterError('(--help shows what it takes)')
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text),
    });
  for (const child of command.commands) settle(child, io);
  return command;
}
