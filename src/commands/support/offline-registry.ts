import { readFile } from 'node:fs/promises';
import {
  type LoadedEnvironment,
  loadDocument,
  loadRegistry,
  loadWithPlaces,
  type PlacedRegistry,
} from '../../registry-files/load.ts';
import { readBackend, SettingsError } from '../../settings/settings.ts';
import type { BackendName } from '../../sources/dialects/dialects.ts';
import { environmentOf } from './environment-option.ts';
import type { Io } from './io.ts';

/**
 * Reads a registry for a command that asks no backend, as the backend of CUJ_GATE_BACKEND stores it, for the environment that is
 * chosen. Where CUJ_GATE_BACKEND names none, reports it on stderr and returns undefined.
 */
export async function loadOffline(
  path: string,
  io: Io,
  command: string,
  options: { readonly environment?: string } = {},
): Promise<LoadedEnvironment | undefined> {
  const environment = environmentOf(options, io);
  return withBackend(io, command, (backend) => loadRegistry(path, { backend, environment }));
}

/** All environments, with the places of what stands in the files. `-` is standard input. */
export async function loadOfflineWithPlaces(
  path: string,
  io: Io,
  command: string,
): Promise<PlacedRegistry | undefined> {
  return withBackend(io, command, async (backend) =>
    path === '-'
      ? loadDocument('(standard input)', await readFile('/dev/stdin'), { backend })
      : loadWithPlaces(path, { backend }),
  );
}

async function withBackend<T>(
  { env, stderr }: Io,
  command: string,
  load: (backend: BackendName) => Promise<T>,
): Promise<T | undefined> {
  try {
    return await load(readBackend(env));
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    for (const problem of error.problems) stderr.write(`cuj-gate ${command}: ${problem}\n`);
    return undefined;
  }
}
