import type { Problem, Registry } from '../domain/registry/model.ts';
import { loadInBackground } from './background.ts';
import { signatureOf } from './files.ts';
import type { LoadOptions, LoadResult } from './load.ts';

export interface LoadedRegistry {
  readonly registry: Registry;
  readonly files: readonly string[];
  /** Epoch ms. */
  readonly loadedAt: number;
}

export interface FailedReload {
  /** Epoch ms. */
  readonly at: number;
  readonly problems: readonly Problem[];
  /** Problems beyond those listed. */
  readonly omitted: number;
}

/** The registry that is in force, whole: whoever answers a question takes it once and uses nothing else. */
export interface RegistryHolder {
  current(): LoadedRegistry;
  /** Why the newest change is not in force; undefined where it is. */
  lastFailure(): FailedReload | undefined;
}

export interface WatchOptions extends LoadOptions {
  /** The file or folder that `initial` was read from. */
  readonly path: string;
  /** What loadRegistry gave at the start. */
  readonly initial: LoadResult & { readonly ok: true };
  /** A change is in force from now on. Also called when the files are again what they were before a bad change. */
  readonly onGood?: (loaded: LoadedRegistry) => void;
  /** A change was refused, or could not be read. Called once for each change, not at each look that tries again. */
  readonly onBad?: (failed: FailedReload) => void;
  /** Ends the watching, a reload under way included. */
  readonly signal?: AbortSignal;
  /** Epoch ms; the system's clock unless told. */
  readonly now?: () => number;
  /** Reads the registry; loadInBackground unless told. */
  readonly load?: (path: string, signal?: AbortSignal) => Promise<LoadResult>;
}

/** Looks that are waited through, at most, until files that could not be read are tried again: ten seconds. */
const maxLooksBetweenTries = 40;

/** What a look at the files came to. */
export type PollOutcome = 'unchanged' | 'settling' | 'reloaded' | 'refused';

export interface RegistryWatcher extends RegistryHolder {
  /**
   * Looks at the files once. A change is read only when it looks the same in two looks in a row, so that a file which
   * is being written is left alone. Looks do not overlap: one that is asked for while another is under way joins it.
   */
  poll(): Promise<PollOutcome>;
}

/**
 * Keeps a registry in step with its files by looking at them: that sees edits, atomic renames, the swap of a
 * ConfigMap's `..data` and network file systems alike, where change notifications miss one or the other.
 */
export function createRegistryWatcher(options: WatchOptions): RegistryWatcher {
  const { path, initial, backend, signal, now = Date.now } = options;
  const load = options.load ?? ((from, until) => loadInBackground(from, { backend, signal: until }));
  let current: LoadedRegistry = { registry: initial.registry, files: initial.files, loadedAt: now() };
  let failure: FailedReload | undefined;
  /** What the files looked like when they were last read; undefined where they could not be. */
  let read: string | undefined = initial.signature;
  /** What they looked like at the last look, where that differs. */
  let seen: string | undefined;
  /** Of files that could not be read and look the same since: tries so far, and looks until the next one. */
  let tries = 0;
  let looksToWait = 0;
  let underWay: Promise<PollOutcome> | undefined;

  const look = async (): Promise<PollOutcome> => {
    const signature = await signatureOf(path);
    if (signature === read) {
      seen = undefined;
      return 'unchanged';
    }
    if (signature !== seen) {
      seen = signature;
      tries = 0;
      looksToWait = 0;
      return 'settling';
    }
    if (looksToWait > 0) {
      looksToWait -= 1;
      return 'unchanged';
    }
    const result = await load(path, signal);
    if (signal?.aborted) return 'unchanged';
    if ((await signatureOf(path)) !== signature) {
      // Changed while it was read: this may be half of two.
      seen = undefined;
      return 'settling';
    }
    if (!result.ok && result.unread) {
      // Descriptors that ran out, or a right that is given later, leave no trace in the signature. At the next look
      // again, then less and less often: what can be read of a large registry is parsed at each try.
      read = undefined;
      looksToWait = Math.min(2 ** tries - 1, maxLooksBetweenTries - 1);
      tries += 1;
      return tries > 1 && isSame(result.problems, failure?.problems) ? 'unchanged' : take(result);
    }
    read = signature;
    seen = undefined;
    return take(result);
  };

  const take = (result: LoadResult): PollOutcome => {
    if (!result.ok) {
      failure = { at: now(), problems: result.problems, omitted: result.omitted };
      options.onBad?.(failure);
      return 'refused';
    }
    if (result.registry.digest === current.registry.digest && failure === undefined) return 'unchanged';
    failure = undefined;
    current = { registry: result.registry, files: result.files, loadedAt: now() };
    options.onGood?.(current);
    return 'reloaded';
  };

  return {
    current: () => current,
    lastFailure: () => failure,
    poll: () => {
      underWay ??= look().finally(() => {
        underWay = undefined;
      });
      return underWay;
    },
  };
}

function isSame(some: readonly Problem[], others: readonly Problem[] | undefined): boolean {
  return JSON.stringify(some) === JSON.stringify(others);
}

/** Looks every `intervalMs` until the signal: a change is in force within a second. Holds no process open. */
export function watchRegistry(options: WatchOptions & { readonly intervalMs?: number }): RegistryHolder {
  const { signal, intervalMs = 250 } = options;
  const watcher = createRegistryWatcher(options);
  const again = () => {
    if (signal?.aborted) return;
    setTimeout(() => {
      // A look that fails (a reload cut off by the signal, at most) must not end the watching.
      void watcher
        .poll()
        .catch(() => undefined)
        .then(again);
    }, intervalMs).unref();
  };
  again();
  return watcher;
}
