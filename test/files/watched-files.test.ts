import { EventEmitter, once } from 'node:events';
import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  FilesRefused,
  type FileWatchOptions,
  type WatchedFiles,
  watchFiles,
} from '../../src/files/watched-files.ts';
import { scratchFolder } from '../registry-files/scratch.ts';

/** Two files whose texts must be the same, as a certificate and its key belong together. */
async function watchPair(folder: string, options: Partial<FileWatchOptions<string>> = {}) {
  const refused: (readonly string[])[] = [];
  const taken: string[] = [];
  const watched = await watchFiles<string>({
    paths: [join(folder, 'a'), join(folder, 'b')],
    make([a, b]) {
      if (!a?.equals(b as Buffer)) throw new FilesRefused(['a and b differ.']);
      return a.toString();
    },
    onGood: (made) => taken.push(made),
    onBad: (problems) => refused.push(problems),
    intervalMs: 0,
    ...options,
  });
  return { watched, refused, taken };
}

/** Until a look finds nothing to wait for. */
async function settle(watched: WatchedFiles<unknown>) {
  let outcome = await watched.poll();
  if (outcome === 'settling') outcome = await watched.poll();
  return outcome;
}

function both(folder: string, text: string): void {
  for (const name of ['a', 'b']) writeFileSync(join(folder, name), text);
}

function toFolder(folder: string): void {
  rmSync(join(folder, 'a'));
  mkdirSync(join(folder, 'a'));
}

