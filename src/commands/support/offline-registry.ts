import { type LoadResult, loadRegistry } from '../../registry-files/load.ts';
import { readBackend, SettingsError } from '../../settings/settings.ts';
import type { Io } from './io.ts';

/**
 * Reads a registry for a command that asks no backend, as the backend of CUJ_GATE_BACKEND stores it. Where that names none,
 * reports it on stderr and returns undefined.
 */
export async function loadOffline(
  path: string,
  { env, stderr }: Io,
  command: string,
): Promise<LoadResult | undefined> {
  try {
    return await loadRegistry(path, { backend: readBackend(env) });
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    for (const problem of error.problems) stderr.write(`cuj-gate ${command}: ${problem}\n`);
    return undefined;
  }
}
