import type { DocumentPath, Finding } from '../domain/registry/findings.ts';
import { environmentsIn, type Problem, type Registry, type RegistrySet } from '../domain/registry/model.ts';
import { maxFindings } from '../domain/registry/resolve.ts';
import { resolveSet } from '../domain/registry/resolve-set.ts';
import { dialectOptions } from '../sources/dialects/dialect-options.ts';
import { type BackendName, defaultBackend } from '../sources/dialects/dialects.ts';
import { fileProblem, type ReadBytes, signatureOf } from './files.ts';
import { nearest } from './nearest-key.ts';
import { createLocator, type Gathered, gather, gatherDocument, locate } from './read-documents.ts';

/** All that the files of a registry hold. */
export type LoadResult =
  | {
      readonly ok: true;
      readonly registries: RegistrySet;
      /** What is most likely a mistake, in the order of files, lines and columns. Absent where a large registry was read while requests wait. */
      readonly warnings?: readonly Problem[];
      /** The files it was made from, as the user named them. */
      readonly files: readonly string[];
      /** What the files looked like before they were read: see signatureOf. */
      readonly signature: string;
    }
  | {
      readonly ok: false;
      /** At least one, in the order of files, lines and columns. */
      readonly problems: readonly Problem[];
      /** How many more there are, beyond the first thousand. */
      readonly omitted: number;
      /** Something could not be read: read again, the same files may be good. */
      readonly unread: boolean;
      readonly files: readonly string[];
      readonly signature: string;
    };

/** One environment of a registry, or the registry alone where it has none. */
export type LoadedEnvironment =
  | (LoadResult & { readonly ok: true } & { readonly registry: Registry })
  | (LoadResult & { readonly ok: false });

export interface LoadOptions {
  /** The backend of the process, for all that names no other; {@link defaultBackend} unless told. */
  readonly backend?: BackendName | undefined;
  /** The only environment to read; undefined: all. It is a problem of the registry where it has no such environment. */
  readonly environment?: string | undefined;
}

/**
 * Reads a registry from a .yaml, .yml, .json or .cue file or a folder of the first three, or says everything that is
 * wrong with it. Never throws for what is, or is not, at `path`. Holds the thread while it parses: for a registry that
 * is read while requests wait there is loadInBackground (registry/background.ts).
 */
export async function loadRegistries(
  path: string,
  { backend = defaultBackend, environment, read }: LoadOptions & { readonly read?: ReadBytes } = {},
): Promise<LoadResult> {
  const signature = await signatureOf(path);
  const result = { ...conclude(await gather(path, read), backend), signature };
  return environment === undefined ? result : restrictTo(environment, path, result);
}

/** The rule of the problem that a registry has environments, and none is chosen. */
export const environmentNotChosen = 'environment-not-chosen';

/**
 * {@link loadRegistries} for what asks about one environment. It is a problem where the registry has environments and none is
 * chosen: no other is taken in its place.
 */
export async function loadRegistry(
  path: string,
  options: LoadOptions & { readonly read?: ReadBytes } = {},
): Promise<LoadedEnvironment> {
  const result = await loadRegistries(path, options);
  if (!result.ok) return result;
  const registry = result.registries.byEnvironment.get(options.environment);
  if (registry !== undefined) return { ...result, registry };
  const names = environmentsIn(result.registries);
  return refused(
    result,
    fileProblem(
      path,
      environmentNotChosen,
      `the registry has the environments ${names.join(', ')}, and none is chosen`,
      {
        fix: `Choose one: --environment ${names[0]}, or CUJ_GATE_ENVIRONMENT.`,
      },
    ),
  );
}

/** The result with one environment alone, or the problem that there is none of the name. */
export function restrictTo(environment: string, path: string, result: LoadResult): LoadResult {
  if (!result.ok) return result;
  const { digest, byEnvironment } = result.registries;
  const registry = byEnvironment.get(environment);
  if (registry !== undefined)
    return { ...result, registries: { digest, byEnvironment: new Map([[environment, registry]]) } };
  const names = environmentsIn(result.registries);
  const near = nearest(environment, names);
  const fix =
    names.length === 0
      ? 'Leave --environment and CUJ_GATE_ENVIRONMENT out, or define it under environments.'
      : `${near === undefined ? '' : `Did you mean ${near}? `}It has: ${names.join(', ')}.`;
  const message =
    names.length === 0
      ? `the registry has no environments, so it has no "${environment}"`
      : `the registry has no environment "${environment}"`;
  return refused(result, fileProblem(path, 'unknown-environment', message, { value: environment, fix }));
}