describe('watchFiles', () => {
  it('has the files at once and reads them again when they change', async () => {
    const folder = scratchFolder({ a: 'old', b: 'old' });
    const { watched, taken } = await watchPair(folder);
    expect(watched.current()).toBe('old');
    expect(await watched.poll()).toBe('unchanged');
    both(folder, 'new!');
    expect(await settle(watched)).toBe('reloaded');
    expect(watched.current()).toBe('new!');
    expect(taken).toEqual(['new!']);
  });

  it('leaves a change alone that is still going on', async () => {
    const folder = scratchFolder({ a: 'old', b: 'old' });
    const { watched, refused } = await watchPair(folder);
    writeFileSync(join(folder, 'a'), 'new!');
    expect(await watched.poll()).toBe('settling');
    writeFileSync(join(folder, 'b'), 'new!');
    expect(await watched.poll()).toBe('settling');
    expect(await watched.poll()).toBe('reloaded');
    expect(refused).toEqual([]);
  });

  it('makes nothing of files that change while they are read', async () => {
    const folder = scratchFolder({ a: 'old', b: 'old' });
    let meanwhile = () => {};
    const { watched } = await watchPair(folder, {
      make([a]) {
        meanwhile();
        return (a as Buffer).toString();
      },
    });
    both(folder, 'half');
    expect(await watched.poll()).toBe('settling');
    meanwhile = () => both(folder, 'whole');
    expect(await watched.poll()).toBe('settling');
    expect(watched.current()).toBe('old');
    meanwhile = () => {};
    expect(await settle(watched)).toBe('reloaded');
    expect(watched.current()).toBe('whole');
  });

  it("sees the swap of a Secret's ..data, which changes neither names nor links", async () => {
    const folder = scratchFolder();
    for (const version of ['1', '2']) {
      mkdirSync(join(folder, version));
      both(join(folder, version), `version ${version}`);
    }
    symlinkSync('1', join(folder, '..data'));
    for (const name of ['a', 'b']) symlinkSync(join('..data', name), join(folder, name));
    const { watched } = await watchPair(folder);
    expect(watched.current()).toBe('version 1');
    symlinkSync('2', join(folder, '..tmp'));
    renameSync(join(folder, '..tmp'), join(folder, '..data'));
    expect(await settle(watched)).toBe('reloaded');
    expect(watched.current()).toBe('version 2');
  });

  it.each<[string, (folder: string) => void, RegExp]>([
    ['is gone', (folder) => rmSync(join(folder, 'a')), /a cannot be read \(ENOENT\)/],
    ['is a folder', toFolder, /a is not a file/],
    ['is wrong', (folder) => writeFileSync(join(folder, 'a'), 'other'), /a and b differ/],
    [
      'is huge',
      (folder) => writeFileSync(join(folder, 'a'), 'x'.repeat(1024 * 1024 + 1)),
      /larger than 1 MiB/,
    ],
  ])(
    'keeps what it has where a file %s, says so once, and goes on when it is good again',
    async (_, spoil, problem) => {
      const folder = scratchFolder({ a: 'old', b: 'old' });
      const { watched, refused, taken } = await watchPair(folder);
      spoil(folder);
      expect(await settle(watched)).toBe('refused');
      expect(watched.current()).toBe('old');
      for (let i = 0; i < 3; i += 1) expect(await watched.poll()).toBe('unchanged');
      expect(refused).toHaveLength(1);
      expect(refused[0]?.join()).toMatch(problem);
      rmSync(join(folder, 'a'), { recursive: true, force: true });
      both(folder, 'fixed');
      expect(await settle(watched)).toBe('reloaded');
      expect(taken).toEqual(['fixed']);
    },
  );

  it('tries a failed read again at the next look, and says once what failed', async () => {
    const folder = scratchFolder({ a: 'old', b: 'old' });
    let code: string | undefined;
    const { watched, refused, taken } = await watchPair(folder, {
      read: async (path) => {
        if (code !== undefined) throw Object.assign(new Error(code), { code });
        return readFile(path);
      },
    });
    both(folder, 'new!');
    code = 'EMFILE';
    expect(await settle(watched)).toBe('refused');
    expect(watched.current()).toBe('old');
    expect(await watched.poll()).toBe('unchanged');
    expect(refused).toHaveLength(1);
    expect(refused[0]?.join()).toMatch(/a cannot be read \(EMFILE\)/);
    code = 'EACCES';
    expect(await watched.poll()).toBe('refused');
    code = undefined;
    expect(await watched.poll()).toBe('reloaded');
    expect(await watched.poll()).toBe('unchanged');
    expect(taken).toEqual(['new!']);
  });

  it('tells a failed read from a wrong content that was refused before', async () => {
    const folder = scratchFolder({ a: 'old', b: 'old' });
    let fails = false;
    const { watched, refused } = await watchPair(folder, {
      read: async (path) => {
        if (fails) throw Object.assign(new Error('EIO'), { code: 'EIO' });
        return readFile(path);
      },
    });
    writeFileSync(join(folder, 'a'), 'wrong');
    fails = true;
    expect(await settle(watched)).toBe('refused');
    fails = false;
    expect(await watched.poll()).toBe('refused');
    expect(await watched.poll()).toBe('unchanged');
    expect(refused.map((problems) => problems.join())).toEqual([
      expect.stringMatching(/EIO/),
      'a and b differ.',
    ]);
  });

  it('takes a change of mode alone for a change', async () => {
    const folder = scratchFolder({ a: 'old', b: 'old' });
    const { watched } = await watchPair(folder);
    chmodSync(join(folder, 'a'), 0o640);
    expect(await settle(watched)).toBe('reloaded');
  });

  it('refuses at the start what it would refuse later', async () => {
    await expect(watchPair(scratchFolder({ a: 'old' }))).rejects.toThrow(/b cannot be read \(ENOENT\)/);
    await expect(watchPair(scratchFolder({ a: 'old', b: 'new' }))).rejects.toThrow(FilesRefused);
  });

  it('looks by itself, until it is told to end', async () => {
    const folder = scratchFolder({ a: 'old', b: 'old' });
    const ended = new AbortController();
    const news = new EventEmitter();
    await watchPair(folder, {
      intervalMs: 5,
      onGood: (made) => news.emit('taken', made),
      signal: ended.signal,
    });
    const taken = once(news, 'taken');
    both(folder, 'new!');
    expect(await taken).toEqual(['new!']);
    ended.abort();
  });
});
