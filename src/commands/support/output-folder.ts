import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, rmdir, unlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { GeneratedFile } from '../../generate/output/generated-file.ts';

/**
 * The manifest in every output folder: the files that were written, their generators and their digests. It is JSON without
 * the ending, because Argo CD and kubectl take every `*.json` of a folder for a Kubernetes object.
 */
export const manifestName = '.cuj-gate-manifest';
/** The manifest's name until 0.1. The next run moves its content to the new name. */
export const formerManifestName = '.cuj-gate-manifest.json';
const format = 'cuj-gate/manifest/v1';

/** A file with the generator that made it. */
export interface OwnedFile extends GeneratedFile {
  readonly what: string;
}

/** A difference between the folder and the files. `old` or `new` is undefined where there is no file. */
export interface Drift {
  readonly path: string;
  readonly old: string | undefined;
  readonly new: string | undefined;
}

/** The folder cannot be used; nothing was changed. `problems` has one sentence for each, including what to do. */
export class OutputError extends Error {
  override readonly name = 'OutputError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

export interface Written {
  readonly written: readonly string[];
  readonly unchanged: number;
  readonly removed: readonly string[];
  /** No longer generated, but edited since they were written: not removed. */
  readonly kept: readonly string[];
}

interface Entry {
  readonly what: string;
  readonly sha256: string;
  /** The digest before this run, while files are being written. A file with either digest was not edited. */
  readonly was?: string | undefined;
}
type Manifest = ReadonlyMap<string, Entry>;

/**
 * How a folder differs from the files. `generators` are those that generated all their files: files that they wrote
 * earlier and do not generate now are stale. Files of other generators are ignored. Throws OutputError where the manifest
 * is invalid.
 */
export async function driftOf(
  folder: string,
  files: readonly OwnedFile[],
  generators: readonly string[],
): Promise<readonly Drift[]> {
  const manifest = await readManifest(folder);
  const drifts: Drift[] = [];
  for (const file of files) {
    const old = await readText(join(folder, file.path));
    if (old !== file.text) drifts.push({ path: file.path, old, new: file.text });
  }
  for (const path of stalePaths(manifest, files, generators)) {
    const old = await readText(join(folder, path));
    if (old !== undefined) drifts.push({ path, old, new: undefined });
  }
  const wanted = manifestText(nextManifest(manifest, files, generators));
  const old = await readText(join(folder, manifestName));
  if (old !== wanted) drifts.push({ path: manifestName, old, new: wanted });
  const former = await readText(join(folder, formerManifestName));
  if (former !== undefined) drifts.push({ path: formerManifestName, old: former, new: undefined });
  return drifts.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** The files in the folder that an earlier run wrote and that a run of the `generators` with these files leaves as they are. */
export async function filesThatStay(
  folder: string,
  files: readonly OwnedFile[],
  generators: readonly string[],
): Promise<readonly OwnedFile[]> {
  const written = new Set(files.map(({ path }) => path));
  const staying: OwnedFile[] = [];
  for (const [path, { what }] of await readManifest(folder)) {
    if (written.has(path) || generators.includes(what)) continue;
    const text = await readText(join(folder, path));
    if (text !== undefined) staying.push({ path, what, text });
  }
  return staying;
}

/** The paths that the manifest of the folder lists, with the generator of each. */
export async function writtenBefore(folder: string): Promise<ReadonlyMap<string, string>> {
  return new Map([...(await readManifest(folder))].map(([path, { what }]) => [path, what]));
}

/**
 * Writes the files, each through a temporary file and a rename, and removes stale files of the `generators` (those that
 * generated all their files). A file that generate did not write, or that was edited since, is never removed, and is
 * replaced only with `force`. Throws OutputError for such files before anything is changed. The manifest is written first,
 * so that after an interrupted run the next one recognises all files.
 */
export async function writeFolder(
  folder: string,
  files: readonly OwnedFile[],
  generators: readonly string[],
  force = false,
): Promise<Written> {
  const manifest = await readManifest(folder);
  const disk = new Map<string, string | undefined>();
  const problems: string[] = [];
  for (const { path, text } of files) {
    const old = await readText(join(folder, path));
    disk.set(path, old);
    if (old === undefined || old === text || force) continue;
    const entry = manifest.get(path);
    if (entry === undefined) {
      problems.push(`${join(folder, path)} exists and was not written by generate: move it, or use --force.`);
    } else if (!isOurs(entry, old)) {
      problems.push(
        `${join(folder, path)} was edited since it was written: move the edit into the registry or the options, then use --force.`,
      );
    }
  }
  if (problems.length > 0) throw new OutputError(problems);

  const changing = files.filter(({ path, text }) => disk.get(path) !== text);
  if (changing.length > 0) {
    const about = changing.map(({ path, what, text }): [string, Entry] => {
      const old = disk.get(path);
      return [path, { what, sha256: digestOf(text), was: old === undefined ? undefined : digestOf(old) }];
    });
    await replace(join(folder, manifestName), manifestText(new Map([...manifest, ...about])));
  }
  const written: string[] = [];
  for (const { path, text } of changing) {
    await replace(join(folder, path), text);
    written.push(path);
  }
  const removed: string[] = [];
  const kept: string[] = [];
  for (const path of stalePaths(manifest, files, generators)) {
    const old = await readText(join(folder, path));
    if (old === undefined) continue;
    if (!isOurs(manifest.get(path), old)) kept.push(path);
    else {
      await unlink(join(folder, path));
      await removeEmptyFolders(folder, path);
      removed.push(path);
    }
  }
  const text = manifestText(nextManifest(manifest, files, generators));
  if ((await readText(join(folder, manifestName))) !== text) await replace(join(folder, manifestName), text);
  // Only now: after an interrupted run, one of the two has all files.
  const former = join(folder, formerManifestName);
  if ((await readText(former)) !== undefined) await unlink(former);
  return { written, unchanged: files.length - written.length, removed, kept };
}

/** Whether a file is as written by generate or, after an interrupted run, as before it. */
function isOurs(entry: Entry | undefined, text: string): boolean {
  const digest = digestOf(text);
  return entry !== undefined && (entry.sha256 === digest || entry.was === digest);
}

/** Paths that the generators wrote earlier and no longer generate. */
function stalePaths(
  manifest: Manifest,
  files: readonly OwnedFile[],
  generators: readonly string[],
): string[] {
  const wanted = new Set(files.map(({ path }) => path));
  return [...manifest]
    .filter(([path, { what }]) => generators.includes(what) && !wanted.has(path))
    .map(([path]) => path);
}

function nextManifest(
  manifest: Manifest,
  files: readonly OwnedFile[],
  generators: readonly string[],
): Manifest {
  const others = [...manifest].filter(([, { what }]) => !generators.includes(what));
  return new Map([
    ...others,
    ...files.map(({ path, what, text }) => [path, { what, sha256: digestOf(text) }] as const),
  ]);
}

function manifestText(manifest: Manifest): string {
  const files = Object.fromEntries([...manifest].sort(([a], [b]) => (a < b ? -1 : 1)));
  return `${JSON.stringify({ format, files }, null, 2)}\n`;
}

async function readManifest(folder: string): Promise<Manifest> {
  let path = join(folder, manifestName);
  let text = await readText(path);
  if (text === undefined) {
    path = join(folder, formerManifestName);
    text = await readText(path);
  }
  if (text === undefined) return new Map();
  const broken = (why: string) =>
    new OutputError([
      `${path} is invalid: ${why}. Restore it, or delete it; then all files count as not written by generate.`,
    ]);
  let value: { format?: unknown; files?: unknown } | null;
  try {
    value = JSON.parse(text);
  } catch {
    throw broken('it is not JSON');
  }
  if (value?.format !== format || typeof value.files !== 'object' || value.files === null) {
    throw broken(`it is not a ${format}`);
  }
  const manifest = new Map<string, Entry>();
  for (const [name, entry] of Object.entries(value.files as Record<string, Partial<Entry> | null>)) {
    // Listed files may be deleted, so paths outside the folder are refused.
    if (
      !/^[\w.-]+(\/[\w.-]+)*$/.test(name) ||
      name.split('/').some((step) => step === '.' || step === '..')
    ) {
      throw broken(`${JSON.stringify(name)} is not a path inside the folder`);
    }
    if (typeof entry?.what !== 'string' || typeof entry.sha256 !== 'string')
      throw broken(`the entry of ${name} is incomplete`);
    const was = typeof entry.was === 'string' ? entry.was : undefined;
    manifest.set(name, { what: entry.what, sha256: entry.sha256, was });
  }
  return manifest;
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new OutputError([`${path} cannot be read: ${(error as Error).message}.`]);
  }
}

async function replace(path: string, text: string): Promise<void> {
  const temporary = join(dirname(path), `.${randomUUID()}.tmp`);
  try {
    await makeFolder(dirname(path));
    await writeFile(temporary, text, { flag: 'wx' });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw new OutputError([`${path} cannot be written: ${(error as Error).message}.`]);
  }
}

/** Node's `recursive` option never returns on file systems that refuse new folders with ENOENT, such as /proc. */
async function makeFolder(path: string): Promise<void> {
  const make = () =>
    mkdir(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  try {
    await make();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(path) === path) throw error;
    await makeFolder(dirname(path));
    await make();
  }
}

async function removeEmptyFolders(folder: string, path: string): Promise<void> {
  for (let at = dirname(path); at !== '.'; at = dirname(at)) {
    try {
      await rmdir(join(folder, at));
    } catch {
      return;
    }
  }
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
