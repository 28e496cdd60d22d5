import { randomUUID } from 'node:crypto';
import { readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';

export interface Replacement {
  readonly file: string;
  /** What the file must still have. */
  readonly before: string;
  readonly after: string;
}

/**
 * Replaces files, all of them or none: each gets its new text beside it, and takes its place at the end. Where one cannot be
 * replaced, those before it get their text back. Links stay links, and permissions stay. Throws the system's error, or an
 * Error where a file was changed meanwhile.
 */
export async function replaceFiles(replacements: readonly Replacement[]): Promise<void> {
  const placed: { target: string; beside: string; mode: number; replacement: Replacement }[] = [];
  const replaced: typeof placed = [];
  try {
    for (const replacement of replacements) {
      const target = await realpath(replacement.file);
      const { mode } = await stat(target);
      const beside = besideOf(target);
      placed.push({ target, beside, mode, replacement });
      await writeFile(beside, replacement.after, { mode, flag: 'wx' });
    }
    for (const one of placed) {
      if ((await readFile(one.target, 'utf8')) !== one.replacement.before)
        throw new Error(`${one.replacement.file} was changed meanwhile`);
      await rename(one.beside, one.target);
      replaced.push(one);
    }
  } catch (error) {
    for (const { target, mode, replacement } of replaced.reverse()) {
      const beside = besideOf(target);
      await writeFile(beside, replacement.before, { mode });
      await rename(beside, target);
    }
    throw error;
  } finally {
    await Promise.all(placed.map(({ beside }) => rm(beside, { force: true })));
  }
}

const besideOf = (target: string) =>
  path.join(path.dirname(target), `.${path.basename(target)}.${randomUUID()}`);
