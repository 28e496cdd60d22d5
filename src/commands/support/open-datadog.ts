import type { Registry } from '../../domain/registry/model.ts';
import { type LoadOptions, loadRegistry } from '../../registry-files/load.ts';
import { type DatadogSession, openDatadogSession } from '../../server/datadog-session.ts';
import { readSettings, type Settings, SettingsError } from '../../settings/settings.ts';
import { datadogPart } from './datadog-part.ts';
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
 * Opens Datadog and the registry of `--registry` or CUJ_GATE_REGISTRY, for the environment that is chosen, calls `query`, and closes Datadog. Returns the exit
 * code of `query`, or that of misuse, with a message on stderr, if one of them cannot be opened. `query` gets the part of the registry
 * that Datadog measures; what is left out is said on stderr.
 */
export async function withDatadog(
  io: Io,
  chosen: { readonly registry?: string; readonly environment?: string },
  query: (datadog: DatadogSession, registry: Registry) => Promise<number>,
): Promise<number> {
  const settings = settingsOf(io);
  if (settings === undefined) return exitCodes.misuse;
  const datadog = openDatadogSession(settings, io.now);
  try {
    const registry = await openRegistry(chosen.registry ?? settings.registry, io, {
      backend: settings.backend,
      environment: chosen.environment ?? settings.environment,
    });
    const part = registry && datadogPart(registry, io);
    return part === undefined ? exitCodes.misuse : await query(datadog, part);
  } finally {
    await datadog.close();
  }
}

/** The registry of `--registry` or CUJ_GATE_REGISTRY. If it is invalid, reports that on stderr and returns undefined. */
async function openRegistry(
  path: string | undefined,
  io: Io,
  options: LoadOptions,
): Promise<Registry | undefined> {
  if (path === undefined) {
    io.stderr.write('cuj-gate: no registry given. Use --registry <path>, or set CUJ_GATE_REGISTRY.\n');
    return undefined;
  }
  const loaded = await loadRegistry(path, options);
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
