import type { DialectOptions } from '../../domain/registry/dialects-of-sources.ts';
import type { QueryBatch } from '../../domain/registry/model.ts';
import type { SourceDialect } from '../../domain/registry/source-dialect.ts';
import { type BackendName, backendNames, dialects } from './dialects.ts';

/** From the name of a backend to dialects, and back. */

/** With what a registry is read in a process of this backend: `dialect` for all that names no other, and those of all. */
export function dialectOptions(backend: BackendName): DialectOptions {
  return { dialect: dialects[backend], dialects };
}

/** The backend whose dialect a service was read with. Throws TypeError where it is none of the table. */
export function backendOf(dialect: SourceDialect): BackendName {
  const name = backendNames.find((one) => dialects[one] === dialect);
  if (name === undefined) throw new TypeError(`no backend has the dialect of ${dialect.backend}`);
  return name;
}

/** The backend that measures a batch: its services share a source, and so a backend. */
export function backendOfBatch({ services }: Pick<QueryBatch, 'services'>): BackendName {
  return backendOf((services[0] as QueryBatch['services'][number]).service.dialect);
}
