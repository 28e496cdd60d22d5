import type { SourceDialect } from '../../domain/registry/source-dialect.ts';
import { datadogDialect } from '../datadog/query/dialect.ts';
import { prometheusDialect } from '../prometheus/query/dialect.ts';

/**
 * The dialect of every metrics backend by the backend's name, as CUJ_GATE_BACKEND and the sources of a registry write it. This is the list of all
 * backends: what else a backend brings is in src/server/backends.ts. Registries are read with the name and not with the
 * dialect: functions cannot be sent to the thread that reads large ones.
 */
const table = {
  datadog: datadogDialect,
  prometheus: prometheusDialect,
} satisfies Record<string, SourceDialect>;

export type BackendName = keyof typeof table;

export const dialects: Readonly<Record<BackendName, SourceDialect>> = table;

export const backendNames = Object.keys(table) as readonly BackendName[];

/** The backend where nothing names one. */
export const defaultBackend: BackendName = 'datadog';
