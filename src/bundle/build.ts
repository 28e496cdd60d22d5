import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { imageFiles } from './image-files.ts';

/**
 * `npm run bundle`: the one file that the image runs, the licences of what is in it, and its bill of materials. It
 * lives under src because it must know how the source calls the Datadog client; nothing else in src imports it, and it
 * is no part of the npm package.
 */

const root = fileURLToPath(new URL('../..', import.meta.url));
const { files, packages } = await imageFiles(root);
for (const [file, text] of Object.entries(files)) {
  const target = path.join(root, 'dist', file);
  await mkdir(path.dirname(target), { recursive: true });
  await writeFile(target, text);
  console.error(`${path.relative(root, target)}  ${(Buffer.byteLength(text) / 1024).toFixed(0)} KiB`);
}
console.error(`${packages.length} packages are in the bundle`);
