import type { Registry } from '../../domain/registry/model.ts';
import { partOfBackend } from '../../domain/registry/part-of-backend.ts';
import { dialects } from '../../sources/dialects/dialects.ts';
import type { Io } from './io.ts';

/**
 * What Datadog measures of a registry, for commands that know nothing else. What is left out is said on stderr. Undefined where
 * nothing is left, which is reported.
 */
export function datadogPart(registry: Registry, io: Io): Registry | undefined {
  const { registry: part, leftOut, otherServices } = partOfBackend(registry, dialects.datadog);
  if (part.cujs.size === 0) {
    io.stderr.write(
      'cuj-gate: this command works with Datadog only, and no CUJ of the registry is measured by Datadog alone.\n',
    );
    return undefined;
  }
  if (otherServices.length > 0)
    io.stderr.write(
      `cuj-gate: left out, since Datadog does not measure all of it: ${[
        `services ${otherServices.join(', ')}`,
        ...(leftOut.length === 0 ? [] : [`CUJs ${leftOut.map(({ name }) => name).join(', ')}`]),
      ].join('; ')}\n`,
    );
  return part;
}
