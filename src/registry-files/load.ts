import type { DocumentPath, Finding } from '../domain/registry/findings.ts';
import type { Problem, Registry } from '../domain/registry/model.ts';
import { maxFindings, resolveRegistry } from '../domain/registry/resolve.ts';
import { type BackendName, defaultBackend, dialects } from '../sources/dialects/dialects.ts';
import { type ReadBytes, signatureOf } from './files.ts';
import { createLocator, type Gathered, gather, gatherDocument, locate } from './read-documents.ts';

export type LoadResult =
  | {
      readonly ok: true;
      readonly registry: Registry;
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

export interface LoadOptions {
  /** The backend that measures the services; {@link defaultBackend} unless told. */
  readonly backend?: BackendName | undefined;
}

/**
 * Reads a registry from a .yaml, .yml, .json or .cue file or a folder of the first three, or says everything that is
 * wrong with it. Never throws for what is, or is not, at `path`. Holds the thread while it parses: for a registry that
 * is read while requests wait there is loadInBackground (registry/background.ts).
 */
export async function loadRegistry(
  path: string,
  { backend = defaultBackend, read }: LoadOptions & { readonly read?: ReadBytes } = {},
): Promise<LoadResult> {
  const signature = await signatureOf(path);
  return { ...conclude(await gather(path, read), backend), signature };
}

/** What files that were read come to. */
export function conclude(
  gathered: Gathered,
  backend: BackendName,
): Omit<LoadResult & { ok: true }, 'signature'> | Omit<LoadResult & { ok: false }, 'signature'> {
  const { files, inputs, digest, incomplete, unread } = gathered;
  const resolution = resolveRegistry(inputs, digest, { dialect: dialects[backend], incomplete });
  const good = gathered.problems.length === 0 && gathered.findings.length === 0;
  if (resolution.ok && good)
    return {
      ok: true,
      registry: resolution.registry,
      warnings: locate(gathered, resolution.warnings),
      files,
    };
  const problems = locate(gathered, resolution.ok ? [] : resolution.findings);
  const omitted = (resolution.ok ? 0 : resolution.omitted) + Math.max(problems.length - maxFindings, 0);
  return { ok: false, problems: problems.slice(0, maxFindings), omitted, unread, files };
}

/** What is said about a CUJ or a service of a registry that was read. */
export type Remark = Pick<Finding, 'rule' | 'message' | 'fix'> & {
  readonly of: 'cuj' | 'service';
  readonly name: string;
  /** Below the CUJ or the service. What is not there is shown where its parent stands. */
  readonly path: DocumentPath;
};

/** A registry with the places of what it holds. Keeps the texts of its files. */
export interface PlacedRegistry {
  readonly result: LoadResult;
  /** A remark with file, line and column. */
  readonly locate: (remark: Remark) => Problem;
}

/** {@link loadRegistry}, for commands that have more to say about what stands in the files. */
export async function loadWithPlaces(
  path: string,
  { backend = defaultBackend }: LoadOptions = {},
): Promise<PlacedRegistry> {
  const signature = await signatureOf(path);
  return placed(await gather(path), backend, signature);
}

/** The same for a registry of one document that is in no file. `name`: what messages call it. */
export async function loadDocument(
  name: string,
  bytes: Buffer,
  { backend = defaultBackend }: LoadOptions = {},
): Promise<PlacedRegistry> {
  return placed(await gatherDocument(name, bytes), backend, '');
}

function placed(gathered: Gathered, backend: BackendName, signature: string): PlacedRegistry {
  const locator = createLocator(gathered);
  return {
    result: { ...conclude(gathered, backend), signature },
    locate({ of, name, path, rule, message, fix }) {
      const { file, base } = placeOf(gathered, of, name);
      return locator({ file, path: [...base, ...path], at: 'key', rule, message, fix });
    },
  };
}

function placeOf(
  { inputs, files }: Gathered,
  of: Remark['of'],
  name: string,
): { file: string; base: DocumentPath } {
  for (const { file, document } of inputs) {
    if (of === 'service' && document.services?.[name] !== undefined)
      return { file, base: ['services', name] };
    const index = of === 'cuj' ? (document.cujs ?? []).findIndex((cuj) => cuj.name === name) : -1;
    if (index >= 0) return { file, base: ['cujs', index] };
  }
  return { file: files[0] ?? '', base: [] };
}
