import type { MetricsSource } from '../../domain/metrics/metrics-source.ts';
import type { Registry } from '../../domain/registry/model.ts';
import { loadRegistry } from '../../registry-files/load.ts';
import { readSettings, type Settings, SettingsError } from '../../settings/settings.ts';
import {
  createDatadogApi,
  type DatadogApi,
  DatadogConnection,
} from '../../sources/datadog/api/connection.ts';
import { createDatadogSource } from '../../sources/datadog/api/source.ts';
import { exitCodes, type Io } from './io.ts';

/** A question that people wait for may take longer than one that Argo waits for: it looks at a day or a month. */
const deadlineMs = 60_000;

export interface DatadogAccess {
  readonly api: DatadogApi;
  /** The gate's own source over the same connection. */
  readonly source: () => Promise<MetricsSource>;
  readonly now: () => number;
  readonly close: () => Promise<void>;
}

/** Datadog by the environment's keys; undefined, and said on stderr, where they are missing or wrong. */
export function openDatadog(io: Io): (DatadogAccess & { readonly settings: Settings }) | undefined {
  const settings = settingsOf(io);
  if (settings === undefined) return undefined;
  const { apiKey, appKey, site, url } = settings.datadog;
  const connection = new DatadogConnection({
    apiKey: apiKey as string,
    appKey: appKey as string,
    site,
    deadlineMs,
    ...(url === undefined ? {} : { url }),
  });
  return {
    settings,
    api: createDatadogApi(connection),
    source: () => createDatadogSource(connection),
    now: io.now,
    close: () => connection.close(),
  };
}

/**
 * Opens Datadog and the registry of `--registry` or CUJ_GATE_REGISTRY for one question, and closes what it opened. Ends
 * with the exit code of `ask`; with that of misuse, and said on stderr, where either cannot be opened.
 */
export async function askAbout(
  io: Io,
  registryPath: string | undefined,
  ask: (datadog: DatadogAccess, registry: Registry) => Promise<number>,
): Promise<number> {
  const datadog = openDatadog(io);
  if (datadog === undefined) return exitCodes.misuse;
  try {
    const registry = await openRegistry(registryPath ?? datadog.settings.registry, io);
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
