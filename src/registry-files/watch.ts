import { oneLine } from '../domain/outside-text.ts';
import type { Problem, RegistrySet } from '../domain/registry/model.ts';
import { loadInBackground } from './background.ts';
import { signatureOf } from './files.ts';
import type { LoadOptions, LoadResult } from './load.ts';

export interface LoadedRegistry {
  readonly registries: RegistrySet;
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

/** The current registry. Each request reads it once, so that it uses one version. */
export interface RegistryHolder {
  current(): LoadedRegistry;
  /** Why the newest change was refused; undefined where it was not. */
  lastFailure(): FailedReload | undefined;
}

export interface WatchOptions extends LoadOptions {
  /** The file or folder that `initial` was read from. */
  readonly path: string;
  /** The result of loadRegistries at the start. */
  readonly initial: LoadResult & { readonly ok: true };
  /** A change was loaded. Also called when the files are again as they were before a refused change. */
  readonly onGood?: (loaded: LoadedRegistry) => void;
  /** A change was invalid or could not be read. Called once for each change, not for each retry. */
  readonly onBad?: (failed: FailedReload) => void;
  /** Stops watching, and cancels a pending reload. */
  readonly signal?: AbortSignal;
  /** Epoch ms; default: the system clock. */
  readonly now?: () => number;
  /** Reads the registry; default: loadInBackground. */
  readonly load?: (path: string, signal?: AbortSignal) => Promise<LoadResult>;
}

/** The most polls between two attempts to read files that could not be read: ten seconds. */
const maxPollsBetweenTries = 40;

/** The result of a poll. */
export type PollOutcome = 'unchanged' | 'settling' | 'reloaded' | 'refused';

export interface RegistryWatcher extends RegistryHolder {
  /**
   * Polls the files once. A change is read only when two polls in a row see the same, so that a file is not read while it
   * is being written. Concurrent calls share one poll.
   */
  poll(): Promise<PollOutcome>;
}

/**
 * Reloads a registry when its files change. Polling detects edits, atomic renames, the swap of a ConfigMap's `..data` and
 * changes on network file systems; change notifications miss some of these.
 */
export function createRegistryWatcher(options: WatchOptions): RegistryWatcher {
  const { path, initial, backend, environment, signal, now = Date.now } = options;
  const load =
    options.load ?? ((from, until) => loadInBackground(from, { backend, environment, signal: until }));
  let current: LoadedRegistry = { registries: initial.registries, files: initial.files, loadedAt: now() };
  let failure: FailedReload | undefined;
  /** The signature of the files when they were last read; undefined if they could not be read. */
  let read: string | undefined = initial.signature;
  /** The signature at the last poll, where it differs. */
  let seen: string | undefined;
  /** For unchanged files that could not be read: attempts so far, and polls until the next one. */
  let tries = 0;
  let pollsToWait = 0;
  let pending: Promise<PollOutcome> | undefined;

  const pollOnce = async (): Promise<PollOutcome> => {
    const signature = await signatureOf(path);
    if (signature === read) {
      seen = undefined;
      return 'unchanged';
    }
    if (signature !== seen) {
      seen = signature;
      tries = 0;
      pollsToWait = 0;
      return 'settling';
    }
    if (pollsToWait > 0) {
      pollsToWait -= 1;
      return 'unchanged';
    }
    const result = await load(path, signal).catch((error: unknown) => {
      if (signal?.aborted) throw error;
      return crashedLoad(path, error);
    });
    if (signal?.aborted) return 'unchanged';
    if ((await signatureOf(path)) !== signature) {
      // The files changed while they were read: this may be a mix of two versions.
      seen = undefined;
      return 'settling';
    }
    if (!result.ok && result.unread) {
      // The cause, such as exhausted descriptors or missing permissions, does not show in the signature. Retried at the
      // next poll, then less and less often: each attempt parses what can be read of a large registry.
      read = undefined;
      pollsToWait = Math.min(2 ** tries - 1, maxPollsBetweenTries - 1);
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
    if (result.registries.digest === current.registries.digest && failure === undefined) return 'unchanged';
    failure = undefined;
    current = { registries: result.registries, files: result.files, loadedAt: now() };
    options.onGood?.(current);
    return 'reloaded';
  };

  return {
    current: () => current,
    lastFailure: () => failure,
    poll: () => {
      pending ??= pollOnce().finally(() => {
        pending = undefined;
      });
      return pending;
    },
  };
}

/** A load that failed by itself, and not by what it read: the gate must not keep the old registry and say nothing. */
function crashedLoad(path: string, error: unknown): LoadResult {
  const reason = error instanceof Error ? error.message : String(error);
  const problem = {
    file: path,
    line: 1,
    column: 1,
    path: '',
    rule: 'load-crashed',
    message: `the registry could not be loaded: ${oneLine(reason)}`,
    fix: 'Run cuj-gate validate with the same files. If it crashes as well, please report it as a bug of cuj-gate.',
  };
  return { ok: false, problems: [problem], omitted: 0, unread: true, files: [path], signature: '' };
}

function isSame(some: readonly Problem[], others: readonly Problem[] | undefined): boolean {
  return JSON.stringify(some) === JSON.stringify(others);
}

/** Polls every `intervalMs` until the signal: a change is loaded within a second. Does not keep the process alive. */
export function watchRegistry(options: WatchOptions & { readonly intervalMs?: number }): RegistryHolder {
  const { signal, intervalMs = 250 } = options;
  const watcher = createRegistryWatcher(options);
  const again = () => {
    if (signal?.aborted) return;
    setTimeout(() => {
      // A failed poll (for example a cancelled reload) must not stop the watching.
      void watcher
        .poll()
        .catch(() => undefined)
        .then(again);
    }, intervalMs).unref();
  };
  again();
  return watcher;
}
