import { Command } from 'commander';
import { refusal, serve } from '../server/lifecycle.ts';
import {
  readSettings,
  requiredToServe,
  type Settings,
  SettingsError,
  settingsHelp,
} from '../settings/settings.ts';
import { exitCodes, type Io } from './support/io.ts';

/** `cuj-gate serve`. Exit codes: 0 after a graceful shutdown, 2 if it cannot start. */
export function serveCommand(io: Io, exit: (code: number) => void): Command {
  return new Command('serve')
    .description('Run the gate: the HTTP service for Argo Rollouts, curl and Prometheus.')
    .option('--registry <path>', 'the registry: a file or a folder (default: CUJ_GATE_REGISTRY)')
    .option('--port <port>', 'port to listen on (default: PORT, or 8080)')
    .addHelpText('after', () => `\n${settingsHelp()}`)
    .action(async (options: { registry?: string; port?: string }) => {
      exit(await start(io, options));
    });
}

async function start(io: Io, options: { registry?: string; port?: string }): Promise<number> {
  const env = {
    ...io.env,
    ...(options.registry === undefined ? {} : { CUJ_GATE_REGISTRY: options.registry }),
    ...(options.port === undefined ? {} : { PORT: options.port }),
  };
  const refuse = (lines: readonly string[]) => {
    io.stderr.write(`cuj-gate serve: ${lines.join('\n')}\n`);
    return exitCodes.misuse;
  };
  let settings: Settings;
  try {
    settings = readSettings(env, {
      required: requiredToServe,
      options: options.port === undefined ? {} : { PORT: '--port' },
    });
  } catch (error) {
    if (error instanceof SettingsError) return refuse([error.message]);
    throw error;
  }
  try {
    return await serve(settings, process);
  } catch (error) {
    const lines = refusal(error, settings);
    if (lines === undefined) throw error;
    return refuse(lines);
  }
}
