import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { bundle, bundleName } from '../../src/bundle/bundle.ts';

/**
 * Bundles the gate of the current checkout into a folder that has no node_modules above it, so that the run uses the same
 * single file as the image. Returns its path.
 */
export async function buildGate(folder: string): Promise<string> {
  const root = path.join(import.meta.dirname, '../..');
  const { code, assets } = await bundle({ root });
  mkdirSync(folder, { recursive: true });
  for (const asset of assets) cpSync(path.join(root, asset), path.join(folder, asset));
  const file = path.join(folder, bundleName);
  writeFileSync(file, code);
  return file;
}
