import { createHash } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import path from 'node:path';
import type { AskedAbout, ChangesQuery, GivenChange, GivenRecord } from '../domain/ports/verdict-history.ts';
import { keyOf } from './asked-releases.ts';
import type { ChangeStore, StoredChanges } from './change-store.ts';
import { type KeptVerdict, readDocument, textOf } from './given-document.ts';

export interface FolderStoreOptions {
  /** Created where it does not exist. It belongs to one process. */
  readonly folder: string;
  readonly maxBytes: number;
  readonly maxAgeMs: number;
  /** Epoch ms. */
  readonly now: () => number;
}

interface StoredFile {
  readonly day: string;
  readonly name: string;
  readonly bytes: number;
}

/** `2026-11-24/120405.123_cuj_signup_1a2b3c4d5e6f_fail_slo_violated_9f8e7d6c.json`: when, what, which question, outcome, id. */
const dayPattern = /^\d{4}-\d{2}-\d{2}$/;
const namePattern =
  /^(\d{2})(\d{2})(\d{2}\.\d{3})_(cuj|service)_([A-Za-z0-9%.-]{1,200})_([0-9a-f]{12})_[a-z]+_[a-z_]+_[0-9a-f]{8}\.json$/;
const unfinished = '.tmp';
const maxFiles = 100_000;
/** Longer files are none of ours, and are not read. */
const maxFileBytes = 64 * 1024 * 1024;
/** How often the folder is read again, for what others did to it. */
const scanEveryMs = 3_600_000;
const dayMs = 86_400_000;

/**
 * Keeps changes as files, a folder for each day: one file for each verdict, which `evaluate --replay` reads. The oldest
 * are deleted. A file is there completely or not at all.
 */
export class FolderStore implements ChangeStore {
  readonly #options: FolderStoreOptions;
  /** Oldest first; undefined: not read yet. */
  #files: StoredFile[] | undefined;
  #bytes = 0;
  #scannedMs = Number.NEGATIVE_INFINITY;
  #reading: Promise<unknown> = Promise.resolve();

  constructor(options: FolderStoreOptions) {
    this.#options = options;
  }

