import { readFile, stat } from 'node:fs/promises';

/** Files that hold credentials cannot be used. `problems` has one sentence for each thing wrong; none shows a secret. */
export class FilesRefused extends Error {
  override readonly name = 'FilesRefused';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

/** Files could not be read, which says nothing about what they hold: the next look tries again. */
class FilesUnread extends FilesRefused {}

/** What a look at the files came to. */
export type LookOutcome = 'unchanged' | 'settling' | 'reloaded' | 'refused';

/** What is made of files, kept in step with them. */
export interface WatchedFiles<T> {
  current(): T;
  /** Looks once. A change is taken when it looks the same in two looks in a row. */
  look(): Promise<LookOutcome>;
}

export interface HoldOptions<T> {
  readonly paths: readonly string[];
  /** The files' bytes in the order of `paths`. Throws FilesRefused. */
  readonly make: (contents: readonly Buffer[]) => T;
  readonly onGood?: (made: T) => void;
  /** A change was refused, or could not be read. Called once for each change, not at each look that tries again. */
  readonly onBad?: (problems: readonly string[]) => void;
  /** Bytes of a file; node:fs unless told. */
  readonly read?: (path: string) => Promise<Buffer>;
  /** Ends the looking. */
  readonly signal?: AbortSignal;
  /** 0: only when `look` is called. */
  readonly intervalMs?: number;
}

/** Beyond it a file holds no credentials, and is not held in memory. */
const maxBytes = 1024 * 1024;

/**
 * Reads files and looks at them again and again, as the registry's are looked at: edits, atomic renames and the swap of
 * a Secret's `..data` are seen alike. Throws FilesRefused where they are bad at the start; afterwards files that are
 * gone, empty or wrong never replace what is in force. Files that could not be read are tried again at each look.
 */
export async function watchFiles<T>(options: HoldOptions<T>): Promise<WatchedFiles<T>> {
  const { paths, make, signal, intervalMs = 1_000, read: readBytes = readFile } = options;
  /** What the files looked like when they were last read; undefined where they could not be. */
  let read: string | undefined = await signatureOf(paths);
  /** What they looked like at the last look, where that differs. */
  let seen: string | undefined;
  let current = make(await contentsOf(paths, readBytes));
  /** Why they could not be read at the last look. */
  let unread: string | undefined;
  let underWay: Promise<LookOutcome> | undefined;

  async function lookOnce(): Promise<LookOutcome> {
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
          : new FilesUnread([`it could not be read: ${(error as Error).message}`]);
    }
    if ((await signatureOf(paths)) !== signature) {
      // Changed while it was read: this may be the certificate of one pair and the key of another.
      seen = undefined;
      return 'settling';
    }
    if (made instanceof FilesUnread) {
      // Descriptors that ran out, or a right that is given later, leave no trace in the signature.
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

  const held: WatchedFiles<T> = {
    current: () => current,
    look() {
      underWay ??= lookOnce().finally(() => {
        underWay = undefined;
      });
      return underWay;
    },
  };
  const again = () => {
    if (signal?.aborted) return;
    setTimeout(() => {
      if (signal?.aborted) return;
      held
        .look()
        .catch((error: unknown) =>
          options.onBad?.([`it could not be looked at: ${(error as Error).message}`]),
        )
        .finally(again);
    }, intervalMs).unref();
  };
  if (intervalMs > 0) again();
  return held;
}

async function signatureOf(paths: readonly string[]): Promise<string> {
  const each = paths.map(async (path) => {
    try {
      // Of what a link leads to: the swap of a Secret's `..data` is another inode.
      const info = await stat(path, { bigint: true });
      // The time of the last change of the inode tells of a chmod, chown or ACL, which leave the other time alone.
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
