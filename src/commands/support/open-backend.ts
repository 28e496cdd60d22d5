import type { BackendDefinition } from '../../domain/ports/backend.ts';
import type { BackendSession } from '../../domain/ports/backend-session.ts';
import type { Registry } from '../../domain/registry/model.ts';
import { type LoadOptions, loadRegistry } from '../../registry-files/load.ts';
import { readSettings, requiredToServe, type Settings, SettingsError } from '../../settings/settings.ts';
import { backends } from '../../sources/dialects/backends.ts';
import { backendNames } from '../../sources/dialects/dialects.ts';
import { backendPart } from './backend-part.ts';
import { exitCodes, type Io } from './io.ts';

/** What every backend needs to be asked: its address and its credentials. */
const required = requiredToServe.filter((name) => name !== 'CUJ_GATE_REGISTRY');

type DatadogSession = Awaited<ReturnType<typeof backends.datadog.openSession>>;
export type PrometheusSession = Awaited<ReturnType<typeof backends.prometheus.openSession>>;

/** Opens the backend of the settings. If they are missing or invalid, reports that and returns undefined. */
export async function openBackend(io: Io): Promise<BackendSession | undefined> {
  const settings = settingsOf(io);
  return settings === undefined ? undefined : await sessionOf(settings, io);
}

/** Opens Datadog. Precondition: it is the backend of the settings. If its keys are missing or invalid, reports that and returns undefined. */
export async function openDatadog(io: Io): Promise<DatadogSession | undefined> {
  const settings = settingsOf(io);
  return settings && (await backends.datadog.openSession(settings.own.datadog, io.now));
}

/** The same of Prometheus. */
export async function openPrometheus(io: Io): Promise<PrometheusSession | undefined> {
  const settings = settingsOf(io);
  return settings && (await backends.prometheus.openSession(settings.own.prometheus, io.now));
}

/**
 * Opens the backend of the settings, and the registry of `--registry` or CUJ_GATE_REGISTRY for the environment that is chosen, calls `query`, and closes the
 * backend. `query` gets the part of the registry that the backend measures: whole CUJs, or with `by: 'sli'` single SLIs as well. Returns the exit code of `query`, or that of misuse, with a message on stderr, if one of them cannot be opened.
 */
export async function withBackend(
  io: Io,
  chosen: { readonly registry?: string; readonly environment?: string; readonly by?: 'sli' },
  query: (backend: BackendSession, registry: Registry) => Promise<number>,
): Promise<number> {
  const settings = settingsOf(io, { CUJ_GATE_REGISTRY: chosen.registry ?? io.env.CUJ_GATE_REGISTRY });
  const backend = settings && (await sessionOf(settings, io));
  if (settings === undefined || backend === undefined) return exitCodes.misuse;
  try {
    const registry = await openRegistry(settings.registry as string, io, {
      backend: settings.backend,
      environment: chosen.environment ?? settings.environment,
    });
    const part = registry && backendPart(registry, backend, io, chosen.by ?? 'cuj');
    return part === undefined ? exitCodes.misuse : await query(backend, part);
  } finally {
    await backend.close();
  }
}

async function sessionOf(settings: Settings, io: Io): Promise<BackendSession | undefined> {
  const all: Readonly<Record<string, BackendDefinition>> = backends;
  const { [settings.backend]: chosen } = all;
  if (chosen?.openSession !== undefined)
    return await chosen.openSession(settings.own[settings.backend], io.now);
  const able = backendNames.filter((name) => all[name]?.openSession !== undefined);
  io.stderr.write(
    `cuj-gate: this command works with ${able.join(' and ')} only, and CUJ_GATE_BACKEND is ${settings.backend}.\n`,
  );
  return undefined;
}

/** The registry at a path. If it is invalid, reports that on stderr and returns undefined. */
async function openRegistry(path: string, io: Io, options: LoadOptions): Promise<Registry | undefined> {
  const loaded = await loadRegistry(path, options);
  if (loaded.ok) return loaded.registry;
  for (const { file, line, column, message, fix } of loaded.problems.slice(0, 5)) {
    io.stderr.write(`${file}:${line}:${column}: ${message}\n  fix: ${fix}\n`);
  }
  io.stderr.write(`cuj-gate: the registry is invalid; run cuj-gate validate ${path} to see all problems.\n`);
  return undefined;
}

/** The settings; if some are missing or invalid, reports all of them. With a registry, that is required as well. */
function settingsOf(io: Io, registry?: { readonly CUJ_GATE_REGISTRY: string | undefined }) {
  try {
    return registry === undefined
      ? readSettings(io.env, { required })
      : readSettings({ ...io.env, ...registry }, { required: requiredToServe });
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    for (const problem of error.problems) io.stderr.write(`cuj-gate: ${problem}\n`);
    return undefined;
  }
}
