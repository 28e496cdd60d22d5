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
  const problems = [...unusableSources(result.registries, settings)].flatMap(([name, sources]) =>
    (settings.unusable[name] ?? []).map((why) => unusableProblem(path, name, sources, why)),
  );
  if (problems.length === 0) return result;
  const { files, signature } = result;
  return { ok: false, problems, omitted: 0, unread: false, files, signature };
}

/** The sources that are asked for, by the backend that cannot be. A source that nothing is judged by needs no backend. */
function unusableSources(
  { byEnvironment }: RegistrySet,
  { unusable }: Pick<Settings, 'unusable'>,
): ReadonlyMap<BackendName, ReadonlySet<string>> {
  const found = new Map<BackendName, Set<string>>();
  for (const { batches } of byEnvironment.values()) {
    for (const batch of batches) {
      const name = backendOfBatch(batch);
      if (unusable[name] === undefined) continue;
      found.set(name, (found.get(name) ?? new Set()).add(batch.source));
    }
  }
  return found;
}

function unusableProblem(
  path: string,
  name: BackendName,
  sources: ReadonlySet<string>,
  why: string,
): Problem {
  const named = [...sources].sort().map((source) => `"${source}"`);
  const [subject, verb] = named.length === 1 ? ['source', 'is'] : ['sources', 'are'];
  return fileProblem(
    path,
    'backend-not-usable',
    `the ${subject} ${named.join(', ')} ${verb} measured by ${name}, which this process cannot ask: ${why.replace(/\.$/, '')}`,
    { fix: 'Correct the setting and start the process again, or let the source name another backend.' },
  );
}
