import { execFile } from 'node:child_process';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

const run = promisify(execFile);
const compress = promisify(gzip);

/**
 * A tar of everything in a folder that is the same on every machine: sorted, of nobody, with one time for all (epoch
 * seconds). Throws where `tar` is not GNU tar, which can do this.
 */
export async function tarOf(folder: string, epochSeconds: number): Promise<Buffer> {
  const { stdout } = await run('tar', ['--version']).catch(() => ({ stdout: '' }));
  if (!stdout.includes('GNU tar'))
    throw new Error('GNU tar is needed: install it, and put it on the PATH as tar.');
  const file = `${folder}.tar`;
  const sameEverywhere = [
    ...['--sort=name', '--format=ustar', '--owner=0', '--group=0', '--numeric-owner'],
    ...['--mode=u=rwX,go=rX', `--mtime=@${epochSeconds}`],
  ];
  try {
    const names = (await readdir(folder)).sort();
    await run('tar', ['--create', ...sameEverywhere, '--file', file, '--directory', folder, '--', ...names]);
    return await readFile(file);
  } finally {
    await rm(file, { force: true });
  }
}

/** gzip without a name and a time. */
export const gzipped = (bytes: Buffer): Promise<Buffer> => compress(bytes, { level: 9 });

/** Writes a folder as a `.tar.gz`. */
export async function writeArchive(folder: string, target: string, epochSeconds: number): Promise<void> {
  await writeFile(target, await gzipped(await tarOf(folder, epochSeconds)));
}
