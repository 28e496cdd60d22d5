import type { SourceDialect } from '../domain/registry/source-dialect.ts';
import { datadogDialect } from '../sources/datadog/query/dialect.ts';

/**
 * The dialect of every metrics backend by the backend's name. This is the one place to add a dialect. Registries are read
 * with the name and not with the dialect: functions cannot be sent to the thread that reads large ones.
 */
const table = { datadog: datadogDialect } satisfies Record<string, SourceDialect>;

export type BackendName = keyof typeof table;

export const dialects: Readonly<Record<BackendName, SourceDialect>> = table;

/** The backend of a registry that is read without naming one, as commands do. */
export const defaultBackend: BackendName = 'datadog';
