import type { Registry } from '../../domain/registry/model.ts';
import { loadRegistry } from '../../registry-files/load.ts';
import { type DatadogSession, openDatadogSession } from '../../server/datadog-session.ts';
import { readSettings, type Settings, SettingsError } from '../../settings/settings.ts';
import { exitCodes, type Io } from './io.ts';

/** Datadog by the environment's keys; undefined, and said on stderr, where they are missing or wrong. */
export function openDatadog(io: Io): DatadogSession | undefined {
  const settings = settingsOf(io);
  return settings === undefined ? undefined : openDatadogSession(settings, io.now);
}

/**
 * Opens Datadog and the registry of `--registry` or CUJ_GATE_REGISTRY for one question, and closes what it opened. Ends
 * with the exit code of `ask`; with that of misuse, and said on stderr, where either cannot be opened.
 */
export async function askAbout(
  io: Io,
  registryPath: string | undefined,
  ask: (datadog: DatadogSession, registry: Registry) => Promise<number>,
): Promise<number> {
  const settings = settingsOf(io);
  if (settings === undefined) return exitCodes.misuse;
  const datadog = openDatadogSession(settings, io.now);
  try {
    const registry = await openRegistry(registryPath ?? settings.registry, io);
    return registry === undefined ? exitCodes.misuse : await ask(datadog, registry);
  } finally {
    await datadog.close();
  }
}

/** The registry of `--registry` or CUJ_GATE_REGISTRY; undefined, and said on stderr, where there is none that is good. */
async function openRegistry(path: string | undefined, io: Io): Promise<Registry | undefined> {
  if (path === undefined) {
    io.stderr.write('cuj-gate: no registry is named. Give --registry <path>, or set CUJ_GATE_REGISTRY.\n');
    return undefined;
  }
  const loaded = await loadRegistry(path);
  if (loaded.ok) return loaded.registry;
  for (const { file, line, column, message, fix } of loaded.problems.slice(0, 5)) {
    io.stderr.write(`${file}:${line}:${column}: ${message}\n  fix: ${fix}\n`);
  }
  io.stderr.write(`cuj-gate: the registry is not good; cuj-gate validate ${path} shows all of it.\n`);
  return undefined;
}

function settingsOf(io: Io): Settings | undefined {
  try {
    return readSettings(io.env, { required: ['DD_API_KEY', 'DD_APP_KEY'] });
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    for (const problem of error.problems) io.stderr.write(`cuj-gate: ${problem}\n`);
    return undefined;
  }
}
