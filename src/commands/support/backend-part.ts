import type { BackendSession } from '../../domain/ports/backend-session.ts';
import type { Registry } from '../../domain/registry/model.ts';
import { leftOutNames, partOfBackend } from '../../domain/registry/part-of-backend.ts';
import type { SourceDialect } from '../../domain/registry/source-dialect.ts';
import { dialects } from '../../sources/dialects/dialects.ts';
import type { Io } from './io.ts';

/**
 * What the backend of a session measures of a registry, for commands that ask one backend: whole CUJs, or those of their SLIs that it
 * measures. What is left out is said on stderr. Undefined where nothing is left, which is reported.
 */
export function backendPart(
  registry: Registry,
  { backend }: Pick<BackendSession, 'backend'>,
  io: Io,
  by: 'cuj' | 'sli',
): Registry | undefined {
  const dialect = Object.values(dialects).find((one) => one.backend === backend) as SourceDialect;
  const all = partOfBackend(registry, dialect, by);
  const { registry: part, otherServices } = all;
  const leftOut = leftOutNames(all);
  if (part.cujs.size === 0) {
    io.stderr.write(
      `cuj-gate: this command asks ${backend} only, and no CUJ of the registry is measured by ${backend} alone.\n`,
    );
    return undefined;
  }
  if (otherServices.length > 0)
    io.stderr.write(
      `cuj-gate: left out, since ${backend} does not measure all of it: ${[
        `services ${otherServices.join(', ')}`,
        ...(leftOut.length === 0 ? [] : [`CUJs ${leftOut.join(', ')}`]),
      ].join('; ')}\n`,
    );
  return part;
}