  async append(kept: KeptVerdict): Promise<void> {
    const { folder, now } = this.#options;
    const text = await textOf(kept);
    const { day, name } = fileOf(kept.change);
    const inDay = path.join(folder, day);
    const file = path.join(inDay, name);
    try {
      await mkdir(inDay, { recursive: true });
      if (this.#files === undefined || Math.abs(now() - this.#scannedMs) >= scanEveryMs) await this.#scan();
      await writeWhole(file, text);
    } catch (error) {
      // What is there may be other than what is known of it.
      this.#files = undefined;
      throw error;
    }
    const bytes = Buffer.byteLength(text);
    const files = this.#files as StoredFile[];
    files.push({ day, name, bytes });
    this.#bytes += bytes;
    await this.#trim(files);
  }

  async list(
    { cuj, service, environment, fromMs, toMs, max }: ChangesQuery,
    signal: AbortSignal,
  ): Promise<StoredChanges> {
    const kind = cuj !== undefined ? 'cuj' : service !== undefined ? 'service' : undefined;
    const name = cuj ?? service;
    const wanted = (file: NamedFile) =>
      kind === undefined || (file.kind === kind && file.about === safe(name as string));
    const changes: GivenChange[] = [];
    let more = false;
    await this.#read(fromMs, toMs, wanted, signal, (given) => {
      if (environment !== undefined && given.about.environment !== environment) return true;
      if (changes.length >= max) {
        more = true;
        return false;
      }
      const { given: _, record: __, ...change } = given;
      changes.push(change);
      return true;
    });
    return { changes, more };
  }

  async latest(
    about: AskedAbout,
    fromMs: number,
    toMs: number,
    signal: AbortSignal,
  ): Promise<GivenRecord | undefined> {
    const key = keyOf(about);
    const digest = digestOf(about);
    let found: GivenRecord | undefined;
    await this.#read(
      fromMs,
      toMs,
      (file) => file.digest === digest,
      signal,
      (given) => {
        if (keyOf(given.about) !== key) return true;
        found = given;
        return false;
      },
    );
    return found;
  }

  async close(): Promise<void> {}

  /**
   * Reads files of a span, newest first, while `visit` returns true. One reader at a time: a disk that hangs must not
   * take all threads that Node has for files.
   */
  async #read(
    fromMs: number,
    toMs: number,
    wanted: (file: NamedFile) => boolean,
    signal: AbortSignal,
    visit: (given: GivenRecord) => boolean,
  ): Promise<void> {
    const before = this.#reading;
    const own = (async () => {
      await before.catch(() => {});
      signal.throwIfAborted();
      const oldestMs = Math.max(fromMs, this.#options.now() - this.#options.maxAgeMs);
      const days = (await listIfThere(this.#options.folder)).filter((day) => dayPattern.test(day)).sort();
      for (const day of days.reverse()) {
        const dayStartMs = Date.parse(`${day}T00:00:00Z`);
        if (dayStartMs > toMs || dayStartMs + dayMs <= oldestMs) continue;
        const files = (await listIfThere(path.join(this.#options.folder, day)))
          .flatMap((name) => namedFile(day, name) ?? [])
          .filter((file) => file.atMs >= oldestMs && file.atMs <= toMs && wanted(file))
          .sort((a, b) => b.atMs - a.atMs || (a.name < b.name ? 1 : -1));
        for (const { name } of files) {
          signal.throwIfAborted();
          const text = await readIfThere(path.join(this.#options.folder, day, name));
          const given = text === undefined ? undefined : readDocument(text);
          if (given !== undefined && !visit(given)) return;
        }
      }
    })();
    this.#reading = own;
    await withSignal(own, signal);
  }

  async #scan(): Promise<void> {
    const { folder, now } = this.#options;
    const files: StoredFile[] = [];
    const days = (await readdir(folder)).filter((day) => dayPattern.test(day)).sort();
    for (const day of days) {
      for (const name of (await listIfThere(path.join(folder, day))).sort()) {
        const file = path.join(folder, day, name);
        if (name.endsWith(unfinished)) await rm(file, { force: true });
        if (!namePattern.test(name)) continue;
        const bytes = await stat(file).then(
          ({ size }) => size,
          () => 0,
        );
        files.push({ day, name, bytes });
      }
    }
    this.#files = files;
    this.#bytes = files.reduce((sum, { bytes }) => sum + bytes, 0);
    this.#scannedMs = now();
  }

  /** Deletes the oldest: what is too old, and what there is no room for. */
  async #trim(files: StoredFile[]): Promise<void> {
    const { folder, maxBytes, maxAgeMs, now } = this.#options;
    const oldestMs = now() - maxAgeMs;
    for (let file = files[0]; file !== undefined; file = files[0]) {
      const isOld = (namedFile(file.day, file.name)?.atMs ?? 0) < oldestMs;
      if (!isOld && this.#bytes <= maxBytes && files.length <= maxFiles) return;
      await rm(path.join(folder, file.day, file.name), { force: true });
      files.shift();
      this.#bytes -= file.bytes;
      // Fails while there are others in it.
      if (files[0]?.day !== file.day) await rmdir(path.join(folder, file.day)).catch(() => {});
    }
  }
}

interface NamedFile {
  readonly name: string;
  readonly atMs: number;
  readonly kind: string;
  readonly about: string;
  readonly digest: string;
}

function fileOf({ id, atMs, about, verdict, reason }: GivenChange): { day: string; name: string } {
  const iso = new Date(atMs).toISOString();
  const time = iso.slice(11, 23).replaceAll(':', '');
  const name = `${time}_${about.kind}_${safe(about.name)}_${digestOf(about)}_${verdict}_${reason}_${id}.json`;
  return { day: iso.slice(0, 10), name };
}

function namedFile(day: string, name: string): NamedFile | undefined {
  const parts = namePattern.exec(name);
  if (parts === null) return undefined;
  const [, hour, minute, second, kind, about, digest] = parts as unknown as string[];
  const atMs = Date.parse(`${day}T${hour}:${minute}:${second}Z`);
  return { name, atMs, kind: kind as string, about: about as string, digest: digest as string };
}

/** A name of the registry as a part of a file's name. */
function safe(name: string): string {
  return encodeURIComponent(name)
    .replace(/[_~!*'()]/g, (letter) => `%${letter.charCodeAt(0).toString(16)}`)
    .slice(0, 150);
}

function digestOf(about: AskedAbout): string {
  return createHash('sha256').update(keyOf(about)).digest('hex').slice(0, 12);
}

/** Written under another name and renamed, so that no reader finds a half. */
async function writeWhole(file: string, text: string): Promise<void> {
  const draft = `${file}${unfinished}`;
  try {
    const handle = await open(draft, 'w');
    try {
      await handle.writeFile(text);
    } finally {
      await handle.close();
    }
    await rename(draft, file);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => {});
    throw error;
  }
}

async function listIfThere(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** Undefined where it was deleted meanwhile, or is none of ours. */
async function readIfThere(file: string): Promise<string | undefined> {
  try {
    const handle = await open(file, 'r');
    try {
      const { size } = await handle.stat();
      return size > maxFileBytes ? undefined : await handle.readFile('utf8');
    } finally {
      await handle.close();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Rejects as soon as the signal aborts, whatever the disk does. */
function withSignal<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