function refused({ files, signature }: LoadResult, problem: Problem): LoadResult & { readonly ok: false } {
  return { ok: false, problems: [problem], omitted: 0, unread: false, files, signature };
}

/** What files that were read come to. */
export function conclude(
  gathered: Gathered,
  backend: BackendName,
): Omit<LoadResult & { ok: true }, 'signature'> | Omit<LoadResult & { ok: false }, 'signature'> {
  const { files, inputs, digest, incomplete, unread } = gathered;
  const resolution = resolveSet(inputs, digest, { ...dialectOptions(backend), incomplete });
  const good = gathered.problems.length === 0 && gathered.findings.length === 0;
  if (resolution.ok && good)
    return {
      ok: true,
      registries: resolution.registries,
      warnings: locate(gathered, resolution.warnings),
      files,
    };
  const problems = locate(gathered, resolution.ok ? [] : resolution.findings);
  const omitted = (resolution.ok ? 0 : resolution.omitted) + Math.max(problems.length - maxFindings, 0);
  return { ok: false, problems: problems.slice(0, maxFindings), omitted, unread, files };
}

/** What is said about a CUJ, a service or an environment of a registry that was read, or about the registry as a whole. */
export type Remark = Pick<Finding, 'rule' | 'message' | 'fix'> & {
  readonly of: 'cuj' | 'service' | 'environment' | 'registry';
  /** Of the CUJ, the service or the environment. */
  readonly name: string;
  /** Below the CUJ or the service. What is not there is shown where its parent stands. */
  readonly path: DocumentPath;
  /** In which environment it holds: what is overridden for it is shown where the override stands. */
  readonly environment?: string;
};

/** A registry with the places of what it holds. Keeps the texts of its files. */
export interface PlacedRegistry {
  readonly result: LoadResult;
  /** A remark with file, line and column. */
  readonly locate: (remark: Remark) => Problem;
}

/** {@link loadRegistries}, for commands that have more to say about what stands in the files. */
export async function loadWithPlaces(
  path: string,
  { backend = defaultBackend }: Pick<LoadOptions, 'backend'> = {},
): Promise<PlacedRegistry> {
  const signature = await signatureOf(path);
  return placed(await gather(path), backend, signature);
}

/** The same for a registry of one document that is in no file. `name`: what messages call it. */
export async function loadDocument(
  name: string,
  bytes: Buffer,
  { backend = defaultBackend }: Pick<LoadOptions, 'backend'> = {},
): Promise<PlacedRegistry> {
  return placed(await gatherDocument(name, bytes), backend, '');
}

function placed(gathered: Gathered, backend: BackendName, signature: string): PlacedRegistry {
  const locator = createLocator(gathered);
  return {
    result: { ...conclude(gathered, backend), signature },
    locate(remark) {
      const { rule, message, fix } = remark;
      return locator({ ...placeOf(gathered, remark), at: 'key', rule, message, fix });
    },
  };
}

interface DocumentPlace {
  readonly file: string;
  readonly path: DocumentPath;
}

function placeOf({ inputs, files }: Gathered, { of, name, path, environment }: Remark): DocumentPlace {
  for (const { file, document } of inputs) {
    if (of === 'registry' || of === 'environment') {
      const { environments } = document;
      if (environments === undefined) continue;
      if (of === 'registry') return { file, path: ['environments'] };
      if (Object.hasOwn(environments, name)) return { file, path: ['environments', name] };
      continue;
    }
    const key = of === 'cuj' ? (document.cujs ?? []).findIndex((cuj) => cuj.name === name) : name;
    const value = of === 'cuj' ? document.cujs?.[key as number] : document.services?.[name];
    if (value === undefined) continue;
    const base = [of === 'cuj' ? 'cujs' : 'services', key];
    const overridden = environment === undefined ? undefined : value.environments?.[environment];
    const [field] = path;
    return overridden !== undefined && field !== undefined && Object.hasOwn(overridden, field)
      ? { file, path: [...base, 'environments', environment as string, ...path] }
      : { file, path: [...base, ...path] };
  }
  return { file: files[0] ?? '', path: [] };
}
