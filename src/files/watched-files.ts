import { readFile, stat } from 'node:fs/promises';

/** Files with credentials are invalid. `problems` has one sentence for each problem; none contains a secret. */
export class FilesRefused extends Error {
  override readonly name = 'FilesRefused';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

/** Files could not be read. Their content may be valid: the next poll reads them again. */
class FilesUnread extends FilesRefused {}

/** The result of a poll. */
export type FilePollOutcome = 'unchanged' | 'settling' | 'reloaded' | 'refused';

/** A value that is read from files and updated when they change. */
export interface WatchedFiles<T> {
  current(): T;
  /** Polls once. A change is read when two polls in a row see the same. */
  poll(): Promise<FilePollOutcome>;
}

export interface FileWatchOptions<T> {
  readonly paths: readonly string[];
  /** The files' bytes in the order of `paths`. Throws FilesRefused. */
  readonly make: (contents: readonly Buffer[]) => T;
  readonly onGood?: (made: T) => void;
  /** A change was invalid or could not be read. Called once for each change, not for each retry. */
  readonly onBad?: (problems: readonly string[]) => void;
  /** Reads a file; default: node:fs. */
  readonly read?: (path: string) => Promise<Buffer>;
  /** Stops polling. */
  readonly signal?: AbortSignal;
  /** 0: only when `poll` is called. */
  readonly intervalMs?: number;
}

/** Larger files are refused: they cannot be credentials. */
const maxBytes = 1024 * 1024;

/**
 * Reads files and polls them for changes: edits, atomic renames and the swap of a Secret's `..data`. Throws FilesRefused
 * where they are invalid at the start. Later, missing or invalid files never replace the current value. Files that could
 * not be read are read again at each poll.
 */
export async function watchFiles<T>(options: FileWatchOptions<T>): Promise<WatchedFiles<T>> {
  const { paths, make, signal, intervalMs = 1_000, read: readBytes = readFile } = options;
  /** The signature of the files when they were last read; undefined if they could not be read. */
  let read: string | undefined = await signatureOf(paths);
  /** The signature at the last poll, where it differs. */
  let seen: string | undefined;
  let current = make(await contentsOf(paths, readBytes));
  /** Why they could not be read at the last poll. */
  let unread: string | undefined;
  let pending: Promise<FilePollOutcome> | undefined;

  async function pollOnce(): Promise<FilePollOutcome> {
    const signature = await signatureOf(paths);
    if (signature === read) {
      seen = undefined;
      return 'unchanged';
    }
    if (signature !== seen) {
      seen = signature;
      return 'settling';
    }
    let made: T | FilesRefused;
    try {
      made = make(await contentsOf(paths, readBytes));
    } catch (error) {
      made =
        error instanceof FilesRefused
          ? error
          : new FilesUnread([`reading failed: ${(error as Error).message}`]);
    }
    if ((await signatureOf(paths)) !== signature) {
      // The files changed while they were read: the certificate may be of one pair and the key of another.
      seen = undefined;
      return 'settling';
    }
    if (made instanceof FilesUnread) {
      // The cause, such as exhausted descriptors or missing permissions, does not show in the signature.
      read = undefined;
      if (unread === made.message) return 'unchanged';
      unread = made.message;
      options.onBad?.(made.problems);
      return 'refused';
    }
    read = signature;
    seen = undefined;
    unread = undefined;
    if (made instanceof FilesRefused) {
      options.onBad?.(made.problems);
      return 'refused';
    }
    current = made;
    options.onGood?.(made);
    return 'reloaded';
  }

  const watched: WatchedFiles<T> = {
    current: () => current,
    poll() {
      pending ??= pollOnce().finally(() => {
        pending = undefined;
      });
      return pending;
    },
  };
  const again = () => {
    if (signal?.aborted) return;
    setTimeout(() => {
      if (signal?.aborted) return;
      watched
        .poll()
        .catch((error: unknown) => options.onBad?.([`polling failed: ${(error as Error).message}`]))
        .finally(again);
    }, intervalMs).unref();
  };
  if (intervalMs > 0) again();
  return watched;
}

async function signatureOf(paths: readonly string[]): Promise<string> {
  const each = paths.map(async (path) => {
    try {
      // `stat` follows links: the swap of a Secret's `..data` changes the inode.
      const info = await stat(path, { bigint: true });
      // ctime also changes with chmod, chown and ACLs, which do not change mtime.
      return [info.dev, info.ino, info.size, info.mtimeNs, info.ctimeNs, info.mode].join('\t');
    } catch (error) {
      return codeOf(error);
    }
  });
  return (await Promise.all(each)).join('\n');
}

async function contentsOf(
  paths: readonly string[],
  read: (path: string) => Promise<Buffer>,
): Promise<Buffer[]> {
  const contents: Buffer[] = [];
  const problems: string[] = [];
  let unread = false;
  for (const path of paths) {
    try {
      const info = await stat(path);
      if (!info.isFile()) problems.push(`${path} is not a file.`);
      else if (info.size > maxBytes) problems.push(`${path} is larger than 1 MiB.`);
      else contents.push(await read(path));
    } catch (error) {
      unread = true;
      problems.push(
        `${path} cannot be read (${codeOf(error)}): check the path, and that the gate's user may read it.`,
      );
    }
  }
  if (unread) throw new FilesUnread(problems);
  if (problems.length > 0) throw new FilesRefused(problems);
  return contents;
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}
