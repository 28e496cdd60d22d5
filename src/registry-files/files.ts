import { createHash } from 'node:crypto';
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import type { Problem } from '../domain/registry/model.ts';

/** Larger files are refused before they are read: no hand-written registry is as large. */
export const maxFileBytes = 5 * 1024 * 1024;
/** The same for all files of a folder together. */
export const maxTotalBytes = 20 * 1024 * 1024;

const readable = new Set(['.yaml', '.yml', '.json']);

export type FileFormat = 'text' | 'cue';

export interface RegistryFile {
  /** As the user named it, below the folder that the user named. */
  readonly path: string;
  readonly format: FileFormat;
  readonly bytes: number;
}

export type FoundFiles =
  | { readonly ok: true; readonly files: readonly RegistryFile[] }
  | { readonly ok: false; readonly problem: Problem };

/**
 * The files of a registry: the file itself, or a folder's *.yaml, *.yml and *.json in the order of their names. Dot
 * files are left out, which keeps a ConfigMap's `..data` and editors' swap files away, and so is *.schema.json, which is
 * what editors check a registry by; symbolic links are followed.
 */
export async function findRegistryFiles(path: string): Promise<FoundFiles> {
  const info = await statOf(path);
  if (typeof info === 'string') return { ok: false, problem: missing(path, info) };
  if (info.isFile()) {
    const extension = extname(path).toLowerCase();
    if (extension === '.cue') return { ok: true, files: [{ path, format: 'cue', bytes: Number(info.size) }] };
    if (readable.has(extension))
      return { ok: true, files: [{ path, format: 'text', bytes: Number(info.size) }] };
    return {
      ok: false,
      problem: fileProblem(path, 'unknown-extension', `${path} is not a .yaml, .yml, .json or .cue file`, {
        value: extension,
        fix: 'Give a registry file, or the folder with the registry files.',
      }),
    };
  }
  if (!info.isDirectory()) {
    const fix = 'Give a registry file, or a folder of them.';
    return {
      ok: false,
      problem: fileProblem(path, 'not-a-file', `${path} is neither a file nor a folder`, { fix }),
    };
  }
  const files: RegistryFile[] = [];
  const names = await registryNames(path);
  if (typeof names === 'string') return { ok: false, problem: missing(path, names) };
  for (const name of names) {
    const at = join(path, name);
    const entry = await statOf(at);
    if (typeof entry === 'string') return { ok: false, problem: missing(at, entry) };
    if (entry.isFile()) files.push({ path: at, format: 'text', bytes: Number(entry.size) });
  }
  if (files.length > 0) return { ok: true, files };
  return {
    ok: false,
    problem: fileProblem(path, 'no-files', `the folder ${path} contains no .yaml, .yml or .json file`, {
      fix: 'Put the registry there, or give another folder; sub-folders and dot files are not read.',
    }),
  };
}

/** Bytes of a file: node:fs, or a test's. */
export type ReadBytes = (path: string) => Promise<Buffer>;

/** Bytes of one file within the limit, or what is wrong with it. A file may have grown since it was found. */
export async function readBounded(file: RegistryFile, read: ReadBytes = readFile): Promise<Buffer | Problem> {
  if (file.bytes > maxFileBytes) return tooLarge(file.path, file.bytes);
  try {
    const bytes = await read(file.path);
    return bytes.length > maxFileBytes ? tooLarge(file.path, bytes.length) : bytes;
  } catch (error) {
    return missing(file.path, codeOf(error));
  }
}

/** SHA-256 over base names and bytes: the same files have the same digest in any folder. */
export class FilesDigest {
  readonly #hash = createHash('sha256');

  add(path: string, bytes: Uint8Array): void {
    const name = Buffer.from(basename(path));
    this.#hash.update(`${name.length}:${bytes.length}:`).update(name).update(bytes);
  }

  text(): string {
    return `sha256:${this.#hash.digest('hex')}`;
  }
}

/** Rules of problems that say that something could not be read, and so nothing about what it holds. */
const readFailures: ReadonlySet<string> = new Set([
  'unreadable-file',
  'no-cue',
  'cue-timeout',
  'cue-not-run',
]);

export function isReadFailure({ rule }: Pick<Problem, 'rule'>): boolean {
  return readFailures.has(rule);
}

/**
 * A text that changes whenever the registry's files may have changed: names, and each file's real path, inode, size and
 * times of the last changes, including chmod. It detects edits, atomic renames and the swap of a ConfigMap's `..data`. It
 * does not show why a read failed: see {@link isReadFailure}.
 */
export async function signatureOf(path: string): Promise<string> {
  const info = await statOf(path);
  if (typeof info === 'string') return info;
  if (info.isDirectory()) {
    const names = await registryNames(path);
    if (typeof names === 'string') return names;
    return (await Promise.all(names.map((name) => fileSignature(join(path, name))))).join('\n');
  }
  if (extname(path).toLowerCase() !== '.cue') return fileSignature(path);
  // A CUE file shares its package with its neighbours.
  const all = await namesIn(dirname(path));
  if (typeof all === 'string') return all;
  const names = all.filter((name) => extname(name).toLowerCase() === '.cue').sort();
  return (await Promise.all(names.map((name) => fileSignature(join(dirname(path), name))))).join('\n');
}

async function fileSignature(path: string): Promise<string> {
  try {
    const [real, info] = await Promise.all([realpath(path), stat(path, { bigint: true })]);
    return [path, real, info.dev, info.ino, info.size, info.mtimeNs, info.ctimeNs].join('\t');
  } catch (error) {
    return `${path}\t${codeOf(error)}`;
  }
}

async function registryNames(folder: string): Promise<string[] | string> {
  const names = await namesIn(folder);
  if (typeof names === 'string') return names;
  return names
    .filter((name) => !name.startsWith('.') && !/\.schema\.json$/i.test(name))
    .filter((name) => readable.has(extname(name).toLowerCase()))
    .sort();
}

/** A folder's names, or the code of the error. */
async function namesIn(folder: string): Promise<string[] | string> {
  try {
    return await readdir(folder);
  } catch (error) {
    return codeOf(error);
  }
}

async function statOf(path: string) {
  try {
    return await stat(path, { bigint: true });
  } catch (error) {
    return codeOf(error);
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}

function missing(path: string, code: string): Problem {
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    const fix = 'Check the path; it is relative to the working directory.';
    return fileProblem(path, 'no-such-file', `there is no ${path}`, { fix });
  }
  return fileProblem(path, 'unreadable-file', `${path} cannot be read (${code})`, {
    fix: 'Give this user read permission for the file and its folders.',
  });
}

function tooLarge(path: string, bytes: number): Problem {
  return fileProblem(path, 'file-too-large', `${path} is larger than 5 MiB`, {
    value: bytes,
    fix: 'Split it: a folder of files is one registry.',
  });
}

/** A problem of a file as a whole. */
export function fileProblem(
  path: string,
  rule: string,
  message: string,
  rest: { readonly fix: string; readonly value?: unknown; readonly line?: number; readonly column?: number },
): Problem {
  return {
    file: path,
    line: rest.line ?? 1,
    column: rest.column ?? 1,
    path: '',
    rule,
    ...('value' in rest ? { value: rest.value } : {}),
    message,
    fix: rest.fix,
  };
}
