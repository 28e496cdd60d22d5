import type { Problem, Registry } from '../domain/registry/model.ts';
import { maxFindings, resolveRegistry } from '../domain/registry/resolve.ts';
import { type BackendName, defaultBackend, dialects } from '../sources/dialects/dialects.ts';
import { type ReadBytes, signatureOf } from './files.ts';
import { type Gathered, gather, locate } from './read-documents.ts';

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
