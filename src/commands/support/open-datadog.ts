import type { Registry } from '../../domain/registry/model.ts';
import { loadRegistry } from '../../registry-files/load.ts';
import { type DatadogSession, openDatadogSession } from '../../server/datadog-session.ts';
import { readSettings, type Settings, SettingsError } from '../../settings/settings.ts';
import type { BackendName } from '../../sources/dialects/dialects.ts';
import { exitCodes, type Io } from './io.ts';

/**
 * Opens Datadog with the keys of the environment. If they are missing or invalid, or the backend is another one, reports that
 * and returns undefined.
 */
export function openDatadog(io: Io): DatadogSession | undefined {
  const settings = settingsOf(io);
  return settings === undefined ? undefined : openDatadogSession(settings, io.now);
}

/**
 * Opens Datadog and the registry of `--registry` or CUJ_GATE_REGISTRY, calls `query`, and closes Datadog. Returns the exit
 * code of `query`, or that of misuse, with a message on stderr, if one of them cannot be opened.
 */
export async function withDatadog(
  io: Io,
  registryPath: string | undefined,
  query: (datadog: DatadogSession, registry: Registry) => Promise<number>,
): Promise<number> {
  const settings = settingsOf(io);
  if (settings === undefined) return exitCodes.misuse;
  const datadog = openDatadogSession(settings, io.now);
  try {
    const registry = await openRegistry(registryPath ?? settings.registry, settings.backend, io);
    return registry === undefined ? exitCodes.misuse : await query(datadog, registry);
  } finally {
    await datadog.close();
  }
}

/** The registry of `--registry` or CUJ_GATE_REGISTRY. If it is invalid, reports that on stderr and returns undefined. */
async function openRegistry(
  path: string | undefined,
  backend: BackendName,
  io: Io,
): Promise<Registry | undefined> {
  if (path === undefined) {
    io.stderr.write('cuj-gate: no registry given. Use --registry <path>, or set CUJ_GATE_REGISTRY.\n');
    return undefined;
  }
  const loaded = await loadRegistry(path, { backend });
  if (loaded.ok) return loaded.registry;
  for (const { file, line, column, message, fix } of loaded.problems.slice(0, 5)) {
    io.stderr.write(`${file}:${line}:${column}: ${message}\n  fix: ${fix}\n`);
  }
  io.stderr.write(`cuj-gate: the registry is invalid; run cuj-gate validate ${path} to see all problems.\n`);
  return undefined;
}

function settingsOf(io: Io): Settings | undefined {
  try {
    const settings = readSettings(io.env, { required: ['DD_API_KEY', 'DD_APP_KEY'] });
    if (settings.backend === 'datadog') return settings;
    io.stderr.write(
      `cuj-gate: this command works with Datadog only, and CUJ_GATE_BACKEND is ${settings.backend}.\n`,
    );
    return undefined;
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    for (const problem of error.problems) io.stderr.write(`cuj-gate: ${problem}\n`);
    return undefined;
  }
}
