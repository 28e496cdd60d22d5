import type { Problem, RegistrySet } from '../domain/registry/model.ts';
import { fileProblem } from '../registry-files/files.ts';
import type { LoadResult } from '../registry-files/load.ts';
import type { Settings } from '../settings/settings.ts';
import { backendOfBatch } from '../sources/dialects/dialect-options.ts';
import { type BackendName, backendNames } from '../sources/dialects/dialects.ts';

/** The backends that a process can ask: its own, and the others whose settings are complete. */
export function usableBackends({ backend, unusable }: Pick<Settings, 'backend' | 'unusable'>): BackendName[] {
  return backendNames.filter((name) => name === backend || unusable[name] === undefined);
}

/** The result, or as its problems that the registry measures with a backend that the process cannot ask. */
export function withUsableBackends(
  path: string,
  result: LoadResult,
  settings: Pick<Settings, 'unusable'>,
): LoadResult {
  if (!result.ok) return result;
  const problems = [...unusableParts(result.registries, settings)].flatMap(([name, parts]) =>
    (settings.unusable[name] ?? []).map((why) => unusableProblem(path, name, parts, why)),
  );
  if (problems.length === 0) return result;
  const { files, signature } = result;
  return { ok: false, problems, omitted: 0, unread: false, files, signature };
}

interface AskedParts {
  /** Names under `sources`. */
  readonly sources: Set<string>;
  /** Services whose source is built in: they name no backend. */
  readonly services: Set<string>;
  /** Those of them that are clients. */
  readonly clients: Set<string>;
}

/** What is asked for, by the backend that cannot be. A source or a client that nothing is judged by needs no backend. */
function unusableParts(
  { byEnvironment }: RegistrySet,
  { unusable }: Pick<Settings, 'unusable'>,
): ReadonlyMap<BackendName, AskedParts> {
  const found = new Map<BackendName, AskedParts>();
  for (const { batches, sources } of byEnvironment.values()) {
    for (const batch of batches) {
      const name = backendOfBatch(batch);
      if (unusable[name] === undefined) continue;
      const parts = found.get(name) ?? { sources: new Set(), services: new Set(), clients: new Set() };
      found.set(name, parts);
      if (sources.has(batch.source)) parts.sources.add(batch.source);
      else
        for (const { service } of batch.services)
          parts[service.client === undefined ? 'services' : 'clients'].add(service.name);
    }
  }
  return found;
}

function unusableProblem(
  path: string,
  name: BackendName,
  { sources, services, clients }: AskedParts,
  why: string,
): Problem {
  const subjects = [...named('source', sources), ...named('service', services), ...named('client', clients)];
  const verb = sources.size + services.size + clients.size === 1 ? 'is' : 'are';
  return fileProblem(
    path,
    'backend-not-usable',
    `${subjects.join(' and ')} ${verb} measured by ${name}, which this process cannot ask: ${why.replace(/\.$/, '')}`,
    {
      fix:
        services.size + clients.size === 0
          ? 'Correct the setting and start the process again, or let the source name another backend.'
          : `Correct the setting and start the process again, or remove what ${name} alone can measure.`,
    },
  );
}

function named(what: string, names: ReadonlySet<string>): string[] {
  const quoted = [...names].sort().map((name) => `"${name}"`);
  return quoted.length === 0 ? [] : [`the ${what}${quoted.length === 1 ? '' : 's'} ${quoted.join(', ')}`];
}
