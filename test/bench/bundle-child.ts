import { cpSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { bundle } from '../../src/bundle/bundle.ts';

/**
 * Bundles a script of this folder as the image's program is bundled, and returns the file: tsx renames
 * every function and has the whole client; the image does neither.
 */
export async function bundleChild(script: string, folder: string): Promise<string> {
  const root = path.join(import.meta.dirname, '../..');
  const { code, assets } = await bundle({ root, entry: path.join(import.meta.dirname, script) });
  const file = path.join(folder, script.replace(/\.tsx?$/, '.mjs'));
  writeFileSync(file, code);
  for (const asset of assets) cpSync(path.join(root, asset), path.join(folder, asset));
  return file;
}
