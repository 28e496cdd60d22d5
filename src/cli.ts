import { Command, CommanderError } from 'commander';
import packageJson from '../package.json' with { type: 'json' };
import { exitCodes, type Io, type Stream } from './commands/support/io.ts';
import { visibleOnTerminal } from './domain/outside-text.ts';
import { nearestNames } from './suggestions/nearest.ts';

/** Builds the command of one verb; `exit` receives its exit code. */
export type VerbBuilder = (io: Io, exit: (code: number) => void) => Command;

interface Verb {
  readonly summary: string;
  /** Loaded on demand: `validate` should not wait for Datadog's client. */
  readonly load: () => Promise<VerbBuilder>;
}

const verbs: Readonly<Record<string, Verb>> = {
  serve: {
    summary: 'run the gate: the HTTP service for Argo Rollouts',
    load: async () => (await import('./commands/serve.ts')).serveCommand,
  },
  demo: {
    summary: 'show how a broken canary is caught, without an account or a network',
    load: async () => (await import('./commands/demo.ts')).demoCommand,
  },
  validate: {
    summary: 'check a registry, reporting all problems with file and line',
    load: async () => (await import('./commands/validate.ts')).validateCommand,
  },
  schema: {
    summary: "print the registry's JSON Schema, for editors",
    load: async () => (await import('./commands/schema.ts')).schemaCommand,
  },
  evaluate: {
    summary: 'judge one CUJ, or all CUJs of a service, now; or judge a recorded verdict again',
    load: async () => (await import('./commands/evaluate.ts')).evaluateCommand,
  },
  init: {
    summary: "propose a first registry from a service's traffic in Datadog, or from an OpenAPI file",
    load: async () => (await import('./commands/init.ts')).initCommand,
  },
  doctor: {
    summary: 'check the registry against the live Datadog, read-only',
    load: async () => (await import('./commands/doctor.ts')).doctorCommand,
  },
  report: {
    summary: 'report the remaining error budgets and the actions that are due',
    load: async () => (await import('./commands/report.ts')).reportCommand,
  },
  plan: {
    summary: 'show which CUJs can be judged at a canary weight, and how long that takes',
    load: async () => (await import('./commands/plan.ts')).planCommand,
  },
  backtest: {
    summary: 'replay past rollouts: what the gate would have aborted, and what missed',
    load: async () => (await import('./commands/backtest.ts')).backtestCommand,
  },
  generate: {
    summary: 'generate AnalysisTemplates, Terraform, OpenSLO, dashboards and alerts from the registry',
    load: async () => (await import('./commands/generate.ts')).buildGenerateCommand,
  },
  lint: {
    summary: 'check a Rollout for mistakes that make its analysis useless',
    load: async () => (await import('./commands/lint.ts')).buildLintCommand,
  },
  'github-action': {
    summary: 'run the checks of the GitHub Action on a pull request',
    load: async () => (await import('./commands/github-action.ts')).githubActionCommand,
  },
  migrate: {
    summary: 'replace names that changed since earlier versions, in your files',
    load: async () => (await import('./commands/migrate.ts')).migrateCommand,
  },
};

const outro = `
Exit codes: 0 success, 1 a negative result (a failing verdict, drift, problems found), 2 misuse.

Start here:
  cuj-gate demo                              see it work
  cuj-gate validate cujs.yaml                check your registry
  cuj-gate demo --registry cujs.yaml         see it judged, without an account
  cuj-gate evaluate login --param version=v1.42.0
  cuj-gate serve --help                      every setting`;

/** Runs the command line. Returns the exit code. Does not call process.exit, so that pending writes complete. */
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
    // An option of the program after a command would answer in its place: evaluate login --version v2 would end with 0.
    .enablePositionalOptions()
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
    const [nearest] = nearestNames(wanted, Object.keys(verbs), { max: 1 });
    const meant = nearest === undefined ? '' : ` Did you mean "${nearest}"?`;
    io.stderr.write(`cuj-gate: unknown command "${wanted}".${meant} See cuj-gate --help.\n`);
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
 * Escapes control characters of registries, Datadog and files on a terminal. Output to a file or a pipe is unchanged:
 * generated text must stay the same.
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

/** Makes commander throw its errors, and write all text to the given streams. */
function settle(command: Command, io: Io): Command {
  command
    .exitOverride()
    .showHelpAfterError('(see --help)')
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text),
    });
  for (const child of command.commands) settle(child, io);
  return command;
}
