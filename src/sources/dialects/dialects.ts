import type { SourceDialect } from '../../domain/registry/source-dialect.ts';
import { backends } from './backends.ts';

/**
 * The dialect of every metrics backend by the backend's name. Registries are read with the name and not with the
 * dialect: functions cannot be sent to the thread that reads large ones.
 */

export type BackendName = keyof typeof backends;

export const backendNames = Object.keys(backends) as readonly BackendName[];

export const dialects = Object.fromEntries(
  backendNames.map((name) => [name, backends[name].dialect]),
) as Readonly<Record<BackendName, SourceDialect>>;

/** The backend where nothing names one. */
export const defaultBackend: BackendName = 'datadog';
